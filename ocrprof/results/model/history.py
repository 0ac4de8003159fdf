"""Sessions of one program on one kind of machine, one after another: what each measured, and where that changed."""

from typing import Any, Literal

from pydantic import ConfigDict, Field

from ocrprof.results.model.check import CheckVerdict, GitState, MetricInfo
from ocrprof.results.model.context import Environment, TargetInfo, Tool
from ocrprof.results.model.values import Value

HISTORY_SCHEMA = "ocrprof-history/1"

Flag = Literal["failed", "interrupted", "not_comparable", "dirty", "regressed", "inconclusive"]
"""Why a session is kept and never compared with: it would make a slow, a broken or an unknown state the measure."""


class HistoryLine(Value):
    """One session, as a line of a history. `id` is of when, of which commit and of what was measured.

    `launches` are the raw values of each launch by metric, in the metric's unit; `exact` what needs no statistics, as
    numbers. `refuse`, the fields of the machine's and the workload's fingerprint, stands once in a file: in its first
    whole line.
    """

    schema_: Literal["ocrprof-history/1"] = Field(default="ocrprof-history/1", alias="schema")
    id: str
    created: str
    kind: Literal["check", "startup", "baseline"]
    tool: str = Field(description="version of the ocrprof that measured")
    argv: list[str]
    folder: str = Field(default=".", description="where it was started, from the repository's top on")
    git: GitState
    fingerprint: str
    metric_set: str = Field(description="hash of the metrics that decide: name, unit, direction, version")
    refuse: dict[str, Any] | None = None  # Any: JSON values, in all three
    treatment: dict[str, Any] = {}
    warn: dict[str, Any] = {}
    launches: list[dict[str, float]] = []
    exact: dict[str, float] = {}
    reference_seconds: float | None = Field(default=None, description="of a fixed piece of work, before the launches")
    verdict: CheckVerdict | None = Field(default=None, description="of a check")
    flags: list[Flag] = []

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, ser_json_inf_nan="strings")


class SessionRef(Value):
    """One session of a history, without its values."""

    id: str
    created: str
    sha: str | None = None
    subject: str | None = None
    num_launches: int = 0
    flags: list[Flag] = []


class Reference(Value):
    """What the newest session is held against. `ratio` of the newest to it, above 1 worse; None where it is of 0."""

    name: Literal["frozen", "rolling"]
    label: str
    value: float = Field(description="median over its sessions, in the metric's unit")
    num_sessions: int
    ratio: float | None


class ChangePoint(Value):
    """Where a metric changed for good. Sessions are told by their place in the report's list of them.

    The change lies between `last_before` and `first_after` by its best estimate, and between `surely_before` and
    `surely_after` with 95 % probability. Of an exact metric both are the same, and `p` is None.
    """

    kind: Literal["regression", "improvement", "change"] = Field(description="change: neither way is the better one")
    ratio: float | None = Field(description="after over before, above 1 worse; None where one of them is 0")
    before: float
    after: float
    num_before: int
    num_after: int
    p: float | None = None
    last_before: int
    first_after: int
    surely_before: int
    surely_after: int
    commits: list[str] = Field(
        default=[], description="those between surely_before and surely_after, newest first; the first of many"
    )
    num_commits: int | None = Field(default=None, description="None where git does not know both")
    also: list[str] = Field(default=[], description="what else of machine and software changed between the two")


class Series(Value):
    """One metric over all sessions of the report; `values` in its unit, None where a session lacks it."""

    info: MetricInfo
    values: list[float | None]
    sd: float | None = Field(default=None, description="of the logarithms between sessions, without changes and drift")
    newest: int | None = Field(default=None, description="the session that is held against the references")
    references: list[Reference] = []
    changes: list[ChangePoint] = []


class HistoryReport(Value):
    """`kind: history`: the sessions of one fingerprint and metric set, in order, and what came of each metric."""

    schema_: Literal["ocrprof/1"] = Field(default="ocrprof/1", alias="schema")
    kind: Literal["history"] = "history"
    created: str
    tool: Tool
    target: TargetInfo
    environment: Environment = Field(description="of the machine that the report was made on")
    fingerprint: str
    metric_set: str
    refuse: dict[str, Any] = {}  # Any: JSON values
    launch: dict[str, Any] = Field(default={}, description="to which milestone, with which limits")  # Any: JSON values
    ordered_by: Literal["commit", "time"]
    sessions: list[SessionRef]
    window: int = Field(description="sessions, the newest ones, in which changes were looked for")
    level: float = Field(description="p up to which a change of a metric is told")
    seed: int
    series: list[Series] = []
    headline: str = ""
    notes: list[str] = []

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

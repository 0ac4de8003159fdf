"""Two states of a program checked against each other: launches in pairs, exact metrics, verdicts."""

from typing import Any, Literal

from pydantic import ConfigDict, Field

from ocrprof.results.model.context import Environment, TargetInfo, Tool
from ocrprof.results.model.values import Location, Value

ArmName = Literal["base", "candidate"]

MetricClass = Literal["exact", "sampled", "bounded", "budget"]

MetricVerdict = Literal["regressed", "improved", "ok", "inconclusive", "changed", "missing", "reported"]
"""`changed`: an exact metric differs and that is no regression; `reported`: not gated."""

CheckVerdict = Literal["regressed", "improved", "ok", "inconclusive", "not_comparable", "failed"]


class MetricInfo(Value):
    """One metric: its unit, which way is better, and what decides. `floor`: below it no change is told."""

    name: str
    unit: Literal["seconds", "bytes", "count", "samples_per_sec"]
    direction: Literal["lower", "higher"]
    kind: MetricClass
    version: int = 1
    gated: bool = True
    min_effect: float = 0.05
    floor: float = 0.0


class Launch(Value):
    """One fresh process of one arm. `pair` 0: a warm-up. `values` by metric.

    `position` in its pair: first (0) or second; of a parallel duet, on which of the two sets of CPUs. `covariates` of
    the machine are those of the whole pair there.
    """

    number: int
    arm: ArmName
    pair: int
    position: int
    started: str
    status: str
    exit_code: int | None = None
    attempt: int | None = Field(default=None, description="the earlier attempt that it was measured in; None: this one")
    wall_seconds: float
    values: dict[str, float] = {}
    within: dict[str, list[float]] = Field(default={}, description="samples inside the launch; never replicates")
    covariates: dict[str, float] = {}
    stderr_tail: list[str] = []


class ExactItem(Value):
    """One member of an exact metric that only one side has, and where it came from there."""

    name: str
    location: Location | None = None
    detail: str | None = None
    seconds: float | None = Field(default=None, description="that it took there, without what it brought in")


class ExactChange(Value):
    """An exact metric of both sides; the sets' difference where it is one of a set."""

    name: str
    base: float | None = None
    candidate: float | None = None
    added: list[ExactItem] = []
    removed: list[ExactItem] = []
    num_added: int = 0
    num_removed: int = 0
    verdict: MetricVerdict = "ok"
    reason: str | None = None


class ExactFacts(Value):
    """What one launch did that needs no statistics: counts, and sets whose members have the place they came from.

    A place is `file:line`, relative to the repository where it lies in it; None where it is not known. `counts` are
    sets whose members happen so many times. `unsteady`: names of what a second launch of the same code did otherwise.
    """

    values: dict[str, float] = {}
    sets: dict[str, dict[str, str | None]] = {}
    counts: dict[str, dict[str, int]] = {}
    unsteady: list[str] = []


class MetricSummary(Value):
    """One sampled metric over all pairs. `ratio`: candidate over base, above 1 worse, Hodges-Lehmann."""

    name: str
    n: int
    ratio: float | None = None
    ci95: tuple[float, float] | None = None
    ci_simultaneous: tuple[float, float] | None = None
    p_fw: float | None = Field(default=None, description="family-wise, by max-T over the gated metrics")
    p_fw_improved: float | None = None
    sd_pair: float | None = Field(default=None, description="of the pairs' log ratios")
    mde: float | None = Field(default=None, description="smallest slowdown that could have been seen, as a share")
    pairs_needed: int | None = Field(default=None, description="that would settle it")
    base_median: float | None = None
    candidate_median: float | None = None
    verdict: MetricVerdict
    reason: str | None = None


class Budget(Value):
    """A limit that the caller set, and whether it was kept."""

    text: str
    value: float | None = None
    limit: float | None = None
    kept: bool | None = Field(default=None, description="None where it could not be measured")
    reason: str | None = None


class FingerprintField(Value):
    """One field in which two machines or workloads differ."""

    tier: Literal["refuse", "treatment", "warn"]
    name: str
    base: str
    candidate: str


class Fingerprint(Value):
    """What a measurement depends on, in tiers; `id` is of the first alone."""

    id: str
    refuse: dict[str, Any] = {}  # Any: JSON values
    treatment: dict[str, Any] = {}  # Any: JSON values
    warn: dict[str, Any] = {}  # Any: JSON values
    record: dict[str, Any] = {}  # Any: JSON values


class GitState(Value):
    """One side's commit."""

    ref: str | None = None
    sha: str | None = None
    dirty: bool = False
    subject: str | None = None


class Attempt(Value):
    """An earlier attempt at the same check whose pairs count. `num_pairs` of it count; `order` is theirs."""

    number: int
    seed: int
    created: str
    num_pairs: int
    order: list[int] = []
    verdict: CheckVerdict


class SessionFigures(Value):
    """A stored session as it entered the judgement: its launches' medians (of logarithms) and means, by metric."""

    created: str
    sha: str | None = None
    num_launches: int
    medians: dict[str, float] = {}
    means: dict[str, float] = {}


class CheckDesign(Value):
    """How the launches were laid out and judged, fixed before the first of them."""

    mode: Literal["against", "baseline", "exact", "aa"]
    seed: int
    order: list[int] = Field(
        default=[], description="+1: the candidate came second in that pair; of a parallel duet, it had the second CPUs"
    )
    num_pairs_first: int = 10
    num_pairs_max: int = 40
    alpha: float = 0.01
    min_effect: float = 0.05
    target_effect: float = 0.10
    rule: Literal["gate", "margin"] = "gate"
    cold: bool = Field(default=False, description="what a timed launch reads left the page cache before it")
    evicted_files: int | None = None
    evicted_bytes: int | None = Field(default=None, description="of all files that a launch of either arm reads")
    duet: Literal["interleaved", "parallel"] = Field(
        default="interleaved", description="parallel: both launches of a pair at once, on CPUs of their own"
    )
    cpu_sets: list[list[int]] = Field(default=[], description="of a parallel duet, by the position of a launch")
    max_steal: float | None = Field(default=None, description="share of a launch from which on its pair is left out")
    attempt: int = Field(default=1, description="how many times this check was made, with this one")
    attempts: list[Attempt] = []
    stopped_because: str | None = None


class CheckReport(Value):
    """`kind: check`: the verdict, what it rests on, and every raw launch."""

    schema_: Literal["ocrprof/1"] = Field(default="ocrprof/1", alias="schema")
    kind: Literal["check"] = "check"
    created: str
    tool: Tool
    target: TargetInfo
    environment: Environment
    fingerprint: Fingerprint | None = None
    base_fingerprint: Fingerprint | None = Field(default=None, description="of a stored baseline")
    mismatches: list[FingerprintField] = []
    base: GitState = GitState()
    candidate: GitState = GitState()
    design: CheckDesign
    metric_infos: list[MetricInfo] = []
    launches: list[Launch] = []
    metrics: list[MetricSummary] = []
    exact: list[ExactChange] = []
    facts: ExactFacts | None = Field(default=None, description="of the candidate, for a later check against this file")
    sessions: list[SessionFigures] = Field(default=[], description="the stored ones, as they were given")
    explained: list[str] = Field(default=[], description="patterns of the metrics whose verdicts the pages explain")
    budgets: list[Budget] = []
    verdict: CheckVerdict
    exit_code: int
    headline: str = Field(description="the verdict in one sentence")
    notes: list[str] = []
    interrupted: bool = False
    seconds: float = 0.0

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

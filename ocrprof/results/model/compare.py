"""Two reports of one kind side by side: what changed, and why, in seconds."""

from typing import Literal

from pydantic import ConfigDict, Field

from ocrprof.results.model.check import CheckVerdict, ExactItem, FingerprintField, MetricSummary
from ocrprof.results.model.context import Environment, TargetInfo, Tool
from ocrprof.results.model.values import Location, Part, Value


class Cause(Value):
    """A reason why a time differs, and its seconds; the causes of a breakdown add up to its difference.

    `seconds` are exclusive: what is loaded or built inside something else is counted there alone.
    """

    name: str
    kind: Literal[
        "gained", "lost", "more_modules", "fewer_modules", "slower", "faster", "built", "own_code", "phase", "rest"
    ]
    seconds: float
    phase: str | None = None
    location: Location | None = None
    chain: list[str] = Field(default=[], description="from the program's file to it, `module (file:line)`")
    parts: list[Part] = Field(default=[], description="what it is made of where that is several, the longest first")
    detail: str | None = None
    inside_noise: bool | None = Field(default=None, description="None where the spread of the runs is not known")


class Breakdown(Value):
    """A time of both reports, and why it differs. The causes add up to candidate less base, to the nanosecond."""

    name: str
    base_seconds: float
    candidate_seconds: float
    base_ci95: tuple[float, float] | None = None
    candidate_ci95: tuple[float, float] | None = None
    difference_ci95: tuple[float, float] | None = Field(
        default=None, description="bootstrap of the difference of the medians; None below three runs on a side"
    )
    num_base: int = 1
    num_candidate: int = 1
    of: Literal["runs", "batches", "samples", "epochs"] = Field(default="runs", description="what was counted")
    inside_noise: bool | None = Field(default=None, description="None where the spread of runs is not known")
    phases: list[Part] = Field(default=[], description="the same difference by phase, in their order")
    causes: list[Cause] = []

    @property
    def difference_seconds(self) -> float:
        """Candidate less base: above zero it takes longer now."""
        return self.candidate_seconds - self.base_seconds


class ComparedFigure(Value):
    """One figure of both reports."""

    name: str
    unit: Literal["seconds", "bytes", "count", "samples_per_sec", "share", "ratio", "number"]
    base: float | None = None
    candidate: float | None = None
    base_ci95: tuple[float, float] | None = None
    candidate_ci95: tuple[float, float] | None = None
    inside_noise: bool | None = Field(default=None, description="None where the spread of runs is not known")


class ChangedValue(Value):
    """A value that differs, as text; None where only one side has it."""

    name: str
    base: str | None = None
    candidate: str | None = None


class Side(Value):
    """Which report stands on one side of a comparison."""

    path: str
    created: str
    tool: Tool
    target: TargetInfo
    environment: Environment


class ComparisonReport(Value):
    """`kind: compare`: two reports of one kind side by side, and why the second took longer or less long."""

    schema_: Literal["ocrprof/1"] = Field(default="ocrprof/1", alias="schema")
    kind: Literal["compare"] = "compare"
    created: str
    tool: Tool
    target: TargetInfo = Field(description="the candidate's")
    environment: Environment = Field(description="the candidate's")
    base: Side
    candidate: Side
    of_kind: str
    breakdowns: list[Breakdown] = []
    tables: dict[str, list[ComparedFigure]] = {}
    added: dict[str, list[ExactItem]] = {}
    removed: dict[str, list[ExactItem]] = {}
    changed: dict[str, list[ChangedValue]] = Field(default={}, description="configuration and library versions")
    mismatches: list[FingerprintField] = []
    judged: list[MetricSummary] = Field(default=[], description="only where it was asked to judge")
    test: str | None = Field(default=None, description="how it was judged, in a sentence")
    verdict: CheckVerdict | None = Field(default=None, description="only where it was asked to judge")
    exit_code: int = 0
    headline: str = Field(default="", description="what changed, in one sentence")
    notes: list[str] = []

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

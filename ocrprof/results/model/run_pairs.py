"""Pairs of further runs: what recording costs, and what a cold page cache costs."""

from pydantic import Field

from ocrprof.results.model.runs import Phase, RunStatus
from ocrprof.results.model.values import Part, Statistic, Value


class OverheadPair(Value):
    """Two starts, one after the other: recorded as all others, and with the marks of the milestones alone."""

    recorded_seconds: float
    marks_only_seconds: float
    recorded_first: bool


class Overhead(Value):
    """What recording added to a start, measured by pairs in random order; `seed` gives that order again."""

    seed: int
    pairs: list[OverheadPair]
    stopped_by: RunStatus | None = Field(default=None, description="how the run ended that ended the check early")
    difference_seconds: Statistic | None = Field(default=None, description="recorded less marks only, within a pair")
    marks_only_seconds: Statistic | None = None


class FileSize(Value):
    """A file, and bytes of it."""

    path: str
    bytes: int


class FileHolder(Value):
    """A process that has files mapped, so that they cannot be evicted; `bytes` of them in the page cache."""

    pid: int
    argv: list[str]
    is_ocrprof: bool = False
    files: list[str] = Field(description="by what is resident of them, the largest first")
    bytes: int


class ColdPair(Value):
    """A start with the files that it reads out of the page cache, and the next one, which finds them there."""

    cold_seconds: float
    warm_seconds: float
    cold_phases: list[Phase] = []
    warm_phases: list[Phase] = []


class ColdStarts(Value):
    """Cold starts, and against warm ones where these were paired with them.

    Only the page cache was cold: not directory entries, nor a server's cache.
    """

    num_files: int
    bytes: int
    largest: list[FileSize] = []
    num_files_read: int | None = Field(default=None, description="of which a cold start read anything; None: not known")
    read_bytes: int | None = Field(default=None, description="that a cold start read of them, with what was read ahead")
    most_read: list[FileSize] = Field(default=[], description="bytes read by file, the most first")
    resident_share: float = Field(description="of these bytes, in the page cache after the last eviction")
    resident: list[FileSize] = Field(default=[], description="what stayed, the largest first")
    holders: list[FileHolder] = Field(default=[], description="processes that kept it there, where too much stayed")
    achieved: bool = Field(description="False: no eviction left a twentieth or less, so there is no cold figure")
    pairs: list[ColdPair] = Field(default=[], description="none where all counted runs of the report are cold")
    stopped_by: RunStatus | None = Field(default=None, description="how the run ended that ended the pairs early")
    cold_seconds: Statistic | None = None
    warm_seconds: Statistic | None = None
    difference_seconds: Statistic | None = Field(default=None, description="cold less warm, within a pair")
    by_phase: list[Part] = Field(default=[], description="median of that difference by phase, the longest first")

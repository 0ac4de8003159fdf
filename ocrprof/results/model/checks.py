"""Pairs of further runs: what recording costs, and what a cold page cache costs."""

from pydantic import Field

from ocrprof.results.model.runs import RunStatus
from ocrprof.results.model.values import Statistic, Value


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


class ColdPair(Value):
    """A start with the files that it reads out of the page cache, and the next one, which finds them there."""

    cold_seconds: float
    warm_seconds: float


class ColdStarts(Value):
    """Cold starts against warm ones. Only the page cache was cold: not directory entries, nor a server's cache."""

    num_files: int
    bytes: int
    largest: list[FileSize] = []
    resident_share: float = Field(description="of these bytes, in the page cache after the last eviction")
    resident: list[FileSize] = Field(default=[], description="what stayed, the largest first")
    achieved: bool = Field(description="False: no eviction left a twentieth or less, so there is no cold figure")
    pairs: list[ColdPair] = []
    stopped_by: RunStatus | None = Field(default=None, description="how the run ended that ended the pairs early")
    cold_seconds: Statistic | None = None
    warm_seconds: Statistic | None = None
    difference_seconds: Statistic | None = Field(default=None, description="cold less warm, within a pair")

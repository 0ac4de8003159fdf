"""One run of the target: its phases and its processes."""

from typing import Literal

from pydantic import Field

from ocrprof.results.model.surroundings import Surroundings
from ocrprof.results.model.values import Value

PHASES = (
    "interpreter",
    "site",
    "imports",
    "config",
    "data",
    "model",
    "loggers",
    "trainer",
    "workers",
    "sanity_check",
    "first_batch",
    "first_step",
    "after_first_step",
    "unattributed",
    "exit",
)
"""Exclusive, in the order in which a start usually passes through them; they add up to the wall time."""


Milestone = Literal["imports", "config", "model", "data", "first-batch", "first-step", "exit"]


RunStatus = Literal["reached", "crashed", "ended_early", "timed_out", "interrupted", "not_recorded", "probe_ignored"]


class Phase(Value):
    """Exclusive seconds of one phase in one run."""

    name: str
    seconds: float


class Segment(Value):
    """A piece of one process's time in one phase. The pieces of a process do not overlap."""

    pid: int
    phase: str
    start_seconds: float = Field(description="from the spawn of the target")
    seconds: float


class Process(Value):
    """One recorded process of the target's tree."""

    pid: int
    parent_pid: int
    role: Literal["main", "worker", "rank", "launcher", "helper"]
    rank: int | None = None
    argv: list[str]
    start_seconds: float = Field(description="from the spawn of the target to this process's recorder")
    end_seconds: float | None = None
    num_loads: int = 0


class Run(Value):
    """One fresh process of the target. `wall_seconds` runs from spawn to the milestone, or to the end without one."""

    wall_seconds: float
    exit_code: int | None
    until: str
    status: RunStatus
    reached: bool
    warmup: bool = False
    phases: list[Phase] = []
    processes: list[Process] = []
    failing_phase: str | None = None
    failing_rank: int | None = Field(default=None, description="of several, the one whose phase that is")
    stderr_tail: list[str] = []
    stack: list[str] = Field(default=[], description="of a target that hung, where py-spy could look")
    imports_anywhere_seconds: float = 0.0
    cpu_seconds: float | None = None
    surroundings: Surroundings | None = None

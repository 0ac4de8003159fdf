"""The other processes of a start: DataLoader workers by the loader that started them, and ranks side by side."""

from pydantic import Field

from ocrprof.results.model.runs import Phase
from ocrprof.results.model.values import Location, Part, Value


class Worker(Value):
    """One DataLoader worker up to its first batch. Moments are from the spawn of the target, None if not reached.

    The durations from `interpreter_seconds` to `init_seconds` are exclusive: loads of modules count as imports alone.
    """

    pid: int
    index: int | None = Field(default=None, description="as the loader counts them")
    start_seconds: float = Field(description="moment at which its parent began to start it")
    ready_seconds: float | None = Field(default=None, description="moment at which it could take up work")
    first_batch_seconds: float | None = Field(default=None, description="moment at which its first batch was made")
    interpreter_seconds: float = Field(default=0.0, description="until its recorder ran; its parent's pickling too")
    imports_seconds: float = 0.0
    main_module_seconds: float = Field(default=0.0, description="running the main module again, as `__mp_main__`")
    unpickle_seconds: float = Field(default=0.0, description="its task: the data set, and all that this holds")
    init_seconds: float = Field(default=0.0, description="`worker_init_fn`")
    fetch_seconds: float | None = Field(default=None, description="making its first batch")
    num_loads: int = 0


class RerunLine(Value):
    """A top-level line of the main module that each worker ran again; seconds of what it imported, None if nothing."""

    location: Location
    text: str
    imports_seconds: float | None = None


class WorkerGroup(Value):
    """The workers that one iterator over a DataLoader started. Moments are from the spawn of the target."""

    start_method: str
    num_workers: int
    dataset: str
    persistent: bool = Field(default=False, description="the workers live on between epochs")
    parent_pid: int
    rank: int | None = Field(default=None, description="of the parent")
    created_at: Location | None = Field(default=None, description="the program's line that built the loader")
    iterated_at: Location | None = Field(default=None, description="the program's line that led to the iterator")
    start_seconds: float = Field(description="moment at which the first one was about to be started")
    calling_seconds: float = Field(description="that the parent spent in starting them, before it went on")
    first_batch_seconds: float | None = Field(default=None, description="moment at which the parent had the first one")
    starting_seconds: float = Field(description="in which at least one was not ready yet, up to the first batch")
    server_seconds: float = Field(
        default=0.0, description="of these, in which the server of forkserver started and imported what it hands on"
    )
    num_at_once: float = Field(description="starting at the same time, on average; 1 is one after another")
    packages: list[Part] = Field(default=[], description="loaded by each worker, median self time, the longest")
    main_file: str | None = Field(default=None, description="of the main module that each worker ran again")
    reruns: list[RerunLine] = []
    workers: list[Worker] = []


class RankWait(Value):
    """Time in which a rank stood in a collective and waited for `last_rank`, the last to come to it."""

    at: str
    phase: str
    seconds: float
    last_rank: int


class Rank(Value):
    """One rank: its own phases, behind `launch`, the time before its process; they add up to `seconds`."""

    rank: int
    pid: int
    launched_by: int | None = Field(default=None, description="the rank that started its process")
    seconds: float = Field(description="from the spawn of the target to its milestone, or until nothing is known")
    reached: bool
    stopped_in: str | None = Field(default=None, description="the phase in which one that did not reach it was last")
    ended_by_itself: bool = Field(default=False, description="before the milestone")
    phases: list[Phase] = []
    waits: list[RankWait] = []


class Skew(Value):
    """How far the slowest rank is behind the fastest in one phase, without the time they waited for one another."""

    phase: str
    seconds: float
    slowest: int
    fastest: int
    cause: str | None = Field(default=None, description="what took the slowest rank most of that time longer")
    location: Location | None = None


class RankFigures(Value):
    """Several ranks that trained together.

    The slowest is the one that had the most to do, not the last by the clock: the others wait for it in collectives.
    """

    world_size: int
    slowest: int | None = Field(default=None, description="None where not all of them came to the milestone")
    ranks: list[Rank]
    skews: list[Skew] = Field(default=[], description="the largest first")

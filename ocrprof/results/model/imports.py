"""Module loads, and the answers about them: why one is loaded, what a start without it would save."""

from typing import Literal

from pydantic import Field, model_serializer

from ocrprof.results.model.values import Location, Part, Statistic, Value


class ImportParts(Value):
    """What the self time of loads went into, by seconds; what is left of it is the import system's own bookkeeping.

    `dlopen` is the opening of shared objects with the initialisation that they do by themselves, `read` the look at
    the source's state and the reading of its bytecode (or of the source), `write` the writing of bytecode.
    """

    find_seconds: float = 0.0
    read_seconds: float = 0.0
    unmarshal_seconds: float = 0.0
    compile_seconds: float = 0.0
    write_seconds: float = 0.0
    dlopen_seconds: float = 0.0
    exec_seconds: float = 0.0

    @property
    def total_seconds(self) -> float:
        """Of all of them."""
        return float(sum(seconds for _, seconds in self))

    @model_serializer
    def _only_what_took_time(self) -> dict[str, float]:
        # Of seven, two or three are more than nothing, in each of thousands of rows.
        return {name: seconds for name, seconds in self if seconds}


class ImportRow(Value):
    """One module load. Self time excludes the loads nested in it. `importer` is the line that asked for it.

    `blocked_seconds`, in none of the self times: another thread held the module. `compiled`: from its source, not
    from bytecode.
    """

    module: str
    self_seconds: float
    inclusive_seconds: float
    start_seconds: float
    route: str
    importer: Location | None = None
    importer_module: str | None = None
    file: str | None = None
    kind: str = Field(default="other", description="source, extension, builtin, frozen, namespace or other")
    phase: str
    pid: int
    depth: int
    thread: int = 0
    ok: bool = True
    error: str | None = None
    parts: ImportParts = ImportParts()
    blocked_seconds: float = 0.0
    compiled: bool = False


class PackageRow(Value):
    """The loads of one top-level package, summed over its modules; `first_importer` is who asked for it first.

    `dominated_seconds` is the self time of all that came in only through this package: what a start without it would
    have saved at most (an import of something already loaded leaves no record, so a second way in can stay unseen).
    """

    package: str
    owner: Literal["program", "installed", "stdlib"] = "installed"
    self_seconds: float
    inclusive_seconds: float
    dominated_seconds: float = 0.0
    dominated_packages: list[str] = Field(default=[], description="the others among them, the longest first")
    parts: ImportParts = Field(default=ImportParts(), description="of `self_seconds`")
    num_modules: int
    first_importer: Location | None = None
    chain: list[str] = Field(default=[], description="from the program's own file to the package, `module (file:line)`")


class ProcessImports(Value):
    """What one process loaded before the milestone. `seconds`: a module was being loaded on its main thread."""

    pid: int
    role: str = Field(description="main, worker, rank or helper, as the process told of itself")
    rank: int | None = None
    start_seconds: float = Field(description="from the spawn of the target to this process's recorder")
    num_loads: int
    num_compiled: int = Field(default=0, description="of them from source, for want of bytecode")
    seconds: float
    parts: ImportParts = Field(default=ImportParts(), description="of `seconds`")
    packages: list[Part] = Field(default=[], description="the longest by self time")


class ImportWait(Value):
    """A thread that waited for a module that another thread was loading."""

    module: str
    thread: int
    start_seconds: float
    seconds: float
    importer: Location | None = None


class ImportConditions(Value):
    """What went on beside the loads of the main process, and makes their times longer than they would be alone."""

    collections: int = Field(default=0, description="of garbage, inside loads; their time is part of the loads'")
    collecting_seconds: float = 0.0
    concurrent_seconds: float = Field(default=0.0, description="in which several threads were loading at once")
    num_threads: int = Field(default=0, description="that loaded anything")
    waits: list[ImportWait] = []
    deepest: int = Field(default=0, description="loads inside one another")


class MilestoneUsage(Value):
    """What the kernel did for the main process from the mark before to this one."""

    mark: str
    at_seconds: float = Field(description="from the spawn of the target")
    minor_faults: int
    major_faults: int = Field(description="pages that came from a disk")
    read_bytes: int = Field(description="asked for by read calls, from the page cache too")
    disk_read_bytes: int
    cpu_seconds: float | None = Field(default=None, description="of processor time, all threads of the process")


class Hop(Value):
    """A module on the way to another one, and its line that leads on; None where that line is not known, or the end."""

    module: str
    location: Location | None = None


class Touch(Value):
    """The moment at which a module was first needed: `how` says by what, `location` is the line."""

    phase: str
    start_seconds: float
    location: Location | None = None
    how: str


class Why(Value):
    """How a module came to be loaded. Importers that depend on the module itself are not told.

    `dominated_seconds` is the self time of the `num_dominated` modules that nothing else leads to, itself included.
    """

    module: str
    phase: str
    self_seconds: float
    dominated_seconds: float
    num_dominated: int
    chain: list[Hop] = Field(description="from the program's file to the first load of the module")
    importers: list[Hop] = Field(default=[], description="the others that would have loaded it anyway")
    other_chains: list[list[Hop]] = Field(default=[], description="the shortest ways through the first of them")
    deferred: list[Hop] = Field(default=[], description="those that import it inside a function")


class Saving(Value):
    """A heavy import, and what deferring it would save by prediction: `seconds` of self time that would not be spent.

    `used` is a use that the records show before the milestone: the load would then only move there.
    """

    module: str
    owner: Literal["program", "installed", "stdlib"] = "installed"
    seconds: float
    num_modules: int
    packages: list[Part] = Field(default=[], description="what it is made of, the longest first")
    lines: list[Location] = Field(default=[], description="the program's, to be deferred; none: not in its hands")
    held_by: list[Hop] = Field(default=[], description="the importers in whose hands it is, where `lines` is empty")
    used: Touch | None = None


class LazyPair(Value):
    """One ordinary run and one with the module loaded lazily, taken in turn; loads are those of the whole run."""

    lazy_first: bool
    ordinary_seconds: float
    lazy_seconds: float
    ordinary_loading_seconds: float
    lazy_loading_seconds: float
    ordinary_cpu_seconds: float | None = None
    lazy_cpu_seconds: float | None = None


class Verification(Value):
    """What loading a module lazily did save: medians of the paired differences, ordinary run minus lazy one.

    `refused`: why the module cannot be lazy. `failure`: how a run ended that did not reach the milestone with it.
    """

    seed: int = Field(description="of the random order within the pairs")
    pairs: list[LazyPair] = []
    saving: Statistic | None = None
    loading_saving: Statistic | None = None
    cpu_saving: Statistic | None = Field(default=None, description="of processor time: it waits for no other process")
    num_not_loaded: int = Field(default=0, description="of the predicted modules, in the last lazy run")
    loaded_anyway: list[str] = Field(default=[], description="the others of them")
    touch: Touch | None = Field(default=None, description="what loaded the module before the milestone after all")
    refused: str | None = None
    failure: str | None = None
    stderr_tail: list[str] = []


class WhatIf(Value):
    """What a start without one module would save: predicted by the self time of all `modules` that it dominates."""

    module: str
    phase: str = Field(description="in which it is loaded")
    predicted_seconds: float = Field(description="median of the counted runs")
    num_modules: int
    modules: list[str] = []
    packages: list[Part] = []
    held_by: list[Hop] = Field(default=[], description="all importers that do not depend on it: none may load it")
    used: Touch | None = None
    verification: Verification | None = None


class SourceReading(Value):
    """The reading of the loaded modules' source files for their imports: after the runs, in no measured time."""

    num_files: int
    num_unreadable: int = 0
    seconds: float

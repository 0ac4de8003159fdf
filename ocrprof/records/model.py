"""The kinds of record that a process writes, and all of one process together. Times in ns of CLOCK_MONOTONIC."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Line = tuple[str, int]
"""File and line number."""

Fields = dict[str, Any]  # Any: one decoded line, or what a part of it holds


@dataclass(frozen=True, slots=True)
class LoadParts:
    """What the self time of a load went into; all in ns, and together at most the self time.

    `create` is the opening of a shared object; `exec` the body of a module, or what a loader of its own kind did.
    """

    find_ns: int = 0
    read_ns: int = 0
    unmarshal_ns: int = 0
    compile_ns: int = 0
    write_ns: int = 0
    create_ns: int = 0
    exec_ns: int = 0


@dataclass(frozen=True, slots=True)
class Load:
    """One module load, by whatever route. `self_ns` excludes the loads nested in it, and `blocked_ns`, in which another
    thread held the module; `by` is the line that asked. `compiled`: from its source, no bytecode was read.
    """

    name: str
    start_ns: int
    end_ns: int
    self_ns: int
    route: str
    thread: int
    depth: int
    ok: bool
    error: str | None
    file: str | None
    kind: str
    by: Line | None
    by_module: str | None
    parts: LoadParts = LoadParts()
    blocked_ns: int = 0
    compiled: bool = False


@dataclass(frozen=True, slots=True)
class Wait:
    """A thread that waited for a module which another one was loading; `by` is the line that asked for it."""

    name: str
    start_ns: int
    end_ns: int
    thread: int
    by: Line | None


@dataclass(frozen=True, slots=True)
class Span:
    """One timed piece of work. `thread` 0 is the process's main thread."""

    name: str
    start_ns: int
    end_ns: int
    thread: int
    loc: Line | None
    attributes: Fields


@dataclass(frozen=True, slots=True)
class Open:
    """A span, or a load (`is_load`), that had begun and not ended when the process was gone."""

    name: str
    start_ns: int
    thread: int
    is_load: bool
    loc: Line | None
    attributes: Fields


@dataclass(frozen=True, slots=True)
class Mark:
    """One moment."""

    name: str
    at_ns: int
    attributes: Fields


@dataclass(frozen=True, slots=True)
class Lazy:
    """What became of the module that was to be loaded lazily: `event` is refused, deferred or touched.

    `how` it was touched: `from` or `submodule` for these imports, else the attribute that was asked for.
    """

    name: str
    event: str
    at_ns: int
    by: Line | None
    how: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Deprecation:
    """A module's warning of its own deprecation, raised while it was loaded."""

    name: str
    text: str
    category: str
    at_ns: int


@dataclass(frozen=True, slots=True)
class Memory:
    """What the process itself knew of its memory at the end; the CUDA figures are the allocator's."""

    rss_bytes: int
    peak_rss_bytes: int
    cuda_allocated_bytes: int | None
    cuda_reserved_bytes: int | None
    cuda_peak_bytes: int | None


@dataclass(frozen=True, slots=True)
class End:
    """The last record of a process that was not killed. `cost_ns` is what recording cost it, and `costs` of what.

    In ns: `start`, `hooks` and `writes` as they were timed, `load` and `other` of one record, as calibrated at the end;
    `loads` and `others` count the records.
    """

    at_ns: int
    reason: str
    records: int
    dropped: int
    cost_ns: int
    costs: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProcessRecords:
    """Everything one process wrote. `end` is None where it was killed; `totals` are counts that have no record each."""

    pid: int
    parent_pid: int
    start_ns: int
    role: str
    path: Path
    born_ns: int | None = None
    argv: tuple[str, ...] = ()
    executable: str = ""
    python: str = ""
    rank: int | None = None
    world_size: int = 1
    cwd: str = ""
    writes_bytecode: bool = True
    bytecode_folder: str | None = None
    modules_at_start: frozenset[str] = frozenset()
    loads: tuple[Load, ...] = ()
    waits: tuple[Wait, ...] = ()
    spans: tuple[Span, ...] = ()
    open: tuple[Open, ...] = ()
    marks: tuple[Mark, ...] = ()
    milestones: tuple[Mark, ...] = ()
    inserted: tuple[str, ...] = ()
    lazy: tuple[Lazy, ...] = ()
    deprecations: tuple[Deprecation, ...] = ()
    config: Fields | None = None
    compositions: tuple[Fields, ...] = ()
    composed_values: Fields = field(default_factory=dict)
    memory: Memory | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    opened: tuple[str, ...] = ()
    totals: Fields = field(default_factory=dict)
    end: End | None = None
    num_records: int = 0
    num_unreadable: int = 0

    def mark(self, name: str) -> int | None:
        """When the first mark of that name was set, in ns; None without one."""
        return min((mark.at_ns for mark in self.marks if mark.name == name), default=None)

"""Reads what recorded processes wrote: one file a process, one JSON object a line, times in ns of CLOCK_MONOTONIC."""

import json
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

_LOGGER = logging.getLogger(__name__)

VERSION = 1
"""Of the record format that is read here."""

Line = tuple[str, int]
"""File and line number."""

Fields = dict[str, Any]  # Any: one decoded line; each `_read_*` below takes out what its kind holds


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


def read_records(directory: Path) -> list[ProcessRecords]:
    """The processes that wrote into `directory`, in the order in which they started; none where it is missing."""
    processes = [process for path in sorted(directory.glob("*.jsonl")) if (process := read_process(path)) is not None]
    return sorted(processes, key=lambda process: process.start_ns)


def read_process(path: Path) -> ProcessRecords | None:
    """What one process wrote. A torn last line is left out; None where not even the first line can be read."""
    lines = path.read_bytes().splitlines()
    decoded = [_decode(line) for line in lines]
    fields = [one for one in decoded if one is not None]
    num_unreadable = len(decoded) - len(fields)
    if not fields or fields[0].get("k") != "process":
        _LOGGER.warning("%s holds no process record at its start and is left out", path)
        return None
    if fields[0].get("v") != VERSION:
        _LOGGER.warning("%s is of record format %s, not %d, and is left out", path, fields[0].get("v"), VERSION)
        return None
    if decoded and any(one is None for one in decoded[:-1]):
        _LOGGER.warning("%s: %d of %d lines are unreadable", path, num_unreadable, len(lines))
    return _gather(fields, path, num_unreadable)


def _decode(line: bytes) -> Fields | None:
    try:
        fields = json.loads(line)
    except ValueError:  # UnicodeDecodeError is one too: a line torn within a character
        return None
    if b"\\ud" in line:
        fields = _as_text(fields)
    return fields if isinstance(fields, dict) else None


def _as_text(value: Any) -> Any:  # Any: a decoded JSON value
    """The same with `\\xff` for each byte of a file's name that is no text, which no report could hold."""
    if isinstance(value, str):
        try:
            return value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        except UnicodeEncodeError:  # half of a pair, in a text of the program's own
            return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_as_text(one) for one in value]
    if isinstance(value, dict):
        return {key: _as_text(one) for key, one in value.items()}
    return value


@dataclass(slots=True)
class _Gathered:
    """The records of one process by kind, as they are read."""

    loads: list[Load] = field(default_factory=list)
    waits: list[Wait] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    begun: list[Open] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    milestones: list[Mark] = field(default_factory=list)
    inserted: list[str] = field(default_factory=list)
    lazy: list[Lazy] = field(default_factory=list)
    deprecations: list[Deprecation] = field(default_factory=list)
    config: Fields | None = None
    compositions: list[Fields] = field(default_factory=list)
    composed_values: Fields = field(default_factory=dict)
    memory: Memory | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)
    device_ns: dict[tuple[str, int], int] = field(default_factory=dict)
    totals: Fields = field(default_factory=dict)
    rank: int | None = None
    world_size: int | None = None
    end: End | None = None


def _gather(fields: list[Fields], path: Path, num_unreadable: int) -> ProcessRecords:
    gathered = _Gathered()
    num_broken = 0
    for one in fields[1:]:
        reader = _READERS.get(one.get("k", ""))
        if reader is None:
            continue  # a kind that a later recorder adds
        try:
            reader(gathered, one)
        except (KeyError, TypeError, ValueError) as error:
            num_broken += 1
            _LOGGER.warning("%s: a %s record lacks what it should hold: %r", path, one["k"], error)
    head = fields[0]
    return ProcessRecords(
        pid=head["pid"],
        parent_pid=head["ppid"],
        start_ns=head["start"],
        role=head["role"] if gathered.rank is None or gathered.world_size == 1 else "rank",
        path=path,
        born_ns=head.get("born"),
        argv=tuple(head.get("argv", ())),
        executable=head.get("executable", ""),
        python=head.get("python", ""),
        rank=head.get("rank") if gathered.rank is None else gathered.rank,
        world_size=gathered.world_size or head.get("world_size") or 1,
        cwd=head.get("cwd", ""),
        writes_bytecode=head.get("writes_bytecode", True),
        bytecode_folder=head.get("bytecode_folder"),
        modules_at_start=frozenset(head.get("modules", ())),
        loads=tuple(gathered.loads),
        waits=tuple(gathered.waits),
        spans=tuple(_with_device_times(gathered)),
        open=tuple(_still_open(gathered)),
        marks=tuple(gathered.marks),
        milestones=tuple(gathered.milestones),
        inserted=tuple(gathered.inserted),
        lazy=tuple(gathered.lazy),
        deprecations=tuple(gathered.deprecations),
        config=gathered.config,
        compositions=tuple(gathered.compositions),
        composed_values=gathered.composed_values,
        memory=gathered.memory,
        metrics=gathered.metrics,
        versions=gathered.versions,
        notes=tuple(gathered.notes),
        opened=tuple(gathered.opened),
        totals=gathered.totals,
        end=gathered.end,
        num_records=len(fields),
        num_unreadable=num_unreadable + num_broken,
    )


def _with_device_times(gathered: _Gathered) -> list[Span]:
    """The spans; GPU times, which are known only when their batch is over, stand in the attributes of theirs."""
    if not gathered.device_ns:
        return gathered.spans
    spans = []
    for span in gathered.spans:
        device_ns = gathered.device_ns.get((span.name, span.start_ns))
        if device_ns is not None:
            span = replace(span, attributes={**span.attributes, "device": device_ns})
        spans.append(span)
    return spans


def _still_open(gathered: _Gathered) -> list[Open]:
    if not gathered.begun:
        return []
    ended = {(False, span.name, span.start_ns, span.thread) for span in gathered.spans}
    ended |= {(True, load.name, load.start_ns, load.thread) for load in gathered.loads}
    # What another thread had loaded in the meantime ended as a wait.
    waits = {(wait.name, wait.thread): wait.start_ns for wait in gathered.waits}
    return [
        one
        for one in gathered.begun
        if (one.is_load, one.name, one.start_ns, one.thread) not in ended
        and not (one.is_load and waits.get((one.name, one.thread), 0) >= one.start_ns)
    ]


def _line(value: Any) -> Line | None:  # Any: a decoded JSON value
    return None if value is None else (str(value[0]), int(value[1]))


def _read_load(gathered: _Gathered, one: Fields) -> None:
    gathered.loads.append(
        Load(
            one["name"],
            one["start"],
            one["end"],
            one["self"],
            one["route"],
            one["thread"],
            one["depth"],
            one["ok"],
            one.get("error"),
            one.get("file"),
            one.get("kind", "other"),
            _line(one.get("by")),
            one.get("by_module"),
            _read_parts(one),
            one.get("blocked", 0),
            one.get("compiled", False),
        )
    )


def _read_parts(one: Fields) -> LoadParts:
    """None of them in the records of an older recorder, whose `exec` held what was nested in it."""
    if "find" not in one:
        return LoadParts()
    return LoadParts(
        find_ns=one["find"],
        read_ns=one["read"],
        unmarshal_ns=one["unmarshal"],
        compile_ns=one["compile"],
        write_ns=one["write"],
        create_ns=one["create"],
        exec_ns=one["exec"],
    )


def _read_wait(gathered: _Gathered, one: Fields) -> None:
    gathered.waits.append(Wait(one["name"], one["start"], one["end"], one["thread"], _line(one.get("by"))))


def _read_span(gathered: _Gathered, one: Fields) -> None:
    span = Span(one["name"], one["start"], one["end"], one["thread"], _line(one.get("loc")), one.get("a") or {})
    gathered.spans.append(span)


def _read_begin(gathered: _Gathered, one: Fields) -> None:
    is_load = one["of"] == "load"
    loc = _line(one.get("loc"))
    gathered.begun.append(Open(one["name"], one["start"], one["thread"], is_load, loc, one.get("a") or {}))


def _read_mark(gathered: _Gathered, one: Fields) -> None:
    gathered.marks.append(Mark(one["name"], one["at"], one.get("a") or {}))


def _read_milestone(gathered: _Gathered, one: Fields) -> None:
    gathered.milestones.append(Mark(one["name"], one["at"], {}))


def _read_inserted(gathered: _Gathered, one: Fields) -> None:
    gathered.inserted.extend(one["names"])


def _read_lazy(gathered: _Gathered, one: Fields) -> None:
    lazy = Lazy(one["name"], one["event"], one["at"], _line(one.get("by")), one.get("how"), one.get("reason"))
    gathered.lazy.append(lazy)


def _read_deprecation(gathered: _Gathered, one: Fields) -> None:
    gathered.deprecations.append(Deprecation(one["name"], one["text"], one["category"], one["at"]))


def _read_config(gathered: _Gathered, one: Fields) -> None:
    gathered.config = one["config"]


def _read_composition(gathered: _Gathered, one: Fields) -> None:
    gathered.compositions.append(one)


def _read_composed_values(gathered: _Gathered, one: Fields) -> None:
    gathered.composed_values = one["values"]


def _read_memory(gathered: _Gathered, one: Fields) -> None:
    cuda = (one.get("cuda_allocated"), one.get("cuda_reserved"), one.get("cuda_peak"))
    gathered.memory = Memory(one["rss"], one["peak_rss"], *cuda)


def _read_metrics(gathered: _Gathered, one: Fields) -> None:
    # JSON has no number for NaN: the recorder writes null.
    values = {name: math.nan if value is None else float(value) for name, value in one["metrics"].items()}
    gathered.metrics.update(values)


def _read_versions(gathered: _Gathered, one: Fields) -> None:
    gathered.versions.update(one["versions"])


def _read_note(gathered: _Gathered, one: Fields) -> None:
    gathered.notes.append(one["text"])


def _read_opened(gathered: _Gathered, one: Fields) -> None:
    gathered.opened.append(one["path"])


def _read_device(gathered: _Gathered, one: Fields) -> None:
    gathered.device_ns[one["name"], one["start"]] = one["device"]


def _read_totals(gathered: _Gathered, one: Fields) -> None:
    # Each holds all that was counted since the process began: the last one counts.
    gathered.totals[one["of"]] = one["a"]


def _read_rank(gathered: _Gathered, one: Fields) -> None:
    gathered.rank, gathered.world_size = one["rank"], one["world_size"]


def _read_end(gathered: _Gathered, one: Fields) -> None:
    gathered.end = End(one["at"], one["reason"], one["records"], one["dropped"], one["cost"], one.get("costs", {}))


_READERS: dict[str, Callable[[_Gathered, Fields], None]] = {
    "load": _read_load,
    "wait": _read_wait,
    "span": _read_span,
    "begin": _read_begin,
    "mark": _read_mark,
    "milestone": _read_milestone,
    "inserted": _read_inserted,
    "lazy": _read_lazy,
    "deprecation": _read_deprecation,
    "config": _read_config,
    "composition": _read_composition,
    "composition.values": _read_composed_values,
    "memory": _read_memory,
    "metrics": _read_metrics,
    "versions": _read_versions,
    "note": _read_note,
    "opened": _read_opened,
    "device": _read_device,
    "totals": _read_totals,
    "rank": _read_rank,
    "end": _read_end,
}

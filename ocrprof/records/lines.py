"""Takes out of each line what its kind holds, into the records of one process by kind."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ocrprof.records.model import (
    Deprecation,
    End,
    Fields,
    Lazy,
    Line,
    Load,
    LoadParts,
    Mark,
    Memory,
    Open,
    Span,
    Wait,
)


@dataclass(slots=True)
class Gathered:
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


def _line(value: Any) -> Line | None:  # Any: a decoded JSON value
    return None if value is None else (str(value[0]), int(value[1]))


def _read_load(gathered: Gathered, one: Fields) -> None:
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


def _read_wait(gathered: Gathered, one: Fields) -> None:
    gathered.waits.append(Wait(one["name"], one["start"], one["end"], one["thread"], _line(one.get("by"))))


def _read_span(gathered: Gathered, one: Fields) -> None:
    span = Span(one["name"], one["start"], one["end"], one["thread"], _line(one.get("loc")), one.get("a") or {})
    gathered.spans.append(span)


def _read_begin(gathered: Gathered, one: Fields) -> None:
    is_load = one["of"] == "load"
    loc = _line(one.get("loc"))
    gathered.begun.append(Open(one["name"], one["start"], one["thread"], is_load, loc, one.get("a") or {}))


def _read_mark(gathered: Gathered, one: Fields) -> None:
    gathered.marks.append(Mark(one["name"], one["at"], one.get("a") or {}))


def _read_milestone(gathered: Gathered, one: Fields) -> None:
    gathered.milestones.append(Mark(one["name"], one["at"], {}))


def _read_inserted(gathered: Gathered, one: Fields) -> None:
    gathered.inserted.extend(one["names"])


def _read_lazy(gathered: Gathered, one: Fields) -> None:
    lazy = Lazy(one["name"], one["event"], one["at"], _line(one.get("by")), one.get("how"), one.get("reason"))
    gathered.lazy.append(lazy)


def _read_deprecation(gathered: Gathered, one: Fields) -> None:
    gathered.deprecations.append(Deprecation(one["name"], one["text"], one["category"], one["at"]))


def _read_config(gathered: Gathered, one: Fields) -> None:
    gathered.config = one["config"]


def _read_composition(gathered: Gathered, one: Fields) -> None:
    gathered.compositions.append(one)


def _read_composed_values(gathered: Gathered, one: Fields) -> None:
    gathered.composed_values = one["values"]


def _read_memory(gathered: Gathered, one: Fields) -> None:
    cuda = (one.get("cuda_allocated"), one.get("cuda_reserved"), one.get("cuda_peak"))
    gathered.memory = Memory(one["rss"], one["peak_rss"], *cuda)


def _read_metrics(gathered: Gathered, one: Fields) -> None:
    # JSON has no number for NaN: the recorder writes null.
    values = {name: math.nan if value is None else float(value) for name, value in one["metrics"].items()}
    gathered.metrics.update(values)


def _read_versions(gathered: Gathered, one: Fields) -> None:
    gathered.versions.update(one["versions"])


def _read_note(gathered: Gathered, one: Fields) -> None:
    gathered.notes.append(one["text"])


def _read_opened(gathered: Gathered, one: Fields) -> None:
    gathered.opened.append(one["path"])


def _read_device(gathered: Gathered, one: Fields) -> None:
    gathered.device_ns[one["name"], one["start"]] = one["device"]


def _read_totals(gathered: Gathered, one: Fields) -> None:
    # Each holds all that was counted since the process began: the last one counts.
    gathered.totals[one["of"]] = one["a"]


def _read_rank(gathered: Gathered, one: Fields) -> None:
    gathered.rank, gathered.world_size = one["rank"], one["world_size"]


def _read_end(gathered: Gathered, one: Fields) -> None:
    gathered.end = End(one["at"], one["reason"], one["records"], one["dropped"], one["cost"], one.get("costs", {}))


READERS: dict[str, Callable[[Gathered, Fields], None]] = {
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
"""What takes out of a line, by its `k`; KeyError, TypeError or ValueError where it lacks what it should hold."""

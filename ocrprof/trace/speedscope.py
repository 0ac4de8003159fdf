"""A run as a speedscope file, for https://www.speedscope.app: one evented profile for each process's main thread."""

from collections.abc import Iterator, Sequence
from typing import Any

from ocrprof.trace.lanes import Lane, Lanes
from ocrprof.trace.nesting import Slice

_SCHEMA = "https://www.speedscope.app/file-format-schema.json"

Event = dict[str, Any]  # Any: one event, JSON values


class _Frames:
    """The frames of all profiles, each once."""

    def __init__(self) -> None:
        self._index: dict[tuple[str, str | None, int | None], int] = {}

    def index(self, one: Slice) -> int:
        """The number of the slice's frame."""
        return self._index.setdefault((one.name, one.file, one.line), len(self._index))

    def listed(self) -> list[dict[str, Any]]:  # Any: JSON values
        """In the order of their numbers, without what is not known."""
        fields = ("name", "file", "line")
        return [
            {field: value for field, value in zip(fields, key, strict=True) if value is not None} for key in self._index
        ]


def speedscope_profile(lanes: Lanes, *, name: str, exporter: str) -> dict[str, Any]:  # Any: a JSON object
    """The file's content; the main process is shown first. Times are whole microseconds from the spawn."""
    frames = _Frames()
    profiles = [_profile(lane, frames, spawn_ns=lanes.spawn_ns) for lane in lanes.lanes]
    return {
        "$schema": _SCHEMA,
        "name": name,
        "exporter": exporter,
        "activeProfileIndex": 0,
        "shared": {"frames": frames.listed()},
        "profiles": profiles,
    }


def _profile(lane: Lane, frames: _Frames, *, spawn_ns: int) -> dict[str, Any]:  # Any: JSON values
    slices = next(thread.slices for thread in lane.threads if thread.number == 0)
    events = list(_events(slices, frames, spawn_ns=spawn_ns))
    return {
        "type": "evented",
        "name": lane.title,
        "unit": "microseconds",
        "startValue": events[0]["at"],
        "endValue": events[-1]["at"],
        "events": events,
    }


def _events(slices: Sequence[Slice], frames: _Frames, *, spawn_ns: int) -> Iterator[Event]:
    """Each slice opened, then closed when the next one does not lie within it."""
    opened: list[Slice] = []
    for one in slices:
        while opened and opened[-1].end_ns <= one.start_ns:
            yield _event("C", opened[-1].end_ns, frames.index(opened.pop()), spawn_ns)
        yield _event("O", one.start_ns, frames.index(one), spawn_ns)
        opened.append(one)
    while opened:
        yield _event("C", opened[-1].end_ns, frames.index(opened.pop()), spawn_ns)


def _event(kind: str, at_ns: int, frame: int, spawn_ns: int) -> Event:
    return {"type": kind, "frame": frame, "at": (at_ns - spawn_ns) // 1000}

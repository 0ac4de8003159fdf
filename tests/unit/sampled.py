"""Hand-made traces of a sampler, as py-spy writes them, and the stretches that they hold. Times are ms."""

from collections.abc import Iterable, Sequence

from recorded import MS, load, ns

from ocrprof.records import Load, LoadParts
from ocrprof.results.sampled_stacks import Frame, Stretch

MAIN = 11
PERIOD_NS = 10_000_000
PROGRAM = "/home/ana/ocr/train.py"

Stack = Sequence[tuple[str, str, int]]
"""(function, file, line), the outermost first."""


def trace(*changes: tuple[float, Stack], end: float, thread: int = MAIN) -> list[dict]:
    """The events of one thread whose stack became this one at these moments; the file is closed at `end`."""
    events: list[dict] = []
    before: Stack = ()
    for at, stack in (*changes, (end, ())):
        same = 0
        while same < min(len(before), len(stack)) and before[same] == stack[same]:
            same += 1
        events += [_event("E", frame, at, thread) for frame in reversed(before[same:])]
        events += [_event("B", frame, at, thread) for frame in stack[same:]]
        before = stack
    return events


def stretches(*pieces: tuple[float, float, Stack]) -> list[Stretch]:
    """Stretches from and to these moments after the spawn, on the clock of the records."""
    return [Stretch(ns(start), ns(end), tuple(Frame(*frame) for frame in stack)) for start, end, stack in pieces]


def body_load(file: str, start: float, end: float, *, self_ms: float | None = None) -> Load:
    """The load of a module whose time went into its body."""
    parts = LoadParts(exec_ns=round((end - start if self_ms is None else self_ms) * MS))
    return load(file.rpartition("/")[2].removesuffix(".py"), start, end, file=file, self_ms=self_ms, parts=parts)


def _event(phase: str, frame: tuple[str, str, int], at: float, thread: int) -> dict:
    function, file, line = frame
    return {
        "args": {"filename": file, "line": line},
        "cat": "py-spy",
        "name": function,
        "ph": phase,
        "pid": 100,
        "tid": thread,
        "ts": round(at * 1000),
    }


def body(file: str, line: int = 1) -> tuple[str, str, int]:
    """The frame of a module's body."""
    return "<module>", file, line


def functions(stack: Iterable[Frame]) -> list[str]:
    return [frame.function for frame in stack]

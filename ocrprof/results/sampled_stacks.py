"""Stacks of a process's main thread from a trace of py-spy, and their times put on the clock of the records.

py-spy writes when the stack changed, in microseconds since it began; it merges samples that are alike.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, NamedTuple

from ocrprof.records import Load

_MAX_RESIDUAL_PERIODS = 4.0
_MIN_ANCHORS = 4
_BODY = "<module>"


class Frame(NamedTuple):
    """One line of a stack."""

    function: str
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Stretch:
    """The time [start_ns, end_ns) from one change of the stack to the next. `frames`: the outermost first."""

    start_ns: int
    end_ns: int
    frames: tuple[Frame, ...]


@dataclass(frozen=True, slots=True)
class Alignment:
    """What to add to times of the sampler; `residual_ns`: median deviation of `num_anchors` moments after that."""

    offset_ns: int
    residual_ns: int
    num_anchors: int

    def refusal(self, *, period_ns: int) -> str | None:
        """Why no sample may be given a moment on the clock of the records; None where it may."""
        if self.num_anchors < _MIN_ANCHORS:
            return (
                "too few modules were loaded to tell the sampler's clock from the recorder's"
                f" ({self.num_anchors} moments, and {_MIN_ANCHORS} are needed)"
            )
        if self.residual_ns > _MAX_RESIDUAL_PERIODS * period_ns:
            return (
                f"the sampler's clock and the recorder's agree to {self.residual_ns / 1e6:.0f} ms only,"
                f" at a sampling period of {period_ns / 1e6:.0f} ms"
            )
        return None


def main_thread_stretches(events: Iterable[Any]) -> list[Stretch]:  # Any: JSON values, as py-spy wrote them
    """The stacks of the thread that runs the program's file; empty where none does. Times are py-spy's."""
    by_thread: dict[int, list[Any]] = {}
    for event in events:
        by_thread.setdefault(event["tid"], []).append(event)
    threads = [list(_stretches(of_thread)) for of_thread in by_thread.values()]
    return max(threads, key=_nanoseconds_in_program, default=[])


def align(stretches: Sequence[Stretch], loads: Iterable[Load]) -> Alignment:
    """The shift under which the bodies of modules were sampled while they were recorded to run.

    A sample sees a change late, by a random time with a mean of one period; the median shift takes that away too.
    """
    seen = _bodies(stretches)
    shifts = []
    for load in _loaded_once(loads):
        if load.file in seen:
            first_ns, last_ns = seen[load.file]
            shifts.append(load.end_ns - last_ns)
            if load.self_ns == load.end_ns - load.start_ns:  # Nothing nested: its body is what came last.
                shifts.append(load.end_ns - load.parts.exec_ns - first_ns)
    if not shifts:
        return Alignment(0, 0, 0)
    offset_ns = median(shifts)
    return Alignment(round(offset_ns), round(median(abs(shift - offset_ns) for shift in shifts)), len(shifts))


def shifted(stretches: Iterable[Stretch], offset_ns: int) -> list[Stretch]:
    """The same, `offset_ns` later."""
    return [Stretch(one.start_ns + offset_ns, one.end_ns + offset_ns, one.frames) for one in stretches]


def _stretches(events: Iterable[Any]) -> Iterator[Stretch]:  # Any: JSON values
    """Of one thread: all events of one time stamp are one sample."""
    stack: list[Frame] = []
    known: dict[Frame, Frame] = {}
    since_us: int | None = None
    for event in events:
        if since_us is not None and event["ts"] > since_us and stack:
            yield Stretch(since_us * 1000, event["ts"] * 1000, tuple(stack))
        since_us = event["ts"]
        if event["ph"] == "E":
            stack.pop()
        else:
            frame = Frame(event["name"], event["args"]["filename"], event["args"]["line"] or 0)
            stack.append(known.setdefault(frame, frame))


def _nanoseconds_in_program(stretches: Iterable[Stretch]) -> int:
    """A thread's own first frame is a function; only the main thread begins with a module's body, or with runpy."""
    return sum(
        one.end_ns - one.start_ns
        for one in stretches
        if one.frames[0].function == _BODY or one.frames[0].file == "<frozen runpy>" or "runpy" in one.frames[0].file
    )


def _bodies(stretches: Iterable[Stretch]) -> dict[str, tuple[int, int]]:
    """When the body of each file was first seen, and when it was seen to be gone; not of those that came back."""
    seen: dict[str, tuple[int, int]] = {}
    repeated: set[str] = set()
    for stretch in stretches:
        for file in {frame.file for frame in stretch.frames if frame.function == _BODY}:
            first_ns, last_ns = seen.get(file, (stretch.start_ns, stretch.start_ns))
            if last_ns != stretch.start_ns:
                repeated.add(file)
            seen[file] = first_ns, stretch.end_ns
    # What runs to the end of the trace was not seen to end.
    end_ns = max((last_ns for _, last_ns in seen.values()), default=0)
    return {file: when for file, when in seen.items() if file not in repeated and when[1] != end_ns}


def _loaded_once(loads: Iterable[Load]) -> Iterator[Load]:
    by_file: dict[str | None, list[Load]] = {}
    for load in loads:
        by_file.setdefault(load.file, []).append(load)
    for file, of_file in by_file.items():
        if file is not None and len(of_file) == 1 and of_file[0].thread == 0 and of_file[0].parts.exec_ns > 0:
            yield of_file[0]

"""Hot lines: the lines of the program that hold up each phase, and each construction, of a sampled start.

A hot line is told by the program's own lines on the stack, down to the innermost that still holds a twentieth of its
piece: `module.py:43 → evaluation.py:14`. What a library does beneath it is its time. Stacks on which a module is being
loaded are left out: what loading costs is known exactly.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt

from ocrprof.results.intervals import Interval
from ocrprof.results.model import Construction, HotLine, Location, SampledPiece, StackLine
from ocrprof.results.sampled_stacks import Frame, Stretch

PHASE = "phase"
"""The kind of a piece that is a phase."""

_UNSAMPLED_PHASES = ("interpreter", "site", "imports")
# Hydra's own work, which is known by its parts.
_UNSAMPLED_KINDS = ("hydra.", "omegaconf")
_MIN_SHARE = 0.05
_MIN_PERIODS = 2
_MAX_LINES = 8
_MIN_SECONDS, _MIN_SHARE_OF_START = 0.05, 0.01
_EDGE_PERIODS = 4
_IMPORTING = "<frozen importlib"
_RECORDER = "/ocrprof/recorder/"
# The function whose frame a construction is, where it is the program's own and no caller of it.
_FUNCTIONS = {
    "model.init": "__init__",
    "dataset.init": "__init__",
    "datamodule.init": "__init__",
    "logger.init": "__init__",
    "data.setup": "setup",
    "data.prepare": "prepare_data",
    "configure_optimizers": "configure_optimizers",
}


@dataclass(frozen=True, slots=True)
class _Stay:
    """A piece of a stretch. `own`: indices into `frames` of the program's own lines, each line once."""

    frames: tuple[Frame, ...]
    own: tuple[int, ...]
    start_ns: int
    end_ns: int


@dataclass(frozen=True, kw_only=True)
class Sampled:
    """A run's stretches on the clock of its records, without imports; its phases; which files are the program's own."""

    stretches: Sequence[Stretch]
    phases: Sequence[Interval]
    spawn_ns: int
    period_ns: int
    is_own: Callable[[str], bool]


def without_imports(stretches: Iterable[Stretch], imports: Sequence[Interval]) -> list[Stretch]:
    """What is left of the stretches outside `imports`, in order, and without the stacks that are loading a module.

    Both are needed: a sample that failed leaves the stack before it in its place, which the records set right; and at
    the edges, where the clocks may differ by a period, the stack is right.
    """
    return [cut for label, cut in _cut(stretches, imports) if label is None and not _is_importing(cut.frames)]


def phase_pieces(sampled: Sampled) -> list[SampledPiece]:
    """One piece for each phase in which the program was seen outside imports, the longest first."""
    by_phase: dict[str, list[_Stay]] = {}
    for label, stretch in _cut(sampled.stretches, sampled.phases):
        phase = label or "unattributed"
        if phase not in _UNSAMPLED_PHASES:
            by_phase.setdefault(phase, []).append(_stay(stretch, 0, sampled.is_own))
    pieces = [_piece(PHASE, phase, 1, stays, sampled.period_ns) for phase, stays in by_phase.items()]
    return sorted(pieces, key=lambda piece: -piece.seconds)


def construction_pieces(sampled: Sampled, constructions: Sequence[Construction]) -> list[SampledPiece]:
    """One piece for each kind and class that took 50 ms, or a hundredth of the start, together; the longest first."""
    run_seconds = sum(phase.end_ns - phase.start_ns for phase in sampled.phases) / 1e9
    least_seconds = min(_MIN_SECONDS, _MIN_SHARE_OF_START * run_seconds)
    alike: dict[tuple[str, str], list[Construction]] = {}
    for row in constructions:
        if not row.kind.startswith(_UNSAMPLED_KINDS):
            alike.setdefault((row.kind, row.name), []).append(row)
    pieces = []
    for (kind, name), rows in alike.items():
        if sum(row.seconds for row in rows) >= max(least_seconds, _MIN_PERIODS * sampled.period_ns / 1e9):
            by_frame, by_clock = _inside(sampled, rows)
            piece = _piece(kind, name, len(rows), by_frame or by_clock, sampled.period_ns)
            pieces.append(piece.model_copy(update={"location": rows[0].location}) if by_frame else piece)
    return sorted(pieces, key=lambda piece: -piece.seconds)


def _cut(stretches: Iterable[Stretch], pieces: Sequence[Interval]) -> Iterator[tuple[str | None, Stretch]]:
    """Each stretch cut where a piece ends, with the label of that piece; all are in the order of their times."""
    position = 0
    for stretch in stretches:
        while position < len(pieces) and pieces[position].end_ns <= stretch.start_ns:
            position += 1
        for index in range(position, len(pieces)):
            if pieces[index].start_ns >= stretch.end_ns:
                break
            start_ns, end_ns = max(stretch.start_ns, pieces[index].start_ns), min(stretch.end_ns, pieces[index].end_ns)
            yield pieces[index].label, Stretch(start_ns, end_ns, stretch.frames)


def _inside(sampled: Sampled, rows: Sequence[Construction]) -> tuple[list[_Stay], list[_Stay]]:
    """What was sampled in these constructions: by the function's own frame, empty where it was not seen; by the clock.

    The frame begins and ends where the function does; the clock may be wrong by a period at each end.
    """
    windows = [_window(row, sampled.spawn_ns) for row in rows]
    slack_ns = _EDGE_PERIODS * sampled.period_ns
    by_frame, by_clock = [], []
    for stretch in sampled.stretches:
        near = any(
            stretch.start_ns < end_ns + slack_ns and stretch.end_ns > start_ns - slack_ns
            for start_ns, end_ns in windows
        )
        if not near:
            continue
        root = _root(stretch.frames, rows[0])
        if root is not None:
            by_frame.append(_stay(stretch, root, sampled.is_own))
        for start_ns, end_ns in windows:
            cut = Stretch(max(stretch.start_ns, start_ns), min(stretch.end_ns, end_ns), stretch.frames)
            if cut.start_ns < cut.end_ns:
                by_clock.append(_stay(cut, 0, sampled.is_own))
    return by_frame, by_clock


def _window(row: Construction, spawn_ns: int) -> tuple[int, int]:
    start_ns = spawn_ns + round(row.start_seconds * 1e9)
    return start_ns, start_ns + round(row.seconds * 1e9)


def _root(frames: Sequence[Frame], row: Construction) -> int | None:
    """Where the constructed thing's own function stands in a stack; None where it does not, or is not known."""
    function = _FUNCTIONS.get(row.kind)
    if function is None or row.location is None:
        return None
    for index, frame in enumerate(frames):
        is_there = frame.file == row.location.file and frame.line >= row.location.line
        if is_there and frame.function.rpartition(".")[2] == function:
            return index
    return None


def _is_importing(frames: Sequence[Frame]) -> bool:
    """Whether the innermost of what the recorder watches is the loading of a module."""
    for frame in reversed(frames):
        if frame.file.startswith(_IMPORTING):
            return True
        if _RECORDER in frame.file:
            return False
    return False


def _stay(stretch: Stretch, root: int, is_own: Callable[[str], bool]) -> _Stay:
    frames = stretch.frames
    own: dict[tuple[str, int], int] = {}
    for index in range(root, len(frames)):
        if _RECORDER not in frames[index].file and is_own(frames[index].file):
            # A comprehension's frame is on its function's line; a recursion comes back to one.
            own.setdefault((frames[index].file, frames[index].line), index)
    return _Stay(frames, tuple(own.values()), stretch.start_ns, stretch.end_ns)


def _piece(kind: str, name: str, count: int, stays: Sequence[_Stay], period_ns: int) -> SampledPiece:
    total_ns = _nanoseconds(stays)
    least_ns = max(_MIN_SHARE * total_ns, _MIN_PERIODS * period_ns)
    rows = list(_hot(stays, 0, least_ns))
    lines = [_hot_line(depth, of_line, total_ns, period_ns) for depth, of_line in rows]
    return SampledPiece(
        kind=kind,
        name=name,
        count=count,
        seconds=total_ns / 1e9,
        hot_lines=sorted(lines, key=lambda line: -line.seconds)[:_MAX_LINES],
    )


def _hot(stays: Sequence[_Stay], depth: int, least_ns: float) -> Iterator[tuple[int, list[_Stay]]]:
    """(depth, stays) of each hot line: those whose first `depth` own lines are the same, and share no longer child."""
    children: dict[tuple[str, int], list[_Stay]] = {}
    rest = []
    for stay in stays:
        if len(stay.own) > depth:
            frame = stay.frames[stay.own[depth]]
            children.setdefault((frame.file, frame.line), []).append(stay)
        else:
            rest.append(stay)
    for child in children.values():
        if _nanoseconds(child) >= least_ns:
            yield from _hot(child, depth + 1, least_ns)
        else:
            rest += child
    if depth and _nanoseconds(rest) >= least_ns:
        yield depth, sorted(rest, key=lambda stay: stay.start_ns)


def _hot_line(depth: int, stays: Sequence[_Stay], total_ns: int, period_ns: int) -> HotLine:
    first = stays[0]
    num_stays = 1 + sum(stay.start_ns > before.end_ns for before, stay in pairwise(stays))
    nanoseconds = _nanoseconds(stays)
    return HotLine(
        lines=[_stack_line(first.frames[index]) for index in first.own[:depth]],
        seconds=nanoseconds / 1e9,
        error_seconds=period_ns / 1e9 * sqrt(2 * num_stays),
        share=nanoseconds / total_ns,
        num_stays=num_stays,
        mostly_in=_mostly_in(depth, stays),
    )


def _mostly_in(depth: int, stays: Sequence[_Stay]) -> StackLine | None:
    """The innermost function beneath the line in which at least half of its time was spent."""
    half_ns = _nanoseconds(stays) / 2
    tails = [(_beneath(stay, depth), stay.end_ns - stay.start_ns) for stay in stays]
    found: StackLine | None = None
    while True:
        by_function: dict[tuple[str, str], int] = {}
        for frames, nanoseconds in tails:
            if frames:
                function = (frames[0].file, frames[0].function)
                by_function[function] = by_function.get(function, 0) + nanoseconds
        longest = max(by_function, key=lambda function: by_function[function], default=None)
        if longest is None or by_function[longest] < half_ns:
            return found
        tails = [
            (frames, spent) for frames, spent in tails if frames and (frames[0].file, frames[0].function) == longest
        ]
        by_line: dict[Frame, int] = {}
        for frames, nanoseconds in tails:
            by_line[frames[0]] = by_line.get(frames[0], 0) + nanoseconds
        found = _stack_line(max(by_line, key=lambda frame: by_line[frame]))
        tails = [(frames[1:], nanoseconds) for frames, nanoseconds in tails]


def _beneath(stay: _Stay, depth: int) -> tuple[Frame, ...]:
    """The frames beneath the first `depth` own lines, without the recorder's."""
    last = stay.own[depth - 1]
    line = (stay.frames[last].file, stay.frames[last].line)
    return tuple(
        frame for frame in stay.frames[last + 1 :] if _RECORDER not in frame.file and (frame.file, frame.line) != line
    )


def _stack_line(frame: Frame) -> StackLine:
    return StackLine(function=frame.function, location=Location(file=frame.file, line=frame.line))


def _nanoseconds(stays: Iterable[_Stay]) -> int:
    return sum(stay.end_ns - stay.start_ns for stay in stays)

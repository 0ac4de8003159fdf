"""The run that a start's tables tell of, cut into pieces of which each belongs to one thing alone.

At each moment it is the innermost that decides: the module being loaded, or what is being built; where there is none,
the phase's own code. So nothing that is nested is counted twice, and the pieces add up to the run in nanoseconds.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ocrprof.results.intervals import Interval, innermost
from ocrprof.results.model import Cause, Construction, Instantiation, Location, Segment, StartupReport
from ocrprof.results.startup import representative

Kind = Literal["module", "built", "own_code", "phase"]

_ROUNDING_NS = 1000
"""What sums of rounded seconds may miss; nobody is to read of it as a cause."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What one stretch of time belongs to: a module by its name, something built by its class, a phase's own code.

    A whole phase where nothing more is known.
    """

    phase: str
    kind: Kind
    name: str


def has_timeline(report: StartupReport) -> bool:
    """Whether it is known when each phase was: not in reports of older versions, nor where nothing was recorded."""
    return bool(_lane(report.timeline))


def whole_phases(report: StartupReport) -> dict[Piece, int]:
    """Nanoseconds of each phase of the run that the tables tell of, whatever went on in it; they add up to the run."""
    index = representative(report.runs)
    phases = [] if index is None else report.runs[index].phases
    return {Piece(phase.name, "phase", phase.name): nanoseconds(phase.seconds) for phase in phases}


def pieces_of(report: StartupReport) -> dict[Piece, int]:
    """Nanoseconds of each piece of the run that the tables tell of; they add up to it. The report has a timeline."""
    lane = _lane(report.timeline)
    things = list(_things(report, main_pid=lane[-1].pid))
    edges = [nanoseconds(lane[0].start_seconds), *(nanoseconds(one.start_seconds + one.seconds) for one in lane)]
    labelled = [Interval(one.start_ns, one.end_ns, str(number)) for number, (one, _, _) in enumerate(things)]
    pieces = innermost(labelled, start_ns=edges[0], end_ns=edges[-1])
    found: dict[Piece, int] = {}
    for segment, start_ns, end_ns in zip(lane, edges, edges[1:], strict=False):
        for one in _between(pieces, start_ns, end_ns):
            if one.label is None:
                piece = Piece(segment.phase, "own_code", segment.phase)
            else:
                _, kind, name = things[int(one.label)]
                piece = Piece(segment.phase, kind, name)
            found[piece] = found.get(piece, 0) + one.end_ns - one.start_ns
    return found


def nanoseconds(seconds: float) -> int:
    """To the nearest one, in which sums are exact."""
    return round(seconds * 1e9)


def without_rounding(causes: list[Cause], rest_ns: int) -> tuple[list[Cause], int]:
    """The causes, the first of them with what rounding left over, and what is left then: nothing, or a real rest."""
    if not causes or not 0 < abs(rest_ns) <= _ROUNDING_NS:
        return causes, rest_ns
    largest = max(causes, key=lambda cause: abs(cause.seconds))
    corrected = largest.model_copy(update={"seconds": (nanoseconds(largest.seconds) + rest_ns) / 1e9})
    return [corrected if cause is largest else cause for cause in causes], 0


def built_at(report: StartupReport, name: str) -> Location | None:
    """Where a class that was built stands, by the first record that tells so."""
    rows: Sequence[Construction | Instantiation] = [*report.constructions, *report.instantiations]
    for row in rows:
        if row.location is not None and _name(row) == name:
            return row.location
    return None


def _lane(timeline: Sequence[Segment]) -> list[Segment]:
    """The segments that add up to the run: they come first, each beginning where the one before ended."""
    lane: list[Segment] = []
    for segment in timeline:
        end = nanoseconds(lane[-1].start_seconds + lane[-1].seconds) if lane else 0
        if abs(nanoseconds(segment.start_seconds) - end) > 2:
            break
        lane.append(segment)
    return lane


def _things(report: StartupReport, *, main_pid: int) -> Iterator[tuple[Interval, Kind, str]]:
    for load in report.imports:
        if load.thread == 0 and load.pid == main_pid:
            yield _interval(load.start_seconds, load.inclusive_seconds), "module", load.module
    for built in report.constructions:
        yield _interval(built.start_seconds, built.seconds), "built", _name(built)
    for node in report.instantiations:
        for start, seconds in zip(node.each_start_seconds, node.each_seconds, strict=False):
            yield _interval(start, seconds), "built", _name(node)


def _name(row: Construction | Instantiation) -> str:
    """Hydra's record of a target and the hook's of its class are of one thing."""
    return row.target if isinstance(row, Instantiation) else row.name


def _interval(start_seconds: float, seconds: float) -> Interval:
    return Interval(nanoseconds(start_seconds), nanoseconds(start_seconds + seconds), None)


def _between(pieces: Sequence[Interval], start_ns: int, end_ns: int) -> Iterator[Interval]:
    """What of the pieces, which are in order, lies in a window."""
    first = max(bisect_right(pieces, start_ns, key=lambda one: one.start_ns) - 1, 0)
    for one in pieces[first:]:
        if one.start_ns >= end_ns:
            return
        start, end = max(one.start_ns, start_ns), min(one.end_ns, end_ns)
        if start < end:
            yield Interval(start, end, one.label)

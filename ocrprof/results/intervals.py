"""Which of several overlapping intervals a moment belongs to: the one that began last."""

import heapq
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Interval:
    """Half-open, [start_ns, end_ns). `label` None stands for nothing known, also over what encloses it."""

    start_ns: int
    end_ns: int
    label: str | None


def innermost(intervals: Iterable[Interval], *, start_ns: int, end_ns: int) -> list[Interval]:
    """The window [start_ns, end_ns) cut without gap or overlap, each piece with the label of what began last.

    Of those that began together the shortest wins, then the one given first. Neighbours of one label are one piece.
    """
    if start_ns >= end_ns:
        return []
    inside = sorted(
        (one for one in intervals if one.start_ns < end_ns and one.end_ns > max(start_ns, one.start_ns)),
        key=lambda one: one.start_ns,
    )
    edges = {start_ns, end_ns}
    for one in inside:
        edges |= {max(one.start_ns, start_ns), min(one.end_ns, end_ns)}
    active: list[tuple[int, int, int]] = []
    pieces: list[Interval] = []
    upcoming = 0
    for left, right in pairwise(sorted(edges)):
        while upcoming < len(inside) and inside[upcoming].start_ns <= left:
            heapq.heappush(active, (-inside[upcoming].start_ns, inside[upcoming].end_ns, upcoming))
            upcoming += 1
        while active and active[0][1] <= left:
            heapq.heappop(active)
        label = inside[active[0][2]].label if active else None
        if pieces and pieces[-1].label == label:
            pieces[-1] = Interval(pieces[-1].start_ns, right, label)
        else:
            pieces.append(Interval(left, right, label))
    return pieces


def piece_at(pieces: Sequence[Interval], at_ns: int) -> Interval | None:
    """The piece that holds a moment, of `pieces` in order; the nearest end's for a moment outside; None without any."""
    if not pieces:
        return None
    return pieces[max(bisect_right(pieces, at_ns, key=lambda piece: piece.start_ns) - 1, 0)]


def union_ns(intervals: Iterable[Interval], *, start_ns: int, end_ns: int) -> int:
    """Nanoseconds of a window that at least one interval covers."""
    total, covered_ns = 0, start_ns
    for one in sorted(intervals, key=lambda one: one.start_ns):
        first, last = max(one.start_ns, covered_ns), min(one.end_ns, end_ns)
        if last > first:
            total += last - first
            covered_ns = last
    return total

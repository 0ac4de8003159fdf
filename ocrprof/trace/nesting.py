"""Slices of one thread made to nest: viewers draw nonsense, or refuse the file, where two of them cross."""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Slice:
    """A named piece of a thread's time, [start_ns, end_ns). `cut_ns`: what was taken off it so that it nests."""

    name: str
    category: str
    start_ns: int
    end_ns: int
    arguments: dict[str, Any] = field(default_factory=dict)  # Any: JSON values
    file: str | None = None
    line: int | None = None
    cut_ns: int = 0


@dataclass(frozen=True, slots=True)
class Nested:
    """Slices that nest, each behind the one that holds it, and how many of those given were cut or left out."""

    slices: tuple[Slice, ...]
    num_cut: int
    num_dropped: int


def nest(slices: Iterable[Slice]) -> Nested:
    """The slices with every crossing mended; one that ends before it begins is left out.

    Of two that cross, the one that began later keeps its longer piece: inside the other, or after it. A batch that was
    fetched ahead so begins when the batch before it ends, and what a killed process left open ends with its caller.
    """
    given = list(slices)
    waiting = [(one.start_ns, -one.end_ns, order, one) for order, one in enumerate(given) if one.end_ns >= one.start_ns]
    heapq.heapify(waiting)
    open_ends: list[int] = []
    nested: list[Slice] = []
    while waiting:
        start_ns, _, order, one = heapq.heappop(waiting)
        while open_ends and open_ends[-1] <= start_ns:
            open_ends.pop()
        outer_end_ns = open_ends[-1] if open_ends else one.end_ns
        inside_ns, outside_ns = outer_end_ns - start_ns, one.end_ns - outer_end_ns
        if outside_ns > inside_ns:
            moved = replace(one, start_ns=outer_end_ns, cut_ns=one.cut_ns + inside_ns)
            heapq.heappush(waiting, (moved.start_ns, -moved.end_ns, order, moved))
            continue
        if outside_ns > 0:
            one = replace(one, end_ns=outer_end_ns, cut_ns=one.cut_ns + outside_ns)
        nested.append(one)
        open_ends.append(one.end_ns)
    return Nested(
        slices=tuple(nested),
        num_cut=sum(one.cut_ns > 0 for one in nested),
        num_dropped=sum(one.end_ns < one.start_ns for one in given),
    )

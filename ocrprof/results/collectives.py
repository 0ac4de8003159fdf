"""Where ranks wait for one another: from a rank's arrival at a collective to that of the last rank."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ocrprof.records import ProcessRecords
from ocrprof.results.intervals import Interval, innermost

_GRADIENTS = "the first gradients"
_NAMES = {"_verify_param_shape_across_processes": "DDP", "_sync_module_states": "DDP"}
"""What is told of collectives that a program calls only through DDP's construction."""

_Collective = tuple[str, int]
"""What was called, and its number among the calls of that."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A rank's stay in the collective `at`, [start_ns, end_ns), until `last_rank` had come to it too."""

    at: str
    start_ns: int
    end_ns: int
    last_rank: int


def waiting(ranks: Sequence[ProcessRecords]) -> dict[int, list[Waiting]]:
    """By rank, in order and without overlap: its waiting at each collective to which all of these came."""
    presence = {one.rank or 0: dict(_collectives(one)) for one in ranks}
    common = set.intersection(*(set(of_rank) for of_rank in presence.values()))
    last = {key: max(presence, key=lambda rank: presence[rank][key][0]) for key in common}
    labels = {f"{at} {number}": (at, number) for at, number in common}
    waits = {}
    for rank, mine in presence.items():
        standing = [
            Interval(mine[key][0], min(mine[key][1], presence[last[key]][key][0]), label)
            for label, key in labels.items()
        ]
        begin_ns = min((one.start_ns for one in standing), default=0)
        end_ns = max((one.end_ns for one in standing), default=0)
        waits[rank] = [
            Waiting(
                _NAMES.get(labels[piece.label][0], labels[piece.label][0]),
                piece.start_ns,
                piece.end_ns,
                last[labels[piece.label]],
            )
            for piece in innermost(standing, start_ns=begin_ns, end_ns=end_ns)
            if piece.label is not None
        ]
    return waits


def _collectives(process: ProcessRecords) -> Iterator[tuple[_Collective, tuple[int, int]]]:
    """When the rank came to each collective, and when it left it."""
    for span in process.spans:
        if span.name == "collective" and span.thread == 0:
            yield (span.attributes["op"], span.attributes["n"]), (span.start_ns, span.end_ns)
    forward_ns, step_ns = process.mark("forward"), process.mark("first-step")
    if forward_ns is not None and step_ns is not None:
        yield (_GRADIENTS, 0), (forward_ns, step_ns)

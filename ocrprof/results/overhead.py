"""What recording costs, from pairs of starts: recorded, and with the marks of the milestones alone."""

import random
from collections.abc import Sequence

from ocrprof.results.model import Overhead, OverheadPair, RunStatus
from ocrprof.results.stats import statistic


def order_of_pairs(num_pairs: int, *, seed: int) -> list[bool]:
    """For each pair whether its recorded run comes first: by chance, so that neither gains by what is left behind."""
    generator = random.Random(seed)
    return [generator.random() < 0.5 for _ in range(num_pairs)]


def build_overhead(pairs: Sequence[OverheadPair], *, seed: int, stopped_by: RunStatus | None = None) -> Overhead:
    """Median and bootstrap interval of the differences within the pairs."""
    differences = [pair.recorded_seconds - pair.marks_only_seconds for pair in pairs]
    return Overhead(
        seed=seed,
        pairs=list(pairs),
        stopped_by=stopped_by,
        difference_seconds=statistic(differences) if pairs else None,
        marks_only_seconds=statistic([pair.marks_only_seconds for pair in pairs]) if pairs else None,
    )

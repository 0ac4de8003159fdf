"""Steps of a known time in the place of a training: asleep as on a GPU, or spinning as on a processor."""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any  # where the batches come from: a `sweep_feed.Feed`

    from ocrprof.recorder.core import Recorder

_SECOND = 1_000_000_000
# How fast the oversleep that is taken off the next sleep follows the last one.
_FOLLOWS = 0.1


class Step:
    """`run` takes `step_ns`, to an absolute deadline; a sleep is shorter by what the sleeps before it were too long."""

    def __init__(self, recorder: "Recorder", step_ns: int, *, spins: bool) -> None:
        self._now, self._step_ns, self._spins = recorder.now, step_ns, spins
        self._expected = 0.0
        self._total = self._count = 0

    @property
    def oversleep(self) -> int:
        """ns by which a sleep was too long, mean."""
        return self._total // self._count if self._count else 0

    def run(self) -> int:
        """The ns that it took."""
        start = self._now()
        deadline = start + self._step_ns
        if self._spins:
            while self._now() < deadline:
                pass
        else:
            asked = deadline - self._now() - int(self._expected)
            if asked > 0:
                begin = self._now()
                sys.modules["time"].sleep(asked / _SECOND)
                over = self._now() - begin - asked
                self._expected += _FOLLOWS * (over - self._expected)
                self._total += over
                self._count += 1
        return int(self._now() - start)


def feed(source: "Any", step: Step, num_batches: int, *, until: int, least: int = 1) -> "tuple[list[int], list[int]]":
    """ns that each step waited for its batch from `source`, and those that it took; `least` of them when time is up."""
    now = sys.modules["time"].monotonic_ns
    waits: list[int] = []
    computes: list[int] = []
    while len(waits) < num_batches:
        start = now()
        if source.take_or_restart():
            waits.append(source.last - start)
            computes.append(step.run())
        if now() > until and len(waits) >= least:
            break
    return waits, computes


def replay(source: "Any", step: Step, kept: "list[object]", length: int, *, num_blocks: int, until: int) -> "list[int]":
    """ns of blocks of `length` steps fed with `kept` batches: the loader costs nothing, its workers come to rest."""
    now = sys.modules["time"].monotonic_ns
    replayed: list[int] = []
    while len(replayed) < num_blocks:
        start = now()
        for number in range(length):
            batch = kept[number % len(kept)]
            del batch
            step.run()
            source.beat.tick(now())
        replayed.append(now() - start)
        if replayed[-1] + now() > until:
            break
    return replayed

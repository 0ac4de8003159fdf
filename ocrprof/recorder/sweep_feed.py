"""The batches of a loader that was taken over, epoch after epoch, the moment of each and the samples in it."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any  # loaders, iterators and batches of torch

    from ocrprof.recorder.core import Recorder


class Feed:
    """Moments are ns of CLOCK_MONOTONIC. `order` is the sampler of a map-style loader, repeated; None for an iterable
    one, which ends its epochs itself. `last`: when the last batch came.
    """

    def __init__(
        self, recorder: "Recorder", asked: "dict[str, Any]", loader: "Any", iterate: "Callable[[Any], Any]"
    ) -> None:
        self.loader, self.iterator = loader, None
        self._recorder, self._iterate = recorder, iterate
        self._sampler, self._blocks = recorder.load("sweep_sampler"), recorder.load("sweep_blocks")
        self.order: Any = self._sampler.put_before(loader)
        self.beat = recorder.load("sweep_beat").Beat(recorder, asked)
        self.last = 0
        self.turnover: int | None = None

    def begin(self) -> None:
        """`iter()`: a new epoch, in which every trial finds the same indices."""
        if self.order is not None:
            self.order.forget()
        self.iterator = None
        self.beat.starts()
        self._sampler.seed_everything(self.loader, 0)
        self.iterator = self._iterate(self.loader)

    def next_batch(self) -> "tuple[object, int] | None":
        """A batch and its number of samples; None at the end of the epoch."""
        iterator: Any = self.iterator
        try:
            batch = next(iterator)
        except StopIteration:
            return None
        self.last = self._recorder.now()
        self.beat.tick(self.last)
        return batch, self._samples_of(batch)

    def take(self) -> "int | None":
        """The number of samples in a batch that nobody keeps."""
        taken = self.next_batch()
        return None if taken is None else taken[1]

    def restart(self) -> None:
        """The next epoch, up to its first batch."""
        ended = self.last
        self.begin()
        if self.take() is None:
            raise NothingLeft("the loader has no batches in another epoch")
        if self.turnover is None:
            self.turnover = self.last - ended

    def take_or_restart(self) -> bool:
        """Whether there was another batch in this epoch; the next one has begun where there was none."""
        if self.take() is not None:
            return True
        self.restart()
        return False

    def skip(self, num_batches: int, *, until: int) -> None:
        """Leaves out batches, while there is time."""
        for _ in range(num_batches):
            self.take_or_restart()
            if self.last > until:
                return

    def pids(self) -> "list[int]":
        """Of the workers."""
        return [worker.pid for worker in getattr(self.iterator, "_workers", ())]

    def release(self) -> "list[object]":
        """The iterator's only reference: clear the list to end its workers."""
        held: list[object] = [self.iterator]
        self.iterator = None
        self.loader.__dict__["_iterator"] = None
        return held

    def _samples_of(self, batch: object) -> int:
        """By the sampler; fewer where the collate function has left some out."""
        expected: int | None = self.order.next_size() if self.order is not None else None
        if self.loader.batch_sampler is None:
            return expected or 1
        sizes: list[int] = self._blocks.leading_sizes(batch)
        if expected is None:
            return sizes[0] if sizes else int(self.loader.batch_size or 1)
        return expected if expected in sizes or not sizes or sizes[0] > expected else sizes[0]


class NothingLeft(Exception):
    """A loader without batches, or one that can be iterated once only."""

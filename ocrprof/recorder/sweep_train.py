"""The target's own training with the settings of a trial: so many steps of it are timed, then the process ends.

A step is what the target does between two batches; on a GPU the work of a step is waited for where the measured steps
begin and end, and nowhere in between. All times are ns of CLOCK_MONOTONIC.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any  # loaders, iterators and batches of torch

    from ocrprof.recorder.core import Recorder

_SECOND = 1_000_000_000
_MIN_WARMUP = 10
_NUM_KEPT = 8
_NUM_REPLAYED_BLOCKS = 5
_HANG_BATCHES = 20


def patch_next(recorder: "Recorder", base: "Any") -> None:
    """Each batch that the training gets, and that another loader is used in between."""
    core = recorder.load("core")
    original = base.__next__

    def __next__(self: object) -> object:
        training = recorder.sweep.training  # type: ignore[attr-defined]
        if training is None or training.is_over:
            return original(self)
        if not training.owns(self):
            training.interrupted()
            return original(self)
        try:
            training.asks()
            kept = training.kept_batch()
            if kept is not None:
                return kept
            batch = original(self)
        except BaseException as error:
            core.hide_frame(error)
            if isinstance(error, StopIteration):
                training.epoch_ended()
            else:
                training.failed(error)
            raise
        try:
            training.got(batch)
        except BaseException as error:  # torch's handler of SIGCHLD, for a worker that has died
            training.failed(error)
        return batch

    base.__next__ = core.look_like(__next__, original)


def training_with(recorder: "Recorder", asked: "dict[str, Any]", loader: "Any") -> "Training":
    """The training of a trial. A loader that cannot be given its settings ends it, and says so."""
    try:
        return Training(recorder, asked, loader)
    except BaseException as error:
        try:
            recorder.load("sweep_failure").tell(recorder, error, None, loader, phase="rebuild")
        finally:
            recorder.mark(recorder.load("sweep").MILESTONE)
        raise


class Training:
    """The steps of one trial. It is begun where the target first iterates its loader, which gets its new settings."""

    def __init__(self, recorder: "Recorder", asked: "dict[str, Any]", loader: "Any") -> None:
        self.loader, self.is_over = loader, False
        self._recorder, self._asked = recorder, asked
        self._cost, self._blocks = recorder.load("sweep_cost"), recorder.load("sweep_blocks")
        at, self._notes = recorder.now(), recorder.load("sweep").rebuild(loader, asked)
        self._num_workers = asked["num_workers"]
        self._prefetch = self._num_workers * (loader.prefetch_factor or 0)
        # What the queue was filled with before the first step is free; no more than half of the steps is left out.
        self._num_warmup = max(_MIN_WARMUP, min(2 * self._prefetch, asked["num_steps"] // 2))
        self._length = max(4 * self._num_workers, 8)
        self._iterator: Any = None
        self._steps = _Steps()
        self._kept: list[object] = []
        self._replayed: list[int] = []
        self._num_fetched = self._num_replayed = 0
        # Moments: of the first `iter()`, of the last request for a batch, of its arrival; 0 before there is one.
        self._started = self._asked_at = self._got_at = self._first = self._until = 0
        self._epoch_end = 0
        self._turnover: int | None = None
        self._size: int | None = None
        self._is_interrupted = self._is_measured = False
        self._before: dict[str, Any] = {}
        self._beat = recorder.load("sweep_beat").Beat(recorder, asked)
        self._tell("taken", at=at, notes=self._notes)
        recorder.at_end.append(self._finish_early)
        try:
            check = recorder.load("sweep_failure").check_room
            check(recorder, asked.get("batch_bytes"), asked.get("num_tensors"), self._num_workers, self._prefetch)
        except Exception as error:
            self.failed(error)

    # -- what the loader's iteration tells -------------------------------------------------------------------------

    def owns(self, iterator: object) -> bool:
        """Whether these batches are those that are trained with."""
        return iterator is self._iterator

    def starts(self) -> None:
        """`iter()` is about to be called: of the first epoch, or of a later one, of which no step is."""
        now = self._recorder.now()
        self._beat.starts()
        if not self._started:
            self._started = now
            return
        if not self._epoch_end or self._is_interrupted:
            self._epoch_end = now
        self._is_interrupted = True

    def began(self, loader: object, iterator: "Any") -> None:
        """`iter()` of a loader has returned."""
        if loader is not self.loader:
            return
        is_first, self._iterator = self._iterator is None, iterator
        if is_first:
            self._tell("workers", at=self._started, iter=self._recorder.now() - self._started, pids=self._pids())

    def interrupted(self) -> None:
        """Another loader is read: what lies between the two batches of the training is no step."""
        self._is_interrupted = True
        self._beat.starts()

    def asks(self) -> None:
        """The target asks for a batch: the step before is over."""
        now = self._recorder.now()
        if self._size is not None and self._num_fetched > self._num_warmup:
            self._add_step(now)
        self._size, self._is_interrupted = None, False
        if not self._is_measured:
            if self._num_fetched == self._num_warmup and not self._until:
                self._begin_measuring()
            elif self._num_fetched >= self._asked["num_steps"] or 0 < self._until < now:
                self._measured()
                if not self._kept:
                    self._end()
        elif self._num_replayed >= self._prefetch + _NUM_REPLAYED_BLOCKS * self._length:
            self._end()
        self._asked_at = self._recorder.now()
        if self._first:
            self._beat.tick(self._asked_at)

    def kept_batch(self) -> object:
        """A copy of a batch of the warm-up, once the steps are measured; None before."""
        if not self._is_measured:
            return None
        batch = self._cost.clone(self._kept[self._num_replayed % len(self._kept)])
        self._num_replayed += 1
        self._size = 0
        self._got_at = self._recorder.now()
        self._beat.starts()
        return batch

    def got(self, batch: object) -> None:
        """The loader has delivered."""
        self._got_at = self._recorder.now()
        # A step may compile, and validate: it is no hang as long as it works.
        self._beat.starts()
        self._size = self._samples_of(batch)
        if not self._num_fetched:
            self._first = self._got_at
            num_bytes, num_tensors = self._recorder.ask(self._cost.size_of, (batch,), {}) or (None, None)
            first = self._got_at - self._started
            self._tell("first", at=self._started, first=first, batch_bytes=num_bytes, num_tensors=num_tensors)
        if self._epoch_end:
            self._turnover = self._turnover or self._got_at - self._epoch_end
            self._epoch_end = 0
            self._steps.interrupt()
            self._size = None  # its wait is that of a new epoch, not of a step
        if self._asked.get("replay") and len(self._kept) < _NUM_KEPT:
            copied = self._recorder.ask(self._cost.clone, (batch,), {})
            self._kept += [] if copied is None else [copied]
            self._got_at = self._recorder.now()
        self._num_fetched += 1

    def epoch_ended(self) -> None:
        """No further batch in this epoch."""
        self._epoch_end = self._asked_at

    def failed(self, error: BaseException) -> None:
        """The loader has raised: the trial is over, and says so."""
        phase = "measuring" if self._first else "start"
        try:
            self._beat.ends()
            self._recorder.load("sweep_failure").tell(self._recorder, error, self._iterator, self.loader, phase=phase)
        finally:
            self._end()

    # -- steps -----------------------------------------------------------------------------------------------------

    def _begin_measuring(self) -> None:
        """From here on steps count; a GPU has no work left of those before."""
        per_batch = (self._got_at - self._first) / max(1, self._num_fetched - 1)
        self._beat.limit(max(int(self._asked["hang_seconds"] * _SECOND), int(_HANG_BATCHES * per_batch)))
        self._recorder.load("torch").synchronize()
        self._before = self._snapshot()
        self._until = self._recorder.now() + int(self._asked["max_seconds"] * _SECOND)

    def _add_step(self, now: int) -> None:
        if self._is_interrupted:
            self._steps.interrupt()
        elif self._num_replayed:
            self._replayed.append(now - self._got_at)
        else:
            self._steps.add(self._got_at - self._asked_at, now - self._got_at, self._size or 0)

    def _samples_of(self, batch: object) -> int:
        sizes: list[int] = self._blocks.leading_sizes(batch)
        full: int | None = self.loader.batch_size
        return full if full is not None and (full in sizes or not sizes) else (sizes or [1])[0]

    def _measured(self) -> None:
        """Writes the steps; the last one's work on a GPU is its own, so it is waited for."""
        self._is_measured = True
        begin = self._recorder.now()
        self._recorder.load("torch").synchronize()
        self._steps.prolong(self._recorder.now() - begin)
        spent = self._cost.between(self._before, self._snapshot()) if self._before else {}
        self._length = self._blocks.fitting_length(len(self._steps.works), self._length, max(1, self._num_workers))
        blocks, waits, works = self._steps.cut(self._length)
        self._tell(
            "blocks",
            discarded=min(self._num_warmup, self._num_fetched),
            blocks=blocks,
            capped=self._num_fetched < self._asked["num_steps"],
            first=self._first,
            last=self._recorder.now(),
            cost={**spent, "pss_peak": self._cost.pss_bytes(self._pids())},
            notes=self._notes,
            train_ns=sum(self._steps.waits) + sum(self._steps.works),
            train_samples=sum(self._steps.sizes),
        )
        num_batches = [self._length for _ in blocks]
        self._tell("waits", wait=waits, compute=works, num_batches=num_batches, oversleep=0, capped=False)
        if self._turnover is not None:
            self._tell("turnover", ns=self._turnover)

    def _end(self) -> None:
        """Never returns: whatever is raised here, the target does not train on."""
        try:
            self._tell_end()
        finally:
            self._recorder.mark(self._recorder.load("sweep").MILESTONE)

    def _tell_end(self) -> None:
        # The first of them were fed while the workers still filled the queue.
        replayed = self._replayed[self._prefetch :]
        cut = range(0, len(replayed) - self._length + 1, self._length)
        if cut:
            self._tell("replay", ns=[sum(replayed[k : k + self._length]) for k in cut], num_batches=self._length)
        self.is_over = True
        self._beat.ends()
        self._tell("exit", at=self._recorder.now(), slow=False)

    def _finish_early(self) -> None:
        """The target has ended by itself."""
        if not self.is_over and self._first and not self._is_measured:
            self.is_over = True
            self._beat.ends()
            asked = self._asked["num_steps"]
            self._notes.append("the program ended after %d of the %d steps" % (self._num_fetched, asked))
            self._measured()

    def _pids(self) -> "list[int]":
        return [worker.pid for worker in getattr(self._iterator, "_workers", ())]

    def _snapshot(self) -> "dict[str, Any]":
        found: dict[str, Any] = self._cost.snapshot(self._pids())
        return found

    def _tell(self, name: str, **facts: object) -> None:
        self._recorder.write({"k": "totals", "of": "sweep." + name, "a": facts})
        self._recorder.flush()


class _Steps:
    """Of each measured step what it waited for its batch, its own work (ns), and the samples in it."""

    def __init__(self) -> None:
        self.waits: list[int] = []
        self.works: list[int] = []
        self.sizes: list[int] = []
        self._breaks: set[int] = set()

    def add(self, wait: int, work: int, size: int) -> None:
        """One more."""
        self.waits.append(wait)
        self.works.append(work)
        self.sizes.append(size)

    def interrupt(self) -> None:
        """The next step does not follow the last one."""
        self._breaks.add(len(self.works))

    def prolong(self, ns: int) -> None:
        """The last step took longer than it seemed."""
        if self.works:
            self.works[-1] += ns

    def cut(self, length: int) -> "tuple[list[list[int]], list[int], list[int]]":
        """Blocks of `length` steps that follow each other, as [ns, steps, samples]; waits and work of each."""
        blocks: list[list[int]] = []
        waits: list[int] = []
        works: list[int] = []
        start = 0
        while start + length <= len(self.works):
            inside = [at for at in self._breaks if start < at < start + length]
            if inside:
                start = max(inside)
                continue
            chosen = slice(start, start + length)
            waits.append(sum(self.waits[chosen]))
            works.append(sum(self.works[chosen]))
            blocks.append([waits[-1] + works[-1], length, sum(self.sizes[chosen])])
            start += length
        return blocks, waits, works

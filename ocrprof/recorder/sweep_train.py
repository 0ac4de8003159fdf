"""The target's own training with the settings of a trial: so many steps of it are timed, then the process ends.

A step is what the target does between two batches; on a GPU the work of a step is waited for where the measured steps
begin and end, and nowhere in between. All times are ns of CLOCK_MONOTONIC.
"""

import os

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
        training.asks()
        kept = training.kept_batch()
        if kept is not None:
            return kept
        try:
            batch = original(self)
        except BaseException as error:
            core.hide_frame(error)
            if isinstance(error, StopIteration):
                training.epoch_ended()
            else:
                recorder.ask(training.failed, (error,), {})
            raise
        recorder.ask(training.got, (batch,), {})
        return batch

    base.__next__ = core.look_like(__next__, original)


class Training:
    """The steps of one trial. It is begun where the target first iterates its loader, which has its new settings."""

    def __init__(self, recorder: "Recorder", asked: "dict[str, Any]", loader: "Any") -> None:
        self.loader, self.is_over = loader, False
        self._recorder, self._asked = recorder, asked
        self._cost, self._blocks = recorder.load("sweep_cost"), recorder.load("sweep_blocks")
        self._iterator: Any = None
        at = recorder.now()
        self._notes = recorder.load("sweep").rebuild(loader, asked)
        num_workers = asked["num_workers"]
        self._prefetch = num_workers * (loader.prefetch_factor or 0)
        try:
            check = recorder.load("sweep_failure").check_room
            check(recorder, asked.get("batch_bytes"), asked.get("num_tensors"), num_workers, self._prefetch)
        except Exception as error:
            self.failed(error)
        self._num_steps = asked["num_steps"]
        # What the queue was filled with before the first step is free; no more than half of the steps is left out.
        self._num_warmup = max(_MIN_WARMUP, min(2 * self._prefetch, self._num_steps // 2))
        self._length = max(4 * num_workers, 8)
        self._kept: list[object] = []
        self._num_started = 0
        self._begun = self._first = self._asked_at = self._got_at = 0
        self._turnover: int | None = None
        self._epoch_end = 0
        self._is_interrupted = False
        # Of each measured step: waited for its batch, then at work; whether it follows the one before; its samples.
        self._waits: list[int] = []
        self._works: list[int] = []
        self._sizes: list[int] = []
        self._breaks: set[int] = set()
        self._size: int | None = None
        self._replayed: list[int] = []
        self._num_replayed = 0
        self._before: dict[str, int | None] = {}
        self._until = 0
        self._beat = recorder.load("sweep_beat").Beat(recorder, asked)
        self._tell("taken", at=at, notes=self._notes)
        recorder.at_end.append(self._finish_early)

    # -- what the loader's iteration tells -------------------------------------------------------------------------

    def owns(self, iterator: object) -> bool:
        """Whether these batches are those that are trained with."""
        return iterator is self._iterator

    def began(self, loader: object, iterator: "Any") -> None:
        """`iter()` of a loader has returned."""
        if loader is not self.loader:
            return
        self._iterator = iterator
        if not self._begun:
            self._begun = self._asked_at = self._recorder.now()
            pids = [worker.pid for worker in getattr(iterator, "_workers", ())]
            self._tell("workers", at=self._started_at, iter=self._begun - self._started_at, pids=pids)

    def starts(self) -> None:
        """`iter()` is about to be called."""
        self._started_at = self._recorder.now()
        self._beat.starts()

    def interrupted(self) -> None:
        """Another loader is read: what lies between the two batches of the training is no step."""
        self._is_interrupted = True

    def asks(self) -> None:
        """The target asks for a batch: the step before is over."""
        now = self._recorder.now()
        number = self._num_started - 1
        if number >= self._num_warmup and self._size is not None:
            if self._is_interrupted:
                self._breaks.add(len(self._works))
            elif self._num_replayed:
                self._replayed.append(now - self._got_at)
            else:
                self._waits.append(self._got_at - self._asked_at)
                self._works.append(now - self._got_at)
                self._sizes.append(self._size)
            self._size = None
        is_enough = self._num_started >= self._num_steps or (self._until and now > self._until)
        if self._num_started == self._num_warmup:
            self._recorder.load("torch").synchronize()
            self._before = self._snapshot()
            self._until = self._recorder.now() + int(self._asked["max_seconds"] * _SECOND)
        elif is_enough and not self._num_replayed:
            self._measured()
            if not (self._asked.get("replay") and self._kept):
                self._end()
        if self._num_replayed >= self._prefetch + _NUM_REPLAYED_BLOCKS * self._length:
            self._end()
        self._is_interrupted = False
        self._asked_at = self._recorder.now()

    def kept_batch(self) -> object:
        """A copy of a batch of the warm-up, once the steps are measured; None before."""
        if not self.is_measured or not self._kept:
            return None
        batch = self._cost.clone(self._kept[self._num_replayed % len(self._kept)])
        self._num_replayed += 1
        self._size = 0
        self._got_at = self._recorder.now()
        self._beat.tick(self._got_at)
        return batch

    is_measured = False

    def got(self, batch: object) -> None:
        """The loader has delivered."""
        self._got_at = self._recorder.now()
        self._beat.tick(self._got_at)
        sizes = self._blocks.leading_sizes(batch)
        full = self.loader.batch_size
        self._size = full if full in sizes or not sizes else sizes[0]
        if self._size is None:
            self._size = 1
        if not self._num_started:
            self._first = self._got_at
            num_bytes, num_tensors = self._cost.size_of(batch)
            self._bytes, self._tensors = num_bytes, num_tensors
            self._tell(
                "first",
                at=self._started_at,
                first=self._got_at - self._started_at,
                batch_bytes=num_bytes,
                num_tensors=num_tensors,
            )
        if self._epoch_end:
            if self._turnover is None and not self._is_interrupted:
                self._turnover = self._got_at - self._epoch_end
            self._epoch_end = 0
            self._breaks.add(len(self._works))
            self._size = None  # its wait is that of a new epoch, not of a step
        if self._asked.get("replay") and len(self._kept) < _NUM_KEPT:
            self._kept.append(self._cost.clone(batch))
            self._got_at = self._recorder.now()
        self._num_started += 1
        if self._num_started == self._num_warmup:
            per_batch = (self._got_at - self._first) / max(1, self._num_started - 1)
            self._beat.limit(max(int(self._asked["hang_seconds"] * _SECOND), int(_HANG_BATCHES * per_batch)))

    def epoch_ended(self) -> None:
        """No further batch: what comes next belongs to the end of an epoch."""
        self._epoch_end = self._asked_at

    def failed(self, error: BaseException) -> None:
        """The loader has raised: the trial is over, and says so."""
        phase = "measuring" if self._first else "start"
        self._recorder.load("sweep_failure").tell(self._recorder, error, self._iterator, self.loader, phase=phase)
        self._end()

    # -- the end ---------------------------------------------------------------------------------------------------

    def _measured(self) -> None:
        """Writes the steps; the last one's work on a GPU is its own, so it is waited for."""
        self.is_measured = True
        behind = self._recorder.now()
        self._recorder.load("torch").synchronize()
        late = self._recorder.now() - behind
        if self._works:
            self._works[-1] += late
        spent = self._cost.between(self._before, self._snapshot()) if self._before else {}
        pids = [worker.pid for worker in getattr(self._iterator, "_workers", ())]
        blocks, waits, works = self._cut()
        self._tell(
            "blocks",
            fill=None,
            discarded=min(self._num_warmup, self._num_started),
            blocks=blocks,
            capped=self._num_started < self._num_steps,
            first=self._first,
            last=self._recorder.now(),
            cost={**spent, "pss_peak": self._cost.pss_bytes(pids), "shm_peak": None},
            notes=self._notes,
            indices=[],
            num_steps=len(self._works),
            train_ns=sum(self._waits) + sum(self._works),
            train_samples=sum(self._sizes),
        )
        self._tell(
            "waits", wait=waits, compute=works, num_batches=[one[1] for one in blocks], oversleep=0, capped=False
        )
        if self._turnover is not None:
            self._tell("turnover", ns=self._turnover)

    def _cut(self) -> "tuple[list[list[int]], list[int], list[int]]":
        """Blocks of steps that follow each other, with what was waited and worked in each."""
        num, length = len(self._works), self._length
        longest = self._blocks.fitting_length(num, length, max(1, self._asked["num_workers"]))
        blocks, waits, works, start = [], [], [], 0
        while start + longest <= num:
            inside = [at for at in self._breaks if start < at < start + longest]
            if inside:
                start = max(inside)
                continue
            chosen = slice(start, start + longest)
            waits.append(sum(self._waits[chosen]))
            works.append(sum(self._works[chosen]))
            blocks.append([waits[-1] + works[-1], longest, sum(self._sizes[chosen])])
            start += longest
        return blocks, waits, works

    def _end(self) -> None:
        if self._replayed:
            # The first of them were fed while the workers still filled the queue.
            steps = self._replayed[self._prefetch :]
            length = self._blocks.fitting_length(len(steps), self._length, 1)
            cut = range(0, len(steps) - length + 1, length)
            self._tell("replay", ns=[sum(steps[k : k + length]) for k in cut], num_batches=length)
        self.is_over = True
        self._tell("exit", at=self._recorder.now(), ns=0, slow=False)
        self._recorder.mark(self._recorder.load("sweep").MILESTONE)

    def _finish_early(self) -> None:
        """The target has ended by itself."""
        if not self.is_over and self._first and not self.is_measured:
            self.is_over = True
            self._notes.append("the program ended after %d of the %d steps" % (self._num_started, self._num_steps))
            self._measured()

    def _snapshot(self) -> "dict[str, int | None]":
        stats = [path for path in os.environ.get("OCRPROF_CPU_STATS", "").split(os.pathsep) if path]
        pids = [worker.pid for worker in getattr(self._iterator, "_workers", ())]
        found: dict[str, int | None] = self._cost.snapshot(pids, stats)
        return found

    def _tell(self, name: str, **facts: object) -> None:
        self._recorder.write({"k": "totals", "of": "sweep." + name, "a": facts})
        self._recorder.flush()

"""Measures a loader that was taken over from the target: start, samples/s, waits of steps, an epoch's turnover, end.

The target does not go on: its process ends when everything is on disk. Where an exception comes from the loader it is
told as the result. All times are ns of CLOCK_MONOTONIC.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any  # loaders, iterators and batches of torch

    from ocrprof.recorder.core import Recorder

_SECOND = 1_000_000_000
_MIN_DISCARDED = 10
_NUM_PILOT = 10
_T_9 = 2.262  # Student's t, 9 degrees of freedom, 97.5 %
_MAX_LAG1 = 0.3
_MAX_DOUBLINGS = 2
_NUM_KEPT = 8
_NUM_REPLAYED = 5
_HANG_BATCHES = 20
# Of the time given: where there are steps, so much for the free-running loader, and so much until they are over.
_FREE_SHARE, _STEPS_SHARE = 0.45, 0.85
_DISCARD_SHARE = 0.25
_TURNOVER_SHARE = 0.5


def take_over(recorder: "Recorder", asked: "dict[str, Any]", loader: "Any", iterate: "Any") -> None:
    """Measures, writes what came of it, and ends the process."""
    takeover = _Takeover(recorder, asked, loader, iterate)
    try:
        takeover.measure()
    except BaseException as error:
        recorder.load("sweep_failure").tell(recorder, error, takeover.iterator, loader, phase=takeover.phase)
    else:
        recorder.ask(takeover.close, (), {})
    while True:
        recorder.mark(recorder.load("sweep").MILESTONE)
        sys.modules["time"].sleep(0.5)


class _Takeover:
    def __init__(self, recorder: "Recorder", asked: "dict[str, Any]", loader: "Any", iterate: "Any") -> None:
        self.iterator: Any = None
        self.phase = "rebuild"
        self._recorder, self._asked, self._loader, self._iterate = recorder, asked, loader, iterate
        self._cost, self._sampler = recorder.load("sweep_cost"), recorder.load("sweep_sampler")
        self._beat = recorder.load("sweep_beat").Beat(recorder, asked)
        self._blocks: Any = recorder.load("sweep_blocks")
        self._num_workers = asked["num_workers"]
        self._order: Any = None
        self._kept: list[object] = []
        self._notes: list[str] = []
        self._turnover: int | None = None
        self._num_discarded = 0
        self._shm_before = self._cost.shm_bytes()
        self._shm_peak = 0
        self._pss_peak: int | None = None
        self._length = max(4 * self._num_workers, 8)
        self._duplicates: Any = None

    # -- the phases ------------------------------------------------------------------------------------------------

    def measure(self) -> None:
        """All of them, each written when it is over."""
        recorder, asked = self._recorder, self._asked
        at = recorder.now()
        self._notes = recorder.load("sweep").rebuild(self._loader, asked)
        self._prefetch = self._num_workers * (self._loader.prefetch_factor or 0)
        self._order = self._sampler.put_before(self._loader)
        if self._order is None and self._num_workers > 1:
            self._duplicates = recorder.load("sweep_duplicates").Duplicates(self._num_workers)
        check = recorder.load("sweep_failure").check_room
        check(recorder, asked.get("batch_bytes"), asked.get("num_tensors"), self._num_workers, self._prefetch)
        self._tell("taken", at=at, notes=self._notes)
        self._start()
        until = recorder.now() + int(asked["max_seconds"] * _SECOND)
        self._run_free(until)
        if asked.get("warmup"):
            return
        if "step_seconds" in asked:
            self._run_steps(until)
        self._turn_over()

    def close(self) -> None:
        """The loader's own end, its workers' with it: as long as it takes, but no longer than the limit."""
        start = self._recorder.now()
        self.phase, self._kept = "end", []
        holder, self.iterator = [self.iterator], None
        self._loader.__dict__["_iterator"] = None
        limit = self._asked["slow_exit_seconds"]
        self._recorder.load("stop")._run_with_limit(holder.clear, limit)
        seconds = self._recorder.now() - start
        self._tell("exit", at=start, ns=seconds, slow=seconds >= limit * _SECOND)

    def _start(self) -> None:
        """`iter()` and the first batch."""
        self.phase = "start"
        self._sampler.seed_everything(self._loader, 0)
        start = self._recorder.now()
        self.iterator = self._iterate(self._loader)
        iterated = self._recorder.now()
        # Before the first batch, for a failure in it: whose records are those of this loader's workers.
        self._tell("workers", at=start, iter=iterated - start, pids=self._pids())
        self.phase = "first batch"
        batch = next(self.iterator)
        first = self._recorder.now()
        self._first_samples = self._samples_of(batch)
        num_bytes, num_tensors = self._cost.size_of(batch)
        self._tell("first", at=start, first=first - start, batch_bytes=num_bytes, num_tensors=num_tensors)
        if "batch_bytes" not in self._asked:
            check = self._recorder.load("sweep_failure").check_room
            check(self._recorder, num_bytes, num_tensors, self._num_workers, self._prefetch, before=self._shm_before)
        self._look_at(batch)
        self._started, self._first, self._last = start, first, first
        self.phase = "measuring"
        self._beat.tick(first)

    def _run_free(self, until: int) -> None:
        """Samples/s with nobody but the loader at work, in blocks, as many as the precision takes."""
        begin, now = self._last, self._recorder.now
        share = _FREE_SHARE if "step_seconds" in self._asked and not self._asked.get("warmup") else 1.0
        free_until = begin + int((until - begin) * share)
        fill = self._discard(free_until)
        self._per_batch = (self._last - begin) / max(1, self._num_discarded - 1)
        self._beat.limit(max(int(self._asked["hang_seconds"] * _SECOND), int(_HANG_BATCHES * self._per_batch)))
        before = self._snapshot()
        blocks = self._pilot(free_until)
        spent = self._cost.between(before, self._snapshot())
        wanted = self._blocks.stein(blocks, self._asked["precision"], _T_9)
        self._look_at_memory()
        if self._asked.get("warmup"):
            wanted = 10**9 if self._order is not None and self._order.num_epochs < 2 else len(blocks)
        if len(blocks) < wanted and now() < free_until:
            # While the memory was looked at the workers went on: what they have ready now was not loaded in time.
            self._skip(self._prefetch, free_until)
            before = self._snapshot()
            blocks += self._collect(wanted - len(blocks), free_until, only_epoch=self._asked.get("warmup", False))
            spent = self._cost.added(spent, self._cost.between(before, self._snapshot()))
            self._look_at_memory()
        self._tell(
            "blocks",
            fill=fill,
            discarded=self._num_discarded,
            blocks=blocks,
            capped=len(blocks) < wanted and not self._asked.get("warmup"),
            first=begin,
            last=self._last,
            cost={**spent, "pss_peak": self._pss_peak, "shm_peak": self._shm_peak},
            notes=[*self._notes, *self._duplicate_notes()],
            indices=self._order.first_indices if self._order is not None else [],
        )

    def _run_steps(self, until: int) -> None:
        """The same loader under steps of a known time; then these with batches that are there already."""
        asked = self._asked
        begin = self._recorder.now()
        until_steps = begin + int((until - begin) * (_STEPS_SHARE if asked.get("replay") else 1.0))
        step = self._recorder.load("sweep_steps").Step(
            self._recorder, int(asked["step_seconds"] * _SECOND), spins=asked.get("step_mode") == "spin"
        )
        for _ in range(self._prefetch):
            self._next_or_restart()
            step.run()
            if self._recorder.now() > begin + (until_steps - begin) * _DISCARD_SHARE:
                break
        waits: list[int] = []
        computes: list[int] = []
        wanted, is_sized = _NUM_PILOT * self._length, False
        while len(waits) < wanted:
            start = self._recorder.now()
            if not self._next_or_restart():
                continue
            waits.append(self._last - start)
            computes.append(step.run())
            if self._recorder.now() > until_steps:
                break
            if len(waits) == wanted and not is_sized:
                is_sized = True
                times = [wait + compute for wait, compute in zip(waits, computes)]  # noqa: B905 - Python 3.9
                blocks = [[sum(times[k : k + self._length]), self._length] for k in range(0, wanted, self._length)]
                wanted = self._blocks.stein(blocks, asked["precision"], _T_9) * self._length
        length = self._blocks.fitting_length(len(waits), self._length, max(1, self._num_workers))
        cut = range(0, len(waits) - length + 1, length)
        self._tell(
            "waits",
            wait=[sum(waits[k : k + length]) for k in cut],
            compute=[sum(computes[k : k + length]) for k in cut],
            num_batches=[length for _ in cut],
            oversleep=step.oversleep,
            capped=len(waits) < wanted,
        )
        if asked.get("replay") and self._kept:
            self._replay(step, length, until)

    def _replay(self, step: "Any", length: int, until: int) -> None:
        """The steps fed with kept batches: the loader costs nothing, and its workers have come to rest."""
        replayed = []
        for _ in range(_NUM_REPLAYED):
            start = self._recorder.now()
            for number in range(length):
                batch = self._kept[number % len(self._kept)]
                del batch
                step.run()
                self._beat.tick(self._recorder.now())
            replayed.append(self._recorder.now() - start)
            if replayed[-1] + self._recorder.now() > until:
                break
        self._tell("replay", ns=replayed, num_batches=length)

    def _turn_over(self) -> None:
        """From the last batch of an epoch to the first one of the next: workers that do not persist start in it.

        Left out where that would take long beside all the rest, by what the start took.
        """
        expected = self._first - self._started + self._prefetch * self._per_batch
        if self._order is not None and expected < _TURNOVER_SHARE * self._asked["max_seconds"] * _SECOND:
            self.phase = "turnover"
            self._order.is_stopped = True
            while self._take() is not None:
                pass
            self._restart()
        if self._turnover is not None:
            self._tell("turnover", ns=self._turnover)

    # -- batches ---------------------------------------------------------------------------------------------------

    def _take(self) -> "int | None":
        """Samples in the next batch; None at the end of an epoch."""
        try:
            batch = next(self.iterator)
        except StopIteration:
            return None
        self._last = self._recorder.now()
        self._beat.tick(self._last)
        return self._samples_of(batch)

    def _next_or_restart(self) -> bool:
        """Whether there was another batch in this epoch; the next one has begun where there was none."""
        if self._take() is not None:
            return True
        self._restart()
        return False

    def _restart(self) -> None:
        """The next epoch, up to its first batch."""
        if self._order is not None:
            self._order.forget()
        ended, self.iterator = self._last, None
        self._beat.starts()
        self._sampler.seed_everything(self._loader, 1)
        self.iterator = self._iterate(self._loader)
        if self._take() is None:
            raise _NothingLeft("the loader has no batches in its second epoch")
        if self._turnover is None:
            self._turnover = self._last - ended

    def _discard(self, until: int) -> "int | None":
        """Leaves out what the queue was filled with; how long that took from the start comes back."""
        least = max(_MIN_DISCARDED, 2 * self._prefetch)
        filled = max(1, self._prefetch)
        latest = self._last + int((until - self._last) * _DISCARD_SHARE)
        num, fill = 1, self._last - self._started if filled == 1 else None
        while num < least and not (self._last > latest and num > filled):
            batch = next(self.iterator, None)
            if batch is None:
                break
            num += 1
            self._last = self._recorder.now()
            self._beat.tick(self._last)
            self._samples_of(batch)
            self._look_at(batch)
            if num == filled:
                fill = self._last - self._started
        self._num_discarded = num
        return fill

    def _look_at(self, batch: object) -> None:
        """While nothing is timed: keeps copies to replay, and looks for samples that several workers deliver."""
        if self._duplicates is not None:
            self._recorder.ask(self._duplicates.add, (batch,), {})
        if self._asked.get("replay") and len(self._kept) < _NUM_KEPT:
            self._kept.append(self._cost.clone(batch))

    def _pilot(self, until: int) -> "list[list[int]]":
        """Ten blocks; of twice the length where neighbours still depend on each other."""
        blocks = self._collect(_NUM_PILOT, until)
        for _ in range(_MAX_DOUBLINGS):
            if len(blocks) < _NUM_PILOT or self._blocks.lag1([one[0] / one[1] for one in blocks]) <= _MAX_LAG1:
                break
            if self._recorder.now() > until:
                break
            self._length *= 2
            blocks = self._blocks.merge(blocks)
            blocks += self._collect(_NUM_PILOT - len(blocks), until)
        return blocks

    def _collect(self, wanted: int, until: int, *, only_epoch: bool = False) -> "list[list[int]]":
        """[ns, batches, samples] of up to `wanted` blocks that follow each other; fewer when the time is up."""
        blocks: list[list[int]] = []
        num_barren = 0
        while len(blocks) < wanted:
            times, sizes, is_over = self._run_on((wanted - len(blocks)) * self._length, until, only_epoch)
            found = self._blocks.cut(times, sizes, self._length)
            if not found and (not is_over or self._order is not None) and not blocks:
                # The time is up: what there is makes shorter blocks.
                length = self._blocks.fitting_length(len(sizes), self._length, max(1, self._num_workers))
                return list(self._blocks.cut(times, sizes, length)) if sizes else []
            blocks += found
            if not is_over or self._recorder.now() > until:
                break
            num_barren = 0 if found else num_barren + 1
            if num_barren == 2:
                return blocks + self._whole_epochs(wanted - len(blocks), until)
            self._restart()
            self._skip(self._prefetch, until)
        return blocks

    def _run_on(self, num_batches: int, until: int, only_epoch: bool) -> "tuple[list[int], list[int], bool]":
        """Moments at which batches came, the samples in each, and whether the epoch ended before there were enough."""
        take, order = self._take, self._order
        # The last batch is the beginning of the first block where nothing lies between; a look at the memory may.
        times: list[int] = [self._recorder.now()]
        sizes: list[int] = []
        for _ in range(num_batches):
            size = take()
            if size is None:
                return times, sizes, True
            times.append(self._last)
            sizes.append(size)
            if self._last > until or (only_epoch and order is not None and order.num_epochs > 1):
                break
            if not len(sizes) % self._length:
                self._look_at_shm()
        return times, sizes, False

    def _whole_epochs(self, wanted: int, until: int) -> "list[list[int]]":
        """Where an epoch is shorter than a block and what is left out before it: blocks of one epoch, start and all."""
        self._notes.append("an epoch is too short for a steady state: each block is one epoch, from its start on")
        blocks: list[list[int]] = []
        while len(blocks) < wanted:
            if self._order is not None:
                self._order.forget()
            self.iterator = None
            self._beat.starts()
            start = self._recorder.now()
            self.iterator = self._iterate(self._loader)
            sizes = []
            while (size := self._take()) is not None:
                sizes.append(size)
            if not sizes:
                raise _NothingLeft("the loader has no batches in another epoch")
            blocks.append([self._recorder.now() - start, len(sizes), sum(sizes)])
            if self._recorder.now() > until:
                break
        self._restart()
        return blocks

    def _skip(self, num_batches: int, until: int) -> None:
        for _ in range(num_batches):
            if self._take() is None:
                self._restart()
            if self._last > until:
                return

    def _samples_of(self, batch: object) -> int:
        """By the sampler; fewer where the collate function has left some out."""
        expected: int | None = self._order.next_size() if self._order is not None else None
        if self._loader.batch_sampler is None:
            return expected or 1
        sizes: list[int] = self._blocks.leading_sizes(batch)
        if expected is None:
            return sizes[0] if sizes else int(self._loader.batch_size or 1)
        return expected if expected in sizes or not sizes or sizes[0] > expected else sizes[0]

    # -- what is read beside the batches ---------------------------------------------------------------------------

    def _pids(self) -> "list[int]":
        return [worker.pid for worker in getattr(self.iterator, "_workers", ())]

    def _snapshot(self) -> "dict[str, int | None]":
        stats = [path for path in os.environ.get("OCRPROF_CPU_STATS", "").split(os.pathsep) if path]
        found: dict[str, int | None] = self._cost.snapshot(self._pids(), stats)
        return found

    def _look_at_memory(self) -> None:
        seen = self._cost.pss_bytes(self._pids())
        if seen is not None:
            self._pss_peak = max(seen, self._pss_peak or 0)
        self._look_at_shm()

    def _look_at_shm(self) -> None:
        seen = self._cost.shm_bytes()
        if seen is not None and self._shm_before is not None:
            self._shm_peak = max(self._shm_peak, seen[0] - self._shm_before[0])

    def _duplicate_notes(self) -> "list[str]":
        return self._duplicates.notes() if self._duplicates is not None else []

    def _tell(self, name: str, **facts: object) -> None:
        self._recorder.write({"k": "totals", "of": "sweep." + name, "a": facts})
        self._recorder.flush()


class _NothingLeft(Exception):
    """A loader that can be iterated once only."""

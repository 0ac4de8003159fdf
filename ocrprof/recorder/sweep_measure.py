"""Measures a loader that was taken over from the target: start, samples/s, waits of steps, an epoch's turnover, end.

The target does not go on: its process ends when everything is on disk. Where an exception comes from the loader it is
told as the result. All times are ns of CLOCK_MONOTONIC.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any  # loaders and batches of torch

    from ocrprof.recorder.core import Recorder

_SECOND = 1_000_000_000
_MIN_DISCARDED = 10
_NUM_PILOT = 10
_MIN_BLOCKS = 4
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


def take_over(recorder: "Recorder", asked: "dict[str, Any]", loader: "Any", iterate: "Callable[[Any], Any]") -> None:
    """Measures, writes what came of it, and ends the process: whatever is raised here, the target does not go on."""
    takeover: _Takeover | None = None
    try:
        takeover = _Takeover(recorder, asked, loader)
        takeover.measure(iterate)
        # A worker that ends badly, when it is told to, has loaded all that was asked of it.
        recorder.load("signals").silence(recorder)
        recorder.ask(takeover.close, (), {})
    except BaseException as error:
        feed = None if takeover is None else takeover.feed
        phase = "rebuild" if takeover is None else takeover.phase
        iterator = None if feed is None else feed.iterator
        if feed is not None:
            feed.beat.ends()
        recorder.load("sweep_failure").tell(recorder, error, iterator, loader, phase=phase)
    finally:
        recorder.mark(recorder.load("sweep").MILESTONE)


class _Takeover:
    """One trial. `feed` is there when the loader has been rebuilt."""

    def __init__(self, recorder: "Recorder", asked: "dict[str, Any]", loader: "Any") -> None:
        self.phase = "rebuild"
        self.feed: Any = None
        self._recorder, self._asked, self._loader = recorder, asked, loader
        self._cost, self._blocks = recorder.load("sweep_cost"), recorder.load("sweep_blocks")
        self._num_workers = asked["num_workers"]
        self._length = max(4 * self._num_workers, 8)
        # However late it is: of fewer batches, which come in bursts, a rate says nothing.
        self._least = 4 * max(1, self._num_workers)
        self._kept: list[object] = []
        self._notes: list[str] = []
        self._duplicates: Any = None
        self._is_by_epoch = False
        self._shm_before = self._cost.shm_bytes()
        self._shm_peak = 0
        self._pss_peak: int | None = None
        self._started = self._first = 0
        self._num_discarded = 0
        self._per_batch = 0.0

    # -- the phases ------------------------------------------------------------------------------------------------

    def measure(self, iterate: "Callable[[Any], Any]") -> None:
        """All of them, each written when it is over."""
        recorder, asked, loader = self._recorder, self._asked, self._loader
        at = recorder.now()
        self._notes = recorder.load("sweep").rebuild(loader, asked)
        self._prefetch = self._num_workers * (loader.prefetch_factor or 0)
        self._check_room(asked.get("batch_bytes"), asked.get("num_tensors"))
        self.feed = recorder.load("sweep_feed").Feed(recorder, asked, loader, iterate)
        if self.feed.order is None and self._num_workers > 1:
            self._duplicates = recorder.load("sweep_duplicates").Duplicates(self._num_workers)
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
        self.feed.beat.ends()
        start = self._recorder.now()
        limit = self._asked["slow_exit_seconds"]
        self._recorder.load("stop")._run_with_limit(self.feed.release().clear, limit)
        self._tell("exit", at=start, slow=self._recorder.now() - start >= limit * _SECOND)

    def _start(self) -> None:
        """`iter()` and the first batch."""
        self.phase = "start"
        start = self._recorder.now()
        self.feed.begin()
        iterated = self._recorder.now()
        # Before the first batch, for a failure in it: whose records are those of this loader's workers.
        self._tell("workers", at=start, iter=iterated - start, pids=self.feed.pids())
        self.phase = "first batch"
        taken = self.feed.next_batch()
        if taken is None:
            raise self._recorder.load("sweep_feed").NothingLeft("the loader has no batches")
        self._started, self._first = start, self.feed.last
        num_bytes, num_tensors = self._recorder.ask(self._cost.size_of, (taken[0],), {}) or (None, None)
        self._tell("first", at=start, first=self._first - start, batch_bytes=num_bytes, num_tensors=num_tensors)
        if "batch_bytes" not in self._asked:
            self._check_room(num_bytes, num_tensors, before=self._shm_before)
        self._look_at(taken[0])
        self.phase = "measuring"

    def _run_free(self, until: int) -> None:
        """Samples/s with nobody but the loader at work, in blocks, as many as the precision takes."""
        is_warmup = self._asked.get("warmup", False)
        share = _FREE_SHARE if "step_seconds" in self._asked and not is_warmup else 1.0
        free_until = self._first + int((until - self._first) * share)
        fill = self._discard(free_until)
        self._per_batch = (self.feed.last - self._first) / max(1, self._num_discarded - 1)
        self.feed.beat.limit(max(int(self._asked["hang_seconds"] * _SECOND), int(_HANG_BATCHES * self._per_batch)))
        before = self._snapshot()
        blocks = self._pilot(free_until)
        spent = self._cost.between(before, self._snapshot())
        wanted = self._blocks.stein(blocks, self._asked["precision"], _T_9)
        self._look_at_memory()
        if is_warmup:
            wanted = 10**9 if self.feed.order is not None and self.feed.order.num_epochs < 2 else len(blocks)
        if len(blocks) < wanted and self._recorder.now() < free_until:
            # While the memory was looked at the workers went on: what they have ready now was not loaded in time.
            self.feed.skip(self._prefetch, until=free_until)
            before = self._snapshot()
            blocks += self._collect(wanted - len(blocks), free_until, only_epoch=is_warmup)
            spent = self._cost.added(spent, self._cost.between(before, self._snapshot()))
            self._look_at_memory()
        self._tell(
            "blocks",
            fill=fill,
            discarded=self._num_discarded,
            blocks=blocks,
            capped=len(blocks) < max(wanted, _NUM_PILOT) and not is_warmup,
            first=self._first,
            last=self.feed.last,
            cost={**spent, "pss_peak": self._pss_peak, "shm_peak": self._shm_peak},
            notes=[*self._notes, *(self._duplicates.notes() if self._duplicates is not None else [])],
            indices=self.feed.order.first_indices if self.feed.order is not None else [],
        )

    def _run_steps(self, until: int) -> None:
        """The same loader under steps of a known time; then these with batches that are there already."""
        asked, now = self._asked, self._recorder.now
        begin = now()
        until_steps = begin + int((until - begin) * (_STEPS_SHARE if asked.get("replay") else 1.0))
        steps = self._recorder.load("sweep_steps")
        step = steps.Step(self._recorder, int(asked["step_seconds"] * _SECOND), spins=asked.get("step_mode") == "spin")
        # The queue is filled, or emptied, as it will be under these steps.
        steps.feed(self.feed, step, self._prefetch, until=begin + int((until_steps - begin) * _DISCARD_SHARE))
        num_pilot = _NUM_PILOT * self._length
        waits, computes = steps.feed(self.feed, step, num_pilot, until=until_steps, least=self._least)
        wanted = self._length * self._blocks.stein(self._blocks.of_steps(waits, computes, self._length),
                                                   asked["precision"], _T_9)  # fmt: skip
        if len(waits) < wanted and now() < until_steps:
            more = steps.feed(self.feed, step, wanted - len(waits), until=until_steps)
            waits, computes = waits + more[0], computes + more[1]
        length = self._blocks.fitting_length(len(waits), self._length, max(1, self._num_workers))
        cut = range(0, len(waits) - length + 1, length)
        self._tell(
            "waits",
            wait=[sum(waits[k : k + length]) for k in cut],
            compute=[sum(computes[k : k + length]) for k in cut],
            num_batches=[length for _ in cut],
            oversleep=step.oversleep,
        )
        if asked.get("replay") and self._kept:
            replayed = steps.replay(self.feed, step, self._kept, length, num_blocks=_NUM_REPLAYED, until=until)
            self._tell("replay", ns=replayed)

    def _turn_over(self) -> None:
        """From the last batch of an epoch to the first one of the next: workers that do not persist start in it.

        Left out where that would take long beside all the rest, by what the start took.
        """
        expected = self._first - self._started + self._prefetch * self._per_batch
        if self.feed.order is not None and expected < _TURNOVER_SHARE * self._asked["max_seconds"] * _SECOND:
            self.phase = "turnover"
            self.feed.order.is_stopped = True
            while self.feed.take() is not None:
                pass
            self.feed.restart()
        if self.feed.turnover is not None:
            self._tell("turnover", ns=self.feed.turnover)

    # -- blocks ----------------------------------------------------------------------------------------------------

    def _discard(self, until: int) -> "int | None":
        """Leaves out what the queue was filled with; how long that took from the start comes back."""
        least, filled = max(_MIN_DISCARDED, 2 * self._prefetch), max(1, self._prefetch)
        latest = self._first + int((until - self._first) * _DISCARD_SHARE)
        num, fill = 1, self._first - self._started if filled == 1 else None
        while num < least and not (self.feed.last > latest and num > filled):
            taken = self.feed.next_batch()
            if taken is None:
                break
            num += 1
            self._look_at(taken[0])
            if num == filled:
                fill = self.feed.last - self._started
        self._num_discarded = num
        return fill

    def _look_at(self, batch: object) -> None:
        """While nothing is timed: keeps copies to replay, and looks for samples that several workers deliver."""
        if self._duplicates is not None:
            self._recorder.ask(self._duplicates.add, (batch,), {})
        if self._asked.get("replay") and len(self._kept) < _NUM_KEPT:
            copied = self._recorder.ask(self._cost.clone, (batch,), {})
            self._kept += [] if copied is None else [copied]

    def _pilot(self, until: int) -> "list[list[int]]":
        """Ten blocks; of twice the length where neighbours still depend on each other."""
        blocks = self._collect(_NUM_PILOT, until)
        for _ in range(_MAX_DOUBLINGS):
            if self._is_by_epoch or len(blocks) < _NUM_PILOT:
                break
            if self._blocks.lag1([one[0] / one[1] for one in blocks]) <= _MAX_LAG1:
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
            num_wanted, least = (wanted - len(blocks)) * self._length, 0 if blocks else self._least
            times, sizes, is_over = self._run_on(num_wanted, until, only_epoch, least=least)
            found = self._blocks.cut(times, sizes, self._length)
            if len(found) < min(wanted, _MIN_BLOCKS) and not blocks and sizes and not is_over:
                # The time is up: what there is makes shorter blocks.
                length = self._blocks.fitting_length(len(sizes), self._length, max(1, self._num_workers))
                return list(self._blocks.cut(times, sizes, length))
            blocks += found
            is_late = self._recorder.now() > until
            if not is_over or (is_late and blocks):
                break
            num_barren = 0 if found else num_barren + 1
            if is_late or num_barren == 2:
                return blocks + self._whole_epochs(wanted - len(blocks), until)
            self.feed.restart()
            self.feed.skip(self._prefetch, until=until)
        return blocks

    def _run_on(
        self, num_batches: int, until: int, only_epoch: bool, *, least: int
    ) -> "tuple[list[int], list[int], bool]":
        """Moments at which batches came, the samples in each, and whether the epoch ended before there were enough."""
        feed, order = self.feed, self.feed.order
        times: list[int] = [self._recorder.now()]
        sizes: list[int] = []
        for _ in range(num_batches):
            size = feed.take()
            if size is None:
                return times, sizes, True
            times.append(feed.last)
            sizes.append(size)
            is_enough = feed.last > until or (only_epoch and order is not None and order.num_epochs > 1)
            if is_enough and len(sizes) >= least:
                break
            if not len(sizes) % self._length:
                self._look_at_shm()
        return times, sizes, False

    def _whole_epochs(self, wanted: int, until: int) -> "list[list[int]]":
        """Where an epoch is shorter than a block and what is left out before it: blocks of one epoch, start and all."""
        if not self._is_by_epoch:
            self._notes.append("an epoch is too short for a steady state: each block is one epoch, from its start on")
        self._is_by_epoch = True
        blocks: list[list[int]] = []
        while len(blocks) < wanted:
            start = self._recorder.now()
            self.feed.begin()
            sizes: list[int] = []
            while (size := self.feed.take()) is not None:
                sizes.append(size)
            if not sizes:
                raise self._recorder.load("sweep_feed").NothingLeft("the loader has no batches in another epoch")
            blocks.append([self._recorder.now() - start, len(sizes), sum(sizes)])
            if self._recorder.now() > until:
                break
        self.feed.restart()
        return blocks

    # -- what is read beside the batches ---------------------------------------------------------------------------

    def _check_room(
        self, batch_bytes: "int | None", num_tensors: "int | None", before: "tuple[int, int] | None" = None
    ) -> None:
        check = self._recorder.load("sweep_failure").check_room
        check(self._recorder, batch_bytes, num_tensors, self._num_workers, self._prefetch, before=before)

    def _snapshot(self) -> "dict[str, Any]":
        found: dict[str, Any] = self._cost.snapshot(self.feed.pids())
        return found

    def _look_at_memory(self) -> None:
        seen = self._cost.pss_bytes(self.feed.pids())
        if seen is not None:
            self._pss_peak = max(seen, self._pss_peak or 0)
        self._look_at_shm()

    def _look_at_shm(self) -> None:
        seen = self._cost.shm_bytes()
        if seen is not None and self._shm_before is not None:
            self._shm_peak = max(self._shm_peak, seen[0] - self._shm_before[0])

    def _tell(self, name: str, **facts: object) -> None:
        self._recorder.write({"k": "totals", "of": "sweep." + name, "a": facts})
        self._recorder.flush()

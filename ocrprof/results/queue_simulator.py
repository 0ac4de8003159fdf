"""A DataLoader's queue, simulated from measured service times: samples/s and waits of settings that were not run.

Follows `_MultiProcessingDataLoaderIter` of torch 2.14: batches go to the workers in turn, prefetch_factor each, and a
new one whenever the consumer takes one; in order, a batch that is ready waits for those before it; out of order, a
worker gets the next batch if it holds fewer than prefetch_factor.
"""

import heapq
import random
import statistics
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from ocrprof.results.model import LoaderSetting, StepMode, SweepTrial, WhatIfPoint
from ocrprof.results.sweep_comparisons import COUNTED

_NUM_BATCHES = 3000
_DEFAULT_PREFETCH = 2


class Service(NamedTuple):
    """What making a batch takes. `seconds`: of single batches, drawn from; `cpu_share`: of it on a processor.

    `handover_seconds`: of the consumer's own processor time to take a batch over from a worker.
    """

    seconds: Sequence[float]
    cpu_share: float = 0.0
    handover_seconds: float = 0.0


class Steps(NamedTuple):
    """What the consumer does with a batch. `spin`: on a processor all the while, as in training on a CPU."""

    seconds: float = 0.0
    mode: StepMode = "sleep"


class TakenBatch(NamedTuple):
    """What the consumer spent on one batch: blocked in next(), and in all with its step."""

    wait_seconds: float
    seconds: float


FREE_RUNNING = Steps()
"""A consumer that only takes batches."""


class QueueResult(NamedTuple):
    """`wait_fraction`: of the consumer's time, blocked for a batch; `exposed_seconds`: the same, mean of a step."""

    batches_per_sec: float
    wait_fraction: float
    exposed_seconds: float


def simulate_queue(
    service: Service,
    *,
    num_workers: int,
    prefetch_factor: int = _DEFAULT_PREFETCH,
    in_order: bool = True,
    steps: Steps = FREE_RUNNING,
    num_cores: float | None = None,
    num_batches: int = _NUM_BATCHES,
    seed: int = 0,
) -> QueueResult:
    """The steady state of a loader of `num_workers`, over `num_batches` after the queue has been handed out.

    A batch first waits (disk, network, sleep) and then computes; whatever computes at once, a spinning consumer
    included, shares `num_cores` evenly. None: there are always enough.
    """
    batches = simulate_batches(
        service,
        num_workers=num_workers,
        prefetch_factor=prefetch_factor,
        in_order=in_order,
        steps=steps,
        num_cores=num_cores,
        num_batches=num_batches,
        seed=seed,
    )
    waited = sum(batch.wait_seconds for batch in batches)
    seconds = sum(batch.seconds for batch in batches)
    return QueueResult(len(batches) / seconds, waited / seconds, waited / len(batches))


def simulate_batches(
    service: Service,
    *,
    num_workers: int,
    prefetch_factor: int,
    in_order: bool,
    steps: Steps,
    num_cores: float | None,
    num_batches: int,
    seed: int,
) -> list[TakenBatch]:
    """The batches one by one, as the consumer takes them; see `simulate_queue`."""
    queue = _Queue(
        service,
        machine=_Machine(num_cores),
        generator=random.Random(seed),
        num_workers=num_workers,
        prefetch_factor=prefetch_factor,
        in_order=in_order,
    )
    step = (0.0, steps.seconds) if steps.mode == "spin" else (steps.seconds, 0.0)
    num_discarded = max(10, 2 * num_workers * prefetch_factor)
    taken = []
    for _ in range(num_discarded + num_batches):
        asked = queue.machine.now
        queue.take()
        got = queue.machine.now
        queue.consume(*step)
        taken.append(TakenBatch(got - asked, queue.machine.now - asked))
    return taken[num_discarded:]


def in_order_loss(trials: Sequence[SweepTrial], setting: LoaderSetting, *, num_cores: float | None) -> float | None:
    """Share of samples/s that `setting` loses to delivery in order, free-running; None without timed service."""
    service = measured_service(trials)
    if service is None or setting.num_workers < 2:
        return None
    ordered, free = (
        simulate_queue(
            service,
            num_workers=setting.num_workers,
            prefetch_factor=setting.prefetch_factor or _DEFAULT_PREFETCH,
            in_order=in_order,
            num_cores=num_cores,
        ).batches_per_sec
        for in_order in (True, False)
    )
    return max(0.0, 1 - ordered / free)


def what_if(
    trials: Sequence[SweepTrial],
    settings: Sequence[LoaderSetting],
    *,
    step_seconds: float | None = None,
    num_cores: float | None = None,
) -> list[WhatIfPoint]:
    """`settings` simulated from the service times of `trials`; empty where no trial timed its batches one by one.

    `samples_per_sec` is that of a free-running consumer, `wait_fraction` that of steps of `step_seconds`, which sleep
    or spin as those of the trials did.
    """
    service = measured_service(trials)
    if service is None:
        return []
    batch_size = _batch_size(trials)
    spins = any(trial.waits is not None and trial.waits.mode == "spin" for trial in trials)
    found = []
    for setting in settings:
        free, stepped = (
            simulate_queue(
                service,
                num_workers=setting.num_workers,
                prefetch_factor=setting.prefetch_factor or _DEFAULT_PREFETCH,
                in_order=setting.in_order is not False,
                steps=Steps(seconds, "spin" if spins else "sleep"),
                num_cores=num_cores,
            )
            for seconds in (0.0, step_seconds or 0.0)
        )
        wait = stepped.wait_fraction if step_seconds is not None else None
        found.append(
            WhatIfPoint(setting=setting, samples_per_sec=free.batches_per_sec * batch_size, wait_fraction=wait)
        )
    return found


def measured_service(trials: Sequence[SweepTrial]) -> Service | None:
    """The service of the trials with the fewest workers that timed their batches: these got in each other's way least.

    The processor's share is what the workers' processes used over what the batches took.
    """
    timed = [
        trial
        for trial in trials
        if trial.status in COUNTED and trial.setting.num_workers and trial.stages is not None and trial.blocks
        if len(trial.stages.service_seconds) > 1 and sum(trial.stages.service_seconds) > 0
    ]
    fewest = min((trial.setting.num_workers for trial in timed), default=0)
    chosen = [trial for trial in timed if trial.setting.num_workers == fewest]
    seconds = [one for trial in chosen if trial.stages is not None for one in trial.stages.service_seconds]
    if not seconds:
        return None
    costs = [trial.cost for trial in chosen if trial.cost is not None and trial.cost.num_samples]
    num_batches = sum(cost.num_samples for cost in costs) / _batch_size(chosen)
    cpu = sum(cost.cpu_seconds_workers or 0.0 for cost in costs)
    main = sum(cost.cpu_seconds_main or 0.0 for cost in costs)
    share = cpu / num_batches / statistics.fmean(seconds) if num_batches else 0.0
    return Service(seconds, min(1.0, share), main / num_batches if num_batches else 0.0)


def _batch_size(trials: Sequence[SweepTrial]) -> float:
    blocks = [block for trial in trials if trial.status in COUNTED for block in trial.blocks]
    return sum(block.num_samples for block in blocks) / sum(block.num_batches for block in blocks)


class _Machine:
    """Jobs that first sleep and then compute, on cores that those that compute share evenly."""

    def __init__(self, num_cores: float | None) -> None:
        self.now = 0.0
        self._num_cores = num_cores
        self._progress = 0.0  # processor seconds that each computing job has had since the start
        self._sleeping: list[tuple[float, int, float]] = []
        self._computing: list[tuple[float, int]] = []

    def begin(self, job: int, *, sleep: float, compute: float) -> None:
        heapq.heappush(self._sleeping, (self.now + sleep, job, compute))

    def advance(self) -> int:
        """The job that ends next, with the clock set to its end."""
        while True:
            busy = len(self._computing)
            rate = 1.0 if self._num_cores is None or busy <= self._num_cores else self._num_cores / busy
            ends = self.now + (self._computing[0][0] - self._progress) / rate if busy else float("inf")
            if self._sleeping and self._sleeping[0][0] <= ends:
                wakes, job, compute = heapq.heappop(self._sleeping)
                self._progress += (wakes - self.now) * rate
                self.now = wakes
                if not compute:
                    return job
                heapq.heappush(self._computing, (self._progress + compute, job))
            else:
                self._progress, job = heapq.heappop(self._computing)
                self.now = ends
                return job


_CONSUMER = -1


class _Queue:
    """The loader and its consumer."""

    def __init__(
        self,
        service: Service,
        *,
        machine: _Machine,
        generator: random.Random,
        num_workers: int,
        prefetch_factor: int,
        in_order: bool,
    ) -> None:
        self.machine = machine
        self._service = service
        self._generator = generator
        self._drawn: list[float] = []
        self._num_workers = num_workers
        self._prefetch_factor = prefetch_factor
        self._in_order = in_order
        self._tasks: list[deque[int]] = [deque() for _ in range(num_workers)]
        self._num_held = [0] * num_workers  # of each worker, from being handed out until taken
        self._ready: dict[int, int] = {}  # worker by batch, in the order in which they were made
        self._num_sent = self._num_taken = self._turn = 0
        for _ in range(num_workers * prefetch_factor):
            self._send()

    def take(self) -> None:
        """One batch to the consumer."""
        if not self._num_workers:
            self.consume(*self._draw())
            return
        while (batch := self._next_ready()) is None:
            self._end(self.machine.advance())
        worker = self._ready.pop(batch)
        self.consume(0.0, self._service.handover_seconds)
        self._num_held[worker] -= 1
        self._num_taken += 1
        self._send()

    def consume(self, sleep: float, compute: float) -> None:
        """The consumer's own time, in which the workers go on."""
        self.machine.begin(_CONSUMER, sleep=sleep, compute=compute)
        while (job := self.machine.advance()) != _CONSUMER:
            self._end(job)

    def _next_ready(self) -> int | None:
        if self._in_order:
            return self._num_taken if self._num_taken in self._ready else None
        return next(iter(self._ready), None)

    def _draw(self) -> tuple[float, float]:
        # Each measured time once in every pass, so that the mean is the measured one however long the tail.
        if not self._drawn:
            self._drawn = self._generator.sample(self._service.seconds, k=len(self._service.seconds))
        seconds = self._drawn.pop()
        return seconds * (1 - self._service.cpu_share), seconds * self._service.cpu_share

    def _send(self) -> None:
        for _ in range(self._num_workers):
            worker = self._turn
            self._turn = (worker + 1) % self._num_workers
            if self._in_order or self._num_held[worker] < self._prefetch_factor:
                break
        self._tasks[worker].append(self._num_sent)
        self._num_sent += 1
        self._num_held[worker] += 1
        if len(self._tasks[worker]) == 1:
            self._start(worker)

    def _start(self, worker: int) -> None:
        sleep, compute = self._draw()
        self.machine.begin(worker, sleep=sleep, compute=compute)

    def _end(self, worker: int) -> None:
        self._ready[self._tasks[worker].popleft()] = worker
        if self._tasks[worker]:
            self._start(worker)

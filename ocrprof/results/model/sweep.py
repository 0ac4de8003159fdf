"""Worker counts of a DataLoader, measured: the trials of each setting, its point, and what they recommend."""

from typing import Literal

from pydantic import ConfigDict, Field

from ocrprof.results.model.context import Environment, TargetInfo, Tool
from ocrprof.results.model.finding import Finding
from ocrprof.results.model.surroundings import Surroundings
from ocrprof.results.model.values import Location, Statistic, Value
from ocrprof.results.model.write_back import WriteBack

SweepMode = Literal["loader", "train"]

StepMode = Literal["sleep", "spin"]

TrialStatus = Literal[
    "ok",
    "ok_slow_exit",
    "oom_killed",
    "worker_killed",
    "sigbus",
    "shm",
    "fds",
    "user_error",
    "unpicklable",
    "timeout",
    "crashed",
    "no_loader",
    "not_recorded",
    "interrupted",
]
"""How a trial ended. Only the two `ok` ones have figures that count."""

SweepVerdict = Literal["clear", "tie", "flat", "loader_not_bottleneck", "inconclusive"]


class LoaderSetting(Value):
    """What a loader is rebuilt with; None leaves what the program gave it."""

    num_workers: int
    prefetch_factor: int | None = None
    persistent_workers: bool | None = None
    pin_memory: bool | None = None
    in_order: bool | None = None
    start_method: Literal["fork", "spawn", "forkserver"] | None = None


class LoaderInfo(Value):
    """The program's own loader, as it was before it was rebuilt."""

    number: int = Field(description="in the order in which loaders were first iterated, from 0")
    role: Literal["train", "val", "other"]
    location: Location | None = Field(default=None, description="where it was constructed")
    dataset: str
    sampler: str
    num_samples: int | None = None
    num_batches: int | None = None
    batch_size: int | None = None
    num_workers: int
    prefetch_factor: int | None = None
    persistent_workers: bool
    pin_memory: bool
    in_order: bool | None = None
    start_method: str | None = None


class Block(Value):
    """Consecutive batches of a free-running loader, timed together: a multiple of its num_workers, at least 8."""

    seconds: float
    num_batches: int
    num_samples: int


class StepWaits(Value):
    """Blocks of a loader that feeds steps of a known time: what the steps waited for it."""

    step_seconds: float = Field(description="as asked for; of a training's own steps the mean")
    mode: StepMode | Literal["train"] = Field(description="train: steps of the program's own training")
    wait_seconds: list[float] = Field(description="of each block: the time blocked in next()")
    compute_seconds: list[float] = Field(description="of each block: in the steps themselves, oversleep included")
    num_batches: list[int]
    oversleep_seconds: float = Field(default=0.0, description="mean of a step, already subtracted where it could be")


class WorkerStages(Value):
    """Seconds inside the workers by stage, and the spread of a batch's service time."""

    seconds: dict[str, float] = Field(description="summed over the measured batches: decode, transform, collate, …")
    num_batches: int
    service_seconds: list[float] = Field(default=[], description="of each batch inside its worker")


class Cost(Value):
    """What the measured blocks of a trial took from the machine. None: could not be read."""

    cpu_seconds_main: float | None = None
    cpu_seconds_workers: float | None = None
    num_samples: int = 0
    throttled_seconds: float | None = None
    num_throttled: int | None = None
    pss_peak_bytes: int | None = None
    shm_peak_bytes: int | None = None
    read_bytes: int | None = Field(default=None, description="from storage")
    read_chars: int | None = Field(default=None, description="by read calls, page cache included")
    batch_bytes: int | None = None
    num_tensors: int | None = Field(default=None, description="of one batch")


class Failure(Value):
    """Why a trial has no figures: what was said, of which sample where that is known, and what to do."""

    message: str
    location: Location | None = None
    sample_index: int | None = None
    path: str | None = None
    advice: str | None = None
    traceback_tail: list[str] = []
    stack: list[str] = []


class SweepTrial(Value):
    """One fresh process of one setting in one round. `control`: a second visit to the round's first setting (A/A)."""

    setting: LoaderSetting
    round: int
    position: int
    control: bool = False
    host: str | None = None
    status: TrialStatus
    exit_code: int | None = None
    failure: Failure | None = None
    loader: LoaderInfo | None = None
    start_seconds: float | None = Field(default=None, description="from the spawn to the loader's takeover")
    iter_seconds: float | None = Field(default=None, description="of iter(loader): processes are started in it")
    worker_ready_seconds: list[float] = Field(default=[], description="from iter() to each worker's loop, in order")
    first_batch_seconds: float | None = Field(default=None, description="from iter() to the first batch")
    fill_seconds: float | None = Field(default=None, description="until the queue has been handed out once")
    num_discarded: int = Field(default=0, description="batches before the first block")
    blocks: list[Block] = []
    waits: StepWaits | None = None
    replay_seconds: list[float] = Field(default=[], description="of each block of steps fed with kept batches")
    turnover_seconds: float | None = Field(default=None, description="last batch of an epoch to first of the next")
    cost: Cost | None = None
    stages: WorkerStages | None = None
    train_samples_per_sec: float | None = Field(default=None, description="in mode train: over the measured steps")
    exit_seconds: float | None = Field(default=None, description="from the last batch to the end of the process")
    capped: bool = Field(default=False, description="the time ran out before the precision asked for was reached")
    wall_seconds: float = 0.0
    surroundings: Surroundings | None = None
    notes: list[str] = Field(default=[], description="what a reader must know of how it was measured")
    disturbed: str | None = Field(default=None, description="what else kept the machine busy as it began, if anything")
    ranks: list["SweepTrial"] = Field(
        default=[], description="of several ranks that ran at once; the figures around them are those of the node"
    )


class SweepPoint(Value):
    """One setting over all its rounds; intervals by the rounds' means."""

    setting: LoaderSetting
    num_workers: int
    status: TrialStatus
    num_trials: int
    samples_per_sec: float | None = None
    samples_per_sec_ci95: tuple[float, float] | None = None
    relative_to_best: float | None = Field(default=None, description="samples/s over the best point's, by rounds")
    relative_to_best_low: float | None = Field(default=None, description="its lower one-sided 95 % bound")
    wait_fraction: float | None = None
    wait_fraction_high: float | None = Field(default=None, description="its upper one-sided 95 % bound")
    exposed_seconds: float | None = Field(default=None, description="waited for a batch, mean of a step")
    time_to_first_batch_seconds: Statistic | None = None
    first_worker_seconds: float | None = None
    last_worker_seconds: float | None = None
    seconds_per_worker: float | None = Field(default=None, description="slope of their starts")
    turnover_seconds: float | None = None
    cpu_seconds_per_sample: float | None = None
    cpu_percent: float | None = Field(default=None, description="of one core, over the measured blocks")
    throttled_seconds: float | None = None
    pss_peak_bytes: int | None = None
    shm_peak_bytes: int | None = None
    read_bytes_per_sample: float | None = None
    read_chars_per_sample: float | None = None
    stages: dict[str, float] = Field(default={}, description="seconds a sample inside the workers")
    service_cv: float | None = Field(default=None, description="spread of a batch's service time over its mean")
    not_steady: bool = False
    capped: bool = False
    failure: Failure | None = None


class WhatIfPoint(Value):
    """A setting that was not run, by a simulation of the queue from the measured service times."""

    setting: LoaderSetting
    samples_per_sec: float
    wait_fraction: float | None = None


class Recommendation(Value):
    """What to do about num_workers. `num_workers` None: nothing, the sweep does not carry a change."""

    num_workers: int | None
    setting: LoaderSetting | None = None
    verdict: SweepVerdict
    reason: str
    ties: list[int] = []
    override: str | None = Field(default=None, description="the Hydra override that sets it, where one does")
    headspace: float | None = Field(
        default=None, description="training at most this many times as fast with a loader that costs nothing"
    )
    in_order_loss: float | None = Field(default=None, description="share of samples/s lost to delivery in order")
    notes: list[str] = []


class SweepReport(Value):
    """`kind: sweep-workers`."""

    schema_: Literal["ocrprof/1"] = Field(default="ocrprof/1", alias="schema")
    kind: Literal["sweep-workers"] = "sweep-workers"
    created: str
    tool: Tool
    target: TargetInfo
    environment: Environment
    mode: SweepMode = "loader"
    loader: LoaderInfo | None = None
    settings: list[LoaderSetting] = Field(description="that were asked for, in order")
    within: float = Field(description="share of the best samples/s that may be given up for fewer workers")
    max_wait: float = Field(description="share of a step that may be spent waiting, where the step's time is known")
    step_seconds: float | None = None
    step_source: str | None = None
    num_rounds: int = Field(description="that were begun")
    seed: int
    trials: list[SweepTrial] = []
    warmup: list[SweepTrial] = Field(default=[], description="the pass that fills the page cache; uncounted")
    points: list[SweepPoint] = []
    what_if: list[WhatIfPoint] = []
    recommendation: Recommendation | None = None
    write_back: WriteBack | None = Field(default=None, description="where the recommendation belongs in the target")
    control_ratio: Statistic | None = Field(default=None, description="of second over first visits to one setting")
    unstable_machine: bool = False
    stopped: str | None = Field(default=None, description="why no further round was begun")
    interrupted: bool = False
    seconds: float = Field(default=0.0, description="that the sweep took")
    min_rounds: int = 3
    max_rounds: int | None = None
    budget_seconds: float | None = None
    memory_budget_bytes: int | None = None
    what_if_values: list[int] = Field(default=[], description="worker counts to simulate that were not run")
    num_local_ranks: int = Field(default=1, description="copies of the program that ran at once in each trial")
    cold: bool = Field(default=False, description="the files that a trial reads were evicted before it")
    num_resumed: int = Field(default=0, description="trials that were taken over from an earlier sweep")
    notes: list[str] = Field(default=[], description="what a reader must know before believing a figure")
    findings: list[Finding] = []

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

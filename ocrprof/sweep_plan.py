"""What `sweep-workers` is asked to do, checked when it is built: the options of one trial, and the sweep."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ocrprof.errors import OcrprofError
from ocrprof.plan import prove_writable
from ocrprof.results.model import LoaderSetting
from ocrprof.target import Target

NUM_WARMUP_STEPS = 10
"""Steps of a real training that are left out of its figures: kernels are chosen, caches and queues filled in them."""


@dataclass(frozen=True, kw_only=True)
class TrialOptions:
    """How one trial measures a loader; the same for every setting of a sweep.

    `loader`: the first one iterated to train on, the first one evaluated, or the number of one in the order of first
    iteration, from 0. `mode` loader takes it over, train lets the program train `num_steps` steps, of which the first
    ten only warm up. `step_seconds`: beside samples/s, what steps of this time wait, asleep or spinning by `step_mode`;
    `replay`: the same steps, and those of mode train, fed with kept batches. `per_stage` splits the workers' time.
    `precision`: half width of the 95 % interval of a batch's mean time, as a share of it, within `max_seconds`.
    `timeout_seconds`: from the spawn to the end. `hang_seconds`: without a batch for so long, or for 20 times what the
    first ones took if that is more, is a hang. `slow_exit_seconds`: what an ending may take.
    `cold`: the data files that earlier trials beside this one opened are evicted from the page cache first.
    `batch_bytes`, `num_tensors`: of one batch, where an earlier trial has told; what cannot fit is then not tried.
    """

    loader: Literal["train", "val"] | int = "train"
    mode: Literal["loader", "train"] = "loader"
    num_steps: int = 200
    step_seconds: float | None = None
    step_mode: Literal["sleep", "spin"] = "sleep"
    per_stage: bool = False
    precision: float = 0.03
    max_seconds: float = 60.0
    timeout_seconds: float = 600.0
    hang_seconds: float = 30.0
    slow_exit_seconds: float = 10.0
    replay: bool = False
    cold: bool = False
    batch_bytes: int | None = None
    num_tensors: int | None = None

    def __post_init__(self) -> None:
        if isinstance(self.loader, int) and self.loader < 0:
            raise OcrprofError(f"--loader {self.loader}: loaders are numbered from 0")
        if self.num_steps <= NUM_WARMUP_STEPS:
            raise OcrprofError(f"--steps {self.num_steps}: the first {NUM_WARMUP_STEPS} only warm up, so give more")
        if self.step_seconds is not None and self.step_seconds <= 0:
            raise OcrprofError(f"--step-ms {self.step_seconds * 1e3:g}: a step takes more than zero milliseconds")
        if not 0 < self.precision < 1:
            raise OcrprofError(f"precision {self.precision:g}: must be between 0 and 1", hint="0.03 is 3 % of the mean")
        for name in ("max_seconds", "timeout_seconds", "hang_seconds", "slow_exit_seconds"):
            if getattr(self, name) <= 0:
                raise OcrprofError(f"{name} {getattr(self, name):g}: must be more than zero seconds")


MIN_ROUNDS = 3
"""Below three rounds there is no interval worth the name."""

MAX_SETTINGS = 24
StartMethod = Literal["fork", "spawn", "forkserver"]


@dataclass(frozen=True, kw_only=True)
class SweepWorkersPlan:
    """Every one of `settings` measured as `trial` says, in a fresh process a round, `rounds` rounds or more.

    `step_batches`: so many batches of a training run are timed first, and their steps are those that `trial` feeds.
    After `rounds` rounds another is begun, up to `max_rounds`, only while it could change what is recommended.
    `within`: share of the best samples/s that may be given up for fewer workers; `max_wait`: share of a step that may
    be waited. `budget_seconds`: no round is begun that would end later, by what the last one took; None for no limit.
    `step_source` says where the step's time comes from, `what_if` which worker counts to simulate. `local_ranks`
    copies of the program run at once in each trial, with `rank_environment` each as a rank of its own.
    `resume`: the folder of a sweep that did not end, or its file of trials, which are taken over; it may be `output`.
    `quiet_seconds`: what may be waited in all for other programs to let the machine alone.
    """

    target: Target
    output: Path
    settings: tuple[LoaderSetting, ...]
    trial: TrialOptions
    within: float = 0.05
    max_wait: float = 0.02
    memory_budget_bytes: int | None = None
    rounds: int = MIN_ROUNDS
    max_rounds: int = 12
    budget_seconds: float | None = None
    seed: int = 0
    step_source: str | None = None
    step_batches: int | None = None
    what_if: tuple[int, ...] = ()
    local_ranks: int = 1
    rank_environment: bool = False
    resume: Path | None = None
    quiet_seconds: float = 30.0

    def __post_init__(self) -> None:
        if not self.settings:
            raise OcrprofError("--values names no number of workers", hint="as in --values 0,2,4,8")
        if any(setting.num_workers < 0 for setting in self.settings):
            raise OcrprofError("--values: a number of workers cannot be negative")
        if any(setting.prefetch_factor is not None and setting.prefetch_factor < 1 for setting in self.settings):
            raise OcrprofError("--prefetch: a worker makes at least one batch in advance")
        if len(self.settings) > MAX_SETTINGS:
            raise OcrprofError(
                f"{len(self.settings)} settings are more than the {MAX_SETTINGS} that one sweep compares",
                hint="settle --values first, then sweep --prefetch, --pin and the rest at the value it recommends",
            )
        for name, share in (("within", self.within), ("max-wait", self.max_wait)):
            if not 0 < share < 1:
                raise OcrprofError(f"--{name} {share:g}: must be between 0 and 1", hint="5% and 0.05 are the same")
        if self.rounds < MIN_ROUNDS:
            raise OcrprofError(
                f"--rounds {self.rounds}: below {MIN_ROUNDS} there is no interval", hint=f"--rounds {MIN_ROUNDS}"
            )
        if self.max_rounds < self.rounds:
            raise OcrprofError(f"--max-rounds {self.max_rounds} is less than the {self.rounds} rounds asked for")
        if self.local_ranks < 1:
            raise OcrprofError(f"--local-ranks {self.local_ranks}: at least one copy of the program must run")
        if self.rank_environment and self.local_ranks == 1:
            raise OcrprofError("--rank-env needs more than one rank", hint="--local-ranks 2 --rank-env")
        if self.step_batches is not None and self.trial.step_seconds is not None:
            raise OcrprofError("--step-from run and --step-ms exclude each other", hint="give one of them")
        if any(value < 1 for value in self.what_if):
            raise OcrprofError("--what-if simulates workers, so at least one")
        for name, amount in (("budget", self.budget_seconds), ("memory-budget", self.memory_budget_bytes)):
            if amount is not None and amount <= 0:
                raise OcrprofError(f"--{name}: must be more than zero")
        earlier = self.resume.parent if self.resume is not None and self.resume.is_file() else self.resume
        if earlier is None or earlier.resolve() != self.output.resolve():
            prove_writable(self.output)


def build_settings(
    values: Sequence[int],
    *,
    prefetch: Sequence[int] = (),
    persistent: Sequence[bool] = (),
    pin: Sequence[bool] = (),
    in_order: Sequence[bool] = (),
    start_methods: Sequence[StartMethod] = (),
) -> tuple[LoaderSetting, ...]:
    """The product of the factors, each setting once. A factor without values is left as the program has it.

    Without workers only pinning is a choice: torch refuses the other factors, or they do nothing.
    """
    settings = []
    factors = (
        prefetch or (None,),
        persistent or (None,),
        pin or (None,),
        in_order or (None,),
        start_methods or (None,),
    )
    for num_workers, *chosen in itertools.product(values, *factors):
        prefetch_factor, lasting, pinned, ordered, start_method = chosen
        if num_workers == 0:
            prefetch_factor = lasting = ordered = start_method = None
        settings.append(
            LoaderSetting(
                num_workers=num_workers,
                prefetch_factor=prefetch_factor,
                persistent_workers=lasting,
                pin_memory=pinned,
                in_order=ordered,
                start_method=start_method,
            )
        )
    return tuple(dict.fromkeys(settings))


def default_values(num_cores: float, *, local_ranks: int = 1) -> tuple[int, ...]:
    """0, then powers of two up to a rank's usable cores, and these themselves; twice as many where they are few.

    A loader that waits for a disk or a network gains from more workers than cores, which costs little to try on a
    small machine. No more than 32: beyond that it is a matter of its own.
    """
    cores = max(1, min(32, int(num_cores / local_ranks)))
    powers = [2**exponent for exponent in range(6) if 2**exponent <= (2 * cores if cores <= 4 else cores)]
    smallest = 1 if cores <= 4 else 2
    return tuple(sorted({0, cores, *(power for power in powers if power >= smallest)}))

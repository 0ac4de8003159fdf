"""What `sweep-workers` is asked to do, checked when it is built: the options of one trial."""

from dataclasses import dataclass
from typing import Literal

from ocrprof.errors import OcrprofError

NUM_WARMUP_STEPS = 10
"""Steps of a real training that are left out of its figures: kernels are chosen, caches and queues filled in them."""


@dataclass(frozen=True, kw_only=True)
class TrialOptions:
    """How one trial measures a loader; the same for every setting of a sweep.

    `loader`: the first one iterated to train on, the first one evaluated, or the number of one in the order of first
    iteration, from 0. `mode` loader takes it over, train lets the program train `num_steps` steps after
    ten to warm up. `step_seconds`: beside samples/s, what steps of this time wait, asleep or spinning by `step_mode`;
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

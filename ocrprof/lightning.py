"""PerformanceProfilerCallback: batch times and memory of a Trainer's own loops, into its own loggers."""

import time
from typing import Any

import torch

try:
    import lightning.pytorch as pl
    from lightning.pytorch.utilities import rank_zero_info
except ImportError:  # The same library under its older name; a program that has only that one can use the callback too.
    import pytorch_lightning as pl
    from pytorch_lightning.utilities import rank_zero_info

_PREFIX = "performance/"


class _Epoch:
    """The batches of one epoch of one loop, timed from the end of `on_*_batch_start` to `on_*_batch_end`."""

    def __init__(self) -> None:
        self.started = time.perf_counter()
        self.batch_started: float | None = None
        self.batch_seconds: list[float] = []

    def start_batch(self) -> None:
        self.batch_started = time.perf_counter()

    def end_batch(self) -> float | None:
        """Seconds of the batch that ends now; None where none was started."""
        if self.batch_started is None:
            return None
        seconds = time.perf_counter() - self.batch_started
        self.batch_started = None
        self.batch_seconds.append(seconds)
        return seconds

    def elapsed_seconds(self) -> float:
        return time.perf_counter() - self.started


class PerformanceProfilerCallback(pl.Callback):  # type: ignore[misc]
    """Logs `performance/val_batch_time`, `val_batch_mean`, …, their `train_` counterparts, and memory.

    Times are in seconds. A batch lasts from the start of its hooks to their end, without the wait for its data; on
    CUDA the device is synchronised at the end of each batch, so that the work it queued is in it. `val_epoch_time` is
    the whole of a validation, with its data and with what the module does at its end; `train_epoch_time` leaves out
    the validations inside it. The sanity check is not measured. `cpu_memory_percent` is the share of the machine's
    memory that this process and its children hold (PSS where there is one); `gpu_memory_gb` and
    `gpu_memory_reserved_gb` are what the CUDA allocator holds at the end of an epoch, in GiB.

    Arguments: `enabled`, whether to measure at all; `verbose`, whether to also print a line an epoch; `log_interval`,
    log the time of every so-many-th batch; `profile_memory`, whether to read memory at the end of each epoch.
    """

    def __init__(
        self, enabled: bool = True, *, verbose: bool = False, log_interval: int = 10, profile_memory: bool = True
    ) -> None:
        if log_interval < 1:
            raise ValueError(f"log_interval is {log_interval}; it counts batches, so it must be 1 or more")
        super().__init__()
        self.enabled = enabled
        self.verbose = verbose
        self.log_interval = log_interval
        self.profile_memory = profile_memory
        self._train: _Epoch | None = None
        self._val: _Epoch | None = None
        self._validation_seconds_in_epoch = 0.0

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.enabled:
            self._train = _Epoch()
            self._validation_seconds_in_epoch = 0.0

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:  # Any: whatever the program's loader yields
        if self._train:
            self._train.start_batch()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:  # Any: whatever the program's step returns and its loader yields
        self._end_batch("train", self._train, trainer, pl_module, batch_idx=batch_idx)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        epoch, self._train = self._train, None
        if epoch:
            seconds = epoch.elapsed_seconds() - self._validation_seconds_in_epoch
            self._end_epoch("train", epoch, trainer, pl_module, epoch_seconds=seconds)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.enabled and not trainer.sanity_checking:
            self._val = _Epoch()

    def on_validation_batch_start(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:  # Any: whatever the program's loader yields
        if self._val:
            self._val.start_batch()

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:  # Any: whatever the program's step returns and its loader yields
        self._end_batch("val", self._val, trainer, pl_module, batch_idx=batch_idx)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        # Not on_validation_epoch_end: callbacks are called there before the module, whose own work at the end of the
        # epoch (a second pass over the data, in one audited program) would be left out.
        epoch, self._val = self._val, None
        if epoch:
            seconds = epoch.elapsed_seconds()
            self._validation_seconds_in_epoch += seconds
            self._end_epoch("val", epoch, trainer, pl_module, epoch_seconds=seconds)

    def _end_batch(
        self, loop: str, epoch: _Epoch | None, trainer: pl.Trainer, pl_module: pl.LightningModule, *, batch_idx: int
    ) -> None:
        if epoch is None:
            return
        if pl_module.device.type == "cuda":
            torch.cuda.synchronize(pl_module.device)
        seconds = epoch.end_batch()
        if seconds is not None and batch_idx % self.log_interval == 0:
            _log(trainer, {f"{loop}_batch_time": seconds, f"{loop}_batch_idx": float(batch_idx)})

    def _end_epoch(
        self, loop: str, epoch: _Epoch, trainer: pl.Trainer, pl_module: pl.LightningModule, *, epoch_seconds: float
    ) -> None:
        if not epoch.batch_seconds:
            return
        values = {f"{loop}_{name}": value for name, value in _statistics(epoch.batch_seconds).items()}
        values[f"{loop}_epoch_time"] = epoch_seconds
        values[f"{loop}_num_batches"] = float(len(epoch.batch_seconds))
        if self.profile_memory:
            values |= _memory(pl_module.device)
        _log(trainer, values)
        if self.verbose:
            told = ", ".join(f"{name} {value:.4g}" for name, value in values.items())
            rank_zero_info(f"epoch {trainer.current_epoch}: {told}")


def _statistics(batch_seconds: list[float]) -> dict[str, float]:
    """Mean, median, p95, p99 (linear between neighbours) and, for two batches or more, the sample deviation."""
    seconds = torch.tensor(batch_seconds, dtype=torch.float64)
    values = {"batch_mean": seconds.mean()}
    for name, quantile in (("batch_median", 0.5), ("batch_p95", 0.95), ("batch_p99", 0.99)):
        values[name] = seconds.quantile(quantile)
    if len(batch_seconds) > 1:
        values["batch_std"] = seconds.std()
    return {name: value.item() for name, value in values.items()}


def _memory(device: torch.device) -> dict[str, float]:
    """Percent of the machine's memory that the process tree holds; GiB that the CUDA allocator holds, where used."""
    import psutil

    process = psutil.Process()
    held = 0
    for one in [process, *process.children(recursive=True)]:
        try:
            memory = one.memory_full_info()
        except psutil.Error:  # A worker that has just ended, or one of another user: it is not ours to count.
            continue
        held += getattr(memory, "pss", 0) or memory.rss
    values = {"cpu_memory_percent": 100.0 * held / psutil.virtual_memory().total}
    if device.type == "cuda":
        values["gpu_memory_gb"] = torch.cuda.memory_allocated(device) / 2**30
        values["gpu_memory_reserved_gb"] = torch.cuda.memory_reserved(device) / 2**30
    return values


def _log(trainer: pl.Trainer, values: dict[str, float]) -> None:
    """Gives the values to every logger and to `callback_metrics`.

    Not by `LightningModule.log`: Lightning refuses it in `on_validation_end`.
    """
    named = {f"{_PREFIX}{name}": value for name, value in values.items()}
    tensors = {name: torch.tensor(value) for name, value in named.items()}
    trainer.callback_metrics.update(tensors)
    trainer.logged_metrics.update(tensors)
    for logger in trainer.loggers:
        logger.log_metrics(named, step=trainer.global_step)

"""PerformanceProfilerCallback in a real Trainer: the audited keys, the right batches, any logger or none."""

import csv
import time
from pathlib import Path

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.loggers import CSVLogger
from torch.utils.data import DataLoader, TensorDataset

from ocrprof.lightning import PerformanceProfilerCallback

AUDITED = [
    "performance/val_batch_mean",
    "performance/val_batch_median",
    "performance/val_batch_p95",
    "performance/val_batch_p99",
    "performance/val_batch_std",
    "performance/val_epoch_time",
    "performance/val_num_batches",
    "performance/val_batch_time",
    "performance/val_batch_idx",
    "performance/cpu_memory_percent",
]
STEP_SECONDS = 0.005
EPOCH_END_SECONDS = 0.1


class TinyModule(pl.LightningModule):
    """A line fitted by gradient descent, each step made long enough to be told from nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.line = torch.nn.Linear(2, 1)

    def training_step(self, batch: list[torch.Tensor], batch_idx: int) -> torch.Tensor:
        return self.line(batch[0]).square().mean()

    def validation_step(self, batch: list[torch.Tensor], batch_idx: int) -> None:
        time.sleep(STEP_SECONDS)

    def on_validation_epoch_end(self) -> None:
        time.sleep(EPOCH_END_SECONDS)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def loader(num_batches: int) -> DataLoader:
    return DataLoader(TensorDataset(torch.ones(2 * num_batches, 2)), batch_size=2)


def fitted(callback: PerformanceProfilerCallback, root: Path, **arguments: object) -> pl.Trainer:
    trainer = pl.Trainer(
        default_root_dir=root,
        accelerator="cpu",
        max_epochs=2,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=2,
        **{"logger": False, "callbacks": [callback], **arguments},
    )
    trainer.fit(TinyModule(), loader(6), loader(12))
    return trainer


def rows(root: Path) -> list[dict[str, str]]:
    with next(root.rglob("metrics.csv")).open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    """What two epochs leave in a CSV file, with every fifth batch in it."""
    folder = tmp_path_factory.mktemp("logged")
    fitted(PerformanceProfilerCallback(log_interval=5), folder, logger=CSVLogger(folder))
    return rows(folder)


def test_audited_keys_reach_the_logger_once_an_epoch(logged: list[dict[str, str]]) -> None:
    assert set(AUDITED) <= set(logged[0])
    assert not [key for key in logged[0] if "gpu" in key]
    epochs = [row for row in logged if row["performance/val_num_batches"]]
    assert [float(row["performance/val_num_batches"]) for row in epochs] == [12, 12]
    train_epochs = [row for row in logged if row["performance/train_num_batches"]]
    assert [float(row["performance/train_num_batches"]) for row in train_epochs] == [6, 6]


def test_batch_times_are_logged_at_the_interval_and_not_in_the_sanity_check(logged: list[dict[str, str]]) -> None:
    indices = [row["performance/val_batch_idx"] for row in logged if row["performance/val_batch_idx"]]
    assert [float(index) for index in indices] == [0, 5, 10] * 2


def test_times_are_those_of_the_batches(tmp_path: Path) -> None:
    metrics = fitted(PerformanceProfilerCallback(), tmp_path).callback_metrics
    low, mean, high = (metrics[f"performance/val_batch_{name}"] for name in ("median", "mean", "p99"))
    assert STEP_SECONDS <= low <= high
    assert STEP_SECONDS <= mean <= high
    # A validation holds its batches and what the module does at the end of it.
    assert metrics["performance/val_epoch_time"] >= 12 * mean + EPOCH_END_SECONDS


def test_training_epoch_leaves_out_the_validation_inside_it(tmp_path: Path) -> None:
    class Clock(pl.Callback):
        at = ended = 0.0

        def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
            self.at = time.perf_counter()

        def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
            self.ended = time.perf_counter()

    before, after = Clock(), Clock()
    callback = PerformanceProfilerCallback()
    metrics = fitted(callback, tmp_path, callbacks=[before, callback, after]).callback_metrics
    around = after.ended - before.at
    assert metrics["performance/train_epoch_time"] >= 6 * metrics["performance/train_batch_mean"]
    assert metrics["performance/train_epoch_time"] <= around - 12 * STEP_SECONDS - EPOCH_END_SECONDS


def test_memory_is_a_share_of_the_machine(tmp_path: Path) -> None:
    metrics = fitted(PerformanceProfilerCallback(), tmp_path).callback_metrics
    assert 0 < metrics["performance/cpu_memory_percent"] < 100
    without = fitted(PerformanceProfilerCallback(profile_memory=False), tmp_path).callback_metrics
    assert "performance/cpu_memory_percent" not in without


def test_disabled_measures_nothing(tmp_path: Path) -> None:
    assert not fitted(PerformanceProfilerCallback(False), tmp_path).callback_metrics


def test_validate_alone_is_measured(tmp_path: Path) -> None:
    trainer = pl.Trainer(
        default_root_dir=tmp_path,
        accelerator="cpu",
        logger=False,
        callbacks=[PerformanceProfilerCallback()],
        enable_progress_bar=False,
    )
    trainer.validate(TinyModule(), loader(3), verbose=False)
    assert trainer.callback_metrics["performance/val_num_batches"] == 3


def test_one_batch_has_no_deviation(tmp_path: Path) -> None:
    metrics = fitted(PerformanceProfilerCallback(), tmp_path, limit_val_batches=1).callback_metrics
    assert "performance/val_batch_median" in metrics
    assert "performance/val_batch_std" not in metrics


def test_verbose_tells_an_epoch_in_a_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger="lightning.pytorch.utilities.rank_zero"):
        fitted(PerformanceProfilerCallback(verbose=True), tmp_path)
    assert any("val_batch_mean" in message for message in caplog.messages)


def test_an_interval_of_no_batches_is_refused() -> None:
    with pytest.raises(ValueError, match="log_interval is 0"):
        PerformanceProfilerCallback(log_interval=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_work_queued_on_cuda_is_in_the_batch_that_queued_it(tmp_path: Path) -> None:
    class Busy(TinyModule):
        def validation_step(self, batch: list[torch.Tensor], batch_idx: int) -> None:
            matrix = torch.ones(8192, 8192, device=self.device)
            for _ in range(8):
                matrix = matrix @ matrix

    trainer = pl.Trainer(
        default_root_dir=tmp_path,
        accelerator="gpu",
        devices=1,
        logger=False,
        callbacks=[PerformanceProfilerCallback()],
        enable_progress_bar=False,
    )
    trainer.validate(Busy(), loader(5), verbose=False)
    metrics = trainer.callback_metrics
    # Launching takes microseconds: without the synchronisation only the end of the epoch would wait for the products.
    assert metrics["performance/val_batch_median"] * 5 > 0.5 * (
        metrics["performance/val_epoch_time"] - EPOCH_END_SECONDS
    )
    assert metrics["performance/gpu_memory_reserved_gb"] >= metrics["performance/gpu_memory_gb"] >= 0

"""The parts that the configuration names."""

import time

import lightning.pytorch as pl
import torch
from torch.utils.data import DataLoader, TensorDataset
from torchmetrics import MeanSquaredError


class Vocabulary:
    """Slow to build; its third copy lives in the data module."""

    def __init__(self, size: int, lower: bool = True) -> None:
        time.sleep(0.15)
        self.size = size
        self.lower = lower

    def __len__(self) -> int:
        return self.size


class Rounder:
    """A post-processing step that takes 20 ms."""

    def __call__(self, values: torch.Tensor) -> torch.Tensor:
        time.sleep(0.02)
        return values.round(decimals=3)


class Data(pl.LightningDataModule):
    """Random tables."""

    def __init__(self, vocabulary: Vocabulary, num_workers: int = 0, batch_size: int = 4) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.num_workers = num_workers
        self.batch_size = batch_size

    def setup(self, stage: str) -> None:
        x = torch.randn(40, 8)
        self.table = TensorDataset(x, x.sum(1, keepdim=True))

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.table, batch_size=self.batch_size, num_workers=self.num_workers)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.table, batch_size=self.batch_size)


class Base(pl.LightningModule):
    """Saves the arguments of the whole hierarchy, which reads them from the callers' frames."""

    def __init__(self, width: int, vocabulary_size: int) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.body = torch.nn.Sequential(torch.nn.Linear(8, width), torch.nn.ReLU())


class Model(Base):
    """Regression."""

    def __init__(self, width: int, vocabulary_size: int, lr: float, sleep_seconds: float) -> None:
        super().__init__(width, vocabulary_size)
        self.save_hyperparameters()
        time.sleep(sleep_seconds)
        self.head = torch.nn.Linear(width, 1)
        self.metric = MeanSquaredError()
        self.rounder = Rounder()

    def training_step(self, batch, batch_idx):
        x, y = batch
        return torch.nn.functional.mse_loss(self.head(self.body(x)), y)

    def validation_step(self, batch, batch_idx):
        x, y = batch
        self.metric.update(self.rounder(self.head(self.body(x))), y)
        self.log("val/mse", self.metric)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.hparams.lr)

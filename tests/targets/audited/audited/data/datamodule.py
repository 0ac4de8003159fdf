"""The data module: splits when a stage needs them, unless they were built before."""

from typing import Any

import hydra
import lightning.pytorch as pl
from omegaconf import DictConfig
from torch.utils.data import DataLoader


class OCRDataModule(pl.LightningDataModule):
    """Loaders of the configured splits."""

    def __init__(self, datasets: dict[str, Any], *, config: DictConfig, collate_each_time: bool) -> None:
        super().__init__()
        self.datasets = dict(datasets)
        self.config = config
        self.collate_each_time = collate_each_time
        self.collates: dict[str, Any] = {}

    def setup(self, stage: str) -> None:
        for split in ("train", "val"):
            if split not in self.datasets:
                self.datasets[split] = hydra.utils.instantiate(self.config.datasets[split])
        if self.collate_each_time:
            self.collates = {split: self._build_collate() for split in ("train", "val", "test", "predict")}
        else:
            self.collates = dict.fromkeys(("train", "val", "test", "predict"), self._build_collate())

    def train_dataloader(self) -> DataLoader:
        return self._loader("train")

    def val_dataloader(self) -> DataLoader:
        return self._loader("val")

    def _build_collate(self) -> Any:
        return hydra.utils.instantiate(self.config.collate)  # plant.collate_four_times

    def _loader(self, split: str) -> DataLoader:
        return DataLoader(
            self.datasets[split], batch_size=self.config.batch_size, collate_fn=self.collates[split], num_workers=0
        )

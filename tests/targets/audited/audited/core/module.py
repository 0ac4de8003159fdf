"""The Lightning module: a tiny CRNN, trained on images of a line of text."""

from typing import Any

import lightning.pytorch as pl
import torch
from omegaconf import DictConfig

from audited.core.evaluation import CharErrors, Evaluator
from audited.costs import told


class Recognizer(torch.nn.Module):
    """Images (B, 1, 32, W) float32 to logits (B, W / 4, vocab_size)."""

    def __init__(self, *, width: int, vocab_size: int) -> None:
        super().__init__()
        self.encoder = torch.nn.Sequential(
            torch.nn.Conv2d(1, width, 3, stride=(4, 2), padding=1),
            torch.nn.ReLU(),
            torch.nn.Conv2d(width, width, 3, stride=(8, 2), padding=1),
            torch.nn.ReLU(),
        )
        self.decoder = torch.nn.LSTM(width, width, batch_first=True, bidirectional=True)
        self.head = torch.nn.Linear(2 * width, vocab_size)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.encoder(images).squeeze(2).transpose(1, 2)
        return self.head(self.decoder(features)[0])


class OCRModule(pl.LightningModule):
    """Recognizer, loss and validation."""

    def __init__(self, config: DictConfig, *, vocab_size: int, plant: DictConfig) -> None:
        super().__init__()
        self.config = config
        self.plant = plant
        self.network = Recognizer(width=config.width, vocab_size=vocab_size)
        self.metric: CharErrors | None = None
        self.evaluators: dict[str, Evaluator] = {}
        if plant.eager_evaluators:
            self.metric = CharErrors()  # plant.eager_evaluators
            self.evaluators = {split: Evaluator(split) for split in ("val", "test")}  # plant.eager_evaluators
        if plant.compile_at_init:
            with told("compile_at_init"):
                self.network.head = torch.compile(self.network.head, backend="eager")  # plant.compile_at_init

    def training_step(self, batch: dict[str, torch.Tensor], batch_idx: int) -> torch.Tensor:
        loss = self._loss(self.network(batch["images"]), batch["labels"])
        self.log("train/loss", loss)
        return loss

    def on_validation_epoch_start(self) -> None:
        if self.plant.late_import:
            import audited.core.text_rendering  # noqa: F401  # plant.late_import
        if self.metric is None:
            self.metric = CharErrors().to(self.device)
        if "val" not in self.evaluators:
            self.evaluators["val"] = Evaluator("val")

    def validation_step(self, batch: dict[str, torch.Tensor], batch_idx: int) -> None:
        predicted = self.network(batch["images"]).argmax(-1)
        self.metric.update(predicted, batch["labels"])
        self.evaluators["val"].predictions.append(predicted)

    def on_validation_epoch_end(self) -> None:
        self.log("val/cer", self.metric.compute())
        self.metric.reset()

    def configure_optimizers(self) -> Any:
        return torch.optim.AdamW(self.parameters(), lr=self.config.lr)

    @staticmethod
    def _loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())

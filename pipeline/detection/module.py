"""Trains and scores a text detector."""

from collections.abc import Mapping
from typing import Any

import torch
from hydra.utils import instantiate
from lightning.pytorch import LightningModule
from torch import Tensor

Batch = Mapping[str, Any]  # as pipeline.data.collate makes it


class DetectionModule(LightningModule):
    """A detector with its loss; post-processing and metric are built when the first evaluation begins.

    With `lazy_evaluation` False they are built at once.
    Arguments are configurations with a `_target_`. `optimizer` and `scheduler` are partial, and may be None where
    nothing is trained. `channels_last`: weights and images lie in memory channel by channel of each pixel, which
    convolutions in half precision are fastest with. `compile`: torch.compile, when training starts. Logs train/loss,
    val/loss, val/recall, val/precision, val/hmean, and the same for test.
    """

    def __init__(
        self,
        model: Mapping[str, Any],
        *,
        loss: Mapping[str, Any],
        postprocess: Mapping[str, Any],
        metric: Mapping[str, Any],
        optimizer: Mapping[str, Any] | None = None,
        scheduler: Mapping[str, Any] | None = None,
        channels_last: bool = False,
        lazy_evaluation: bool = True,
        compile: bool = False,
    ) -> None:
        super().__init__()
        self.model = instantiate(model)
        self.loss = instantiate(loss)
        self.postprocess: Any = None
        self.metric: Any = None
        # Last result of the metric: recall, precision, hmean and counters.
        self.scores: dict[str, Tensor] = {}
        self._postprocess_config = postprocess
        self._metric_config = metric
        self._optimizer_config = optimizer
        self._scheduler_config = scheduler
        self._memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self._is_to_compile = compile
        if not lazy_evaluation:
            self._build_evaluation()

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Maps (B, 1, H, W) of images (B, 3, H, W) float32."""
        return self.model(images.contiguous(memory_format=self._memory_format))

    def configure_model(self) -> None:
        """Lays the weights out as they are to be used; Lightning calls it before every stage."""
        self.model.to(memory_format=self._memory_format)

    def on_fit_start(self) -> None:
        if self._is_to_compile:
            # In place: a checkpoint has the same keys. Not before: whoever only evaluates need not wait for it.
            self.model.compile()
            self._is_to_compile = False

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of a batch."""
        losses = self.loss(self.forward(batch["images"]), batch)
        self._log_losses(losses, stage="train", batch=batch)
        return losses["loss"]

    def on_validation_start(self) -> None:
        self._build_evaluation()

    def on_test_start(self) -> None:
        self._build_evaluation()

    def on_predict_start(self) -> None:
        self._build_evaluation()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self._score(batch, stage="val")

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        self._score(batch, stage="test")

    def predict_step(self, batch: Batch, batch_idx: int) -> list[dict[str, Any]]:
        """Boxes and scores of each image, in its own pixels."""
        # As mappings: Lightning, which copies predictions to the host, takes no frozen dataclass.
        found = self._detect(self.forward(batch["images"]), batch)
        return [{"boxes": each.boxes, "scores": each.scores} for each in found]

    def on_validation_epoch_end(self) -> None:
        self._log_scores(stage="val")

    def on_test_epoch_end(self) -> None:
        self._log_scores(stage="test")

    def configure_optimizers(self) -> Any:
        """The optimiser, with a scheduler that steps once an epoch if there is one."""
        # Plain values, so that a checkpoint holds nothing that torch.load(weights_only=True) refuses.
        optimizer = instantiate(self._optimizer_config, _convert_="all")(self.parameters())
        if self._scheduler_config is None:
            return optimizer
        scheduler = instantiate(self._scheduler_config, _convert_="all")(optimizer)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "epoch"}}

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> dict[str, Any]:
        """`batch` with its tensors on `device`, all but the matrices that post-processing reads on the host."""
        return {
            key: value.to(device, non_blocking=True) if isinstance(value, Tensor) and key != "to_source" else value
            for key, value in batch.items()
        }

    def _build_evaluation(self) -> None:
        if self.postprocess is None:
            self.postprocess = instantiate(self._postprocess_config)
            self.metric = instantiate(self._metric_config, _convert_="all").to(self.device)

    def _score(self, batch: Batch, *, stage: str) -> None:
        output = self.forward(batch["images"])
        self._log_losses(self.loss(output, batch), stage=stage, batch=batch)
        self.metric.update(
            [found.boxes for found in self._detect(output, batch)],
            batch["polygons"],
            gt_texts=batch["texts"],
            gt_ignore=batch["ignore"],
            source_sizes=batch["source_sizes"],
        )

    def _detect(self, output: Mapping[str, Tensor], batch: Batch) -> list[Any]:
        return self.postprocess(output["prob"], to_source=batch["to_source"], source_sizes=batch["source_sizes"])

    def _log_losses(self, losses: Mapping[str, Tensor], *, stage: str, batch: Batch) -> None:
        size, average = len(batch["images"]), stage != "train"
        for name, value in losses.items():
            self.log(f"{stage}/{name}", value, batch_size=size, sync_dist=average, prog_bar=name == "loss")

    def _log_scores(self, *, stage: str) -> None:
        self.scores = self.metric.compute()
        self.metric.reset()
        shown = {f"{stage}/{name}": self.scores[name].float() for name in ("recall", "precision", "hmean")}
        self.log_dict(shown, prog_bar=True)

"""Samples to a batch."""

import torch

from audited.costs import costing


class LineCollate:
    """Stacks lines of one width."""

    def __init__(self, width: int) -> None:
        with costing("collate"):
            self.width = width

    def __call__(self, samples: list[tuple[torch.Tensor, torch.Tensor]]) -> dict[str, torch.Tensor]:
        images, labels = zip(*samples, strict=True)
        return {"images": torch.stack(images), "labels": torch.stack(labels)}

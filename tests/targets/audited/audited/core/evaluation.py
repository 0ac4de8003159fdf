"""Evaluator and metric of a validation."""

import torch
from torchmetrics import Metric

from audited.costs import costing


class CharErrors(Metric):
    """Share of wrong characters."""

    def __init__(self) -> None:
        super().__init__()
        with costing("metric"):
            self.add_state("wrong", default=torch.tensor(0.0), dist_reduce_fx="sum")
            self.add_state("total", default=torch.tensor(0.0), dist_reduce_fx="sum")

    def update(self, predicted: torch.Tensor, expected: torch.Tensor) -> None:
        """Both (B, T) int64."""
        self.wrong += (predicted != expected).sum()
        self.total += expected.numel()

    def compute(self) -> torch.Tensor:
        """Between 0 and 1."""
        return self.wrong / self.total


class Evaluator:
    """Gathers the predictions of one split."""

    def __init__(self, split: str) -> None:
        with costing("evaluator"):
            self.split = split
            self.predictions: list[torch.Tensor] = []

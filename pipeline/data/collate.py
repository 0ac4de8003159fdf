"""Samples as a batch for DBNet: normalised images and target maps as tensors, text lines as they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from pipeline.data.dataset import Sample

if TYPE_CHECKING:
    from pipeline.detection.targets import TargetMaps

# Of ImageNet's training images, RGB in 0..1; the pretrained backbones of timm and torchvision expect them.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

Batch = dict[str, Any]  # tensors and lists, by the names in DBCollate


class DBCollate:
    """Makes a batch of B samples; `targets` makes one sample's maps (`pipeline.detection.targets.DBTargets`).

    images                              float32 (B, 3, S, S), normalised by ImageNet's mean and deviation
    prob_map, prob_mask, thresh_mask    uint8 (B, 1, S, S), 0 or 1: a quarter of float32's bytes between processes
    thresh_map                          float32 (B, 1, S, S)
    polygons, ignore, texts             for each sample its lines: float32 (n, 2) in source px, bool (N,), N strings
    to_source                           float64 (B, 3, 3), canvas to source xy
    source_sizes, paths                 for each sample (w, h) of its source picture, and its file
    """

    def __init__(self, targets: Callable[..., TargetMaps]) -> None:
        self.targets = targets

    def __call__(self, samples: Sequence[Sample]) -> Batch:
        maps = [self.targets(sample.polygons, ignore=sample.ignore, size=sample.image.shape[:2]) for sample in samples]
        return {
            "images": normalise(np.stack([sample.image for sample in samples])),
            **{
                name: torch.from_numpy(np.stack([getattr(one, name) for one in maps])[:, None])
                for name in ("prob_map", "prob_mask", "thresh_map", "thresh_mask")
            },
            "polygons": [sample.source_polygons for sample in samples],
            "ignore": [sample.ignore for sample in samples],
            "texts": [sample.texts for sample in samples],
            "to_source": torch.from_numpy(np.stack([sample.to_source for sample in samples])),
            "source_sizes": [sample.source_size for sample in samples],
            "paths": [str(sample.path) for sample in samples],
        }


def normalise(images: np.ndarray) -> torch.Tensor:
    """`images` uint8 (B, H, W, 3) RGB as float32 (B, 3, H, W), contiguous, less ImageNet's mean, by its deviation."""
    planes = torch.from_numpy(images).permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format)
    mean = torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1) * 255
    std = torch.tensor(IMAGENET_STD).view(1, 3, 1, 1) * 255
    return planes.sub_(mean).div_(std)

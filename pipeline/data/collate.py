"""Samples as a batch for DBNet: normalised images and target maps as tensors, text lines as they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from pipeline.data.array_files import Arrays
from pipeline.data.batch_memory import empty, stack
from pipeline.data.cache import ArrayCache, digest
from pipeline.data.dataset import Sample
from pipeline.data.normalise import normalise

if TYPE_CHECKING:
    from pipeline.detection.targets import TargetMaps

# Goes up with every change of the maps that DBTargets makes: those kept from before are then made again.
_MAPS_VERSION = 1
_NUM_CHANNELS = 3  # of images; no canvas has a side so short
_MAPS = ("prob_map", "prob_mask", "thresh_map", "thresh_mask")

Batch = dict[str, Any]  # tensors and lists, by the names in DBCollate


class DBCollate:
    """Makes a batch of B samples; `targets` makes one sample's maps (`pipeline.detection.targets.DBTargets`).

    `map_cache` keeps the maps of samples that repeat: of random crops no two are the same. `channels_last` lays images
    out in memory as (B, S, S, 3), which a network in that format would otherwise turn them into.

    images                              float32 (B, 3, S, S), normalised by ImageNet's mean and deviation
    prob_map, prob_mask, thresh_mask    uint8 (B, 1, S, S), 0 or 1: a quarter of float32's bytes between processes
    thresh_map                          float32 (B, 1, S, S)
    polygons, ignore, texts             for each sample its lines: float32 (n, 2) in source px, bool (N,), N strings
    to_source                           float64 (B, 3, 3), canvas to source xy
    source_sizes, paths                 for each sample (w, h) of its source picture, and its file
    """

    def __init__(
        self, targets: Callable[..., TargetMaps], *, map_cache: ArrayCache | None = None, channels_last: bool = False
    ) -> None:
        self.targets = targets
        self.map_cache = map_cache
        self.channels_last = channels_last

    def __call__(self, samples: Sequence[Sample]) -> Batch:
        maps = [self._maps(sample) for sample in samples]
        return {
            "images": _images([sample.image for sample in samples], channels_last=self.channels_last),
            **{name: stack([one[name] for one in maps])[:, None] for name in _MAPS},
            "polygons": [sample.source_polygons for sample in samples],
            "ignore": [sample.ignore for sample in samples],
            "texts": [sample.texts for sample in samples],
            "to_source": torch.from_numpy(np.stack([sample.to_source for sample in samples])),
            "source_sizes": [sample.source_size for sample in samples],
            "paths": [str(sample.path) for sample in samples],
        }

    def reserve(self, *, num_samples: int, size: int) -> None:
        """Asks for room for the maps of so many samples of `size` px; without it their maps are made anew each time."""
        if self.map_cache is not None:
            bytes_each = sum(np.dtype(kind).itemsize for kind in (np.uint8, np.uint8, np.uint8, np.float32)) * size**2
            self.map_cache.reserve(num_entries=num_samples, bytes_each=bytes_each)

    def _maps(self, sample: Sample) -> Arrays:
        size = canvas_size(sample.image)

        def made() -> Arrays:
            maps = self.targets(sample.polygons, ignore=sample.ignore, size=size)
            return {name: getattr(maps, name) for name in _MAPS}

        if self.map_cache is None or not sample.repeats:
            return made()
        settings = vars(self.targets)
        key = digest(_MAPS_VERSION, type(self.targets).__name__, *settings, *settings.values())
        return self.map_cache.get_or_make(digest(key, size, sample.polygons, sample.ignore), made)


def canvas_size(image: np.ndarray) -> tuple[int, int]:
    """(h, w) of a sample's image: uint8 (H, W, 3), or normalised float32 (3, H, W) or (H, W, 3)."""
    return image.shape[:2] if image.shape[-1] == _NUM_CHANNELS else image.shape[1:]


def _images(images: Sequence[np.ndarray], *, channels_last: bool) -> torch.Tensor:
    if images[0].dtype == np.uint8:
        return normalise(images, channels_last=channels_last, empty=empty)
    planes = stack(images)
    if images[0].shape[-1] == _NUM_CHANNELS:
        planes = planes.permute(0, 3, 1, 2)
    return planes.contiguous(memory_format=torch.channels_last if channels_last else torch.contiguous_format)

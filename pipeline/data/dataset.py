"""Records and a transform as a torch data set of samples. One bad file does not end a run, unless it is asked to."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch.utils.data import Dataset, get_worker_info

from pipeline.data.decode import Decoder, Exif, ImageError, orientation_matrix, read_image
from pipeline.data.geometry import map_points
from pipeline.data.readers import Record
from pipeline.data.transforms import Transformed

Transform = Callable[[np.ndarray, Sequence[np.ndarray]], Transformed]
Frame = Literal["stored", "upright"]

_log = logging.getLogger(__name__)

# So many unreadable images in a row are a missing folder or disk, not chance; reading on through millions would hang.
_MAX_BAD_IN_A_ROW = 100
_MAX_WORKERS_COUNTED = 512


@dataclass(frozen=True)
class Sample:
    """One page on its canvas, with N lines of text; coordinates are xy in px, pixel centres at integers.

    `image` uint8 (S, S, 3) RGB. `polygons` float32 (n, 2) on the canvas, cut at its border, `source_polygons` the same
    lines, uncut, on the source picture (as decoded, turned upright or not). `ignore` bool (N,), `texts` N strings.
    `to_source` float64 (3, 3) maps canvas to source xy; `source_size` is (w, h).
    """

    image: np.ndarray
    polygons: list[np.ndarray]
    source_polygons: list[np.ndarray]
    ignore: np.ndarray
    texts: list[str]
    to_source: np.ndarray
    source_size: tuple[int, int]
    path: Path


class OCRDataset(Dataset[Sample]):
    """Samples from `records` by way of `transform`.

    An image that cannot be used is named in a warning and the next good one stands in for it (`num_replaced` counts
    these); with `strict` it is an ImageError that names the file and the index.

    `exif`: whether pictures are turned upright by their orientation tag. `annotation_frame`: whether the polygons were
    drawn on the pixels as stored, or on the upright picture that most viewers show; they are mapped to the pixels that
    `exif` leads to. Lines off the canvas are dropped; lines of which less than `min_visible` is left are ignored.
    """

    def __init__(
        self,
        records: Sequence[Record],
        transform: Transform,
        *,
        strict: bool = False,
        exif: Exif = "ignore",
        annotation_frame: Frame = "stored",
        decoder: Decoder = "auto",
        min_visible: float = 0.3,
    ) -> None:
        if not len(records):
            raise ValueError("a data set needs at least one record")
        if exif not in ("ignore", "apply"):
            raise ValueError(f"exif is {exif!r}: it is 'ignore' or 'apply'")
        if annotation_frame not in ("stored", "upright"):
            raise ValueError(f"annotation_frame is {annotation_frame!r}: it is 'stored' or 'upright'")
        if not 0 <= min_visible <= 1:
            raise ValueError(f"min_visible is {min_visible}: it lies within 0 to 1")
        self.records = records
        self.transform = transform
        self.strict = strict
        self.exif = exif
        self.annotation_frame = annotation_frame
        self.decoder = decoder
        self.min_visible = min_visible
        self._named: set[Path] = set()
        # One slot a process (the last for the main one), shared with workers however they are started.
        self._replaced = torch.zeros(_MAX_WORKERS_COUNTED + 1, dtype=torch.int64).share_memory_()

    def __len__(self) -> int:
        return len(self.records)

    @property
    def num_replaced(self) -> int:
        """How many samples so far stood in for one that could not be read, over all workers."""
        return int(self._replaced.sum())

    def __getitem__(self, index: int) -> Sample:
        """The sample of record `index`, or in its place the next that can be used."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        attempts = min(len(self), _MAX_BAD_IN_A_ROW)
        for offset in range(attempts):
            try:
                return self._load((index + offset) % len(self))
            except ImageError as error:
                if self.strict:
                    raise ImageError(error.path, f"{error.reason} (sample {index})") from error
                self._note(error)
        raise ImageError(
            self.records[index].image_path,
            f"cannot be used (sample {index}), nor can the {attempts - 1} images after it",
        )

    def _load(self, index: int) -> Sample:
        record = self.records[index]
        decoded = read_image(record.image_path, exif=self.exif, decoder=self.decoder)
        polygons = self._on_decoded_pixels(
            record.polygons, orientation=decoded.orientation, stored_size=decoded.stored_size
        )
        result = self.transform(decoded.pixels, polygons)
        kept = np.flatnonzero(result.visible > 0)
        height, width = decoded.pixels.shape[:2]
        return Sample(
            image=result.image,
            polygons=[result.polygons[line] for line in kept],
            source_polygons=[polygons[line] for line in kept],
            ignore=(record.ignore | (result.visible < self.min_visible))[kept],
            texts=[record.texts[line] for line in kept],
            to_source=result.to_source,
            source_size=(width, height),
            path=record.image_path,
        )

    def _on_decoded_pixels(
        self, polygons: list[np.ndarray], *, orientation: int, stored_size: tuple[int, int]
    ) -> list[np.ndarray]:
        decoded_frame = "upright" if self.exif == "apply" else "stored"
        if orientation == 1 or decoded_frame == self.annotation_frame:
            return polygons
        matrix = orientation_matrix(orientation, stored_size=stored_size)
        if decoded_frame == "stored":
            matrix = np.linalg.inv(matrix)
        return [map_points(polygon, matrix) for polygon in polygons]

    def _note(self, error: ImageError) -> None:
        worker = get_worker_info()
        slot = _MAX_WORKERS_COUNTED if worker is None else worker.id % _MAX_WORKERS_COUNTED
        self._replaced[slot] += 1
        path = Path(error.path)
        if path not in self._named:
            # Once a process and file: every epoch comes past it again.
            self._named.add(path)
            _log.warning("another sample stands in for %s", error)

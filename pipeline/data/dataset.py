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

from pipeline.data.array_files import Arrays
from pipeline.data.cache import ArrayCache, digest
from pipeline.data.decode import (
    DecodedImage,
    Decoder,
    Exif,
    ImageError,
    decoding_matrix,
    orientation_matrix,
    orientation_swaps_sides,
    read_image,
)
from pipeline.data.geometry import map_points
from pipeline.data.normalise import normalise
from pipeline.data.packing import pack_points, pack_texts, unpack_points, unpack_texts
from pipeline.data.picture_files import decoder_versions, image_size
from pipeline.data.readers import Record
from pipeline.data.transforms import Transformed

Transform = Callable[[np.ndarray, Sequence[np.ndarray]], Transformed]
Frame = Literal["stored", "upright"]

_log = logging.getLogger(__name__)

# So many unreadable images in a row are a missing folder or disk, not chance; reading on through millions would hang.
_MAX_BAD_IN_A_ROW = 100
_MAX_WORKERS_COUNTED = 512
# Goes up with every change of this file that changes a sample: those kept from before are then made again.
_SAMPLE_VERSION = 1


@dataclass(frozen=True)
class Sample:
    """One page on its canvas, with N lines of text; coordinates are xy in px, pixel centres at integers.

    `image` uint8 (S, S, 3) RGB, or normalised float32 (3, S, S) or (S, S, 3). `polygons` float32 (n, 2) on the canvas,
    cut at its border, `source_polygons` the same lines, uncut, on the source picture (as decoded, turned upright or
    not). `ignore` bool (N,), `texts` N strings.
    `to_source` float64 (3, 3) maps canvas to source xy; `source_size` is (w, h). `repeats`: it is the same every time.
    """

    image: np.ndarray
    polygons: list[np.ndarray]
    source_polygons: list[np.ndarray]
    ignore: np.ndarray
    texts: list[str]
    to_source: np.ndarray
    source_size: tuple[int, int]
    path: Path
    repeats: bool = False


class OCRDataset(Dataset[Sample]):
    """Samples from `records` by way of `transform`.

    An image that cannot be used is named in a warning and the next good one stands in for it (`num_replaced` counts
    these); with `strict` it is an ImageError that names the file and the index.

    `image_cache` keeps decoded pictures, `sample_cache` whole samples, which needs a transform without chance (one with
    a `cache_key`; with others it is not used); with it no picture is kept twice. Cached arrays are read-only.

    `scaled_decode`: a JPEG file of at least twice the side that `transform` shrinks pages to (its `longer_side`) is
    decoded smaller, which differs a little from shrinking its pixels. `prenormalise`: samples come as the network takes
    them, float32 (3, S, S), or with `channels_last` (S, S, 3).

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
        scaled_decode: bool = False,
        prenormalise: bool = False,
        channels_last: bool = False,
        image_cache: ArrayCache | None = None,
        sample_cache: ArrayCache | None = None,
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
        self.longer_side: int | None = transform.longer_side if scaled_decode else None
        self.prenormalise = prenormalise
        self.channels_last = channels_last
        self._sample_cache = self._usable_sample_cache(sample_cache)
        self._image_cache = None if self._sample_cache is not None else self._usable_image_cache(image_cache)
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

    @property
    def repeats(self) -> bool:
        """Whether each sample is the same every time: its transform draws no random numbers."""
        return getattr(self.transform, "cache_key", None) is not None

    @property
    def caches(self) -> list[ArrayCache]:
        """Those in use."""
        return [cache for cache in (self._image_cache, self._sample_cache) if cache is not None]

    def _load(self, index: int) -> Sample:
        record = self.records[index]
        if self._sample_cache is None:
            return self._make(record)
        key = digest(
            *self._picture_key(record),
            *(self.transform.cache_key, self.annotation_frame, self.min_visible, _SAMPLE_VERSION),
            *(self.prenormalise, self.prenormalise and self.channels_last),
            *(record.polygons, record.ignore, record.texts),
        )
        arrays = self._sample_cache.get_or_make(key, lambda: _packed(self._make(record)))
        return _unpacked(arrays, path=record.image_path)

    def _make(self, record: Record) -> Sample:
        decoded = self._picture(record)
        polygons = self._on_decoded_pixels(
            record.polygons, orientation=decoded.orientation, stored_size=decoded.stored_size
        )
        shrink = self._shrink(decoded)
        shrunk = polygons if shrink is None else [map_points(polygon, shrink) for polygon in polygons]
        result = self.transform(decoded.pixels, shrunk)
        kept = np.flatnonzero(result.visible > 0)
        width, height = decoded.stored_size
        if self.exif == "apply" and orientation_swaps_sides(decoded.orientation):
            width, height = height, width
        return Sample(
            image=self._as_asked(result.image),
            polygons=[result.polygons[line] for line in kept],
            source_polygons=[polygons[line] for line in kept],
            ignore=(record.ignore | (result.visible < self.min_visible))[kept],
            texts=[record.texts[line] for line in kept],
            to_source=result.to_source if shrink is None else np.linalg.inv(shrink) @ result.to_source,
            source_size=(width, height),
            path=record.image_path,
            repeats=self.repeats,
        )

    def _as_asked(self, image: np.ndarray) -> np.ndarray:
        if not self.prenormalise:
            return image
        planes = normalise([image], channels_last=self.channels_last)[0]
        return (planes.permute(1, 2, 0) if self.channels_last else planes).numpy()

    def _picture(self, record: Record) -> DecodedImage:
        def decoded() -> DecodedImage:
            return read_image(record.image_path, exif=self.exif, decoder=self.decoder, longer_side=self.longer_side)

        if self._image_cache is None:
            return decoded()

        def arrays() -> Arrays:
            image = decoded()
            facts = np.array([image.orientation, *image.stored_size], np.int64)
            return {"pixels": image.pixels, "facts": facts, "decoder": pack_texts([image.decoder])[0]}

        kept = self._image_cache.get_or_make(digest(*self._picture_key(record)), arrays)
        orientation, width, height = kept["facts"].tolist()
        return DecodedImage(kept["pixels"], orientation, (width, height), kept["decoder"].tobytes().decode())

    def _picture_key(self, record: Record) -> tuple[str | int, ...]:
        """All that the decoded pixels depend on: the file as it is now, and how it is read."""
        try:
            stat = record.image_path.stat()
        except OSError as error:
            raise ImageError(record.image_path, f"cannot be read: {error.strerror or error}") from error
        identity = (str(record.image_path), stat.st_size, stat.st_mtime_ns)
        return (*identity, self.exif, self.decoder, self.longer_side or 0, decoder_versions())

    def _shrink(self, decoded: DecodedImage) -> np.ndarray | None:
        """The matrix from the picture at full size to `decoded`, float64 (3, 3); None where it is decoded in full."""
        if max(decoded.pixels.shape[:2]) == max(decoded.stored_size):
            return None
        orientation = decoded.orientation if self.exif == "apply" else 1
        full_size = orientation_matrix(orientation, stored_size=decoded.stored_size)
        return decoding_matrix(decoded, exif=self.exif) @ np.linalg.inv(full_size)

    def _usable_sample_cache(self, cache: ArrayCache | None) -> ArrayCache | None:
        if cache is None:
            return None
        if not self.repeats:
            name = type(self.transform).__name__
            _log.info("samples are not kept: %s draws random numbers, so that no two are the same", name)
            return None
        # A page's annotations take little beside its pixels: a hundred lines are 10 kB.
        bytes_each = self.transform.size**2 * 3 * (4 if self.prenormalise else 1) + 16_384
        return cache if cache.reserve(num_entries=len(self.records), bytes_each=bytes_each) else None

    def _usable_image_cache(self, cache: ArrayCache | None) -> ArrayCache | None:
        if cache is None:
            return None
        # The headers of a few pages, evenly spread, tell how large all are.
        looked_at = [self.records[index] for index in np.linspace(0, len(self.records) - 1, 16, dtype=int)]
        sizes = [size for record in looked_at if (size := image_size(record.image_path)) is not None]
        if not sizes:
            return cache
        bytes_each = sum(width * height * 3 for width, height in sizes) // len(sizes)
        return cache if cache.reserve(num_entries=len(self.records), bytes_each=bytes_each) else None

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


def _packed(sample: Sample) -> Arrays:
    polygons, polygon_ends = pack_points(sample.polygons)
    source, source_ends = pack_points(sample.source_polygons)
    texts, text_ends = pack_texts(sample.texts)
    return {
        "image": sample.image,
        "polygons": polygons,
        "polygon_ends": polygon_ends,
        "source": source,
        "source_ends": source_ends,
        "ignore": sample.ignore,
        "texts": texts,
        "text_ends": text_ends,
        "to_source": sample.to_source,
        "source_size": np.array(sample.source_size, np.int64),
    }


def _unpacked(arrays: Arrays, *, path: Path) -> Sample:
    width, height = arrays["source_size"].tolist()
    return Sample(
        image=arrays["image"],
        polygons=unpack_points(arrays["polygons"], arrays["polygon_ends"]),
        source_polygons=unpack_points(arrays["source"], arrays["source_ends"]),
        ignore=arrays["ignore"],
        texts=unpack_texts(arrays["texts"], arrays["text_ends"]),
        to_source=arrays["to_source"],
        source_size=(width, height),
        path=path,
        repeats=True,
    )

"""Images as CLEval gets them, and a batch of them as the arrays that its kernels take."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.detection.cleval_geometry import Bools, Floats, Ints, Outlines, Polygons, box_scales, pack_polygons

DONT_CARE_TEXT = "###"


class ImageBoxes(NamedTuple):
    """Detections and ground truth of one image, as `cleval_core.count_image` takes them.

    `longer_side` is that of the image, in pixels; only scale bins ask for it.
    """

    det_polygons: Outlines
    gt_polygons: Outlines
    gt_texts: Sequence[str] | None = None
    gt_ignore: NDArray[np.bool_] | Sequence[bool] | None = None
    det_texts: Sequence[str] | None = None
    longer_side: float | None = None

    @property
    def compares_texts(self) -> bool:
        """Whether there are transcripts on both sides."""
        return self.gt_texts is not None and self.det_texts is not None


class QuadBatch(NamedTuple):
    """What `cleval_kernels.count_batch` says of its arguments, in their order."""

    det: Floats
    det_starts: Ints
    gt: Floats
    gt_starts: Ints
    lengths: Ints
    ignores: Bools
    det_text: tuple[NDArray[np.uint32], Ints]
    gt_text: tuple[NDArray[np.uint32], Ints]


def dont_care(image: ImageBoxes) -> Bools:
    """(N,) which ground-truth boxes do not count."""
    if image.gt_ignore is not None:
        return np.asarray(image.gt_ignore, dtype=bool)
    if image.gt_texts is None:
        return np.zeros(len(image.gt_polygons), dtype=bool)
    return np.array([text == DONT_CARE_TEXT for text in image.gt_texts], dtype=bool)


def ignores_by_scale(
    gt: Polygons, ignore: Bools, *, longer_side: float | Floats, scale_bins: Sequence[float] | None
) -> Bools:
    """(1 + number of bins, N) boxes that do not count: `ignore`, then also those of another scale than each bin's.

    `longer_side` of the image in pixels, or one a box.
    """
    if scale_bins is None:
        return ignore[None]
    scales = box_scales(gt, longer_side=longer_side)
    return np.stack(
        [ignore, *(ignore | (scales < low) | (scales > high) for low, high in itertools.pairwise(scale_bins))]
    )


def as_quads(outlines: Outlines) -> NDArray[Any] | None:
    """Outlines as one array (N, 4, 2), or None where one has another shape."""
    if not len(outlines):
        return np.zeros((0, 4, 2))
    if not isinstance(outlines, np.ndarray):
        try:
            outlines = np.asarray(outlines, dtype=np.float64)
        except ValueError:  # outlines of unequal lengths
            return None
    return outlines if outlines.shape[1:] == (4, 2) else None


def pack_batch(
    images: Sequence[ImageBoxes],
    quads: Sequence[tuple[NDArray[Any], NDArray[Any]]],
    *,
    scale_bins: Sequence[float] | None,
) -> QuadBatch:
    """`images`, with their detections and ground truth as `quads`; all of them compare texts, or none does."""
    det = np.concatenate([pair[0] for pair in quads], dtype=np.float64)
    gt = np.concatenate([pair[1] for pair in quads], dtype=np.float64)
    num_gt = [len(pair[1]) for pair in quads]
    ignore = _dont_care_of_all(images)
    if scale_bins is not None:
        longer_sides = np.repeat(np.array([image.longer_side for image in images], dtype=np.float64), num_gt)
        # Of an image with a coordinate that is not finite nothing comes of this.
        finite = pack_polygons(np.nan_to_num(gt, posinf=0.0, neginf=0.0))
        ignores = ignores_by_scale(finite, ignore, longer_side=longer_sides, scale_bins=scale_bins)
    else:
        ignores = ignore[None]
    if images[0].compares_texts:
        gt_text = _codes(image.gt_texts or () for image in images)
        det_text = _codes(image.det_texts or () for image in images)
        lengths = np.diff(gt_text[1])
    else:
        none = np.empty(0, dtype=np.int64)
        gt_text = det_text = np.empty(0, dtype=np.uint32), none
        lengths = np.fromiter(itertools.chain.from_iterable(map(_lengths, images)), np.int64, len(gt))
    return QuadBatch(
        det, _starts([len(pair[0]) for pair in quads]), gt, _starts(num_gt), lengths, ignores, det_text, gt_text
    )


def _dont_care_of_all(images: Sequence[ImageBoxes]) -> Bools:
    if any(image.gt_texts is None or image.gt_ignore is not None for image in images):
        return np.concatenate([dont_care(image) for image in images])
    texts = itertools.chain.from_iterable(image.gt_texts or () for image in images)
    return np.array([text == DONT_CARE_TEXT for text in texts], dtype=bool)


def _lengths(image: ImageBoxes) -> Iterable[int]:
    if image.gt_texts is None:
        return itertools.repeat(-1, len(image.gt_polygons))
    return map(len, image.gt_texts)


def _starts(counts: Sequence[int]) -> Ints:
    return np.array([0, *itertools.accumulate(counts)], dtype=np.int64)


def _codes(texts: Iterable[Sequence[str]]) -> tuple[NDArray[np.uint32], Ints]:
    """Character codes of all transcripts, and where each of them starts (number of transcripts + 1,)."""
    flat = list(itertools.chain.from_iterable(texts))
    codes = np.frombuffer("".join(flat).encode("utf-32-le", "surrogatepass"), dtype="<u4")
    return codes.astype(np.uint32), _starts(list(map(len, flat)))

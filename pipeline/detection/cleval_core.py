"""Character counters of CLEval for one image, in NumPy.

CLEval (Baek et al. 2020, https://arxiv.org/abs/2006.06244) judges a detector by characters. Each ground-truth box gets
as many evenly spaced pseudo character centres as its transcript has characters; a centre is found when a matched
detection covers it. For quadrilaterals the counters equal those of the authors' `cleval` 0.1.1. What is easy to miss in
that release:

* areas use vertices truncated to integers, centres use vertices as they come; a detection covers a centre by the
  half-open crossing test on its truncated vertices;
* area precision AP = area(gt ∩ det) / area(det) is rounded to float32 before it is compared with `ap_constraint`;
* `round` is half-to-even;
* a don't-care box loses the area that it shares with boxes that count, so what counts in a scale bin changes other
  areas.

Two inputs which that release cannot take are defined here. Ground truth without transcripts: every box has the length
of a don't-care box, `min(round(0.5 + max(ar, 1 / ar)), 10)` with ar its aspect ratio. Polygons of other than four
vertices: the first half of them (rounded up) runs along the top of the text, the rest comes back along the bottom; a
centre is the midpoint of the two chains at the same share of each chain's length, which for four vertices is the
quadrilateral's rule. Their aspect ratio is that of the minimum-area rectangle, the side nearer to the horizontal over
the other.
"""

from __future__ import annotations

import operator
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from types import ModuleType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.compiled import Kernels, LazyKernels
from pipeline.detection.cleval_batch import ImageBoxes, as_quads, dont_care, ignores_by_scale, pack_batch
from pipeline.detection.cleval_geometry import Ints, Outlines, Polygons, pack_polygons
from pipeline.detection.cleval_plain import count_outlines
from pipeline.detection.cleval_transcripts import count_transcripts

# Compiled for quadrilaterals; other outlines stay here.
_KERNELS = LazyKernels("pipeline.detection.cleval_kernels")


@dataclass(frozen=True, kw_only=True)
class CLEvalSettings:
    """The metric's constants, under the names and with the defaults of `cleval` 0.1.1."""

    case_sensitive: bool = True
    recall_gran_penalty: float = 1.0
    precision_gran_penalty: float = 1.0
    vertical_aspect_ratio_thresh: float = 0.5
    ap_constraint: float = 0.3

    def __post_init__(self) -> None:
        # At 0 every pair of boxes, however far apart, would pass the area test.
        if not 0.0 < self.ap_constraint <= 1.0:
            raise ValueError(f"ap_constraint must be above 0 and at most 1, got {self.ap_constraint}")
        for name in ("recall_gran_penalty", "precision_gran_penalty", "vertical_aspect_ratio_thresh"):
            if not getattr(self, name) >= 0.0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")


DEFAULT_SETTINGS = CLEvalSettings()


@dataclass(frozen=True)
class Counters:
    """Sums over the boxes that count. Those of several images are added before they are divided (micro average)."""

    num_char_gt: int = 0
    num_char_det: int = 0  # centres in their matched detections, each cover once, + num_char_fp
    num_char_tp: int = 0  # centres in at least one matched detection
    num_char_fp: int = 0  # what unmatched detections cost
    num_char_overlapped: int = 0  # covers beyond a centre's first
    recall_gran: int = 0  # matched detections beyond a ground-truth box's first
    precision_gran: int = 0  # matched ground-truth boxes beyond a detection's first
    num_split: int = 0  # ground-truth boxes with several matched detections
    num_merged: int = 0  # detections with several matched ground-truth boxes
    e2e_num_char_det: int = 0  # characters in the transcripts of detections
    e2e_num_char_tp: int = 0  # of those, characters found in the ground truth
    e2e_num_char_fp: int = 0

    def __add__(self, other: Counters) -> Counters:
        return Counters(*(mine + theirs for mine, theirs in zip(self.as_row(), other.as_row(), strict=True)))

    def as_row(self) -> tuple[int, ...]:
        """The counters in the order of `COUNTER_NAMES`."""
        return _VALUES(self)  # dataclasses.astuple copies deeply, which takes longer than counting a small image


COUNTER_NAMES = tuple(field.name for field in fields(Counters))
_VALUES = operator.attrgetter(*COUNTER_NAMES)


class Scores(NamedTuple):
    """Recall, precision and their harmonic mean, 0 to 1; 0 where there is nothing to divide by."""

    recall: float
    precision: float
    hmean: float


def detection_scores(counters: Counters, *, settings: CLEvalSettings = DEFAULT_SETTINGS) -> Scores:
    """Scores of where the text is, whatever it says."""
    return _scores(counters, num_char_tp=counters.num_char_tp, num_char_det=counters.num_char_det, settings=settings)


def end_to_end_scores(counters: Counters, *, settings: CLEvalSettings = DEFAULT_SETTINGS) -> Scores:
    """Scores of where the text is and what it says; 0 from counters that were made without transcripts."""
    num_char_tp, num_char_det = counters.e2e_num_char_tp, counters.e2e_num_char_det
    return _scores(counters, num_char_tp=num_char_tp, num_char_det=num_char_det, settings=settings)


def _scores(counters: Counters, *, num_char_tp: int, num_char_det: int, settings: CLEvalSettings) -> Scores:
    found = max(0.0, num_char_tp - settings.recall_gran_penalty * counters.recall_gran)
    right = max(0.0, num_char_tp - settings.precision_gran_penalty * counters.precision_gran)
    recall = found / counters.num_char_gt if counters.num_char_gt else 0.0
    precision = right / num_char_det if num_char_det else 0.0
    return Scores(recall, precision, 2 * recall * precision / (recall + precision) if recall + precision else 0.0)


def count_image(
    det_polygons: Outlines,
    gt_polygons: Outlines,
    *,
    gt_texts: Sequence[str] | None = None,
    gt_ignore: NDArray[np.bool_] | Sequence[bool] | None = None,
    det_texts: Sequence[str] | None = None,
    settings: CLEvalSettings = DEFAULT_SETTINGS,
    kernels: Kernels = "auto",
) -> Counters:
    """Counters of one image.

    `gt_ignore` alone says which boxes are don't-care; without it the transcript "###" does. The `e2e_` counters stay 0
    unless `gt_texts` and `det_texts` are both given. Raises ValueError, naming the box, for an outline that is not
    (n >= 3, 2) finite numbers, and for lists of unequal length. `kernels` is what `pipeline.compiled` makes of it.
    """
    image = _checked(ImageBoxes(det_polygons, gt_polygons, gt_texts, gt_ignore, det_texts), settings)
    return Counters(*_count([image], settings, kernels, scale_bins=None)[0, 0].tolist())


def count_image_by_scale(
    det_polygons: Outlines,
    gt_polygons: Outlines,
    *,
    scale_bins: Sequence[float],
    longer_side: float,
    gt_texts: Sequence[str] | None = None,
    gt_ignore: NDArray[np.bool_] | Sequence[bool] | None = None,
    det_texts: Sequence[str] | None = None,
    settings: CLEvalSettings = DEFAULT_SETTINGS,
    kernels: Kernels = "auto",
) -> list[Counters]:
    """Counters of the whole image, then of each bin between neighbouring edges in `scale_bins`, both ends included.

    A box's scale is the short side of its minimum-area rectangle over the image's `longer_side` in pixels. In a bin,
    ground truth of another scale is don't-care. All bins share one pass over the geometry.
    """
    image = ImageBoxes(det_polygons, gt_polygons, gt_texts, gt_ignore, det_texts, longer_side)
    rows = _count([_checked(image, settings)], settings, kernels, scale_bins=scale_bins)[0]
    return [Counters(*row) for row in rows.tolist()]


def count_images(
    images: Sequence[ImageBoxes],
    *,
    settings: CLEvalSettings = DEFAULT_SETTINGS,
    scale_bins: Sequence[float] | None = None,
    kernels: Kernels = "auto",
) -> Ints:
    """Counters (B, 1 + number of bins, 12) of a batch, in the order of `COUNTER_NAMES`: of each image, then its bins.

    What `count_image` and `count_image_by_scale` count, in one compiled call. Sum over the first axis for the batch;
    ValueError names the image by its place in the batch.
    """
    checked = []
    for index, image in enumerate(images):
        try:
            checked.append(_checked(image, settings))
        except ValueError as error:
            raise ValueError(f"image {index} of the batch: {error}") from error
    return _count(checked, settings, kernels, scale_bins=scale_bins, names_images=True)


def _checked(image: ImageBoxes, settings: CLEvalSettings) -> ImageBoxes:
    """The image with its transcripts in the case that counts; ValueError where lists are of unequal length."""
    num_gt = len(image.gt_polygons)
    if image.gt_ignore is not None and len(image.gt_ignore) != num_gt:
        raise ValueError(f"gt_ignore has {len(image.gt_ignore)} entries for {num_gt} boxes")
    return image._replace(
        gt_texts=_cased("gt_texts", image.gt_texts, num_gt, settings),
        det_texts=_cased("det_texts", image.det_texts, len(image.det_polygons), settings),
    )


def _count(
    images: Sequence[ImageBoxes],
    settings: CLEvalSettings,
    kernels: Kernels,
    *,
    scale_bins: Sequence[float] | None,
    names_images: bool = False,
) -> Ints:
    """Counters (B, R, 12) of checked images, by kernels where these take the outlines, or in NumPy."""
    counted = np.full((len(images), len(scale_bins) if scale_bins else 1, len(COUNTER_NAMES)), -1, dtype=np.int64)
    compiled = _KERNELS.take(kernels)
    if compiled is not None:
        _count_compiled(compiled, images, settings, scale_bins, counted)
    for index in np.flatnonzero(counted[:, 0, 0] < 0).tolist():
        start = time.perf_counter()
        try:
            counted[index] = _count_plainly(images[index], settings, scale_bins)
        except ValueError as error:
            raise ValueError(f"image {index} of the batch: {error}" if names_images else str(error)) from error
        _KERNELS.spend(time.perf_counter() - start)
    return counted


def _count_compiled(
    compiled: ModuleType,
    images: Sequence[ImageBoxes],
    settings: CLEvalSettings,
    scale_bins: Sequence[float] | None,
    counted: Ints,
) -> None:
    """Fills the rows of `counted` for images of finite quadrilaterals, and leaves -1 in the others."""
    constants = float(settings.vertical_aspect_ratio_thresh), float(settings.ap_constraint)
    comparing: list[int] = []
    others: list[int] = []
    quads = {}
    for index, image in enumerate(images):
        det, gt = as_quads(image.det_polygons), as_quads(image.gt_polygons)
        if det is not None and gt is not None:
            quads[index] = det, gt
            (comparing if image.compares_texts else others).append(index)
    for group in (comparing, others):
        if group:
            batch = pack_batch(
                [images[index] for index in group], [quads[index] for index in group], scale_bins=scale_bins
            )
            counted[group] = compiled.count_batch(*batch, *constants)


def _count_plainly(
    image: ImageBoxes, settings: CLEvalSettings, scale_bins: Sequence[float] | None
) -> list[tuple[int, ...]]:
    det, gt = _pack("detected", image.det_polygons), _pack("ground-truth", image.gt_polygons)
    longer_side = 1.0 if image.longer_side is None else image.longer_side
    rows, matches = count_outlines(
        det,
        gt,
        lengths=np.array([len(text) for text in image.gt_texts or ()], dtype=np.int64),
        ignores=list(ignores_by_scale(gt, dont_care(image), longer_side=longer_side, scale_bins=scale_bins)),
        vertical_aspect_ratio_thresh=settings.vertical_aspect_ratio_thresh,
        ap_constraint=settings.ap_constraint,
    )
    if image.gt_texts is None or image.det_texts is None:
        return [(*row, 0, 0, 0) for row in rows]
    transcripts = [count_transcripts(image.gt_texts, image.det_texts, each) for each in matches]
    return [(*row, total, found, total - found) for row, (total, found) in zip(rows, transcripts, strict=True)]


def _pack(kind: str, outlines: Outlines) -> Polygons:
    try:
        return pack_polygons(outlines)
    except ValueError as error:
        raise ValueError(f"{kind} {error}") from error


def _cased(name: str, texts: Sequence[str] | None, num_boxes: int, settings: CLEvalSettings) -> Sequence[str] | None:
    if texts is None:
        return None
    if len(texts) != num_boxes:
        raise ValueError(f"{name} has {len(texts)} entries for {num_boxes} boxes")
    # Before lengths are taken, because upper-casing can lengthen a transcript ("ß" becomes "SS").
    return texts if settings.case_sensitive else [text.upper() for text in texts]

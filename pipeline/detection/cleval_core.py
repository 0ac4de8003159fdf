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

import itertools
import operator
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.compiled import Kernels, LazyKernels
from pipeline.detection.cleval_geometry import (
    Bools,
    Floats,
    Ints,
    Outlines,
    Polygons,
    box_scales,
    pack_polygons,
)
from pipeline.detection.cleval_plain import count_outlines
from pipeline.detection.cleval_transcripts import Matches, count_transcripts

DONT_CARE_TEXT = "###"
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
    given = _Given(det_polygons, gt_polygons, gt_texts, gt_ignore, det_texts)
    return _count_rows(given, settings, kernels)[0]


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
    given = _Given(det_polygons, gt_polygons, gt_texts, gt_ignore, det_texts)
    scales = box_scales(_pack("ground-truth", gt_polygons), longer_side=longer_side)
    in_bins = [(scales >= low) & (scales <= high) for low, high in itertools.pairwise(scale_bins)]
    return _count_rows(given, settings, kernels, in_bins=in_bins)


class _Given(NamedTuple):
    """The arguments of one image, as they came."""

    det_polygons: Outlines
    gt_polygons: Outlines
    gt_texts: Sequence[str] | None
    gt_ignore: NDArray[np.bool_] | Sequence[bool] | None
    det_texts: Sequence[str] | None


def _count_rows(
    given: _Given, settings: CLEvalSettings, kernels: Kernels, *, in_bins: Sequence[Bools] = ()
) -> list[Counters]:
    """Counters of the image, then with only those boxes that are in each bin, (N,) bool."""
    num_det, num_gt = len(given.det_polygons), len(given.gt_polygons)
    gt_texts = _cased("gt_texts", given.gt_texts, num_gt, settings)
    det_texts = _cased("det_texts", given.det_texts, num_det, settings)
    ignore = _ignore_mask(given.gt_ignore, gt_texts, num_gt)
    compares_texts = gt_texts is not None and det_texts is not None
    rows, matches = _count_boxes(
        given,
        kernels,
        lengths=np.array([] if gt_texts is None else [len(text) for text in gt_texts], dtype=np.int64),
        ignores=np.stack([ignore, *(ignore | ~in_bin for in_bin in in_bins)]) if in_bins else ignore[None],
        constants=(float(settings.vertical_aspect_ratio_thresh), float(settings.ap_constraint)),
        keeps_matches=compares_texts,
    )
    if not compares_texts:
        return [Counters(*row) for row in rows]
    transcripts = [count_transcripts(gt_texts, det_texts, each) for each in matches]
    return [
        Counters(*row, num_total, num_found, num_total - num_found)
        for row, (num_total, num_found) in zip(rows, transcripts, strict=True)
    ]


def _count_boxes(
    given: _Given,
    kernels: Kernels,
    *,
    lengths: Ints,
    ignores: Bools,
    constants: tuple[float, float],
    keeps_matches: bool,
) -> tuple[list[list[int]], list[Matches]]:
    """The nine detection counters and the matches for each row of `ignores` (R, N), by kernels or in NumPy."""
    compiled = _KERNELS.take(kernels)
    quads = compiled and _as_quads(given)
    if compiled and quads:
        counters, packed = compiled.count_quads(*quads, lengths, ignores, *constants, keeps_matches)
        rows: list[list[int]] = counters.tolist()
        if rows[0][0] >= 0:  # else a coordinate is not finite, of which the plain code says more
            return rows, _unpacked(packed, num_rows=len(rows)) if keeps_matches else []
    start = time.perf_counter()
    counted = count_outlines(
        _pack("detected", given.det_polygons),
        _pack("ground-truth", given.gt_polygons),
        lengths=lengths,
        ignores=list(ignores),
        vertical_aspect_ratio_thresh=constants[0],
        ap_constraint=constants[1],
    )
    _KERNELS.spend(time.perf_counter() - start)
    return counted


def _unpacked(packed: Ints, *, num_rows: int) -> list[Matches]:
    """Matches of each row from the vector that `cleval_kernels.count_quads` makes."""
    num_pairs, num_covers = packed[:2].tolist()
    covers = 2 + 2 * num_pairs
    rows = covers + 2 * num_covers
    ignores = rows + num_rows * num_pairs
    matched = packed[rows:ignores].reshape(num_rows, -1).astype(bool)
    det_ignore = packed[ignores:].reshape(num_rows, -1).astype(bool)
    return [
        Matches(
            packed[2 : 2 + num_pairs],
            packed[2 + num_pairs : covers],
            matched[row],
            det_ignore[row],
            packed[covers : covers + num_covers],
            packed[covers + num_covers : rows],
        )
        for row in range(num_rows)
    ]


def _as_quads(given: _Given) -> tuple[Floats, Floats] | None:
    """Detections and ground truth, (N, 4, 2) contiguous; None where an outline has another shape."""
    quads = []
    for outlines in (given.det_polygons, given.gt_polygons):
        try:
            array = np.ascontiguousarray(outlines, dtype=np.float64) if len(outlines) else np.zeros((0, 4, 2))
        except ValueError:  # outlines of unequal lengths
            return None
        if array.shape[1:] != (4, 2):
            return None
        quads.append(array)
    return quads[0], quads[1]


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


def _ignore_mask(
    gt_ignore: NDArray[np.bool_] | Sequence[bool] | None, gt_texts: Sequence[str] | None, num_boxes: int
) -> Bools:
    if gt_ignore is not None:
        if len(gt_ignore) != num_boxes:
            raise ValueError(f"gt_ignore has {len(gt_ignore)} entries for {num_boxes} boxes")
        return np.asarray(gt_ignore, dtype=bool)
    if gt_texts is None:
        return np.zeros(num_boxes, dtype=bool)
    return np.array([text == DONT_CARE_TEXT for text in gt_texts], dtype=bool)

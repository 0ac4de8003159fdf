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
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.detection.cleval_geometry import (
    Bools,
    Floats,
    Ints,
    Outlines,
    Polygons,
    box_scales,
    covered_centres,
    meeting_pairs,
    pack_polygons,
    pair_areas,
    pseudo_centres,
    shapes,
)

DONT_CARE_TEXT = "###"
MAX_PSEUDO_LENGTH = 10  # cap on a don't-care box's length and on what a false detection costs (cleval 0.1.1)
AP_MARGIN = 1e-5  # wider than the float32 rounding of an AP: a subtraction skipped by it cannot turn a comparison


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
        return Counters(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))


COUNTER_NAMES = tuple(field.name for field in fields(Counters))


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
) -> Counters:
    """Counters of one image.

    `gt_ignore` alone says which boxes are don't-care; without it the transcript "###" does. The `e2e_` counters stay 0
    unless `gt_texts` and `det_texts` are both given. Raises ValueError, naming the box, for an outline that is not
    (n >= 3, 2) finite numbers, and for lists of unequal length.
    """
    image = _measure(det_polygons, gt_polygons, gt_texts, gt_ignore, det_texts, settings)
    return _count(image, image.gt_ignore, settings)


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
) -> list[Counters]:
    """Counters of the whole image, then of each bin between neighbouring edges in `scale_bins`, both ends included.

    A box's scale is the short side of its minimum-area rectangle over the image's `longer_side` in pixels. In a bin,
    ground truth of another scale is don't-care. All bins share one pass over the geometry.
    """
    image = _measure(det_polygons, gt_polygons, gt_texts, gt_ignore, det_texts, settings)
    scales = box_scales(image.gt, longer_side=longer_side)
    in_bins = [(scales >= low) & (scales <= high) for low, high in itertools.pairwise(scale_bins)]
    ignores = [image.gt_ignore, *(image.gt_ignore | ~in_bin for in_bin in in_bins)]
    return [_count(image, ignore, settings) for ignore in ignores]


@dataclass(frozen=True)
class _Image:
    """What one geometry pass knows of N ground-truth boxes, M detections and the P pairs whose bounding boxes meet."""

    gt: Polygons
    det: Polygons
    gt_ignore: Bools  # (N,)
    gt_texts: Sequence[str] | None
    det_texts: Sequence[str] | None
    gt_lengths: Ints  # (N,) characters
    det_costs: Ints  # (M,) characters that an unmatched detection costs
    pair_gt: Ints  # (P,) ascending
    pair_det: Ints  # (P,) ascending within one pair_gt
    pair_areas: Floats  # (P,) of gt ∩ det
    pair_counts: Ints  # (P,) centres of gt inside det
    cover_pairs: Ints  # (T,) pair of each covered centre, ascending
    cover_centres: Ints  # (T,) which centre that is, counted through the whole image


def _measure(
    det_polygons: Outlines,
    gt_polygons: Outlines,
    gt_texts: Sequence[str] | None,
    gt_ignore: NDArray[np.bool_] | Sequence[bool] | None,
    det_texts: Sequence[str] | None,
    settings: CLEvalSettings,
) -> _Image:
    gt, det = _pack("ground-truth", gt_polygons), _pack("detected", det_polygons)
    gt_texts = _cased("gt_texts", gt_texts, len(gt), settings)
    det_texts = _cased("det_texts", det_texts, len(det), settings)
    ignore = _ignore_mask(gt_ignore, gt_texts, len(gt))
    gt_lengths = _capped(np.maximum(gt.aspect_ratios, 1 / gt.aspect_ratios))
    if gt_texts is not None:
        gt_lengths = np.where(ignore, gt_lengths, np.array([len(text) for text in gt_texts], dtype=np.int64))

    pair_gt, pair_det = meeting_pairs(gt, det)
    centres = pseudo_centres(gt, gt_lengths, vertical_aspect_ratio_thresh=settings.vertical_aspect_ratio_thresh)
    cover_pairs, cover_centres = covered_centres(centres, gt_lengths, det, pair_gt, pair_det)
    return _Image(
        gt=gt,
        det=det,
        gt_ignore=ignore,
        gt_texts=gt_texts,
        det_texts=det_texts,
        gt_lengths=gt_lengths,
        det_costs=_capped(1 / (1e-5 + det.aspect_ratios)),
        pair_gt=pair_gt,
        pair_det=pair_det,
        pair_areas=pair_areas(gt, det, pair_gt, pair_det),
        pair_counts=np.bincount(cover_pairs, minlength=len(pair_gt)),
        cover_pairs=cover_pairs,
        cover_centres=cover_centres,
    )


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


def _capped(values: Floats) -> Ints:
    return np.minimum(np.rint(0.5 + values), MAX_PSEUDO_LENGTH).astype(np.int64)


def _count(image: _Image, gt_ignore: Bools, settings: CLEvalSettings) -> Counters:
    precisions = _area_precisions(image, gt_ignore, settings.ap_constraint)
    passes = precisions >= np.float32(settings.ap_constraint)
    det_ignore = _ignored_detections(image, gt_ignore, precisions, passes, settings.ap_constraint)
    matched = _matched_pairs(image, gt_ignore, det_ignore, precisions, passes, settings.ap_constraint)

    # The release gives a shared centre to its lowest detection. Sums cannot show whose it is: one cover finds it, the
    # others overlap.
    is_cover = matched[image.cover_pairs]
    num_covers = int(np.count_nonzero(is_cover))
    num_found = len(np.unique(image.cover_centres[is_cover]))
    dets_per_gt = np.bincount(image.pair_gt[matched], minlength=len(image.gt))
    gts_per_det = np.bincount(image.pair_det[matched], minlength=len(image.det))
    num_matched = int(np.count_nonzero(matched))
    num_char_fp = int(image.det_costs[~det_ignore & (gts_per_det == 0)].sum())
    e2e_num_char_det, e2e_num_char_tp = _count_transcripts(image, det_ignore, matched)
    return Counters(
        num_char_gt=int(image.gt_lengths[~gt_ignore].sum()),
        num_char_det=num_covers + num_char_fp,
        num_char_tp=num_found,
        num_char_fp=num_char_fp,
        num_char_overlapped=num_covers - num_found,
        recall_gran=num_matched - int(np.count_nonzero(dets_per_gt)),
        precision_gran=num_matched - int(np.count_nonzero(gts_per_det)),
        num_split=int(np.count_nonzero(dets_per_gt > 1)),
        num_merged=int(np.count_nonzero(gts_per_det > 1)),
        e2e_num_char_det=e2e_num_char_det,
        e2e_num_char_tp=e2e_num_char_tp,
        e2e_num_char_fp=e2e_num_char_det - e2e_num_char_tp,
    )


def _area_precisions(image: _Image, gt_ignore: Bools, ap_constraint: float) -> NDArray[np.float32]:
    """(P,) area precision, exact wherever it can turn a comparison and not less than the true value elsewhere."""
    det_areas = image.det.areas[image.pair_det]
    det_areas = np.where(det_areas > 0, det_areas, np.inf)  # a detection without area has AP 0
    whole = image.pair_areas / det_areas
    loses = gt_ignore[image.pair_gt] & ((whole >= ap_constraint - AP_MARGIN) | (image.pair_counts > 0))
    if not loses.any():
        return whole.astype(np.float32)

    # A don't-care box loses what it shares with boxes that count. That takes a general clipper, so it is done only
    # where all the area that those boxes share with the detection would be enough to turn the comparison.
    taken = np.where(gt_ignore[image.pair_gt], 0.0, image.pair_areas)
    most = np.bincount(image.pair_det, weights=taken, minlength=len(image.det))[image.pair_det] / det_areas
    loses &= (most > 0) & (whole - most < ap_constraint + AP_MARGIN)
    for pair in np.flatnonzero(loses):
        takers = image.pair_gt[(image.pair_det == image.pair_det[pair]) & (taken > 0)]
        whole[pair] = _remaining_area(image, pair, takers) / det_areas[pair]
    return whole.astype(np.float32)


def _remaining_area(image: _Image, pair: int, takers: Ints) -> float:
    """Area of gt ∩ det of a pair less the ground-truth boxes `takers`."""
    import shapely

    (gt_shape,), (det_shape,) = shapes(image.gt, image.pair_gt[[pair]]), shapes(image.det, image.pair_det[[pair]])
    rest = shapely.intersection(gt_shape, det_shape)
    return float(shapely.area(shapely.difference(rest, shapely.union_all(shapes(image.gt, takers)))))


def _ignored_detections(
    image: _Image, gt_ignore: Bools, precisions: NDArray[np.float32], passes: Bools, ap_constraint: float
) -> Bools:
    """(M,) where don't-care boxes hold enough of a detection: one alone, or together those with a centre in it."""
    is_dont_care = gt_ignore[image.pair_gt]
    ignored = np.zeros(len(image.det), dtype=bool)
    ignored[image.pair_det[is_dont_care & passes]] = True
    is_added = is_dont_care & (image.pair_counts > 0)
    sums = np.zeros(len(image.det), dtype=np.float32)
    np.add.at(sums, image.pair_det[is_added], precisions[is_added])  # in float32 steps, as the release adds them
    return ignored | (sums >= np.float32(ap_constraint))


def _matched_pairs(
    image: _Image,
    gt_ignore: Bools,
    det_ignore: Bools,
    precisions: NDArray[np.float32],
    passes: Bools,
    ap_constraint: float,
) -> Bools:
    """(P,) pairs of boxes that count and are matched one-to-one, one-to-many or many-to-one."""
    pair_gt, pair_det, num_gt, num_det = image.pair_gt, image.pair_det, len(image.gt), len(image.det)
    counts = ~(gt_ignore[pair_gt] | det_ignore[pair_det])
    has_centre = image.pair_counts > 0
    # One-to-one: the box has one hit, those of ignored detections included. The definition asks as much of the
    # detection; but one that hits a second box is either ignored or matched many-to-one, so nothing depends on that.
    hits = passes & has_centre
    one_to_one = hits & counts & (np.bincount(pair_gt[hits], minlength=num_gt)[pair_gt] == 1)

    hits &= counts
    one_to_many = hits & (np.bincount(pair_gt[hits], minlength=num_gt)[pair_gt] >= 2)

    # Many-to-one adds the areas of a detection's boxes up, so none of them has to pass on its own.
    touches = has_centre & counts
    touched = pair_det[touches]
    sums = np.bincount(touched, weights=precisions[touches], minlength=num_det)  # in float64, as the release adds these
    is_shared = (np.bincount(touched, minlength=num_det) >= 2) & (sums >= ap_constraint)
    return one_to_one | one_to_many | (touches & is_shared[pair_det])


def _count_transcripts(image: _Image, det_ignore: Bools, matched: Bools) -> tuple[int, int]:
    """Characters in the transcripts of detections that count, and how many of them the ground truth confirms.

    Ground-truth boxes, in ascending order, each take the longest common subsequence with what is left of their
    detections' transcripts, joined in reading order. What one takes is gone for the next.
    """
    if image.gt_texts is None or image.det_texts is None:
        return 0, 0
    left = list(image.det_texts)
    num_total = sum(len(text) for text, is_ignored in zip(left, det_ignore.tolist(), strict=True) if not is_ignored)
    num_found = 0
    num_gts = np.bincount(image.pair_det[matched], minlength=len(left)).tolist()
    pairs = np.flatnonzero(matched).tolist()
    gt_of_pair = image.pair_gt.tolist()
    for gt_index, own_pairs in itertools.groupby(pairs, key=gt_of_pair.__getitem__):
        dets = _reading_order(image, list(own_pairs))
        common = longest_common_subsequence(image.gt_texts[gt_index], "".join([left[det] for det in dets]))
        num_found += len(common)
        if len(dets) == 1 and num_gts[dets[0]] == 1:
            continue  # no other box will look at what is left
        for character in common:
            owner = next(det for det in dets if character in left[det])
            left[owner] = left[owner].replace(character, "", 1)
    return num_total, num_found


def _reading_order(image: _Image, pairs: list[int]) -> list[int]:
    """Detections of one ground-truth box in the order of the centres that they cover.

    A centre brings in one detection at most and the last detection left goes to the end. If several are left without a
    centre of their own, the release forgets all but the first of them, and so does this.
    """
    if len(pairs) == 1:
        return [int(image.pair_det[pairs[0]])]
    dets = image.pair_det[pairs].tolist()
    first, last = np.searchsorted(image.cover_pairs, [pairs, [pair + 1 for pair in pairs]])
    covers = {
        det: set(image.cover_centres[low:high].tolist()) for det, low, high in zip(dets, first, last, strict=True)
    }
    order: list[int] = []
    for centre in sorted(set.union(*covers.values())):
        if len(dets) == 1:
            break
        owner = next((det for det in dets if centre in covers[det]), None)
        if owner is not None:
            order.append(owner)
            dets.remove(owner)
    return [*order, dets[0]]


def longest_common_subsequence(first: str, second: str) -> str:
    """A longest common subsequence of two strings; of several, the one that the release's table finds.

    Bit-parallel (Hyyrö 2004): in row i, an integer, bit j is 0 where column j adds one to the length for first[: i +
    1].
    """
    if first == second:
        return first
    positions: dict[str, int] = {}
    for column, character in enumerate(second):
        positions[character] = positions.get(character, 0) | 1 << column
    row = full = (1 << len(second)) - 1
    rows = []
    for character in first:
        hits = row & positions.get(character, 0)
        row = ((row + hits) | (row - hits)) & full
        rows.append(row)

    common = []
    i, j = len(first) - 1, len(second) - 1
    while i >= 0 and j >= 0:
        if first[i] == second[j]:
            common.append(first[i])
            i, j = i - 1, j - 1
        elif rows[i] >> j & 1:
            j -= 1  # column j adds nothing, so the cell to the left is at least as long as the one above
        else:
            i -= 1
    return "".join(reversed(common))

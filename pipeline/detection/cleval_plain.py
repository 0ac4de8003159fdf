"""CLEval's measuring and matching of one image in NumPy, for outlines of any number of vertices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.detection.cleval_geometry import (
    Bools,
    Floats,
    Ints,
    Polygons,
    covered_centres,
    meeting_pairs,
    pair_areas,
    pseudo_centres,
    shapes,
)
from pipeline.detection.cleval_transcripts import Matches

MAX_PSEUDO_LENGTH = 10  # cap on a don't-care box's length and on what a false detection costs (cleval 0.1.1)
AP_MARGIN = 1e-5  # wider than the float32 rounding of an AP: a subtraction skipped by it cannot turn a comparison


def count_outlines(
    det: Polygons,
    gt: Polygons,
    *,
    lengths: Ints,
    ignores: Sequence[Bools],
    vertical_aspect_ratio_thresh: float,
    ap_constraint: float,
) -> tuple[list[list[int]], list[Matches]]:
    """The nine detection counters of one image, and its matches, for each of several ways to ignore ground truth.

    `lengths` (N,) is empty without transcripts; `ignores` are (N,) each, the first one being the image's own.
    """
    image = _measured(
        det, gt, lengths=lengths, ignore=ignores[0], vertical_aspect_ratio_thresh=vertical_aspect_ratio_thresh
    )
    rows, matches = zip(*(_count(image, ignore, ap_constraint) for ignore in ignores), strict=True)
    return list(rows), list(matches)


@dataclass(frozen=True)
class _Image:
    """What one geometry pass knows of N ground-truth boxes, M detections and the P pairs whose bounding boxes meet."""

    gt: Polygons
    det: Polygons
    gt_lengths: Ints  # (N,) characters
    det_costs: Ints  # (M,) characters that an unmatched detection costs
    pair_gt: Ints  # (P,) ascending
    pair_det: Ints  # (P,) ascending within one pair_gt
    pair_areas: Floats  # (P,) of gt ∩ det
    pair_counts: Ints  # (P,) centres of gt inside det
    cover_pairs: Ints  # (T,) pair of each covered centre, ascending
    cover_centres: Ints  # (T,) which centre that is, counted through the whole image


def _measured(
    det: Polygons, gt: Polygons, *, lengths: Ints, ignore: Bools, vertical_aspect_ratio_thresh: float
) -> _Image:
    gt_lengths = _capped(np.maximum(gt.aspect_ratios, 1 / gt.aspect_ratios))
    if len(lengths):
        gt_lengths = np.where(ignore, gt_lengths, lengths)
    pair_gt, pair_det = meeting_pairs(gt, det)
    centres = pseudo_centres(gt, gt_lengths, vertical_aspect_ratio_thresh=vertical_aspect_ratio_thresh)
    cover_pairs, cover_centres = covered_centres(centres, gt_lengths, det, pair_gt, pair_det)
    return _Image(
        gt=gt,
        det=det,
        gt_lengths=gt_lengths,
        det_costs=_capped(1 / (1e-5 + det.aspect_ratios)),
        pair_gt=pair_gt,
        pair_det=pair_det,
        pair_areas=pair_areas(gt, det, pair_gt, pair_det),
        pair_counts=np.bincount(cover_pairs, minlength=len(pair_gt)),
        cover_pairs=cover_pairs,
        cover_centres=cover_centres,
    )


def _capped(values: Floats) -> Ints:
    return np.minimum(np.rint(0.5 + values), MAX_PSEUDO_LENGTH).astype(np.int64)


def _count(image: _Image, gt_ignore: Bools, ap_constraint: float) -> tuple[list[int], Matches]:
    precisions = _area_precisions(image, gt_ignore, ap_constraint)
    passes = precisions >= np.float32(ap_constraint)
    det_ignore = _ignored_detections(image, gt_ignore, precisions, passes, ap_constraint)
    matched = _matched_pairs(image, gt_ignore, det_ignore, precisions, passes, ap_constraint)

    # The release gives a shared centre to its lowest detection. Sums cannot show whose it is: one cover finds it, the
    # others overlap.
    is_cover = matched[image.cover_pairs]
    num_covers = int(np.count_nonzero(is_cover))
    num_found = len(np.unique(image.cover_centres[is_cover]))
    dets_per_gt = np.bincount(image.pair_gt[matched], minlength=len(image.gt))
    gts_per_det = np.bincount(image.pair_det[matched], minlength=len(image.det))
    num_matched = int(np.count_nonzero(matched))
    num_char_fp = int(image.det_costs[~det_ignore & (gts_per_det == 0)].sum())
    counters = [
        int(image.gt_lengths[~gt_ignore].sum()),
        num_covers + num_char_fp,
        num_found,
        num_char_fp,
        num_covers - num_found,
        num_matched - int(np.count_nonzero(dets_per_gt)),
        num_matched - int(np.count_nonzero(gts_per_det)),
        int(np.count_nonzero(dets_per_gt > 1)),
        int(np.count_nonzero(gts_per_det > 1)),
    ]
    return counters, Matches(image.pair_gt, image.pair_det, matched, det_ignore, image.cover_pairs, image.cover_centres)


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

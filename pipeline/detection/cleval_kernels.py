"""CLEval's geometry and matching for quadrilaterals, compiled: one call a batch of images.

The same arithmetic in the same order as `cleval_geometry` and `cleval_core`, where the definitions are explained, so
that the two give equal counters. Only where boxes are concave or crossed, or don't-care areas have to be subtracted, is
the way another: slabs between the vertices and crossings of all edges, in place of shapely's overlay.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call"
# numba infers types from the arguments; annotations would only repeat the docstrings.

import numpy as np

from pipeline.compiled import compiled
from pipeline.detection.cleval_quad_kernels import measured_quads, shared_area
from pipeline.detection.cleval_text_kernels import count_characters
from pipeline.detection.slab_area import slab_area

MAX_PSEUDO_LENGTH = 10.0
AP_MARGIN = 1e-5
NUM_COUNTERS = 12


@compiled
def count_batch(
    det, det_starts, gt, gt_starts, lengths, ignores, det_text, gt_text,
    vertical_aspect_ratio_thresh, ap_constraint,
):  # fmt: skip
    """Counters (B, R, 12) int64 of B images for each of R ways to ignore ground truth.

    `det` (M, 4, 2) and `gt` (N, 4, 2) float64, those of image i from starts[i] to starts[i + 1]; `lengths` (N,) int64
    characters, -1 where shape says how many; `ignores` (R, N) bool, the first row being the images' own. `det_text` and
    `gt_text` are character codes and where each transcript starts (M + 1,), (N + 1,), those starts empty where texts
    are not compared. counters[i, 0, 0] is -1 where a coordinate is not finite, and the rest void.
    """
    counters = np.zeros((len(det_starts) - 1, len(ignores), NUM_COUNTERS), np.int64)
    for image in range(len(counters)):
        first_det, last_det = det_starts[image], det_starts[image + 1]
        first_gt, last_gt = gt_starts[image], gt_starts[image + 1]
        _count_image(
            counters[image],
            det[first_det:last_det],
            gt[first_gt:last_gt],
            lengths[first_gt:last_gt],
            ignores[:, first_gt:last_gt],
            (det_text[0], det_text[1][first_det : last_det + 1]),
            (gt_text[0], gt_text[1][first_gt : last_gt + 1]),
            vertical_aspect_ratio_thresh,
            ap_constraint,
        )
    return counters


@compiled
def _count_image(
    counters, det, gt, lengths, ignores, det_text, gt_text, vertical_aspect_ratio_thresh, ap_constraint
):  # fmt: skip
    det_cut, det_parts, det_num_parts, det_bounds, det_areas, det_aspects, det_finite = measured_quads(det)
    gt_cut, gt_parts, gt_num_parts, gt_bounds, _, gt_aspects, gt_finite = measured_quads(gt)
    if not (det_finite and gt_finite):
        counters[0, 0] = -1
        return
    gt_lengths = np.empty(len(gt), np.int64)
    num_centres = 0
    for g in range(len(gt)):
        if lengths[g] >= 0 and not ignores[0, g]:
            gt_lengths[g] = lengths[g]
        else:
            gt_lengths[g] = _capped(max(gt_aspects[g], 1 / gt_aspects[g]))
        num_centres += gt_lengths[g]

    pair_gt, pair_det = _meeting_pairs(gt_bounds, det_bounds)
    cover_pairs, cover_centres, pair_counts = _covers(
        gt, gt_aspects, gt_lengths, det_cut, pair_gt, pair_det, vertical_aspect_ratio_thresh
    )
    areas = np.zeros(len(pair_gt))
    outline, window = np.empty((4, 2)), np.empty((4, 2))
    for pair in range(len(pair_gt)):
        g, d = pair_gt[pair], pair_det[pair]
        for one in range(gt_num_parts[g]):
            for other in range(det_num_parts[d]):
                areas[pair] += shared_area(gt_parts[g, one], det_parts[d, other], outline, window)

    for row in range(len(ignores)):
        ignore = ignores[row]
        matched, det_ignore = np.zeros(len(pair_gt), np.bool_), np.zeros(len(det), np.bool_)
        precisions = _area_precisions(
            areas, pair_counts, pair_gt, pair_det, det_areas, ignore, gt_cut, det_cut, ap_constraint
        )
        _match(precisions, pair_counts, pair_gt, pair_det, ignore, ap_constraint, matched, det_ignore)
        _count(
            counters[row], matched, pair_gt, pair_det, cover_pairs, cover_centres,
            gt_lengths, ignore, det_aspects, det_ignore, num_centres,
        )  # fmt: skip
        if len(det_text[1]):
            num_total, num_found = count_characters(
                gt_text[0], gt_text[1], det_text[0], det_text[1],
                pair_gt, pair_det, matched, det_ignore, cover_pairs, cover_centres,
            )  # fmt: skip
            counters[row, 9], counters[row, 10], counters[row, 11] = num_total, num_found, num_total - num_found


@compiled
def _capped(value):
    return np.int64(min(np.rint(0.5 + value), MAX_PSEUDO_LENGTH))


@compiled
def _meeting_pairs(gt_bounds, det_bounds):
    meets = np.empty(len(gt_bounds) * len(det_bounds), np.bool_)
    count = 0
    for g in range(len(gt_bounds)):
        left, top, right, bottom = gt_bounds[g, 0], gt_bounds[g, 1], gt_bounds[g, 2], gt_bounds[g, 3]
        first = g * len(det_bounds)
        for d in range(len(det_bounds)):
            # Without short cuts, so that the compiler makes vectors of it.
            meets[first + d] = (
                (left <= det_bounds[d, 2])
                & (right >= det_bounds[d, 0])
                & (top <= det_bounds[d, 3])
                & (bottom >= det_bounds[d, 1])
            )
            count += meets[first + d]
    pair_gt, pair_det = np.empty(count, np.int64), np.empty(count, np.int64)
    count = 0
    for both in range(len(meets)):
        if meets[both]:
            pair_gt[count], pair_det[count] = both // len(det_bounds), both % len(det_bounds)
            count += 1
    return pair_gt, pair_det


@compiled
def _covers(gt, aspects, lengths, det_cut, pair_gt, pair_det, vertical_aspect_ratio_thresh):
    """Pair and number of each centre inside the detection of its pair, and how many there are a pair."""
    first_centre = np.empty(len(gt), np.int64)
    num_centres = 0
    for g in range(len(gt)):
        first_centre[g] = num_centres
        num_centres += lengths[g]
    capacity = 0
    for pair in range(len(pair_gt)):
        capacity += lengths[pair_gt[pair]]
    cover_pairs, cover_centres = np.empty(capacity, np.int64), np.empty(capacity, np.int64)
    counts = np.zeros(len(pair_gt), np.int64)
    total = 0
    for pair in range(len(pair_gt)):
        g = pair_gt[pair]
        turn = 3 if aspects[g] < vertical_aspect_ratio_thresh else 0  # the left side becomes the top
        a, b, c, e = turn, (turn + 1) & 3, (turn + 2) & 3, (turn + 3) & 3
        start_x, start_y = (gt[g, a, 0] + gt[g, e, 0]) / 2, (gt[g, a, 1] + gt[g, e, 1]) / 2
        length = max(lengths[g], 1)
        unit_x = ((gt[g, b, 0] + gt[g, c, 0]) / 2 - start_x) / length
        unit_y = ((gt[g, b, 1] + gt[g, c, 1]) / 2 - start_y) / length
        d = pair_det[pair]
        for rank in range(lengths[g]):
            x, y = (start_x + unit_x / 2) + unit_x * rank, (start_y + unit_y / 2) + unit_y * rank
            if _is_inside(x, y, det_cut, d):
                cover_pairs[total], cover_centres[total] = pair, first_centre[g] + rank
                counts[pair] += 1
                total += 1
    return cover_pairs[:total], cover_centres[:total], counts


@compiled
def _is_inside(x, y, quads, index):
    is_inside = False
    x2, y2 = quads[index, 3, 0], quads[index, 3, 1]
    for k in range(4):
        x1, y1 = quads[index, k, 0], quads[index, k, 1]
        if (y1 <= y) != (y2 <= y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1:
            is_inside = not is_inside
        x2, y2 = x1, y1
    return is_inside


@compiled
def _area_precisions(areas, counts, pair_gt, pair_det, det_areas, ignore, gt_cut, det_cut, ap_constraint):
    """(P,) float32, as `cleval_core._area_precisions`."""
    num_pairs = len(areas)
    precisions = np.zeros(num_pairs, np.float32)
    taken = np.zeros(len(det_areas))
    for pair in range(num_pairs):
        g, d = pair_gt[pair], pair_det[pair]
        if not ignore[g]:
            taken[d] += areas[pair]
        if det_areas[d] > 0:
            precisions[pair] = np.float32(areas[pair] / det_areas[d])
    for pair in range(num_pairs):
        g, d = pair_gt[pair], pair_det[pair]
        if not ignore[g] or det_areas[d] <= 0:
            continue
        whole, most = areas[pair] / det_areas[d], taken[d] / det_areas[d]
        if (
            (whole >= ap_constraint - AP_MARGIN or counts[pair] > 0)
            and most > 0
            and whole - most < ap_constraint + AP_MARGIN
        ):
            takers = np.empty((num_pairs, 4, 2))
            num_takers = 0
            for other in range(num_pairs):
                if pair_det[other] == d and not ignore[pair_gt[other]] and areas[other] > 0:
                    for k in range(4):
                        takers[num_takers, k, 0] = gt_cut[pair_gt[other], k, 0]
                        takers[num_takers, k, 1] = gt_cut[pair_gt[other], k, 1]
                    num_takers += 1
            precisions[pair] = np.float32(slab_area(gt_cut[g], det_cut[d], takers[:num_takers]) / det_areas[d])
    return precisions


@compiled
def _match(precisions, counts, pair_gt, pair_det, ignore, ap_constraint, matched, det_ignore):
    """Fills `matched` (P,) and `det_ignore` (M,), as `cleval_core._matched_pairs` and `_ignored_detections`."""
    num_pairs, threshold = len(precisions), np.float32(ap_constraint)
    held = np.zeros(len(det_ignore), np.float32)
    all_hits = np.zeros(len(ignore), np.int64)  # of each ground-truth box
    for pair in range(num_pairs):
        g, d = pair_gt[pair], pair_det[pair]
        if counts[pair] > 0:
            if precisions[pair] >= threshold:
                all_hits[g] += 1
            if ignore[g]:
                held[d] += precisions[pair]
        if ignore[g] and precisions[pair] >= threshold:
            det_ignore[d] = True
    for d in range(len(det_ignore)):
        if held[d] >= threshold:
            det_ignore[d] = True

    own_hits = np.zeros(len(ignore), np.int64)
    num_touches = np.zeros(len(det_ignore), np.int64)
    sums = np.zeros(len(det_ignore))
    for pair in range(num_pairs):
        g, d = pair_gt[pair], pair_det[pair]
        if counts[pair] > 0 and not ignore[g] and not det_ignore[d]:
            num_touches[d] += 1
            sums[d] += np.float64(precisions[pair])
            if precisions[pair] >= threshold:
                own_hits[g] += 1
    for pair in range(num_pairs):
        g, d = pair_gt[pair], pair_det[pair]
        if counts[pair] > 0 and not ignore[g] and not det_ignore[d]:
            is_hit = precisions[pair] >= threshold and (all_hits[g] == 1 or own_hits[g] >= 2)
            matched[pair] = is_hit or (num_touches[d] >= 2 and sums[d] >= ap_constraint)


@compiled
def _count(
    counters, matched, pair_gt, pair_det, cover_pairs, cover_centres,
    gt_lengths, ignore, det_aspects, det_ignore, num_centres,
):  # fmt: skip
    """Fills the first nine of `counters` (12,) in the order of `cleval_core.Counters`."""
    is_found = np.zeros(num_centres, np.bool_)
    num_covers = num_found = 0
    for cover in range(len(cover_pairs)):
        if matched[cover_pairs[cover]]:
            num_covers += 1
            if not is_found[cover_centres[cover]]:
                is_found[cover_centres[cover]] = True
                num_found += 1
    per_gt, per_det = np.zeros(len(ignore), np.int64), np.zeros(len(det_ignore), np.int64)
    for pair in range(len(matched)):
        if matched[pair]:
            per_gt[pair_gt[pair]] += 1
            per_det[pair_det[pair]] += 1
    cost = 0
    for d in range(len(det_ignore)):
        if per_det[d] == 0 and not det_ignore[d]:
            cost += _capped(1 / (1e-5 + det_aspects[d]))
        elif per_det[d] > 1:
            counters[6] += per_det[d] - 1
            counters[8] += 1
    for g in range(len(ignore)):
        if not ignore[g]:
            counters[0] += gt_lengths[g]
        if per_gt[g] > 1:
            counters[5] += per_gt[g] - 1
            counters[7] += 1
    counters[1], counters[2], counters[3], counters[4] = num_covers + cost, num_found, cost, num_covers - num_found

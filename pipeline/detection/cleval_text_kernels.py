"""What CLEval counts end to end, compiled: `cleval_transcripts`, where the rules are explained, on character codes."""

# mypy: disable-error-code="no-untyped-def, no-untyped-call"
# numba infers types from the arguments; annotations would only repeat the docstrings.

import numpy as np

from pipeline.compiled import compiled


@compiled
def count_characters(
    gt_codes, gt_starts, det_codes, det_starts,
    pair_gt, pair_det, matched, det_ignore, cover_pairs, cover_centres,
):  # fmt: skip
    """Characters in the transcripts of detections that count, and how many of them the ground truth confirms.

    Transcript i is codes[starts[i]:starts[i + 1]]; the rest are the fields of `cleval_transcripts.Matches`.
    """
    num_det = len(det_ignore)
    left = det_codes[det_starts[0] : det_starts[num_det]].copy()  # what no ground-truth box has taken yet
    begins = det_starts[:num_det] - det_starts[0]
    ends = det_starts[1 : num_det + 1] - det_starts[0]
    num_total = num_found = 0
    for d in range(num_det):
        if not det_ignore[d]:
            num_total += ends[d] - begins[d]
    num_gts = np.zeros(num_det, np.int64)
    for pair in range(len(matched)):
        if matched[pair]:
            num_gts[pair_det[pair]] += 1
    own_pairs = np.empty(num_det, np.int64)
    order = np.empty(num_det, np.int64)
    pair = 0
    while pair < len(matched):
        g, num_own = pair_gt[pair], 0
        while pair < len(matched) and pair_gt[pair] == g:
            if matched[pair]:
                own_pairs[num_own] = pair
                num_own += 1
            pair += 1
        if num_own == 0:
            continue
        num_dets = _reading_order(own_pairs[:num_own], pair_det, cover_pairs, cover_centres, order)
        joined = _joined(left, begins, ends, order[:num_dets])
        text = gt_codes[gt_starts[g] : gt_starts[g + 1]]
        common = _common_subsequence(text, joined)
        num_found += len(common)
        if num_own == 1 and num_gts[order[0]] == 1:
            continue  # no other box will look at what is left
        for code in common:
            _take(left, begins, ends, order[:num_dets], code)
    return num_total, num_found


@compiled
def _joined(left, begins, ends, order):
    length = 0
    for d in order:
        length += ends[d] - begins[d]
    joined = np.empty(length, left.dtype)
    place = 0
    for d in order:
        for k in range(begins[d], ends[d]):
            joined[place] = left[k]
            place += 1
    return joined


@compiled
def _take(left, begins, ends, order, code):
    """Takes the first `code` out of the first of the transcripts in `order` that holds it."""
    for d in order:
        for k in range(begins[d], ends[d]):
            if left[k] == code:
                for following in range(k + 1, ends[d]):
                    left[following - 1] = left[following]
                ends[d] -= 1
                return


@compiled
def _reading_order(own_pairs, pair_det, cover_pairs, cover_centres, order):
    """Fills `order` with the detections of one ground-truth box as they are read; how many that are."""
    if len(own_pairs) == 1:
        order[0] = pair_det[own_pairs[0]]
        return 1
    places, lasts = np.empty(len(own_pairs), np.int64), np.empty(len(own_pairs), np.int64)
    waiting = np.ones(len(own_pairs), np.bool_)
    cover = 0
    for own in range(len(own_pairs)):  # ascending, as the covers are
        while cover < len(cover_pairs) and cover_pairs[cover] < own_pairs[own]:
            cover += 1
        places[own] = cover
        while cover < len(cover_pairs) and cover_pairs[cover] == own_pairs[own]:
            cover += 1
        lasts[own] = cover
    num_waiting, count = len(own_pairs), 0
    while num_waiting > 1:
        # The next centre that any of them covers, those that have their place included.
        centre = -1
        for own in range(len(own_pairs)):
            if places[own] < lasts[own] and (centre < 0 or cover_centres[places[own]] < centre):
                centre = cover_centres[places[own]]
        if centre < 0:
            break
        has_owner = False
        for own in range(len(own_pairs)):
            if places[own] < lasts[own] and cover_centres[places[own]] == centre:
                places[own] += 1
                if waiting[own] and not has_owner:
                    has_owner, waiting[own] = True, False
                    order[count] = pair_det[own_pairs[own]]
                    count += 1
                    num_waiting -= 1
    for own in range(len(own_pairs)):
        if waiting[own]:
            order[count] = pair_det[own_pairs[own]]
            return count + 1
    return count


@compiled
def _common_subsequence(first, second):
    """A longest common subsequence; of several, the one that the release's table finds."""
    num_first, num_second = len(first), len(second)
    if num_first == num_second:
        num_equal = 0
        while num_equal < num_first and first[num_equal] == second[num_equal]:
            num_equal += 1
        if num_equal == num_first:
            return second
    lengths = np.zeros((num_first + 1, num_second + 1), np.int32)
    for i in range(num_first):
        for j in range(num_second):
            if first[i] == second[j]:
                lengths[i + 1, j + 1] = lengths[i, j] + 1
            else:
                lengths[i + 1, j + 1] = max(lengths[i, j + 1], lengths[i + 1, j])
    common = np.empty(lengths[num_first, num_second], first.dtype)
    place, i, j = len(common), num_first, num_second
    while i > 0 and j > 0:
        if first[i - 1] == second[j - 1]:
            place, i, j = place - 1, i - 1, j - 1
            common[place] = first[i]
        elif lengths[i, j] == lengths[i, j - 1]:
            j -= 1
        else:
            i -= 1
    return common

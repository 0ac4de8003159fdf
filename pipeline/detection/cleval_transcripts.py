"""What CLEval counts end to end: characters of matched detections that the ground truth confirms."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.detection.cleval_geometry import Bools, Ints


@dataclass(frozen=True)
class Matches:
    """P pairs of ground truth and detection, ascending, which of them are matched, and T covered centres."""

    pair_gt: Ints  # (P,)
    pair_det: Ints  # (P,)
    matched: Bools  # (P,)
    det_ignore: Bools  # (M,) detections that do not count
    cover_pairs: Ints  # (T,) pair of each covered centre, ascending
    cover_centres: Ints  # (T,) which centre that is, counted through the whole image


def count_transcripts(gt_texts: Sequence[str], det_texts: Sequence[str], matches: Matches) -> tuple[int, int]:
    """Characters in the transcripts of detections that count, and how many of them the ground truth confirms.

    Ground-truth boxes, in ascending order, each take the longest common subsequence with what is left of their
    detections' transcripts, joined in reading order. What one takes is gone for the next.
    """
    left = list(det_texts)
    num_total = sum(map(len, left))
    for det in matches.det_ignore.nonzero()[0].tolist():
        num_total -= len(left[det])
    num_found = 0
    pairs = matches.matched.nonzero()[0].tolist()
    gt_of_pair, det_of_pair = matches.pair_gt.tolist(), matches.pair_det.tolist()
    num_gts = [0] * len(left)
    for pair in pairs:
        num_gts[det_of_pair[pair]] += 1
    for gt_index, group in itertools.groupby(pairs, key=gt_of_pair.__getitem__):
        own_pairs = list(group)
        dets = [det_of_pair[pair] for pair in own_pairs]
        if len(dets) > 1:
            dets = _reading_order(matches, own_pairs)
        elif num_gts[dets[0]] == 1 and gt_texts[gt_index] == left[dets[0]]:
            num_found += len(left[dets[0]])
            continue
        common = longest_common_subsequence(gt_texts[gt_index], "".join([left[det] for det in dets]))
        num_found += len(common)
        if len(dets) == 1 and num_gts[dets[0]] == 1:
            continue  # no other box will look at what is left
        for character in common:
            owner = next(det for det in dets if character in left[det])
            left[owner] = left[owner].replace(character, "", 1)
    return num_total, num_found


def _reading_order(matches: Matches, pairs: list[int]) -> list[int]:
    """Detections of one ground-truth box in the order of the centres that they cover.

    A centre brings in one detection at most and the last detection left goes to the end. If several are left without a
    centre of their own, the release forgets all but the first of them, and so does this.
    """
    dets = matches.pair_det[pairs].tolist()
    first, last = np.searchsorted(matches.cover_pairs, [pairs, [pair + 1 for pair in pairs]])
    covers = {
        det: set(matches.cover_centres[low:high].tolist()) for det, low, high in zip(dets, first, last, strict=True)
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

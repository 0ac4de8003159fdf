"""What must hold of CLEval on any page: seeded random pages, and a slow rewrite of the definition, box by box."""

from dataclasses import replace

import numpy as np
import pytest
import shapely

from pipeline.detection.cleval_core import (
    CLEvalSettings,
    Counters,
    count_image,
    count_image_by_scale,
    detection_scores,
    end_to_end_scores,
)

SEEDS = range(25)


def make_page(rng):
    """Words on a page: rows of upright boxes that neither touch nor leave wide gaps, with transcripts."""
    quads, texts = [], []
    for row in range(rng.integers(2, 7)):
        x = rng.integers(0, 30)
        for _ in range(rng.integers(2, 6)):
            length = rng.integers(1, 9)
            width, height = 8 * length + rng.integers(4, 12), rng.integers(12, 22)
            top = 40 * row + rng.integers(0, 8)
            quads.append([[x, top], [x + width, top], [x + width, top + height], [x, top + height]])
            texts.append("".join(rng.choice(list("abcdeABC019 "), size=length)))
            x += width + rng.integers(2, 10)
    return np.array(quads, dtype=np.float64), texts


def turned(quads, angle):
    """The page turned about its corner, by an angle that keeps text from running down."""
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return quads @ turn.T + 500.0


def hull(first, second):
    low, high = np.minimum(first, second).min(axis=0), np.maximum(first, second).max(axis=0)
    return np.array([low, [high[0], low[1]], high, [low[0], high[1]]])


def neighbours(quads, rng):
    """Two boxes that follow each other in one row."""
    follows = np.flatnonzero(np.diff(quads[:, 0, 0]) > 0)
    return (index := int(rng.choice(follows))), index + 1


def flawed(quads, rng):
    """Detections from ground truth: some missing, some moved, some twice."""
    kept = quads[rng.random(len(quads)) < 0.85]
    again = kept[rng.random(len(kept)) < 0.15]
    every = np.concatenate([kept, again])
    return every + rng.normal(0, 4, every.shape) * (rng.random(len(every)) < 0.4)[:, None, None]


# ---- promises


@pytest.mark.parametrize("seed", SEEDS)
def test_perfect_detections_score_one(seed):
    rng = np.random.default_rng(seed)
    quads, texts = make_page(rng)
    quads = turned(quads, rng.uniform(-0.6, 0.6))
    ignore = rng.random(len(quads)) < 0.2
    ignore[0] = False
    order = rng.permutation(len(quads))
    det_texts = [texts[index] for index in order]
    counters = count_image(quads[order], quads, gt_texts=texts, gt_ignore=ignore, det_texts=det_texts)
    assert detection_scores(counters) == end_to_end_scores(counters) == (1.0, 1.0, 1.0)
    assert detection_scores(count_image(quads[order], quads, gt_ignore=ignore)) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize("seed", SEEDS)
def test_merging_two_lines_costs_exactly_the_precision_penalty(seed):
    rng = np.random.default_rng(seed)
    quads, texts = make_page(rng)
    first, second = neighbours(quads, rng)
    merged = np.concatenate([np.delete(quads, [first, second], axis=0), hull(quads[first], quads[second])[None]])
    settings = CLEvalSettings(precision_gran_penalty=float(rng.uniform(0, 3)))
    before, after = (count_image(det, quads, gt_texts=texts, settings=settings) for det in (quads, merged))
    assert after == replace(before, precision_gran=1, num_merged=1)
    lost = detection_scores(before, settings=settings).precision - detection_scores(after, settings=settings).precision
    assert lost == pytest.approx(settings.precision_gran_penalty / before.num_char_det)


@pytest.mark.parametrize("seed", SEEDS)
def test_splitting_a_line_costs_exactly_the_recall_penalty(seed):
    rng = np.random.default_rng(seed)
    quads, texts = make_page(rng)
    index = int(rng.choice([i for i, text in enumerate(texts) if len(text) >= 2]))
    left, right = quads[index].copy(), quads[index].copy()
    left[1:3, 0] = right[[0, 3], 0] = quads[index][:, 0].mean()
    parts = np.concatenate([np.delete(quads, index, axis=0), left[None], right[None]])
    settings = CLEvalSettings(recall_gran_penalty=float(rng.uniform(0, 3)))
    before, after = (count_image(det, quads, gt_texts=texts, settings=settings) for det in (quads, parts))
    assert after == replace(before, recall_gran=1, num_split=1)
    lost = detection_scores(before, settings=settings).recall - detection_scores(after, settings=settings).recall
    assert lost == pytest.approx(settings.recall_gran_penalty / before.num_char_gt)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_false_box_adds_its_cost_to_what_precision_is_divided_by(seed):
    rng = np.random.default_rng(seed)
    quads, texts = make_page(rng)
    det = flawed(quads, rng)
    width, height = rng.integers(4, 60, size=2)
    false_box = np.array([[0, 0], [width, 0], [width, height], [0, height]]) + 2000.0
    cost = min(round(0.5 + 1 / (1e-5 + (width + 1e-5) / (height + 1e-5))), 10)
    before = count_image(det, quads, gt_texts=texts)
    after = count_image([*det, false_box], quads, gt_texts=texts)
    assert after == replace(before, num_char_det=before.num_char_det + cost, num_char_fp=before.num_char_fp + cost)
    if before.num_char_det:
        ratio = before.num_char_det / (before.num_char_det + cost)
        assert detection_scores(after).precision == pytest.approx(detection_scores(before).precision * ratio)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_missed_word_lowers_recall_by_its_characters_and_leaves_precision(seed):
    rng = np.random.default_rng(seed)
    quads, texts = make_page(rng)
    missed = int(rng.integers(len(quads)))
    counters = count_image(np.delete(quads, missed, axis=0), quads, gt_texts=texts)
    num_chars = sum(map(len, texts))
    assert detection_scores(counters)[:2] == ((num_chars - len(texts[missed])) / num_chars, 1.0)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_order_of_boxes_changes_no_detection_counter(seed):
    rng = np.random.default_rng(seed)
    quads, texts = make_page(rng)
    det, ignore = flawed(quads, rng), rng.random(len(quads)) < 0.3
    gt_order, det_order = rng.permutation(len(quads)), rng.permutation(len(det))
    shuffled_texts = [texts[index] for index in gt_order]
    before = count_image(det, quads, gt_texts=texts, gt_ignore=ignore)
    assert before.num_char_tp > 0
    assert before == count_image(det[det_order], quads[gt_order], gt_texts=shuffled_texts, gt_ignore=ignore[gt_order])


@pytest.mark.parametrize("seed", SEEDS)
def test_a_page_shifted_by_whole_pixels_counts_the_same(seed):
    rng = np.random.default_rng(seed)
    quads, texts = make_page(rng)
    quads = quads + 50.0
    det, ignore = flawed(quads, rng), rng.random(len(quads)) < 0.3
    shift = rng.integers(0, 40_000, size=2).astype(np.float64)
    before = count_image(det, quads, gt_texts=texts, gt_ignore=ignore)
    assert before == count_image(det + shift, quads + shift, gt_texts=texts, gt_ignore=ignore)


@pytest.mark.parametrize("seed", SEEDS)
def test_images_beside_each_other_count_as_one_image_or_as_two(seed):
    rng = np.random.default_rng(seed)
    pages = [make_page(rng) for _ in range(2)]
    dets = [flawed(quads, rng) for quads, _ in pages]
    apart = [count_image(det, quads, gt_texts=texts) for det, (quads, texts) in zip(dets, pages, strict=True)]
    aside = np.array([5000.0, 0.0])
    together = count_image(
        np.concatenate([dets[0], dets[1] + aside]),
        np.concatenate([pages[0][0], pages[1][0] + aside]),
        gt_texts=pages[0][1] + pages[1][1],
    )
    assert together == apart[0] + apart[1]


@pytest.mark.parametrize("seed", SEEDS)
def test_vertices_added_on_the_long_edges_change_nothing(seed):
    rng = np.random.default_rng(seed)
    quads, texts = make_page(rng)
    shift = np.array([rng.integers(-20, 20), rng.integers(-6, 7)])
    left_top, right_top, right_bottom, left_bottom = quads.swapaxes(0, 1)
    longer = [
        left_top,
        (left_top + right_top) / 2,
        right_top,
        right_bottom,
        (right_bottom + left_bottom) / 2,
        left_bottom,
    ]
    hexagons = np.stack(longer, axis=1)
    ignore = rng.random(len(quads)) < 0.3
    by_quads = count_image(quads + shift, quads, gt_texts=texts, gt_ignore=ignore)
    by_hexagons = count_image(hexagons + shift, hexagons, gt_texts=texts, gt_ignore=ignore)
    assert by_quads == by_hexagons


@pytest.mark.parametrize("seed", SEEDS)
def test_scale_bins_share_every_character_out_once(seed):
    rng = np.random.default_rng(seed)
    quads, texts = make_page(rng)
    edges = (0.0, 0.0137, 0.0163, 0.0187, 1.0)  # between the scales of whole heights over 1000
    whole, *bins = count_image_by_scale(
        quads, quads, gt_texts=texts, det_texts=texts, scale_bins=edges, longer_side=1000
    )
    for name in ("num_char_gt", "num_char_tp", "num_char_det", "e2e_num_char_tp", "e2e_num_char_det"):
        assert sum(getattr(counters, name) for counters in bins) == getattr(whole, name)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_wrong_character_costs_one_on_either_side_end_to_end(seed):
    rng = np.random.default_rng(seed)
    quads, texts = make_page(rng)
    misread = [("#" + text[1:]) if rng.random() < 0.3 else text for text in texts]
    num_wrong = sum(text != other for text, other in zip(texts, misread, strict=True))
    counters = count_image(quads, quads, gt_texts=texts, det_texts=misread)
    assert counters.e2e_num_char_fp == num_wrong
    assert counters.e2e_num_char_tp == counters.num_char_gt - num_wrong


# ---- the definition, slowly


def slow_counters(det, gt, texts, ignore, settings):
    """Detection counters by the definition in Baek et al. and the rules of `cleval` 0.1.1, one box at a time."""
    gt_shapes, det_shapes = ([even_odd(np.trunc(quad)) for quad in quads] for quads in (gt, det))
    lengths = [
        shape_length(quad) if is_ignored else len(text)
        for quad, text, is_ignored in zip(gt, texts, ignore, strict=True)
    ]
    centres = [slow_centres(quad, length, settings) for quad, length in zip(gt, lengths, strict=True)]
    inside = [[[crossings_odd(np.trunc(d), c) for c in own] for d in det] for own in centres]
    cnt = [[sum(hits) for hits in row] for row in inside]
    valid = [not is_ignored for is_ignored in ignore]
    counted = shapely.union_all([shape for shape, ok in zip(gt_shapes, valid, strict=True) if ok])
    ap = np.zeros((len(gt), len(det)), dtype=np.float32)
    for d, det_shape in enumerate(det_shapes):
        x, y = np.trunc(det[d]).T
        area = abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2
        for g, gt_shape in enumerate(gt_shapes):
            rest = gt_shape if valid[g] else gt_shape.difference(counted)
            ap[g, d] = rest.intersection(det_shape).area / area if area else 0

    c = np.float32(settings.ap_constraint)
    gts, dets = range(len(gt)), range(len(det))
    det_valid = []
    for d in dets:
        total = np.float32(0)
        for g in gts:
            total += ap[g, d] if ignore[g] and cnt[g][d] else np.float32(0)
        det_valid.append(not any(ignore[g] and ap[g, d] >= c for g in gts) and total < c)
    hit = [[ap[g, d] >= c and cnt[g][d] > 0 for d in dets] for g in gts]
    match = set()
    for g in (g for g in gts if valid[g]):
        many = [d for d in dets if det_valid[d] and hit[g][d]]
        match |= {(g, d) for d in many if sum(hit[g]) == 1 and sum(row[d] for row in hit) == 1}
        match |= {(g, d) for d in many if len(many) >= 2}
    for d in (d for d in dets if det_valid[d]):
        many = [g for g in gts if valid[g] and cnt[g][d]]
        if len(many) >= 2 and sum(float(ap[g, d]) for g in many) >= settings.ap_constraint:
            match |= {(g, d) for g in many}

    found, num_overlapped = set(), 0
    for d in dets:
        for g in gts:
            for k in range(len(centres[g])):
                if (g, d) in match and inside[g][d][k]:
                    num_overlapped += (g, k) in found
                    found.add((g, k))
    per_gt = [sum((g, d) in match for d in dets) for g in gts]
    per_det = [sum((g, d) in match for g in gts) for d in dets]
    fp = sum(min(round(0.5 + 1 / (1e-5 + slow_aspect(det[d]))), 10) for d in dets if det_valid[d] and not per_det[d])
    return Counters(
        num_char_gt=sum(length for length, ok in zip(lengths, valid, strict=True) if ok),
        num_char_det=sum(cnt[g][d] for g, d in match) + fp,
        num_char_tp=len(found),
        num_char_fp=fp,
        num_char_overlapped=num_overlapped,
        recall_gran=sum(n - 1 for n in per_gt if n),
        precision_gran=sum(n - 1 for n in per_det if n),
        num_split=sum(n > 1 for n in per_gt),
        num_merged=sum(n > 1 for n in per_det),
    )


def even_odd(quad):
    shape = shapely.make_valid(shapely.Polygon(quad))
    return shapely.union_all([part for part in shapely.get_parts(shape) if part.area > 0])


def slow_aspect(quad):
    sides = [float(np.linalg.norm(quad[k] - quad[k - 1])) for k in range(4)]  # left, top, right, bottom
    return (sides[1] / 2 + sides[3] / 2 + 1e-5) / (sides[0] / 2 + sides[2] / 2 + 1e-5)


def shape_length(quad):
    aspect = slow_aspect(quad)
    return min(round(0.5 + max(aspect, 1 / aspect)), 10)


def slow_centres(quad, length, settings):
    left_top, right_top, right_bottom, left_bottom = (
        quad if slow_aspect(quad) >= settings.vertical_aspect_ratio_thresh else np.roll(quad, 1, axis=0)
    )
    start, end = (left_top + left_bottom) / 2, (right_top + right_bottom) / 2
    return [start + (k + 0.5) / length * (end - start) for k in range(length)]


def crossings_odd(quad, point):
    is_inside = False
    for (x1, y1), (x2, y2) in zip(quad, np.roll(quad, 1, axis=0), strict=True):
        if (y1 <= point[1]) != (y2 <= point[1]):
            is_inside ^= point[0] < (x2 - x1) * (point[1] - y1) / (y2 - y1) + x1
    return bool(is_inside)


def rectangles(rng, size):
    low, extent = rng.integers(0, 40, (size, 2)), rng.integers(1, 30, (size, 2))
    return (low[:, None] + np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * extent[:, None]).astype(np.float64)


def crossed(rng, size):
    return rng.uniform(-20, 60, (size, 4, 2))


def slanted(rng, size):
    angles, extent = rng.uniform(-3, 3, size), rng.uniform(3, 50, (size, 2))
    boxes = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * extent[:, None]
    turn = np.stack(
        [np.stack([np.cos(angles), -np.sin(angles)], -1), np.stack([np.sin(angles), np.cos(angles)], -1)], 1
    )
    return np.einsum("nij,nkj->nki", turn, boxes) + rng.uniform(0, 60, (size, 1, 2))


@pytest.mark.parametrize("make_boxes", [rectangles, crossed, slanted])
def test_counters_are_those_of_the_definition_box_by_box(make_boxes):
    rng = np.random.default_rng(7)
    num_matched = 0
    for case in range(150):
        det, gt = make_boxes(rng, rng.integers(0, 8)), make_boxes(rng, rng.integers(0, 8))
        texts = ["x" * rng.integers(0, 7) for _ in gt]
        ignore = rng.random(len(gt)) < 0.3
        settings = CLEvalSettings(
            ap_constraint=float(rng.choice([0.1, 0.3, 0.5])), vertical_aspect_ratio_thresh=float(rng.choice([0.5, 2.0]))
        )
        counters = count_image(det, gt, gt_texts=texts, gt_ignore=ignore, settings=settings)
        assert counters == slow_counters(det, gt, texts, ignore, settings), case
        num_matched += counters.num_char_tp
    assert num_matched > 100

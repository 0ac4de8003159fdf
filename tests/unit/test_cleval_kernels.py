"""Compiled CLEval counts what plain CLEval counts, box for box, whatever the boxes."""

import sys

import numpy as np
import pytest
import shapely

from pipeline.detection import cleval_core
from pipeline.detection.cleval_core import CLEvalSettings, Counters, count_image, count_image_by_scale

pytest.importorskip("numba")

from pipeline.detection.slab_area import slab_area


def upright(rng, size):
    low, extent = rng.integers(-10, 40, (size, 2)), rng.integers(0, 30, (size, 2))  # some without area
    return (low[:, None] + np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * extent[:, None]).astype(np.float64)


def leaning(rng, size):
    angles, extent = rng.uniform(-3, 3, size), rng.uniform(3, 50, (size, 2))
    boxes = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * extent[:, None]
    turn = np.stack(
        [np.stack([np.cos(angles), -np.sin(angles)], -1), np.stack([np.sin(angles), np.cos(angles)], -1)], 1
    )
    return np.einsum("nij,nkj->nki", turn, boxes) + rng.uniform(0, 60, (size, 1, 2))


def crossed_and_concave(rng, size):
    return rng.uniform(-20, 60, (size, 4, 2))


def anticlockwise(rng, size):
    return leaning(rng, size)[:, ::-1]


def with_repeated_corners(rng, size):
    quads = crossed_and_concave(rng, size).round()
    quads[:, 1] = quads[:, 0]
    return quads


def far_away(rng, size):
    return upright(rng, size) + 70_000


KINDS = [upright, leaning, crossed_and_concave, anticlockwise, with_repeated_corners, far_away]


def random_image(make_boxes, rng):
    gt = make_boxes(rng, rng.integers(0, 9))
    kept = rng.random(len(gt)) < 0.7
    det = np.concatenate([gt[kept] + rng.normal(0, 2, (kept.sum(), 4, 2)), make_boxes(rng, rng.integers(0, 5))])
    texts = ["".join(rng.choice(list("abc"), size=rng.integers(0, 7))) for _ in gt]
    det_texts = ["".join(rng.choice(list("abc"), size=rng.integers(0, 7))) for _ in det]
    return det, gt, texts, det_texts, rng.random(len(gt)) < 0.3


@pytest.mark.parametrize("make_boxes", KINDS)
def test_counters_are_the_plain_ones(make_boxes):
    rng = np.random.default_rng(5)
    total = Counters()
    for case in range(120):
        det, gt, texts, det_texts, ignore = random_image(make_boxes, rng)
        settings = CLEvalSettings(
            ap_constraint=float(rng.choice([0.1, 0.3, 0.5])), vertical_aspect_ratio_thresh=float(rng.choice([0.5, 2.0]))
        )
        given = {"gt_texts": texts, "gt_ignore": ignore, "det_texts": det_texts, "settings": settings}
        if case % 3 == 0:
            del given["gt_texts"], given["det_texts"]  # lengths by shape
        plain, compiled = (count_image(det, gt, **given, kernels=kernels) for kernels in ("plain", "compiled"))
        assert compiled == plain, case
        total += plain
    assert min(total.num_char_tp, total.num_char_fp, total.e2e_num_char_tp, total.recall_gran) > 0


@pytest.mark.parametrize("make_boxes", KINDS)
def test_scale_bins_are_the_plain_ones(make_boxes):
    rng = np.random.default_rng(6)
    for case in range(40):
        det, gt, texts, det_texts, ignore = random_image(make_boxes, rng)
        given = {"gt_texts": texts, "det_texts": det_texts, "gt_ignore": ignore}
        plain, compiled = (
            count_image_by_scale(det, gt, **given, scale_bins=(0, 0.1, 0.3, 1), longer_side=80, kernels=kernels)
            for kernels in ("plain", "compiled")
        )
        assert compiled == plain, case


def test_quads_may_come_as_a_list_of_any_float_type_and_polygons_beside_them():
    rng = np.random.default_rng(7)
    det, gt, texts, *_ = random_image(leaning, rng)
    expected = count_image(det.astype(np.float32), gt.astype(np.float32), gt_texts=texts, kernels="plain")
    as_lists = [list(boxes.astype(np.float32)) for boxes in (det, gt)]
    assert count_image(*as_lists, gt_texts=texts, kernels="compiled") == expected
    hexagon = np.array([[0, 0], [20, 0], [40, 0], [40, 9], [20, 9], [0, 9]], dtype=np.float64)
    mixed = [*det, hexagon]
    plain, compiled = (count_image(mixed, [*gt, hexagon], kernels=kernels) for kernels in ("plain", "compiled"))
    assert compiled == plain and plain.num_char_tp > 0


@pytest.mark.parametrize("kernels", ["plain", "compiled"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("corner", range(4))
def test_what_is_not_finite_is_named_either_way(kernels, value, corner):
    good, bad = upright(np.random.default_rng(0), 3), upright(np.random.default_rng(1), 3)
    bad[1, corner, corner % 2] = value
    with pytest.raises(ValueError, match="detected box 1 "):
        count_image(bad, good, kernels=kernels)
    with pytest.raises(ValueError, match="ground-truth box 1 "):
        count_image(good, bad, kernels=kernels)


def even_odd(quad):
    shape = shapely.make_valid(shapely.Polygon(quad))
    return shapely.union_all([part for part in shapely.get_parts(shape) if part.area > 0])


@pytest.mark.parametrize("whole", [True, False], ids=["whole pixels", "anywhere"])
@pytest.mark.parametrize("make_boxes", KINDS)
def test_slabs_give_the_area_that_overlay_gives(make_boxes, whole):
    rng = np.random.default_rng(8)
    for case in range(60):
        quads = make_boxes(rng, 2 + rng.integers(0, 4))
        quads = np.trunc(quads) if whole else quads
        first, second, *others = map(even_odd, quads)
        expected = shapely.difference(shapely.intersection(first, second), shapely.union_all(others)).area
        assert slab_area(quads[0], quads[1], quads[2:]) == pytest.approx(expected, rel=1e-9, abs=1e-7), case


def test_without_numba_the_counters_are_the_same_and_a_warning_says_that_it_is_slower(monkeypatch, caplog):
    det, gt, texts, det_texts, ignore = random_image(leaning, np.random.default_rng(9))
    given = {"gt_texts": texts, "det_texts": det_texts, "gt_ignore": ignore}
    expected = count_image(det, gt, **given, kernels="compiled")
    monkeypatch.setitem(sys.modules, "numba", None)
    monkeypatch.delitem(sys.modules, "pipeline.detection.cleval_kernels")
    monkeypatch.delitem(sys.modules, "pipeline.detection.slab_area")
    monkeypatch.setattr(cleval_core, "_KERNELS", cleval_core.LazyKernels("pipeline.detection.cleval_kernels"))
    assert count_image(det, gt, **given, kernels="compiled") == expected
    assert "numba cannot be imported" in caplog.text

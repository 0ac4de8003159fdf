"""Compiled boxes are those that OpenCV and Clipper give: regions, rectangles, means inside, and what they grow to."""

import json
import logging
import sys

import cv2
import numpy as np
import pytest

from pipeline.detection import postprocess
from pipeline.detection.postprocess import DBPostprocess, mean_inside
from pipeline.detection.targets import DBTargets

pytest.importorskip("numba")

from pipeline.detection import rectangle_kernels, region_kernels

needs_opencv_5 = pytest.mark.skipif(
    int(cv2.__version__.split(".")[0]) < 5, reason="the kernels follow the minAreaRect of OpenCV 5"
)


def blobs(rng, size):
    """A map of smooth regions, some with holes and some across the border."""
    noise = cv2.GaussianBlur(rng.random(size).astype(np.float32), (0, 0), float(rng.uniform(2, 6)))
    return (noise - noise.min()) / (noise.max() - noise.min())


def words(rng, size):
    prob = np.full(size, 0.05, np.float32)
    for _ in range(12):
        center, extent = rng.uniform(0, size[::-1]), rng.uniform(3, 60, 2)
        corners = cv2.boxPoints((center.tolist(), extent.tolist(), float(rng.uniform(0, 180))))
        cv2.fillPoly(prob, [corners.astype(np.int32)], float(rng.uniform(0.5, 1)))
    return prob


def as_row(rectangle):
    return np.array([*rectangle[0], *rectangle[1], rectangle[2]], dtype=np.float32)


def run(prob, *, thresh=0.5, max_candidates=10_000, min_size=3.0):
    return region_kernels.scored_regions(prob, np.float32(thresh), max_candidates, min_size)


@needs_opencv_5
@pytest.mark.parametrize("draw", [blobs, words])
def test_rectangles_are_opencv_s_to_the_bit_and_in_its_order(draw):
    rng = np.random.default_rng(0)
    num_kept = 0
    for case in range(150):
        prob = draw(rng, tuple(rng.integers(20, 160, 2)))
        contours, _ = cv2.findContours((prob > 0.5).view(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
        expected = [as_row(each) for each in map(cv2.minAreaRect, contours) if min(each[1]) >= 3]
        rectangles, _, num_regions, is_finite = run(prob)
        assert num_regions == len(contours) and is_finite
        np.testing.assert_array_equal(rectangles, np.reshape(expected, (-1, 5)), err_msg=str(case))
        num_kept += len(expected)
    assert num_kept > 300


def test_every_region_and_hole_is_found_where_nothing_is_smooth():
    rng = np.random.default_rng(1)
    for _ in range(300):
        size, share = tuple(rng.integers(1, 40, 2)), rng.uniform(0.1, 0.9)
        prob = np.where(rng.random(size) < share, 0.9, 0.1).astype(np.float32)
        contours, _ = cv2.findContours((prob > 0.5).view(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
        assert run(prob)[2] == len(contours)


def test_no_more_than_the_candidates_are_looked_at():
    prob = words(np.random.default_rng(2), (200, 300))
    rectangles, scores, num_regions, _ = run(prob, max_candidates=3)
    assert len(rectangles) == len(scores) <= 3 < num_regions
    np.testing.assert_array_equal(rectangles, run(prob)[0][: len(rectangles)])


def test_means_inside_are_those_over_what_opencv_fills():
    rng = np.random.default_rng(3)
    prob = rng.random((150, 200), dtype=np.float32)
    first, last = np.empty(150, np.int64), np.empty(150, np.int64)
    num_done = 0
    for case in range(3000):
        angle = rng.choice([rng.uniform(0, 180), 0, 45, 90])
        center, extent = rng.uniform((0, 0), (200, 150)), rng.uniform(2, 70, 2)
        corners = cv2.boxPoints((center.tolist(), extent.tolist(), float(angle)))
        score = rectangle_kernels.mean_inside(prob, corners, first, last)
        if np.isnan(score):
            low, high = np.floor(corners.min(axis=0)), np.trunc(corners.max(axis=0))
            assert low.min() < 0 or (high >= (200, 150)).any(), "left to OpenCV without need"
            continue
        num_done += 1
        assert score == pytest.approx(mean_inside(prob, corners), abs=1e-7), case
    assert num_done > 1000


def test_outlines_that_bend_back_are_left_to_opencv():
    prob, room = np.ones((20, 20), np.float32), np.empty(20, np.int64)
    dart = np.array([(2, 2), (10, 4), (2, 12), (4, 6)], np.float32)
    assert np.isnan(rectangle_kernels.mean_inside(prob, dart, room, room.copy()))


@needs_opencv_5
def test_exact_growth_is_clipper_s_offset_and_the_rectangle_around_it():
    rng = np.random.default_rng(4)
    num_left = 0
    for case in range(400):
        ratio = float(rng.uniform(0.3, 3))
        rectangle = (
            (150.0, 140.0),
            tuple(rng.uniform(3, 90, 2).tolist()),
            float(rng.choice([rng.uniform(0, 90), 0, 45])),
        )
        grown = DBPostprocess(kernels="plain", unclip_ratio=ratio)._grown(rectangle)
        expected = np.zeros((0, 4, 2)) if grown is None else postprocess.in_reading_order(grown[None])
        boxes, _ = region_kernels.grown_boxes(as_row(rectangle)[None], np.ones(1), 0.5, ratio, 5.0, True)
        if np.isnan(boxes).any():
            num_left += 1  # moved by less than a pixel
            continue
        np.testing.assert_array_equal(boxes, expected, err_msg=str(case))
    assert num_left < 20


def detect(prob, **settings):
    height, width = prob.shape
    return DBPostprocess(thresh=0.5, box_thresh=0.55, **settings)(
        prob[None, None], to_source=np.eye(3)[None], source_sizes=[(width, height)]
    )[0]


@needs_opencv_5
@pytest.mark.parametrize("unclip", ["exact", "analytic"])
@pytest.mark.parametrize("draw", [blobs, words])
def test_boxes_are_the_plain_ones(draw, unclip):
    rng = np.random.default_rng(5)
    num_boxes = 0
    for case in range(60):
        prob = draw(rng, tuple(rng.integers(40, 200, 2)))
        plain, compiled = (detect(prob, unclip=unclip, kernels=kernels) for kernels in ("plain", "compiled"))
        np.testing.assert_array_equal(compiled.boxes, plain.boxes, err_msg=str(case))
        np.testing.assert_allclose(compiled.scores, plain.scores, atol=1e-6)
        num_boxes += len(plain.boxes)
    assert num_boxes > 50


def test_boxes_thinner_than_two_pixels_are_found_by_opencv_alone(monkeypatch):
    prob = np.full((40, 80), 0.1, np.float32)
    prob[10:12, 5:70] = prob[20:30, 5:70] = 0.9
    monkeypatch.setattr(region_kernels, "scored_regions", None)
    assert len(detect(prob, min_size=1.0, kernels="compiled").boxes) == 2


@pytest.mark.parametrize("kernels", ["plain", "compiled"])
def test_what_is_not_a_number_is_background_and_reported_either_way(kernels, caplog):
    prob = np.full((60, 80), 0.1, np.float32)
    prob[10:30, 5:70] = 0.9
    expected = detect(prob, kernels=kernels)
    prob[40, 40], prob[50, 5:30] = np.nan, np.inf
    with caplog.at_level(logging.WARNING):
        found = detect(prob, kernels=kernels)
    np.testing.assert_array_equal(found.boxes, expected.boxes)
    assert "not numbers" in caplog.text


def test_without_numba_the_boxes_are_the_same_and_a_warning_says_that_it_is_slower(monkeypatch, caplog):
    prob = words(np.random.default_rng(6), (150, 200))
    expected = detect(prob, kernels="plain")
    monkeypatch.setitem(sys.modules, "numba", None)
    for name in ("region_kernels", "rectangle_kernels", "target_kernels"):
        monkeypatch.delitem(sys.modules, f"pipeline.detection.{name}", raising=False)
    monkeypatch.setattr(postprocess, "_KERNELS", postprocess.LazyKernels("pipeline.detection.region_kernels"))
    np.testing.assert_array_equal(detect(prob, kernels="compiled").boxes, expected.boxes)
    assert "numba cannot be imported" in caplog.text


def test_kernels_leave_the_interpreter_to_other_threads():
    for kernel in (region_kernels.scored_regions, region_kernels.grown_boxes):
        assert kernel.targetoptions["nogil"]
    maps = np.stack([words(np.random.default_rng(seed), (120, 160)) for seed in range(6)])[:, None]
    given = {"to_source": np.stack([np.eye(3)] * 6), "source_sizes": [(160, 120)] * 6}
    one, two = (DBPostprocess(kernels="compiled", num_threads=number)(maps, **given) for number in (1, 2))
    for expected, found in zip(one, two, strict=True):
        np.testing.assert_array_equal(found.boxes, expected.boxes)
        np.testing.assert_array_equal(found.scores, expected.scores)


def real_pages(shared_data):
    """Quads of real pages at 640 pixels: line boxes of receipts, leaning words of photos."""
    receipts, photos = shared_data / "sroie", shared_data / "icdar15" / "textdet_test.json"
    if not receipts.is_dir() or not photos.is_file():
        pytest.skip("neither receipts nor photos are among the shared data")
    for path in sorted((receipts / "box").iterdir())[:12]:
        rows = [line.split(",", 8)[:8] for line in path.read_text(errors="replace").splitlines()]
        quads = np.array([row for row in rows if len(row) == 8], dtype=np.float32).reshape(-1, 4, 2)
        yield list(quads * np.float32(640 / quads.max()))
    for image in json.loads(photos.read_text())["data_list"]:
        scale = np.float32(640 / max(image["width"], image["height"]))
        yield [np.array(each["polygon"], np.float32).reshape(-1, 2) * scale for each in image["instances"]]


@needs_opencv_5
def test_boxes_of_real_pages_are_the_plain_ones(shared_data):
    num_boxes = 0
    for quads in real_pages(shared_data):
        prob = DBTargets()(quads, ignore=[False] * len(quads), size=(640, 640)).prob_map.astype(np.float32)
        prob = cv2.GaussianBlur(prob, (0, 0), 0.8)
        plain, compiled = (detect(prob, kernels=kernels) for kernels in ("plain", "compiled"))
        np.testing.assert_array_equal(compiled.boxes, plain.boxes)
        np.testing.assert_allclose(compiled.scores, plain.scores, atol=1e-6)
        num_boxes += len(plain.boxes)
    assert num_boxes > 100

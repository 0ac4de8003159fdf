"""Boxes and target maps equal those of MhLiao/DB, from its outputs kept in `peer_outputs.json`.

They were made by MhLiao/DB 65ca77a, unmodified, with OpenCV 5.0, pyclipper 1.4, shapely 2 and NumPy 2.4 (`np.int` put
back) on the inputs that this module draws: `SegDetectorRepresenter.boxes_from_bitmap`, and `MakeSegDetectionData`
followed by `MakeBorderMap`. Masks are kept as the pixels at which they change, row by row; of the thresholds those
above the background, in 1e-4.
"""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.detection.postprocess import DBPostprocess
from pipeline.detection.targets import DBTargets

OUTPUTS = json.loads(Path(__file__).with_name("peer_outputs.json").read_text())


def page_of_words(*, degrees, seed, size=(240, 320)):
    """A probability map with words of many sizes, some of them faint, across the border or with holes."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[: size[0], : size[1]].astype(np.float64)
    prob = np.full(size, 0.04)
    for number in range(30):
        cx, cy = 30 + number % 6 * 52 + random.uniform(-4, 4), 20 + number // 6 * 48 + random.uniform(-4, 4)
        width, height = random.uniform(10, 44), random.uniform(2.5, 18)
        angle = np.deg2rad(degrees + random.uniform(-3, 3) * (degrees != 0))
        u, v = (x - cx) * np.cos(angle) + (y - cy) * np.sin(angle), (y - cy) * np.cos(angle) - (x - cx) * np.sin(angle)
        inside = np.minimum(width / 2 - np.abs(u), height / 2 - np.abs(v))  # distance from the border, above 0 inside
        word = random.choice([0.6, 0.85, 0.95]) * np.clip(0.5 + inside / 2, 0, 1)
        if number % 7 == 3:
            word[(np.abs(u) < 3) & (np.abs(v) < 2)] = 0.1
        prob = np.maximum(prob, word)
    return (np.round(prob * 512) / 512).astype(np.float32)


PAGES = {
    "upright": {"degrees": 0, "seed": 0},
    "leaning": {"degrees": 17, "seed": 1},
    "steep": {"degrees": -52, "seed": 2},
    "at 45 degrees": {"degrees": 45, "seed": 3},
}


def bent_word(center, *, radius, height, points=7):
    angles = np.linspace(np.pi * 1.1, np.pi * 1.9, points)
    rays = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    outline = np.concatenate([rays * (radius + height), rays[::-1] * radius]) + center
    return np.round(outline, 2).astype(np.float32)


TARGETS = {
    "upright": ([[(5, 6), (50.5, 6), (50.5, 20.25), (5, 20.25)], [(8, 30), (60, 30), (60, 44), (8, 44)]], [0, 0]),
    "leaning and ignored": (
        [
            [(10, 8), (54, 19), (51, 31), (7, 20)],
            [(4, 40), (40, 32), (42, 44), (6, 52)],
            [(40, 50), (60, 46), (61, 58), (42, 61)],
        ],
        [0, 0, 1],
    ),
    "too small, and across the border": (
        [
            [(-6, -4), (30, 2), (28, 16), (-8, 10)],
            [(40, 40), (60, 40), (60, 46), (40, 46)],
            [(35, 10), (90, 12), (88, 30), (34, 28)],
        ],
        [0, 0, 0],
    ),
    "with a hole in the reference": (
        [
            [
                (14.600000381469727, 10.899999618530273),
                (61.5395393371582, 25.09889030456543),
                (55.144935607910156, 46.238555908203125),
                (8.205394744873047, 32.039669036865234),
            ]
        ],
        [0],
    ),
    "bent": ([bent_word((32.4, 52.3), radius=18, height=17)], [0]),
}
SIDE = 64


def polygons_of(name):
    polygons, ignore = TARGETS[name]
    return [np.array(polygon, dtype=np.float32) for polygon in polygons], np.array(ignore, dtype=bool)


def changes(mask):
    """Flat indices at which a mask changes, its start counted as a change from 0."""
    flat = np.asarray(mask).ravel().astype(np.int8)
    return np.flatnonzero(np.diff(flat, prepend=0)).tolist()


def mask_from(places):
    mask = np.zeros(SIDE * SIDE, dtype=np.uint8)
    mask[places] = 1
    return (np.cumsum(mask) % 2).reshape(SIDE, SIDE)


@pytest.fixture(params=["plain", "compiled"])
def kernels(request):
    if request.param == "compiled":
        pytest.importorskip("numba")
    return request.param


def in_any_order(boxes, scores):
    rows = np.concatenate([np.asarray(boxes).reshape(-1, 8), np.asarray(scores).reshape(-1, 1)], axis=1)
    return rows[np.lexsort(rows.T[::-1])]


@pytest.mark.parametrize("name", PAGES)
def test_boxes_and_scores_are_the_reference_s_to_the_pixel(name, kernels):
    if kernels == "plain" and int(cv2.__version__.split(".")[0]) < 5:
        pytest.skip("the kept boxes are those of OpenCV 5, whose minAreaRect is another than OpenCV 4's")
    prob = page_of_words(**PAGES[name])
    height, width = prob.shape
    found = DBPostprocess(kernels=kernels)(prob[None, None], to_source=np.eye(3)[None], source_sizes=[(width, height)])[
        0
    ]
    expected = in_any_order(OUTPUTS["boxes"][name]["boxes"], OUTPUTS["boxes"][name]["scores"])
    rows = in_any_order(found.boxes, found.scores)
    assert len(rows) == len(expected) > 10
    np.testing.assert_array_equal(rows[:, :8], expected[:, :8])
    np.testing.assert_allclose(rows[:, 8], expected[:, 8], atol=1e-6)


@pytest.mark.parametrize("name", PAGES)
def test_analytic_boxes_are_as_many_and_within_two_pixels(name):
    prob = page_of_words(**PAGES[name])
    height, width = prob.shape
    found = DBPostprocess(unclip="analytic")(
        prob[None, None], to_source=np.eye(3)[None], source_sizes=[(width, height)]
    )[0]
    expected = np.array(OUTPUTS["boxes"][name]["boxes"], dtype=np.float32).reshape(-1, 4, 2)
    assert len(found.boxes) == len(expected)
    for box in expected:
        # Of a box that stands on its corner another one may be the top left.
        turned = np.stack([np.roll(box, turn, axis=0) for turn in range(4)])
        assert np.abs(found.boxes[:, None] - turned).max(axis=(2, 3)).min() <= 2


@pytest.mark.parametrize("name", TARGETS)
def test_masks_have_no_differing_pixel(name, kernels):
    polygons, ignore = polygons_of(name)
    maps = DBTargets(kernels=kernels)(polygons, ignore=ignore, size=(SIDE, SIDE))
    for mask in ("prob_map", "prob_mask", "thresh_mask"):
        assert changes(getattr(maps, mask)) == OUTPUTS["targets"][name][mask], mask


@pytest.mark.parametrize("name", TARGETS)
def test_thresholds_are_the_reference_s_but_for_its_holes(name, kernels):
    polygons, ignore = polygons_of(name)
    thresh_map = DBTargets(kernels=kernels)(polygons, ignore=ignore, size=(SIDE, SIDE)).thresh_map
    expected = np.full((SIDE, SIDE), 0.3)
    expected[mask_from(OUTPUTS["targets"][name]["is_raised"]) == 1] = np.array(OUTPUTS["targets"][name]["raised"]) / 1e4
    # Where rounding makes 1 - cos^2 negative the reference drops the pixel: it keeps the background, or the threshold
    # of another edge. That is so on the borders of the text, where the threshold is highest.
    is_hole = thresh_map > expected + 3e-3
    np.testing.assert_allclose(thresh_map[~is_hole], expected[~is_hole], atol=3e-3)
    assert is_hole.sum() == OUTPUTS["targets"][name]["num_holes"]
    assert (thresh_map[is_hole] > 0.69).all()

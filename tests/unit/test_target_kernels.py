"""Compiled target maps are the plain ones, pixel by pixel and bit by bit."""

import json
import sys

import numpy as np
import pytest

from pipeline.detection import targets
from pipeline.detection.targets import DBTargets

pytest.importorskip("numba")

SIZE = (200, 220)
FIELDS = ("prob_map", "prob_mask", "thresh_mask", "thresh_map", "ignore")


def quad(rng, degrees):
    width, height = rng.uniform(5, 150), rng.uniform(5, 60)
    corners = np.array([[-width, -height], [width, -height], [width, height], [-width, height]]) / 2
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return corners @ turn.T + rng.uniform(-10, 210, 2)  # some across the border, some outside


def upright(rng):
    return quad(rng, 0)


def upright_on_whole_pixels(rng):
    return quad(rng, 0).round()


def almost_upright(rng):
    return quad(rng, rng.normal(0, 2))


def leaning(rng):
    return quad(rng, rng.uniform(0, 360))


def anticlockwise(rng):
    return leaning(rng)[::-1]


def crossed_or_concave(rng):
    return rng.uniform(-20, 220, (4, 2))


def round_outline(rng):
    angles = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 20)))
    rays = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return rays * rng.uniform(10, 90, 2) + rng.uniform(0, 200, 2)


def bent_line_of_fourteen(rng):
    width, height = rng.uniform(30, 150), rng.uniform(8, 30)
    x = np.linspace(-width / 2, width / 2, 7)
    bend = rng.uniform(-1, 1) * height * np.cos(x / width * np.pi)
    sides = [np.stack([x, bend - height / 2], axis=1), np.stack([x, bend + height / 2], axis=1)[::-1]]
    return np.concatenate(sides) + rng.uniform(0, 200, 2)


def with_repeated_corners(rng):
    return np.repeat(almost_upright(rng), rng.integers(1, 4, 4), axis=0)


def few_points_on_a_grid(rng):
    return 20 * rng.integers(0, 10, (rng.integers(1, 7), 2))  # points, lines, triangles, spikes


KINDS = (
    upright,
    upright_on_whole_pixels,
    almost_upright,
    leaning,
    anticlockwise,
    crossed_or_concave,
    round_outline,
    bent_line_of_fourteen,
    with_repeated_corners,
    few_points_on_a_grid,
)


def assert_equal_maps(polygons, ignore, size, **settings):
    plain, compiled = (
        DBTargets(kernels=kernels, **settings)(polygons, ignore=ignore, size=size) for kernels in ("plain", "compiled")
    )
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(compiled, name), getattr(plain, name), err_msg=name)
    return plain


@pytest.mark.parametrize("make_polygon", KINDS)
def test_maps_are_the_plain_ones(make_polygon):
    rng = np.random.default_rng(3)
    num_learnt = 0
    for _ in range(120):
        polygons = [make_polygon(rng).astype(np.float32) for _ in range(rng.integers(0, 4))]
        ignore = rng.random(len(polygons)) < 0.1
        num_learnt += (~assert_equal_maps(polygons, ignore, SIZE).ignore).sum()
    assert num_learnt > 40


def test_other_settings_give_the_plain_maps_too():
    rng = np.random.default_rng(4)
    for _ in range(60):
        polygons = [leaning(rng), round_outline(rng), bent_line_of_fourteen(rng)]
        settings = {"shrink_ratio": rng.uniform(0.1, 0.9), "thresh_min": 0.1, "min_text_size": rng.uniform(0, 10)}
        assert_equal_maps(polygons, [False] * 3, SIZE, **settings)


def test_maps_of_real_pages_are_the_plain_ones(shared_data):
    annotations = json.loads((shared_data / "icdar15" / "textdet_test.json").read_text())
    pages = [
        (
            [np.array(one["polygon"], dtype=np.float32).reshape(-1, 2) for one in image["instances"]],
            [one["ignore"] for one in image["instances"]],
        )
        for image in annotations["data_list"]
    ]
    for path in sorted((shared_data / "sroie" / "box").glob("*"))[:8]:
        lines = [line.split(",", 8)[:8] for line in path.read_text(errors="replace").splitlines()]
        polygons = [np.array(line, dtype=np.float32).reshape(4, 2) for line in lines if len(line) == 8]
        pages.append((polygons, [False] * len(polygons)))
    num_learnt = 0
    for polygons, ignore in pages:
        scale = np.float32(639 / max(polygon.max() for polygon in polygons))
        maps = assert_equal_maps([polygon * scale for polygon in polygons], ignore, (640, 640))
        num_learnt += (~maps.ignore).sum()
    assert num_learnt > 200


def test_without_numba_the_maps_are_the_same_and_a_warning_says_that_it_is_slower(monkeypatch, caplog):
    polygons = [leaning(np.random.default_rng(seed)) for seed in range(4)]
    expected = DBTargets(kernels="compiled")(polygons, ignore=[False] * 4, size=SIZE)
    monkeypatch.setitem(sys.modules, "numba", None)
    monkeypatch.delitem(sys.modules, "pipeline.detection.target_kernels")
    monkeypatch.setattr(targets, "_KERNELS", targets.LazyKernels("pipeline.detection.target_kernels"))
    maps = DBTargets(kernels="compiled")(polygons, ignore=[False] * 4, size=SIZE)
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(maps, name), getattr(expected, name))
    assert "numba cannot be imported" in caplog.text


def test_kernels_that_do_not_exist_are_refused():
    with pytest.raises(ValueError, match="'fast'"):
        DBTargets(kernels="fast")

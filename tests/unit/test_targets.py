"""Target maps: hand-made rectangles, a per-pixel rewrite of the threshold's definition, and real annotations."""

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.detection.targets import DBTargets

REAL_DATA = Path(__file__).parents[3] / "shared" / "data"


def rectangle(left, top, right, bottom):
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], dtype=np.float32)


def rotated(width, height, *, center, degrees):
    corners = rectangle(-width / 2, -height / 2, width / 2, height / 2)
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return (corners @ turn.T + center).astype(np.float32)


def arc(num_points, *, center, radius, thickness):
    angles = np.linspace(0.2, 2.6, num_points // 2)
    rays = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return (np.concatenate([rays * radius, rays[::-1] * (radius + thickness)]) + center).astype(np.float32)


def make(polygons, *, ignore=None, size=(120, 200), **settings):
    return DBTargets(**settings)(polygons, ignore=[False] * len(polygons) if ignore is None else ignore, size=size)


def threshold_by_definition(polygon, *, size, reach):
    """0.3 to 0.7, pixel by pixel and edge by edge in float64, over the whole canvas."""
    y, x = np.mgrid[: size[0], : size[1]].astype(np.float64)
    nearest = np.full(size, np.inf)
    points = polygon.astype(np.float64)
    for a, b in zip(points, np.roll(points, -1, axis=0), strict=True):
        to_a = (x - a[0]) ** 2 + (y - a[1]) ** 2
        to_b = (x - b[0]) ** 2 + (y - b[1]) ** 2
        length = ((a - b) ** 2).sum()
        if length == 0:
            nearest = np.minimum(nearest, to_a)
            continue
        cross = (b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0])
        nearest = np.minimum(nearest, np.where(to_a + to_b > length, np.minimum(to_a, to_b), cross**2 / length))
    return 0.3 + 0.4 * (1 - np.minimum(1, np.sqrt(nearest) / reach))


def offset_of(polygon, ratio=0.4):
    x, y = polygon.astype(np.float64).T
    area = abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2
    return area * (1 - ratio**2) / np.hypot(x - np.roll(x, 1), y - np.roll(y, 1)).sum()


def test_rectangle_shrinks_and_dilates_by_area_times_one_minus_r_squared_over_perimeter():
    # 100 x 40: 4000 x 0.84 / 280 = 12 pixels.
    maps = make([rectangle(50, 40, 150, 80)])
    expected = np.zeros((120, 200), dtype=np.uint8)
    expected[52:69, 62:139] = 1
    np.testing.assert_array_equal(maps.prob_map, expected)
    rows, columns = np.nonzero(maps.thresh_mask)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (28, 92, 38, 162)
    assert maps.thresh_mask[28, 38] == 0, "the dilated corner is round"


def test_threshold_is_highest_on_the_border_and_falls_linearly_to_both_sides():
    threshold = make([rectangle(50, 40, 150, 80)]).thresh_map
    np.testing.assert_array_equal(threshold[40, 50:151], np.float32(0.7))
    np.testing.assert_array_equal(threshold[40:81, 150], np.float32(0.7))
    inwards = 0.7 - 0.4 * np.arange(13) / 12
    np.testing.assert_allclose(threshold[40:53, 100], inwards, atol=1e-6)
    np.testing.assert_allclose(threshold[40:27:-1, 100], inwards, atol=1e-6)
    assert threshold[60, 100] == threshold[0, 0] == np.float32(0.3)


@pytest.mark.parametrize(
    "polygon",
    [
        rotated(120, 30, center=(100, 60), degrees=17),
        rotated(60, 55, center=(90, 60), degrees=-38),
        rotated(90, 20, center=(100, 60), degrees=90),
        rectangle(20.25, 30.5, 170.75, 61.125),
        arc(14, center=(100, 30), radius=40, thickness=22),
        np.insert(rectangle(30, 30, 130, 70), 1, [30, 30], axis=0),
    ],
    ids=["leaning line", "leaning square", "standing line", "fractional corners", "arc of 14", "repeated corner"],
)
def test_threshold_map_is_its_definition_without_holes(polygon):
    maps = make([polygon])
    expected = threshold_by_definition(polygon, size=(120, 200), reach=offset_of(polygon))
    rows, columns = np.nonzero(maps.thresh_mask)
    box = np.s_[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    np.testing.assert_allclose(maps.thresh_map[box], expected[box], atol=2e-5)


def test_overlapping_texts_take_the_higher_threshold():
    first, second = rectangle(20, 30, 120, 70), rectangle(60, 50, 180, 95)
    both = make([first, second])
    np.testing.assert_array_equal(both.thresh_map, np.maximum(make([first]).thresh_map, make([second]).thresh_map))
    np.testing.assert_array_equal(both.prob_map, make([first]).prob_map | make([second]).prob_map)


def test_order_of_points_and_starting_corner_do_not_matter():
    polygon = rotated(120, 30, center=(100, 60), degrees=17)
    expected = make([polygon])
    for other in (polygon[::-1], np.roll(polygon, 1, axis=0)):
        maps = make([other])
        np.testing.assert_array_equal(maps.prob_map, expected.prob_map)
        np.testing.assert_array_equal(maps.thresh_mask, expected.thresh_mask)
        np.testing.assert_allclose(maps.thresh_map, expected.thresh_map, atol=1e-6)


def test_polygons_given_are_left_as_they_were():
    polygon, flags = rectangle(-30, 40, 150, 80), np.array([False])
    before = polygon.copy()
    make([polygon], ignore=flags)
    make([rectangle(10, 10, 60, 12)], ignore=flags)
    np.testing.assert_array_equal(polygon, before)
    assert not flags[0]


def assert_masked_out(maps, *, box):
    assert maps.ignore.tolist() == [True]
    assert not maps.prob_map.any() and not maps.thresh_mask.any()
    assert (maps.thresh_map == np.float32(0.3)).all()
    expected = np.ones_like(maps.prob_mask)
    expected[box] = 0
    np.testing.assert_array_equal(maps.prob_mask, expected)


def test_flagged_text_is_masked_out_and_teaches_nothing():
    assert_masked_out(make([rectangle(50, 40, 150, 80)], ignore=[True]), box=np.s_[40:81, 50:151])


def test_text_below_the_minimum_side_is_masked_out_in_both_maps():
    assert_masked_out(make([rectangle(50, 40, 150, 47.9)]), box=np.s_[40:48, 50:151])
    assert make([rectangle(50, 40, 150, 48)]).ignore.tolist() == [False]
    assert make([rectangle(50, 40, 150, 47.9)], min_text_size=7).ignore.tolist() == [False]


def test_text_with_no_inside_left_is_masked_out_in_both_maps():
    # Thinner than the whole pixels that clipper sees.
    sliver = np.array([[20, 20], [20.9, 20], [100.9, 100], [100, 100]], dtype=np.float32)
    maps = make([sliver])
    assert maps.ignore.tolist() == [True]
    assert not maps.prob_map.any() and not maps.thresh_mask.any()
    assert maps.prob_mask[60, 60] == 0


def test_text_across_the_edge_is_cut_there():
    maps = make([rectangle(-50, 40, 100, 80)])
    whole = make([rectangle(0, 40, 100, 80)])
    np.testing.assert_array_equal(maps.prob_map, whole.prob_map)
    np.testing.assert_array_equal(maps.thresh_map, whole.thresh_map)


@pytest.mark.parametrize("polygon", [rectangle(-90, -90, -20, -20), rectangle(300, 10, 400, 60)])
def test_text_outside_the_image_is_ignored(polygon):
    maps = make([polygon])
    assert maps.ignore.tolist() == [True]
    assert not maps.prob_map.any() and not maps.thresh_mask.any()


def test_image_without_text_is_background_that_counts():
    maps = make([])
    assert not maps.prob_map.any() and not maps.thresh_mask.any() and maps.prob_mask.all()
    assert (maps.thresh_map == np.float32(0.3)).all()
    assert maps.ignore.shape == (0,)


def test_types_are_small_and_binary():
    maps = make([rectangle(50, 40, 150, 80)])
    assert {maps.prob_map.dtype, maps.prob_mask.dtype, maps.thresh_mask.dtype} == {np.dtype(np.uint8)}
    assert maps.thresh_map.dtype == np.float32
    assert maps.prob_map.max() == maps.thresh_mask.max() == 1


@pytest.mark.parametrize(
    ("polygons", "ignore", "message"),
    [
        ([np.full((4, 2), np.nan, dtype=np.float32)], [False], "polygon 0 .*not finite"),
        ([rectangle(1, 1, 20, 20), np.zeros((4, 3), dtype=np.float32)], [False, False], "polygon 1 has shape"),
        ([rectangle(1, 1, 20, 20)], [False, True], "1 polygons"),
    ],
)
def test_polygons_that_cannot_be_drawn_are_named(polygons, ignore, message):
    with pytest.raises(ValueError, match=message):
        make(polygons, ignore=ignore)


@pytest.mark.parametrize("settings", [{"shrink_ratio": 1.0}, {"shrink_ratio": 0.0}, {"thresh_min": 0.8}])
def test_settings_without_a_meaning_are_refused(settings):
    with pytest.raises(ValueError, match="must"):
        DBTargets(**settings)


def real_pages():
    """(name, polygons, ignore) of SROIE receipts and ICDAR 2015 photos, scaled to a longer side of 640."""
    pages = []
    for path in sorted((REAL_DATA / "sroie" / "box").glob("*"))[:12]:
        lines = [line.split(",", 8)[:8] for line in path.read_text(errors="replace").splitlines()]
        polygons = [np.array(line, dtype=np.float32).reshape(4, 2) for line in lines if len(line) == 8]
        pages.append((path.stem, polygons, [False] * len(polygons)))
    annotations = json.loads((REAL_DATA / "icdar15" / "textdet_test.json").read_text())
    for image in annotations["data_list"]:
        polygons = [np.array(one["polygon"], dtype=np.float32).reshape(-1, 2) for one in image["instances"]]
        pages.append((image["img_path"], polygons, [one["ignore"] for one in image["instances"]]))
    for name, polygons, ignore in pages:
        scale = np.float32(639 / max(polygon.max() for polygon in polygons))
        yield name, [polygon * scale for polygon in polygons], ignore


@pytest.mark.skipif(not REAL_DATA.is_dir(), reason="needs the real annotations in ../shared/data")
def test_maps_of_real_pages_hold_what_they_promise():
    num_learnt = 0
    for name, polygons, ignore in real_pages():
        maps = make(polygons, ignore=ignore, size=(640, 640))
        assert np.isfinite(maps.thresh_map).all(), name
        assert maps.thresh_map.min() >= np.float32(0.3) and maps.thresh_map.max() <= np.float32(0.7), name
        assert (maps.prob_map <= maps.thresh_mask).all(), name
        assert (maps.ignore >= ignore).all(), name
        for polygon, ignored in zip(polygons, maps.ignore, strict=True):
            corners = np.clip(polygon, 0, 639)
            x, y = np.round(corners).astype(int).T
            if ignored:
                assert (maps.prob_mask[tuple(corners.astype(int).T[::-1])] == 0).all(), name
                continue
            num_learnt += 1
            # The pixel of a corner is at most half a diagonal away from it, where the threshold is 0.7.
            assert (maps.thresh_map[y, x] >= 0.7 - 0.4 * np.sqrt(0.5) / offset_of(corners) - 1e-5).all(), name
            assert (maps.thresh_mask[y, x] == 1).all(), name
    assert num_learnt > 300

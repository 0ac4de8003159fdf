"""Pages on a square canvas: the pixels and the polygons move together, and back."""

from __future__ import annotations

import random

import cv2
import numpy as np
import pytest

from pipeline.data.geometry import clip_to_canvas, map_points, polygon_area
from pipeline.data.transforms import Letterbox, TrainTransform

SQUARE = np.float32([(100, 200), (180, 200), (180, 240), (100, 240)])


def page_with_box(width: int, height: int, box: np.ndarray) -> np.ndarray:
    """A grey page on which the area of `box` is white."""
    page = np.full((height, width, 3), 60, np.uint8)
    cv2.fillPoly(page, [np.round(box).astype(np.int32)], (255, 255, 255))
    return page


def white_centre(image: np.ndarray) -> np.ndarray:
    rows, columns = np.nonzero(image[..., 0] > 160)
    return np.array([columns.mean(), rows.mean()])


def train_transform(**settings: object) -> TrainTransform:
    quiet = {"rotate": 0.0, "scale": (1.0, 1.0), "flip": 0.0, "brightness": 0.0, "contrast": 0.0}
    return TrainTransform(256, **{**quiet, **settings})


@pytest.mark.parametrize(("width", "height"), [(600, 1800), (1800, 600), (40, 50), (256, 256), (257, 1031), (1, 900)])
def test_letterbox_fills_the_longer_side_and_centres_the_other(width: int, height: int):
    result = Letterbox(256)(np.full((height, width, 3), 200, np.uint8), [])
    assert result.image.shape == (256, 256, 3) and result.image.dtype == np.uint8 and result.image.flags.c_contiguous
    covered = np.nonzero(result.image[..., 0] > 100)
    corners = map_points(np.float32([(-0.5, -0.5), (width - 0.5, height - 0.5)]), result.matrix)
    assert corners.min() == pytest.approx(-0.5, abs=1e-3) and corners.max() == pytest.approx(255.5, abs=1e-3)
    assert corners.mean(axis=0) == pytest.approx([127.5, 127.5], abs=1e-3)
    if min(width, height) > 20:
        extent = [covered[1].min(), covered[0].min(), covered[1].max(), covered[0].max()]
        assert extent == pytest.approx(corners.ravel().tolist(), abs=1.1)


@pytest.mark.parametrize("seed", range(12))
def test_pixels_and_polygons_move_together(seed: int):
    random.seed(seed)
    page = page_with_box(700, 900, SQUARE)
    result = TrainTransform(256, brightness=0.0, contrast=0.0)(page, [SQUARE])
    assert result.visible[0] == 1, "choose seeds that do not cut the box"
    assert white_centre(result.image) == pytest.approx(result.polygons[0].mean(axis=0), abs=0.6)
    assert polygon_area(result.polygons[0]) == pytest.approx((result.image[..., 0] > 160).sum(), rel=0.15)


@pytest.mark.parametrize("seed", range(6))
def test_to_source_leads_back(seed: int):
    random.seed(seed)
    points = np.float32([(0, 0), (699, 0), (30.25, 800.5)])
    for transform in (Letterbox(256), TrainTransform(256)):
        result = transform(np.zeros((900, 700, 3), np.uint8), [SQUARE])
        assert result.to_source.dtype == result.matrix.dtype == np.float64
        np.testing.assert_allclose(map_points(map_points(points, result.matrix), result.to_source), points, atol=2e-3)


def test_a_shrunk_page_keeps_thin_strokes():
    page = np.full((2000, 1000, 3), 255, np.uint8)
    page[::8] = 0
    shrunk = Letterbox(256)(page, []).image[40:200, 100:150]
    # Every eighth row is black: an averaged page is an even light grey, a page sampled at points has stripes.
    assert shrunk.mean() == pytest.approx(255 * 7 / 8, abs=3)
    assert shrunk.std() < 25


def test_the_same_seed_gives_the_same_sample():
    page = page_with_box(700, 900, SQUARE)
    images = []
    for seed in (3, 3, 4):
        random.seed(seed)
        images.append(TrainTransform(256)(page, [SQUARE]).image)
    assert np.array_equal(images[0], images[1]) and not np.array_equal(images[0], images[2])


def test_without_chance_it_is_the_letterbox():
    page = page_with_box(700, 900, SQUARE)
    ours, plain = train_transform()(page, [SQUARE]), Letterbox(256)(page, [SQUARE])
    np.testing.assert_allclose(ours.matrix, plain.matrix, atol=1e-9)
    np.testing.assert_array_equal(ours.image, plain.image)


def test_flip_mirrors_across():
    page = page_with_box(700, 900, SQUARE)
    flipped, plain = train_transform(flip=1.0)(page, [SQUARE]), Letterbox(256)(page, [SQUARE])
    np.testing.assert_allclose(flipped.polygons[0][:, 0], 255 - plain.polygons[0][:, 0], atol=1e-3)
    np.testing.assert_allclose(flipped.polygons[0][:, 1], plain.polygons[0][:, 1], atol=1e-3)
    assert white_centre(flipped.image) == pytest.approx(flipped.polygons[0].mean(axis=0), abs=0.6)


def test_a_zoomed_out_page_stays_whole():
    for seed in range(20):
        random.seed(seed)
        result = train_transform(scale=(0.5, 0.5))(page_with_box(700, 900, SQUARE), [SQUARE])
        assert result.visible[0] == 1
        corners = map_points(np.float32([(0, 0), (699, 899)]), result.matrix)
        assert corners.min() >= -0.5 and corners.max() <= 255.5


def test_a_zoomed_in_page_shows_text_and_fills_the_canvas():
    for seed in range(20):
        random.seed(seed)
        result = train_transform(scale=(3.0, 3.0))(np.full((900, 700, 3), 200, np.uint8), [SQUARE])
        assert result.visible[0] > 0
        assert (result.image > 100).all()


def test_a_page_without_polygons_can_be_augmented():
    for seed in range(5):
        random.seed(seed)
        result = TrainTransform(256)(np.full((900, 700, 3), 200, np.uint8), [])
        assert result.polygons == [] and result.visible.shape == (0,)
        assert result.image.any()


def test_polygons_off_the_canvas_are_cut_and_counted():
    half_out = SQUARE - (140, 0)
    outside = SQUARE - (4000, 0)
    result = Letterbox(256)(np.zeros((256, 256, 3), np.uint8), [SQUARE, half_out, outside])
    assert result.visible[0] == 1 and result.visible[1] == pytest.approx(0.5, abs=0.02) and result.visible[2] == 0
    assert result.polygons[1][:, 0].min() == 0
    assert len(result.polygons[2]) == 0


def test_light_changes_and_keeps_uint8():
    page = np.full((256, 256, 3), 128, np.uint8)
    random.seed(1)
    results = [train_transform(brightness=0.2)(page, []).image for _ in range(8)]
    assert len({int(image[128, 128, 0]) for image in results}) > 4
    assert all(128 - 52 <= int(image[128, 128, 0]) <= 128 + 52 for image in results)
    assert results[0].dtype == np.uint8


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"size": 250}, "size"),
        ({"size": 0}, "size"),
        ({"rotate": -1}, "rotate"),
        ({"scale": (0, 1)}, "scale"),
        ({"scale": (3, 1)}, "scale"),
        ({"flip": 2}, "flip"),
        ({"contrast": 1.0}, "contrast"),
    ],
)
def test_settings_out_of_range_are_refused_by_name(settings: dict[str, object], named: str):
    with pytest.raises(ValueError, match=named):
        TrainTransform(**{"size": 256, **settings})


def test_clipping_cuts_a_corner_off():
    diamond = np.float32([(0, -5), (5, 0), (0, 5), (-5, 0)])
    clipped = clip_to_canvas(diamond, width=100, height=100)
    assert polygon_area(clipped) == pytest.approx(12.5)
    assert clipped.min() >= 0


def test_clipping_leaves_a_polygon_inside_as_it_is():
    np.testing.assert_array_equal(clip_to_canvas(SQUARE, width=300, height=300), SQUARE)


def test_points_follow_a_projective_matrix():
    matrix = cv2.getPerspectiveTransform(SQUARE, SQUARE + np.float32([(0, 0), (9, 3), (5, 8), (-4, 2)]))
    expected = cv2.perspectiveTransform(SQUARE[None], matrix)[0]
    np.testing.assert_allclose(map_points(SQUARE, matrix), expected, atol=1e-3)

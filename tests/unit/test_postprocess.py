"""Boxes and polygons from probability maps: round trips through the targets, hand-made maps, and broken input."""

import logging

import cv2
import numpy as np
import pyclipper
import pytest

from pipeline.detection.postprocess import DBPostprocess, in_reading_order, mean_inside
from pipeline.detection.targets import DBTargets


def quad(width, height, *, center, degrees=0.0):
    corners = np.array([[-width, -height], [width, -height], [width, height], [-width, height]], dtype=np.float64) / 2
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return (corners @ turn.T + center).astype(np.float32)


def kernels(quads, *, size=(640, 640)):
    """The probability map that the targets ask for, (H, W) float32."""
    return DBTargets()(quads, ignore=[False] * len(quads), size=size).prob_map.astype(np.float32)


def blank(size=(100, 200)):
    return np.zeros(size, dtype=np.float32)


def detect(*maps, to_source=None, source_sizes=None, **settings):
    prob = np.stack(maps)[:, None]
    height, width = prob.shape[2:]
    return DBPostprocess(**settings)(
        prob,
        to_source=np.stack([np.eye(3)] * len(maps)) if to_source is None else to_source,
        source_sizes=[(width, height)] * len(maps) if source_sizes is None else source_sizes,
    )


def nearest_box(boxes, quad_):
    return boxes[np.abs(boxes.mean(axis=1) - quad_.mean(axis=0)).max(axis=1).argmin()]


def area(polygon):
    return cv2.contourArea(polygon.reshape(-1, 1, 2).astype(np.float32))


def overlap(first, second):
    """Intersection over union of two convex quads."""
    shared, _ = cv2.intersectConvexConvex(first.astype(np.float32), second.astype(np.float32))
    return shared / (area(first) + area(second) - shared)


SQUARES = ((60, (80, 90)), (110, (300, 120)), (150, (480, 440)), (90, (120, 500)))
# A line four times as wide as high has D = 0.336 h; its kernel, 3.328 h x 0.328 h, grows by that at a ratio of 2.25.
LINES = ((44, (120, 110)), (40, (450, 120)), (58, (200, 330)), (52, (450, 510)))
LINE_RATIO = 2.25


def test_upright_squares_come_back_from_their_kernels_with_the_usual_ratio():
    squares = [quad(side, side, center=center) for side, center in SQUARES]
    boxes = detect(kernels(squares))[0].boxes
    assert len(boxes) == len(squares)
    for square in squares:
        # Corner by corner, so this also holds their order: top left, top right, bottom right, bottom left.
        np.testing.assert_allclose(nearest_box(boxes, square), square, atol=2.0)


def test_upright_lines_come_back_from_their_kernels_with_the_ratio_that_inverts_the_shrinking():
    lines = [quad(4 * height, height, center=center) for height, center in LINES]
    boxes = detect(kernels(lines), unclip_ratio=LINE_RATIO)[0].boxes
    assert len(boxes) == len(lines)
    for line in lines:
        np.testing.assert_allclose(nearest_box(boxes, line), line, atol=2.0)


@pytest.mark.parametrize("degrees", [5, 12, 25, -20, -40])
def test_leaning_text_comes_back_from_its_kernel(degrees):
    # A leaning kernel is drawn up to a pixel too wide on each side, and the growth makes that three times as much.
    for shapes, ratio in (
        ([quad(side, side, center=center, degrees=degrees) for side, center in SQUARES], 1.5),
        ([quad(4 * height, height, center=center, degrees=degrees) for height, center in LINES], LINE_RATIO),
    ):
        # The reference truncates corners before they grow, which draws a box by half a pixel and more to the top left.
        boxes = detect(kernels(shapes), unclip_ratio=ratio, unclip="analytic")[0].boxes
        assert len(boxes) == len(shapes)
        for shape in shapes:
            found = nearest_box(boxes, shape)
            np.testing.assert_allclose(found.mean(axis=0), shape.mean(axis=0), atol=1.0)
            np.testing.assert_allclose(found, shape, atol=6.0)
            assert overlap(found, shape) > 0.85


def test_text_lines_found_with_the_usual_ratio_lie_centred_inside_the_text():
    line = quad(240, 40, center=(320, 320), degrees=8)
    box = detect(kernels([line]), unclip="analytic")[0].boxes[0]
    np.testing.assert_allclose(box.mean(axis=0), (320, 320), atol=1.0)
    assert all(cv2.pointPolygonTest(line, tuple(map(float, corner)), True) >= -1 for corner in box)


def test_analytic_growth_is_the_round_offset_of_the_rectangle():
    prob = kernels([quad(200, 50, center=(320, 320), degrees=23)])
    contour = cv2.findContours((prob > 0.3).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)[0][0]
    rectangle = cv2.minAreaRect(contour)
    width, height = rectangle[1]
    clipper = pyclipper.PyclipperOffset(2.0, 250.0)
    corners = np.round(cv2.boxPoints(rectangle) * 1000).astype(np.int64).tolist()
    clipper.AddPath(corners, pyclipper.JT_ROUND, pyclipper.ET_CLOSEDPOLYGON)
    offset = np.array(clipper.Execute(1000 * 1.5 * width * height / (2 * (width + height)))[0])
    expected = cv2.boxPoints(cv2.minAreaRect((offset / 1000).astype(np.float32)))
    found = detect(prob, unclip="analytic")[0].boxes[0]
    distances = np.abs(found[:, None] - expected[None]).max(axis=2)
    assert distances.min(axis=1).max() <= 0.6, "half a pixel of rounding and little else"


def test_source_coordinates_scale_and_shift_x_and_y_apart():
    prob = blank()
    prob[20:61, 30:131] = 0.9
    identity = detect(prob, unclip_ratio=0.5)[0].boxes[0]
    matrix = np.array([[[2.0, 0, -10], [0, 3.0, 5], [0, 0, 1]]])
    mapped = detect(prob, unclip_ratio=0.5, to_source=matrix, source_sizes=[(1000, 1000)])[0].boxes[0]
    np.testing.assert_allclose(mapped, identity * (2, 3) + (-10, 5), atol=2)


def test_perspective_maps_divide_by_their_third_coordinate():
    prob = blank()
    prob[20:61, 30:131] = 0.9
    matrix = np.array([[[2.0, 0, 0], [0, 2.0, 0], [0, 0, 2.0]]])
    np.testing.assert_array_equal(detect(prob, to_source=matrix)[0].boxes, detect(prob)[0].boxes)


def test_boxes_are_whole_pixels_inside_the_source():
    prob = blank()
    prob[0:40, 0:120] = 0.9
    box = detect(prob)[0].boxes[0]
    assert box.min() == 0 and (box <= (200, 100)).all()
    np.testing.assert_array_equal(box, np.round(box))


@pytest.mark.parametrize("mode", ["box", "polygon"])
def test_what_lies_in_the_margin_of_a_letterbox_is_dropped(mode):
    prob = blank()
    prob[10:40, 20:90] = prob[10:40, 140:190] = 0.9
    found = detect(prob, mode=mode, source_sizes=[(110, 100)])[0]
    assert len(found.boxes) == len(found.scores) == 1
    assert found.boxes[0].max() <= 110


def test_blank_map_has_no_boxes_and_keeps_its_types():
    boxes = detect(blank(), blank())
    assert [found.boxes.shape for found in boxes] == [(0, 4, 2), (0, 4, 2)]
    assert boxes[0].boxes.dtype == boxes[0].scores.dtype == np.float32
    polygons = detect(blank(), mode="polygon")[0]
    assert polygons.boxes == [] and polygons.scores.shape == (0,)


def test_empty_batch_has_no_images():
    assert (
        DBPostprocess()(np.zeros((0, 1, 32, 32), dtype=np.float32), to_source=np.zeros((0, 3, 3)), source_sizes=[])
        == []
    )


@pytest.mark.parametrize("mode", ["box", "polygon"])
def test_values_that_are_not_numbers_are_background_and_are_reported(mode, caplog):
    prob = blank()
    prob[10:40, 20:90] = prob[60:90, 20:90] = 0.9
    prob[60:90, 20:90] = np.nan
    with caplog.at_level(logging.WARNING):
        found = detect(prob, np.full_like(prob, np.nan), np.full_like(prob, np.inf), mode=mode)
    assert [len(image.boxes) for image in found] == [1, 0, 0]
    assert found[0].scores[0] == pytest.approx(0.9)
    assert "not numbers" in caplog.text


@pytest.mark.parametrize("mode", ["box", "polygon"])
@pytest.mark.parametrize("size", [(1, 1), (1, 64), (2, 2), (5, 5), (32, 32)])
def test_maps_of_any_size_are_taken(mode, size):
    found = detect(np.ones(size, dtype=np.float32), mode=mode)[0]
    assert len(found.boxes) == len(found.scores) == (1 if min(size) >= 5 else 0)


def test_regions_beyond_the_maximum_are_left_and_reported_once(caplog):
    prob = blank((200, 400))
    for top in range(5, 190, 20):
        for left in range(5, 380, 40):
            prob[top : top + 10, left : left + 30] = 0.9
    postprocess = DBPostprocess(max_candidates=7)
    arguments = {"to_source": np.eye(3)[None], "source_sizes": [(400, 200)]}
    with caplog.at_level(logging.WARNING):
        found = [postprocess(prob[None, None], **arguments)[0] for _ in range(2)]
    assert [len(image.boxes) for image in found] == [7, 7]
    assert len(caplog.records) == 1 and "max_candidates" in caplog.text
    assert len(detect(prob)[0].boxes) == 100


def test_score_is_the_mean_inside_and_decides():
    prob = blank()
    prob[10:40, 20:90] = 0.6
    assert len(detect(prob)[0].boxes) == 0
    found = detect(prob, box_thresh=0.5)[0]
    assert found.scores[0] == pytest.approx(0.6)
    prob[10:40, 20:55] = 0.9
    assert detect(prob)[0].scores[0] == pytest.approx(0.75)


def test_pixels_at_the_threshold_are_background():
    prob = blank()
    prob[10:40, 20:90] = 0.3
    assert len(detect(prob, box_thresh=0.0)[0].boxes) == 0


def test_regions_below_the_minimum_side_are_dropped():
    prob = blank()
    prob[10:13, 20:90] = 0.9  # 2 pixels from centre to centre
    prob[50:54, 20:90] = 0.9  # 3
    assert len(detect(prob)[0].boxes) == 1
    assert len(detect(prob, min_size=1)[0].boxes) == 2


def test_regions_below_the_minimum_side_after_growth_are_dropped():
    prob = blank()
    prob[50:54, 20:90] = 0.9  # 3 x 69 pixels, which a ratio of 0.5 makes 4.4 and one of 1.0 makes 5.9 high
    for ratio, kept in ((0.5, 0), (1.0, 1)):
        assert len(detect(prob, unclip_ratio=ratio, unclip="analytic")[0].boxes) == kept
    # 1.4 pixels to each side and truncation make it 5 high.
    assert [len(detect(prob, unclip_ratio=ratio)[0].boxes) for ratio in (0.2, 0.5)] == [0, 1]


def test_images_of_a_batch_are_independent():
    first, second = blank(), blank()
    first[10:40, 20:90] = second[50:90, 100:180] = second[5:30, 5:95] = 0.9
    matrices = np.stack([np.eye(3), np.diag([2.0, 2.0, 1.0])])
    batch = detect(first, second, to_source=matrices, source_sizes=[(200, 100), (400, 200)])
    assert [len(found.boxes) for found in batch] == [1, 2]
    alone = detect(second, to_source=matrices[1:], source_sizes=[(400, 200)])[0]
    np.testing.assert_array_equal(batch[1].boxes, alone.boxes)
    np.testing.assert_array_equal(batch[1].scores, alone.scores)


def test_polygon_mode_follows_a_bent_text():
    angles = np.linspace(3.4, 6.0, 24)
    rays = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    band = np.concatenate([rays * 200, rays[::-1] * 260]).astype(np.float32) + np.float32((320, 330))
    # Some seven times as long as high: the kernel comes back at about 3.
    polygons = detect(kernels([band]), mode="polygon", unclip_ratio=3.0)[0].boxes
    assert len(polygons) == 1 and polygons[0].dtype == np.float32 and len(polygons[0]) > 8
    assert area(polygons[0]) == pytest.approx(area(band), rel=0.1)
    found = cv2.fillPoly(np.zeros((640, 640), np.uint8), [polygons[0].astype(np.int32)], 1)
    expected = cv2.fillPoly(np.zeros((640, 640), np.uint8), [band.astype(np.int32)], 1)
    assert (found & expected).sum() / (found | expected).sum() > 0.85


def test_polygon_that_falls_into_pieces_is_dropped_and_the_others_stay():
    prob = blank((200, 300))
    cv2.circle(prob, (80, 100), 60, 0.9, 14)
    prob[94:107, 100:160] = 0  # a ring with a gap, which the growth closes: an outline with a hole is two pieces
    prob[60:140, 200:280] = 0.9
    polygons = detect(prob, mode="polygon", unclip_ratio=2.0)[0].boxes
    assert len(polygons) == 1 and polygons[0][:, 0].min() > 160
    assert len(detect(prob, mode="polygon", unclip_ratio=0.2)[0].boxes) == 2, "the ring alone is a fair polygon"


def test_corners_are_named_by_where_they_lie():
    expected = quad(60, 20, center=(50, 50), degrees=10)
    for shift in range(4):
        rolled = np.roll(expected, shift, axis=0)
        np.testing.assert_array_equal(in_reading_order(np.stack([rolled, rolled[::-1]])), np.stack([expected] * 2))


def test_mean_inside_is_the_mean_over_the_filled_polygon():
    rng = np.random.default_rng(3)
    prob = rng.random((90, 160), dtype=np.float32)
    for _ in range(50):
        corners = rng.integers(0, (160, 90), size=(4, 2))
        mask = cv2.fillPoly(np.zeros(prob.shape, np.uint8), [corners.astype(np.int32)], 1)
        assert mean_inside(prob, corners) == pytest.approx(prob[mask == 1].mean(), abs=1e-5)
    beyond = np.array([[-20.0, -10], [30, -10], [30, 20], [-20, 20]])
    assert mean_inside(prob, beyond) == pytest.approx(prob[:21, :31].mean(), abs=1e-5)


@pytest.mark.parametrize(
    ("prob", "to_source", "sizes", "message"),
    [
        (np.zeros((2, 32, 32), np.float32), np.zeros((2, 3, 3)), [(32, 32)] * 2, r"shape \(2, 32, 32\)"),
        (np.zeros((2, 1, 32, 32), np.float32), np.zeros((2, 3, 3)), [(32, 32)], "shorter"),
    ],
)
def test_input_that_does_not_fit_together_is_refused(prob, to_source, sizes, message):
    with pytest.raises(ValueError, match=message):
        DBPostprocess()(prob, to_source=to_source, source_sizes=sizes)


@pytest.mark.parametrize("settings", [{"mode": "straight"}, {"max_candidates": 0}])
def test_settings_without_a_meaning_are_refused(settings):
    with pytest.raises(ValueError, match="must"):
        DBPostprocess(**settings)


def test_threads_give_the_detections_of_one_after_the_other():
    maps = [kernels([quad(120, 30 + 4 * n, center=(320, 200), degrees=7 * n)]) for n in range(5)]
    for expected, found in zip(detect(*maps), detect(*maps, num_threads=3), strict=True):
        np.testing.assert_array_equal(found.boxes, expected.boxes)
        np.testing.assert_array_equal(found.scores, expected.scores)
    with pytest.raises(ValueError, match="num_threads 0"):
        DBPostprocess(num_threads=0)


@pytest.mark.parametrize("side", [20, 300], ids=["small", "large"])
def test_a_score_is_the_mean_over_the_pixels_that_opencv_fills(side):
    prob = np.random.default_rng(0).random((400, 400), dtype=np.float32)
    outline = quad(side, side / 2, center=(200, 200), degrees=33)
    mask = np.zeros(prob.shape, dtype=np.uint8)
    # Truncated from the corner of the bounding box, as the reference does.
    low = np.floor(outline.min(axis=0)).astype(int)
    cv2.fillPoly(mask, [(outline - low).astype(np.int32) + low.astype(np.int32)], 1)
    assert mean_inside(prob, outline) == pytest.approx(prob[mask == 1].mean(dtype=np.float64), abs=1e-7)


def test_scores_of_upright_and_leaning_rectangles_are_means_over_what_opencv_fills():
    random = np.random.default_rng(1)
    prob = random.random((90, 120), dtype=np.float32)
    for case in range(300):
        # Some lie across the border; every other one is upright.
        outline = quad(*random.uniform(2, 60, 2), center=random.uniform(0, 90, 2), degrees=case % 2 * 37)
        left, top = np.clip(np.floor(outline.min(axis=0)).astype(int), 0, (119, 89))
        right, bottom = np.clip(np.ceil(outline.max(axis=0)).astype(int), 0, (119, 89))
        mask = np.zeros((bottom - top + 1, right - left + 1), dtype=np.uint8)
        cv2.fillPoly(mask, [(outline - (left, top)).astype(np.int32)], 1)
        expected = cv2.mean(prob[top : bottom + 1, left : right + 1], mask)[0]
        assert mean_inside(prob, outline) == pytest.approx(expected, abs=1e-7), case


def test_four_points_along_a_bent_line_are_no_rectangle():
    prob = np.random.default_rng(2).random((20, 20), dtype=np.float32)
    line = np.int32([(2, 2), (9, 2), (9, 7), (9, 2)])
    on_line = [*prob[2, 2:10], *prob[3:8, 9]]
    assert mean_inside(prob, line) == pytest.approx(np.mean(on_line, dtype=np.float64), abs=1e-7)

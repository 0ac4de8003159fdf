"""Pages decoded smaller than they are stored: the same boxes, and pictures that differ no more than two filters do."""

import cv2
import numpy as np
import pytest

from pipeline.data.dataset import OCRDataset
from pipeline.data.geometry import map_points
from pipeline.data.readers import Record
from pipeline.data.transforms import Letterbox, TrainTransform

SIDES = (1501, 1097)  # neither is a multiple of 8
QUADS = [
    np.float32([(100, 60), (700, 90), (690, 190), (90, 160)]),
    np.float32([(900, 1300), (990, 1300), (990, 1400), (900, 1400)]),
]


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    """A page with two filled quads, 1097 px wide and 1501 high."""
    page = np.full((*SIDES, 3), 230, np.uint8)
    for quad in QUADS:
        cv2.fillPoly(page, [quad.astype(np.int32)], (20, 40, 60))
    path = tmp_path_factory.mktemp("pages") / "page.jpg"
    cv2.imwrite(str(path), page, [cv2.IMWRITE_JPEG_QUALITY, 95])
    return Record(path, QUADS, ["a", "b"], np.zeros(2, bool))


@pytest.mark.parametrize("size", [160, 320, 640])
def test_boxes_and_matrices_stay_those_of_the_full_picture(record, size):
    full = OCRDataset([record], Letterbox(size))[0]
    scaled = OCRDataset([record], Letterbox(size), scaled_decode=True)[0]
    assert scaled.source_size == full.source_size == SIDES[::-1]
    for one, other in zip(scaled.source_polygons, full.source_polygons, strict=True):
        assert np.array_equal(one, other)
    for one, other in zip(scaled.polygons, full.polygons, strict=True):
        assert np.abs(one - other).max() < 1  # sides that are rounded up fit the canvas a little differently
    for polygon, quad in zip(scaled.polygons, QUADS, strict=True):
        assert np.abs(map_points(polygon, scaled.to_source) - quad).max() < 0.01
    inside = np.abs(scaled.image.astype(int) - full.image.astype(int)) > 48
    assert inside.mean() < 0.01


def test_the_page_is_decoded_smaller_only_where_it_is_twice_as_large(record, monkeypatch):
    from pipeline.data import dataset

    asked, original = [], dataset.read_image

    def watched(*args, **settings):
        image = original(*args, **settings)
        asked.append((settings["longer_side"], image.pixels.shape[0]))
        return image

    monkeypatch.setattr(dataset, "read_image", watched)
    OCRDataset([record], Letterbox(640), scaled_decode=True)[0]
    OCRDataset([record], Letterbox(800 // 32 * 32), scaled_decode=True)[0]
    OCRDataset([record], Letterbox(640))[0]
    OCRDataset([record], TrainTransform(320, scale=(0.5, 2.0)), scaled_decode=True)[0]
    OCRDataset([record], TrainTransform(320, scale=(0.5, 3.0)), scaled_decode=True)[0]
    assert asked == [(640, 751), (800, 1501), (None, 1501), (640, 751), (960, 1501)]

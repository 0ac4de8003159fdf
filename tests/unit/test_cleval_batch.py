"""A batch counts what its images count one by one, whatever is among them."""

import dataclasses

import numpy as np
import pytest

from pipeline.detection.cleval_batch import ImageBoxes
from pipeline.detection.cleval_core import (
    COUNTER_NAMES,
    CLEvalSettings,
    Counters,
    count_image,
    count_image_by_scale,
    count_images,
)

BINS = (0.0, 0.1, 0.3, 1.0)


@pytest.fixture(params=["plain", "compiled"])
def kernels(request):
    if request.param == "compiled":
        pytest.importorskip("numba")
    return request.param


def random_image(rng):
    low, extent = rng.integers(0, 60, (rng.integers(0, 8), 2)), rng.integers(3, 30, 2)
    gt = (low[:, None] + np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * extent).astype(np.float64)
    det = gt[rng.random(len(gt)) < 0.8] + rng.normal(0, 2, (4, 2))
    gt_texts = ["".join(rng.choice(list("abcß"), size=rng.integers(0, 6))) for _ in gt]
    det_texts = ["".join(rng.choice(list("abcß"), size=rng.integers(0, 6))) for _ in det]
    return ImageBoxes(det, gt, gt_texts, rng.random(len(gt)) < 0.2, det_texts, 80.0)


def varied_images(rng, number):
    """Images with and without transcripts and flags, empty ones, lists, and outlines of other than four vertices."""
    hexagon = np.array([[0, 0], [20, 0], [40, 0], [40, 9], [20, 9], [0, 9]], dtype=np.float64)
    for index in range(number):
        image = random_image(rng)
        yield [
            image,
            image._replace(det_texts=None),
            image._replace(gt_texts=None, det_texts=None),
            image._replace(gt_ignore=None, gt_texts=["###" if len(text) > 4 else text for text in image.gt_texts]),
            image._replace(det_polygons=[], det_texts=[]),
            image._replace(gt_polygons=[], gt_texts=[], gt_ignore=None),
            image._replace(det_polygons=list(image.det_polygons.astype(np.float32))),
            image._replace(det_polygons=[*image.det_polygons, hexagon], det_texts=[*image.det_texts, "abc"]),
        ][index % 8]


def arguments(image):
    return {"gt_texts": image.gt_texts, "gt_ignore": image.gt_ignore, "det_texts": image.det_texts}


@pytest.mark.parametrize("settings", [CLEvalSettings(), CLEvalSettings(case_sensitive=False, ap_constraint=0.5)])
def test_rows_of_a_batch_are_those_of_its_images(kernels, settings):
    images = list(varied_images(np.random.default_rng(0), 80))
    counted = count_images(images, settings=settings, kernels=kernels)
    assert counted.shape == (80, 1, len(COUNTER_NAMES)) and counted.dtype == np.int64
    for row, image in zip(counted[:, 0].tolist(), images, strict=True):
        alone = count_image(
            image.det_polygons, image.gt_polygons, **arguments(image), settings=settings, kernels="plain"
        )
        assert Counters(*row) == alone
    total = Counters(*counted.sum(axis=(0, 1)).tolist())
    assert min(total.num_char_tp, total.num_char_fp, total.e2e_num_char_tp, total.e2e_num_char_fp) > 0


def test_scale_bins_of_a_batch_are_those_of_its_images(kernels):
    images = [
        image._replace(longer_side=float(side))
        for image, side in zip(varied_images(np.random.default_rng(1), 40), range(60, 140, 2), strict=True)
    ]
    counted = count_images(images, scale_bins=BINS, kernels=kernels)
    for rows, image in zip(counted.tolist(), images, strict=True):
        expected = count_image_by_scale(
            image.det_polygons,
            image.gt_polygons,
            **arguments(image),
            scale_bins=BINS,
            longer_side=image.longer_side,
            kernels="plain",
        )
        assert [Counters(*row) for row in rows] == expected


def test_counters_of_batches_add_up_to_those_of_the_whole(kernels):
    images = list(varied_images(np.random.default_rng(2), 30))
    whole = count_images(images, kernels=kernels).sum(axis=0)
    parts = [count_images(images[low:high], kernels=kernels) for low, high in ((0, 1), (1, 17), (17, 30))]
    np.testing.assert_array_equal(np.concatenate(parts).sum(axis=0), whole)


def test_an_empty_batch_has_no_rows(kernels):
    assert count_images([], kernels=kernels).shape == (0, 1, len(dataclasses.fields(Counters)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gt_texts": ["a"]}, "image 2 of the batch: gt_texts has 1 entries for 2 boxes"),
        ({"gt_ignore": [True]}, "image 2 of the batch: gt_ignore has 1 entries for 2 boxes"),
        ({"det_polygons": np.full((1, 4, 2), np.nan)}, "image 2 of the batch: detected box 0 .*finite"),
        ({"det_polygons": [np.zeros((2, 2))]}, "image 2 of the batch: detected box 0 must have shape"),
    ],
)
def test_what_does_not_fit_is_named_with_its_image(kernels, change, message):
    boxes = np.array([[[0, 0], [9, 0], [9, 5], [0, 5]]] * 2, dtype=np.float64)
    image = ImageBoxes(boxes, boxes)
    with pytest.raises(ValueError, match=message):
        count_images([image, image, image._replace(**change)], kernels=kernels)


def test_a_bad_coordinate_leaves_the_bins_of_the_other_images_alone(kernels):
    boxes = np.array([[[0, 0], [40, 0], [40, 20], [0, 20]]], dtype=np.float64)
    bad = np.full((1, 4, 2), np.inf)
    with pytest.raises(ValueError, match="image 1 of the batch: ground-truth box 0 "):
        count_images(
            [ImageBoxes(boxes, boxes, longer_side=100.0), ImageBoxes(boxes, bad, longer_side=100.0)],
            scale_bins=BINS,
            kernels=kernels,
        )


def test_characters_beyond_the_basic_plane_count_once(kernels):
    boxes = np.array([[[0, 0], [50, 0], [50, 10], [0, 10]]], dtype=np.float64)
    counters = count_image(boxes, boxes, gt_texts=["a𝄞b"], det_texts=["a𝄞c"], kernels=kernels)
    assert (counters.num_char_gt, counters.e2e_num_char_det, counters.e2e_num_char_tp) == (3, 3, 2)

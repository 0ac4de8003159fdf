"""Counters equal those of the authors' `cleval`, on their own data.

The reference numbers for jittered boxes were made by `cleval` 0.1.1 with Polygon3 3.0.9.1 on the boxes that `jittered`
makes; it walks its sets of indices in hash order, which was made ascending, and takes box scales from OpenCV, which
were replaced by ours. The totals for receipts are the authors'.
"""

import re
import zipfile
from dataclasses import dataclass

import numpy as np
import pytest

from pipeline.detection.cleval_core import (
    CLEvalSettings,
    Counters,
    count_image,
    count_image_by_scale,
    detection_scores,
    end_to_end_scores,
)

SCALE_BINS = (0.0, 0.01, 0.02, 0.1, 1.0)
IC15_LONGER_SIDE = 1280


@dataclass(frozen=True)
class Boxes:
    quads: np.ndarray  # (N, 4, 2)
    texts: list[str]


@pytest.fixture(params=["plain", "compiled"])
def kernels(request):
    if request.param == "compiled":
        pytest.importorskip("numba")
    return request.param


@pytest.fixture
def archives(shared_data):
    folder = shared_data / "cleval"
    if not folder.is_dir():
        pytest.skip("CLEval's archives are not among the shared data")
    return folder


def read_archive(path):
    """Boxes by image, in the archive's order."""
    images = {}
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            lines = archive.read(name).decode("utf-8-sig").replace("\r", "").split("\n")
            fields = [line.split(",", 8) for line in lines if line]
            quads = np.array([[float(value) for value in line[:8]] for line in fields]).reshape(-1, 4, 2)
            key = re.sub(r"^(gt|res)_|\.txt$", "", name)
            images[key] = Boxes(quads, [unquoted(line[8]) for line in fields])
    return images


def unquoted(text):
    quoted = re.fullmatch(r'\s*"(.*)"\s*', text)
    return quoted[1].replace("\\\\", "\\").replace('\\"', '"') if quoted else text


def jittered(images, *, seed, noise, dropped):
    """Detections made from ground truth: some dropped, three in ten moved by normal noise in pixels, as many
    misread."""
    random = np.random.RandomState(seed)  # its streams are frozen, those of a Generator are not
    results = {}
    for key, boxes in images.items():
        quads, texts = [], []
        for quad, text in zip(boxes.quads, boxes.texts, strict=True):
            drop, move, misread = random.random_sample(3)
            shift, order = random.normal(0.0, noise, (4, 2)), random.permutation(len(text))
            if drop >= dropped:
                quads.append(quad + shift if move < 0.3 else quad)
                texts.append("".join(text[i] for i in order) if misread < 0.3 else text)
        results[key] = Boxes(np.array(quads).reshape(-1, 4, 2), texts)
    return results


def total(gt, det, settings, kernels):
    counted = (
        count_image(
            det[key].quads,
            gt[key].quads,
            gt_texts=gt[key].texts,
            det_texts=det[key].texts,
            settings=settings,
            kernels=kernels,
        )
        for key in gt
    )
    return sum(counted, Counters())


def test_counters_and_scores_on_a_hundred_receipts_are_the_authors_own(archives, kernels):
    gt = read_archive(archives / "gt_eval_doc_v1_kr.zip")
    det = read_archive(archives / "res_eval_doc_v1_kr.zip")
    assert sum(len(boxes.quads) for boxes in gt.values()) == 10_532
    assert sum(len(boxes.quads) for boxes in det.values()) == 10_170
    counters = total(gt, det, CLEvalSettings(), kernels)
    assert counters == Counters(
        num_char_gt=46486,
        num_char_det=46816,
        num_char_tp=46218,
        num_char_fp=150,
        num_char_overlapped=448,
        recall_gran=415,
        precision_gran=770,
        num_split=377,
        num_merged=470,
        e2e_num_char_det=46103,
        e2e_num_char_tp=43025,
        e2e_num_char_fp=3078,
    )
    assert detection_scores(counters) == (0.9853074043798132, 0.9707792207792207, 0.977989360950786)
    assert end_to_end_scores(counters) == (0.9166200576517661, 0.9165347157451793, 0.9165773847119407)


@pytest.mark.parametrize(
    ("seed", "noise", "dropped", "settings", "expected"),
    [
        (
            0,
            12.0,
            0.1,
            CLEvalSettings(),
            Counters(11108, 9614, 9219, 227, 168, 104, 105, 102, 89, 10384, 8417, 1967),
        ),
        (
            1,
            40.0,
            0.2,
            CLEvalSettings(),
            Counters(11108, 8411, 7053, 1013, 345, 147, 144, 139, 99, 10197, 6446, 3751),
        ),
        (
            2,
            12.0,
            0.1,
            CLEvalSettings(case_sensitive=False, ap_constraint=0.5, vertical_aspect_ratio_thresh=1.0),
            Counters(11108, 9682, 8956, 531, 195, 91, 102, 88, 87, 10825, 8115, 2710),
        ),
    ],
    ids=["jittered", "crossed", "other-settings"],
)
def test_counters_on_jittered_scene_text_are_the_release_s(archives, kernels, seed, noise, dropped, settings, expected):
    gt = read_archive(archives / "gt_IC15.zip")
    det = jittered(gt, seed=seed, noise=noise, dropped=dropped)
    assert total(gt, det, settings, kernels) == expected


def test_counters_of_scale_bins_are_the_release_s(archives, kernels):
    gt = read_archive(archives / "gt_IC15.zip")
    det = jittered(gt, seed=3, noise=12.0, dropped=0.1)
    sums = [Counters()] * len(SCALE_BINS)
    for key, boxes in gt.items():
        counted = count_image_by_scale(
            det[key].quads,
            boxes.quads,
            gt_texts=boxes.texts,
            det_texts=det[key].texts,
            scale_bins=SCALE_BINS,
            longer_side=IC15_LONGER_SIDE,
            kernels=kernels,
        )
        sums = [before + more for before, more in zip(sums, counted, strict=True)]
    assert sums[1:] == [
        Counters(546, 529, 367, 147, 15, 7, 6, 7, 5, 801, 343, 458),
        Counters(5032, 4158, 3906, 185, 67, 38, 44, 35, 37, 4727, 3652, 1075),
        Counters(5466, 4919, 4718, 164, 37, 19, 17, 18, 17, 5335, 4263, 1072),
        Counters(64, 202, 59, 142, 1, 1, 0, 1, 0, 437, 54, 383),
    ]
    assert sums[0] == total(gt, det, CLEvalSettings(), kernels)

"""Caching changes no sample and no batch by one bit, under fork and under spawn, and forgets what has changed."""

import logging
import os

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from pipeline.data.cache import open_cache
from pipeline.data.collate import DBCollate
from pipeline.data.dataset import OCRDataset
from pipeline.data.readers import receipts_records
from pipeline.data.receipts import ReceiptSpec
from pipeline.data.transforms import Letterbox, TrainTransform
from pipeline.detection.targets import DBTargets


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    root = tmp_path_factory.mktemp("receipts")
    return receipts_records(
        split="val",
        num_images={"train": 1, "val": 6},
        seed=3,
        spec=ReceiptSpec.small(),
        root=str(root),
        progress=False,
    )


def batches(dataset, collate, **settings):
    return list(DataLoader(dataset, batch_size=4, collate_fn=collate, **settings))


def assert_equal(ours, theirs):
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        assert one.keys() == other.keys()
        for name, value in one.items():
            if torch.is_tensor(value):
                assert value.dtype == other[name].dtype
                assert torch.equal(value, other[name]), name
            elif name in ("polygons", "ignore"):
                assert [np.asarray(part).tolist() for parts in value for part in parts] == [
                    np.asarray(part).tolist() for parts in other[name] for part in parts
                ]
            else:
                assert value == other[name], name


@pytest.mark.parametrize(
    ("storage", "prenormalise", "workers"),
    [
        ("memory", False, {}),
        ("memory", True, {"num_workers": 2}),
        ("memory", False, {"num_workers": 2, "multiprocessing_context": "spawn"}),
        ("disk", False, {"num_workers": 2}),
        ("disk", True, {}),
    ],
)
def test_every_epoch_gives_the_batches_that_no_cache_gives(records, tmp_path, storage, prenormalise, workers):
    plain = batches(OCRDataset(records, Letterbox(320)), DBCollate(DBTargets()))
    dataset = OCRDataset(
        records,
        Letterbox(320),
        prenormalise=prenormalise,
        sample_cache=open_cache("samples", storage=storage, root=str(tmp_path)),
    )
    collate = DBCollate(DBTargets(), map_cache=open_cache("maps", storage=storage, root=str(tmp_path)))
    for epoch in range(2):
        assert_equal(batches(dataset, collate, **workers), plain)
        for cache in (*dataset.caches, collate.map_cache):
            counts = cache.statistics()
            assert (counts["hits"], counts["misses"]) == (6 * epoch, 6)


def test_pictures_are_decoded_once_for_a_transform_of_chance(records, monkeypatch):
    cache = open_cache("images")
    dataset = OCRDataset(records, TrainTransform(320), image_cache=cache)
    first = [dataset[index] for index in range(6)]
    monkeypatch.setattr("pipeline.data.dataset.read_image", None)
    again = [dataset[index] for index in range(6)]
    assert [sample.path for sample in again] == [sample.path for sample in first]
    assert cache.statistics()["hits"] == 6


def test_a_transform_of_chance_is_not_kept_and_that_is_said(records, caplog):
    caplog.set_level(logging.INFO, logger="pipeline.data.dataset")
    cache = open_cache("samples")
    dataset = OCRDataset(records, TrainTransform(320), sample_cache=cache)
    assert dataset.caches == []
    assert "TrainTransform draws random numbers" in caplog.text
    dataset[0]
    assert cache.statistics()["misses"] == 0


def test_a_picture_that_changed_is_read_again(records, tmp_path):
    path = tmp_path / "page.jpg"
    path.write_bytes(records[0].image_path.read_bytes())
    record = type(records[0])(path, records[0].polygons, records[0].texts, records[0].ignore)
    dataset = OCRDataset([record], Letterbox(320), sample_cache=open_cache("samples"))
    first = dataset[0].image.copy()
    path.write_bytes(records[1].image_path.read_bytes())
    os.utime(path, ns=(1, 1))
    assert not np.array_equal(dataset[0].image, first)


@pytest.mark.parametrize(
    "change",
    [
        {"exif": "apply"},
        {"decoder": "pillow"},
        {"min_visible": 0.9},
        {"annotation_frame": "upright"},
        {"scaled_decode": True},
    ],
)
def test_every_setting_of_the_data_set_is_part_of_the_key(records, tmp_path, change):
    settings = {"storage": "disk", "root": str(tmp_path)}
    OCRDataset(records, Letterbox(320), sample_cache=open_cache("samples", **settings))[0]
    changed = OCRDataset(records, Letterbox(320), sample_cache=open_cache("samples", **settings), **change)
    changed[0]
    assert changed.caches[0].statistics()["hits"] == 0


@pytest.mark.parametrize("change", [{"shrink_ratio": 0.5}, {"thresh_min": 0.2}, {"min_text_size": 4}])
def test_every_setting_of_the_maps_is_part_of_their_key(records, tmp_path, change):
    dataset = OCRDataset(records, Letterbox(320))
    settings = {"storage": "disk", "root": str(tmp_path)}
    DBCollate(DBTargets(), map_cache=open_cache("maps", **settings))([dataset[0]])
    changed = DBCollate(DBTargets(**change), map_cache=open_cache("maps", **settings))
    changed([dataset[0]])
    assert changed.map_cache.statistics()["hits"] == 0


def test_a_cache_that_would_not_fit_is_refused_and_the_samples_are_made(records, caplog):
    dataset = OCRDataset(records, Letterbox(640), sample_cache=open_cache("samples", memory_gib=0.001))
    assert dataset.caches == []
    assert "6 entries of 1.2 MiB" in caplog.text
    assert dataset[0].image.shape == (640, 640, 3)


def test_maps_of_random_crops_are_not_kept(records):
    collate = DBCollate(DBTargets(), map_cache=open_cache("maps"))
    collate([OCRDataset(records, TrainTransform(320))[0]])
    assert collate.map_cache.statistics()["misses"] == 0

"""From annotation files to batches: the data module, its workers, and what broken files do to a run."""

from __future__ import annotations

import io
import logging
import random
import re
import subprocess
import sys
import traceback
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from omegaconf import OmegaConf
from PIL import Image, ImageOps

from pipeline.data.collate import DBCollate
from pipeline.data.datamodule import OCRDataModule
from pipeline.data.dataset import OCRDataset, Sample
from pipeline.data.decode import ImageError, orient_image, orientation_matrix
from pipeline.data.geometry import map_points
from pipeline.data.readers import Record, read_mmocr, read_sroie, receipts_records
from pipeline.data.receipts import ReceiptSpec
from pipeline.data.transforms import Letterbox, TrainTransform
from pipeline.detection.targets import DBTargets

BOX = np.float32([(100, 60), (180, 60), (180, 90), (100, 90)])
COUNTS = {"train": 4, "val": 3}


@pytest.fixture(scope="session")
def receipts_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data") / "receipts"
    receipts_records("train", num_images=COUNTS, spec=ReceiptSpec.small(), root=root, progress=False)
    return root


def receipts(receipts_root: Path, split: str = "train") -> list[Record]:
    return receipts_records(split, num_images=COUNTS, spec=ReceiptSpec.small(), root=receipts_root, progress=False)


def page_bytes(orientation: int = 1) -> bytes:
    """A JPEG of 240 x 160 px as it should be seen, with a white box at BOX, stored under an EXIF orientation."""
    page = np.full((160, 240, 3), 60, np.uint8)
    page[60:91, 100:181] = 255
    # Stored pixels are what turns into the page: the inverse of a quarter turn is the other quarter turn.
    stored = orient_image(page, orientation={6: 8, 8: 6}.get(orientation, orientation))
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    Image.fromarray(stored).save(buffer, "JPEG", quality=100, exif=exif)
    return buffer.getvalue()


def records_of(folder: Path, files: dict[str, bytes | None]) -> list[Record]:
    """A record with one line at BOX for each file; None leaves the image missing."""
    for name, content in files.items():
        if content is not None:
            (folder / name).write_bytes(content)
    return [Record(folder / name, [BOX], ["TOTAL"], np.array([False])) for name in files]


def data_module(train: OCRDataset, **settings: object) -> OCRDataModule:
    module = OCRDataModule(train, train, collate=DBCollate(DBTargets()), **{"batch_size": 2, **settings})
    module.setup("fit")
    return module


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_batch_is_what_the_collate_promises(receipts_root: Path, num_workers: int):
    dataset = OCRDataset(receipts(receipts_root, "val"), Letterbox(320))
    module = data_module(dataset, num_workers=num_workers)
    batch, rest = list(module.val_dataloader())
    assert batch["images"].shape == (2, 3, 320, 320) and batch["images"].dtype == torch.float32
    assert batch["images"].is_contiguous()
    for name in ("prob_map", "prob_mask", "thresh_mask"):
        assert batch[name].shape == (2, 1, 320, 320) and batch[name].dtype == torch.uint8
        assert set(batch[name].unique().tolist()) == {0, 1}
    assert batch["thresh_map"].shape == (2, 1, 320, 320) and batch["thresh_map"].dtype == torch.float32
    assert batch["thresh_map"].min() == pytest.approx(0.3) and batch["thresh_map"].max() <= 0.7001
    assert batch["to_source"].shape == (2, 3, 3) and batch["to_source"].dtype == torch.float64
    for index, record in enumerate(dataset.records[:2]):
        assert batch["paths"][index] == str(record.image_path)
        assert batch["texts"][index] == record.texts
        assert batch["ignore"][index].tolist() == record.ignore.tolist()
        np.testing.assert_array_equal(np.stack(batch["polygons"][index]), np.stack(record.polygons))
        with Image.open(record.image_path) as image:
            assert batch["source_sizes"][index] == image.size
    assert rest["images"].shape[0] == 1


def test_images_are_normalised_with_imagenets_mean_and_deviation(tmp_path: Path):
    (tmp_path / "grey.png").write_bytes(b"")
    Image.new("RGB", (64, 64), (128, 64, 255)).save(tmp_path / "grey.png")
    record = Record(tmp_path / "grey.png", [], [], np.zeros(0, bool))
    batch = next(iter(data_module(OCRDataset([record], Letterbox(64)), batch_size=1).val_dataloader()))
    expected = [(128 / 255 - 0.485) / 0.229, (64 / 255 - 0.456) / 0.224, (1 - 0.406) / 0.225]
    assert batch["images"][0, :, 32, 32].tolist() == pytest.approx(expected, abs=1e-5)


def test_target_maps_lie_where_the_text_is(tmp_path: Path):
    records = records_of(tmp_path, {"a.jpg": page_bytes()})
    batch = next(iter(data_module(OCRDataset(records, Letterbox(480))).val_dataloader()))
    inside = batch["prob_map"][0, 0].nonzero().float().mean(dim=0).flip(0).numpy()
    centre = map_points(inside[None], batch["to_source"][0].numpy())[0]
    assert centre == pytest.approx(BOX.mean(axis=0), abs=1)


def test_an_image_without_boxes_makes_a_batch(tmp_path: Path):
    (tmp_path / "a.jpg").write_bytes(page_bytes())
    record = Record(tmp_path / "a.jpg", [], [], np.zeros(0, bool))
    for transform in (Letterbox(64), TrainTransform(64)):
        batch = next(iter(data_module(OCRDataset([record], transform), batch_size=1).val_dataloader()))
        assert batch["prob_map"].sum() == 0 and batch["prob_mask"].min() == 1
        assert batch["polygons"] == [[]] and batch["texts"] == [[]] and batch["ignore"][0].shape == (0,)


def test_lines_off_the_canvas_go_with_their_texts_and_cut_ones_are_ignored(tmp_path: Path):
    (tmp_path / "a.jpg").write_bytes(page_bytes())
    polygons = [BOX - (0, 1000), BOX, BOX - (0, 85)]
    record = Record(tmp_path / "a.jpg", polygons, ["gone", "whole", "cut"], np.zeros(3, bool))

    class Plain:
        def __call__(self, image, polygons):
            return Letterbox(256)(np.pad(image, ((0, 80), (0, 0), (0, 0))), polygons)

    sample = OCRDataset([record], Plain())[0]
    assert sample.texts == ["whole", "cut"]
    assert sample.ignore.tolist() == [False, True]
    np.testing.assert_array_equal(np.stack(sample.source_polygons), np.stack(polygons[1:]))
    assert sample.polygons[1][:, 1].min() == 0


@pytest.mark.parametrize("frame", ["stored", "upright"])
@pytest.mark.parametrize("exif", ["ignore", "apply"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_polygons_cover_their_text_under_every_orientation(tmp_path: Path, orientation: int, exif: str, frame: str):
    path = tmp_path / "a.jpg"
    path.write_bytes(page_bytes(orientation))
    with Image.open(path) as image:
        stored_size = image.size
        assert np.abs(np.asarray(ImageOps.exif_transpose(image)).astype(int)[75, 140] - 255).max() < 8
    polygon = BOX
    if frame == "stored":
        polygon = map_points(BOX, np.linalg.inv(orientation_matrix(orientation, stored_size=stored_size)))
    record = Record(path, [polygon], ["TOTAL"], np.array([False]))
    sample = OCRDataset([record], Letterbox(480), exif=exif, annotation_frame=frame)[0]
    white = np.argwhere(sample.image[..., 0] > 160)[:, ::-1]
    low, high = sample.polygons[0].min(axis=0), sample.polygons[0].max(axis=0)
    assert white.min(axis=0) == pytest.approx(low, abs=2) and white.max(axis=0) == pytest.approx(high, abs=2)
    upright_size = (240, 160)
    assert sample.source_size == (upright_size if exif == "apply" else stored_size)


BROKEN = {
    "missing": None,
    "empty": b"",
    "truncated": page_bytes()[:1500],
    "text": b"<html>404</html>",
}


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_broken_image_is_named_counted_and_replaced(
    tmp_path: Path, kind: str, num_workers: int, caplog: pytest.LogCaptureFixture
):
    files = {"a.jpg": page_bytes(), "bad.jpg": BROKEN[kind], "c.jpg": page_bytes()}
    dataset = OCRDataset(records_of(tmp_path, files), Letterbox(64))
    module = data_module(dataset, num_workers=num_workers, batch_size=1)
    with caplog.at_level(logging.WARNING):
        paths = [Path(batch["paths"][0]).name for batch in module.val_dataloader()]
    assert paths == ["a.jpg", "c.jpg", "c.jpg"]
    # Counted across processes; the warning itself is logged in the worker.
    assert dataset.num_replaced == 1
    if num_workers == 0:
        assert str(tmp_path / "bad.jpg") in caplog.text
    caplog.clear()
    module.teardown("fit")
    assert "1 samples stood in" in caplog.text


def test_a_warning_from_a_worker_reaches_stderr(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    dataset = OCRDataset(records_of(tmp_path, {"bad.jpg": None, "b.jpg": page_bytes()}), Letterbox(64))
    handler = logging.StreamHandler()
    logging.getLogger("pipeline").addHandler(handler)
    try:
        list(data_module(dataset, num_workers=1).val_dataloader())
    finally:
        logging.getLogger("pipeline").removeHandler(handler)
    assert f"{tmp_path / 'bad.jpg'}: cannot be read: No such file" in capfd.readouterr().err


def error_of(loader: torch.utils.data.DataLoader) -> str:
    """What the ImageError says that an epoch ends in; its workers have ended.

    The frames of its traceback hold the iterator, in a circle: garbage collection takes its queues down before it asks
    the workers through them to end, and waits five seconds for each.
    """
    with pytest.raises(ImageError) as caught:
        list(loader)
    traceback.clear_frames(caught.tb)
    return str(caught.value)


# Python's own queue thread may stumble when workers are shut down in the middle of an epoch.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("num_workers", [0, 2])
def test_in_strict_mode_a_broken_image_is_an_error_of_one_line_with_file_and_index(
    tmp_path: Path, kind: str, num_workers: int
):
    files = {"a.jpg": page_bytes(), "bad.jpg": BROKEN[kind]}
    dataset = OCRDataset(records_of(tmp_path, files), Letterbox(64), strict=True)
    message = error_of(data_module(dataset, num_workers=num_workers).val_dataloader())
    assert message.startswith(f"{tmp_path / 'bad.jpg'}: ") and message.endswith("(sample 1)")
    assert "\n" not in message and "Traceback" not in message


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_data_set_of_broken_images_ends_in_an_error_not_in_a_loop(tmp_path: Path, num_workers: int):
    dataset = OCRDataset(records_of(tmp_path, {f"{n}.jpg": None for n in range(150)}), Letterbox(64))
    message = error_of(data_module(dataset, num_workers=num_workers, batch_size=1).val_dataloader())
    assert re.search(r"0\.jpg: cannot be used \(sample 0\), nor can the 99 images after it", message)


def test_a_data_set_without_records_is_refused():
    with pytest.raises(ValueError, match="at least one record"):
        OCRDataset([], Letterbox(64))


def test_workers_can_be_spawned(tmp_path: Path):
    dataset = OCRDataset(records_of(tmp_path, {"a.jpg": page_bytes(), "bad.jpg": None}), Letterbox(64))
    loader = torch.utils.data.DataLoader(
        dataset, num_workers=1, multiprocessing_context="spawn", collate_fn=DBCollate(DBTargets())
    )
    assert [Path(batch["paths"][0]).name for batch in loader] == ["a.jpg", "a.jpg"]
    assert dataset.num_replaced == 1


def test_workers_and_epochs_draw_different_augmentations(tmp_path: Path):
    records = records_of(tmp_path, {f"{n}.jpg": page_bytes() for n in range(4)})
    module = data_module(OCRDataset(records, TrainTransform(64)), num_workers=2, batch_size=1, persistent_workers=True)
    loader = module.train_dataloader()
    seen = [batch["to_source"].numpy().tobytes() for _ in range(2) for batch in loader]
    assert len(set(seen)) == 8


def test_one_seed_gives_the_same_batches_again(tmp_path: Path):
    records = records_of(tmp_path, {f"{n}.jpg": page_bytes() for n in range(4)})

    def images(num_workers: int) -> list[torch.Tensor]:
        torch.manual_seed(7)
        random.seed(7)
        module = data_module(OCRDataset(records, TrainTransform(64)), num_workers=num_workers)
        return [batch["images"] for batch in module.train_dataloader()]

    for num_workers in (0, 2):
        assert all(torch.equal(a, b) for a, b in zip(images(num_workers), images(num_workers), strict=True))


def configuration(receipts_root: Path) -> dict[str, object]:
    """The data part of a configuration as YAML gives it."""

    def split(name: str, transform: dict[str, object]) -> dict[str, object]:
        return {
            "_target_": "pipeline.data.dataset.OCRDataset",
            "records": {
                "_target_": "pipeline.data.readers.receipts_records",
                "split": name,
                "num_images": dict(COUNTS),
                "spec": {
                    "_target_": "pipeline.data.receipts.ReceiptSpec",
                    "long_side": [600, 640],
                    "aspect": [1.3, 2.0],
                    "num_lines": [18, 40],
                },
                "root": str(receipts_root),
                "progress": False,
            },
            "transform": transform,
        }

    train = {"_target_": "pipeline.data.transforms.TrainTransform", "size": 128, "scale": [0.8, 1.5]}
    return {
        "train": split("train", train),
        "val": split("val", {"_target_": "pipeline.data.transforms.Letterbox", "size": 128}),
        "collate": {
            "_target_": "pipeline.data.collate.DBCollate",
            "targets": {"_target_": "pipeline.detection.targets.DBTargets"},
        },
        "batch_size": 2,
    }


def test_reading_decoding_and_rendering_load_no_torch():
    modules = "pipeline.data.receipts, pipeline.data.readers, pipeline.data.decode, pipeline.data.transforms"
    root = Path(__file__).resolve().parents[2]
    code = f"import sys, {modules}; print([name for name in ('torch', 'lightning', 'hydra') if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60, cwd=root
    )
    assert done.stdout == "[]\n"


def test_opencv_used_before_workers_start_does_not_hang_them(receipts_root: Path):
    dataset = OCRDataset(receipts(receipts_root), Letterbox(320))
    cv2.setNumThreads(2)
    # Starts OpenCV's threads in this process; each fork then has a chance of about one half to meet them at work.
    cv2.LUT(np.zeros((2000, 2000, 3), np.uint8), np.arange(256, dtype=np.uint8))
    assert len(list(data_module(dataset, batch_size=1, num_workers=4).val_dataloader())) == 4


class Reader(LightningModule):
    """Takes every batch and learns nothing."""

    automatic_optimization = False

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def training_step(self, batch, batch_idx):
        self.seen.append("train")

    def validation_step(self, batch, batch_idx):
        self.seen.append("val")

    test_step = validation_step

    def configure_optimizers(self):
        return None


def trainer(**settings: object) -> Trainer:
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    return Trainer(accelerator="cpu", max_epochs=1, enable_model_summary=False, **quiet, **settings)


def from_configuration(receipts_root: Path, **changes: object) -> OCRDataModule:
    return OCRDataModule(**OmegaConf.create({**configuration(receipts_root), **changes}))


def test_only_the_splits_that_a_stage_needs_are_built(receipts_root: Path):
    module = from_configuration(receipts_root)
    assert module._datasets == {}
    module.setup("validate")
    assert list(module._datasets) == ["val"]
    built = module._datasets["val"]
    module.setup("fit")
    assert list(module._datasets) == ["val", "train"] and module._datasets["val"] is built


def test_fit_and_validate_from_a_configuration(receipts_root: Path):
    module, model = from_configuration(receipts_root), Reader()
    trainer(num_sanity_val_steps=0).fit(model, datamodule=module)
    assert model.seen == ["train"] * 2 + ["val"] * 2
    trainer().validate(model, datamodule=module, verbose=False)
    assert model.seen[4:] == ["val"] * 2


def test_fitting_without_validation_does_not_build_it(receipts_root: Path):
    module = from_configuration(receipts_root)
    trainer(limit_val_batches=0).fit(Reader(), datamodule=module)
    assert list(module._datasets) == ["train"]


def test_fitting_with_no_validation_data_trains(receipts_root: Path):
    model = Reader()
    trainer().fit(model, datamodule=from_configuration(receipts_root, val=None))
    assert model.seen == ["train", "train"]


def test_testing_without_test_data_uses_validation_and_says_so(receipts_root: Path, caplog: pytest.LogCaptureFixture):
    model = Reader()
    trainer().test(model, datamodule=from_configuration(receipts_root), verbose=False)
    assert model.seen == ["val", "val"]
    assert "validation data is used to test" in caplog.text


def test_a_stage_whose_data_is_not_configured_says_which(receipts_root: Path):
    with pytest.raises(ValueError, match="no train data is configured, which fit needs"):
        from_configuration(receipts_root, train=None).setup("fit")


def test_settings_of_workers_do_not_stand_in_the_way_of_none(tmp_path: Path):
    dataset = OCRDataset(records_of(tmp_path, {"a.jpg": page_bytes()}), Letterbox(64))
    module = data_module(dataset, num_workers=0, prefetch_factor=4, persistent_workers=True)
    assert len(list(module.train_dataloader())) == 1


def test_real_receipts_and_photos_make_batches(shared_data: Path):
    records = read_sroie(shared_data / "sroie" / "img", box_dir=shared_data / "sroie" / "box")[:3]
    records += read_mmocr(shared_data / "icdar15" / "textdet_test.json", image_dir=shared_data / "icdar15")[:3]
    dataset = OCRDataset(records, Letterbox(640), strict=True)
    samples: list[Sample] = [dataset[index] for index in range(len(dataset))]
    batch = DBCollate(DBTargets())(samples)
    assert batch["images"].shape == (6, 3, 640, 640)
    assert (batch["prob_map"].flatten(1).sum(dim=1) > 0).all()
    for sample in samples:
        for polygon, source in zip(sample.polygons, sample.source_polygons, strict=True):
            if polygon.min() == 0 or polygon.max() == 639:
                continue  # cut at the border
            np.testing.assert_allclose(map_points(polygon, sample.to_source), source, atol=0.01)

"""Annotation files: what parses, and what a file that does not parse leads to."""

from __future__ import annotations

import json
import logging
import pickle
import zlib
from pathlib import Path

import numpy as np
import pytest

from pipeline.data.errors import DataError
from pipeline.data.readers import AnnotationError, Record, read_audited_json, read_mmocr, read_sroie, receipts_records
from pipeline.data.receipts import ReceiptSpec, render_receipt

SQUARE = [[1, 2], [11, 2], [11, 8], [1, 8]]
GOOD_LINE = "1,2,11,2,11,8,1,8,TOTAL"


def write_json(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content), "utf-8")
    return path


def audited(path: Path, images: dict[str, object]) -> Path:
    return write_json(path, {"images": images})


def sroie(folder: Path, files: dict[str, str | bytes]) -> list[Record]:
    """Reads `files` (box file's name: content) with an image for each stem."""
    images, boxes = folder / "img", folder / "box"
    images.mkdir()
    boxes.mkdir()
    for name, content in files.items():
        (images / f"{Path(name).stem.removeprefix('gt_')}.jpg").write_bytes(b"")
        (boxes / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_sroie(images, box_dir=boxes, strict=True)


def test_audited_words_become_polygons_with_their_texts(tmp_path: Path):
    words = {
        "0001": {"points": SQUARE, "transcription": "Total, 1.50"},
        "0002": {"points": [[0, 0], [4.5, 0], [4.5, 4], [2, 6], [0, 4]], "transcription": None},
        "0003": {"points": SQUARE, "transcription": "blurred", "illegibility": True},
        "0004": {"points": SQUARE, "transcription": "###"},
    }
    path = audited(tmp_path / "a.json", {"one.jpg": {"words": words}, "blank.jpg": {"words": {}}})
    one, blank = read_audited_json(path, image_dir=tmp_path / "images", strict=True)
    assert one.image_path == tmp_path / "images" / "one.jpg"
    assert one.texts == ["Total, 1.50", "", "blurred", "###"]
    assert one.ignore.tolist() == [False, False, True, True]
    assert [polygon.shape for polygon in one.polygons] == [(4, 2), (5, 2), (4, 2), (4, 2)]
    assert one.polygons[0].dtype == np.float32 and one.polygons[0].tolist() == SQUARE
    assert blank.polygons == [] and blank.ignore.shape == (0,) and blank.ignore.dtype == bool


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({}, '"words"'),
        ([], '"words"'),
        ({"words": {"7": {}}}, "word 7"),
        ({"words": {"7": {"points": [[1, 2], [3, 4]]}}}, r"shape \(2, 2\)"),
        ({"words": {"7": {"points": [[1, 2], [3, 4], [5]]}}}, "not numbers"),
        ({"words": {"7": {"points": [[1, 2], [3, 4], ["x", 5]]}}}, "not numbers"),
        ({"words": {"7": {"points": [[1, 2], [3, 4], [float("nan"), 5]]}}}, "not finite"),
        ({"words": {"7": {"points": [1, 2, 3, 4, 5, 6]}}}, r"shape \(6,\)"),
    ],
)
def test_an_audited_entry_that_does_not_parse(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, entry: object, reason: str
):
    path = audited(tmp_path / "a.json", {"bad.jpg": entry, "good.jpg": {"words": {}}})
    with pytest.raises(AnnotationError, match=reason) as caught:
        read_audited_json(path, image_dir=tmp_path, strict=True)
    assert str(path) in str(caught.value) and "bad.jpg" in str(caught.value)
    assert "\n" not in str(caught.value)

    with caplog.at_level(logging.WARNING):
        records = read_audited_json(path, image_dir=tmp_path)
    assert [record.image_path.name for record in records] == ["good.jpg"]
    assert "bad.jpg" in caplog.text and "1 of 2 images" in caplog.text


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"images": {', r"is not JSON: .*\(line 1, column"),
        (b"", "is not JSON"),
        (b"\xff\xfe\x00", "is not UTF-8"),
        (b"[]", '"images" is missing'),
        (b'{"images": []}', '"images" is missing or not an object'),
        (b'{"images": {}}', "names no image"),
        (b'{"images": {"a.jpg": {}}}', "none of its 1 images|words"),
    ],
)
def test_an_audited_file_of_which_nothing_is_left_is_an_error_in_any_mode(
    tmp_path: Path, content: bytes, reason: str, strict: bool
):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(AnnotationError, match=reason) as caught:
        read_audited_json(path, image_dir=tmp_path, strict=strict)
    assert caught.value.path == str(path)


def test_a_missing_annotation_file_is_named(tmp_path: Path):
    with pytest.raises(AnnotationError, match=r"none\.json: cannot be read: No such file"):
        read_audited_json(tmp_path / "none.json", image_dir=tmp_path)


def test_missing_images_are_no_matter_for_a_reader(tmp_path: Path):
    path = audited(tmp_path / "a.json", {"gone.jpg": {"words": {}}})
    assert not read_audited_json(path, image_dir=tmp_path, strict=True)[0].image_path.exists()


def test_sroie_texts_keep_their_commas_and_spaces(tmp_path: Path):
    (record,) = sroie(tmp_path, {"a.csv": "1,2,11,2,11,8,1,8,NO. 5, JALAN 9/5, \r\n\r\n1,2,11,2,11,8,1,8,\r\n"})
    assert record.texts == ["NO. 5, JALAN 9/5, ", ""]
    assert record.polygons[0].tolist() == SQUARE


def test_icdar_files_with_a_byte_order_mark_and_dont_care_marks(tmp_path: Path):
    (record,) = sroie(tmp_path, {"gt_img_1.txt": b"\xef\xbb\xbf" + f"{GOOD_LINE}\r\n1,2,11,2,11,8,1,8,###".encode()})
    assert record.image_path.name == "img_1.jpg"
    assert record.texts == ["TOTAL", "###"] and record.ignore.tolist() == [False, True]


def test_a_line_separator_within_a_text_does_not_end_the_line(tmp_path: Path):
    (record,) = sroie(tmp_path, {"a.csv": "1,2,11,2,11,8,1,8,A\u2028B\x0cC\n"})
    assert record.texts == ["A\u2028B\x0cC"]


def test_an_empty_box_file_is_an_image_without_text(tmp_path: Path):
    (record,) = sroie(tmp_path, {"a.csv": "\n"})
    assert record.polygons == [] and record.texts == [] and len(record.ignore) == 0


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (f"{GOOD_LINE}\n1,2,3,4,TOTAL", "line 2 has 5 fields"),
        ("1,2,11,2,11,8,1,8", "line 1 has 8 fields"),
        ("1,2,11,2,11,8,1,x,TOTAL", "line 1: its points are not numbers"),
        ("1,2,11,2,11,8,1,nan,TOTAL", "line 1: a coordinate is not finite"),
        (b"1,2,11,2,11,8,1,8,\xe9\xff", "is not UTF-8"),
    ],
)
def test_a_box_file_that_does_not_parse_is_named_with_its_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: str | bytes, reason: str
):
    with pytest.raises(AnnotationError, match=rf"bad\.csv: .*{reason}"):
        sroie(tmp_path, {"bad.csv": content, "good.csv": GOOD_LINE})
    records = read_sroie(tmp_path / "img", box_dir=tmp_path / "box")
    assert [record.image_path.name for record in records] == ["good.jpg"]
    assert "bad.csv" in caplog.text


def test_an_image_without_a_box_file_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    sroie(tmp_path, {"good.csv": GOOD_LINE})
    (tmp_path / "img" / "alone.png").write_bytes(b"")
    assert len(read_sroie(tmp_path / "img", box_dir=tmp_path / "box")) == 1
    assert "alone.png" in caplog.text
    with pytest.raises(AnnotationError, match="alone"):
        read_sroie(tmp_path / "img", box_dir=tmp_path / "box", strict=True)


def test_sroie_folders_that_are_missing_or_empty_are_named(tmp_path: Path):
    with pytest.raises(AnnotationError, match="nowhere: is not a folder"):
        read_sroie(tmp_path / "nowhere", box_dir=tmp_path)
    with pytest.raises(AnnotationError, match="names no image"):
        read_sroie(tmp_path, box_dir=tmp_path)


def test_mmocr_polygons_boxes_texts_and_ignore_flags(tmp_path: Path):
    instances = [
        {"polygon": [1, 2, 11, 2, 11, 8, 1, 8], "bbox": [0, 0, 1, 1], "ignore": True},
        {"bbox": [1, 2, 11, 8], "ignore": False, "text": "TOTAL"},
    ]
    path = write_json(
        tmp_path / "a.json", {"metainfo": {}, "data_list": [{"img_path": "x/a.jpg", "instances": instances}]}
    )
    (record,) = read_mmocr(path, image_dir=tmp_path, strict=True)
    assert record.image_path == tmp_path / "x" / "a.jpg"
    assert [polygon.tolist() for polygon in record.polygons] == [SQUARE, SQUARE]
    assert record.ignore.tolist() == [True, False] and record.texts == ["", "TOTAL"]


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"instances": []}, '"img_path"'),
        ({"img_path": "a.jpg"}, '"instances"'),
        ({"img_path": "a.jpg", "instances": [{}]}, '"bbox"'),
        ({"img_path": "a.jpg", "instances": [3]}, '"bbox"'),
        ({"img_path": "a.jpg", "instances": [{"bbox": [1, 2, 3]}]}, "3 numbers"),
        ({"img_path": "a.jpg", "instances": [{"polygon": [1, 2, 3, 4, 5, 6, 7]}]}, "not numbers"),
    ],
)
def test_an_mmocr_entry_that_does_not_parse(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, entry: object, reason: str
):
    path = write_json(tmp_path / "a.json", {"data_list": [entry, {"img_path": "good.jpg", "instances": []}]})
    with pytest.raises(AnnotationError, match=rf"data_list\[0\].*{reason}"):
        read_mmocr(path, image_dir=tmp_path, strict=True)
    assert [record.image_path.name for record in read_mmocr(path, image_dir=tmp_path)] == ["good.jpg"]
    assert "data_list[0]" in caplog.text


def test_synthetic_records_are_what_was_rendered(tmp_path: Path):
    spec = ReceiptSpec.small()
    (record,) = receipts_records("val", num_images={"val": 1}, seed=3, spec=spec, root=tmp_path / "r", progress=False)
    page = render_receipt((3, zlib.crc32(b"val"), 0), spec=spec)
    assert record.image_path.read_bytes() == page.jpeg_bytes()
    assert record.texts == page.texts and not record.ignore.any()
    np.testing.assert_allclose(np.stack(record.polygons), np.stack(page.quads), atol=0.006)


def test_a_split_that_is_not_counted_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match=r"'test'.*train, val"):
        receipts_records("test", root=tmp_path / "r")


def test_an_error_is_one_line_also_after_a_worker_has_raised_it():
    error = AnnotationError("a/b.csv", "two\n  lines")
    assert str(error) == "a/b.csv: two lines"
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), copy.path, copy.reason) == (AnnotationError, "a/b.csv", "two lines")
    # The text that torch's ExceptionWrapper hands to the class.
    wrapped = AnnotationError(
        "Caught AnnotationError in DataLoader worker process 0.\nOriginal Traceback (most recent call last):\n"
        '  File "x.py", line 3, in read\npipeline.data.readers.AnnotationError: a/b.csv: two: lines\n'
    )
    assert (wrapped.path, wrapped.reason, str(wrapped)) == ("a/b.csv", "two: lines", "a/b.csv: two: lines")
    assert isinstance(wrapped, DataError)


def test_all_sroie_files_parse(shared_data: Path):
    records = read_sroie(shared_data / "sroie" / "img", box_dir=shared_data / "sroie" / "box", strict=True)
    assert len(records) == 64
    assert sum(len(record.texts) for record in records) == 3413
    assert {polygon.shape for record in records for polygon in record.polygons} == {(4, 2)}


def test_all_icdar_entries_parse(shared_data: Path):
    records = read_mmocr(shared_data / "icdar15" / "textdet_test.json", image_dir=shared_data / "icdar15", strict=True)
    assert len(records) == 10
    assert all(record.image_path.exists() for record in records)
    assert any(record.ignore.any() for record in records) and not all(record.ignore.all() for record in records)

"""Synthetic receipts: the same pages for the same seed, boxes that fit the print, files that are whole or absent."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.cache_folder import default_cache_dir
from pipeline.data.receipts import (
    ReceiptsError,
    ReceiptSpec,
    RenderedReceipt,
    ensure_receipts,
    main,
    render_receipt,
    write_receipts,
)

SMALL = ReceiptSpec.small()
# Dark print on light paper and a light bed, no other marks: what is dark is text.
PRINT_ONLY = ReceiptSpec(
    long_side=(900, 1000), num_lines=(18, 40), aspect=(1.4, 2.0), desk_fraction=0, clutter=0, degradation=0
)


def tree_bytes(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_same_seed_gives_the_same_jpeg_bytes_and_another_seed_does_not():
    first, again, other = (render_receipt(seed, spec=SMALL) for seed in (5, 5, 6))
    assert first.jpeg_bytes() == again.jpeg_bytes()
    assert first.texts == again.texts
    assert all(np.array_equal(a, b) for a, b in zip(first.quads, again.quads, strict=True))
    assert first.jpeg_bytes() != other.jpeg_bytes()


def test_rendering_does_not_depend_on_numpys_global_state():
    np.random.seed(1)
    first = render_receipt(5, spec=SMALL).jpeg_bytes()
    np.random.seed(2)
    assert render_receipt(5, spec=SMALL).jpeg_bytes() == first


@pytest.mark.parametrize("spec", [ReceiptSpec(), SMALL], ids=["full", "small"])
def test_pages_keep_to_their_spec(spec: ReceiptSpec):
    for seed in range(12):
        page = render_receipt(seed, spec=spec)
        height, width = page.image.shape[:2]
        assert page.image.dtype == np.uint8 and page.image.shape[2] == 3
        assert spec.long_side[0] <= height <= spec.long_side[1]
        assert spec.aspect[0] - 0.01 <= height / width <= spec.aspect[1] + 0.01
        assert spec.num_lines[0] <= len(page.quads) == len(page.texts) <= spec.num_lines[1]
        assert spec.jpeg_quality[0] <= page.jpeg_quality <= spec.jpeg_quality[1]
        for text in page.texts:
            assert text.isascii() and text.isprintable() and text == " ".join(text.split()) != ""
        corners = np.concatenate(page.quads)
        assert (corners >= 0).all() and (corners <= (width - 1, height - 1)).all()


def test_num_lines_is_exact_where_it_is_one_number():
    for num_lines in (1, 2, 7, 33):
        spec = ReceiptSpec(long_side=(600, 700), num_lines=(num_lines, num_lines))
        assert len(render_receipt(3, spec=spec).quads) == num_lines


def test_the_densest_page_of_sroie_can_be_made():
    page = render_receipt(1, spec=ReceiptSpec(num_lines=(153, 153)))
    assert len(page.quads) == 153
    assert min(np.linalg.norm(quad[3] - quad[0]) for quad in page.quads) > 5


def test_quads_run_clockwise_from_the_top_left_of_the_text():
    for seed in range(8):
        for quad in render_receipt(seed, spec=SMALL).quads:
            top_left, top_right, bottom_right, bottom_left = quad
            assert top_left[0] < top_right[0] and bottom_left[0] < bottom_right[0]
            assert top_left[1] < bottom_left[1] and top_right[1] < bottom_right[1]


def pages_of_print_only() -> Iterator[tuple[RenderedReceipt, np.ndarray]]:
    """Ten pages on a light bed, each with the map of its dark pixels."""
    pages = (render_receipt(seed, spec=PRINT_ONLY) for seed in range(100))
    on_light = (page for page in pages if page.image[0, 0].min() > 180)
    for page in islice(on_light, 10):
        yield page, cv2.cvtColor(page.image, cv2.COLOR_RGB2GRAY) < 150


def test_all_ink_lies_within_the_quads():
    for page, ink in pages_of_print_only():
        inside = np.zeros(ink.shape, np.uint8)
        # The filled polygon takes in every pixel that its outline touches.
        cv2.fillPoly(inside, [np.round(quad).astype(np.int32) for quad in page.quads], 1)
        assert not (ink & (inside == 0)).any()


def test_every_side_of_a_quad_touches_its_ink():
    for page, ink in pages_of_print_only():
        for quad in page.quads:
            width, height = (round(float(np.linalg.norm(quad[i] - quad[0]))) for i in (1, 3))
            flat = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
            upright = cv2.getPerspectiveTransform(quad, flat)
            line = cv2.warpPerspective(ink.astype(np.uint8) * 255, upright, (width + 1, height + 1)) > 100
            rows, columns = np.flatnonzero(line.any(axis=1)), np.flatnonzero(line.any(axis=0))
            slack = [rows[0], height - rows[-1], columns[0], width - columns[-1]]
            assert max(slack) <= 3, (slack, page.texts)


@pytest.mark.parametrize(
    ("field", "value"),
    [("long_side", (900, 100)), ("num_lines", (0, 5)), ("aspect", (1.0,)), ("degradation", 1.5), ("min_text_px", 0)],
)
def test_a_spec_that_no_page_can_meet_is_refused_and_names_the_field(field: str, value: object):
    with pytest.raises(ValueError, match=field):
        ReceiptSpec(**{field: value})


def test_whole_and_decimal_numbers_are_one_spec():
    whole = ReceiptSpec(aspect=[2, 3], min_text_px=13, clutter=1)
    assert whole == ReceiptSpec(aspect=(2.0, 3.0), min_text_px=13.0, clutter=1.0)
    assert repr(whole) == repr(ReceiptSpec(aspect=(2.0, 3.0), min_text_px=13.0, clutter=1.0))


def test_too_many_lines_for_the_page_are_refused():
    with pytest.raises(ValueError, match="num_lines"):
        ReceiptSpec(long_side=(300, 320), num_lines=(100, 120))


def test_written_files_are_byte_identical_from_one_seed(tmp_path: Path):
    counts = {"train": 2, "val": 1}
    first = write_receipts(tmp_path / "a", num_images=counts, seed=4, spec=SMALL, progress=False)
    second = write_receipts(tmp_path / "b", num_images=counts, seed=4, spec=SMALL, progress=False)
    assert tree_bytes(first) == tree_bytes(second)
    assert sorted(tree_bytes(first)) == [
        "manifest.json",
        "train.json",
        "train/images/receipt_00000.jpg",
        "train/images/receipt_00001.jpg",
        "val.json",
        "val/images/receipt_00000.jpg",
    ]


def test_splits_share_no_page(tmp_path: Path):
    root = write_receipts(tmp_path / "a", num_images={"train": 2, "val": 2}, seed=4, spec=SMALL, progress=False)
    pages = [path.read_bytes() for path in root.rglob("*.jpg")]
    assert len(set(pages)) == 4


def test_more_pages_leave_the_earlier_ones_as_they_were(tmp_path: Path):
    few = write_receipts(tmp_path / "a", num_images={"train": 1, "val": 1}, seed=4, spec=SMALL, progress=False)
    more = write_receipts(tmp_path / "b", num_images={"train": 2, "val": 1}, seed=4, spec=SMALL, progress=False)
    page = "train/images/receipt_00000.jpg"
    assert (few / page).read_bytes() == (more / page).read_bytes()


def test_complete_pages_are_reused_without_being_touched(tmp_path: Path):
    given = {"num_images": {"train": 1}, "seed": 1, "spec": SMALL, "progress": False}
    root = ensure_receipts(tmp_path / "a", **given)
    page = root / "train/images/receipt_00000.jpg"
    page.write_bytes(b"marked")
    assert ensure_receipts(tmp_path / "a", **given) == root
    assert page.read_bytes() == b"marked"


def test_a_folder_of_other_pages_is_refused_and_left_alone(tmp_path: Path):
    root = ensure_receipts(tmp_path / "a", num_images={"train": 1}, seed=1, spec=SMALL, progress=False)
    before = tree_bytes(root)
    with pytest.raises(ReceiptsError, match="another seed"):
        ensure_receipts(root, num_images={"train": 1}, seed=2, spec=SMALL, progress=False)
    assert tree_bytes(root) == before


def test_a_folder_of_other_files_is_refused_and_left_alone(tmp_path: Path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ReceiptsError, match="not empty"):
        ensure_receipts(tmp_path, num_images={"train": 1}, seed=1, spec=SMALL, progress=False)
    assert tree_bytes(tmp_path) == {"notes.txt": b"mine"}


def test_what_a_killed_run_left_is_cleared_away(tmp_path: Path):
    (tmp_path / "a.partial-123" / "train").mkdir(parents=True)
    root = ensure_receipts(tmp_path / "a", num_images={"train": 1}, seed=1, spec=SMALL, progress=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "a.lock"]
    assert (root / "manifest.json").exists()


def test_a_run_that_fails_half_way_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def disk_is_full(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", disk_is_full)
    with pytest.raises(ReceiptsError, match="No space left on device"):
        write_receipts(tmp_path / "a", num_images={"train": 1}, seed=1, spec=SMALL, progress=False)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_named_with_the_way_out(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ReceiptsError, match="OCRPROF_CACHE") as caught:
        ensure_receipts(tmp_path / "file" / "a", num_images={"train": 1}, seed=1, spec=SMALL, progress=False)
    assert str(tmp_path / "file" / "a") in str(caught.value)


def test_a_damaged_manifest_is_an_error_that_says_what_to_do(tmp_path: Path):
    root = ensure_receipts(tmp_path / "a", num_images={"train": 1}, seed=1, spec=SMALL, progress=False)
    (root / "manifest.json").write_text("{")
    with pytest.raises(ReceiptsError, match="delete the folder"):
        ensure_receipts(root, num_images={"train": 1}, seed=1, spec=SMALL, progress=False)


def test_two_at_once_render_once_and_both_get_the_pages(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    roots: list[Path] = []
    barrier = threading.Barrier(2)

    def ask() -> None:
        barrier.wait()
        given = {"num_images": {"train": 6}, "seed": 1, "spec": SMALL, "progress": False}
        roots.append(ensure_receipts(tmp_path / "a", **given))

    # Each call opens the lock file anew, so flock holds threads apart just as it does processes.
    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert roots == [tmp_path / "a"] * 2
    assert len(list((tmp_path / "a/train/images").iterdir())) == 6
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "a.lock"]
    assert "waiting for it" in caplog.text


def test_progress_goes_to_stderr_and_the_folder_to_stdout(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    arguments = ["--num-train", "1", "--num-val", "1", "--root", str(tmp_path / "a")]
    assert main(arguments) == 0
    shown = capsys.readouterr()
    assert shown.out == f"{tmp_path / 'a'}\n"
    assert "Rendering receipts" in shown.err and "2/2" in shown.err
    assert main(arguments) == 0
    assert capsys.readouterr().err == ""


def test_the_command_ends_with_2_and_one_line_where_it_cannot_write(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "file").write_text("")
    assert main(["--root", str(tmp_path / "file" / "a")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert main(["--num-val", "0", "--root", str(tmp_path / "a")]) == 2
    assert "at least one page" in capsys.readouterr().err


def test_the_cache_folder_can_be_set_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OCRPROF_CACHE", str(tmp_path / "cache"))
    assert default_cache_dir() == tmp_path / "cache"
    root = ensure_receipts(num_images={"train": 1}, seed=1, spec=SMALL, progress=False)
    assert root.parent == tmp_path / "cache"
    other = ensure_receipts(num_images={"train": 1}, seed=2, spec=SMALL, progress=False)
    assert other != root
    monkeypatch.delenv("OCRPROF_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    assert default_cache_dir() == tmp_path / "home" / "ocrprof"


def test_the_folder_can_be_read_by_others(tmp_path: Path):
    root = write_receipts(tmp_path / "a", num_images={"train": 1}, seed=1, spec=SMALL, progress=False)
    (tmp_path / "ordinary").mkdir()
    assert root.stat().st_mode == (tmp_path / "ordinary").stat().st_mode


def test_annotations_are_in_the_audited_form(tmp_path: Path):
    root = write_receipts(tmp_path / "a", num_images={"val": 1}, seed=1, spec=SMALL, progress=False)
    images = json.loads((root / "val.json").read_text())["images"]
    (name, entry), *_ = images.items()
    height, width = cv2.imread(str(root / "val/images" / name)).shape[:2]
    assert (entry["img_w"], entry["img_h"]) == (width, height)
    first = entry["words"]["0001"]
    assert np.array(first["points"]).shape == (4, 2) and first["transcription"]

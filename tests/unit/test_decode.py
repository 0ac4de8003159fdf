"""Image files of every make: what they decode to, and what is said of a file that does not."""

from __future__ import annotations

import io
import logging
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from pipeline.data import decode
from pipeline.data.decode import (
    ImageError,
    decode_image,
    decoding_matrix,
    orient_image,
    orientation_matrix,
    read_image,
)
from pipeline.data.geometry import map_points

DECODERS = ("simplejpeg", "opencv", "pillow")


def picture(height: int = 48, width: int = 80) -> np.ndarray:
    """A smooth colour picture without symmetry, which JPEG keeps well."""
    y, x = np.mgrid[:height, :width]
    return np.stack([2 * x, 3 * y + 20, 150 - x + y], axis=-1).astype(np.uint8)


def encoded(pixels: np.ndarray, file_format: str = "JPEG", *, mode: str | None = None, **options: object) -> bytes:
    image = Image.fromarray(pixels)
    buffer = io.BytesIO()
    (image.convert(mode) if mode else image).save(buffer, file_format, **options)
    return buffer.getvalue()


def with_orientation(pixels: np.ndarray, orientation: int, file_format: str = "JPEG") -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 100, "subsampling": 0} if file_format == "JPEG" else {}
    return encoded(pixels, file_format, exif=exif, **options)


JPEG = encoded(picture())


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize(
    "data",
    [JPEG, encoded(picture(), progressive=True), encoded(picture(), mode="L"), JPEG + b"trailing bytes"],
    ids=["baseline", "progressive", "gray", "trailing"],
)
def test_every_decoder_gives_pillows_pixels_as_contiguous_rgb(data: bytes, decoder: str):
    pixels = decode_image(data, decoder=decoder)
    assert pixels.dtype == np.uint8 and pixels.shape == (48, 80, 3) and pixels.flags.c_contiguous
    with Image.open(io.BytesIO(data)) as image:
        np.testing.assert_array_equal(pixels, np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("file_format", ["PNG", "BMP", "TIFF"])
def test_lossless_formats_keep_every_pixel(file_format: str):
    np.testing.assert_array_equal(decode_image(encoded(picture(), file_format)), picture())


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "1"])
@pytest.mark.parametrize("decoder", ["auto", "opencv", "pillow"])
def test_png_modes_become_rgb(mode: str, decoder: str):
    data = encoded(picture(), "PNG", mode=mode)
    with Image.open(io.BytesIO(data)) as image:
        np.testing.assert_array_equal(decode_image(data, decoder=decoder), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("decoder", ["auto", "opencv", "pillow"])
@pytest.mark.parametrize("num_channels", [1, 3])
def test_sixteen_bit_png_keeps_the_high_byte(decoder: str, num_channels: int):
    values = np.linspace(0, 65535, 48 * 80 * num_channels).astype(np.uint16).reshape(48, 80, num_channels)
    data = cv2.imencode(".png", values)[1].tobytes()
    expected = np.broadcast_to((values >> 8).astype(np.uint8)[..., ::-1], (48, 80, 3))
    difference = np.abs(decode_image(data, decoder=decoder).astype(int) - expected)
    assert difference.max() <= 1


def test_cmyk_jpeg_is_decoded_by_pillow():
    data = encoded(picture(), mode="CMYK")
    image = read_image(data)
    assert image.decoder == "pillow"
    assert np.abs(image.pixels.astype(int) - picture()).mean() < 6


@pytest.mark.parametrize(
    ("data", "decoder"),
    [(JPEG, "simplejpeg"), (encoded(picture(), "PNG"), "opencv"), (encoded(picture(), "GIF"), "pillow")],
    ids=["jpeg", "png", "gif"],
)
def test_auto_chooses_by_the_header_and_says_so_once(data: bytes, decoder: str, caplog: pytest.LogCaptureFixture):
    decode._report_choice.cache_clear()
    with caplog.at_level(logging.INFO):
        assert read_image(data).decoder == decoder
        read_image(data)
    assert caplog.text.count(f"decoded by {decoder}") == 1


def test_without_simplejpeg_opencv_reads_jpeg_and_a_warning_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setitem(sys.modules, "simplejpeg", None)
    decode._has_simplejpeg.cache_clear()
    try:
        assert read_image(JPEG).decoder == "opencv"
        assert read_image(JPEG).decoder == "opencv"
    finally:
        decode._has_simplejpeg.cache_clear()
    assert [record.levelname for record in caplog.records].count("WARNING") == 1


@pytest.mark.parametrize("decoder", ["auto", *DECODERS])
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.95])
def test_a_truncated_jpeg_is_an_error_in_every_decoder(tmp_path: Path, decoder: str, kept: float):
    path = tmp_path / "cut.jpg"
    # An embedded preview has an end marker of its own, which is not the picture's.
    whole = encoded(picture(400, 300), exif=b"Exif\x00\x00" + JPEG)
    path.write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(ImageError, match=r"cut\.jpg") as caught:
        decode_image(path, decoder=decoder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("decoder", ["auto", "opencv", "pillow"])
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.95])
def test_a_truncated_png_is_an_error(tmp_path: Path, decoder: str, kept: float):
    path = tmp_path / "cut.png"
    whole = encoded(np.random.default_rng(0).integers(0, 256, (48, 80, 3), dtype=np.uint8), "PNG")
    path.write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(ImageError, match=r"cut\.png"):
        decode_image(path, decoder=decoder)


@pytest.mark.parametrize("decoder", ["auto", *DECODERS])
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"GIF87 no", "not an image"),
        (JPEG[:60], "cannot be read|decode"),
        (b"<html></html>", "not an image"),
    ],
)
def test_what_is_no_image_is_an_error_that_names_the_file(tmp_path: Path, content: bytes, reason: str, decoder: str):
    path = tmp_path / "x.jpg"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=reason) as caught:
        decode_image(str(path), decoder=decoder)
    assert caught.value.path == str(path) and "BytesIO" not in str(caught.value)


def test_damaged_jpeg_data_is_an_error():
    damaged = bytearray(encoded(picture(200, 200)))
    middle = len(damaged) // 2
    damaged[middle : middle + 60] = b"\xff\xd0\x12" * 20
    with pytest.raises(ImageError, match="damaged"):
        decode_image(bytes(damaged))


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path):
    with pytest.raises(ImageError, match=r"none\.jpg: cannot be read: No such file"):
        decode_image(tmp_path / "none.jpg")
    with pytest.raises(ImageError, match="Is a directory"):
        decode_image(tmp_path)


def test_a_decompression_bomb_is_an_error(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ImageError, match="decompression bomb"):
        decode_image(JPEG)


def test_simplejpeg_asked_for_a_png_says_what_would_read_it():
    with pytest.raises(ImageError, match="decoder=auto"):
        decode_image(encoded(picture(), "PNG"), decoder="simplejpeg")


@pytest.mark.parametrize(("name", "value"), [("decoder", "turbo"), ("exif", "yes")])
def test_unknown_settings_are_refused(name: str, value: str):
    with pytest.raises(ValueError, match=value):
        decode_image(JPEG, **{name: value})


@pytest.mark.parametrize("decoder", ["auto", *DECODERS])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_left_alone_or_applied_as_pillow_does(orientation: int, decoder: str):
    data = with_orientation(picture(), orientation)
    with Image.open(io.BytesIO(data)) as image:
        stored, upright = np.asarray(image), np.asarray(ImageOps.exif_transpose(image))
    np.testing.assert_array_equal(decode_image(data, decoder=decoder), stored)
    turned = read_image(data, exif="apply", decoder=decoder)
    np.testing.assert_array_equal(turned.pixels, upright)
    assert turned.orientation == orientation and turned.stored_size == (80, 48) and turned.pixels.flags.c_contiguous


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_a_png_is_read_too(orientation: int):
    data = with_orientation(picture(), orientation, "PNG")
    np.testing.assert_array_equal(decode_image(data), picture())
    with Image.open(io.BytesIO(data)) as image:
        np.testing.assert_array_equal(decode_image(data, exif="apply"), np.asarray(ImageOps.exif_transpose(image)))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_polygons_follow_the_pixels_through_every_orientation(orientation: int):
    pixels = picture()
    points = np.float32([(0, 0), (79, 0), (79, 47), (0, 47), (13, 31)])
    upright = orient_image(pixels, orientation=orientation)
    moved = map_points(points, orientation_matrix(orientation, stored_size=(80, 48)))
    for (x, y), (new_x, new_y) in zip(points.astype(int), moved.astype(int), strict=True):
        np.testing.assert_array_equal(upright[new_y, new_x], pixels[y, x])


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_nonsense_orientation_and_broken_exif_count_as_upright():
    np.testing.assert_array_equal(decode_image(with_orientation(picture(), 77), exif="apply").shape, (48, 80, 3))
    broken = encoded(picture(), exif=b"Exif\x00\x00II*\x00\xff\xff\xff\x7f")
    assert read_image(broken, exif="apply").orientation == 1


def test_a_35_megapixel_scan_decodes_to_the_same_pixels_in_every_decoder(shared_data: Path):
    path = min((shared_data / "sroie" / "large" / "img").glob("*.jpg"), key=lambda path: path.stat().st_size)
    pixels = decode_image(path)
    assert pixels.shape[0] * pixels.shape[1] > 30_000_000
    np.testing.assert_array_equal(pixels, decode_image(path, decoder="opencv"))


# ---- decoded small


@pytest.mark.parametrize(
    ("longer_side", "shape"),
    [
        (None, (301, 403)),
        (202, (301, 403)),  # under half of it would be below
        (201, (151, 202)),  # sides round up
        (101, (151, 202)),
        (100, (76, 101)),
        (50, (38, 51)),
        (1, (38, 51)),  # an eighth is the least that a JPEG decoder gives
    ],
)
def test_a_jpeg_is_decoded_as_small_as_the_caller_s_side_allows(longer_side: int | None, shape: tuple[int, int]):
    data = encoded(picture(301, 403))
    for decoder in DECODERS:
        assert decode_image(data, decoder=decoder, longer_side=longer_side).shape == (*shape, 3)


@pytest.mark.parametrize("longer_side", [200, 100, 50])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"mode": "L"}, {"subsampling": 0}], ids=str)
def test_every_decoder_gives_the_same_small_pixels(options: dict[str, object], longer_side: int):
    data = encoded(picture(301, 403), **options)
    expected = decode_image(data, decoder="simplejpeg", longer_side=longer_side)
    for decoder in ("opencv", "pillow"):
        np.testing.assert_array_equal(decode_image(data, decoder=decoder, longer_side=longer_side), expected)


def test_a_small_picture_is_the_large_one_averaged():
    data = encoded(picture(304, 400), quality=95)
    whole = decode_image(data).astype(np.float64)
    averaged = whole.reshape(76, 4, 100, 4, 3).mean(axis=(1, 3))
    assert np.abs(decode_image(data, longer_side=100) - averaged).mean() < 1.5


def test_other_formats_are_decoded_at_full_size_and_cmyk_jpeg_small():
    assert decode_image(encoded(picture(300, 400), "PNG"), longer_side=50).shape == (300, 400, 3)
    cmyk = read_image(encoded(picture(300, 400), mode="CMYK"), longer_side=100)
    assert (cmyk.decoder, cmyk.pixels.shape) == ("pillow", (75, 100, 3))


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.95])
def test_a_truncated_jpeg_is_an_error_when_decoded_small_too(decoder: str, kept: float):
    whole = encoded(picture(400, 300))
    with pytest.raises(ImageError):
        decode_image(whole[: int(kept * len(whole))], decoder=decoder, longer_side=100)


@pytest.mark.parametrize("exif", ["ignore", "apply"])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("longer_side", [None, 100])
def test_the_matrix_leads_from_the_stored_picture_to_what_was_decoded(longer_side, orientation: int, exif: str):
    pixels = np.full((301, 403, 3), 255, np.uint8)
    pixels[160:192, 48:80] = 0  # a square of whole 8 x 8 blocks
    image = read_image(with_orientation(pixels, orientation), exif=exif, longer_side=longer_side)
    assert image.stored_size == (403, 301)
    rows, columns = np.nonzero(image.pixels[..., 0] < 128)
    found = np.float32([[columns.mean(), rows.mean()]])
    expected = map_points(np.float32([[63.5, 175.5]]), decoding_matrix(image, exif=exif))
    np.testing.assert_allclose(found, expected, atol=0.2)


def test_a_longer_side_of_no_pixels_is_refused():
    with pytest.raises(ValueError, match="longer_side is 0"):
        decode_image(JPEG, longer_side=0)

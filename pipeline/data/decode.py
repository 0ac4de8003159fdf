"""Image files as RGB pixels: one decoder for a file, chosen by its header, and one explicit rule for EXIF orientation.

`auto` takes simplejpeg for JPEG in grey or colour (a third of Pillow's time on receipt scans), Pillow for CMYK and for
the rarer formats, OpenCV for the rest. All give the same pixels. A file that its decoder refuses is an ImageError: no
second decoder is tried, because the others may give half a picture where simplejpeg says that the file is damaged.

Decoders differ in what they do with the EXIF orientation (OpenCV turns the picture without a word, the others do not),
so all of them are told to leave it, and it is applied here or not at all.

A page that will be shrunk to less than half is decoded small: a JPEG decoder can leave out the fine waves of each block
and give a half, a quarter or an eighth of the side, at up to a twentieth of the time. All decoders do it alike, but it
is not the same filter as decoding all and averaging.
"""

from __future__ import annotations

import io
import logging
import struct
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from PIL import Image

from pipeline.data.errors import DataError

Exif = Literal["ignore", "apply"]
Decoder = Literal["auto", "simplejpeg", "opencv", "pillow"]

_log = logging.getLogger(__name__)

_ORIENTATION_TAG = 0x0112
_REDUCTIONS = (8, 4, 2, 1)  # of each side, which JPEG decoders can all do
_JPEG_FORMATS = ("JPEG", "MPO")
_OPENCV_FORMATS = (*_JPEG_FORMATS, "PNG", "BMP", "WEBP", "TIFF", "PPM")
# Orientation: (swap x and y, then mirror across, then mirror along) from stored to upright pixels (EXIF 2.32, tag 274).
_ORIENTATIONS = {
    1: (False, False, False),
    2: (False, True, False),
    3: (False, True, True),
    4: (False, False, True),
    5: (True, False, False),
    6: (True, True, False),
    7: (True, True, True),
    8: (True, False, True),
}


class ImageError(DataError):
    """An image file that is missing or cannot be decoded."""


@dataclass(frozen=True)
class DecodedImage:
    """`pixels` uint8 (H, W, 3) RGB, the file's EXIF `orientation` (1 to 8, applied or not), stored (w, h)."""

    pixels: np.ndarray
    orientation: int
    stored_size: tuple[int, int]
    decoder: str


def decode_image(
    path_or_bytes: Path | str | bytes,
    *,
    exif: Exif = "ignore",
    decoder: Decoder = "auto",
    longer_side: int | None = None,
) -> np.ndarray:
    """The picture as uint8 (H, W, 3) RGB, C-contiguous; 16-bit values keep their high byte, transparency is dropped.

    `exif="apply"` turns it upright by its orientation tag. `longer_side`: in pixels, what the caller is going to shrink
    the picture to; a JPEG file of at least twice that is decoded smaller, but not below it. ImageError names the file
    and says what is wrong with it.
    """
    return read_image(path_or_bytes, exif=exif, decoder=decoder, longer_side=longer_side).pixels


def read_image(
    path_or_bytes: Path | str | bytes,
    *,
    exif: Exif = "ignore",
    decoder: Decoder = "auto",
    longer_side: int | None = None,
) -> DecodedImage:
    """As `decode_image`, with the orientation and the stored size, which polygons need (`decoding_matrix`)."""
    if longer_side is not None and longer_side < 1:
        raise ValueError(f"longer_side is {longer_side}: it is a number of pixels, or None")
    if exif not in ("ignore", "apply"):
        raise ValueError(f"exif is {exif!r}: it is 'ignore' or 'apply'")
    if isinstance(path_or_bytes, bytes):
        name, data = "<bytes>", path_or_bytes
    else:
        name = str(path_or_bytes)
        try:
            data = Path(path_or_bytes).read_bytes()
        except OSError as error:
            raise ImageError(name, f"cannot be read: {error.strerror or error}") from error
    header = _read_header(data, name=name)
    chosen = _choose(header, decoder=decoder, name=name)
    reduction = _reduction(header, longer_side=longer_side)
    pixels = _DECODERS[chosen](data, name=name, reduction=reduction)
    if exif == "apply":
        pixels = orient_image(pixels, orientation=header.orientation)
    return DecodedImage(np.ascontiguousarray(pixels), header.orientation, header.size, chosen)


def _reduction(header: _Header, *, longer_side: int | None) -> int:
    """The most by which the file can be shrunk while it is decoded, down to `longer_side` at most."""
    if longer_side is None or header.format not in _JPEG_FORMATS:
        return 1
    return next(each for each in _REDUCTIONS if each == 1 or max(header.size) >= each * longer_side)


def orient_image(pixels: np.ndarray, *, orientation: int) -> np.ndarray:
    """Stored `pixels` (H, W, ...) turned upright; a view."""
    swap, mirror_across, mirror_along = _ORIENTATIONS[orientation]
    if swap:
        pixels = pixels.swapaxes(0, 1)
    return pixels[:: -1 if mirror_along else 1, :: -1 if mirror_across else 1]


def orientation_swaps_sides(orientation: int) -> bool:
    """Whether the upright picture is as wide as the stored one is high."""
    return _ORIENTATIONS[orientation][0]


def orientation_matrix(orientation: int, *, stored_size: tuple[int, int]) -> np.ndarray:
    """The float64 (3, 3) matrix from stored to upright xy that goes with `orient_image`; `stored_size` is (w, h)."""
    swap, mirror_across, mirror_along = _ORIENTATIONS[orientation]
    width, height = stored_size[::-1] if swap else stored_size
    matrix = np.eye(3)[[1, 0, 2]] if swap else np.eye(3)
    if mirror_across:
        matrix = np.array([[-1.0, 0, width - 1], [0, 1, 0], [0, 0, 1]]) @ matrix
    if mirror_along:
        matrix = np.array([[1.0, 0, 0], [0, -1, height - 1], [0, 0, 1]]) @ matrix
    return matrix


def decoding_matrix(image: DecodedImage, *, exif: Exif) -> np.ndarray:
    """The float64 (3, 3) matrix from xy in the stored picture at full size to xy in `image`, read with this `exif`.

    Each pixel of a smaller picture stands for a square of 2, 4 or 8 pixels a side, the last ones of them cut by the
    border. So the scale is that of the squares, not that of the sides, which are rounded up.
    """
    height, width = image.pixels.shape[:2]
    orientation = image.orientation if exif == "apply" else 1
    if _ORIENTATIONS[orientation][0]:
        height, width = width, height
    scale = 1 / min(_REDUCTIONS, key=lambda each: abs(max(image.stored_size) / each - max(width, height)))
    resized = np.array([[scale, 0, (scale - 1) / 2], [0, scale, (scale - 1) / 2], [0, 0, 1.0]])
    return orientation_matrix(orientation, stored_size=(width, height)) @ resized


@dataclass(frozen=True)
class _Header:
    format: str
    mode: str
    size: tuple[int, int]
    orientation: int


def _read_header(data: bytes, *, name: str) -> _Header:
    """What the file says of itself, by way of Pillow, which parses no pixels here (0.07 ms)."""
    if not data:
        raise ImageError(name, "the file is empty")
    try:
        with Image.open(io.BytesIO(data)) as image:
            return _Header(str(image.format), image.mode, image.size, _orientation(image, name=name))
    except Image.UnidentifiedImageError as error:
        # Its own message names a BytesIO object.
        raise ImageError(name, "is not an image in a known format") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ImageError(name, f"the header cannot be read: {error}") from error


def _orientation(image: Image.Image, *, name: str) -> int:
    try:
        orientation = image.getexif().get(_ORIENTATION_TAG, 1)
    except (OSError, ValueError, SyntaxError, KeyError, TypeError, struct.error) as error:
        _log.warning("%s: the EXIF data cannot be read (%s); the picture is taken as upright", name, error)
        return 1
    # Cameras write 0 for "unknown".
    return orientation if orientation in _ORIENTATIONS else 1


def _choose(header: _Header, *, decoder: Decoder, name: str) -> str:
    is_plain_jpeg = header.format in _JPEG_FORMATS and header.mode in ("RGB", "L")
    if decoder == "auto":
        if is_plain_jpeg and _has_simplejpeg():
            chosen = "simplejpeg"
        elif header.format in _OPENCV_FORMATS and header.mode != "CMYK":
            chosen = "opencv"
        else:
            chosen = "pillow"
        _report_choice(header.format, header.mode, chosen)
        return chosen
    if decoder not in _DECODERS:
        raise ValueError(f"decoder is {decoder!r}: it is one of auto, {', '.join(_DECODERS)}")
    if decoder == "simplejpeg" and not is_plain_jpeg:
        raise ImageError(name, f"is {header.format} ({header.mode}), which simplejpeg does not read; decoder=auto does")
    return decoder


@lru_cache(maxsize=1)
def _has_simplejpeg() -> bool:
    try:
        import simplejpeg  # noqa: F401
    except ImportError as error:
        _log.warning("simplejpeg cannot be imported (%s): JPEG files are decoded by OpenCV, which is slower", error)
        return False
    return True


@lru_cache(maxsize=64)
def _report_choice(file_format: str, mode: str, chosen: str) -> None:
    """Says once a process which decoder reads a kind of file."""
    _log.info("%s files (%s) are decoded by %s", file_format, mode, chosen)


def _by_simplejpeg(data: bytes, *, name: str, reduction: int) -> np.ndarray:
    import simplejpeg

    try:
        if reduction == 1:
            return simplejpeg.decode_jpeg(data, colorspace="RGB")
        height, width = simplejpeg.decode_jpeg_header(data)[:2]
        # It takes the smallest scale that is not below these.
        return simplejpeg.decode_jpeg(
            data, colorspace="RGB", min_height=-(-height // reduction), min_width=-(-width // reduction)
        )
    except ValueError as error:
        raise ImageError(name, f"is a damaged JPEG: {error}") from error


_REDUCED_COLOR = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}


def _by_opencv(data: bytes, *, name: str, reduction: int) -> np.ndarray:
    # OpenCV 4 gives back the upper part of a JPEG that ends too early. In the compressed data every 0xff is escaped, so
    # in a whole file an end-of-image marker follows the last start-of-scan marker.
    if data[:2] == b"\xff\xd8" and data.rfind(b"\xff\xd9") < data.rfind(b"\xff\xda"):
        raise ImageError(name, "is a truncated JPEG: it has no end-of-image marker")
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), _REDUCED_COLOR[reduction] | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise ImageError(name, f"OpenCV cannot decode it: {error.err}") from error
    if pixels is None:
        raise ImageError(name, "OpenCV cannot decode it: the file is damaged or truncated")
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)


def _by_pillow(data: bytes, *, name: str, reduction: int) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(data)) as image:
            if reduction > 1:
                width, height = image.size
                image.draft(None, (width // reduction, height // reduction))
            if image.mode.startswith("I"):
                # convert("RGB") would clip 16-bit values at 255.
                high_bytes = (np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8)
                return np.repeat(high_bytes[..., None], 3, axis=2)
            return np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError) as error:
        raise ImageError(name, f"Pillow cannot decode it: {error}") from error


_DECODERS = {"simplejpeg": _by_simplejpeg, "opencv": _by_opencv, "pillow": _by_pillow}

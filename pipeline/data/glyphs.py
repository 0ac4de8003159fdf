"""Lines of printed text as ink masks, from the typefaces that Pillow and OpenCV carry: no font file, no network.

A glyph is drawn once a process at MASTER_EM pixels; a line is put together from these and scaled to its size in one
step, across and along apart, so that one typeface gives condensed, wide, tall, slanted, light and bold print.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

# Size of the glyphs that are kept. Print on a page is 13 to 60 px tall, so nearly every line is scaled down, not up.
MASTER_EM = 48
_BASELINE = 50
_MASTER_HEIGHT = 66
# The pitch of monospaced print, in em: that of Courier.
_MONOSPACED_ADVANCE = round(0.6 * MASTER_EM)

Typeface = Literal["sans", "plotter", "plotter heavy", "till"]


@dataclass(frozen=True)
class Face:
    """How a line is printed: `width` scales across, `weight` (0 to 2) thickens strokes, `slant` leans right (dx/dy)."""

    typeface: Typeface = "sans"
    weight: int = 0
    monospaced: bool = True
    width: float = 1.0
    slant: float = 0.0


def draw_line(text: str, *, face: Face, em_px: float, max_width_px: float) -> np.ndarray:
    """The ink of `text`, uint8 (h, w), 255 full ink, cropped to its ink box and squeezed to `max_width_px` if need be.

    `text` is printable ASCII with at least one visible character.
    """
    masters = [_master(char, face.typeface, face.weight, face.monospaced) for char in text]
    line = np.zeros((_MASTER_HEIGHT, sum(advance for _, advance in masters) + 2 * MASTER_EM), np.uint8)
    x = MASTER_EM // 2
    for ink, advance in masters:
        start = x + (advance - ink.shape[1]) // 2
        np.maximum(line[:, start : start + ink.shape[1]], ink, out=line[:, start : start + ink.shape[1]])
        x += advance
    if face.slant:
        lean = np.float32([[1, -face.slant, face.slant * _BASELINE], [0, 1, 0]])
        line = cv2.warpAffine(line, lean, (line.shape[1], line.shape[0]))
    line = _crop_to_ink(line, threshold=0)
    scale_y = em_px / MASTER_EM
    width = min(line.shape[1] * scale_y * face.width, max_width_px)
    size = max(1, round(width)), max(1, round(line.shape[0] * scale_y))
    return _crop_to_ink(cv2.resize(line, size, interpolation=cv2.INTER_AREA), threshold=VISIBLE_INK)


def natural_width(text: str, *, face: Face, em_px: float) -> float:
    """The width in px that `text` takes when it is not squeezed."""
    advances = sum(_master(char, face.typeface, face.weight, face.monospaced)[1] for char in text)
    return advances * em_px / MASTER_EM * face.width


# Ink below this is not seen on paper, and does not count for a line's box.
VISIBLE_INK = 40


def _crop_to_ink(line: np.ndarray, *, threshold: int) -> np.ndarray:
    seen = line > threshold
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    if not len(rows):
        return line
    return line[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


@lru_cache(maxsize=4096)
def _master(char: str, typeface: Typeface, weight: int, monospaced: bool) -> tuple[np.ndarray, int]:
    """The glyph at MASTER_EM, uint8 (_MASTER_HEIGHT, w) with no blank columns at its sides, and its advance in px."""
    draw = {"sans": _draw_sans, "plotter": _draw_plotter, "plotter heavy": _draw_plotter_heavy, "till": _draw_till}
    ink, advance = draw[typeface](char)
    if weight:
        ink = cv2.dilate(ink, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * weight + 1, 2 * weight + 1)))
    columns = np.flatnonzero(ink.any(axis=0))
    ink = ink[:, columns[0] : columns[-1] + 1] if len(columns) else ink[:, :1]
    if monospaced:
        advance = _MONOSPACED_ADVANCE
        widest = round(0.94 * advance)
        if ink.shape[1] > widest:
            ink = cv2.resize(ink, (widest, ink.shape[0]), interpolation=cv2.INTER_AREA)
    return ink, advance


@lru_cache(maxsize=1)
def _sans() -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(size=MASTER_EM)


def _draw_sans(char: str) -> tuple[np.ndarray, int]:
    canvas = Image.new("L", (3 * MASTER_EM, _MASTER_HEIGHT))
    ImageDraw.Draw(canvas).text((MASTER_EM, _BASELINE), char, font=_sans(), fill=255, anchor="ls")
    return np.array(canvas), round(_sans().getlength(char))


def _draw_plotter(char: str, font: int = cv2.FONT_HERSHEY_SIMPLEX) -> tuple[np.ndarray, int]:
    """OpenCV's own text: Hershey strokes up to OpenCV 4, its embedded outlines from 5 on."""
    canvas = np.zeros((_MASTER_HEIGHT, 3 * MASTER_EM), np.uint8)
    # The capitals of the Hershey fonts are 21 units tall; 0.72 em is a usual cap height.
    scale = 0.72 * MASTER_EM / 21
    cv2.putText(canvas, char, (MASTER_EM, _BASELINE), font, scale, 255, 3, cv2.LINE_AA)
    (advance, _), _ = cv2.getTextSize(char, font, scale, 3)
    return canvas, max(advance, MASTER_EM // 4)


def _draw_plotter_heavy(char: str) -> tuple[np.ndarray, int]:
    return _draw_plotter(char, cv2.FONT_HERSHEY_DUPLEX)


@lru_cache(maxsize=1)
def _till() -> ImageFont.ImageFont:
    # Courier bold as a bitmap of 6 x 11 pixels a character: enlarged, it is the dotted print of a till.
    return ImageFont.load_default_imagefont()


def _draw_till(char: str) -> tuple[np.ndarray, int]:
    cell = Image.new("L", (6, 11))
    ImageDraw.Draw(cell).text((0, 0), char, font=_till(), fill=255)
    dots = cv2.resize(np.array(cell), None, fx=5, fy=5, interpolation=cv2.INTER_NEAREST)
    dots = cv2.GaussianBlur(dots, (5, 5), 0)
    canvas = np.zeros((_MASTER_HEIGHT, dots.shape[1]), np.uint8)
    canvas[_MASTER_HEIGHT - dots.shape[0] :] = dots
    return canvas, _MONOSPACED_ADVANCE

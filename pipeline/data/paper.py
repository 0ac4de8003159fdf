"""What surrounds the print of a synthetic receipt: paper, folds, desk, light, blur, grain.

Everything is a function of its arguments and of a seeded generator. Images are uint8 RGB, masks uint8 (h, w).
`strength` scales an effect: 0 turns it off, 1 is the worst that ordinary scans show.
"""

from __future__ import annotations

import cv2
import numpy as np

# Shading is held in uint8 with this as "unchanged", so that light can also brighten.
_UNSHADED = 200


def smooth_field(rng: np.random.Generator, *, size: tuple[int, int], cells: int, low: float, high: float) -> np.ndarray:
    """Float32 noise of `size` (h, w) between about `low` and `high`, with `cells` bumps along its longer side."""
    height, width = size
    longest = max(height, width)
    grid = max(2, round(cells * height / longest)), max(2, round(cells * width / longest))
    field = rng.uniform(low, high, grid).astype(np.float32)
    return cv2.resize(field, (width, height), interpolation=cv2.INTER_LINEAR)


def fade_ink(rng: np.random.Generator, ink: np.ndarray, *, strength: float) -> np.ndarray:
    """`ink` worn as by a weak thermal head: large pale areas, fine speckle, and now and then a pale vertical stripe."""
    if strength <= 0:
        return ink
    # Squared: most pages are printed well, a few are hard to read.
    wear = strength * float(rng.random()) ** 2
    palest = 1.0 - 0.45 * wear
    keep = smooth_field(rng, size=ink.shape, cells=int(rng.integers(3, 9)), low=palest, high=1.0)
    speckle = rng.uniform(1.0 - 0.5 * wear, 1.0, (256, 256)).astype(np.float32)
    keep *= _tiled(speckle, ink.shape)
    if rng.random() < 0.25:
        x = int(rng.integers(ink.shape[1]))
        keep[:, x : x + int(rng.integers(1, 4))] *= 1.0 - 0.6 * strength
    return cv2.multiply(ink, keep, dtype=cv2.CV_8U)


def print_on_paper(rng: np.random.Generator, ink: np.ndarray, *, strength: float) -> np.ndarray:
    """A flat sheet, uint8 (h, w, 3) RGB, with `ink` (uint8, 255 full) printed on it: tint, fibres, folds."""
    brightness = rng.triangular(220, 255, 256)
    tint = np.clip(brightness + rng.normal(0, 5, 3) * strength + np.array([2, 0, -5]) * strength, 190, 255)
    colour = INKS[int(rng.integers(len(INKS)))] if strength > 0 else INKS[0]
    amounts = np.arange(256)[:, None] / 255.0
    table = np.round(tint + (np.array(colour) - tint) * amounts).astype(np.uint8)
    sheet = cv2.LUT(cv2.merge([ink, ink, ink]), table[None])
    if strength <= 0:
        return sheet
    shade = smooth_field(rng, size=ink.shape, cells=6, low=1.0 - 0.08 * strength, high=1.02)
    fibres = cv2.GaussianBlur(
        rng.normal(0, 1, (256, 256)).astype(np.float32), (3, 3), 0.8, borderType=cv2.BORDER_REFLECT
    )
    shade += _tiled(fibres * (0.02 * strength), ink.shape)
    _shade_folds(rng, shade, strength=strength)
    return _shaded(sheet, shade)


def _shade_folds(rng: np.random.Generator, shade: np.ndarray, *, strength: float) -> None:
    """Folds into `shade` (float32, in place): on each side of a crease the paper leans to or from the light."""
    height, width = shade.shape
    for axis, length, chance in ((0, height, 0.45), (1, width, 0.2)):
        for _ in range(int(rng.integers(1, 4)) if rng.random() < chance else 0):
            at, reach = rng.uniform(0.1, 0.9) * length, rng.uniform(0.02, 0.15) * length
            offset = np.arange(length, dtype=np.float32) - np.float32(at)
            lean = np.sign(offset) * np.exp(-np.abs(offset) / reach) * rng.uniform(0.02, 0.1) * strength
            crease = -np.exp(-np.square(offset / rng.uniform(0.8, 2.5))) * rng.uniform(0.05, 0.25) * strength
            profile = (lean * rng.choice([-1, 1]) + crease).astype(np.float32)
            shade += profile[:, None] if axis == 0 else profile[None, :]


def scan_bed(rng: np.random.Generator, *, size: tuple[int, int], strength: float) -> np.ndarray:
    """The background of a scan, uint8 (h, w, 3): white, grey or the dark inside of a lid, nearly even."""
    level = rng.choice([255, 250, 235, 205, 20], p=[0.45, 0.2, 0.15, 0.1, 0.1])
    return np.full((*size, 3), np.clip(level + rng.normal(0, 3) * strength, 0, 255), np.uint8)


def desk(rng: np.random.Generator, *, size: tuple[int, int], strength: float) -> np.ndarray:
    """A desk seen from above, uint8 (h, w, 3): wood grain or mottled cloth in a dark to middling colour."""
    height, width = size
    colour = np.array(DESKS[int(rng.integers(len(DESKS)))]) * rng.uniform(0.7, 1.15)
    pattern = smooth_field(rng, size=size, cells=8, low=0.8, high=1.1)
    if rng.random() < 0.6:
        # Grain: noise drawn out along one direction.
        lengthwise = rng.random() < 0.5
        grid = (height // 3 + 1, 4) if lengthwise else (4, width // 3 + 1)
        pattern *= cv2.resize(
            rng.uniform(0.82, 1.08, grid).astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR
        )
    else:
        pattern *= _tiled(rng.uniform(1.0 - 0.15 * strength, 1.0, (128, 128)).astype(np.float32), size)
    return _shaded(np.broadcast_to(np.clip(colour, 0, 255).astype(np.uint8), (height, width, 3)), pattern)


def drop_shadow(
    image: np.ndarray, outline: np.ndarray, *, depth: float, offset: tuple[float, float], reach: float
) -> np.ndarray:
    """`image` darkened by `depth` (0..1) under the polygon `outline` (n, 2) moved by `offset`, soft over `reach` px."""
    height, width = image.shape[:2]
    # A soft shadow has no detail, so it is drawn at a quarter of the size.
    mask = np.zeros((height // 4 + 1, width // 4 + 1), np.float32)
    cv2.fillPoly(mask, [np.round((outline + np.float32(offset)) / 4).astype(np.int32)], depth)
    mask = cv2.GaussianBlur(mask, (0, 0), max(0.5, reach / 4))
    return _shaded(image, 1.0 - cv2.resize(mask, (width, height), interpolation=cv2.INTER_LINEAR))


def photograph(rng: np.random.Generator, image: np.ndarray, *, strength: float) -> np.ndarray:
    """`image` as a camera or scanner gives it back: uneven light, softness (at most 1.2 px, one sigma), grain."""
    if strength <= 0:
        return image
    if rng.random() < 0.7:
        light = smooth_field(
            rng, size=image.shape[:2], cells=2, low=1.0 - 0.3 * strength * float(rng.random()), high=1.05
        )
        image = _shaded(image, light)
    sigma = float(rng.uniform(0.0, 1.2)) * strength * min(1.0, max(image.shape[:2]) / 1200)
    if sigma > 0.3:
        image = cv2.GaussianBlur(image, (0, 0), sigma)
    # Grain is the same in all three channels, as it is after a scanner's own clean-up.
    grain = rng.standard_normal(image.shape[:2], dtype=np.float32) * np.float32(rng.uniform(0.5, 9.0) * strength)
    return cv2.add(image, cv2.merge([grain, grain, grain]), dtype=cv2.CV_8U)


def _tiled(tile: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    height, width = size
    return np.tile(tile, (-(-height // tile.shape[0]), -(-width // tile.shape[1])))[:height, :width]


def _shaded(image: np.ndarray, shade: np.ndarray) -> np.ndarray:
    """uint8 RGB times a float field, by way of uint8: cheaper than float images, and the steps drown in the grain."""
    levels = cv2.convertScaleAbs(shade, alpha=_UNSHADED)
    return cv2.multiply(np.ascontiguousarray(image), cv2.merge([levels, levels, levels]), scale=1.0 / _UNSHADED)


INKS = ((18, 18, 22), (40, 40, 44), (30, 32, 60), (70, 66, 100), (60, 56, 54), (10, 10, 10))
DESKS = (
    (110, 80, 52),
    (150, 112, 76),
    (70, 52, 40),
    (58, 60, 66),
    (38, 40, 46),
    (96, 104, 112),
    (60, 84, 70),
    (90, 60, 60),
)

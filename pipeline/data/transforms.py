"""From a page of any size to a square canvas: one 3 x 3 matrix a sample, one warp, polygons by the same matrix.

Nothing here imports torch. Random numbers come from Python's `random`, which a DataLoader seeds anew in each worker and
Lightning's seed_everything in the main process.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.data.geometry import clip_to_canvas, map_points, polygon_area

# Goes up with every change of this file that changes a pixel: results kept from before are then made again.
_WARP_VERSION = 1

# Around the page the canvas is black, as in the audited project (PadIfNeeded, border_mode 0).
_BORDER = (0, 0, 0)


@dataclass(frozen=True)
class Transformed:
    """A page on its canvas: `image` uint8 (S, S, 3) RGB and what became of each of the N polygons that came in.

    `polygons` are float32 (n, 2) in canvas px, clipped to the canvas (n = 0: nothing is left); `visible`, float32 (N,),
    is the share of a polygon's area that is left. `matrix` maps source to canvas xy, `to_source` back; both are float64
    (3, 3).
    """

    image: np.ndarray
    polygons: list[np.ndarray]
    visible: np.ndarray
    matrix: np.ndarray
    to_source: np.ndarray


class Letterbox:
    """Scales a page so that its longer side fills a `size` px square, in the middle of which it lies."""

    def __init__(self, size: int) -> None:
        self.size = _checked_size(size)

    @property
    def longer_side(self) -> int:
        """Pixels of a page's longer side on the canvas."""
        return self.size

    @property
    def cache_key(self) -> tuple[str | int, ...]:
        """All that the result depends on beside the page: it may be kept. A transform of chance has no such key."""
        return ("Letterbox", self.size, _WARP_VERSION, cv2.__version__)

    def __call__(self, image: np.ndarray, polygons: Sequence[np.ndarray]) -> Transformed:
        """`image` uint8 (H, W, 3), `polygons` float32 (n, 2) in its px."""
        return _apply(image, polygons, matrix=letterbox_matrix(image, size=self.size), size=self.size)


class TrainTransform:
    """Letterboxes a page, then turns, scales, mirrors and shifts it at random, all in one warp; then changes its light.

    `rotate`: up to so many degrees either way. `scale`: how much larger than letterboxed, even in the logarithm; above
    1 the canvas shows a part of the page, chosen around one of its polygons. `flip`: probability of a mirror
    image. `brightness`: an offset of up to this share of 255. `contrast`: a gain within 1 ± this.
    """

    def __init__(
        self,
        size: int,
        *,
        rotate: float = 10.0,
        scale: Sequence[float] = (0.5, 3.0),
        flip: float = 0.5,
        brightness: float = 0.2,
        contrast: float = 0.2,
    ) -> None:
        self.size = _checked_size(size)
        self.rotate = _checked("rotate", rotate, 0, 180)
        low, high = (_checked("scale", value, 0.05, 20) for value in scale)
        if low > high:
            raise ValueError(f"scale is {tuple(scale)}: the smaller number comes first")
        self.scale = (low, high)
        self.flip = _checked("flip", flip, 0, 1)
        self.brightness = _checked("brightness", brightness, 0, 1)
        self.contrast = _checked("contrast", contrast, 0, 0.95)

    def __call__(self, image: np.ndarray, polygons: Sequence[np.ndarray]) -> Transformed:
        """`image` uint8 (H, W, 3), `polygons` float32 (n, 2) in its px."""
        matrix = self._random_matrix(image, polygons)
        result = _apply(image, polygons, matrix=matrix, size=self.size)
        gain = 1.0 + random.uniform(-self.contrast, self.contrast)
        offset = 255 * random.uniform(-self.brightness, self.brightness)
        if gain != 1.0 or offset:
            # The gain turns about mid-grey, so that contrast does not also brighten.
            levels = np.clip((np.arange(256) - 127.5) * gain + 127.5 + offset, 0, 255).astype(np.uint8)
            cv2.LUT(result.image, levels, dst=result.image)
        return result

    @property
    def longer_side(self) -> int:
        """Pixels of a page's longer side on the canvas where it is largest."""
        return math.ceil(self.size * self.scale[1])

    def _random_matrix(self, image: np.ndarray, polygons: Sequence[np.ndarray]) -> np.ndarray:
        """Letterbox, then about the point that becomes the canvas's middle: mirror, turn, scale."""
        letterbox = letterbox_matrix(image, size=self.size)
        zoom = math.exp(random.uniform(math.log(self.scale[0]), math.log(self.scale[1])))
        angle = math.radians(random.uniform(-self.rotate, self.rotate))
        mirror = -1.0 if random.random() < self.flip else 1.0
        middle = (self.size - 1) / 2
        focus = self._focus(image, polygons, letterbox=letterbox, zoom=zoom)
        cos, sin = zoom * math.cos(angle), zoom * math.sin(angle)
        turn = np.array([[cos * mirror, -sin, 0], [sin * mirror, cos, 0], [0, 0, 1]])
        return _shift(middle, middle) @ turn @ _shift(-focus[0], -focus[1]) @ letterbox

    def _focus(
        self, image: np.ndarray, polygons: Sequence[np.ndarray], *, letterbox: np.ndarray, zoom: float
    ) -> np.ndarray:
        """The letterboxed point that comes to lie in the middle of the canvas."""
        middle = (self.size - 1) / 2
        if zoom <= 1.0:
            # The whole page stays in sight, and moves about in the room that is left around it.
            slack = (1.0 - zoom) / zoom * self.size / 2
            return np.array([middle + random.uniform(-slack, slack) for _ in range(2)])
        height, width = image.shape[:2]
        low, high = map_points(np.float32([(0, 0), (width - 1, height - 1)]), letterbox)
        if len(polygons):
            target = map_points(polygons[random.randrange(len(polygons))].mean(axis=0)[None], letterbox)[0]
            reach = 0.3 * self.size / zoom
            target = target + np.array([random.uniform(-reach, reach) for _ in range(2)])
        else:
            target = np.array([random.uniform(start, end) for start, end in zip(low, high, strict=True)])
        # No further out than that the canvas is filled, along a side that is long enough to fill it.
        half = np.minimum(self.size / 2 / zoom, (high - low) / 2)
        return np.clip(target, low + half, high - half)


def letterbox_matrix(image: np.ndarray, *, size: int) -> np.ndarray:
    """The float64 (3, 3) matrix that scales `image` (H, W, ...) to fit a `size` px square, in its middle.

    Pixel areas, not pixel centres, are scaled: x' = (x + 1/2) s - 1/2, as image resizing does.
    """
    height, width = image.shape[:2]
    scale = size / max(height, width)
    left, top = (size - scale * width) / 2, (size - scale * height) / 2
    return np.array([[scale, 0, left + (scale - 1) / 2], [0, scale, top + (scale - 1) / 2], [0, 0, 1.0]])


def _apply(image: np.ndarray, polygons: Sequence[np.ndarray], *, matrix: np.ndarray, size: int) -> Transformed:
    parts = [_part_on_canvas(map_points(polygon, matrix), size=size) for polygon in polygons]
    return Transformed(
        image=_warp(image, matrix=matrix, size=size),
        polygons=[part for part, _ in parts],
        visible=np.array([share for _, share in parts], np.float32),
        matrix=matrix,
        to_source=np.linalg.inv(matrix),
    )


def _part_on_canvas(polygon: np.ndarray, *, size: int) -> tuple[np.ndarray, float]:
    """What a canvas of `size` px shows of `polygon`, and which share of its area that is."""
    if polygon.min() >= 0 and polygon.max() <= size - 1:
        return polygon, 1.0
    part = clip_to_canvas(polygon, width=size, height=size)
    area = polygon_area(polygon)
    if not len(part) or area == 0:
        return part, 0.0
    return part, min(1.0, polygon_area(part) / area)


def _warp(image: np.ndarray, *, matrix: np.ndarray, size: int) -> np.ndarray:
    """`image` under an affine `matrix`, uint8 (size, size, 3).

    Bilinear sampling reads four source pixels a result: of a page that shrinks to a third it would skip most, and with
    them thin strokes. So the page is first averaged down by a whole factor, and the warp does the rest.
    """
    shrink = 1 / math.sqrt(abs(np.linalg.det(matrix[:2, :2])))
    factor = math.floor(shrink)
    if factor >= 2:
        height, width = image.shape[:2]
        # Sides that divide evenly: OpenCV averages whole blocks several times as fast as fractions of pixels.
        image = cv2.copyMakeBorder(image, 0, -height % factor, 0, -width % factor, cv2.BORDER_REPLICATE)
        small = image.shape[1] // factor, image.shape[0] // factor
        image = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
        matrix = matrix @ np.array([[factor, 0, (factor - 1) / 2], [0, factor, (factor - 1) / 2], [0, 0, 1]])
    return cv2.warpAffine(
        image, matrix[:2], (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=_BORDER
    )


def _shift(x: float, y: float) -> np.ndarray:
    return np.array([[1.0, 0, x], [0, 1, y], [0, 0, 1]])


def _checked_size(size: int) -> int:
    # Four feature maps down to stride 32 are laid over each other, so the side is a whole number of the largest stride.
    if size < 32 or size % 32:
        raise ValueError(f"size is {size}: a multiple of 32 was expected")
    return size


def _checked(name: str, value: float, low: float, high: float) -> float:
    if not low <= value <= high:
        raise ValueError(f"{name} is {value}: it lies within {low} to {high}")
    return float(value)

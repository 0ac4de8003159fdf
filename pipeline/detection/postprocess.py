"""Text boxes or polygons from DBNet's probability map, in pixels of the source image.

Constants of MhLiao/DB (65ca77a). Imports no torch: a map is looked at where NumPy and OpenCV can see it. Boxes come
from two compiled calls a map (`region_kernels`), or from OpenCV and Clipper until that pays.
"""

import logging
import math
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

import cv2
import numpy as np
import pyclipper
from numpy.typing import NDArray

from pipeline.compiled import Kernels, LazyKernels, checked_kernels

if TYPE_CHECKING:
    from torch import Tensor

logger = logging.getLogger(__name__)

_KERNELS = LazyKernels("pipeline.detection.region_kernels")
# Thinner rectangles can bend back once their corners are truncated, which the kernels leave to OpenCV.
_KERNEL_MIN_SIZE = 2.0
# Centre x and y, width and height, angle in degrees, as OpenCV has it.
_Rectangle = tuple[Sequence[float], Sequence[float], float]
# Pixels from which on a mean by rows is faster than cv2.mean.
_SMALL = 4096


@dataclass(frozen=True, slots=True)
class Detections:
    """Detections of one image, x and y in whole source pixels, 0 to width and 0 to height.

    `boxes`: float32 (M, 4, 2) in box mode, top left, top right, bottom right, bottom left as they lie in the map; in
    polygon mode a list of float32 (n, 2). `scores`: float32 (M,), mean probability inside.
    """

    boxes: NDArray[np.float32] | list[NDArray[np.float32]]
    scores: NDArray[np.float32]


class DBPostprocess:
    """Regions of the map above `thresh`, scored, grown back to the text they stand for, mapped to the source image.

    A region is kept if its mean probability reaches `box_thresh`, its minimum-area rectangle is at least `min_size`
    pixels of the map high, and the grown one at least `min_size` + 2. It grows by `unclip_ratio` x area / perimeter
    (the reference uses 1.5 for boxes and 2.0 for polygons). At most `max_candidates` regions of an image are looked at.

    `num_threads` images of a batch are worked on at once: OpenCV leaves Python to the others meanwhile.

    A kernel is a sixth to a quarter as high as its line, so the reference's `min_size` of 3 loses lines of up to 14
    pixels even from a perfect map, and 2 those of up to 12.

    `unclip` says how the rectangles of box mode grow. "exact" is the reference's way, to the pixel: corners truncated
    to integers, a round offset and a second minimum-area rectangle. "analytic" grows along the rectangle's own axes,
    which is what that comes to without the truncation; a corner of a leaning box then lies up to two pixels elsewhere.
    Polygon mode drops a region whose offset falls into pieces.

    `kernels` says when compiled code is used for boxes (`pipeline.compiled`). Of two rectangles of one area it takes
    the one that OpenCV takes; only around regions with spikes of one pixel's width it may take the other.
    """

    def __init__(
        self,
        *,
        thresh: float = 0.3,
        box_thresh: float = 0.7,
        unclip_ratio: float = 1.5,
        max_candidates: int = 1000,
        min_size: float = 3.0,
        mode: Literal["box", "polygon"] = "box",
        unclip: Literal["exact", "analytic"] = "exact",
        num_threads: int = 1,
        kernels: Kernels = "auto",
    ) -> None:
        if mode not in ("box", "polygon"):
            raise ValueError(f"mode {mode!r}: must be 'box' or 'polygon'")
        if unclip not in ("exact", "analytic"):
            raise ValueError(f"unclip {unclip!r}: must be 'exact' or 'analytic'")
        if max_candidates < 1:
            raise ValueError(f"max_candidates {max_candidates}: must be at least 1")
        self.thresh = thresh
        self.box_thresh = box_thresh
        self.unclip_ratio = unclip_ratio
        self.max_candidates = max_candidates
        self.min_size = min_size
        if num_threads < 1:
            raise ValueError(f"num_threads {num_threads}: must be at least 1")
        self.mode = mode
        self.unclip = unclip
        self.kernels = checked_kernels(kernels)
        self.num_threads = num_threads
        self._truncation_reported = False

    def __call__(
        self,
        prob: "Tensor | NDArray[np.floating]",
        *,
        to_source: "Tensor | NDArray[np.floating]",
        source_sizes: Sequence[tuple[int, int]],
    ) -> list[Detections]:
        """Detections of each image of `prob` (B, 1, H, W).

        `to_source` (B, 3, 3) takes map pixels (x, y, 1) to source pixels; `source_sizes` is (width, height) an image.
        What lies wholly outside the source image (in a letterbox's margin) is dropped. A pixel that is not a number is
        no text; that there was one is logged.
        """
        maps, matrices = _as_numpy(prob), _as_numpy(to_source)
        if maps.ndim != 4 or maps.shape[1] != 1:
            raise ValueError(f"probability map of shape {maps.shape}, not (B, 1, H, W)")
        maps = np.ascontiguousarray(maps[:, 0], dtype=np.float32)
        extract = self._boxes if self.mode == "box" else self._polygons
        images = list(zip(maps, matrices, source_sizes, strict=True))
        if self.num_threads == 1 or len(images) < 2:
            return [extract(*image) for image in images]
        with ThreadPoolExecutor(self.num_threads) as pool:
            return list(pool.map(lambda image: extract(*image), images))

    def _boxes(self, prob_map: NDArray[np.float32], matrix: NDArray[Any], size: tuple[int, int]) -> Detections:
        compiled = _KERNELS.take(self.kernels) if self.min_size >= _KERNEL_MIN_SIZE else None
        if compiled is not None:
            corners, scores = self._compiled_corners(compiled, prob_map)
        else:
            start = time.perf_counter()
            corners, scores = self._plain_corners(_finite(prob_map))
            _KERNELS.spend(time.perf_counter() - start)
        if not len(corners):
            return Detections(np.zeros((0, 4, 2), dtype=np.float32), np.zeros(0, dtype=np.float32))
        boxes = _to_source(corners, matrix, size)
        inside = np.ptp(boxes, axis=1).min(axis=1) > 0
        return Detections(boxes[inside], scores[inside])

    def _compiled_corners(
        self, compiled: ModuleType, prob_map: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Corners (K, 4, 2) in the map and scores (K,) of what is kept, as `_plain_corners`."""
        settings = np.float32(self.thresh), self.max_candidates, float(self.min_size)
        rectangles, scores, num_regions, is_finite = compiled.scored_regions(prob_map, *settings)
        if not is_finite:
            prob_map = _finite(prob_map)
            rectangles, scores, num_regions, _ = compiled.scored_regions(prob_map, *settings)
        self._report_truncation(num_regions)
        for index in np.flatnonzero(np.isnan(scores)).tolist():
            scores[index] = mean_inside(prob_map, cv2.boxPoints(_as_rectangle(rectangles[index])))
        boxes, sources = compiled.grown_boxes(
            rectangles,
            scores,
            float(self.box_thresh),
            float(self.unclip_ratio),
            float(self.min_size + 2),
            self.unclip == "exact",
        )
        is_kept = np.ones(len(boxes), dtype=bool)
        for index in np.flatnonzero(np.isnan(boxes[:, 0, 0])).tolist():
            grown = self._grown(_as_rectangle(rectangles[sources[index]]))
            is_kept[index] = grown is not None
            boxes[index] = 0 if grown is None else in_reading_order(grown[None])[0]
        return boxes[is_kept], scores[sources[is_kept]].astype(np.float32)

    def _plain_corners(self, prob_map: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        rectangles = [cv2.minAreaRect(contour) for contour in self._contours(prob_map)]
        rectangles = [each for each in rectangles if min(each[1]) >= self.min_size]
        if not rectangles:
            return np.zeros((0, 4, 2), dtype=np.float32), np.zeros(0, dtype=np.float32)
        kept, corners = [], []
        scores = means_inside(prob_map, np.stack([cv2.boxPoints(each) for each in rectangles]))
        for rectangle, score in zip(rectangles, scores, strict=True):
            grown = self._grown(rectangle) if score >= self.box_thresh else None
            if grown is not None:
                corners.append(grown)
                kept.append(score)
        stacked = in_reading_order(np.stack(corners)) if corners else np.zeros((0, 4, 2), dtype=np.float32)
        return stacked, np.array(kept, dtype=np.float32)

    def _grown(self, rectangle: _Rectangle) -> NDArray[np.float32] | None:
        """Corners (4, 2), in any order, of a rectangle of the map once it has grown; None where it is too small."""
        center, (width, height), angle = rectangle
        if self.unclip == "analytic":
            growth = self.unclip_ratio * width * height / (width + height)  # twice area x ratio / perimeter
            grown = center, (width + growth, height + growth), angle
        else:
            corners = in_reading_order(cv2.boxPoints(rectangle)[None])[0]
            distance = _area_over_perimeter(corners) * self.unclip_ratio
            clipper = pyclipper.PyclipperOffset()
            clipper.AddPath(corners.tolist(), pyclipper.JT_ROUND, pyclipper.ET_CLOSEDPOLYGON)
            pieces = clipper.Execute(distance)
            if len(pieces) != 1:
                return None
            grown = cv2.minAreaRect(np.array(pieces[0], dtype=np.int32))
        return cv2.boxPoints(grown) if min(grown[1]) >= self.min_size + 2 else None

    def _polygons(self, prob_map: NDArray[np.float32], matrix: NDArray[Any], size: tuple[int, int]) -> Detections:
        prob_map = _finite(prob_map)
        polygons: list[NDArray[np.float32]] = []
        scores: list[float] = []
        for contour in self._contours(prob_map):
            outline = cv2.approxPolyDP(contour, 0.002 * cv2.arcLength(contour, True), True)
            if len(outline) < 4:
                continue
            score = mean_inside(prob_map, outline[:, 0])
            if score < self.box_thresh:
                continue
            grown = self._unclipped(outline)
            if grown is None or min(cv2.minAreaRect(grown)[1]) < self.min_size + 2:
                continue
            polygon = _to_source(grown, matrix, size)
            if np.ptp(polygon, axis=0).min() > 0:
                polygons.append(polygon)
                scores.append(score)
        return Detections(polygons, np.array(scores, dtype=np.float32))

    def _contours(self, prob_map: NDArray[np.float32]) -> Sequence[NDArray[np.int32]]:
        """Contours (n, 1, 2) of what lies above the threshold, holes included, bottom of the map first."""
        bitmap = (prob_map > self.thresh).view(np.uint8)
        contours, _ = cv2.findContours(bitmap, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
        self._report_truncation(len(contours))
        return contours[: self.max_candidates]

    def _report_truncation(self, num_regions: int) -> None:
        """Says once that there are too many: the map of an untrained model has thousands, and nothing helps."""
        if num_regions > self.max_candidates and not self._truncation_reported:
            self._truncation_reported = True
            logger.warning(
                "%d regions above the threshold, only the %d of max_candidates are looked at",
                num_regions,
                self.max_candidates,
            )

    def _unclipped(self, outline: NDArray[np.int32]) -> NDArray[np.int32] | None:
        """The outline (n, 1, 2) offset outwards, (m, 2); None if it falls into pieces or vanishes."""
        distance = cv2.contourArea(outline) * self.unclip_ratio / cv2.arcLength(outline, True)
        clipper = pyclipper.PyclipperOffset()
        clipper.AddPath(outline[:, 0].tolist(), pyclipper.JT_ROUND, pyclipper.ET_CLOSEDPOLYGON)
        pieces = clipper.Execute(distance)
        return np.array(pieces[0], dtype=np.int32) if len(pieces) == 1 else None


def mean_inside(prob_map: NDArray[np.float32], points: NDArray[np.floating] | NDArray[np.int32]) -> float:
    """Mean of the map (H, W) over the polygon `points` (n, 2), as `means_inside`."""
    return means_inside(prob_map, points[None])[0]


def means_inside(prob_map: NDArray[np.float32], outlines: NDArray[np.floating] | NDArray[np.int32]) -> list[float]:
    """Mean of the map (H, W) over each of M polygons (M, n, 2), border included, as OpenCV fills it.

    The points are truncated to integers relative to the corner of their bounding box, as in the reference: the score of
    a thin box moves by 0.1 to 0.2 with any other rounding.
    """
    last = prob_map.shape[1] - 1, prob_map.shape[0] - 1
    low = np.clip(np.floor(outlines.min(axis=1)).astype(np.int64), 0, last)
    high = np.clip(np.ceil(outlines.max(axis=1)).astype(np.int64), 0, last) + 1
    relative = (outlines - low[:, None]).astype(np.int32)
    # What is filled of an upright rectangle is the rectangle: most lines of a scan need no mask.
    is_upright = [False] * len(relative)
    if relative.shape[1] == 4:
        shares_a_side = (relative == np.roll(relative, 1, axis=1)).any(axis=2).all(axis=1)
        is_upright = (shares_a_side & (relative[:, :2] != relative[:, 2:]).all(axis=(1, 2))).tolist()
    first = (low + np.maximum(relative.min(axis=1), 0)).tolist()
    last_inside = np.minimum(low + relative.max(axis=1) + 1, high).tolist()
    means = []
    for index, ((left, top), (right, bottom)) in enumerate(zip(low.tolist(), high.tolist(), strict=True)):
        if is_upright[index]:
            (left, top), (right, bottom) = first[index], last_inside[index]
            means.append(cv2.mean(prob_map[top:bottom, left:right])[0] if left < right and top < bottom else 0.0)
            continue
        points = relative[index]
        mask = np.zeros((bottom - top, right - left), dtype=np.uint8)
        cv2.fillPoly(mask, [points], 1)
        means.append(_mean_where(mask, prob_map[top:bottom, left:right]))
    return means


def _mean_where(mask: NDArray[np.uint8], values: NDArray[np.float32]) -> float:
    if mask.size < _SMALL:
        return cv2.mean(values, mask)[0]
    # Products by row in vectors: a third of cv2.mean's time, which looks at one pixel after the other.
    sums = np.einsum("ij,ij->i", values, mask.astype(np.float32))
    return float(sums.sum(dtype=np.float64)) / cv2.countNonZero(mask)


def in_reading_order(corners: NDArray[np.floating]) -> NDArray[np.floating]:
    """Rectangles (M, 4, 2) with corners as top left, top right, bottom right, bottom left.

    The reference's rule: of the two leftmost corners the upper one is top left, of the two rightmost the upper one is
    top right.
    """
    by_x = np.take_along_axis(corners, corners[..., 0].argsort(axis=1, kind="stable")[..., None], axis=1)
    left, right = by_x[:, :2], by_x[:, 2:]
    left = np.take_along_axis(left, left[..., 1].argsort(axis=1, kind="stable")[..., None], axis=1)
    right = np.take_along_axis(right, right[..., 1].argsort(axis=1, kind="stable")[..., None], axis=1)
    return np.stack([left[:, 0], right[:, 0], right[:, 1], left[:, 1]], axis=1)


def _finite(prob_map: NDArray[np.float32]) -> NDArray[np.float32]:
    """The map with 0 where it holds no number, which is logged."""
    if math.isfinite(prob_map.ravel() @ prob_map.ravel()):
        return prob_map
    logger.warning("the probability map holds values that are not numbers: they count as background")
    return np.nan_to_num(prob_map, nan=0.0, posinf=0.0, neginf=0.0)


def _as_rectangle(values: NDArray[np.float32]) -> _Rectangle:
    """Centre x and y, width, height and angle, (5,), as OpenCV takes them."""
    x, y, width, height, angle = values.tolist()
    return (x, y), (width, height), angle


def _area_over_perimeter(corners: NDArray[np.float32]) -> float:
    """Of a quadrilateral (4, 2) in pixels, added up in the order of GEOS, which the reference asks.

    A distance of half a pixel is rounded to either side by the last bit of it.
    """
    points = corners.tolist()
    doubled = sum((points[k][0] - points[0][0]) * (points[(k + 1) % 4][1] - points[k - 1][1]) for k in range(1, 4))
    perimeter = 0.0
    for (x1, y1), (x2, y2) in zip(points, points[1:] + points[:1], strict=True):
        perimeter += math.sqrt((x2 - x1) * (x2 - x1) + (y2 - y1) * (y2 - y1))
    return abs(doubled / 2) / perimeter


def _to_source(points: NDArray[Any], matrix: NDArray[Any], size: tuple[int, int]) -> NDArray[np.float32]:
    """Points (..., 2) of the map as float32 whole pixels of the source, clipped to 0 to width and 0 to height."""
    mapped = points @ matrix[:, :2].T + matrix[:, 2]
    mapped = mapped[..., :2] / mapped[..., 2:]
    return np.round(np.clip(mapped, 0, size)).astype(np.float32)


def _as_numpy(values: "Tensor | NDArray[np.floating]") -> NDArray[np.floating]:
    if isinstance(values, np.ndarray):
        return values
    values = values.detach()
    # NumPy has no bfloat16.
    return (values if values.dtype.itemsize >= 4 else values.float()).cpu().numpy()

"""Text boxes or polygons from DBNet's probability map, in pixels of the source image.

Constants of MhLiao/DB (65ca77a). Imports no torch: a map is looked at where NumPy and OpenCV can see it.
"""

import logging
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import cv2
import numpy as np
import pyclipper
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

logger = logging.getLogger(__name__)

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

    Box mode grows the rectangle along its own axes, which is what a round offset and a second minimum-area rectangle
    come to. The reference truncates to integers in between, which moves a corner of its leaning boxes by up to two
    pixels. Polygon mode drops a region whose offset falls into pieces.
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
        num_threads: int = 1,
    ) -> None:
        if mode not in ("box", "polygon"):
            raise ValueError(f"mode {mode!r}: must be 'box' or 'polygon'")
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
        if not all(math.isfinite(each.ravel() @ each.ravel()) for each in maps):
            logger.warning("the probability map holds values that are not numbers: they count as background")
            maps = np.nan_to_num(maps, nan=0.0, posinf=0.0, neginf=0.0)
        extract = self._boxes if self.mode == "box" else self._polygons
        images = list(zip(maps, matrices, source_sizes, strict=True))
        if self.num_threads == 1 or len(images) < 2:
            return [extract(*image) for image in images]
        with ThreadPoolExecutor(self.num_threads) as pool:
            return list(pool.map(lambda image: extract(*image), images))

    def _boxes(self, prob_map: NDArray[np.float32], matrix: NDArray[Any], size: tuple[int, int]) -> Detections:
        rectangles = [cv2.minAreaRect(contour) for contour in self._contours(prob_map)]
        rectangles = [each for each in rectangles if min(each[1]) >= self.min_size]
        if not rectangles:
            return _no_boxes()
        kept, corners = [], []
        scores = means_inside(prob_map, np.stack([cv2.boxPoints(each) for each in rectangles]))
        for (center, (width, height), angle), score in zip(rectangles, scores, strict=True):
            growth = self.unclip_ratio * width * height / (width + height)  # twice area x ratio / perimeter
            if score >= self.box_thresh and min(width, height) + growth >= self.min_size + 2:
                corners.append(cv2.boxPoints((center, (width + growth, height + growth), angle)))
                kept.append(score)
        if not kept:
            return _no_boxes()
        boxes = _to_source(in_reading_order(np.stack(corners)), matrix, size)
        inside = np.ptp(boxes, axis=1).min(axis=1) > 0
        return Detections(boxes[inside], np.array(kept, dtype=np.float32)[inside])

    def _polygons(self, prob_map: NDArray[np.float32], matrix: NDArray[Any], size: tuple[int, int]) -> Detections:
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
        if len(contours) > self.max_candidates and not self._truncation_reported:
            # Once: the map of an untrained model has thousands, and there is nothing to do about it.
            self._truncation_reported = True
            logger.warning(
                "%d regions above the threshold, only the %d of max_candidates are looked at",
                len(contours),
                self.max_candidates,
            )
        return contours[: self.max_candidates]

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


def _no_boxes() -> Detections:
    return Detections(np.zeros((0, 4, 2), dtype=np.float32), np.zeros(0, dtype=np.float32))


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

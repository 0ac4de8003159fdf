"""Training targets of DBNet: shrunk text regions, a threshold map around their borders, and what to leave out.

Follows MhLiao/DB (65ca77a) in its constants, its offsets and its masks to the pixel; its threshold map only where that
is sound. There rounding makes 1 - cos^2 negative on a text border, the NaN is dropped, and 0.2 to 1 % of the band's
pixels keep the background value; the closed form used here has no such holes.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import NamedTuple

import cv2
import numpy as np
import pyclipper
from numpy.typing import NDArray

from pipeline.compiled import Kernels, LazyKernels, checked_kernels

Polygon = NDArray[np.float32]

_KERNELS = LazyKernels("pipeline.detection.target_kernels")


@dataclass(frozen=True, slots=True)
class TargetMaps:
    """Targets of one image of H x W pixels.

    `prob_map`, `prob_mask`, `thresh_mask`: uint8 (H, W), 0 or 1; `thresh_map`: float32 (H, W). A pixel whose mask is 0
    does not count in the loss. `ignore`: bool (N,), the flags given plus the polygons too small to be learnt.
    """

    prob_map: NDArray[np.uint8]
    prob_mask: NDArray[np.uint8]
    thresh_map: NDArray[np.float32]
    thresh_mask: NDArray[np.uint8]
    ignore: NDArray[np.bool_]


class _Polygons(NamedTuple):
    """N polygons of one image, clipped to it: float64 (P, 2), polygon i from starts[i] to starts[i + 1] (int64)."""

    points: NDArray[np.float64]
    starts: NDArray[np.int64]

    def __getitem__(self, index: int) -> NDArray[np.float64]:  # type: ignore[override]
        return self.points[self.starts[index] : self.starts[index + 1]]


class DBTargets:
    """Makes the target maps of an image from its polygons.

    `shrink_ratio` r sets the offset A (1 - r^2) / L of a polygon of area A and perimeter L; the threshold map falls
    from `thresh_max` on a border to `thresh_min` at that distance from it; a polygon with a side of its bounding box
    below `min_text_size` pixels is masked out. `kernels` says when compiled code is used (`pipeline.compiled`); the
    maps are the same to the bit.
    """

    def __init__(
        self,
        *,
        shrink_ratio: float = 0.4,
        thresh_min: float = 0.3,
        thresh_max: float = 0.7,
        min_text_size: float = 8.0,
        kernels: Kernels = "auto",
    ) -> None:
        if not 0 < shrink_ratio < 1:
            raise ValueError(f"shrink_ratio {shrink_ratio}: must lie between 0 and 1")
        if not 0 <= thresh_min < thresh_max <= 1:
            raise ValueError(f"thresh_min {thresh_min}, thresh_max {thresh_max}: must rise within 0 to 1")
        self.shrink_ratio = shrink_ratio
        self.thresh_min = thresh_min
        self.thresh_max = thresh_max
        self.min_text_size = min_text_size
        self.kernels = checked_kernels(kernels)

    def __call__(
        self, polygons: Sequence[Polygon], *, ignore: Sequence[bool] | NDArray[np.bool_], size: tuple[int, int]
    ) -> TargetMaps:
        """Maps of `size` (height, width) from polygons (n, 2), x and y in pixels of that image; none is changed.

        Raises ValueError for a polygon that is not (n, 2) or holds a coordinate that is not finite.
        """
        height, width = size
        ignored = np.array(ignore, dtype=bool)
        if ignored.shape != (len(polygons),):
            raise ValueError(f"{len(polygons)} polygons with ignore flags of shape {ignored.shape}")
        clipped = _clipped(polygons, width=width, height=height)
        maps = TargetMaps(
            prob_map=np.zeros((height, width), dtype=np.uint8),
            prob_mask=np.ones((height, width), dtype=np.uint8),
            thresh_map=np.full((height, width), self.thresh_min, dtype=np.float32),
            thresh_mask=np.zeros((height, width), dtype=np.uint8),
            ignore=ignored,
        )
        compiled = _KERNELS.take(self.kernels)
        if compiled is not None:
            self._draw_compiled(compiled, maps, clipped)
        else:
            start = time.perf_counter()
            self._draw(maps, clipped)
            _KERNELS.spend(time.perf_counter() - start)
        for index in np.flatnonzero(ignored).tolist():
            cv2.fillPoly(maps.prob_mask, [clipped[index].astype(np.int32)], 0)
        return maps

    def _draw(self, maps: TargetMaps, polygons: _Polygons) -> None:
        """Draw what is learnt, and flag what is too small for it."""
        for index in np.flatnonzero(~maps.ignore).tolist():
            points = polygons[index]
            distance = self._distance(points)
            shrunk = _offset(points, -distance) if distance else None
            dilated = _offset(points, distance) if distance else None
            if shrunk is None or dilated is None:
                maps.ignore[index] = True
                continue
            cv2.fillPoly(maps.prob_map, [shrunk], 1)
            cv2.fillPoly(maps.thresh_mask, [dilated], 1)
            self._raise_threshold(maps.thresh_map, points, distance=distance, dilated=dilated)

    def _draw_compiled(self, compiled: ModuleType, maps: TargetMaps, polygons: _Polygons) -> None:
        """As `_draw`, with Clipper only for outlines that bend back, and for kernels of leaning ones."""
        distances, dilated_points, dilated_starts, rectangles, is_rectangle = compiled.offsets(
            polygons.points, polygons.starts, maps.ignore, 1 - self.shrink_ratio**2, float(self.min_text_size)
        )
        windows = np.zeros((len(distances), 4), dtype=np.int64)
        windows[:, 2] = -1
        starts, sides, upright = dilated_starts.tolist(), rectangles.tolist(), is_rectangle.tolist()
        for index in np.flatnonzero(~maps.ignore).tolist():
            dilated = dilated_points[starts[index] : starts[index + 1]]
            if not len(dilated):
                dilated = _offset(polygons[index], distances[index])
            if upright[index]:
                left, top, right, bottom = sides[index]
                has_inside = left < right and top < bottom
            else:
                shrunk = _offset(polygons[index], -distances[index])
                has_inside = shrunk is not None
            if not has_inside or dilated is None:
                maps.ignore[index] = True
                continue
            if upright[index]:
                maps.prob_map[top : bottom + 1, left : right + 1] = 1
            else:
                cv2.fillPoly(maps.prob_map, [shrunk], 1)
            cv2.fillPoly(maps.thresh_mask, [dilated], 1)
            windows[index] = _window(dilated, maps.thresh_map)
        compiled.raise_threshold(
            maps.thresh_map, *polygons, windows, distances, self.thresh_max, self.thresh_max - self.thresh_min
        )

    def _distance(self, points: NDArray[np.float64]) -> float:
        """How far a polygon's offsets are from it; 0 if it is too small."""
        area, perimeter = _area_and_perimeter(points)
        if area < 1 or (points.max(axis=0) - points.min(axis=0)).min() < self.min_text_size:
            return 0.0
        return area * (1 - self.shrink_ratio**2) / perimeter

    def _raise_threshold(
        self,
        thresh_map: NDArray[np.float32],
        points: NDArray[np.float64],
        *,
        distance: float,
        dilated: NDArray[np.int32],
    ) -> None:
        """Lift `thresh_map` to this polygon's threshold inside the bounding box of its dilated form."""
        left, top, right, bottom = _window(dilated, thresh_map)
        threshold = _squared_border_distance(points - (left, top), width=right - left + 1, height=bottom - top + 1)
        # The map starts at thresh_min, so the maximum also cuts what lies farther from the border than the offset.
        np.sqrt(threshold, out=threshold)
        threshold *= -(self.thresh_max - self.thresh_min) / distance
        threshold += self.thresh_max
        region = thresh_map[top : bottom + 1, left : right + 1]
        np.maximum(region, threshold, out=region)


def _offset(points: NDArray[np.float64], distance: float) -> NDArray[np.int32] | None:
    """The first piece of a polygon moved outwards by `distance`, (n, 2); None if nothing is left."""
    clipper = pyclipper.PyclipperOffset()
    # Clipper works on integers; the references let it truncate, and so does this. It mends the orientation itself.
    clipper.AddPath(points.astype(np.int64).tolist(), pyclipper.JT_ROUND, pyclipper.ET_CLOSEDPOLYGON)
    pieces = clipper.Execute(distance)
    return np.array(pieces[0], dtype=np.int32) if pieces else None


def _window(dilated: NDArray[np.int32], canvas: NDArray[np.float32]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom pixel, all of them included, of an outline's bounding box on a canvas (H, W)."""
    left, top, width, height = cv2.boundingRect(dilated)
    bottom, right = canvas.shape[0] - 1, canvas.shape[1] - 1
    return max(left, 0), max(top, 0), min(left + width - 1, right), min(top + height - 1, bottom)


def _clipped(polygons: Sequence[Polygon], *, width: int, height: int) -> _Polygons:
    arrays = [np.asarray(polygon) for polygon in polygons]
    for index, array in enumerate(arrays):
        if array.ndim != 2 or array.shape[0] == 0 or array.shape[1] != 2:
            raise ValueError(f"polygon {index} has shape {array.shape}, not (n, 2)")
    starts = np.zeros(len(arrays) + 1, dtype=np.int64)
    np.cumsum([len(array) for array in arrays], out=starts[1:])
    points = np.concatenate(arrays, dtype=np.float64) if arrays else np.zeros((0, 2))
    is_finite = np.isfinite(points).all(axis=1)
    if not is_finite.all():
        index = int(np.searchsorted(starts, is_finite.argmin(), side="right")) - 1
        raise ValueError(f"polygon {index} holds a coordinate that is not finite")
    return _Polygons(np.clip(points, 0, (width - 1, height - 1)), starts)


def _area_and_perimeter(points: NDArray[np.float64]) -> tuple[float, float]:
    corners = points.tolist()
    area = perimeter = 0.0
    for (ax, ay), (bx, by) in zip(corners, corners[1:] + corners[:1], strict=True):
        area += (ax * by - bx * ay) / 2
        perimeter += math.sqrt((bx - ax) * (bx - ax) + (by - ay) * (by - ay))
    return abs(area), perimeter


def _squared_border_distance(points: NDArray[np.float64], *, width: int, height: int) -> NDArray[np.float32]:
    """Squared distance, float32 (height, width), of each pixel from the border through `points` (n, 2).

    "Distance" is that of all DBNet code: to the line of an edge for a pixel inside the circle around that edge, to the
    nearer end of the edge for a pixel outside it. A perpendicular is never longer than the way to a corner, so corners
    need no mask: the minimum over all corners and the masked edges is the same.
    """
    x, y = np.arange(width, dtype=np.float64), np.arange(height, dtype=np.float64)
    nearest = np.full((height, width), np.inf, dtype=np.float32)
    distance, outside = np.empty_like(nearest), np.empty(nearest.shape, dtype=bool)
    corners = points.tolist()
    for (ax, ay), (bx, by) in zip(corners, corners[1:] + corners[:1], strict=True):
        _outer_sum((y - ay) ** 2, (x - ax) ** 2, out=distance)
        np.minimum(nearest, distance, out=nearest)
        length = math.sqrt((bx - ax) * (bx - ax) + (by - ay) * (by - ay))
        if length == 0:
            continue
        _outer_sum((bx - ax) / length * (y - ay), (ay - by) / length * (x - ax), out=distance)
        np.square(distance, out=distance)
        # Outside the circle |q - a|^2 + |q - b|^2 > |a - b|^2, that is (q - a) . (q - b) > 0. Compared in float64: the
        # distance jumps there.
        np.greater(((y - ay) * (y - by))[:, None], (ax - x) * (x - bx), out=outside)
        np.copyto(distance, np.inf, where=outside)
        np.minimum(nearest, distance, out=nearest)
    return nearest


def _outer_sum(column: NDArray[np.float64], row: NDArray[np.float64], *, out: NDArray[np.float32]) -> None:
    """float32 out[i, j] = column[i] + row[j]; what depends on one side alone was computed in float64."""
    np.add(column.astype(np.float32)[:, None], row.astype(np.float32), out=out)

"""Training targets of DBNet: shrunk text regions, a threshold map around their borders, and what to leave out.

Follows MhLiao/DB (65ca77a) in its constants, its offsets and its masks to the pixel; its threshold map only where that
is sound. There rounding makes 1 - cos^2 negative on a text border, the NaN is dropped, and 0.2 to 1 % of the band's
pixels keep the background value; the closed form used here has no such holes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import pyclipper
from numpy.typing import NDArray

Polygon = NDArray[np.float32]


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


@dataclass(frozen=True, slots=True)
class _Offsets:
    """A polygon moved inwards and outwards by `distance` pixels: int32 (n, 2) each."""

    distance: float
    shrunk: NDArray[np.int32]
    dilated: NDArray[np.int32]


class DBTargets:
    """Makes the target maps of an image from its polygons.

    `shrink_ratio` r sets the offset A (1 - r^2) / L of a polygon of area A and perimeter L; the threshold map falls
    from `thresh_max` on a border to `thresh_min` at that distance from it; a polygon with a side of its bounding box
    below `min_text_size` pixels is masked out.
    """

    def __init__(
        self,
        *,
        shrink_ratio: float = 0.4,
        thresh_min: float = 0.3,
        thresh_max: float = 0.7,
        min_text_size: float = 8.0,
    ) -> None:
        if not 0 < shrink_ratio < 1:
            raise ValueError(f"shrink_ratio {shrink_ratio}: must lie between 0 and 1")
        if not 0 <= thresh_min < thresh_max <= 1:
            raise ValueError(f"thresh_min {thresh_min}, thresh_max {thresh_max}: must rise within 0 to 1")
        self.shrink_ratio = shrink_ratio
        self.thresh_min = thresh_min
        self.thresh_max = thresh_max
        self.min_text_size = min_text_size

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
        maps = TargetMaps(
            prob_map=np.zeros((height, width), dtype=np.uint8),
            prob_mask=np.ones((height, width), dtype=np.uint8),
            thresh_map=np.full((height, width), self.thresh_min, dtype=np.float32),
            thresh_mask=np.zeros((height, width), dtype=np.uint8),
            ignore=ignored,
        )
        for index, polygon in enumerate(polygons):
            points = _clipped(polygon, index=index, width=width, height=height)
            offsets = None if ignored[index] else self._offsets(points)
            if offsets is None:
                ignored[index] = True
                cv2.fillPoly(maps.prob_mask, [points.astype(np.int32)], 0)
                continue
            cv2.fillPoly(maps.prob_map, [offsets.shrunk], 1)
            cv2.fillPoly(maps.thresh_mask, [offsets.dilated], 1)
            self._raise_threshold(maps.thresh_map, points, offsets)
        return maps

    def _offsets(self, points: NDArray[np.float64]) -> _Offsets | None:
        """Both offsets of a polygon; None if it is too small or has no inside left."""
        area, perimeter = _area_and_perimeter(points)
        if area < 1 or (points.max(axis=0) - points.min(axis=0)).min() < self.min_text_size:
            return None
        distance = area * (1 - self.shrink_ratio**2) / perimeter
        clipper = pyclipper.PyclipperOffset()
        # Clipper works on integers; the references let it truncate, and so does this. It mends the orientation itself.
        clipper.AddPath(points.astype(np.int64).tolist(), pyclipper.JT_ROUND, pyclipper.ET_CLOSEDPOLYGON)
        shrunk, dilated = clipper.Execute(-distance), clipper.Execute(distance)
        if not shrunk or not dilated:
            return None
        return _Offsets(distance, np.array(shrunk[0], dtype=np.int32), np.array(dilated[0], dtype=np.int32))

    def _raise_threshold(self, thresh_map: NDArray[np.float32], points: NDArray[np.float64], offsets: _Offsets) -> None:
        """Lift `thresh_map` to this polygon's threshold inside the bounding box of its dilated form."""
        height, width = thresh_map.shape
        left, top = np.maximum(offsets.dilated.min(axis=0), 0).tolist()
        right, bottom = np.minimum(offsets.dilated.max(axis=0), (width - 1, height - 1)).tolist()
        threshold = _squared_border_distance(points - (left, top), width=right - left + 1, height=bottom - top + 1)
        # The map starts at thresh_min, so the maximum also cuts what lies farther from the border than the offset.
        np.sqrt(threshold, out=threshold)
        threshold *= -(self.thresh_max - self.thresh_min) / offsets.distance
        threshold += self.thresh_max
        region = thresh_map[top : bottom + 1, left : right + 1]
        np.maximum(region, threshold, out=region)


def _clipped(polygon: Polygon, *, index: int, width: int, height: int) -> NDArray[np.float64]:
    points = np.asarray(polygon, dtype=np.float64)
    if points.ndim != 2 or points.shape[0] == 0 or points.shape[1] != 2:
        raise ValueError(f"polygon {index} has shape {points.shape}, not (n, 2)")
    if not np.isfinite(points).all():
        raise ValueError(f"polygon {index} holds a coordinate that is not finite")
    return np.clip(points, 0, (width - 1, height - 1))


def _area_and_perimeter(points: NDArray[np.float64]) -> tuple[float, float]:
    corners = points.tolist()
    area = perimeter = 0.0
    for (ax, ay), (bx, by) in zip(corners, corners[1:] + corners[:1], strict=True):
        area += (ax * by - bx * ay) / 2
        perimeter += math.hypot(bx - ax, by - ay)
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
        length = math.hypot(bx - ax, by - ay)
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

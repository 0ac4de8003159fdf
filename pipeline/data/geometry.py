"""Points and polygons under 3 x 3 matrices: float32 (n, 2), xy in pixels, pixel centres at integers."""

from __future__ import annotations

import numpy as np


def map_points(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """`points` (n, 2) mapped by `matrix` (3, 3), projective or affine, as float32; computed in float64."""
    homogeneous = points.astype(np.float64) @ matrix[:, :2].T + matrix[:, 2]
    return (homogeneous[:, :2] / homogeneous[:, 2:]).astype(np.float32)


def polygon_area(polygon: np.ndarray) -> float:
    """The area of `polygon` (n, 2) by the shoelace formula, in px², whichever way round it runs."""
    x, y = polygon.astype(np.float64).T
    # Not np.roll, which takes longer than the sums.
    twice = np.dot(x[:-1], y[1:]) - np.dot(y[:-1], x[1:]) + x[-1] * y[0] - y[-1] * x[0]
    return abs(float(twice)) / 2


def clip_to_canvas(polygon: np.ndarray, *, width: int, height: int) -> np.ndarray:
    """The part of `polygon` within [0, width - 1] x [0, height - 1], float32 (m, 2); m = 0 where nothing is left.

    Sutherland-Hodgman, so a concave polygon that the border cuts in two comes back as one, joined along the border.
    """
    points = polygon.astype(np.float64)
    for axis, limit, sign in ((0, 0.0, 1.0), (0, width - 1.0, -1.0), (1, 0.0, 1.0), (1, height - 1.0, -1.0)):
        if not len(points):
            break
        inside_by = sign * (points[:, axis] - limit)
        if (inside_by >= 0).all():
            continue
        points = _clip_by_side(points, inside_by)
    return points.astype(np.float32)


def _clip_by_side(points: np.ndarray, inside_by: np.ndarray) -> np.ndarray:
    kept: list[np.ndarray] = []
    for index in range(len(points)):
        here, after = inside_by[index - 1], inside_by[index]
        if (here >= 0) != (after >= 0):
            kept.append(points[index - 1] + (points[index] - points[index - 1]) * (here / (here - after)))
        if after >= 0:
            kept.append(points[index])
    return np.array(kept).reshape(-1, 2)

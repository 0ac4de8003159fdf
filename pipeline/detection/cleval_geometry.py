"""Outlines of one image as arrays, and what CLEval asks of them: areas, aspect ratios, centres, who covers what.

Everything works on all boxes, pairs or centres of an image at once. The functions without an underscore take plain
arrays and return one, so that a compiled kernel can stand in for them. Coordinates are xy in pixels, y downwards;
"clockwise" is as seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

# (N, 4, 2), or a list of (n, 2) with n >= 3. Quadrilaterals start at the top left of the text and go clockwise.
Outlines = NDArray[Any] | Sequence[NDArray[Any]]

NEXT_CORNER = [1, 2, 3, 0]
PREVIOUS_CORNER = [3, 0, 1, 2]


@dataclass(frozen=True)
class Polygons:
    """N outlines, padded to the K vertices of the longest by repeating the last vertex."""

    vertices: Floats  # (N, K, 2) as they came
    num_vertices: Ints  # (N,)
    truncated: Floats  # (N, K, 2) towards zero to whole numbers
    areas: Floats  # (N,) |shoelace| of the truncated outline, which crossing itself may make 0
    corners: Floats  # (N, 4, 2) first four truncated vertices, turned so that the shoelace is >= 0
    is_convex_quad: Bools  # (N,) of the truncated outline, also where it has no area
    aspect_ratios: Floats  # (N,) width over height

    def __len__(self) -> int:
        return len(self.vertices)


def pack_polygons(outlines: Outlines) -> Polygons:
    """Outlines as arrays.

    Raises ValueError, naming the box, where an outline is not of shape (n >= 3, 2) or a coordinate is not finite.
    """
    vertices, num_vertices = _stack(outlines)
    truncated = np.trunc(vertices)
    doubled_areas = _cross(truncated, _steps(truncated)).sum(axis=1)
    corners = np.where((doubled_areas < 0)[:, None, None], truncated[:, 3::-1], truncated[:, :4])
    # Four vertices that never turn the other way can neither cross nor dent.
    steps = _steps(corners)
    is_convex = (_cross(steps, steps[:, NEXT_CORNER]) >= 0).all(axis=1)
    return Polygons(
        vertices=vertices,
        num_vertices=num_vertices,
        truncated=truncated,
        areas=np.abs(doubled_areas) / 2,
        corners=corners,
        is_convex_quad=is_convex & (num_vertices == 4),
        aspect_ratios=_aspect_ratios(vertices, num_vertices),
    )


def _stack(outlines: Outlines) -> tuple[Floats, Ints]:
    """Padded vertices (N, K >= 4, 2) and their numbers (N,)."""
    if isinstance(outlines, np.ndarray) and outlines.ndim == 3 and outlines.shape[1:] == (4, 2):
        vertices, num_vertices = outlines.astype(np.float64), np.full(len(outlines), 4)
    else:
        arrays = [np.asarray(outline) for outline in outlines]
        for index, array in enumerate(arrays):
            if array.ndim != 2 or array.shape[1] != 2 or len(array) < 3:
                raise ValueError(f"box {index} must have shape (n >= 3, 2), got {array.shape}")
        num_vertices = np.array([len(array) for array in arrays], dtype=np.int64)
        longest = int(num_vertices.max(initial=4))
        if (num_vertices != longest).any():
            arrays = [np.pad(array, ((0, longest - len(array)), (0, 0)), mode="edge") for array in arrays]
        vertices = np.array(arrays, dtype=np.float64).reshape(len(arrays), longest, 2)
    if not np.isfinite(vertices).all():
        index = int(np.flatnonzero(~np.isfinite(vertices).all(axis=(1, 2)))[0])
        raise ValueError(f"box {index} has a coordinate that is not a finite number")
    return vertices, num_vertices


def _cross(first: Floats, second: Floats) -> Floats:
    return first[..., 0] * second[..., 1] - first[..., 1] * second[..., 0]


def _steps(outlines: Floats) -> Floats:
    """(N, K, 2) from each vertex to the next."""
    following = NEXT_CORNER if outlines.shape[1] == 4 else np.roll(np.arange(outlines.shape[1]), -1)
    return outlines[:, following] - outlines


def _aspect_ratios(vertices: Floats, num_vertices: Ints) -> Floats:
    steps = _steps(vertices[:, :4])
    top, right, bottom, left = np.sqrt((steps * steps).sum(axis=2)).T
    widths, heights = (top + bottom) / 2, (right + left) / 2
    for index in np.flatnonzero(num_vertices != 4):
        widths[index], heights[index] = _upright_sides(vertices[index, : num_vertices[index]])
    return (widths + 1e-5) / (heights + 1e-5)


def _upright_sides(outline: Floats) -> tuple[float, float]:
    """Sides of the minimum-area rectangle, the one nearer to the horizontal first."""
    step, next_step = np.diff(_hull_rectangle(outline)[:3], axis=0)
    if abs(step[0]) < abs(step[1]):
        step, next_step = next_step, step
    return float(np.linalg.norm(step)), float(np.linalg.norm(next_step))


def _hull_rectangle(outline: Floats) -> Floats:
    """(4, 2) corners of the minimum-area rectangle of an outline of any length."""
    import shapely

    hull = shapely.get_coordinates(shapely.convex_hull(shapely.multipoints(outline)))
    closed = np.concatenate([hull, hull[:1]])  # the hull of points that coincide is one point, which has no direction
    return min_area_rectangles(closed[None])[0]


def min_area_rectangles(points: Floats) -> Floats:
    """(N, 4, 2) corners of the smallest rectangle around each of N sets of points (N, K >= 2, 2).

    A smallest rectangle has a side along the hull (Freeman and Shapira 1975), so the directions of all pairs of points
    hold it. They are K (K - 1) / 2: pass hulls, not long outlines. Quadrilaterals on whole pixels often have two
    rectangles of one area; the one with the shorter short side is taken, where OpenCV's minAreaRect, which `cleval`
    uses, goes by float32 rounding.
    """
    first, second = np.triu_indices(points.shape[1], k=1)
    along = points[:, second] - points[:, first]
    lengths = np.sqrt((along * along).sum(axis=2, keepdims=True))
    along = np.where(lengths > 0, along / np.where(lengths > 0, lengths, 1.0), [1.0, 0.0])
    across = np.stack([-along[..., 1], along[..., 0]], axis=-1)
    u = np.einsum("npd,nkd->npk", along, points)
    v = np.einsum("npd,nkd->npk", across, points)
    bounds = np.stack([u.min(axis=2), u.max(axis=2), v.min(axis=2), v.max(axis=2)], axis=-1)
    widths, heights = bounds[..., 1] - bounds[..., 0], bounds[..., 3] - bounds[..., 2]
    areas = widths * heights
    is_smallest = areas <= areas.min(axis=1, keepdims=True) * (1 + 1e-9)
    best = np.where(is_smallest, np.minimum(widths, heights), np.inf).argmin(axis=1)
    rows = np.arange(len(points))
    u0, u1, v0, v1 = bounds[rows, best].T
    u_corners, v_corners = np.stack([u0, u1, u1, u0], axis=1), np.stack([v0, v0, v1, v1], axis=1)
    return u_corners[..., None] * along[rows, best][:, None] + v_corners[..., None] * across[rows, best][:, None]


def box_scales(polygons: Polygons, *, longer_side: float | Floats) -> Floats:
    """(N,) short side of the minimum-area rectangle, its corners rounded, over the image's longer side in pixels.

    That is one number, or (N,) for boxes of several images.
    """
    if not np.greater(longer_side, 0).all():
        raise ValueError(f"the longer side of an image must be above 0 pixels, got {longer_side}")
    rectangles = min_area_rectangles(polygons.vertices[:, :4])
    for index in np.flatnonzero(polygons.num_vertices != 4):
        rectangles[index] = _hull_rectangle(polygons.vertices[index, : polygons.num_vertices[index]])
    steps = _steps(np.rint(rectangles.round(6)))  # first to 1e-6, so that halves do not go by rounding noise
    sides = np.sqrt((steps * steps).sum(axis=2))
    return np.minimum(sides[:, 0] + sides[:, 2], sides[:, 1] + sides[:, 3]) / 2 / longer_side


def pseudo_centres(polygons: Polygons, lengths: Ints, *, vertical_aspect_ratio_thresh: float) -> Floats:
    """(sum of lengths, 2) character centres, box after box, evenly spaced along the middle of each box."""
    corners = polygons.vertices[:, :4]
    # Text in a box narrower than the threshold runs down: the left side becomes the top.
    runs_down = polygons.aspect_ratios < vertical_aspect_ratio_thresh
    corners = np.where(runs_down[:, None, None], corners[:, PREVIOUS_CORNER], corners)
    starts = (corners[:, 0] + corners[:, 3]) / 2
    units = ((corners[:, 1] + corners[:, 2]) / 2 - starts) / np.maximum(lengths, 1)[:, None]
    owners = np.repeat(np.arange(len(polygons)), lengths)
    first = np.cumsum(lengths) - lengths
    ranks = np.arange(len(owners)) - first[owners]
    centres = (starts + units / 2)[owners] + units[owners] * ranks[:, None]
    for index in np.flatnonzero(polygons.num_vertices != 4):
        outline = polygons.vertices[index, : polygons.num_vertices[index]]
        centres[first[index] : first[index] + lengths[index]] = _chain_centres(outline, int(lengths[index]))
    return centres


def _chain_centres(outline: Floats, length: int) -> Floats:
    """(length, 2) midpoints of the top and the bottom chain of an outline at equal shares of each chain's length."""
    half = (len(outline) + 1) // 2
    shares = (np.arange(length) + 0.5) / max(length, 1)
    sides = []
    for chain in (outline[:half], outline[half:][::-1]):
        lengths = np.sqrt((np.diff(chain, axis=0) ** 2).sum(axis=1))
        position = np.concatenate([[0.0], np.cumsum(lengths)])
        at = shares * position[-1]
        sides.append(np.stack([np.interp(at, position, chain[:, axis]) for axis in (0, 1)], axis=1))
    return (sides[0] + sides[1]) / 2


def meeting_pairs(gt: Polygons, det: Polygons) -> tuple[Ints, Ints]:
    """Indices (P,), (P,) of gt and det whose bounding boxes touch, ascending; others share neither area nor centres."""
    # A centre lies among a gt's vertices as they came. Truncation moves those up to, but not past, a whole number, and
    # a detection ends on whole numbers: bounding boxes with a common point still touch when truncated.
    gt_low, gt_high = gt.truncated.min(axis=1), gt.truncated.max(axis=1)
    det_low, det_high = det.truncated.min(axis=1), det.truncated.max(axis=1)
    x_meets, y_meets = (
        (gt_low[:, None, axis] <= det_high[:, axis]) & (gt_high[:, None, axis] >= det_low[:, axis]) for axis in (0, 1)
    )
    return np.nonzero(x_meets & y_meets)


def covered_centres(centres: Floats, lengths: Ints, det: Polygons, pair_gt: Ints, pair_det: Ints) -> tuple[Ints, Ints]:
    """Pair (T,) and centre (T,) of every centre inside the detection of its pair, ascending by pair, then by centre."""
    num_centres = lengths[pair_gt]
    pairs = np.repeat(np.arange(len(pair_gt)), num_centres)
    shift_to_gt = np.cumsum(lengths) - lengths
    shift_to_pair = np.cumsum(num_centres) - num_centres
    indices = np.arange(len(pairs)) + (shift_to_gt[pair_gt] - shift_to_pair)[pairs]
    is_inside = points_inside(centres[indices], det.truncated[pair_det[pairs]])
    return pairs[is_inside], indices[is_inside]


def points_inside(points: Floats, outlines: Floats) -> Bools:
    """(T,) whether point t of (T, 2) is inside outline t of (T, K, 2): half-open crossing test, even-odd rule.

    Of two outlines that share an edge exactly one owns a point on it. The expression is Polygon3's
    (`poly_c_point_inside`), operation by operation, so that a point on an edge falls on the same side.
    """
    x, y = points.T
    x1, y1 = outlines.transpose(2, 1, 0).copy()  # (K, T)
    x2, y2 = np.roll(x1, 1, axis=0), np.roll(y1, 1, axis=0)
    spans = (y1 <= y) != (y2 <= y)
    rises = np.where(spans, y2 - y1, 1.0)
    return np.logical_xor.reduce(spans & (x < (x2 - x1) * (y - y1) / rises + x1), axis=0)


def pair_areas(gt: Polygons, det: Polygons, pair_gt: Ints, pair_det: Ints) -> Floats:
    """(P,) area that the truncated outlines of each pair share."""
    is_convex = gt.is_convex_quad[pair_gt] & det.is_convex_quad[pair_det]
    areas = np.zeros(len(pair_gt))
    areas[is_convex] = convex_intersection_areas(gt.corners[pair_gt[is_convex]], det.corners[pair_det[is_convex]])
    others = np.flatnonzero(~is_convex)
    if len(others):
        import shapely

        shared = shapely.intersection(shapes(gt, pair_gt[others]), shapes(det, pair_det[others]))
        areas[others] = shapely.area(shared)
    return areas


def convex_intersection_areas(first: Floats, second: Floats) -> Floats:
    """(P,) area shared by convex outline p of `first` and of `second`, both (P, 4, 2) with a shoelace >= 0.

    The boundary of the intersection is what of either outline lies inside the other. By Green's theorem those pieces
    give the area in whatever order they come, so nothing of variable length is built.
    """
    origin = first[:, :1]
    # Pairs go last, so that every step of the arithmetic runs along memory.
    first, second = ((corners - origin).transpose(1, 2, 0).copy() for corners in (first, second))
    return (_inner_boundary(first, second, keep_shared=True) + _inner_boundary(second, first, keep_shared=False)) / 2


def _inner_boundary(outline: Floats, window: Floats, *, keep_shared: bool) -> Floats:
    """(P,) integral of x dy - y dx over the part of each outline (4, 2, P) that is inside its window (4, 2, P).

    Every edge a + t d, 0 <= t <= 1, is cut by the window's half planes. A piece that runs along the window's own edge
    bounds the intersection if both run the same way, and must be taken once: from the call with `keep_shared`.
    """
    (x, y), (u, v) = outline.swapaxes(0, 1), window.swapaxes(0, 1)
    dx, dy, du, dv = (ends[NEXT_CORNER] - ends for ends in (x, y, u, v))
    heights = du * (y[:, None] - v) - dv * (x[:, None] - u)  # (4 edges, 4 half planes, P), 0 on the window's edge
    climbs = du * dy[:, None] - dv * dx[:, None]
    is_parallel = climbs == 0
    at = -heights / np.where(is_parallel, 1.0, climbs)
    enters = np.where(climbs > 0, at, 0.0).max(axis=1)
    leaves = np.where(climbs < 0, at, 1.0).min(axis=1)
    is_dropped = is_parallel & (heights == 0) & ((du != 0) | (dv != 0))  # a repeated vertex cuts nothing
    if keep_shared:
        is_dropped &= du * dx[:, None] + dv * dy[:, None] <= 0
    is_out = (is_dropped | (is_parallel & (heights < 0))).any(axis=1)
    shares = np.maximum(leaves - enters, 0.0)
    return (np.where(is_out, 0.0, shares) * (x * dy - y * dx)).sum(axis=0)


def shapes(polygons: Polygons, indices: Ints) -> NDArray[np.object_]:
    """Truncated outlines as valid shapely geometries of polygons only, filled by the even-odd rule."""
    import shapely

    unique, positions = np.unique(indices, return_inverse=True)
    built = shapely.polygons(polygons.truncated[unique])
    for index in np.flatnonzero(~shapely.is_valid(built)):
        parts = shapely.get_parts(shapely.get_parts(shapely.make_valid(built[index])))
        built[index] = shapely.multipolygons(parts[shapely.get_type_id(parts) == shapely.GeometryType.POLYGON])
    return built[positions]

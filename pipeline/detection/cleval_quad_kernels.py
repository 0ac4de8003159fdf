"""Quadrilaterals as CLEval sees them, compiled: what they measure, and the area that parts of two of them share."""

# mypy: disable-error-code="no-untyped-def, no-untyped-call"
# numba infers types from the arguments; annotations would only repeat the docstrings.

import math

import numpy as np

from pipeline.compiled import compiled


@compiled
def measured_quads(quads):
    """Truncated vertices, the one or two convex parts (N, 2, 4, 2) that they enclose, bounds, areas, aspect ratios, and
    if all is finite."""
    num = len(quads)
    cut = np.trunc(quads)
    parts = np.empty((num, 2, 4, 2))
    num_parts = np.ones(num, np.int64)
    bounds = np.empty((num, 4))
    areas = np.empty(num)
    aspects = np.empty(num)
    sides = np.empty(4)
    is_finite = True
    for index in range(num):
        doubled = 0.0
        for k in range(4):
            x, y, following = cut[index, k, 0], cut[index, k, 1], (k + 1) & 3
            is_finite &= math.isfinite(x) and math.isfinite(y)
            doubled += x * (cut[index, following, 1] - y) - y * (cut[index, following, 0] - x)
            dx = quads[index, following, 0] - quads[index, k, 0]
            dy = quads[index, following, 1] - quads[index, k, 1]
            sides[k] = math.sqrt(dx * dx + dy * dy)
        areas[index] = abs(doubled) / 2
        for k in range(4):
            source = 3 - k if doubled < 0 else k
            parts[index, 0, k, 0], parts[index, 0, k, 1] = cut[index, source, 0], cut[index, source, 1]
        if not _never_turns_back(parts[index, 0]):
            num_parts[index] = 2
            _cut_in_two(cut[index], parts[index])
        for axis in range(2):
            a, b, c, d = cut[index, 0, axis], cut[index, 1, axis], cut[index, 2, axis], cut[index, 3, axis]
            bounds[index, axis] = min(min(a, b), min(c, d))
            bounds[index, axis + 2] = max(max(a, b), max(c, d))
        aspects[index] = ((sides[0] + sides[2]) / 2 + 1e-5) / ((sides[1] + sides[3]) / 2 + 1e-5)
    return cut, parts, num_parts, bounds, areas, aspects, is_finite


@compiled
def _never_turns_back(corners):
    for k in range(4):
        following, last = (k + 1) & 3, (k + 2) & 3
        dx, dy = corners[following, 0] - corners[k, 0], corners[following, 1] - corners[k, 1]
        ex, ey = corners[last, 0] - corners[following, 0], corners[last, 1] - corners[following, 1]
        if dx * ey - dy * ex < 0:
            return False
    return True


@compiled
def _cut_in_two(quad, parts):
    """Fills `parts` (2, 4, 2) with the two triangles that a concave or crossed quadrilateral encloses, even-odd."""
    for start in range(2):
        # Cut along a diagonal, where the other two vertices lie on either side of it.
        a, b, c, d = start, start + 1, start + 2, (start + 3) & 3
        ax, ay, bx, by, cx, cy, dx, dy = (
            quad[a, 0], quad[a, 1], quad[b, 0], quad[b, 1], quad[c, 0], quad[c, 1], quad[d, 0], quad[d, 1],
        )  # fmt: skip
        side_b = (cx - ax) * (by - ay) - (cy - ay) * (bx - ax)
        side_d = (cx - ax) * (dy - ay) - (cy - ay) * (dx - ax)
        if side_b * side_d <= 0:
            _set_triangle(parts[0], ax, ay, bx, by, cx, cy)
            _set_triangle(parts[1], ax, ay, cx, cy, dx, dy)
            return
    # Else two edges cross: those before and after the first vertex's, or those around it.
    for start in range(2):
        a, b, c, d = start, start + 1, start + 2, (start + 3) & 3
        ax, ay, bx, by, cx, cy, dx, dy = (
            quad[a, 0], quad[a, 1], quad[b, 0], quad[b, 1], quad[c, 0], quad[c, 1], quad[d, 0], quad[d, 1],
        )  # fmt: skip
        turn = (bx - ax) * (dy - cy) - (by - ay) * (dx - cx)
        if turn == 0:
            continue
        share = ((cx - ax) * (dy - cy) - (cy - ay) * (dx - cx)) / turn
        if 0 <= share <= 1:
            x, y = ax + share * (bx - ax), ay + share * (by - ay)
            _set_triangle(parts[0], ax, ay, x, y, dx, dy)
            _set_triangle(parts[1], x, y, bx, by, cx, cy)
            return


@compiled
def _set_triangle(part, ax, ay, bx, by, cx, cy):
    """Fills `part` (4, 2), the last corner twice, with a shoelace that is not negative."""
    if (bx - ax) * (cy - ay) - (by - ay) * (cx - ax) < 0:
        bx, by, cx, cy = cx, cy, bx, by
    part[0, 0], part[0, 1], part[1, 0], part[1, 1], part[2, 0], part[2, 1] = ax, ay, bx, by, cx, cy
    part[3, 0], part[3, 1] = cx, cy


@compiled
def shared_area(first, second, outline, window):
    """Area shared by two convex quads; `outline` and `window` (4, 2) are room to work in, made once an image."""
    for k in range(4):
        for axis in range(2):
            outline[k, axis] = first[k, axis] - first[0, axis]
            window[k, axis] = second[k, axis] - first[0, axis]
    return (_inner_boundary(outline, window, True) + _inner_boundary(window, outline, False)) / 2


@compiled
def _inner_boundary(outline, window, keep_shared):
    total = 0.0
    for edge in range(4):
        x, y, after = outline[edge, 0], outline[edge, 1], (edge + 1) & 3
        dx, dy = outline[after, 0] - x, outline[after, 1] - y
        enters, leaves, is_out = 0.0, 1.0, False
        for side in range(4):
            u, v, following = window[side, 0], window[side, 1], (side + 1) & 3
            du, dv = window[following, 0] - u, window[following, 1] - v
            height = du * (y - v) - dv * (x - u)
            climb = du * dy - dv * dx
            if climb > 0:
                enters = max(enters, -height / climb)
            elif climb < 0:
                leaves = min(leaves, -height / climb)
            elif height < 0 or (height == 0 and (du != 0 or dv != 0) and (not keep_shared or du * dx + dv * dy <= 0)):
                is_out = True
        if not is_out and leaves > enters:
            total += (leaves - enters) * (x * dy - y * dx)
    return total

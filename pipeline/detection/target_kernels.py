"""Offsets of polygons and the threshold map around them, compiled: two calls an image.

`raise_threshold` does the arithmetic of `targets._squared_border_distance`, step by step, so that the two maps are
equal to the bit; it leaves out what lies too far from an edge to be lifted by it. `offsets` does by hand what Clipper
does to an outline that bends one way only, where nothing has to be clipped; the rest is left to Clipper.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call"
# numba infers types from the arguments; annotations would only repeat the docstrings.

import math

import numpy as np

from pipeline.compiled import compiled

ARC_TOLERANCE = 0.25  # pyclipper's default: how far a rounded corner may be from its arc, in pixels


@compiled
def offsets(points, starts, ignored, factor, min_text_size):
    """How far each of N polygons moves, and where it moves to, as far as that takes no clipping.

    `points` float64 (P, 2), of polygon i from starts[i] to starts[i + 1]. `ignored` bool (N,) is set where a polygon is
    too small. Returns the distances (N,), `factor` x area / perimeter; the dilated outlines, int32 (Q, 2), with their
    starts (N + 1,), none where it takes clipping; and the shrunk ones as int64 (N, 4) left, top, right, bottom with a
    bool (N,) that says for which polygons, the upright rectangles, these hold.
    """
    num = len(starts) - 1
    distances = np.zeros(num)
    capacity = 0
    for index in range(num):
        area, perimeter, smallest = _measure(points, starts[index], starts[index + 1])
        if ignored[index] or area < 1 or smallest < min_text_size:
            ignored[index] = True
        else:
            distances[index] = area * factor / perimeter
            capacity += int(_num_steps(distances[index])) + 4 * (starts[index + 1] - starts[index]) + 8
    dilated = np.empty((capacity, 2), np.int32)
    dilated_starts = np.zeros(num + 1, np.int64)
    rectangles = np.zeros((num, 4), np.int64)
    is_rectangle = np.zeros(num, np.bool_)
    for index in range(num):
        dilated_starts[index + 1] = dilated_starts[index]
        if not ignored[index]:
            outline, count = _whole_outline(points, starts[index], starts[index + 1])
            normals = _normals(outline, count)
            if count >= 3:
                dilated_starts[index + 1] = _dilate(
                    outline, normals, count, distances[index], dilated, dilated_starts[index]
                )
            is_rectangle[index] = _shrink_rectangle(outline, normals, count, distances[index], rectangles, index)
    return distances, dilated, dilated_starts, rectangles, is_rectangle


@compiled
def _measure(points, first, last):
    """Area, perimeter and the smaller side of the bounding box."""
    area = perimeter = 0.0
    left = top = math.inf
    right = bottom = -math.inf
    for k in range(first, last):
        following = k + 1 if k + 1 < last else first
        ax, ay, bx, by = points[k, 0], points[k, 1], points[following, 0], points[following, 1]
        area += (ax * by - bx * ay) / 2
        perimeter += math.sqrt((bx - ax) * (bx - ax) + (by - ay) * (by - ay))
        left, top, right, bottom = min(left, ax), min(top, ay), max(right, ax), max(bottom, ay)
    return abs(area), perimeter, min(right - left, bottom - top)


@compiled
def _whole_outline(points, first, last):
    """Vertices on whole pixels, truncated, without repetitions, so turned that the shoelace is not negative."""
    outline = np.empty((last - first, 2))
    count = 0
    for k in range(first, last):
        x, y = float(int(points[k, 0])), float(int(points[k, 1]))
        if count == 0 or x != outline[count - 1, 0] or y != outline[count - 1, 1]:
            outline[count, 0], outline[count, 1] = x, y
            count += 1
    while count > 1 and outline[0, 0] == outline[count - 1, 0] and outline[0, 1] == outline[count - 1, 1]:
        count -= 1
    doubled = 0.0
    for k in range(count):
        following = k + 1 if k + 1 < count else 0
        doubled += outline[k, 0] * outline[following, 1] - outline[following, 0] * outline[k, 1]
    if doubled < 0:
        for k in range(count // 2):
            for axis in range(2):
                outline[k, axis], outline[count - 1 - k, axis] = outline[count - 1 - k, axis], outline[k, axis]
    return outline, count


@compiled
def _normals(outline, count):
    """(count, 2) outward unit normals of the edges from each vertex to the next, by Clipper's arithmetic."""
    normals = np.zeros((count, 2))
    for k in range(count):
        following = k + 1 if k + 1 < count else 0
        dx, dy = outline[following, 0] - outline[k, 0], outline[following, 1] - outline[k, 1]
        if dx != 0 or dy != 0:
            scale = 1.0 / math.sqrt(dx * dx + dy * dy)
            normals[k, 0], normals[k, 1] = dy * scale, -(dx * scale)
    return normals


@compiled
def _num_steps(distance):
    """Points on a full circle of radius `distance`, by Clipper's arithmetic."""
    tolerance = min(ARC_TOLERANCE, distance * ARC_TOLERANCE)
    return min(math.pi / math.acos(1 - tolerance / distance), distance * math.pi)


@compiled
def _rounded(value):
    return int(value - 0.5) if value < 0 else int(value + 0.5)


@compiled
def _dilate(outline, normals, count, distance, dilated, start):
    """Writes the outline moved outwards by `distance`, corners round; its end, or `start` where it bends back."""
    steps = _num_steps(distance)
    sine, cosine, steps_a_radian = math.sin(2 * math.pi / steps), math.cos(2 * math.pi / steps), steps / (2 * math.pi)
    end = start
    turned = 0.0
    k = count - 1
    for j in range(count):
        x, y = outline[j, 0], outline[j, 1]
        turn = normals[k, 0] * normals[j, 1] - normals[j, 0] * normals[k, 1]
        ahead = normals[k, 0] * normals[j, 0] + normals[j, 1] * normals[k, 1]
        if turn < 0 or ahead < -0.999:
            return start
        turned += math.atan2(turn, ahead)
        if turn * distance < 1 and ahead > 0:
            dilated[end, 0] = _rounded(x + normals[k, 0] * distance)
            dilated[end, 1] = _rounded(y + normals[k, 1] * distance)
            end += 1
            continue  # with the same k, as Clipper does
        u, v = normals[k, 0], normals[k, 1]
        for _ in range(max(_rounded(steps_a_radian * abs(math.atan2(min(turn, 1.0), ahead))), 1)):
            dilated[end, 0], dilated[end, 1] = _rounded(x + u * distance), _rounded(y + v * distance)
            end += 1
            u, v = u * cosine - sine * v, u * sine + v * cosine
        dilated[end, 0] = _rounded(x + normals[j, 0] * distance)
        dilated[end, 1] = _rounded(y + normals[j, 1] * distance)
        end += 1
        k = j
    # An outline that winds round twice never bends back either.
    return _without_straight(dilated, start, end) if turned < 7.0 else start


@compiled
def dilated_outline(points, distance):
    """The closed outline `points` float64 (n, 2) moved outwards by `distance`, corners round, int32 (m, 2).

    As Clipper moves it after truncating it to whole pixels; empty where that takes clipping.
    """
    outline, count = _whole_outline(points, 0, len(points))
    dilated = np.empty((int(_num_steps(distance)) + 4 * count + 8, 2), np.int32)
    if count < 3:
        return dilated[:0]
    return dilated[: _dilate(outline, _normals(outline, count), count, distance, dilated, 0)]


@compiled
def _without_straight(points, start, end):
    """The end of the outline once vertices where it does not turn are gone; Clipper leaves them out, too."""
    was = end + 1
    while end < was and end - start > 3:
        was, kept = end, start
        for place in range(start, end):
            # Against the last one kept: of two equal vertices one stays.
            before = kept - 1 if kept > start else end - 1
            after = place + 1 if place + 1 < end else start
            x, y = points[place, 0], points[place, 1]
            dx, dy = x - points[before, 0], y - points[before, 1]
            ex, ey = points[after, 0] - x, points[after, 1] - y
            if dx * ey != dy * ex:
                points[kept, 0], points[kept, 1] = x, y
                kept += 1
        end = kept
    return end


@compiled
def _shrink_rectangle(outline, normals, count, distance, rectangles, index):
    """Writes what is left of an upright rectangle; False if the outline is none."""
    if count != 4:
        return False
    for k in range(4):
        following = (k + 1) & 3
        if outline[k, 0] != outline[following, 0] and outline[k, 1] != outline[following, 1]:
            return False
    if outline[0, 0] == outline[2, 0] or outline[0, 1] == outline[2, 1]:
        return False
    for k in range(4):
        moved_x = _rounded(outline[k, 0] - normals[k, 0] * distance)
        moved_y = _rounded(outline[k, 1] - normals[k, 1] * distance)
        if normals[k, 0] < -0.5:
            rectangles[index, 0] = moved_x
        elif normals[k, 0] > 0.5:
            rectangles[index, 2] = moved_x
        elif normals[k, 1] < -0.5:
            rectangles[index, 1] = moved_y
        else:
            rectangles[index, 3] = moved_y
    return True


@compiled
def raise_threshold(thresh_map, points, starts, windows, distances, thresh_max, drop):
    """Lifts `thresh_map` float32 (H, W) to the threshold of every polygon inside its window.

    `windows` int64 (N, 4): left, top, right, bottom, all of them included, none (right < left) to leave a polygon out.
    """
    for index in range(len(starts) - 1):
        left, top, right, bottom = windows[index, 0], windows[index, 1], windows[index, 2], windows[index, 3]
        if right >= left and bottom >= top:
            _raise_one(
                thresh_map[top : bottom + 1, left : right + 1],
                points[starts[index] : starts[index + 1]],
                left,
                top,
                distances[index],
                np.float32(thresh_max),
                np.float32(-drop / distances[index]),
            )


@compiled
def _raise_one(region, points, left, top, distance, thresh_max, slope):
    height, width = region.shape
    num = len(points)
    to_corner = np.empty((num, width), np.float32)
    to_line = np.empty((num, width), np.float32)
    spans = np.empty((num, width))
    edges = np.empty((num, 6))
    # Farther from an edge than this, a pixel stays below the background whatever rounding does.
    reach = 1.01 * distance + 0.1
    for edge in range(num):
        following = edge + 1 if edge + 1 < num else 0
        ax, ay, bx, by = (
            points[edge, 0] - left, points[edge, 1] - top, points[following, 0] - left, points[following, 1] - top,
        )  # fmt: skip
        length = math.sqrt((bx - ax) * (bx - ax) + (by - ay) * (by - ay))
        along, across = ((bx - ax) / length, (ay - by) / length) if length > 0 else (0.0, 0.0)
        edges[edge, 0], edges[edge, 1], edges[edge, 2], edges[edge, 3] = ax, ay, bx, by
        edges[edge, 4], edges[edge, 5] = along, across
        for column in range(width):
            to_corner[edge, column] = np.float32((column - ax) * (column - ax))
            to_line[edge, column] = np.float32(across * (column - ax))
            spans[edge, column] = (ax - column) * (column - bx)
    nearest = np.empty(width, np.float32)
    for row in range(height):
        nearest[:] = np.float32(np.inf)
        first, last = width, 0
        for edge in range(num):
            ax, ay, bx, by = edges[edge, 0], edges[edge, 1], edges[edge, 2], edges[edge, 3]
            if row < min(ay, by) - reach or row > max(ay, by) + reach:
                continue
            low, high = _reached(ax, ay, bx, edges[edge, 4], edges[edge, 5], row, reach, width)
            first, last = min(first, low), max(last, high)
            corner = np.float32((row - ay) * (row - ay))
            if ax == bx and ay == by:
                for column in range(low, high):
                    nearest[column] = min(nearest[column], corner + to_corner[edge, column])
                continue
            line, span = np.float32(edges[edge, 4] * (row - ay)), (row - ay) * (row - by)
            for column in range(low, high):
                squared = corner + to_corner[edge, column]
                to_edge = line + to_line[edge, column]
                to_edge = np.float32(np.inf) if span > spans[edge, column] else to_edge * to_edge
                nearer = to_edge if to_edge < squared else squared
                nearest[column] = nearer if nearer < nearest[column] else nearest[column]
        for column in range(first, last):
            threshold = np.float32(math.sqrt(nearest[column])) * slope + thresh_max
            region[row, column] = threshold if threshold > region[row, column] else region[row, column]


@compiled
def _reached(ax, ay, bx, along, across, row, reach, width):
    """First column and the one after the last that are within `reach` of the edge a b, or nearly so."""
    low, high = min(ax, bx) - reach, max(ax, bx) + reach
    if abs(across) > 1e-6:
        # |along (row - ay) + across (column - ax)| <= reach
        middle, half = ax - along * (row - ay) / across, reach / abs(across)
        low, high = max(low, middle - half), min(high, middle + half)
    low, high = max(low - 1, 0.0), min(high + 2, float(width))
    return (int(low), int(high)) if low < high else (0, 0)

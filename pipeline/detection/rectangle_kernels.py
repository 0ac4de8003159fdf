"""The smallest rectangle around a convex outline, and the mean of a map inside a rectangle, compiled.

Both do OpenCV's arithmetic step by step (`minAreaRect` and `boxPoints` of OpenCV 5 in float32, `fillPoly` in integers),
so that corners and scores are the ones that OpenCV gives: of two rectangles of one area the rounding of a float
decides, and the score of a thin box moves by 0.1 to 0.2 with any other rule for what is inside.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call"
# numba infers types from the arguments; annotations would only repeat the docstrings.

import math

import numpy as np

from pipeline.compiled import compiled

_HALF = np.float32(0.5)


@compiled
def rectangle_around(hull, count, rectangle):
    """Fills `rectangle` float32 (5,): centre x and y, width, height and angle in degrees, as `cv2.minAreaRect` gives.

    `hull` float32 (n, 2) holds `count` vertices of a convex outline, none of them on a straight line between others,
    clockwise as seen. Which of them comes first decides between rectangles of one area. Of less than three vertices the
    rectangle is left empty.
    """
    if count <= 2:
        rectangle[:] = 0
        return
    bottom = right = top = left = 0  # named as OpenCV does, with y upwards
    for k in range(1, count):
        if hull[k, 0] < hull[left, 0]:
            left = k
        if hull[k, 0] > hull[right, 0]:
            right = k
        if hull[k, 1] > hull[top, 1]:
            top = k
        if hull[k, 1] < hull[bottom, 1]:
            bottom = k
    touching = (bottom, right, top, left)
    smallest = np.float32(np.inf)
    along_x = along_y = width = height = np.float32(0)
    left_at = bottom_at = 0
    for _ in range(count):
        side, base_x, base_y = _next_base(hull, count, touching)
        bottom, right, top, left = touching
        if side == 0:
            bottom = bottom + 1 if bottom + 1 < count else 0
        elif side == 1:
            right = right + 1 if right + 1 < count else 0
        elif side == 2:
            top = top + 1 if top + 1 < count else 0
        else:
            left = left + 1 if left + 1 < count else 0
        touching = (bottom, right, top, left)
        across = (hull[right, 0] - hull[left, 0]) * base_x + (hull[right, 1] - hull[left, 1]) * base_y
        upwards = -(hull[top, 0] - hull[bottom, 0]) * base_y + (hull[top, 1] - hull[bottom, 1]) * base_x
        if across * upwards <= smallest:
            smallest = across * upwards
            along_x, along_y, width, height, left_at, bottom_at = base_x, base_y, across, upwards, left, bottom
    from_left = along_x * hull[left_at, 0] + hull[left_at, 1] * along_y
    from_bottom = -along_y * hull[bottom_at, 0] + hull[bottom_at, 1] * along_x
    scale = np.float32(1) / (along_x * along_x + along_y * along_y)
    x = (from_left * along_x - from_bottom * along_y) * scale
    y = (along_x * from_bottom + along_y * from_left) * scale
    wide_x, wide_y, high_x, high_y = along_x * width, along_y * width, -along_y * height, along_x * height
    rectangle[0] = x + (wide_x + high_x) * _HALF
    rectangle[1] = y + (wide_y + high_y) * _HALF
    _set_sides(rectangle, wide_x, wide_y, high_x, high_y)


@compiled
def _next_base(hull, count, touching):
    """The side of the rectangle that meets an edge first when it is turned, and the unit vector along its base then."""
    chosen = 0
    best_x = best_y = lead_x = lead_y = np.float32(0)
    for side in range(4):
        at = touching[side]
        following = at + 1 if at + 1 < count else 0
        x, y = hull[following, 0] - hull[at, 0], hull[following, 1] - hull[at, 1]
        # Turned back by a quarter for each side, so that the four can be compared.
        if side == 0:
            u, v = x, y
        elif side == 1:
            u, v = y, -x
        elif side == 2:
            u, v = -x, -y
        else:
            u, v = -y, x
        if side == 0 or v * best_x + -u * best_y < 0:
            chosen, best_x, best_y, lead_x, lead_y = side, u, v, x, y
    wide, high = np.float64(lead_x), np.float64(lead_y)
    scale = np.float32(1.0 / math.sqrt(wide * wide + high * high))
    return chosen, best_x * scale, best_y * scale


@compiled
def _set_sides(rectangle, wide_x, wide_y, high_x, high_y):
    width = np.float32(math.sqrt(np.float64(wide_x) * wide_x + np.float64(wide_y) * wide_y))
    height = np.float32(math.sqrt(np.float64(high_x) * high_x + np.float64(high_y) * high_y))
    if wide_x == 0 and wide_y > 0:
        rectangle[2], rectangle[3], angle = width, height, -math.pi / 2
    else:
        rectangle[2], rectangle[3], angle = height, width, -math.atan2(np.float64(wide_x), np.float64(wide_y))
    rectangle[4] = np.float32(angle * 180 / math.pi)


@compiled
def corners_of(rectangle, corners):
    """Fills `corners` float32 (4, 2) from `rectangle` (5,), as `cv2.boxPoints` does."""
    angle = np.float64(rectangle[4]) * math.pi / 180
    b, a = np.float32(math.cos(angle)) * _HALF, np.float32(math.sin(angle)) * _HALF
    x, y = rectangle[0], rectangle[1]
    across_x, across_y = b * rectangle[2], a * rectangle[2]
    up_x, up_y = a * rectangle[3], b * rectangle[3]
    corners[0, 0], corners[0, 1] = x - up_x - across_x, y + up_y - across_y
    corners[1, 0], corners[1, 1] = x + up_x - across_x, y - up_y - across_y
    corners[2, 0], corners[2, 1] = x + up_x + across_x, y - up_y + across_y
    corners[3, 0], corners[3, 1] = x - up_x + across_x, y + up_y + across_y


@compiled
def mean_inside(prob_map, corners, first, last):
    """Mean of the map (H, W) over the quadrilateral `corners` float32 (4, 2), border included, as `cv2.fillPoly` fills.

    NaN where that is not done here: for outlines that cross the border of the map or bend back. `first` and `last`
    int64 (H,) are room to work in.
    """
    height, width = prob_map.shape
    points = np.empty((4, 2), np.int64)
    low_x = low_y = np.float32(np.inf)
    for k in range(4):
        low_x, low_y = min(low_x, corners[k, 0]), min(low_y, corners[k, 1])
    # Truncated from the corner of the bounding box, as in the reference.
    corner_x, corner_y = math.floor(low_x), math.floor(low_y)
    if corner_x < 0 or corner_y < 0:
        return np.nan
    bottom = 0
    for k in range(4):
        points[k, 0] = int(np.float64(corners[k, 0]) - corner_x) + corner_x
        points[k, 1] = int(np.float64(corners[k, 1]) - corner_y) + corner_y
        bottom = max(bottom, points[k, 1])
        if points[k, 0] >= width or points[k, 1] >= height:
            return np.nan
    if not _bends_one_way(points):
        return np.nan
    top = int(corner_y)
    for y in range(top, bottom + 1):
        first[y], last[y] = width, -1
    for k in range(4):
        after = (k + 1) & 3
        _draw_line(points[k, 0], points[k, 1], points[after, 0], points[after, 1], first, last)
        _fill_edge(points[k, 0], points[k, 1], points[after, 0], points[after, 1], first, last)
    total, count = 0.0, 0
    for y in range(top, bottom + 1):
        if first[y] <= last[y]:
            total += _sum(prob_map[y, first[y] : last[y] + 1])
            count += last[y] + 1 - first[y]
    return total / count


@compiled
def _sum(values):
    """Sum in float64, four at a time: one after the other each addition would wait for the one before."""
    a = b = c = d = 0.0
    whole = len(values) & ~3
    for k in range(0, whole, 4):
        a += values[k]
        b += values[k + 1]
        c += values[k + 2]
        d += values[k + 3]
    for k in range(whole, len(values)):
        a += values[k]
    return (a + b) + (c + d)


@compiled
def _bends_one_way(points):
    signs = 0
    for k in range(4):
        after, last = (k + 1) & 3, (k + 2) & 3
        dx, dy = points[after, 0] - points[k, 0], points[after, 1] - points[k, 1]
        ex, ey = points[last, 0] - points[after, 0], points[last, 1] - points[after, 1]
        turn = dx * ey - dy * ex
        signs |= 1 if turn > 0 else (2 if turn < 0 else 0)
    return signs == 1 or signs == 2


@compiled
def _draw_line(x1, y1, x2, y2, first, last):
    """Widens the rows by the pixels of OpenCV's line (8-connected, drawn from left to right)."""
    if x2 < x1:
        x1, y1, x2, y2 = x2, y2, x1, y1
    dx, dy, step_y = x2 - x1, abs(y2 - y1), 1 if y2 >= y1 else -1
    is_steep = dy > dx
    long, short = (dy, dx) if is_steep else (dx, dy)
    error = long - 2 * short
    x, y = x1, y1
    for _ in range(long + 1):
        first[y], last[y] = min(first[y], x), max(last[y], x)
        steps_aside = error < 0
        error += 2 * long - 2 * short if steps_aside else -2 * short
        if is_steep:
            y += step_y
            x += 1 if steps_aside else 0
        else:
            x += 1
            y += step_y if steps_aside else 0


@compiled
def _fill_edge(x1, y1, x2, y2, first, last):
    """Widens the rows by what OpenCV fills along one edge of an outline that bends one way, in 1/65536 of a pixel."""
    if y1 == y2:
        return
    if y2 < y1:
        x1, y1, x2, y2 = x2, y2, x1, y1
    run = (x2 - x1) << 16
    slope = run // (y2 - y1) if run >= 0 else -(-run // (y2 - y1))  # towards zero, as C divides
    x = x1 << 16
    for y in range(y1, y2):
        first[y], last[y] = min(first[y], (x + 65535) >> 16), max(last[y], x >> 16)
        x += slope

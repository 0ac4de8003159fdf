"""Area of quadrilaterals laid over each other, concave and crossed ones too, compiled."""

# mypy: disable-error-code="no-untyped-def, no-untyped-call"
# numba infers types from the arguments; annotations would only repeat the docstrings.

import numpy as np

from pipeline.compiled import compiled


@compiled
def slab_area(first, second, others):
    """Area inside `first` and `second` (4, 2), even-odd, and outside every one of `others` (K, 4, 2).

    Between neighbouring vertices and crossings, taken along x, edges do not cross: the length of what is inside changes
    linearly there, so that its middle times the width is the area.
    """
    num_edges = 8 + 4 * len(others)
    ends = np.empty((num_edges, 4))  # x1 <= x2, y1, y2
    owners = np.empty(num_edges, np.int64)
    for edge in range(num_edges):
        owners[edge], k = edge // 4, edge % 4
        outline = first if edge < 4 else (second if edge < 8 else others[owners[edge] - 2])
        a, b = (k, (k + 1) & 3) if outline[k, 0] <= outline[(k + 1) & 3, 0] else ((k + 1) & 3, k)
        ends[edge, 0], ends[edge, 1], ends[edge, 2], ends[edge, 3] = (
            outline[a, 0], outline[b, 0], outline[a, 1], outline[b, 1],
        )  # fmt: skip
    left = max(min(ends[0, 0], ends[1, 0], ends[2, 0], ends[3, 0]), min(ends[4, 0], ends[5, 0], ends[6, 0], ends[7, 0]))
    right = min(
        max(ends[0, 1], ends[1, 1], ends[2, 1], ends[3, 1]), max(ends[4, 1], ends[5, 1], ends[6, 1], ends[7, 1])
    )
    if not left < right:
        return 0.0
    cuts, num_cuts = _cuts(ends, left, right)
    area = 0.0
    spanning = np.empty(num_edges, np.int64)
    heights = np.empty(num_edges)
    is_in = np.zeros(2 + len(others), np.bool_)
    for slab in range(num_cuts - 1):
        width = cuts[slab + 1] - cuts[slab]
        if width > 0:
            area += width * _length_inside(ends, owners, (cuts[slab] + cuts[slab + 1]) / 2, spanning, heights, is_in)
    return area


@compiled
def _cuts(ends, left, right):
    """Ascending x of every vertex and crossing between `left` and `right`, both of them included, and their number."""
    num_edges = len(ends)
    cuts = np.empty(2 + 2 * num_edges + num_edges * (num_edges - 1) // 2)
    count = _insert(cuts, _insert(cuts, 0, left), right)
    for edge in range(num_edges):
        x1, x2, y1, y2 = ends[edge, 0], ends[edge, 1], ends[edge, 2], ends[edge, 3]
        if left < x1 < right:
            count = _insert(cuts, count, x1)
        if left < x2 < right:
            count = _insert(cuts, count, x2)
        for other in range(edge):
            u1, u2, v1, v2 = ends[other, 0], ends[other, 1], ends[other, 2], ends[other, 3]
            turn = (x2 - x1) * (v2 - v1) - (y2 - y1) * (u2 - u1)
            if turn != 0:
                share = ((u1 - x1) * (v2 - v1) - (v1 - y1) * (u2 - u1)) / turn
                x = x1 + share * (x2 - x1)
                if 0 < share < 1 and max(left, u1) <= x <= min(right, u2):
                    count = _insert(cuts, count, x)
    return cuts, count


@compiled
def _insert(ascending, count, value):
    """The number of values after `value` has been put among the first `count` of `ascending`."""
    place = count
    while place > 0 and ascending[place - 1] > value:
        ascending[place] = ascending[place - 1]
        place -= 1
    ascending[place] = value
    return count + 1


@compiled
def _length_inside(ends, owners, x, spanning, heights, is_in):
    """How much of the vertical line at `x` is inside the first two outlines and outside the others."""
    count = 0
    for edge in range(len(ends)):
        x1, x2, y1, y2 = ends[edge, 0], ends[edge, 1], ends[edge, 2], ends[edge, 3]
        if x1 < x < x2:
            height = y1 + (x - x1) / (x2 - x1) * (y2 - y1)
            place = count
            while place > 0 and heights[place - 1] > height:
                heights[place], spanning[place] = heights[place - 1], spanning[place - 1]
                place -= 1
            heights[place], spanning[place] = height, owners[edge]
            count += 1
    for owner in range(len(is_in)):
        is_in[owner] = False
    length, num_others = 0.0, 0
    for place in range(count - 1):
        owner = spanning[place]
        is_in[owner] = not is_in[owner]
        if owner >= 2:
            num_others += 1 if is_in[owner] else -1
        if is_in[0] and is_in[1] and num_others == 0:
            length += heights[place + 1] - heights[place]
    return length

"""Regions of a probability map as scored rectangles, and those grown to the text they stand for, compiled.

Two calls a map. OpenCV walks along every contour; a minimum-area rectangle needs only the contour's convex hull, and
that follows from the runs of text pixels in each row. The regions are those of `cv2.findContours` (RETR_LIST:
8-connected text, and holes in it), in its order.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call"
# numba infers types from the arguments; annotations would only repeat the docstrings.

import math

import numpy as np

from pipeline.compiled import compiled
from pipeline.detection.rectangle_kernels import corners_of, mean_inside, rectangle_around
from pipeline.detection.target_kernels import dilated_outline

_EIGHT_ONES = np.uint64(0x0101010101010101)
_NONE = -1


@compiled
def scored_regions(prob_map, thresh, max_candidates, min_size):
    """The rectangles of regions above `thresh` in `prob_map` float32 (H, W), and the means inside of them.

    Returns rectangles float32 (M, 5) as `rectangle_around` fills them, without those with a side below `min_size`;
    scores (M,), NaN where `mean_inside` leaves them to others; how many regions there are in all, of which the first
    `max_candidates` are looked at; and whether all values are finite.
    """
    height, width = prob_map.shape
    row_starts, lefts, rights, is_finite = _runs(prob_map, thresh)
    num_runs = row_starts[height]
    owners, gap_owners = _connected(row_starts, lefts, rights, height, width)
    next_run, next_gap = _following(owners), _following(gap_owners)
    capacity = min(2 * num_runs, max_candidates)
    rectangles, scores = np.empty((capacity, 5), np.float32), np.empty(capacity)
    spans_left, spans_right = np.empty(height, np.int64), np.empty(height, np.int64)
    _clear(spans_left, spans_right, 0, height - 1, width)
    hull, corners = np.empty((2 * height + 4, 2), np.float32), np.empty((4, 2), np.float32)
    first, last = np.empty(height, np.int64), np.empty(height, np.int64)
    num_regions = num_kept = 0
    row = height - 1
    for run in range(num_runs - 1, -1, -1):
        while row_starts[row] > run:
            row -= 1
        gap = 2 + run + row  # the one to the right of the run
        for is_hole in (True, False):
            if (gap_owners[gap] != gap) if is_hole else (owners[run] != run):
                continue
            num_regions += 1
            if num_regions > max_candidates:
                continue
            if is_hole:
                top, bottom = _span_hole(gap, next_gap, row_starts, lefts, rights, row, width, spans_left, spans_right)
            else:
                top, bottom = _span_text(run, next_run, row_starts, lefts, rights, row, spans_left, spans_right)
            is_high = bottom - top >= min_size  # or it lies down and its rectangle, which is no larger, is dropped
            if is_high:
                count = _hull(spans_left, spans_right, top, bottom, hull)
                if is_hole:
                    # OpenCV walks around a hole from the pixel to the left of its first gap, the other way round.
                    starts_beside = hull[count - 2, 1] == row and hull[count - 2, 0] == rights[run]
                    for _ in range(2 if starts_beside else 1):
                        _last_to_front(hull, count)
                rectangle_around(hull, count, rectangles[num_kept])
            _clear(spans_left, spans_right, top, bottom, width)
            if is_high and min(rectangles[num_kept, 2], rectangles[num_kept, 3]) >= min_size:
                corners_of(rectangles[num_kept], corners)
                scores[num_kept] = mean_inside(prob_map, corners, first, last)
                num_kept += 1
    return rectangles[:num_kept], scores[:num_kept], num_regions, is_finite


@compiled
def _runs(prob_map, thresh):
    """Where the runs of pixels above the threshold start in each row (H + 1,), their first and last columns."""
    height, width = prob_map.shape
    row_starts = np.zeros(height + 1, np.int64)
    capacity = height * ((width + 1) // 2)
    lefts, rights = np.empty(capacity, np.int32), np.empty(capacity, np.int32)
    is_text = np.zeros((width // 8 + 1) * 8, np.uint8)  # ends with background, which ends the last run
    words = is_text.view(np.uint64)
    count = num_odd = 0
    for y in range(height):
        odd = 0
        for x in range(width):
            value = prob_map[y, x]
            is_text[x] = value > thresh
            odd |= value - value != 0  # infinite, or not a number
        num_odd += odd
        inside = np.uint8(0)
        for word in range(len(words)):
            # Eight pixels at once, as long as nothing changes.
            if words[word] == (_EIGHT_ONES if inside else np.uint64(0)):
                continue
            for x in range(8 * word, 8 * word + 8):
                if is_text[x] != inside:
                    if inside:
                        rights[count] = x - 1
                        count += 1
                    else:
                        lefts[count] = x
                    inside = is_text[x]
        row_starts[y + 1] = count
    return row_starts, lefts, rights, num_odd == 0


@compiled
def _connected(row_starts, lefts, rights, height, width):
    """For each run the first run of its region; for each gap the first gap of its hole, 0 for what is no hole.

    Gaps are numbered row by row from 1: one to the left of each run and one at the end of the row, which may be empty.
    """
    owners = np.arange(row_starts[height])
    gap_owners = np.arange(row_starts[height] + height + 1)
    for y in range(height):
        start, end = row_starts[y], row_starts[y + 1]
        gap_owners[1 + start + y] = gap_owners[1 + end + y] = 0
        if y == 0 or y == height - 1:
            for gap in range(1 + start + y, 2 + end + y):
                gap_owners[gap] = 0
    for y in range(1, height):
        _join_runs(row_starts, lefts, rights, y, owners)
        _join_gaps(row_starts, lefts, rights, y, width, gap_owners)
    # An owner has the lower number: in ascending order its own owner is the last one already.
    for run in range(len(owners)):
        owners[run] = owners[owners[run]]
    for gap in range(len(gap_owners)):
        gap_owners[gap] = gap_owners[gap_owners[gap]]
    return owners, gap_owners


@compiled
def _owner(owners, index):
    while owners[index] != index:
        owners[index] = owners[owners[index]]
        index = owners[index]
    return index


@compiled
def _join(owners, one, other):
    one, other = _owner(owners, one), _owner(owners, other)
    if one < other:
        owners[other] = one
    else:
        owners[one] = other


@compiled
def _join_runs(row_starts, lefts, rights, y, owners):
    above, above_end = row_starts[y - 1], row_starts[y]
    for run in range(row_starts[y], row_starts[y + 1]):
        while above < above_end and rights[above] < lefts[run] - 1:
            above += 1
        touching = above
        while touching < above_end and lefts[touching] <= rights[run] + 1:  # corners touch, too
            _join(owners, run, touching)
            touching += 1


@compiled
def _join_gaps(row_starts, lefts, rights, y, width, gap_owners):
    above, above_end, end = row_starts[y - 1], row_starts[y], row_starts[y + 1]
    for run in range(row_starts[y], end + 1):
        left = rights[run - 1] + 1 if run > row_starts[y] else 0
        right = lefts[run] - 1 if run < end else width - 1
        if left > right:
            continue
        while above < above_end and lefts[above] - 1 < left:
            above += 1
        touching = above
        while True:
            touching_left = rights[touching - 1] + 1 if touching > row_starts[y - 1] else 0
            touching_right = lefts[touching] - 1 if touching < above_end else width - 1
            if touching_left > right:
                break
            if touching_left <= touching_right:
                _join(gap_owners, 1 + run + y, touching + y)
            touching += 1
            if touching > above_end:
                break


@compiled
def _following(owners):
    """Each entry's next one with the same owner, -1 for none."""
    following, latest = np.empty(len(owners), np.int64), np.empty(len(owners), np.int64)
    latest[:] = _NONE
    for index in range(len(owners) - 1, -1, -1):
        following[index], latest[owners[index]] = latest[owners[index]], index
    return following


@compiled
def _widen(spans_left, spans_right, y, left, right):
    spans_left[y], spans_right[y] = min(spans_left[y], left), max(spans_right[y], right)


@compiled
def _clear(spans_left, spans_right, top, bottom, width):
    for y in range(top, bottom + 1):
        spans_left[y], spans_right[y] = width, _NONE


@compiled
def _span_text(run, next_run, row_starts, lefts, rights, row, spans_left, spans_right):
    """Writes how far a region reaches in each row; its first and last row. `run` is its first one, in `row`."""
    top = row
    while run != _NONE:
        while row_starts[row + 1] <= run:
            row += 1
        _widen(spans_left, spans_right, row, lefts[run], rights[run])
        run = next_run[run]
    return top, row


@compiled
def _span_hole(gap, next_gap, row_starts, lefts, rights, row, width, spans_left, spans_right):
    """As `_span_text`, of the text pixels beside, above and below a hole."""
    top = row - 1
    while gap != _NONE:
        while 1 + row_starts[row + 1] + row + 1 <= gap:
            row += 1
        run = gap - 1 - row  # the one to the right of the gap
        left, right = rights[run - 1] + 1, lefts[run] - 1
        _widen(spans_left, spans_right, row, left - 1, right + 1)
        for y in (row - 1, row + 1):
            for beside in range(row_starts[y], row_starts[y + 1]):
                if lefts[beside] <= right and rights[beside] >= left:
                    _widen(spans_left, spans_right, y, max(left, lefts[beside]), min(right, rights[beside]))
        gap = next_gap[gap]
    return top, row + 1


@compiled
def _hull(spans_left, spans_right, top, bottom, hull):
    """Writes the convex hull of rows that reach from `spans_left` to `spans_right`, and returns its number of vertices.

    Clockwise as seen, float32 (n, 2), the leftmost of the topmost pixels last, as in OpenCV's hull of a contour. Rows
    without anything have a right end of -1.
    """
    hull[0, 0], hull[0, 1] = spans_left[top], top
    count = 1
    for y in range(top, bottom + 1):
        if spans_right[y] != _NONE:
            count = _add(hull, 0, count, spans_right[y], y)
    base = count - 1
    for y in range(bottom, top - 1, -1):
        if spans_right[y] != _NONE:
            count = _add(hull, base, count, spans_left[y], y)
    if count == 1:
        return count
    for k in range(1, count):  # the first is the last one, too
        hull[k - 1, 0], hull[k - 1, 1] = hull[k, 0], hull[k, 1]
    return count - 1


@compiled
def _last_to_front(hull, count):
    x, y = hull[count - 1, 0], hull[count - 1, 1]
    for k in range(count - 1, 0, -1):
        hull[k, 0], hull[k, 1] = hull[k - 1, 0], hull[k - 1, 1]
    hull[0, 0], hull[0, 1] = x, y


@compiled
def _add(hull, base, count, x, y):
    """The number of vertices after one that follows those from `base` on; what it makes hollow is gone."""
    if hull[count - 1, 0] == x and hull[count - 1, 1] == y:
        return count
    while count >= base + 2:
        dx, dy = hull[count - 1, 0] - hull[count - 2, 0], hull[count - 1, 1] - hull[count - 2, 1]
        if dx * (y - hull[count - 1, 1]) - dy * (x - hull[count - 1, 0]) > 0:
            break
        count -= 1
    hull[count, 0], hull[count, 1] = x, y
    return count + 1


@compiled
def grown_boxes(rectangles, scores, box_thresh, unclip_ratio, min_size, is_exact):
    """Boxes float32 (K, 4, 2), top left, top right, bottom right, bottom left, and where each comes from, int64 (K,).

    Rectangles (M, 5) with a score of `box_thresh` and more, moved outwards by `unclip_ratio` x area / perimeter, if no
    side is below `min_size` then. With `is_exact` as the reference moves them: corners truncated to whole pixels,
    Clipper's offset with round joins, and the smallest rectangle around that; else along their own axes. A box of NaN
    is one that Clipper has to clip.
    """
    boxes, sources = np.empty((len(rectangles), 4, 2), np.float32), np.empty(len(rectangles), np.int64)
    grown, corners = np.empty(5, np.float32), np.empty((4, 2), np.float32)
    count = 0
    for index in range(len(rectangles)):
        if not scores[index] >= box_thresh:
            continue
        is_clipped = False
        if is_exact:
            corners_of(rectangles[index], corners)
            _in_reading_order(corners, boxes[count])
            is_clipped = not _offset(boxes[count], unclip_ratio, grown)
        else:
            grown[:] = rectangles[index]
            width, height = np.float64(grown[2]), np.float64(grown[3])
            growth = unclip_ratio * width * height / (width + height)  # twice area x ratio / perimeter
            grown[2], grown[3] = np.float32(width + growth), np.float32(height + growth)
        if is_clipped:
            boxes[count] = np.nan
        elif min(grown[2], grown[3]) < min_size:
            continue
        else:
            corners_of(grown, corners)
            _in_reading_order(corners, boxes[count])
        sources[count] = index
        count += 1
    return boxes[:count], sources[:count]


@compiled
def _offset(box, unclip_ratio, grown):
    """Fills `grown` (5,) with the smallest rectangle around Clipper's offset of `box`; False if that takes clipping."""
    # The sums go as GEOS, which the reference asks, adds them: a distance of half a pixel is rounded to either side.
    doubled = length = 0.0
    for k in range(4):
        x1, y1 = np.float64(box[k, 0]), np.float64(box[k, 1])
        x2, y2 = np.float64(box[(k + 1) & 3, 0]), np.float64(box[(k + 1) & 3, 1])
        if k:
            doubled += (x1 - box[0, 0]) * (y2 - box[k - 1, 1])
        length += math.sqrt((x2 - x1) * (x2 - x1) + (y2 - y1) * (y2 - y1))
    outline = dilated_outline(box.astype(np.float64), abs(doubled / 2) / length * unclip_ratio)
    if len(outline) < 3:
        return False
    left, top = right, bottom = outline[0, 0], outline[0, 1]
    for k in range(1, len(outline)):
        left, right = min(left, outline[k, 0]), max(right, outline[k, 0])
        top, bottom = min(top, outline[k, 1]), max(bottom, outline[k, 1])
    spans_left, spans_right = np.empty(bottom - top + 1, np.int64), np.empty(bottom - top + 1, np.int64)
    _clear(spans_left, spans_right, 0, bottom - top, right - left + 1)
    for k in range(len(outline)):
        _widen(spans_left, spans_right, outline[k, 1] - top, outline[k, 0] - left, outline[k, 0] - left)
    hull = np.empty((2 * len(outline) + 4, 2), np.float32)
    count = _hull(spans_left, spans_right, 0, bottom - top, hull)
    for k in range(count):
        hull[k, 0] += left
        hull[k, 1] += top
    if hull[0, 1] == hull[count - 1, 1]:
        # Clipper's outlines end with the rightmost of the topmost points: the first here is the last there.
        for _ in range(count - 1):
            _last_to_front(hull, count)
    rectangle_around(hull, count, grown)
    return True


@compiled
def _in_reading_order(corners, box):
    """Fills `box` with the corners (4, 2) as `postprocess.in_reading_order` puts them."""
    order = np.empty(4, np.int64)
    for k in range(4):
        place = k
        while place > 0 and corners[order[place - 1], 0] > corners[k, 0]:
            order[place] = order[place - 1]
            place -= 1
        order[place] = k
    a, b, c, d = order[0], order[1], order[2], order[3]
    if corners[b, 1] < corners[a, 1]:
        a, b = b, a
    if corners[d, 1] < corners[c, 1]:
        c, d = d, c
    for axis in range(2):
        box[0, axis], box[1, axis] = corners[a, axis], corners[c, axis]
        box[2, axis], box[3, axis] = corners[d, axis], corners[b, axis]

"""A chart of measured points with their intervals over named places, as inline SVG."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ocrprof.renderers.charts import Bar, legend, percent, ticks
from ocrprof.renderers.markup import Html, join, tag

_HEIGHT = 190
_AXIS_HEIGHT = 20
_SIDE_STEP = 0.012
_HEADROOM = 1.08


@dataclass(frozen=True)
class Mark:
    """One point at the place of that index; `interval` from low to high in the unit of `value`."""

    place: int
    value: float
    interval: tuple[float, float] | None
    hint: str


@dataclass(frozen=True)
class PointSeries:
    """Points of one colour, joined by a line in the order of their places."""

    name: str
    color: str
    marks: Sequence[Mark]


def points_over(
    places: Sequence[str],
    series: Sequence[PointSeries],
    *,
    value_text: Callable[[float], str],
    label: str,
    guide: float | None = None,
) -> Html:
    """Points over evenly spaced places; the axis of values begins at zero. `guide`: a value drawn as a dashed line.

    Series stand beside each other, so that their intervals can be told apart.
    """
    tops = [max(mark.value, *(mark.interval or (mark.value,))) for one in series for mark in one.marks]
    highest = max(tops, default=0.0)
    limit = _HEADROOM * max(highest, guide or 0.0) or 1.0
    marks = ticks(limit, num=4)
    grid = [tag("line", x1="0", x2="100%", y1=_y(value, limit), y2=_y(value, limit), class_="grid") for value in marks]
    drawn = [
        _series(one, num_places=len(places), limit=limit, aside=_SIDE_STEP * (number - (len(series) - 1) / 2))
        for number, one in enumerate(series)
    ]
    line = None
    if guide is not None:
        line = tag("line", x1="0", x2="100%", y1=_y(guide, limit), y2=_y(guide, limit), class_="stat")
    picture = tag("svg", *grid, line, *drawn, class_="points", height=_HEIGHT, role="img", aria_label=label)
    heights = [
        tag("text", value_text(value), x="100%", y=_y(value, limit), dx=-8, dy=4, text_anchor="end") for value in marks
    ]
    scale = tag("svg", *heights, class_="axis points", height=_HEIGHT, aria_hidden="true")
    names = [
        tag("text", name, x=percent(_x(index, len(places))), y=14, text_anchor="middle")
        for index, name in enumerate(places)
    ]
    axis = tag("div", tag("svg", *names, class_="axis", height=_AXIS_HEIGHT, aria_hidden="true"), class_="x-axis")
    plot = tag("div", scale, picture, class_="plot")
    if len(series) < 2:
        return join(plot, axis)
    return join(
        plot, axis, legend([Bar(0.0, 1.0, one.color, one.name or "as the program has it", "") for one in series])
    )


def _series(one: PointSeries, *, num_places: int, limit: float, aside: float) -> Html:
    places = [(percent(_x(mark.place, num_places) + aside), mark) for mark in one.marks]
    lines = [
        tag("line", x1=x, y1=_y(mark.value, limit), x2=next_x, y2=_y(after.value, limit), class_="joined")
        for (x, mark), (next_x, after) in pairwise(places)
    ]
    bars = [
        tag("line", x1=x, x2=x, y1=_y(mark.interval[0], limit), y2=_y(mark.interval[1], limit), class_="interval")
        for x, mark in places
        if mark.interval
    ]
    dots = [tag("circle", tag("title", mark.hint), cx=x, cy=_y(mark.value, limit), r=4.5) for x, mark in places]
    return tag("g", *lines, *bars, *dots, style=f"--k:var(--{one.color})", data_k=one.name or None)


def _x(place: int, num_places: int) -> float:
    return (place + 0.5) / num_places


def _y(value: float, limit: float) -> str:
    return percent(1 - max(0.0, min(value, limit)) / limit)

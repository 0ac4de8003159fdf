"""A metric over its sessions: a dot each, the references as lines, a mark where it changed. Inline SVG."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ocrprof.renderers.charts import percent, ticks
from ocrprof.renderers.markup import Html, join, tag

_HEIGHT, _AXIS_HEIGHT = 170, 20
_LEAST_SPAN = 0.2
"""Of the middle value: noise of one percent must not fill the picture."""
_TEXT = "font-size:11.5px;paint-order:stroke;stroke:var(--page);stroke-width:3px;"


@dataclass(frozen=True)
class SessionDot:
    """A session at its place, from 0; hollow where it is not looked at."""

    place: int
    value: float
    hint: str
    hollow: bool


@dataclass(frozen=True)
class Level:
    """A value that the sessions are held against."""

    value: float
    color: str
    hint: str


@dataclass(frozen=True)
class ChangeMark:
    """A change between two places; `surely`: between which it lies with 95 % probability."""

    last_before: int
    first_after: int
    surely: tuple[int, int]
    text: str
    color: str
    hint: str


def sessions_chart(
    dots: Sequence[SessionDot],
    *,
    num_places: int,
    ends: tuple[str, str],
    levels: Sequence[Level],
    changes: Sequence[ChangeMark],
    value_text: Callable[[float], str],
    unit: float,
    label: str,
) -> Html:
    """The picture; `ends` name the first and the last place. The axis does not begin at zero.

    `unit`: its ticks are round multiples of it.
    """
    low, high = _range([*(dot.value for dot in dots), *(level.value for level in levels)])

    def x(place: float) -> str:
        return percent((place + 0.5) / num_places)

    def y(value: float) -> str:
        return percent(1 - (value - low) / (high - low))

    steps = ticks(high / unit, num=max(4, round(4 * high / (high - low))))
    marks = [step * unit for step in steps if step * unit >= low]
    grid = [tag("line", x1="0", x2="100%", y1=y(value), y2=y(value), class_="grid") for value in marks]
    counted = [dot for dot in dots if not dot.hollow]
    joined = [
        tag("line", x1=x(one.place), y1=y(one.value), x2=x(after.place), y2=y(after.value), class_="joined")
        for one, after in pairwise(counted)
    ]
    lines = [
        tag(
            "line", tag("title", level.hint), x1="0", x2="100%", y1=y(level.value), y2=y(level.value),
            style=f"stroke:var(--{level.color});stroke-width:1.5;stroke-dasharray:5 3",
        )
        for level in levels
    ]  # fmt: skip
    picture = tag(
        "svg", *grid, *(_range_of(change, x, num_places=num_places) for change in changes), *lines,
        tag("g", *joined, *(_dot(dot, x=x(dot.place), y=y(dot.value)) for dot in dots), style="--k:var(--blue)"),
        *(_change(change, x, num_places=num_places) for change in changes),
        class_="points", height=_HEIGHT, role="img", aria_label=label,
    )  # fmt: skip
    heights = [tag("text", value_text(value), x="100%", y=y(value), dx=-8, dy=4, text_anchor="end") for value in marks]
    scale = tag("svg", *heights, class_="axis points", height=_HEIGHT, aria_hidden="true")
    names = [
        tag("text", name, x=place, y=14, text_anchor=anchor)
        for name, place, anchor in zip(ends, ("0%", "100%"), ("start", "end"), strict=True)
    ]
    axis = tag("div", tag("svg", *names, class_="axis", height=_AXIS_HEIGHT, aria_hidden="true"), class_="x-axis")
    return join(tag("div", scale, picture, class_="plot"), axis)


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    least = _LEAST_SPAN * abs(high + low) / 2 or 1.0
    room = max(0.12 * (high - low), (least - (high - low)) / 2)
    return max(low - room, 0.0) if low >= 0 else low - room, high + room


def _dot(dot: SessionDot, *, x: str, y: str) -> Html:
    style = "fill:none;stroke:var(--soft);stroke-width:1.2" if dot.hollow else None
    return tag("circle", tag("title", dot.hint), cx=x, cy=y, r=3.5, style=style)


def _range_of(change: ChangeMark, x: Callable[[float], str], *, num_places: int) -> Html | None:
    first, last = change.surely
    if (first, last) == (change.last_before, change.first_after):
        return None
    width = percent((last - first) / num_places)
    return tag("rect", x=x(first), y="0", width=width, height="100%", style="fill:var(--pale);fill-opacity:.5")


def _change(change: ChangeMark, x: Callable[[float], str], *, num_places: int) -> Html:
    middle = (change.last_before + change.first_after) / 2
    late = middle > 0.85 * num_places
    color = f"var(--{change.color})"
    line = tag("line", tag("title", change.hint), x1=x(middle), x2=x(middle), y1="0", y2="100%",
               style=f"stroke:{color};stroke-width:2")  # fmt: skip
    text = tag(
        "text", change.text, x=x(middle), y=13, dx=-6 if late else 6, text_anchor="end" if late else "start",
        style=f"{_TEXT}fill:{color}",
    )  # fmt: skip
    return join(line, text)

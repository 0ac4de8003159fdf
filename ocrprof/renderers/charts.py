"""Pictures of an HTML report. Coordinates are percent of the width, so that text keeps its size on any screen.

Colours are named by the variables of `assets/report.css`, which hold one value for light and one for dark.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ocrprof.renderers.markup import Html, join, tag

_ROW = 24
_ROW_GAP = 6
_STRIP_HEIGHT = 76
_STRIP_LABELS = 30
_MIN_COLUMNS = 16


@dataclass(frozen=True)
class Bar:
    """A piece of a lane; `start` and `length` in the unit of its axis. `hint` is shown where a pointer rests;
    what belongs to a `package` lights up with it. `figure` is what a legend says of it."""

    start: float
    length: float
    color: str
    name: str
    hint: str
    faint: bool = False
    package: str | None = None
    figure: str = ""


@dataclass(frozen=True)
class LaneRow:
    """One row of a timeline: bars that do not overlap, later ones on top where they do."""

    label: str
    detail: str
    bars: Sequence[Bar]


@dataclass(frozen=True)
class Point:
    """One sample of a strip; hollow where it does not count. `short` is its value as text."""

    value: float
    short: str
    hint: str
    hollow: bool = False


@dataclass(frozen=True)
class StripRow:
    """The samples of one thing, in order, with lines at its statistics (name, value)."""

    label: str
    points: Sequence[Point]
    lines: Sequence[tuple[str, float]]


@dataclass(frozen=True)
class Series:
    """One line over time."""

    name: str
    color: str
    values: Sequence[float]


def ticks(limit: float, *, num: int = 6) -> list[float]:
    """Round steps from zero to `limit`: 1, 2 or 5 times a power of ten, about `num` of them."""
    if limit <= 0:
        return [0.0]
    rough = limit / num
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    return [step * index for index in range(int(limit / step * 1.0001) + 1)]


def percent(share: float) -> str:
    """A share of 1 as a coordinate."""
    return f"{100 * share:.3f}".rstrip("0").rstrip(".") + "%"


def stack(bars: Sequence[Bar], *, label: str) -> Html:
    """One horizontal bar made of parts; `length` is a share of the whole. Names stand in those wide enough."""
    return tag("div", *(_stacked(bar) for bar in bars if bar.length > 0), class_="stack", role="img", aria_label=label)


def _stacked(bar: Bar) -> Html:
    shown = bar.name if bar.length * 100 > 0.8 * len(bar.name) + 1 else ""
    style = f"width:{percent(bar.length)};--k:var(--{bar.color})"
    return tag("span", shown, style=style, title=bar.hint, data_k=bar.name)


def legend(bars: Sequence[Bar]) -> Html:
    """Colours and names, each once, with the figure of each bar that has one."""
    seen = {bar.name: bar for bar in bars}
    items = [
        tag(
            "li",
            bar.name,
            tag("b", f" {bar.figure}") if bar.figure else None,
            style=f"--k:var(--{bar.color})",
            data_k=name,
        )
        for name, bar in seen.items()
    ]
    return tag("ul", *items, class_="legend")


def lanes(rows: Sequence[LaneRow], *, limit: float, tick_text: Callable[[float], str]) -> Html:
    """Rows of bars over one axis from 0 to `limit`."""
    marks = ticks(limit, num=14)
    body = [tag("div", "", class_="lane-label axis"), _axis(marks, limit, tick_text)]
    for row in rows:
        body.append(tag("div", tag("b", row.label), tag("small", row.detail), class_="lane-label", title=row.detail))
        body.append(_lane(row, marks, limit))
    return tag("div", tag("div", *body, class_="lanes"), class_="scroll")


def _axis(marks: Sequence[float], limit: float, tick_text: Callable[[float], str]) -> Html:
    texts = [
        tag("text", tick_text(value), x=percent(value / limit), y=14, text_anchor=_anchor(value / limit))
        for value in marks
    ]
    return tag("svg", *texts, class_="axis", height=18, aria_hidden="true")


def _anchor(share: float) -> str:
    return "start" if share < 0.02 else "end" if share > 0.97 else "middle"


def _lane(row: LaneRow, marks: Sequence[float], limit: float) -> Html:
    grid = [
        tag("line", x1=percent(value / limit), x2=percent(value / limit), y1=0, y2="100%", class_="grid")
        for value in marks
    ]
    bars = [_lane_bar(bar, limit) for bar in row.bars]
    return tag("svg", *grid, *bars, class_="lane", height=_ROW + _ROW_GAP, role="img", aria_label=row.label)


def _lane_bar(bar: Bar, limit: float) -> Html:
    share = bar.length / limit
    named = share * 100 > 0.75 * len(bar.name) + 1
    return tag(
        "svg",
        tag("title", bar.hint),
        tag("rect", width="100%", height="100%", class_="faint" if bar.faint else None),
        tag("text", bar.name, x=5, y=16) if named and not bar.faint else None,
        x=percent(bar.start / limit),
        width=percent(max(share, 0.0004)),
        y=_ROW_GAP // 2,
        height=_ROW,
        style=f"--k:var(--{bar.color})",
        class_="bar",
        data_k=bar.name if bar.package is None else None,
        data_package=bar.package,
    )


def strip(rows: Sequence[StripRow], *, limit: float, tick_text: Callable[[float], str]) -> Html:
    """Every sample as a dot, the first of a row on top, and its statistics as lines; past `limit` an arrow."""
    marks = ticks(limit)
    body = [tag("div", "", class_="lane-label axis"), _axis(marks, limit, tick_text)]
    for row in rows:
        count = f"n = {sum(not point.hollow for point in row.points)}"
        body.append(tag("div", tag("b", row.label), tag("small", count), class_="lane-label"))
        body.append(_strip_row(row, marks, limit))
    return tag("div", *body, class_="lanes strip")


def _strip_row(row: StripRow, marks: Sequence[float], limit: float) -> Html:
    grid = [
        tag("line", x1=percent(value / limit), x2=percent(value / limit), y1=0, y2="100%", class_="grid")
        for value in marks
    ]
    dots = [_dot(point, y=_dot_height(index, len(row.points)), limit=limit) for index, point in enumerate(row.points)]
    # Each name on a line of its own: a median and a p95 often lie side by side.
    lines = [
        _statistic(name, value / limit, y=11 + 13 * number)
        for number, (name, value) in enumerate(row.lines)
        if value <= limit
    ]
    return tag(
        "svg", *grid, *dots, *lines, class_="lane", height=_STRIP_HEIGHT, role="img", aria_label=f"{row.label}: samples"
    )


def _dot_height(index: int, num_points: int) -> float:
    return _STRIP_LABELS + 5 + (_STRIP_HEIGHT - _STRIP_LABELS - 12) * index / max(num_points - 1, 1)


def _dot(point: Point, *, y: float, limit: float) -> Html:
    hint = tag("title", point.hint)
    if point.value > limit:
        return tag("text", hint, f"{point.short} ▸", x="100%", y=f"{y + 4:.1f}", text_anchor="end", class_="beyond")
    return tag(
        "circle",
        hint,
        cx=percent(point.value / limit),
        cy=f"{y:.1f}",
        r=3.5,
        class_="hollow" if point.hollow else None,
    )


def _statistic(name: str, share: float, *, y: float) -> Html:
    x = percent(share)
    anchor, gap = ("end", -4) if share > 0.8 else ("start", 4)
    line = tag("line", x1=x, x2=x, y1=0, y2="100%", class_="stat")
    return join(line, tag("text", name, x=x, y=y, dx=gap, text_anchor=anchor, class_="stat"))


def columns(stacks: Sequence[Sequence[Bar]], *, limit: float, tick_text: Callable[[float], str]) -> Html:
    """One column a batch, in order, made of its parts from below; what is higher than `limit` is cut off at the top."""
    width = 1 / max(len(stacks), _MIN_COLUMNS)
    rects = []
    for index, bars in enumerate(stacks):
        top = 1.0
        for bar in bars:
            height = min(bar.length / limit, top)
            top -= height
            if height > 0:
                rects.append(_column(bar, x=index * width, y=top, width=width, height=height))
    picture = tag("svg", *rects, class_="columns", role="img", aria_label="parts of each batch")
    scale = tag("div", tag("span", tick_text(limit)), tag("span", "0"), class_="y-axis")
    return tag("div", scale, picture, class_="plot")


def _column(bar: Bar, *, x: float, y: float, width: float, height: float) -> Html:
    return tag(
        "rect",
        tag("title", bar.hint),
        x=percent(x + 0.06 * width),
        y=percent(y),
        width=percent(0.88 * width),
        height=percent(height),
        style=f"--k:var(--{bar.color})",
        data_k=bar.name,
        class_="faint" if bar.faint else None,
    )


def lines_over_time(
    series: Sequence[Series], *, seconds: Sequence[float], limit: float, value_text: Callable[[float], str],
    tick_text: Callable[[float], str],
) -> Html:  # fmt: skip
    """Lines from the first to the last moment of `seconds`; the axes begin at zero."""
    last = seconds[-1] or 1.0
    paths = []
    for one in series:
        points = " ".join(
            f"{1000 * at / last:.1f},{200 * (1 - value / limit):.1f}"
            for at, value in zip(seconds, one.values, strict=True)
        )
        paths.append(tag("polyline", points=points, style=f"--k:var(--{one.color})"))
    picture = tag(
        "svg", *paths, viewBox="0 0 1000 200", preserveAspectRatio="none", class_="curves", role="img",
        aria_label=", ".join(one.name for one in series),
    )  # fmt: skip
    scale = tag("div", tag("span", value_text(limit)), tag("span", "0"), class_="y-axis")
    axis = tag("div", _axis(ticks(last), last, tick_text), class_="x-axis")
    return join(tag("div", scale, picture, class_="plot"), axis)

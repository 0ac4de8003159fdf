"""Pictures of a check: pairs in time order, intervals against the limits, what this noise lets one see.

Coordinates are percent of the width, as in `charts`; heights are pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ocrprof.renderers.charts import percent
from ocrprof.renderers.markup import Html, tag

_PAIRS_HEIGHT, _INTERVAL_HEIGHT = 84, 22
_SOFT, _PALE = "fill:var(--soft)", "fill:var(--pale);fill-opacity:.6"
_LINE_OF_TEXT, _MARGIN = 11.0, 5.0
_WHOLE_ROW = "grid-column:1/-1"
_TEXT = "font-size:11.5px;"


@dataclass(frozen=True)
class PairPoint:
    """One pair: by how much its candidate was worse, as a share, and what is shown where a pointer rests."""

    worse_by: float
    hint: str


@dataclass(frozen=True)
class IntervalRow:
    """An estimate with its interval, as shares; `color` says what it came to."""

    label: str
    detail: str
    estimate: float
    low: float
    high: float
    color: str


@dataclass(frozen=True)
class Axis:
    """A linear axis of shares from `low` to `high`; `limits` are marked on it."""

    low: float
    high: float
    limits: Sequence[float]

    def at(self, share: float) -> float:
        """Where a share lies, from 0 to 1; at the edge what lies outside."""
        return min(max((share - self.low) / (self.high - self.low), 0.0), 1.0)


def axis_for(shares: Sequence[float], *, limits: Sequence[float]) -> Axis:
    """An axis on which all shares and limits can be seen, with a little room."""
    low, high = min([0.0, *shares, *limits]), max([0.0, *shares, *limits])
    room = 0.06 * (high - low)
    return Axis(low - room, high + room, limits)


def pair_strip(points: Sequence[PairPoint], *, axis: Axis, interval: tuple[float, float] | None, label: str) -> Html:
    """Every pair as a dot, from the first at the left to the last; above the line of no change it was worse.

    The band is the interval of the estimate; the dashed lines are the limits of the axis. What lies outside the axis
    is a hollow dot at its edge.
    """
    height = _PAIRS_HEIGHT
    band = []
    if interval:
        top, bottom = _height(axis, interval[1]), _height(axis, interval[0])
        band = [tag("rect", x=0, y=f"{top:.1f}", width="90%", height=f"{max(bottom - top, 1):.1f}", style=_PALE)]
    lines = _levels(axis)
    num_points = max(len(points) - 1, 1)
    dots = [
        tag(
            "circle",
            tag("title", point.hint),
            cx=percent(0.02 + 0.86 * index / num_points),
            cy=f"{_height(axis, point.worse_by):.1f}",
            r=3.5,
            class_=None if axis.low <= point.worse_by <= axis.high else "hollow",
        )
        for index, point in enumerate(points)
    ]
    picture = tag("svg", *band, *lines, *dots, class_="lane", height=height, role="img", aria_label=label)
    return tag("div", picture, style=f"padding:2px 0 12px;{_WHOLE_ROW}")


def _height(axis: Axis, share: float) -> float:
    """Pixels from the top; a dot at the edge is still whole."""
    return _MARGIN + (_PAIRS_HEIGHT - 2 * _MARGIN) * (1 - axis.at(share))


def _levels(axis: Axis) -> list[Html]:
    """The lines of the axis; of names that would lie on one another only the first."""
    parts: list[Html] = []
    named: list[float] = []
    for share in (0.0, *axis.limits):
        y = _height(axis, share)
        parts.append(tag("line", x1=0, x2="90%", y1=f"{y:.1f}", y2=f"{y:.1f}", class_="stat" if share else "grid"))
        if all(abs(y - other) >= _LINE_OF_TEXT for other in named):
            named.append(y)
            text_y = f"{y + 4:.1f}"
            parts.append(tag("text", _percent(share), x="100%", y=text_y, text_anchor="end", style=_TEXT + _SOFT))
    return parts


def _percent(share: float) -> str:
    return f"{share * 100:+g} %" if share else "0"


def interval_rows(rows: Sequence[IntervalRow], *, axis: Axis) -> Html:
    """An interval a row against the limits; the dot is the estimate."""
    marks = [0.0, *axis.limits]
    names = [
        tag(
            "text",
            _percent(share),
            x=percent(axis.at(share)),
            y=13,
            text_anchor="middle",
            style=_TEXT + _SOFT,
        )
        for share in marks
    ]
    body = [tag("svg", *names, class_="axis", height=18, aria_hidden="true", style=_WHOLE_ROW)]
    for row in rows:
        body += [row_label(row.label, row.detail), _interval(row, marks, axis)]
    return tag("div", *body, class_="lanes strip")


def row_label(name: str, detail: str) -> Html:
    """What stands above a row: names of metrics are too long to stand beside one on a small screen."""
    return tag("div", tag("b", name), " ", tag("span", detail, class_="note"), class_="lane-label", style=_WHOLE_ROW)


def _interval(row: IntervalRow, marks: Sequence[float], axis: Axis) -> Html:
    low, high = axis.at(row.low), axis.at(row.high)
    middle = _INTERVAL_HEIGHT / 2
    lines = [
        tag(
            "line",
            x1=percent(axis.at(share)),
            x2=percent(axis.at(share)),
            y1=0,
            y2="100%",
            class_="stat" if share else "grid",
        )
        for share in marks
    ]
    color = f"fill:var(--{row.color})"
    bar = tag(
        "rect", x=percent(low), y=middle - 4, width=percent(max(high - low, 0.002)), height=8, rx=4, style=color,
        fill_opacity=0.45,
    )  # fmt: skip
    dot = tag("circle", cx=percent(axis.at(row.estimate)), cy=middle, r=5, style=f"{color};fill-opacity:1")
    return tag(
        "svg", *lines, bar, dot, class_="lane", height=_INTERVAL_HEIGHT, role="img", style=_WHOLE_ROW,
        aria_label=f"{row.label} {row.detail}",
    )  # fmt: skip


def power_curves(curves: Sequence[tuple[str, str, Sequence[float]]], *, slowdowns: Sequence[float]) -> Html:
    """How often a slowdown would be confirmed, by its size: name, colour and shares of checks."""
    first, last = slowdowns[0], slowdowns[-1]
    width = last - first
    lines = [
        tag(
            "polyline",
            points=" ".join(
                f"{1000 * (size - first) / width:.1f},{200 * (1 - share):.1f}"
                for size, share in zip(slowdowns, shares, strict=True)
            ),
            style=f"--k:var(--{color})",
        )
        for _, color, shares in curves
    ]
    picture = tag(
        "svg", *lines, viewBox="0 0 1000 200", preserveAspectRatio="none", class_="curves", role="img",
        aria_label="share of checks that confirm a slowdown, by its size",
    )  # fmt: skip
    scale = tag("div", tag("span", "100 %"), tag("span", "0"), class_="y-axis")
    steps = [first + width * index / 4 for index in range(5)]
    texts = [
        tag(
            "text",
            f"+{step * 100:.0f} %",
            x=percent((step - first) / width),
            y=14,
            text_anchor="start" if step == first else "end" if step == last else "middle",
        )
        for step in steps
    ]
    axis = tag("div", tag("svg", *texts, class_="axis", height=18, aria_hidden="true"), class_="x-axis")
    return tag("div", tag("div", scale, picture, class_="plot"), axis)

"""The waterfall of a comparison: from the base to the candidate, a step a cause. Coordinates as in `charts`."""

from collections.abc import Sequence
from dataclasses import dataclass

from ocrprof.renderers.charts import percent
from ocrprof.renderers.markup import Html, tag
from ocrprof.results.compare_words import signed_seconds

_HEIGHT, _BAR_TOP, _BAR = 38, 20, 11
_INK, _SOFT = "fill:var(--ink);font-size:12.5px", "fill:var(--soft);font-size:12px"


@dataclass(frozen=True)
class Step:
    """One cause: its seconds, what it is called, what is shown where a pointer rests; faint inside the noise."""

    seconds: float
    name: str
    hint: str
    faint: bool = False


def waterfall(steps: Sequence[Step], *, total: float, label: str) -> Html:
    """A row a step, each beginning where the one before ended, and the total last. Slower is red, faster green.

    The names stand above the bars, so that they can be read on any screen.
    """
    edges = [0.0]
    for step in steps:
        edges.append(edges[-1] + step.seconds)
    low, high = min(*edges, total, 0.0), max(*edges, total, 0.0)
    width = (high - low) or 1.0
    zero = -low / width
    rows = [
        _row(step, begin=(start - low) / width, end=(end - low) / width, zero=zero)
        for step, start, end in zip(steps, edges, edges[1:], strict=False)
    ]
    whole = Step(total, "in all", f"in all {signed_seconds(total)}")
    rows.append(_row(whole, begin=zero, end=(total - low) / width, zero=zero, color="var(--dark)"))
    return tag("div", *rows, class_="lanes", style="grid-template-columns:1fr", role="img", aria_label=label)


def _row(step: Step, *, begin: float, end: float, zero: float, color: str | None = None) -> Html:
    color = color or ("var(--red)" if step.seconds > 0 else "var(--green)")
    bar = tag(
        "rect",
        tag("title", step.hint),
        x=percent(min(begin, end)),
        y=_BAR_TOP,
        width=percent(max(abs(end - begin), 0.003)),
        height=_BAR,
        rx=2,
        style=f"fill:{color}",
        fill_opacity=0.35 if step.faint else 1,
    )
    start = tag("line", x1=percent(zero), x2=percent(zero), y1=_BAR_TOP - 3, y2=_HEIGHT, class_="grid")
    name = tag("text", step.name, x=0, y=14, style=_INK)
    seconds = tag("text", signed_seconds(step.seconds), x="100%", y=14, text_anchor="end", style=_SOFT)
    return tag("svg", start, bar, name, seconds, class_="lane", height=_HEIGHT)

"""What several sections of an HTML page are made of: colours of phases, names with a swatch, bars in cells, axes."""

from collections.abc import Callable

from ocrprof.renderers import figures
from ocrprof.renderers.markup import Html, tag
from ocrprof.results.model import Construction
from ocrprof.units import format_seconds

PHASE_COLORS = {
    "interpreter": "slate",
    "site": "steel",
    "imports": "blue",
    "config": "violet",
    "data": "green",
    "model": "orange",
    "loggers": "pink",
    "trainer": "brown",
    "workers": "teal",
    "sanity_check": "olive",
    "first_batch": "cyan",
    "first_step": "red",
    "after_first_step": "gray",
    "exit": "dark",
    "main_module": "violet",
    "unpickle": "green",
    "worker_init": "orange",
}

OWNER_COLORS = {"program": "green", "installed": "blue", "stdlib": "slate"}
NO_PHASE = "pale"
"""The colour of time in no phase."""


def phase_color(phase: str) -> str:
    """The colour variable of a phase."""
    return PHASE_COLORS.get(phase, NO_PHASE)


def swatch(name: str, color: str) -> Html:
    """A name with its colour in front."""
    return tag("span", name, class_="swatch", style=f"--k:var(--{color})", data_k=name)


def bar_cell(share: float, color: str) -> Html:
    """A bar for a table: `share` is of the longest one."""
    return tag("span", tag("i", "", style=f"width:{100 * share:.2f}%;--k:var(--{color})"), class_="bar-cell")


def tick_text(limit_seconds: float) -> Callable[[float], str]:
    """How the ticks of an axis up to `limit_seconds` are written: in one unit, as short as they are round."""
    scale = figures.line_scale(limit_seconds)
    return lambda seconds: f"{seconds * scale.factor:.6g} {scale.unit}" if seconds else "0"


def span_text(start_seconds: float, seconds: float) -> str:
    """`1.2 s, from 3.0 s to 4.2 s`."""
    end_seconds = start_seconds + seconds
    return f"{format_seconds(seconds)}, from {format_seconds(start_seconds)} to {format_seconds(end_seconds)}"


def subject(one: Construction) -> str:
    """What was built, by its class or else by its kind."""
    return one.kind if one.name == one.kind else one.name.rpartition(".")[2]

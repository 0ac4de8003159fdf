"""What was built during a start."""

from ocrprof.renderers import figures
from ocrprof.renderers.html_parts import phase_color, subject, swatch
from ocrprof.renderers.markup import Html, code, join, section, table, tag
from ocrprof.renderers.places import built_at, place
from ocrprof.results.model import Construction, StartupReport
from ocrprof.units import format_seconds

_NUM_BUILT = 30


def html_section(report: StartupReport) -> Html | None:
    """What took a millisecond at least, the longest few, in the order in which it was built."""
    timed = sorted((one for one in report.constructions if one.seconds >= 1e-3), key=lambda one: -one.seconds)
    if not timed:
        return None
    shown = sorted(timed[:_NUM_BUILT], key=lambda one: one.start_seconds)
    scale = figures.column_scale(timed[0].seconds)
    rows = [
        [
            swatch(one.kind, phase_color(one.phase)),
            join(code(subject(one)) if one.name != one.kind else None, _parts(one)),
            format_seconds(one.start_seconds),
            scale.text(one.self_seconds),
            scale.text(one.seconds),
            _where(one, cwd=report.target.cwd),
        ]
        for one in shown
    ]
    unit = scale.unit
    titles = ["built or called", "", "at", f"self {unit}", f"inclusive {unit}", "where"]
    return section("Built during the start", table(titles, rows, align="llrrrl"), anchor="built")


def _where(one: Construction, *, cwd: str) -> Html:
    """Its line, and below that of a caller what else its hook tells."""
    told = {key: value for key, value in one.attributes.items() if key != "by"}
    facts = tag("small", figures.evidence_text(told)) if told and one.location is None else None
    where = place(built_at(one), cwd=cwd)
    return join(code(where) if where else None, facts)


def _parts(one: Construction) -> Html | None:
    parts = [part for part in one.parts if part.seconds >= 1e-3]
    if not parts:
        return None
    return tag("small", " · ".join(f"{part.name.rpartition('.')[2]} {format_seconds(part.seconds)}" for part in parts))

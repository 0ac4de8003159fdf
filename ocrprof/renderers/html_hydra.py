"""Configuration and instantiation by Hydra."""

from ocrprof.renderers import figures
from ocrprof.renderers.markup import Html, join, paragraph, section, table, tag
from ocrprof.renderers.places import place
from ocrprof.results.model import Instantiation, StartupReport


def html_section(report: StartupReport) -> Html | None:
    """What Hydra instantiated, by config path; None where it did not."""
    if not report.instantiations:
        return None
    rows = sorted(report.instantiations, key=lambda one: one.config_path.split("."))
    scale = figures.column_scale(max(row.seconds for row in rows))
    cells = [_instantiation(row, scale, cwd=report.target.cwd) for row in rows]
    num_duplicates = sum(row.duplicate for row in rows)
    note = f"{num_duplicates} of {len(rows)} built more than once with the same arguments." if num_duplicates else ""
    return section(
        "Instantiated by Hydra",
        paragraph(note, class_="note") if note else None,
        table(["config path", "target", "calls", f"inclusive {scale.unit}", "called from"], cells, align="llrrl"),
        anchor="instantiated",
    )


def _instantiation(row: Instantiation, scale: figures.Scale, *, cwd: str) -> list[str]:
    paths = row.config_paths or [row.config_path]
    indent = f"padding-left:{min(paths[0].count('.'), 6) * 1.2:.1f}em"
    return [
        tag("span", *(tag("code", path or "(root)") for path in paths), style=indent, class_="path"),
        join(tag("code", row.target), tag("span", "DUPLICATE", class_="duplicate") if row.duplicate else None),
        str(row.count),
        scale.text(row.seconds),
        join(*(tag("code", place(caller, cwd=cwd)) for caller in row.callers), by=" "),
    ]

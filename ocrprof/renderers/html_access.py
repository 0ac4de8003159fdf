"""Files opened, folders listed and connections made, by phase."""

from collections.abc import Iterable

from ocrprof.renderers import figures
from ocrprof.renderers.html_parts import phase_color, swatch
from ocrprof.renderers.markup import Html, code, join, more, paragraph, section, table, tag
from ocrprof.renderers.places import short_path
from ocrprof.results.model import PHASES, FileAccess, NetworkWait, StartupReport
from ocrprof.units import format_seconds

_NUM_FOLDERS, _NUM_BY_IMPORTS = 20, 20


def html_section(report: StartupReport) -> Html | None:
    """Folders and hosts, the most used first; None where none were recorded, as on level light."""
    if not report.file_access and not report.network:
        return None
    parts: list[Html | None] = []
    if report.network:
        parts += [tag("h3", "Connections"), _hosts(report.network)]
    if report.file_access:
        cwd = report.target.cwd
        own = [row for row in report.file_access if row.num_opened or row.num_listed]
        by_imports = sorted(
            (row for row in report.file_access if row.num_by_imports), key=lambda row: -row.num_by_imports
        )
        num_loads = sum(row.num_by_imports for row in by_imports)
        summary = f"Opened by imports: {num_loads} files, by folder"
        parts += [
            _phases(report.file_access),
            _folders(own, cwd=cwd) if own else None,
            more(summary, _imported(by_imports[:_NUM_BY_IMPORTS], cwd=cwd)) if by_imports else None,
        ]
    return section("Files and connections", *parts, anchor="files")


def _phases(rows: Iterable[FileAccess]) -> Html:
    sums = {phase: [0, 0, 0] for phase in PHASES}
    for row in rows:
        counts = sums.setdefault(row.phase, [0, 0, 0])
        for index, number in enumerate((row.num_opened, row.num_listed, row.num_by_imports)):
            counts[index] += number
    cells = [
        [swatch(figures.phase_name(phase), phase_color(phase)), *(str(number or "") for number in counts)]
        for phase, counts in sums.items()
        if any(counts)
    ]
    return table(
        ["phase", "files opened", "folders listed", "files opened by imports"], cells, align="lrrr", class_="compact"
    )


def _folders(rows: list[FileAccess], *, cwd: str) -> Html:
    ordered = sorted(rows, key=lambda row: -(row.num_opened + row.num_listed))
    cells = [
        [
            code(short_path(row.folder, cwd=cwd)),
            swatch(figures.phase_name(row.phase), phase_color(row.phase)),
            row.during or "",
            str(row.num_opened),
            str(row.num_listed),
        ]
        for row in ordered[:_NUM_FOLDERS]
    ]
    left_out = len(ordered) - _NUM_FOLDERS
    note = paragraph(f"{left_out} more folders are in report.json.", class_="note") if left_out > 0 else None
    return join(table(["folder", "phase", "during", "opened", "listed"], cells, align="lllrr"), note)


def _imported(rows: list[FileAccess], *, cwd: str) -> Html:
    cells = [
        [code(short_path(row.folder, cwd=cwd)), figures.phase_name(row.phase), str(row.num_by_imports)] for row in rows
    ]
    return table(["folder", "phase", "files"], cells, align="llr")


def _hosts(rows: list[NetworkWait]) -> Html:
    cells = [
        [
            code(row.host),
            swatch(figures.phase_name(row.phase), phase_color(row.phase)),
            str(row.num_connections),
            str(row.num_lookups),
            format_seconds(row.seconds),
        ]
        for row in rows
    ]
    return table(["host", "phase", "connections", "look-ups", "waited"], cells, align="llrrr")

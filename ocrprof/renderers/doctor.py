"""The examination of an environment as text: findings first, then every fact with what it costs."""

from typing import TextIO

from ocrprof.findings.environment import NUM_STARTS_FOR_ONCE, REFERENCE_START_SECONDS
from ocrprof.renderers.console_lines import paragraph
from ocrprof.renderers.doctor_facts import MOUNT_COLUMNS, MOUNT_NOTE, mount_places, mount_rows, sections
from ocrprof.renderers.figures import environment_line, evidence_text
from ocrprof.renderers.markdown_text import prose, table_block, words
from ocrprof.renderers.places import keep_head, keep_tail, num_cells, place, plain
from ocrprof.renderers.terminal import Line, write_lines
from ocrprof.results.model import DoctorReport, Finding
from ocrprof.units import format_seconds

_LABEL_CELLS = 20
NO_FINDINGS = "Nothing found that costs time or spoils a measurement."
WEIGHED = (
    f"P0 to P3 weigh seconds against a start of {REFERENCE_START_SECONDS:g} s (what is paid once, against"
    f" {NUM_STARTS_FOR_ONCE}), what slows everything against what was timed, and what ends a run as all of it."
)


def render_doctor(report: DoctorReport, *, stream: TextIO, color: bool, width: int = 80) -> None:
    """Writes findings and facts in at most `width` columns (80 to 120)."""
    width = min(max(width, 80), 120)
    lines = [
        *paragraph(_head(report), width=width, style="title"),
        *_findings(report, width=width),
        *_facts(report, width=width),
        ("", ""),
        *paragraph(environment_line(report.environment), width=width, style="dim"),
        ("", ""),
        (keep_head(last_line(report), width), "title"),
    ]
    write_lines(lines, stream=stream, color=color)


def doctor_markdown(report: DoctorReport) -> str:
    """The same as Markdown; ends with a newline."""
    blocks = [[f"# {words(_head(report))}"], [words(last_line(report))]]
    if report.findings:
        rows = [
            [
                one.priority,
                words(one.title),
                words(_where(one, report)),
                words(evidence_text(one.evidence)),
                prose(one.advice),
            ]
            for one in report.findings
        ]
        blocks += [table_block(["", "finding", "where", "evidence", "what to do"], rows), [WEIGHED]]
    else:
        blocks.append([NO_FINDINGS])
    for section in sections(report):
        blocks += [
            [f"## {section.heading}"],
            table_block(["", ""], [[words(cell) for cell in row] for row in section.rows]),
        ]
        if section.heading == "Bytecode":
            blocks += _markdown_mounts(report)
    blocks.append([words(environment_line(report.environment))])
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def _head(report: DoctorReport) -> str:
    python = f"{report.target.argv[0]} (Python {report.interpreter.version})"
    return plain(f"ocrprof doctor · {python} · in {report.target.cwd}")


def last_line(report: DoctorReport) -> str:
    """How many findings, the worst of them, and how long it took."""
    count = len(report.findings)
    worst = f", the worst {report.findings[0].priority}" if count else ""
    return f"doctor: {count} finding{'' if count == 1 else 's'}{worst} · examined in {format_seconds(report.seconds)}"


def _findings(report: DoctorReport, *, width: int) -> list[Line]:
    if not report.findings:
        return [("", ""), (NO_FINDINGS, "heading")]
    lines: list[Line] = [("", ""), ("What costs time, or spoils a measurement", "heading")]
    for one in report.findings:
        lines += paragraph(f"{one.priority}  {one.title}", width=width, first="", indent="    ", style=one.priority)
        where = _where(one, report)
        if where:
            lines.append((f"    {keep_tail(where, width - 4)}", ""))
        lines += paragraph(evidence_text(one.evidence), width=width, indent="    ", style="dim")
        lines += paragraph(one.advice, width=width, indent="    ")
    return [*lines, *paragraph(WEIGHED, width=width, style="dim")]


def _where(one: Finding, report: DoctorReport) -> str:
    return place(one.location, cwd=report.target.cwd)


def _facts(report: DoctorReport, *, width: int) -> list[Line]:
    lines: list[Line] = []
    for section in sections(report):
        lines += [("", ""), (section.heading, "heading")]
        for label, text in section.rows:
            lines += _labelled(label, text, width=width)
        if section.heading == "Bytecode":
            lines += _mounts(report, width=width)
    return lines


def _mounts(report: DoctorReport, *, width: int) -> list[Line]:
    rows = [list(MOUNT_COLUMNS), *mount_rows(report.mounts)]
    widths = [max(num_cells(row[column]) for row in rows) for column in range(len(MOUNT_COLUMNS))]
    lines: list[Line] = [("", ""), ("File systems", "heading")]
    for number, row in enumerate(rows):
        cells = [
            cell + " " * (wide - num_cells(cell)) if column < 2 else " " * (wide - num_cells(cell)) + cell
            for column, (cell, wide) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append((keep_head(f"  {'  '.join(cells)}".rstrip(), width), "" if number else "dim"))
    lines += paragraph(MOUNT_NOTE, width=width, indent="  ", style="dim")
    for label, text in mount_places(report.mounts):
        lines.append((f"  {label:<{_LABEL_CELLS - 2}}{keep_tail(text, width - _LABEL_CELLS)}", "dim"))
    return lines


def _markdown_mounts(report: DoctorReport) -> list[list[str]]:
    rows = [[words(cell) for cell in row] for row in mount_rows(report.mounts)]
    places = [[words(cell) for cell in row] for row in mount_places(report.mounts)]
    return [
        ["## File systems"],
        table_block(list(MOUNT_COLUMNS), rows),
        [words(MOUNT_NOTE)],
        table_block(["", ""], places),
    ]


def _labelled(label: str, text: str, *, width: int) -> list[Line]:
    """The label in a column of its own."""
    if not label:
        return paragraph(text, width=width, first="  ", indent="    ")
    return paragraph(text, width=width, first=f"  {label:<{_LABEL_CELLS - 2}}", indent=" " * _LABEL_CELLS)

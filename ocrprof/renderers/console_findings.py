"""Findings on the terminal."""

from collections.abc import Sequence

from ocrprof.renderers import figures
from ocrprof.renderers.console_lines import paragraph
from ocrprof.renderers.places import keep_head, keep_parts, keep_tail, place, plain
from ocrprof.renderers.terminal import Line
from ocrprof.results.model import Finding
from ocrprof.units import format_percent, format_seconds

_NUM_IN_FULL, _NUM_TITLES = 3, 7


def findings(findings: Sequence[Finding], *, cwd: str, width: int) -> list[Line]:
    """The first few findings with place, evidence and advice, the next ones by their titles."""
    if not findings:
        return [("", ""), (figures.NO_FINDINGS, "heading")]
    to_change = [finding for finding in findings if finding.effect != "tells"]
    to_know = [finding for finding in findings if finding.effect == "tells"]
    lines: list[Line] = []
    for heading, found in (("What to change first", to_change), ("To know", to_know)):
        if found:
            lines += [("", ""), (heading, "heading")]
        for finding in found[:_NUM_IN_FULL]:
            lines += _finding(finding, cwd=cwd, width=width)
        others = found[_NUM_IN_FULL:]
        lines += [_title(finding, width=width) for finding in others[:_NUM_TITLES]]
        if len(others) > _NUM_TITLES:
            lines.append((f"{len(others) - _NUM_TITLES} more findings in the report", "dim"))
    return lines


def _title(finding: Finding, *, width: int) -> Line:
    size = f": {format_seconds(finding.seconds)}"
    head = f"{finding.priority} {plain(finding.title)}"
    return keep_head(head, width - len(size)) + size, finding.priority


def _finding(finding: Finding, *, cwd: str, width: int) -> list[Line]:
    size = f"{format_seconds(finding.seconds)}, {format_percent(finding.share)}"
    lines = paragraph(
        f"{finding.priority}  {plain(finding.title)}: {size}",
        width=width,
        indent="    ",
        first="",
        style=finding.priority,
    )
    where = place(finding.location, cwd=cwd)
    if where:
        lines.append((f"    {keep_tail(where, width - 4)}", ""))
    evidence = figures.evidence_text(finding.evidence)
    if evidence:
        # About two lines: the report has all of it.
        shown = keep_parts(evidence, 2 * (width - 8))
        lines += paragraph(shown, width=width, indent="    ", style="dim")
    return lines + paragraph(finding.advice, width=width, indent="    ")

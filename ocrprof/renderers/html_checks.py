"""Pairs of further runs: what a cold page cache costs, and what recording costs."""

from pathlib import PurePath

from ocrprof.renderers import figures_checks
from ocrprof.renderers.html_parts import bar_cell
from ocrprof.renderers.html_savings import paired_strip
from ocrprof.renderers.markup import Html, code, join, paragraph, section, table, tag
from ocrprof.results.model import ColdStarts, FileSize, StartupReport
from ocrprof.units import format_bytes, format_percent


def html_section(report: StartupReport) -> Html | None:
    """Cold against warm starts, and recorded ones against bare; None where neither was asked for."""
    parts = [*(_cold(report.cold) if report.cold else []), *_overhead(report)]
    return section("Cold starts and overhead, by pairs", *parts, anchor="pairs") if parts else None


def _cold(cold: ColdStarts) -> list[Html | None]:
    seconds = [
        ("cold", [pair.cold_seconds for pair in cold.pairs]),
        ("warm", [pair.warm_seconds for pair in cold.pairs]),
    ]
    files, title, total_bytes = cold.largest, "largest files read", cold.bytes
    if not cold.achieved:
        files, title = cold.resident, "stayed in the page cache"
    elif cold.read_bytes:
        files, title, total_bytes = cold.most_read, "most read from the disk", cold.read_bytes
    return [
        tag("h3", "A cold page cache"),
        paragraph(figures_checks.cold_line(cold)),
        paired_strip(seconds) if cold.pairs else None,
        _files(files, title, total_bytes=total_bytes) if files else None,
        paragraph("Cold is the page cache alone: not directory entries, nor a server’s cache.", class_="note"),
    ]


def _files(files: list[FileSize], title: str, *, total_bytes: int) -> Html:
    rows = [
        [
            join(code(PurePath(file.path).name), tag("small", str(PurePath(file.path).parent))),
            format_bytes(file.bytes),
            format_percent(file.bytes / total_bytes if total_bytes else 0.0),
            bar_cell(file.bytes / files[0].bytes if files[0].bytes else 0.0, "cyan"),
        ]
        for file in files
    ]
    return table([title, "size", "of all read", ""], rows, align="lrrl")


def _overhead(report: StartupReport) -> list[Html | None]:
    overhead = report.overhead
    if overhead is None:
        return []
    seconds = [("recorded", [pair.recorded_seconds for pair in overhead.pairs]),
               ("marks only", [pair.marks_only_seconds for pair in overhead.pairs])]  # fmt: skip
    return [
        tag("h3", "What recording costs"),
        paragraph(figures_checks.overhead_line(overhead)),
        paired_strip(seconds) if overhead.pairs else None,
    ]

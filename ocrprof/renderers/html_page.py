"""The frame of every HTML page: one file that fetches nothing, its head and foot, the machine it tells of."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from ocrprof.renderers import figures
from ocrprof.renderers.markup import Html, Section, join, lines, paragraph, section, tag
from ocrprof.results.model import AnyReport

_ASSETS = Path(__file__).with_name("assets")
# Nothing may be fetched, whatever a target's name or output says.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def document(report: AnyReport, body: Iterable[Html | None]) -> str:
    """The whole file, style and script in it."""
    title = f"{report.kind}: {figures.command(report.target)}"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", f"ocrprof {title}"),
        tag("style", Html((_ASSETS / "report.css").read_text(encoding="utf-8"))),
    )
    made = f"ocrprof {report.tool.version}"
    if report.tool.commit:
        made += f" ({figures.short_commit(report.tool.commit)})"
    footer = tag("footer", f"{made} · {_moment(report.created)} · every figure stands in report.json")
    script = tag("script", Html((_ASSETS / "report.js").read_text(encoding="utf-8")))
    page = tag("html", head, tag("body", tag("main", *body), footer, script), lang="en")
    return f"<!DOCTYPE html>\n{page}\n"


def header(report: AnyReport, told: str) -> Html:
    """What was measured, when, and how."""
    return tag(
        "header",
        paragraph(tag("b", "ocrprof"), f" {report.kind}", class_="brand"),
        tag("h1", tag("code", figures.command(report.target))),
        paragraph(f"{_moment(report.created)} · {told}", class_="note"),
    )


def _moment(created: str) -> str:
    """`2026-03-02 09:41:00 UTC`; what is no time stamp as it is."""
    try:
        return datetime.fromisoformat(created).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except ValueError:
        return created


def output(stderr: Sequence[str], stack: Sequence[str]) -> list[Html]:
    """What a run printed last, and where it stood; nothing of what is not known."""
    parts = []
    if stderr:
        parts += [paragraph("Last lines of its stderr:", class_="note"), tag("pre", lines(stderr))]
    if stack:
        parts += [paragraph("Where it stood:", class_="note"), tag("pre", lines(stack))]
    return parts


def environment(report: AnyReport) -> Section:
    """The machine and the software."""
    machine = report.environment
    systems = ", ".join(f"{name}: {kind}" for name, kind in machine.file_systems.items())
    rows = [
        ("machine and software", figures.environment_line(machine)),
        ("working directory", report.target.cwd),
        ("target’s commit", figures.short_commit(machine.git_commit) if machine.git_commit else ""),
        ("file systems", systems),
    ]
    return section("Environment", facts(rows), anchor="environment")


def facts(rows: Iterable[tuple[str, str]]) -> Html:
    """Names and what is said of them; what is empty is left out."""
    return tag("dl", *(join(tag("dt", name), tag("dd", value)) for name, value in rows if value))

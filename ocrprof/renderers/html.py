"""A report as one HTML file: no network, readable without JavaScript, light or dark as its reader has it, printable."""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ocrprof.renderers import figures, figures_loops, figures_startup, html_loops, html_startup
from ocrprof.renderers.markup import Html, contents, join, lines, more, paragraph, prose, section, table, tag
from ocrprof.renderers.places import place
from ocrprof.results.model import BaselineReport, Finding, Report, StartupReport
from ocrprof.units import format_percent, format_seconds

_ASSETS = Path(__file__).with_name("assets")
_NUM_FINDINGS = 6
# Nothing may be fetched, whatever a target's name or output says.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def startup_html(report: StartupReport) -> str:
    """The page of a start."""
    top = [
        _header(report, figures_startup.what_was_run(report)),
        *html_startup.headline(report),
        _failures(report),
    ]
    body = [
        _findings(report.findings, report) if report.findings or figures_startup.time_to_milestone(report) else None,
        *html_startup.sections(report),
        _environment(report),
        _how_measured(report, figures_startup.noise_notes(report)),
    ]
    return _document(report, [*top, contents(body), *body])


def baseline_html(report: BaselineReport) -> str:
    """The page of a baseline: its start, its loops and its memory."""
    limits = figures_loops.limits_text(report.limits)
    top = [
        _header(report, f"limits imposed on the target: {limits}" if limits else "nothing imposed on the target"),
        html_loops.tiles(report),
        _training_failure(report),
    ]
    body = [
        _findings(figures_loops.all_findings(report), report),
        *html_loops.sections(report),
        *_start(report),
        _environment(report),
        _how_measured(report, [*_loop_notes(report), *figures.notes_of(report)]),
        _raw(report),
    ]
    return _document(report, [*top, contents(body), *body])


def _document(report: Report, body: Iterable[Html | None]) -> str:
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


def _header(report: Report, facts: str) -> Html:
    return tag(
        "header",
        paragraph(tag("b", "ocrprof"), f" {report.kind}", class_="brand"),
        tag("h1", tag("code", figures.command(report.target))),
        paragraph(f"{_moment(report.created)} · {facts}", class_="note"),
    )


def _moment(created: str) -> str:
    """`2026-03-02 09:41:00 UTC`; what is no time stamp as it is."""
    try:
        return datetime.fromisoformat(created).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except ValueError:
        return created


def _findings(findings: Sequence[Finding], report: Report) -> Html:
    if not findings:
        return section("What to change first", paragraph(figures.NO_FINDINGS), anchor="findings")
    cards = [_finding(finding, cwd=report.target.cwd) for finding in findings]
    others = cards[_NUM_FINDINGS:]
    return section(
        "What to change first",
        tag("ol", *cards[:_NUM_FINDINGS], class_="findings"),
        more(f"{len(others)} more, each of less weight", tag("ol", *others, class_="findings")) if others else None,
        anchor="findings",
    )


def _finding(finding: Finding, *, cwd: str) -> Html:
    where = place(finding.location, cwd=cwd)
    evidence = figures.evidence_text(finding.evidence)
    return tag(
        "li",
        tag("span", finding.priority, class_="badge"),
        tag("h3", prose(finding.title)),
        tag("span", tag("b", format_seconds(finding.seconds)), f" {format_percent(finding.share)}", class_="cost"),
        paragraph(tag("code", where), class_="where") if where else None,
        paragraph(prose(finding.advice)),
        paragraph(tag("code", finding.code, class_="rule"), f" {evidence}", class_="note"),
        class_=finding.priority.lower(),
    )


def _failures(report: StartupReport) -> Html | None:
    sentences = figures_startup.failures(report)
    if not sentences:
        return None
    tail, stack = (
        figures_startup.last_stderr(report),
        next((run.stack for run in reversed(report.runs) if run.stack), []),
    )
    return tag("section", *(paragraph(tag("b", one)) for one in sentences), *_output(tail, stack), class_="failure")


def _training_failure(report: BaselineReport) -> Html | None:
    if report.run is None:
        return tag("section", paragraph(tag("b", figures_loops.why_not_trained(report))), class_="failure")
    if report.run.reached:
        return None
    sentence = tag("b", f"Training run: {figures.run_failure(report.run)}.")
    return tag("section", paragraph(sentence), *_output(report.run.stderr_tail, report.run.stack), class_="failure")


def _output(stderr: Sequence[str], stack: Sequence[str]) -> list[Html]:
    parts = []
    if stderr:
        parts += [paragraph("Last lines of its stderr:", class_="note"), tag("pre", lines(stderr))]
    if stack:
        parts += [paragraph("Where it stood:", class_="note"), tag("pre", lines(stack))]
    return parts


def _start(report: BaselineReport) -> list[Html | None]:
    if report.startup is None:
        return [section("Start-up", paragraph("The start was not measured."), anchor="startup")]
    start = report.startup
    return [
        section("Start-up", *html_startup.headline(start), anchor="startup"),
        _failures(start),
        *html_startup.sections(start),
    ]


def _environment(report: Report) -> Html:
    environment = report.environment
    systems = ", ".join(f"{name}: {kind}" for name, kind in environment.file_systems.items())
    rows = [
        ("machine and software", figures.environment_line(environment)),
        ("working directory", report.target.cwd),
        ("target’s commit", figures.short_commit(environment.git_commit) if environment.git_commit else ""),
        ("file systems", systems),
    ]
    return section("Environment", _facts(rows), anchor="environment")


def _facts(rows: Iterable[tuple[str, str]]) -> Html:
    return tag("dl", *(join(tag("dt", name), tag("dd", value)) for name, value in rows if value))


def _how_measured(report: Report, notes: Sequence[str]) -> Html:
    if isinstance(report, StartupReport):
        seconds = figures_startup.measured_seconds(report)
    else:
        seconds = report.run.wall_seconds if report.run else 0.0
    cost = figures.observer_line(report.observer, measured_seconds=seconds)
    items = [f"Cost of observing: {cost}", *dict.fromkeys(notes)]
    return section("How it was measured", tag("ul", *(tag("li", item) for item in items)), anchor="measured")


def _loop_notes(report: BaselineReport) -> list[str]:
    notes = [
        f"{loop.name}: {loop.num_batches} batches of one run; mean, median, percentiles and deviation leave out the "
        f"first {loop.num_warmup}"
        for loop in report.loops
    ]
    if report.startup:
        own = [note for note in figures_startup.noise_notes(report.startup) if note not in report.environment.notes]
        notes += [f"start-up: {note}" for note in own]
    if report.environment.gpus and any(loop.parts for loop in report.loops):
        notes.append("parts of a batch are times of the host: what only launches GPU work looks short beside its wait")
    return notes


def _raw(report: BaselineReport) -> Html:
    values = {**report.logged_metrics, **report.metrics}
    rows = [[tag("code", name), f"{value:.6g}"] for name, value in sorted(values.items())]
    metrics = table(["metric", "value"], rows, align="lr") if rows else paragraph("No metric was recorded.")
    configuration = (
        more("Configuration that the target composed", tag("pre", lines(_json_lines(report.config))))
        if report.config
        else paragraph("The target composed no Hydra configuration.")
    )
    return section("Raw metrics and configuration", more("All metrics", metrics), configuration, anchor="raw")


def _json_lines(value: dict[str, Any]) -> list[str]:  # Any: a configuration, JSON values
    return json.dumps(value, indent=2, ensure_ascii=False).splitlines()

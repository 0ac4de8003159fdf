"""A report as one HTML file: no network, readable without JavaScript, light or dark as its reader has it, printable."""

import json
from collections.abc import Sequence
from typing import Any

from ocrprof.renderers import figures, figures_loops, figures_startup, html_loops, html_startup
from ocrprof.renderers.html_findings import findings
from ocrprof.renderers.html_page import document, environment, header, output
from ocrprof.renderers.markup import Html, contents, lines, more, paragraph, section, table, tag
from ocrprof.results.model import BaselineReport, Report, StartupReport


def startup_html(report: StartupReport) -> str:
    """The page of a start."""
    top = [
        header(report, figures_startup.what_was_run(report)),
        *html_startup.headline(report),
        _failures(report),
    ]
    body = [
        *(findings(report.findings, cwd=report.target.cwd) if figures_startup.judged(report) else []),
        *html_startup.sections(report),
        environment(report),
        _how_measured(report, figures_startup.noise_notes(report)),
    ]
    return document(report, [*top, contents(body), *body])


def baseline_html(report: BaselineReport) -> str:
    """The page of a baseline: its start, its loops and its memory."""
    limits = figures_loops.limits_text(report.limits)
    top = [
        header(report, f"limits imposed on the target: {limits}" if limits else "nothing imposed on the target"),
        html_loops.tiles(report),
        _training_failure(report),
    ]
    body = [
        *findings(figures_loops.all_findings(report), cwd=report.target.cwd),
        *html_loops.sections(report),
        *_start(report),
        environment(report),
        _how_measured(report, [*_loop_notes(report), *figures.notes_of(report)]),
        _raw(report),
    ]
    return document(report, [*top, contents(body), *body])


def _failures(report: StartupReport) -> Html | None:
    sentences = figures_startup.failures(report)
    if not sentences:
        return None
    tail, stack = (
        figures_startup.last_stderr(report),
        next((run.stack for run in reversed(report.runs) if run.stack), []),
    )
    return tag("section", *(paragraph(tag("b", one)) for one in sentences), *output(tail, stack), class_="failure")


def _training_failure(report: BaselineReport) -> Html | None:
    if report.run is None:
        return tag("section", paragraph(tag("b", figures_loops.why_not_trained(report))), class_="failure")
    if report.run.reached:
        return None
    sentence = tag("b", f"Training run: {figures.run_failure(report.run)}.")
    return tag("section", paragraph(sentence), *output(report.run.stderr_tail, report.run.stack), class_="failure")


def _start(report: BaselineReport) -> list[Html | None]:
    if report.startup is None:
        return [section("Start-up", paragraph("The start was not measured."), anchor="startup")]
    start = report.startup
    return [
        section("Start-up", *html_startup.headline(start), anchor="startup"),
        _failures(start),
        *html_startup.sections(start),
    ]


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

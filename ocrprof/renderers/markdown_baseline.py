"""The sections of a baseline in Markdown, in the order of the audits."""

from collections.abc import Callable

from ocrprof.renderers import figures, figures_loops, figures_startup, markdown_startup
from ocrprof.renderers.markdown_startup import made_by
from ocrprof.renderers.markdown_text import code, json_block, prose, stderr_block, table_block, where, words
from ocrprof.renderers.places import chain_text, place, plain
from ocrprof.results.model import BaselineReport, Finding, LoopStatistics, StartupReport
from ocrprof.units import format_percent, format_seconds


def header(report: BaselineReport) -> list[str]:
    """Title, command and how the run ended."""
    lines = [
        "# Performance Baseline Report",
        "",
        f"**Generated:** {report.created} by {made_by(report)}",
        f"**Command:** `{code(figures.command(report.target))}`",
        f"**Status:** {_status(report)}",
    ]
    # Two spaces end a line in Markdown; without them the header would run together.
    return [f"{line}  " if line.startswith("**") else line for line in lines] + (
        stderr_block(report.run.stderr_tail) if report.run and not report.run.reached else []
    )


def _status(report: BaselineReport) -> str:
    run = report.run
    if run is None:
        return figures_loops.why_not_trained(report)
    if not run.reached:
        return words(figures.run_failure(run))
    ended = "stopped after the last batch to measure" if run.exit_code is None else figures.exit_text(run.exit_code)
    return f"finished: {ended}, after {format_seconds(run.wall_seconds)}"


def validation(report: BaselineReport) -> list[str]:
    """The audited table of validation batches."""
    loop = figures_loops.loop_named(report, "validation")
    heading = ["## Validation Performance", ""]
    if loop is None:
        return [*heading, f"Validation: {figures_loops.NOT_SEEN['validation']}."]
    rows = [
        ["**Total Validation Time**", format_seconds(loop.total_seconds)],
        ["**Number of Batches**", figures_loops.batch_count(loop)],
        *([f"**{title}**", _seconds(figure(loop))] for title, figure in _BATCH_FIGURES),
    ]
    if loop.samples_per_sec is not None:
        rows.append(["**Samples per Second**", f"{loop.samples_per_sec:.4g}"])
    return [*heading, *table_block(["Metric", "Value"], rows)]


_BATCH_FIGURES: tuple[tuple[str, Callable[[LoopStatistics], float | None]], ...] = (
    ("Mean Batch Time", lambda loop: loop.mean_seconds),
    ("Median Batch Time", lambda loop: loop.median_seconds),
    ("P95 Batch Time", lambda loop: loop.p95_seconds),
    ("P99 Batch Time", lambda loop: loop.p99_seconds),
    ("Batch Time Std Dev", lambda loop: loop.std_seconds),
)


def _seconds(seconds: float | None) -> str:
    return "not enough batches" if seconds is None else format_seconds(seconds)


def comparison(report: BaselineReport) -> list[str]:
    """Training and validation side by side, and what their batches are made of."""
    train, validation = figures_loops.loop_named(report, "train"), figures_loops.loop_named(report, "validation")
    lines = ["## Training vs Validation Comparison", ""]
    if train is None:
        lines += [f"Training: {figures_loops.NOT_SEEN['training']}.", ""]
    if validation is None:
        lines += [f"Validation: {figures_loops.NOT_SEEN['validation']}.", ""]
    ratio = figures_loops.ratio(report)
    if ratio is not None:
        lines += [f"A validation batch takes **{ratio:.2f} ×** the time of a training batch (medians).", ""]
    seen = [("training", train), ("validation", validation)]
    loops = [(name, loop) for name, loop in seen if loop]
    if loops:
        rows = [
            ["Number of Batches", *(figures_loops.batch_count(loop) for _, loop in loops)],
            ["Total Time", *(format_seconds(loop.total_seconds) for _, loop in loops)],
            *([title, *(_seconds(figure(loop)) for _, loop in loops)] for title, figure in _BATCH_FIGURES),
            ["Batch Size", *(str(loop.batch_size or "not seen") for _, loop in loops)],
            [
                "Samples per Second",
                *(f"{loop.samples_per_sec:.4g}" if loop.samples_per_sec else "not seen" for _, loop in loops),
            ],
        ]
        lines += [*table_block(["", *(name for name, _ in loops)], rows, align="l" + "r" * len(loops)), ""]
    for name, loop in loops:
        lines += _part_table(name, loop, cwd=report.target.cwd)
    return lines[:-1]


def _part_table(name: str, loop: LoopStatistics, *, cwd: str) -> list[str]:
    rows = [
        [
            words(row.name),
            format_seconds(row.seconds),
            format_percent(row.share),
            where(place(loop.part_locations.get(row.key), cwd=cwd)),
        ]
        for row in figures_loops.part_rows(loop)
    ]
    return (
        [*table_block([f"where a {name} batch goes", "mean", "share", "where"], rows, align="lrrl"), ""] if rows else []
    )


def startup_section(report: BaselineReport) -> list[str]:
    """The start in short."""
    heading = ["## Start-up", ""]
    if report.startup is None:
        return [*heading, "The start was not measured."]
    blocks = [
        [f"`{code(figures_startup.startup_line(report.startup))}`"],
        [markdown_startup.what_was_run(report.startup)],
        markdown_startup.failures(report.startup),
        markdown_startup.phase_table(report.startup),
        markdown_startup.package_table(report.startup, num_rows=10),
        _chains(report.startup),
        markdown_startup.instantiation_table(report.startup, num_rows=10),
    ]
    return [*heading, "\n\n".join("\n".join(block) for block in blocks if block)]


def _chains(report: StartupReport) -> list[str]:
    return [
        f"- `{code(package.package)}` comes by {where(chain_text(package.chain, cwd=report.target.cwd))}"
        for package in report.packages[:5]
        if len(package.chain) > 2
    ]


def bottlenecks(report: BaselineReport) -> list[str]:
    """All findings with their evidence."""
    found = figures_loops.all_findings(report)
    heading = ["## Identified Bottlenecks", ""]
    if not found:
        return [*heading, figures.NO_FINDINGS]
    rows = [
        [
            finding.priority,
            f"{prose(finding.title)} (`{finding.code}`)",
            format_seconds(finding.seconds),
            format_percent(finding.share),
            where(place(finding.location, cwd=report.target.cwd)),
            words(figures.evidence_text(finding.evidence)),
        ]
        for finding in found
    ]
    return [*heading, *table_block(["", "bottleneck", "seconds", "share", "where", "evidence"], rows, align="llrrll")]


def recommendations(report: BaselineReport) -> list[str]:
    """What to change, in the order of priority."""
    found = figures_loops.all_findings(report)
    heading = ["## Recommendations", ""]
    if not found:
        return [*heading, "None: nothing was found, so there is no measured time to win back."]
    return [*heading, *(_recommendation(number, finding, report) for number, finding in enumerate(found, start=1))]


def _recommendation(number: int, finding: Finding, report: BaselineReport) -> str:
    line = place(finding.location, cwd=report.target.cwd)
    size = f"{format_seconds(finding.seconds)}, {format_percent(finding.share)}"
    return f"{number}. **{prose(finding.title)}** ({size}{', ' + where(line) if line else ''}): {prose(finding.advice)}"


def environment(report: BaselineReport) -> list[str]:
    """The machine and the software."""
    machine = report.environment
    rows = [
        ["machine and software", words(figures.environment_line(machine))],
        [
            "target's commit",
            figures.short_commit(machine.git_commit) if machine.git_commit else "not in a git checkout",
        ],
        ["file systems", words(", ".join(f"{name}: {kind}" for name, kind in machine.file_systems.items()))],
        *(["note", words(plain(note))] for note in machine.notes),
    ]
    return ["## Environment", "", *table_block(["", ""], [row for row in rows if row[1]])]


def how_measured(report: BaselineReport) -> list[str]:
    """What was imposed, counted and left out."""
    machine, measured = report.environment, report.run.wall_seconds if report.run else 0.0
    limits = figures_loops.limits_text(report.limits)
    lines = [
        f"- Imposed on the target: {words(limits)}." if limits else "- Nothing was imposed on the target.",
        *(
            f"- {'Training' if loop.name == 'train' else 'Validation'}: {loop.num_batches} batches of one run; mean, "
            f"median, percentiles and deviation leave out the first {loop.num_warmup}."
            for loop in report.loops
        ),
    ]
    if report.startup:
        lines.append(f"- Start-up: {figures_startup.run_count(report.startup)}, in fresh processes.")
        for note in figures_startup.noise_notes(report.startup):
            if note not in machine.notes:
                lines.append(f"- Start-up: {words(note)}.")
    if machine.gpus and any(loop.parts for loop in report.loops):
        lines.append(
            "- Parts of a batch are times of the host: what only launches GPU work looks short beside its wait."
        )
    lines.append(f"- Observer: {figures.observer_line(report.observer, measured_seconds=measured)}.")
    return ["## How It Was Measured", "", *lines, *(f"- {words(plain(note))}." for note in report.observer.notes)]


def raw_metrics(report: BaselineReport) -> list[str]:
    """The configuration and every metric."""
    configuration = json_block(report.config) if report.config else ["The target composed no Hydra configuration."]
    values = {**report.logged_metrics, **report.metrics}
    metrics = json_block(dict(sorted(values.items()))) if values else ["No metric was recorded."]
    return [
        "## Raw Metrics Summary",
        "",
        "### Configuration",
        "",
        *configuration,
        "",
        "### Summary Values",
        "",
        *metrics,
    ]

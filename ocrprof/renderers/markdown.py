"""Reports as Markdown: a start short enough for a pull request, a baseline with every section of the audits.

Plain functions rather than templates: most lines are there only if their figure is, which reads better as code.
"""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ocrprof.renderers import figures, import_answers
from ocrprof.renderers.places import chain_text, keep_head, place, plain
from ocrprof.results.model import BaselineReport, Finding, LoopStatistics, StartupReport, Statistic
from ocrprof.units import format_percent, format_seconds

MAX_STARTUP_LINES = 60
_NUM_STDERR_LINES = 8
_NUM_SAVINGS = 5
# Underscores inside a word are no emphasis in GitHub's Markdown: create_model stays as people write it.
_SIGNS = re.compile(r"[\\`*<>\[\]]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")


def startup_markdown(report: StartupReport) -> str:
    """The start in at most 60 lines, to be pasted into a pull request; ends with a newline."""
    text = ""
    for num_rows in range(10, 0, -1):
        text = _startup_page(report, num_rows=num_rows)
        if text.count("\n") <= MAX_STARTUP_LINES:
            break
    return text


def baseline_markdown(report: BaselineReport) -> str:
    """The whole baseline, in the order of the audits; ends with a newline."""
    sections = [
        _baseline_header(report),
        _validation(report),
        ["## Memory Usage", "", *_table(["Resource", "Usage"], figures.memory_rows(report))],
        _training_against_validation(report),
        _startup_section(report),
        _bottlenecks(report),
        _recommendations(report),
        _environment(report),
        _how_measured(report),
        _raw_metrics(report),
    ]
    return "\n\n".join("\n".join(section) for section in sections) + "\n"


def _startup_page(report: StartupReport, *, num_rows: int) -> str:
    blocks = [
        [f"`{_code(figures.startup_line(report))}`"],
        [_what_was_run(report)],
        [_text(figures.cold_line(report.cold))] if report.cold else [],
        _failures(report),
        _why(report),
        _what_if(report),
        _finding_table(report, num_rows=num_rows),
        _phase_table(report),
        _package_table(report, num_rows=num_rows),
        _saving_table(report, num_rows=min(num_rows, _NUM_SAVINGS)),
        _hydra(report),
        _access(report),
        _instantiation_table(report, num_rows=num_rows),
        _startup_footer(report),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _what_was_run(report: StartupReport) -> str:
    facts = [f"`{_code(figures.command(report.target))}`", figures.run_count(report)]
    if report.probe:
        facts.append(f"probe {report.probe}")
    total = figures.time_to_milestone(report)
    if total:
        facts.append(f"time to {figures.name_of_milestone(report)} **{_median_and_interval(total)}**")
    return " · ".join(facts)


def _median_and_interval(statistic: Statistic) -> str:
    interval = statistic.ci95 and f" [{format_seconds(statistic.ci95[0])}, {format_seconds(statistic.ci95[1])}]"
    return format_seconds(statistic.median) + (interval or "")


def _failures(report: StartupReport) -> list[str]:
    sentences = figures.failures(report)
    shown = [f"**{_text(sentence)}**" for sentence in sentences[-2:]]
    if len(sentences) > len(shown):
        shown.insert(0, f"{len(sentences)} runs of {len(report.runs)} failed, the last two:")
    return [*shown, *_stderr(figures.last_stderr(report))]


def _stderr(lines: list[str]) -> list[str]:
    tail = [plain(line).rstrip() for line in lines[-_NUM_STDERR_LINES:]]
    # A fence that the program's own output cannot close.
    fence = "```" if not any("```" in line for line in tail) else "~~~~~~~~"
    return ["", fence + "text", *tail, fence] if tail else []


def _phase_table(report: StartupReport) -> list[str]:
    rows, total = figures.phase_rows(report), figures.total_time(report)
    if not rows or total is None:
        return []
    scale = figures.column_scale(total.median)
    table = [[figures.phase_name(row.name), _in_column(row.seconds, scale), format_percent(row.share)] for row in rows]
    table.append(["**total**", f"**{_in_column(total, scale)}**", ""])
    title = f"median {scale.unit}" if total.n > 1 else scale.unit
    note = figures.phase_sum_note(report)
    facts = " · ".join([*figures.run_notes(report), *([note] if note else [])])
    titles = ["phase", f"{title} [95 % interval]" if total.ci95 else title, "share"]
    return [*_table(titles, table, align="lrr"), *(["", _text(facts)] if facts else [])]


def _in_column(statistic: Statistic, scale: figures.Scale) -> str:
    interval = statistic.ci95 and f" [{scale.text(statistic.ci95[0])}, {scale.text(statistic.ci95[1])}]"
    return scale.text(statistic.median) + (interval or "")


def _finding_table(report: StartupReport, *, num_rows: int) -> list[str]:
    if not report.findings:
        return [figures.NO_FINDINGS] if figures.time_to_milestone(report) else []
    rows = [
        [
            finding.priority,
            _text(finding.title),
            format_seconds(finding.seconds),
            _where(place(finding.location, cwd=report.target.cwd)),
            _text(finding.advice),
        ]
        for finding in report.findings[:num_rows]
    ]
    table = _table(["", "finding", "seconds", "where", "what to do"], rows, align="llrll")
    return table + _left_out(len(report.findings) - num_rows, "findings")


def _package_table(report: StartupReport, *, num_rows: int) -> list[str]:
    if not report.packages:
        return []
    scale = figures.column_scale(max(package.inclusive_seconds for package in report.packages))
    rows = [
        [
            f"`{_code(package.package)}`",
            scale.text(package.self_seconds),
            scale.text(package.inclusive_seconds),
            str(package.num_modules),
            _where(place(package.first_importer, cwd=report.target.cwd)),
        ]
        for package in report.packages[:num_rows]
    ]
    titles = ["imported package", f"self {scale.unit}", f"inclusive {scale.unit}", "modules", "first imported by"]
    return _table(titles, rows, align="lrrrl") + _left_out(len(report.packages) - num_rows, "packages")


def _why(report: StartupReport) -> list[str]:
    if report.why is None:
        return []
    cwd = report.target.cwd
    chain = " → ".join(f"`{_code(hop)}`" for hop in import_answers.hop_texts(report.why.chain, cwd=cwd))
    facts = [_text(fact) for fact in import_answers.why_facts(report.why)]
    return [f"**Why `{_code(report.why.module)}` is loaded**: {chain}", *(f"- {fact}" for fact in facts)]


def _what_if(report: StartupReport) -> list[str]:
    if report.what_if is None:
        return []
    facts = import_answers.what_if_facts(report.what_if, report)
    title = f"**What if `{_code(report.what_if.module)}` were not imported at the start**"
    return [title, *(f"- {label}: {_text(text)}" for label, text in facts)]


def _saving_table(report: StartupReport, *, num_rows: int) -> list[str]:
    found = import_answers.deferrable_savings(report)
    if not found:
        return []
    scale = figures.column_scale(found[0].seconds)
    rows = [
        [
            f"`{_code(row.module)}`",
            scale.text(row.seconds),
            str(row.num_modules),
            _where(import_answers.saving_lines(row, cwd=report.target.cwd)),
        ]
        for row in found[:num_rows]
    ]
    titles = ["best savings: import to defer", f"predicted {scale.unit}", "modules", "lines to defer"]
    return _table(titles, rows, align="lrrl") + _left_out(len(found) - num_rows, "savings")


def _access(report: StartupReport) -> list[str]:
    facts = figures.access_facts(report)[:8]
    return [f"Files and connections: {_text(' · '.join(facts))}."] if facts else []


def _hydra(report: StartupReport) -> list[str]:
    facts = figures.hydra_facts(report)
    return [f"Configuration by Hydra: {_text(' · '.join(facts))}."] if facts else []


def _instantiation_table(report: StartupReport, *, num_rows: int) -> list[str]:
    ordered = sorted(report.instantiations, key=lambda row: (row.duplicate, row.seconds), reverse=True)
    if not ordered:
        return []
    rows = [
        [
            f"`{_code(row.target)}`",
            format_seconds(row.seconds),
            f"**{row.count}, the same each time**" if row.duplicate else str(row.count),
            f"`{_code(', '.join(row.config_paths or [row.config_path]))}`",
            ", ".join(_where(place(caller, cwd=report.target.cwd)) for caller in row.callers),
        ]
        for row in ordered[:num_rows]
    ]
    table = _table(["instantiated by Hydra", "seconds", "calls", "config path", "called from"], rows, align="lrlll")
    return table + _left_out(len(ordered) - num_rows, "targets")


def _startup_footer(report: StartupReport) -> list[str]:
    observer = figures.observer_line(report.observer, measured_seconds=figures.measured_seconds(report))
    notes = "; ".join(figures.noise_notes(report))
    lines = [_text(figures.environment_line(report.environment)) + _commit(report.environment.git_commit)]
    by_pairs = f" By pairs: {_text(figures.overhead_line(report.overhead))}." if report.overhead else ""
    lines.append(f"Observer: {observer}.{by_pairs} {_made_by(report)}, {report.created}.")
    return [*lines, *([f"Notes: {_text(notes)}."] if notes else [])]


def _made_by(report: StartupReport | BaselineReport) -> str:
    commit = f" ({figures.short_commit(report.tool.commit)})" if report.tool.commit else ""
    return f"ocrprof {report.tool.version}{commit}"


def _commit(commit: str | None) -> str:
    return f" · target at {_text(figures.short_commit(commit))}" if commit else ""


def _baseline_header(report: BaselineReport) -> list[str]:
    lines = [
        "# Performance Baseline Report",
        "",
        f"**Generated:** {report.created} by {_made_by(report)}",
        f"**Command:** `{_code(figures.command(report.target))}`",
        f"**Status:** {_status(report)}",
    ]
    # Two spaces end a line in Markdown; without them the header would run together.
    return [f"{line}  " if line.startswith("**") else line for line in lines] + (
        _stderr(report.run.stderr_tail) if report.run and not report.run.reached else []
    )


def _status(report: BaselineReport) -> str:
    run = report.run
    if run is None:
        return figures.why_not_trained(report)
    if not run.reached:
        return _text(figures.run_failure(run))
    ended = "stopped after the last batch to measure" if run.exit_code is None else figures.exit_text(run.exit_code)
    return f"finished: {ended}, after {format_seconds(run.wall_seconds)}"


def _validation(report: BaselineReport) -> list[str]:
    loop = figures.loop_named(report, "validation")
    heading = ["## Validation Performance", ""]
    if loop is None:
        return [*heading, f"Validation: {figures.NOT_SEEN['validation']}."]
    rows = [
        ["**Total Validation Time**", format_seconds(loop.total_seconds)],
        ["**Number of Batches**", figures.batch_count(loop)],
        *([f"**{title}**", _seconds(figure(loop))] for title, figure in _BATCH_FIGURES),
    ]
    if loop.samples_per_sec is not None:
        rows.append(["**Samples per Second**", f"{loop.samples_per_sec:.4g}"])
    return [*heading, *_table(["Metric", "Value"], rows)]


_BATCH_FIGURES: tuple[tuple[str, Callable[[LoopStatistics], float | None]], ...] = (
    ("Mean Batch Time", lambda loop: loop.mean_seconds),
    ("Median Batch Time", lambda loop: loop.median_seconds),
    ("P95 Batch Time", lambda loop: loop.p95_seconds),
    ("P99 Batch Time", lambda loop: loop.p99_seconds),
    ("Batch Time Std Dev", lambda loop: loop.std_seconds),
)


def _seconds(seconds: float | None) -> str:
    return "not enough batches" if seconds is None else format_seconds(seconds)


def _training_against_validation(report: BaselineReport) -> list[str]:
    train, validation = figures.loop_named(report, "train"), figures.loop_named(report, "validation")
    lines = ["## Training vs Validation Comparison", ""]
    if train is None:
        lines += [f"Training: {figures.NOT_SEEN['training']}.", ""]
    if validation is None:
        lines += [f"Validation: {figures.NOT_SEEN['validation']}.", ""]
    ratio = figures.ratio(report)
    if ratio is not None:
        lines += [f"A validation batch takes **{ratio:.2f} ×** the time of a training batch (medians).", ""]
    seen = [("training", train), ("validation", validation)]
    loops = [(name, loop) for name, loop in seen if loop]
    if loops:
        rows = [
            ["Number of Batches", *(figures.batch_count(loop) for _, loop in loops)],
            ["Total Time", *(format_seconds(loop.total_seconds) for _, loop in loops)],
            *([title, *(_seconds(figure(loop)) for _, loop in loops)] for title, figure in _BATCH_FIGURES),
            ["Batch Size", *(str(loop.batch_size or "not seen") for _, loop in loops)],
            [
                "Samples per Second",
                *(f"{loop.samples_per_sec:.4g}" if loop.samples_per_sec else "not seen" for _, loop in loops),
            ],
        ]
        lines += [*_table(["", *(name for name, _ in loops)], rows, align="l" + "r" * len(loops)), ""]
    for name, loop in loops:
        lines += _part_table(name, loop, cwd=report.target.cwd)
    return lines[:-1]


def _part_table(name: str, loop: LoopStatistics, *, cwd: str) -> list[str]:
    rows = [
        [
            _text(row.name),
            format_seconds(row.seconds),
            format_percent(row.share),
            _where(place(loop.part_locations.get(row.key), cwd=cwd)),
        ]
        for row in figures.part_rows(loop)
    ]
    return [*_table([f"where a {name} batch goes", "mean", "share", "where"], rows, align="lrrl"), ""] if rows else []


def _startup_section(report: BaselineReport) -> list[str]:
    heading = ["## Start-up", ""]
    if report.startup is None:
        return [*heading, "The start was not measured."]
    blocks = [
        [f"`{_code(figures.startup_line(report.startup))}`"],
        [_what_was_run(report.startup)],
        _failures(report.startup),
        _phase_table(report.startup),
        _package_table(report.startup, num_rows=10),
        _chains(report.startup),
        _instantiation_table(report.startup, num_rows=10),
    ]
    return [*heading, "\n\n".join("\n".join(block) for block in blocks if block)]


def _chains(report: StartupReport) -> list[str]:
    return [
        f"- `{_code(package.package)}` comes by {_where(chain_text(package.chain, cwd=report.target.cwd))}"
        for package in report.packages[:5]
        if len(package.chain) > 2
    ]


def _bottlenecks(report: BaselineReport) -> list[str]:
    found = figures.all_findings(report)
    heading = ["## Identified Bottlenecks", ""]
    if not found:
        return [*heading, figures.NO_FINDINGS]
    rows = [
        [
            finding.priority,
            f"{_text(finding.title)} (`{finding.code}`)",
            format_seconds(finding.seconds),
            format_percent(finding.share),
            _where(place(finding.location, cwd=report.target.cwd)),
            _text(figures.evidence_text(finding.evidence)),
        ]
        for finding in found
    ]
    return [*heading, *_table(["", "bottleneck", "seconds", "share", "where", "evidence"], rows, align="llrrll")]


def _recommendations(report: BaselineReport) -> list[str]:
    found = figures.all_findings(report)
    heading = ["## Recommendations", ""]
    if not found:
        return [*heading, "None: nothing was found, so there is no measured time to win back."]
    return [*heading, *(_recommendation(number, finding, report) for number, finding in enumerate(found, start=1))]


def _recommendation(number: int, finding: Finding, report: BaselineReport) -> str:
    where = place(finding.location, cwd=report.target.cwd)
    size = f"{format_seconds(finding.seconds)}, {format_percent(finding.share)}"
    return (
        f"{number}. **{_text(finding.title)}** ({size}{', ' + _where(where) if where else ''}): {_text(finding.advice)}"
    )


def _environment(report: BaselineReport) -> list[str]:
    environment = report.environment
    rows = [
        ["machine and software", _text(figures.environment_line(environment))],
        [
            "target's commit",
            figures.short_commit(environment.git_commit) if environment.git_commit else "not in a git checkout",
        ],
        ["file systems", _text(", ".join(f"{name}: {kind}" for name, kind in environment.file_systems.items()))],
        *(["note", _text(plain(note))] for note in environment.notes),
    ]
    return ["## Environment", "", *_table(["", ""], [row for row in rows if row[1]])]


def _how_measured(report: BaselineReport) -> list[str]:
    environment, measured = report.environment, report.run.wall_seconds if report.run else 0.0
    limits = figures.limits_text(report.limits)
    lines = [
        f"- Imposed on the target: {_text(limits)}." if limits else "- Nothing was imposed on the target.",
        *(
            f"- {'Training' if loop.name == 'train' else 'Validation'}: {loop.num_batches} batches of one run; mean, "
            f"median, percentiles and deviation leave out the first {loop.num_warmup}."
            for loop in report.loops
        ),
    ]
    if report.startup:
        lines.append(f"- Start-up: {figures.run_count(report.startup)}, in fresh processes.")
        for note in figures.noise_notes(report.startup):
            if note not in environment.notes:
                lines.append(f"- Start-up: {_text(note)}.")
    if environment.gpus and any(loop.parts for loop in report.loops):
        lines.append(
            "- Parts of a batch are times of the host: what only launches GPU work looks short beside its wait."
        )
    lines.append(f"- Observer: {figures.observer_line(report.observer, measured_seconds=measured)}.")
    return ["## How It Was Measured", "", *lines, *(f"- {_text(plain(note))}." for note in report.observer.notes)]


def _raw_metrics(report: BaselineReport) -> list[str]:
    configuration = _json(report.config) if report.config else ["The target composed no Hydra configuration."]
    values = {**report.logged_metrics, **report.metrics}
    metrics = _json(dict(sorted(values.items()))) if values else ["No metric was recorded."]
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


def _json(value: Any) -> list[str]:  # Any: a configuration or metrics, JSON values
    return ["```json", json.dumps(value, indent=2, ensure_ascii=False), "```"]


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]], *, align: str | None = None) -> list[str]:
    rules = ["---:" if side == "r" else "---" for side in align or "l" * len(titles)]
    return [_row(titles), _row(rules), *(_row(row) for row in rows)]


def _row(cells: Sequence[str]) -> str:
    # A bar would end the cell, inside a code span too: GitHub reads the escape in both.
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _left_out(number: int, what: str) -> list[str]:
    # A row may be short: Markdown fills it up.
    return [f"| | {number} more {what} in report.json |"] if number > 0 else []


def _text(text: str) -> str:
    """Words of the target or of a rule, so that Markdown reads none of them as its own signs."""
    return keep_head(_SIGNS.sub(r"\\\g<0>", plain(text)), 600)


def _code(text: str) -> str:
    return plain(text).replace("`", "'")


def _where(place_text: str) -> str:
    return f"`{_code(place_text)}`" if place_text else ""

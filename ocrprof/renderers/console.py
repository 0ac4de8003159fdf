"""The summary on the terminal: findings first, then the tables that prove them, last the one line to remember.

Plain strings rather than rich: the columns are few, the text must also fit a pipe and a CI log, and nothing is loaded.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TextIO

from ocrprof.renderers import figures, import_answers
from ocrprof.renderers.places import (
    chain_text,
    keep_head,
    keep_tail,
    keep_tail_of_name,
    num_cells,
    place,
    plain,
    wrap,
)
from ocrprof.renderers.terminal import Line, write_lines
from ocrprof.results.model import BaselineReport, Finding, LoopStatistics, StartupReport, Statistic
from ocrprof.units import format_bytes, format_percent, format_seconds

"""A line and its style. A style colours the whole line, so that widths are those of the text."""

_NUM_FINDINGS = 5
_NUM_ROWS = 8
_NUM_SAVINGS = 5
_NUM_STDERR_LINES = 8


def render_startup(report: StartupReport, *, stream: TextIO, color: bool, width: int = 80) -> None:
    """Writes the summary of a start, complete or partial, in at most `width` columns (80 to 120)."""
    width = min(max(width, 80), 120)
    lines = [
        *_startup_head(report, width=width),
        *_failures(report, width=width),
        *_why(report, width=width),
        *_what_if(report, width=width),
        *(_findings(report.findings, cwd=report.target.cwd, width=width) if _judged(report) else []),
        *_phases(report, "Where the time goes", width=width),
        *_imports(report, width=width),
        *_savings(report, width=width),
        *_hydra(report, width=width),
        *_access(report, width=width),
        *_instantiations(report, width=width),
        *_constructions(report, width=width),
        *_notes(report, figures.noise_notes(report), measured_seconds=figures.measured_seconds(report), width=width),
        ("", ""),
        (figures.startup_line(report, cells=width), "title"),
    ]
    write_lines(lines, stream=stream, color=color)


def render_baseline(report: BaselineReport, *, stream: TextIO, color: bool, width: int = 80) -> None:
    """Writes the summary of a baseline, complete or partial, in at most `width` columns (80 to 120)."""
    width = min(max(width, 80), 120)
    found = figures.all_findings(report)
    measured = report.run.wall_seconds if report.run else 0.0
    lines = [
        *_baseline_head(report, width=width),
        *(_findings(found, cwd=report.target.cwd, width=width) if found or report.loops else []),
        *_loops(report),
        *_parts(report, width=width),
        *_memory(report, width=width),
        *(_startup_in_baseline(report.startup, width=width) if report.startup else []),
        *_notes(report, figures.notes_of(report), measured_seconds=measured, width=width),
        ("", ""),
        (keep_head(_baseline_line(report), width), "title"),
    ]
    write_lines(lines, stream=stream, color=color)


def _startup_head(report: StartupReport, *, width: int) -> list[Line]:
    lines = [
        *_paragraph(f"ocrprof startup · {figures.command(report.target)}", width=width, style="title"),
        *_paragraph(figures.what_was_run(report), width=width),
    ]
    total = figures.time_to_milestone(report)
    if total is None:
        return lines
    interval = (
        f"  95 % interval {format_seconds(total.ci95[0])} to {format_seconds(total.ci95[1])}" if total.ci95 else ""
    )
    cold = _paragraph(plain(figures.cold_line(report.cold)), width=width, style="title") if report.cold else []
    name = figures.name_of_milestone(report)
    return [
        *lines,
        ("", ""),
        (f"time to {name}  {format_seconds(total.median)}{interval}  n = {total.n}", "title"),
        *cold,
    ]


def _failures(report: StartupReport, *, width: int) -> list[Line]:
    sentences = figures.failures(report)
    if not sentences:
        return []
    lines: list[Line] = [("", "")]
    for sentence in sentences:
        lines += _paragraph(sentence, width=width, style="bad")
    tail = figures.last_stderr(report)[-_NUM_STDERR_LINES:]
    if tail:
        lines.append(("Last lines of its stderr:", "dim"))
        lines += [(f"  {keep_head(plain(line), width - 2)}", "") for line in tail]
    return lines


def _findings(findings: Sequence[Finding], *, cwd: str, width: int) -> list[Line]:
    if not findings:
        return [("", ""), (figures.NO_FINDINGS, "heading")]
    lines: list[Line] = [("", ""), ("What to change first", "heading")]
    for finding in findings[:_NUM_FINDINGS]:
        lines += _finding(finding, cwd=cwd, width=width)
    if len(findings) > _NUM_FINDINGS:
        lines.append((f"{len(findings) - _NUM_FINDINGS} more findings in the report", "dim"))
    return lines


def _finding(finding: Finding, *, cwd: str, width: int) -> list[Line]:
    size = f"{format_seconds(finding.seconds)}, {format_percent(finding.share)}"
    lines = _paragraph(
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
        lines += _paragraph(evidence, width=width, indent="    ", style="dim")
    return lines + _paragraph(finding.advice, width=width, indent="    ")


def _judged(report: StartupReport) -> bool:
    """Whether the absence of findings says something: not where no run came to the milestone."""
    return bool(report.findings) or figures.time_to_milestone(report) is not None


def _phases(report: StartupReport, heading: str, *, width: int) -> list[Line]:
    rows, total = figures.phase_rows(report), figures.total_time(report)
    if not rows or total is None:
        return []
    scale = figures.column_scale(total.median)
    table = [["phase", scale.unit, "share", "± MAD", "n", ""]]
    largest = max(row.share for row in rows)
    for row in rows:
        bar = _bar(row.share / largest, cells=width - 50)
        table.append(_phase_cells(row.name, row.seconds, scale=scale, share=format_percent(row.share), bar=bar))
    table.append(_phase_cells("total", total, scale=scale, share="", bar=""))
    lines = _table(table, align="<>>>><", width=width)
    lines += _paragraph(" · ".join(figures.run_notes(report)), width=width, indent="  ", style="dim")
    lines += _paragraph(figures.phase_sum_note(report) or "", width=width, indent="  ", style="dim")
    return _section(heading, lines)


def _phase_cells(name: str, seconds: Statistic, *, scale: figures.Scale, share: str, bar: str) -> list[str]:
    spread = scale.text(seconds.mad) if seconds.n > 1 else ""
    return [figures.phase_name(name), scale.text(seconds.median), share, spread, str(seconds.n), bar]


def _imports(report: StartupReport, *, width: int) -> list[Line]:
    if not report.packages:
        return []
    cwd = report.target.cwd
    scale = figures.column_scale(max(package.inclusive_seconds for package in report.packages))
    table = [["package", f"self {scale.unit}", f"incl. {scale.unit}", "modules", "first imported by"]]
    shown, others = report.packages[:_NUM_ROWS], report.packages[_NUM_ROWS:]
    for package in shown:
        table.append(
            [
                keep_tail_of_name(plain(package.package), 24),
                scale.text(package.self_seconds),
                scale.text(package.inclusive_seconds),
                str(package.num_modules),
                place(package.first_importer, cwd=cwd),
            ]
        )
    lines = _table(table, align="<>>><", width=width, shorten=keep_tail)
    if others:
        seconds = format_seconds(sum(package.self_seconds for package in others))
        lines.append((f"  {len(others)} more packages, {seconds} in themselves", "dim"))
    for package in shown[:3]:
        if len(package.chain) > 2:
            lines += _paragraph(
                f"why {package.package}: {chain_text(package.chain, cwd=cwd)}", width=width, indent="  "
            )
    if report.inserted_modules:
        names = f"{len(report.inserted_modules)} modules came without a load: {', '.join(report.inserted_modules)}"
        lines.append((f"  {keep_head(plain(names), width - 2)}", "dim"))
    return _section("Imports by package", lines)


def _why(report: StartupReport, *, width: int) -> list[Line]:
    if report.why is None:
        return []
    cwd = report.target.cwd
    table = [["line", "leads to"], *import_answers.hop_rows(report.why.chain, cwd=cwd)]
    lines = _table(table, align="<<", width=width, shorten=keep_tail_of_name)
    for fact in import_answers.why_facts(report.why):
        lines += _paragraph(fact, width=width, indent="    ", first="  ")
    for chain in report.why.other_chains:
        way = " → ".join(import_answers.hop_texts(chain, cwd=cwd))
        lines += _paragraph(f"another way: {way}", width=width, indent="    ", first="  ", style="dim")
    return _section(f"Why {report.why.module} is loaded", lines)


def _what_if(report: StartupReport, *, width: int) -> list[Line]:
    if report.what_if is None:
        return []
    lines: list[Line] = []
    for label, text in import_answers.what_if_facts(report.what_if, report):
        style = "bad" if label == "failed" else ""
        lines += _paragraph(text, width=width, first=f"  {label:<11}", indent=" " * 13, style=style)
    return _section(f"What if {report.what_if.module} were not imported at the start", lines)


def _savings(report: StartupReport, *, width: int) -> list[Line]:
    rows = import_answers.deferrable_savings(report)
    lines: list[Line] = []
    if rows:
        scale = figures.column_scale(rows[0].seconds)
        table = [["import", scale.unit, "modules", "lines to defer"]]
        for row in rows[:_NUM_SAVINGS]:
            where = import_answers.saving_lines(row, cwd=report.target.cwd)
            name = keep_tail_of_name(plain(row.module), 30)
            table.append([name, scale.text(row.seconds), str(row.num_modules), where])
        lines += _table(table, align="<>><", width=width, shorten=keep_tail)
    for note in import_answers.saving_notes(report):
        lines += _paragraph(note, width=width, indent="  ", style="dim")
    return _section("Best savings by deferring imports", lines)


def _access(report: StartupReport, *, width: int) -> list[Line]:
    lines: list[Line] = []
    for fact in figures.access_facts(report)[:_NUM_ROWS]:
        lines += _paragraph(fact, width=width, indent="    ", first="  ")
    return _section("Files and connections", lines)


def _hydra(report: StartupReport, *, width: int) -> list[Line]:
    lines: list[Line] = []
    for fact in figures.hydra_facts(report):
        lines += _paragraph(fact, width=width, indent="    ", first="  ")
    return _section("Configuration by Hydra", lines)


def _instantiations(report: StartupReport, *, width: int) -> list[Line]:
    # Duplicates are what this table is read for: none of them is left out for being quick.
    rows = sorted(report.instantiations, key=lambda row: (row.duplicate, row.seconds), reverse=True)
    if not rows:
        return []
    scale = figures.column_scale(max(row.seconds for row in rows))
    table = [["target", scale.unit, "calls", "", "config path"]]
    num_shown = max(_NUM_ROWS, sum(row.duplicate for row in rows))
    for row in rows[:num_shown]:
        table.append(
            [
                keep_tail_of_name(plain(row.target), 30),
                scale.text(row.seconds),
                str(row.count),
                "DUPLICATE" if row.duplicate else "",
                plain(", ".join(row.config_paths or [row.config_path])),
            ]
        )
    lines = _table(table, align="<>><<", width=width, shorten=keep_head)
    if len(rows) > num_shown:
        lines.append((f"  {len(rows) - num_shown} more, each shorter", "dim"))
    for row in rows[:num_shown]:
        if row.duplicate and row.callers:
            callers = ", ".join(place(caller, cwd=report.target.cwd) for caller in row.callers)
            lines += _paragraph(f"{_class_name(row.target)} is asked for in {callers}", width=width, indent="  ")
    return _section("Instantiated by Hydra", lines)


def _constructions(report: StartupReport, *, width: int) -> list[Line]:
    timed = sorted((row for row in report.constructions if row.seconds), key=lambda row: row.seconds, reverse=True)
    if not timed:
        return []
    rows = timed[:_NUM_ROWS]
    scale = figures.column_scale(rows[0].seconds)
    table = [["built", "", f"self {scale.unit}", f"incl. {scale.unit}", "where"]]
    for row in rows:
        table.append(
            [
                row.kind,
                keep_head(_class_name(row.name), 24) if row.name != row.kind else "",
                scale.text(row.self_seconds),
                scale.text(row.seconds),
                place(row.location, cwd=report.target.cwd) or figures.evidence_text(row.attributes),
            ]
        )
    lines = _table(table, align="<<>><", width=width, shorten=_keep_place)
    if len(timed) > len(rows):
        lines.append((f"  {len(timed) - len(rows)} more, each shorter", "dim"))
    for row in rows:
        if row.parts:
            parts = " · ".join(f"{part.name} {format_seconds(part.seconds)}" for part in row.parts)
            lines += _paragraph(f"{_class_name(row.name)}: {parts}", width=width, indent="  ")
    return _section("Built during the start", lines)


def _baseline_head(report: BaselineReport, *, width: int) -> list[Line]:
    lines = _paragraph(f"ocrprof baseline · {figures.command(report.target)}", width=width, style="title")
    limits = figures.limits_text(report.limits)
    if limits:
        lines += _paragraph(f"limits imposed on the target: {limits}", width=width)
    if report.run is None:
        return [*lines, ("", ""), (figures.why_not_trained(report), "bad")]
    if report.run.reached:
        return lines
    lines += [("", ""), *_paragraph(f"Training run: {figures.run_failure(report.run)}.", width=width, style="bad")]
    return lines + [
        (f"  {keep_head(plain(line), width - 2)}", "") for line in report.run.stderr_tail[-_NUM_STDERR_LINES:]
    ]


_LOOP_FIGURES: tuple[tuple[str, Callable[[LoopStatistics], float | None]], ...] = (
    ("mean", lambda loop: loop.mean_seconds),
    ("median", lambda loop: loop.median_seconds),
    ("p95", lambda loop: loop.p95_seconds),
    ("p99", lambda loop: loop.p99_seconds),
    ("std", lambda loop: loop.std_seconds),
)


def _loops(report: BaselineReport) -> list[Line]:
    loops = [figures.loop_named(report, name) for name in ("train", "validation")]
    seen = [loop for loop in loops if loop]
    lines: list[Line] = []
    if seen:
        table = [
            ["", *("training" if loop.name == "train" else "validation" for loop in seen)],
            ["batches", *(figures.batch_count(loop) for loop in seen)],
            ["total", *(format_seconds(loop.total_seconds) for loop in seen)],
        ]
        for name, figure in _LOOP_FIGURES:
            values = [figure(loop) for loop in seen]
            if any(value is not None for value in values):
                table.append([f"batch {name}", *("" if value is None else format_seconds(value) for value in values)])
        if any(loop.samples_per_sec for loop in seen):
            table.append(
                ["samples/s", *(f"{loop.samples_per_sec:.4g}" if loop.samples_per_sec else "" for loop in seen)]
            )
        lines = _table(table, align="<" + ">" * len(seen), width=80)
    ratio = figures.ratio(report)
    if ratio is not None:
        lines.append((f"  a validation batch takes {ratio:.2f} × a training batch (medians)", ""))
    for name, loop in zip(("training", "validation"), loops, strict=True):
        if loop is None:
            lines.append((f"  {name}: {figures.NOT_SEEN[name]}", ""))
    return _section("Batches", lines)


def _parts(report: BaselineReport, *, width: int) -> list[Line]:
    lines: list[Line] = []
    for loop in report.loops:
        rows = figures.part_rows(loop)
        if not rows:
            continue
        name = "training" if loop.name == "train" else loop.name
        table = [[f"{name} batch", "mean", "share", "", "where"]]
        for row in rows:
            location = loop.part_locations.get(row.key)
            table.append(
                [
                    plain(row.name),
                    format_seconds(row.seconds),
                    format_percent(row.share),
                    _bar(row.share, cells=18),
                    place(location, cwd=report.target.cwd),
                ]
            )
        lines += _table(table, align="<>><<", width=width, shorten=keep_tail)
    return _section("Where a batch goes", lines)


def _memory(report: BaselineReport, *, width: int) -> list[Line]:
    lines: list[Line] = []
    for name, text in figures.memory_rows(report):
        lines += _paragraph(f"{name}: {text}", width=width, indent="    ", first="  ")
    return _section("Memory", lines)


def _startup_in_baseline(report: StartupReport, *, width: int) -> list[Line]:
    return [
        *_failures(report, width=width),
        *_phases(report, "Start-up: where the time goes", width=width),
        *_imports(report, width=width),
    ]


def _notes(
    report: StartupReport | BaselineReport, notes: Sequence[str], *, measured_seconds: float, width: int
) -> list[Line]:
    observer = figures.observer_line(report.observer, measured_seconds=measured_seconds)
    overhead = report.overhead if isinstance(report, StartupReport) else None
    labelled = [
        ("environment", figures.environment_line(report.environment)),
        ("observer", observer),
        *([("", figures.overhead_line(overhead))] if overhead else []),
        *(("note", note) for note in notes),
    ]
    lines: list[Line] = [("", "")]
    for label, text in labelled:
        lines += _paragraph(text, width=width, first=f"{label:<13}", indent=" " * 13, style="dim")
    return lines


def _baseline_line(report: BaselineReport) -> str:
    facts = []
    total = figures.total_time(report.startup) if report.startup else None
    if total:
        facts.append(f"startup {format_seconds(total.median)}")
    for name, label in (("train", "train"), ("validation", "val")):
        loop = figures.loop_named(report, name)
        if loop and loop.median_seconds is not None:
            facts.append(f"{label} {format_seconds(loop.median_seconds)}/batch")
    ratio = figures.ratio(report)
    if ratio is not None:
        facts[-1] += f" ({ratio:.2f} ×)"
    if report.memory:
        facts.append(format_bytes(report.memory.peak_pss_bytes or report.memory.peak_rss_bytes))
    return " · ".join(facts) or "baseline: nothing was measured"


def _section(heading: str, lines: Iterable[Line]) -> list[Line]:
    body = list(lines)
    return [("", ""), (heading, "heading"), *body] if body else []


def _paragraph(text: str, *, width: int, indent: str = "", first: str | None = None, style: str = "") -> list[Line]:
    wrapped = wrap(plain(text), width, first=indent if first is None else first, indent=indent)
    return [(line, style) for line in wrapped]


def _table(
    rows: Sequence[Sequence[str]], *, align: str, width: int, shorten: Callable[[str, int], str] = keep_head
) -> list[Line]:
    """Rows under a dim header; the last column takes what is left of the width and is shortened to it."""
    widths = [max(num_cells(row[column]) for row in rows) for column in range(len(align))]
    widths[-1] = min(widths[-1], width - 2 - sum(widths[:-1]) - 2 * (len(align) - 1))
    lines: list[Line] = []
    for number, row in enumerate(rows):
        cells = [*row[:-1], shorten(row[-1], widths[-1])]
        text = "  ".join(
            _pad(cell, cells=cells_wide, side=side) for cell, cells_wide, side in zip(cells, widths, align, strict=True)
        )
        lines.append((f"  {text}".rstrip(), "dim" if number == 0 else ""))
    return lines


def _pad(text: str, *, cells: int, side: str) -> str:
    filling = " " * (cells - num_cells(text))
    return text + filling if side == "<" else filling + text


def _class_name(dotted: str) -> str:
    return plain(dotted.rpartition(".")[2])


def _keep_place(text: str, cells: int) -> str:
    """The end of a path; the beginning of the facts that stand where there is none."""
    return keep_head(text, cells) if " " in text else keep_tail(text, cells)


def _bar(share: float, *, cells: int) -> str:
    return "█" * round(share * cells) or ("▏" if share > 0 else "")

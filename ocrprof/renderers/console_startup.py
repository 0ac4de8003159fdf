"""The sections of the terminal's summary that tell of a start."""

from ocrprof.renderers import figures, figures_checks, figures_hydra, figures_startup, import_answers, import_parts
from ocrprof.renderers.console_lines import bar_text, class_name, keep_place, paragraph, section, table_lines
from ocrprof.renderers.figures_phases import phase_notes
from ocrprof.renderers.places import (
    built_at,
    chain_text,
    keep_head,
    keep_parts,
    keep_tail,
    keep_tail_of_name,
    place,
    plain,
)
from ocrprof.renderers.terminal import Line
from ocrprof.results.model import Construction, StartupReport, Statistic
from ocrprof.units import format_percent, format_seconds

_NUM_ROWS = 8
_BAR_CELLS = 10
_NUM_BUILT = 6
_MIN_SHARE_CONFIGURED = 0.03

_NUM_SAVINGS = 5

NUM_STDERR_LINES = 8


def head(report: StartupReport, *, width: int) -> list[Line]:
    """Command, runs, and the time to the milestone."""
    lines = [
        *paragraph(f"ocrprof startup · {figures.command(report.target)}", width=width, style="title"),
        *paragraph(figures_startup.what_was_run(report), width=width),
    ]
    total = figures_startup.time_to_milestone(report)
    cold = paragraph(plain(figures_checks.cold_line(report.cold)), width=width, style="title") if report.cold else []
    if total is None:
        return [*lines, *cold]
    interval = (
        f"  95 % interval {format_seconds(total.ci95[0])} to {format_seconds(total.ci95[1])}" if total.ci95 else ""
    )
    name = figures_startup.name_of_milestone(report)
    return [
        *lines,
        ("", ""),
        (f"time to {name}  {format_seconds(total.median)}{interval}  n = {total.n}", "title"),
        *cold,
    ]


def failures(report: StartupReport, *, width: int) -> list[Line]:
    """What happened to runs that did not arrive, and what the last of them printed."""
    sentences = figures_startup.failures(report)
    if not sentences:
        return []
    lines: list[Line] = [("", "")]
    for sentence in sentences:
        lines += paragraph(sentence, width=width, style="bad")
    tail = figures_startup.last_stderr(report)[-NUM_STDERR_LINES:]
    if tail:
        lines.append(("Last lines of its stderr:", "dim"))
        lines += [(f"  {keep_head(plain(line), width - 2)}", "") for line in tail]
    return lines


def phases(report: StartupReport, heading: str, *, width: int) -> list[Line]:
    """Phases as a table with bars."""
    rows, total = figures_startup.phase_rows(report), figures_startup.total_time(report)
    if not rows or total is None:
        return []
    scale = figures.column_scale(total.median)
    notes = phase_notes(report, scale=scale)
    table = [["phase", scale.unit, "share", "± MAD", "", f"of that, {scale.unit}" if any(notes.values()) else ""]]
    largest = max(row.share for row in rows)
    for row in rows:
        table.append(
            _phase_cells(
                row.name,
                row.seconds,
                scale=scale,
                share=format_percent(row.share),
                bar=bar_text(row.share / largest, cells=_BAR_CELLS),
                note=notes.get(row.name, ""),
            )
        )
    table.append(_phase_cells("total", total, scale=scale, note=f"n = {total.n}"))
    lines = table_lines(table, align="<>>><<", width=width, shorten=keep_parts)
    lines += paragraph(" · ".join(figures_startup.run_notes(report)), width=width, indent="  ", style="dim")
    lines += paragraph(figures_startup.phase_sum_note(report) or "", width=width, indent="  ", style="dim")
    return section(heading, lines)


def _phase_cells(
    name: str, seconds: Statistic, *, scale: figures.Scale, share: str = "", bar: str = "", note: str = ""
) -> list[str]:
    spread = scale.text(seconds.mad) if seconds.n > 1 else ""
    return [figures.phase_name(name), scale.text(seconds.median), share, spread, bar, note]


def imports(report: StartupReport, *, width: int) -> list[Line]:
    """Packages by their own import time."""
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
    lines = [
        *paragraph(import_parts.total_line(report) or "", width=width, indent="    ", first="  "),
        *table_lines(table, align="<>>><", width=width, shorten=keep_tail),
    ]
    if others:
        seconds = format_seconds(sum(package.self_seconds for package in others))
        lines.append((f"  {len(others)} more packages, {seconds} in themselves", "dim"))
    for package in shown[:3]:
        if len(package.chain) > 2:
            lines += paragraph(f"why {package.package}: {chain_text(package.chain, cwd=cwd)}", width=width, indent="  ")
    for fact in import_parts.facts(report):
        lines += paragraph(fact, width=width, indent="  ", style="dim")
    return section("Imports by package", lines)


def why(report: StartupReport, *, width: int) -> list[Line]:
    """The chain that `--why` asked for."""
    if report.why is None:
        return []
    cwd = report.target.cwd
    table = [["line", "leads to"], *import_answers.hop_rows(report.why.chain, cwd=cwd)]
    lines = table_lines(table, align="<<", width=width, shorten=keep_tail_of_name)
    for fact in import_answers.why_facts(report.why):
        lines += paragraph(fact, width=width, indent="    ", first="  ")
    for chain in report.why.other_chains:
        way = " → ".join(import_answers.hop_texts(chain, cwd=cwd))
        lines += paragraph(f"another way: {way}", width=width, indent="    ", first="  ", style="dim")
    return section(f"Why {report.why.module} is loaded", lines)


def what_if(report: StartupReport, *, width: int) -> list[Line]:
    """The answer that `--what-if` asked for."""
    if report.what_if is None:
        return []
    lines: list[Line] = []
    for label, text in import_answers.what_if_facts(report.what_if, report):
        style = "bad" if label == "failed" else ""
        lines += paragraph(text, width=width, first=f"  {label:<11}", indent=" " * 13, style=style)
    return section(f"What if {report.what_if.module} were not imported at the start", lines)


def savings(report: StartupReport, *, width: int) -> list[Line]:
    """What would be saved by deferring imports."""
    rows = import_answers.deferrable_savings(report)
    lines: list[Line] = []
    if rows:
        scale = figures.column_scale(rows[0].seconds)
        table = [["import", scale.unit, "modules", "lines to defer"]]
        for row in rows[:_NUM_SAVINGS]:
            where = import_answers.saving_lines(row, cwd=report.target.cwd)
            name = keep_tail_of_name(plain(row.module), 30)
            table.append([name, scale.text(row.seconds), str(row.num_modules), where])
        lines += table_lines(table, align="<>><", width=width, shorten=keep_tail)
    for note in import_answers.saving_notes(report):
        lines += paragraph(note, width=width, indent="  ", style="dim")
    return section("Best savings by deferring imports", lines)


def access(report: StartupReport, *, width: int) -> list[Line]:
    """Files and connections by phase."""
    lines: list[Line] = []
    for fact in figures_startup.access_facts(report)[:_NUM_ROWS]:
        lines += paragraph(fact, width=width, indent="    ", first="  ")
    return section("Files and connections", lines)


def hydra(report: StartupReport, *, width: int) -> list[Line]:
    """What configuration cost."""
    lines: list[Line] = []
    total, facts = figures_startup.total_time(report), figures_hydra.hydra_facts(report)
    # Of what is no finding of weight one line is enough.
    quick = report.hydra and total and report.hydra.seconds < _MIN_SHARE_CONFIGURED * total.median
    for fact in facts[:1] if quick else facts:
        lines += paragraph(fact, width=width, indent="    ", first="  ")
    return section("Configuration by Hydra", lines)


def instantiations(report: StartupReport, *, width: int) -> list[Line]:
    """What Hydra instantiated, duplicates first."""
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
    lines = table_lines(table, align="<>><<", width=width, shorten=keep_head)
    if len(rows) > num_shown:
        lines.append((f"  {len(rows) - num_shown} more, each shorter", "dim"))
    for row in rows[:num_shown]:
        if row.duplicate and row.callers:
            callers = ", ".join(place(caller, cwd=report.target.cwd) for caller in row.callers)
            lines += paragraph(f"{class_name(row.target)} is asked for in {callers}", width=width, indent="  ")
    return section("Instantiated by Hydra", lines)


def constructions(report: StartupReport, *, width: int) -> list[Line]:
    """What the program built, the longest first."""
    groups: dict[tuple[str, str], list[Construction]] = {}
    for one in report.constructions:
        groups.setdefault((one.kind, one.name), []).append(one)
    timed = sorted(groups.values(), key=lambda group: -sum(one.seconds for one in group))
    timed = [group for group in timed if any(one.seconds for one in group)]
    if not timed:
        return []
    rows = timed[:_NUM_BUILT]
    scale = figures.column_scale(sum(one.seconds for one in rows[0]))
    table = [["built", "", f"self {scale.unit}", f"incl. {scale.unit}", "where"]]
    for group in rows:
        first, times = group[0], f" ×{len(group)}" if len(group) > 1 else ""
        table.append(
            [
                first.kind + (times if first.name == first.kind else ""),
                keep_head(class_name(first.name), 22) + times if first.name != first.kind else "",
                scale.text(sum(one.self_seconds for one in group)),
                scale.text(sum(one.seconds for one in group)),
                place(built_at(first), cwd=report.target.cwd) or figures.evidence_text(first.attributes),
            ]
        )
    lines = table_lines(table, align="<<>><", width=width, shorten=keep_place)
    if len(timed) > len(rows):
        lines.append((f"  {len(timed) - len(rows)} more, each shorter", "dim"))
    for one in (one for group in rows for one in group):
        if one.parts:
            parts = " · ".join(f"{part.name} {format_seconds(part.seconds)}" for part in one.parts)
            lines += paragraph(f"{class_name(one.name)}: {parts}", width=width, indent="  ")
    return section("Built during the start", lines)

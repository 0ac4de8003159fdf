"""The blocks of a start in Markdown."""

from ocrprof.renderers import figures, figures_checks, figures_hydra, figures_startup, import_answers, import_parts
from ocrprof.renderers.figures_phases import phase_notes
from ocrprof.renderers.markdown_text import code, left_out, prose, stderr_block, table_block, where, words
from ocrprof.renderers.places import place
from ocrprof.results.model import BaselineReport, StartupReport, Statistic
from ocrprof.units import format_percent, format_seconds

_NUM_SAVINGS = 5


def what_was_run(report: StartupReport) -> str:
    """Command, number of runs and the time to the milestone, in one line."""
    facts = [f"`{code(figures.command(report.target))}`", figures_startup.run_count(report)]
    if report.probe:
        facts.append(f"probe {report.probe}")
    total = figures_startup.time_to_milestone(report)
    if total:
        facts.append(f"time to {figures_startup.name_of_milestone(report)} **{_median_and_interval(total)}**")
    return " · ".join(facts)


def _median_and_interval(statistic: Statistic) -> str:
    interval = statistic.ci95 and f" [{format_seconds(statistic.ci95[0])}, {format_seconds(statistic.ci95[1])}]"
    return format_seconds(statistic.median) + (interval or "")


def failures(report: StartupReport) -> list[str]:
    """What happened to the last runs that did not arrive, and what they printed last."""
    sentences = figures_startup.failures(report)
    shown = [f"**{words(sentence)}**" for sentence in sentences[-2:]]
    if len(sentences) > len(shown):
        shown.insert(0, f"{len(sentences)} runs of {len(report.runs)} failed, the last two:")
    return [*shown, *stderr_block(figures_startup.last_stderr(report))]


def phase_table(report: StartupReport) -> list[str]:
    """Phases, their sum, and the other clocks of the runs."""
    rows, total = figures_startup.phase_rows(report), figures_startup.total_time(report)
    if not rows or total is None:
        return []
    scale = figures.column_scale(total.median)
    told = phase_notes(report, scale=scale)
    table = [
        [
            figures.phase_name(row.name),
            _in_column(row.seconds, scale),
            format_percent(row.share),
            words(told.get(row.name, "")),
        ]
        for row in rows
    ]
    table.append(["**total**", f"**{_in_column(total, scale)}**", "", ""])
    title = f"median {scale.unit}" if total.n > 1 else scale.unit
    note = figures_startup.phase_sum_note(report)
    facts = " · ".join([*figures_startup.run_notes(report), *([note] if note else [])])
    titles = ["phase", f"{title} [95 % interval]" if total.ci95 else title, "share", f"of that, {scale.unit}"]
    num_columns = 4 if any(told.values()) else 3
    table = [row[:num_columns] for row in table]
    return [
        *table_block(titles[:num_columns], table, align="lrrl"[:num_columns]),
        *(["", words(facts)] if facts else []),
    ]


def _in_column(statistic: Statistic, scale: figures.Scale) -> str:
    interval = statistic.ci95 and f" [{scale.text(statistic.ci95[0])}, {scale.text(statistic.ci95[1])}]"
    return scale.text(statistic.median) + (interval or "")


def finding_table(report: StartupReport, *, num_rows: int) -> list[str]:
    """Findings, the most important first."""
    if not report.findings:
        return [figures.NO_FINDINGS] if figures_startup.time_to_milestone(report) else []
    rows = [
        [
            finding.priority,
            prose(finding.title),
            format_seconds(finding.seconds),
            where(place(finding.location, cwd=report.target.cwd)),
            prose(finding.advice),
        ]
        for finding in report.findings[:num_rows]
    ]
    table = table_block(["", "finding", "seconds", "where", "what to do"], rows, align="llrll")
    return table + left_out(len(report.findings) - num_rows, "findings")


def package_table(report: StartupReport, *, num_rows: int) -> list[str]:
    """Packages by their own import time."""
    if not report.packages:
        return []
    scale = figures.column_scale(max(package.inclusive_seconds for package in report.packages))
    rows = [
        [
            f"`{code(package.package)}`",
            scale.text(package.self_seconds),
            scale.text(package.inclusive_seconds),
            str(package.num_modules),
            where(place(package.first_importer, cwd=report.target.cwd)),
        ]
        for package in report.packages[:num_rows]
    ]
    titles = ["imported package", f"self {scale.unit}", f"inclusive {scale.unit}", "modules", "first imported by"]
    total = import_parts.total_line(report)
    above = [words(total), ""] if total else []
    facts = [f"- {words(fact)}" for fact in import_parts.facts(report)]
    return [
        *above,
        *table_block(titles, rows, align="lrrrl"),
        *left_out(len(report.packages) - num_rows, "packages"),
        *(["", *facts] if facts else []),
    ]


def why(report: StartupReport) -> list[str]:
    """The chain that `--why` asked for."""
    if report.why is None:
        return []
    cwd = report.target.cwd
    chain = " → ".join(f"`{code(hop)}`" for hop in import_answers.hop_texts(report.why.chain, cwd=cwd))
    facts = [words(fact) for fact in import_answers.why_facts(report.why)]
    return [f"**Why `{code(report.why.module)}` is loaded**: {chain}", *(f"- {fact}" for fact in facts)]


def what_if(report: StartupReport) -> list[str]:
    """The answer that `--what-if` asked for."""
    if report.what_if is None:
        return []
    facts = import_answers.what_if_facts(report.what_if, report)
    title = f"**What if `{code(report.what_if.module)}` were not imported at the start**"
    return [title, *(f"- {label}: {words(text)}" for label, text in facts)]


def saving_table(report: StartupReport, *, num_rows: int) -> list[str]:
    """What would be saved by deferring imports."""
    found, num_rows = import_answers.deferrable_savings(report), min(num_rows, _NUM_SAVINGS)
    if not found:
        return []
    scale = figures.column_scale(found[0].seconds)
    rows = [
        [
            f"`{code(row.module)}`",
            scale.text(row.seconds),
            str(row.num_modules),
            where(import_answers.saving_lines(row, cwd=report.target.cwd)),
        ]
        for row in found[:num_rows]
    ]
    titles = ["best savings: import to defer", f"predicted {scale.unit}", "modules", "lines to defer"]
    return table_block(titles, rows, align="lrrl") + left_out(len(found) - num_rows, "savings")


def access(report: StartupReport) -> list[str]:
    """Files and connections by phase, in one line."""
    facts = figures_startup.access_facts(report)[:8]
    return [f"Files and connections: {words(' · '.join(facts))}."] if facts else []


def hydra(report: StartupReport) -> list[str]:
    """What configuration cost, in one line."""
    facts = figures_hydra.hydra_facts(report)
    return [f"Configuration by Hydra: {words(' · '.join(facts))}."] if facts else []


def instantiation_table(report: StartupReport, *, num_rows: int) -> list[str]:
    """What Hydra instantiated, duplicates first."""
    ordered = sorted(report.instantiations, key=lambda row: (row.duplicate, row.seconds), reverse=True)
    if not ordered:
        return []
    rows = [
        [
            f"`{code(row.target)}`",
            format_seconds(row.seconds),
            f"**{row.count}, the same each time**" if row.duplicate else str(row.count),
            f"`{code(', '.join(row.config_paths or [row.config_path]))}`",
            ", ".join(where(place(caller, cwd=report.target.cwd)) for caller in row.callers),
        ]
        for row in ordered[:num_rows]
    ]
    table = table_block(
        ["instantiated by Hydra", "seconds", "calls", "config path", "called from"], rows, align="lrlll"
    )
    return table + left_out(len(ordered) - num_rows, "targets")


def footer(report: StartupReport) -> list[str]:
    """Machine, cost of observing, and what limits the trust in the figures."""
    observer = figures.observer_line(report.observer, measured_seconds=figures_startup.measured_seconds(report))
    notes = "; ".join(figures_startup.noise_notes(report))
    lines = [words(figures.environment_line(report.environment)) + _commit(report.environment.git_commit)]
    by_pairs = f" By pairs: {words(figures_checks.overhead_line(report.overhead))}." if report.overhead else ""
    lines.append(f"Observer: {observer}.{by_pairs} {made_by(report)}, {report.created}.")
    return [*lines, *([f"Notes: {words(notes)}."] if notes else [])]


def made_by(report: StartupReport | BaselineReport) -> str:
    """Version and commit of ocrprof."""
    commit = f" ({figures.short_commit(report.tool.commit)})" if report.tool.commit else ""
    return f"ocrprof {report.tool.version}{commit}"


def _commit(commit: str | None) -> str:
    return f" · target at {words(figures.short_commit(commit))}" if commit else ""

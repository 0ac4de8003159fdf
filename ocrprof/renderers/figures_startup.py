"""The figures of a start, in the order and selection in which people read them."""

import statistics
from collections import Counter
from dataclasses import dataclass

from ocrprof.plan import DEFAULT_RUNS
from ocrprof.renderers.figures import line_scale, milestone_name, notes_of, phase_name, run_failure
from ocrprof.renderers.places import plain, short_path
from ocrprof.results.model import PHASES, FileAccess, Run, StartupReport, Statistic
from ocrprof.results.summary import milestone_key
from ocrprof.target import PROBE_ARGUMENTS, UNKNOWN_KEY
from ocrprof.units import format_percent, format_seconds

_PYTHON = ("interpreter", "site")

_SHORT_NAMES = {"sanity_check": "sanity"}
_NUM_ACCESSED = 3


@dataclass(frozen=True)
class PhaseRow:
    """One phase of the start; `share` is of the total."""

    name: str
    seconds: Statistic
    share: float


_PROBES = {"help": "the end of --help", "config": "the end of --cfg job", "error": "an error message and its exit"}


def name_of_milestone(report: StartupReport) -> str:
    """What the time of this report runs to: a milestone, or the answer to a probe."""
    return _PROBES[report.probe] if report.probe else milestone_name(report.until)


def what_was_run(report: StartupReport) -> str:
    """`5 runs after 1 to warm up, until first-step`."""
    if report.probe is None:
        return f"{run_count(report)}, until {report.until}"
    arguments = " ".join(PROBE_ARGUMENTS[report.probe])
    return f"{run_count(report)}, probe {report.probe}: the command with {arguments}, to its end"


def probe_doubt(report: StartupReport) -> str | None:
    """Where an error was waited for, and what came does not name the override: it may be another error."""
    if report.probe != "error":
        return None
    answers = [run for run in report.runs if run.reached]
    if not answers or all(any(UNKNOWN_KEY in line for line in run.stderr_tail) for run in answers):
        return None
    codes = ", ".join(sorted({str(run.exit_code) for run in answers}))
    return f"the target ended with exit code {codes}, but its stderr does not name {UNKNOWN_KEY}: another error?"


def counted_runs(report: StartupReport) -> list[Run]:
    """The runs that were not warm-ups."""
    return [run for run in report.runs if not run.warmup]


def run_count(report: StartupReport) -> str:
    """`5 runs after 1 to warm up`."""
    num_runs = len(counted_runs(report))
    num_warmup = len(report.runs) - num_runs
    cold = "cold " if report.cache == "cold" else ""
    text = f"{num_runs} {cold}run{'s' if num_runs != 1 else ''}" + (
        f" after {num_warmup} to warm up" if num_warmup else ""
    )
    chosen_by = report.repeats.chosen_by_seconds if report.repeats else None
    if chosen_by is None or report.repeats is None or report.repeats.num_counted >= DEFAULT_RUNS:
        return text
    return f"{text} (not {DEFAULT_RUNS}: the first took {format_seconds(chosen_by)})"


def time_to_milestone(report: StartupReport) -> Statistic | None:
    """Over the runs that reached it; None where none did."""
    dump = report.summary.get(milestone_key(report.until))
    return Statistic.model_validate(dump) if dump else None


def total_time(report: StartupReport) -> Statistic | None:
    """The time to the milestone, or the wall time of the last run where no run reached it."""
    reached = time_to_milestone(report)
    if reached or not report.runs:
        return reached
    return _single(report.runs[-1].wall_seconds)


def phase_rows(report: StartupReport) -> list[PhaseRow]:
    """Phases that took time, in the order of a start; those of the last run where no run reached the milestone."""
    total = total_time(report)
    if total is None:
        return []
    if time_to_milestone(report):
        found = {name: Statistic.model_validate(dump) for name, dump in report.summary.get("phases", {}).items()}
    else:
        found = {phase.name: _single(phase.seconds) for phase in report.runs[-1].phases}
    order = [*PHASES, *(name for name in found if name not in PHASES)]
    return [
        PhaseRow(name, found[name], found[name].median / total.median if total.median else 0.0)
        for name in order
        if name in found and found[name].median > 0
    ]


def phase_sum_note(report: StartupReport) -> str | None:
    """Says so where the medians of the phases do not add up to the median of the total; within one run they do."""
    total, rows = time_to_milestone(report), phase_rows(report)
    phase_sum = sum(row.seconds.median for row in rows)
    if total is None or not rows or abs(phase_sum - total.median) <= 0.01 * total.median:
        return None
    return (
        f"Each phase is a median of its own: together {format_seconds(phase_sum)}, "
        f"the median total is {format_seconds(total.median)}."
    )


def judged(report: StartupReport) -> bool:
    """Whether the absence of findings says something: not where no run came to the milestone."""
    return bool(report.findings) or time_to_milestone(report) is not None


def startup_line(report: StartupReport, *, cells: int | None = None) -> str:
    """`startup 74.3 s = python 0.2 · imports 21.9 · …`; in `cells` columns the smallest phases become `rest`."""
    total = total_time(report)
    if total is None:
        return "startup not measured: no run was recorded"
    scale = line_scale(total.median)
    head = f"startup {scale.text(total.median)} {scale.unit}"
    if time_to_milestone(report) is None:
        head = f"startup {_how_it_ended(report.runs[-1])} after {scale.text(total.median)} {scale.unit}"
    parts: dict[str, float] = {}
    for row in phase_rows(report):
        name = "python" if row.name in _PYTHON else _SHORT_NAMES.get(row.name, phase_name(row.name))
        parts[name] = parts.get(name, 0.0) + row.seconds.median
    if not parts:
        return head
    visible = 0.5 * 10.0**-scale.decimals / scale.factor
    small = [name for name, seconds in parts.items() if seconds < visible]
    rest = sum(parts.pop(name) for name in small)
    while True:
        shown = [*parts.items(), *([("rest", rest)] if rest >= visible else [])]
        line = f"{head} = " + " · ".join(f"{name} {scale.text(seconds)}" for name, seconds in shown)
        if cells is None or len(line) <= cells or len(parts) <= 1:
            return line
        rest += parts.pop(min(parts, key=parts.__getitem__))


def _how_it_ended(run: Run) -> str:
    # A run that arrived, and yet none was counted.
    words = "of the warm-up alone, reached" if run.reached else run.status.replace("_", " ")
    return f"{words} in {phase_name(run.failing_phase)}" if run.failing_phase else words


def failures(report: StartupReport) -> list[str]:
    """One sentence for each run that did not reach the milestone."""
    num_runs = len(report.runs)
    return [
        f"Run {number} of {num_runs}: {run_failure(run)}."
        for number, run in enumerate(report.runs, start=1)
        if not run.reached
    ]


def last_stderr(report: StartupReport) -> list[str]:
    """What the last run that failed printed last, oldest line first."""
    return next((run.stderr_tail for run in reversed(report.runs) if not run.reached and run.stderr_tail), [])


def run_notes(report: StartupReport) -> list[str]:
    """The other clocks and counts of the runs: imports wherever they fell, processor time, processes, the warm-up."""
    runs = [run for run in counted_runs(report) if run.phases]
    if not runs:
        return []
    anywhere = statistics.median(run.imports_anywhere_seconds for run in runs)
    notes = [f"imports, anywhere: {format_seconds(anywhere)} (those inside other phases too)"]
    cpu = [run.cpu_seconds for run in runs if run.cpu_seconds is not None]
    if cpu:
        notes.append(f"processor time {format_seconds(statistics.median(cpu))}")
    roles = Counter(process.role for process in runs[-1].processes)
    if roles.total() > 1:
        notes.append("processes: " + ", ".join(f"{count} {role}" for role, count in roles.items()))
    warmups = [run for run in report.runs if run.warmup and run.reached]
    if warmups:
        notes.append(f"the warm-up run took {format_seconds(warmups[0].wall_seconds)}")
    return notes


def access_facts(report: StartupReport) -> list[str]:
    """Connections, and the phases in which the program's code opened most files, one fact a line."""
    by_phase: dict[str, list[FileAccess]] = {}
    for row in report.file_access:
        by_phase.setdefault(row.phase, []).append(row)
    counted = [(sum(row.num_opened for row in rows), phase, rows) for phase, rows in by_phase.items()]
    facts = []
    for opened, phase, rows in sorted(counted, key=lambda one: -one[0])[:_NUM_ACCESSED]:
        listed = sum(row.num_listed for row in rows)
        if opened + listed:
            most = max(rows, key=lambda row: row.num_opened + row.num_listed)
            folder = short_path(most.folder, cwd=report.target.cwd)
            facts.append(
                f"{phase_name(phase)}: {opened} files opened, {listed} folders listed, most of them in {folder}"
            )
    facts += [
        f"{phase_name(row.phase)}: {row.host}, {row.num_connections} connections, {row.num_lookups} look-ups, "
        f"{format_seconds(row.seconds)}"
        for row in report.network
    ]
    return [plain(fact) for fact in facts]


def noise_notes(report: StartupReport) -> list[str]:
    """What limits the trust in these figures: few runs, a wide interval, a busy machine."""
    notes = []
    total = time_to_milestone(report)
    if doubt := probe_doubt(report):
        notes.append(plain(doubt))
    if total and total.ci95 is None:
        notes.append(f"n = {total.n}: no interval can be given; three runs or more give one")
    if total and total.ci95 and total.median:
        notes.append(
            f"the 95 % interval spans {format_percent((total.ci95[1] - total.ci95[0]) / total.median)} of the median"
        )
    return notes + notes_of(report)


def measured_seconds(report: StartupReport) -> float:
    """Wall seconds of all runs together, warm-ups too: what the observer's cost is a share of."""
    return sum(run.wall_seconds for run in report.runs)


def _single(seconds: float) -> Statistic:
    return Statistic(median=seconds, mad=0.0, ci95=None, n=1)

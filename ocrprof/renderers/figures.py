"""The figures of a report in the order and selection in which people read them; drawn by `console` and `markdown`."""

import shlex
import signal
import statistics
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ocrprof.renderers.places import keep_head, plain
from ocrprof.results.batches import REST
from ocrprof.results.cold import MAX_RESIDENT_SHARE
from ocrprof.results.model import (
    PHASES,
    BaselineReport,
    ColdStarts,
    Environment,
    Finding,
    LoopStatistics,
    Observer,
    Overhead,
    Run,
    StartupReport,
    Statistic,
    TargetInfo,
)
from ocrprof.results.summary import milestone_key
from ocrprof.target import PROBE_ARGUMENTS, UNKNOWN_KEY
from ocrprof.units import format_bytes, format_percent, format_seconds

_PYTHON = ("interpreter", "site")
NOT_SEEN = {
    "training": "not seen: the program ran no training batch",
    "validation": "not seen: the program ran no validation batch",
}
"""Said in place of the figures of a loop."""
NO_FINDINGS = "No finding: no rule saw anything to change in these figures."
_SHORT_NAMES = {"sanity_check": "sanity"}


@dataclass(frozen=True)
class Scale:
    """One unit for a column of seconds, so that its rows can be compared at a glance."""

    unit: str
    factor: float
    decimals: int

    def text(self, seconds: float) -> str:
        """The number alone; what would be rounded to nothing is told as such: `<0.01`."""
        value = seconds * self.factor
        smallest = 10.0**-self.decimals
        if 0 < value < smallest / 2:
            return f"<{smallest:.{self.decimals}f}"
        return f"{value:.{self.decimals}f}"


def line_scale(seconds: float) -> Scale:
    """Three significant digits of the total: for figures in one line."""
    if seconds < 1:
        return Scale("ms", 1e3, 0 if seconds >= 0.1 else 1)
    return Scale("s", 1.0, 2 if seconds < 10 else 1)


def column_scale(seconds: float) -> Scale:
    """Hundredths of a second, or tenths of a millisecond where the largest is below one second: for a table."""
    return Scale("ms", 1e3, 1) if seconds < 1 else Scale("s", 1.0, 2)


@dataclass(frozen=True)
class PhaseRow:
    """One phase of the start; `share` is of the total."""

    name: str
    seconds: Statistic
    share: float


def command(target: TargetInfo) -> str:
    """The measured command as it could be pasted into a shell; a program given as an argument is cut."""
    return keep_head(plain(shlex.join(target.argv)), 600)


def environment_line(environment: Environment) -> str:
    """Processor, cores, memory, GPUs, system, Python, libraries and load in one line."""
    cores = f"{environment.num_cores_usable:g} of {environment.num_cores_present} cores"
    gpus = [f"{gpu.name} {format_bytes(gpu.memory_bytes)}" for gpu in environment.gpus]
    libraries = [f"{name} {version}" for name, version in environment.libraries.items()]
    facts = [environment.cpu, cores, format_bytes(environment.memory_bytes), *(gpus or ["no GPU"]), environment.os]
    told = any("load average" in note for note in environment.notes)
    load = [] if told or environment.load_average is None else [f"load average {environment.load_average:.2f}"]
    return plain(" · ".join([*facts, f"Python {environment.python}", *libraries, *load]))


def short_commit(commit: str) -> str:
    """The first ten digits, and whether the tree had changes."""
    digits, _, dirty = commit.partition("-")
    return f"{digits[:10]}-{dirty}" if dirty else digits[:10]


def observer_line(observer: Observer, *, measured_seconds: float) -> str:
    """What measuring cost, as a share of the time that was measured."""
    share = f" ({format_percent(observer.cost_seconds / measured_seconds)})" if measured_seconds else ""
    return f"{format_seconds(observer.cost_seconds)}{share}, {observer.records} records, {observer.dropped} dropped"


_MILESTONES = {
    "steady": "the last batch to measure",
    "imports": "the end of the imports",
    "data": "data set up",
}


def cold_line(cold: ColdStarts) -> str:
    """`cold 61.2 s, warm 19.4 s → 41.8 s is file I/O`, the files, the largest; or why there is no cold figure."""
    read = f"{cold.num_files} files, {format_bytes(cold.bytes)}"
    ended = f"; ended at a run of status {cold.stopped_by.replace('_', ' ')}" if cold.stopped_by else ""
    if not (cold.cold_seconds and cold.warm_seconds and cold.difference_seconds):
        if cold.stopped_by:
            return f"cold not measured{ended}"
        stayed = ", ".join(f"{Path(file.path).name} {format_bytes(file.bytes)}" for file in cold.resident[:3])
        return (
            f"cold not achieved: {format_percent(cold.resident_share)} of {read} stayed in the page cache after "
            f"eviction (another process uses them, or they are not ours to ask about): {stayed}"
        )
    interval = cold.difference_seconds.ci95
    spread = f" [{format_seconds(interval[0])}, {format_seconds(interval[1])}]" if interval else ""
    largest = ", ".join(f"{Path(file.path).name} {format_bytes(file.bytes)}" for file in cold.largest[:3])
    stayed_text = f"{format_percent(cold.resident_share)} had stayed cached"
    if cold.resident_share > MAX_RESIDENT_SHARE:
        stayed_text = f"no more pairs: after the next eviction {format_percent(cold.resident_share)} stayed cached"
    return (
        f"cold {format_seconds(cold.cold_seconds.median)}, warm {format_seconds(cold.warm_seconds.median)} → "
        f"{format_seconds(cold.difference_seconds.median)}{spread} is file I/O, n = {cold.difference_seconds.n}; "
        f"{read}, the largest {largest}; {stayed_text}{ended}"
    )


def overhead_line(overhead: Overhead) -> str:
    """What recording added by pairs of runs, with its interval, and what it was measured against."""
    pairs = f"{len(overhead.pairs)} pair{'s' if len(overhead.pairs) != 1 else ''} in random order"
    lost = (
        f"; the check ended at a run of status {overhead.stopped_by.replace('_', ' ')}" if overhead.stopped_by else ""
    )
    difference, base = overhead.difference_seconds, overhead.marks_only_seconds
    if difference is None or base is None:
        return f"overhead not measured: no pair arrived{lost}"
    interval = "no interval below three pairs"
    if difference.ci95:
        interval = f"95 % interval {format_seconds(difference.ci95[0])} to {format_seconds(difference.ci95[1])}"
    share = f", {difference.median / base.median * 100:+.1f} %" if base.median else ""
    return (
        f"recording adds {format_seconds(difference.median)}{share} ({interval}) to a start of"
        f" {format_seconds(base.median)} that marks milestones only; {pairs}, seed {overhead.seed}{lost}"
    )


def milestone_name(until: str) -> str:
    """`first-step` reads `first step`; the end of what a baseline measures is no milestone that a user names."""
    return _MILESTONES.get(until, until.replace("-", " "))


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
    return f"{num_runs} run{'s' if num_runs != 1 else ''}" + (f" after {num_warmup} to warm up" if num_warmup else "")


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


def phase_name(name: str) -> str:
    """`first_batch` reads `first batch`."""
    return name.replace("_", " ")


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
    words = run.status.replace("_", " ")
    return f"{words} in {phase_name(run.failing_phase)}" if run.failing_phase else words


def failures(report: StartupReport) -> list[str]:
    """One sentence for each run that did not reach the milestone."""
    num_runs = len(report.runs)
    return [
        f"Run {number} of {num_runs}: {run_failure(run)}."
        for number, run in enumerate(report.runs, start=1)
        if not run.reached
    ]


def run_failure(run: Run) -> str:
    """What happened to a run that did not reach its milestone, and in which phase."""
    after = format_seconds(run.wall_seconds)
    phase = f" in phase {phase_name(run.failing_phase)}" if run.failing_phase else ""
    match run.status:
        case "crashed":
            return f"the target {exit_text(run.exit_code)}{phase}, after {after}, before {milestone_name(run.until)}"
        case "timed_out":
            return f"stopped at the time limit{phase}, after {after}, before {milestone_name(run.until)}"
        case "interrupted":
            return f"interrupted{phase}, after {after}, before {milestone_name(run.until)}"
        case "not_recorded":
            return (
                f"the recorder did not start in the target, so only the wall time is known, {after} "
                "(python -I, -S and -E keep it out)"
            )
        case "ended_early":
            return f"the target {exit_text(run.exit_code)}{phase}, after {after}, before {milestone_name(run.until)}"
        case "probe_ignored" if run.exit_code is None:
            return f"the program paid no heed to the probe: it came to its first training step, after {after}"
        case "probe_ignored":
            return f"the program did not object to an override that does not exist: it exited 0, after {after}"
    return f"the run ended with exit code {run.exit_code}{phase}, after {after}"


def why_not_trained(report: BaselineReport) -> str:
    """Why there is a start but no training run."""
    startup = report.startup
    if startup and failures(startup):
        return "The training run was not measured: the start-up did not arrive."
    if startup and startup.until != "first-step":
        return "The training run was not measured: the program ended without a training step."
    return "The training run was not measured."


def exit_text(exit_code: int | None) -> str:
    """`exited 1`, `was killed by SIGKILL`, `did not end by itself`."""
    if exit_code is None:
        return "did not end by itself"
    if exit_code >= 0:
        return f"exited {exit_code}"
    try:
        return f"was killed by {signal.Signals(-exit_code).name}"
    except ValueError:
        return f"was killed by signal {-exit_code}"


def last_stderr(report: StartupReport) -> list[str]:
    """What the last run that failed printed last, oldest line first."""
    return next((run.stderr_tail for run in reversed(report.runs) if not run.reached and run.stderr_tail), [])


def run_notes(report: StartupReport) -> list[str]:
    """The other clocks and counts of the runs: import time wherever it fell, processor time, processes."""
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
    return notes


def hydra_facts(report: StartupReport) -> list[str]:
    """What configuration cost, one fact a line; nothing for a program that composed nothing."""
    hydra = report.hydra
    if hydra is None or not hydra.compositions:
        return []
    first = hydra.compositions[0]
    composed = " + ".join(f"{format_seconds(one.seconds)} ({one.purpose})" for one in hydra.compositions)
    copies = sum(one.num_deepcopies or 0 for one in hydra.compositions)
    facts = [
        f"{format_seconds(hydra.seconds)} in all: composing {composed}, plugin scan "
        f"{format_seconds(hydra.plugins_seconds)} ({len(hydra.plugins)} modules), "
        f"logging {format_seconds(hydra.logging_seconds)}",
        f"a composition reads {first.num_files} files {format_seconds(first.read_seconds)}, "
        f"defaults {format_seconds(first.defaults_seconds)} ({first.num_configs} entries, {first.depth} deep), "
        f"merge {format_seconds(first.merge_seconds)}, overrides {format_seconds(first.overrides_seconds)}; "
        f"{copies} deep copies in all",
    ]
    if hydra.files:
        slowest = hydra.files[0]
        facts.append(f"slowest file {slowest.path}: {format_seconds(slowest.seconds)} in {slowest.count} reads")
    for label, rows in (("resolvers", hydra.resolvers), ("OmegaConf", hydra.omegaconf)):
        if rows:
            shown = "; ".join(f"{row.name} {row.count}, {format_seconds(row.seconds)}" for row in rows[:4])
            facts.append(f"{label} (calls, seconds together): {shown}")
    if hydra.instantiate_calls:
        facts.append(
            f"instantiate: {hydra.instantiate_calls} calls, {format_seconds(hydra.instantiate_overhead_seconds)} of"
            " Hydra's own, without targets and imports"
        )
    facts += [
        f"instantiate turned {one.num_elements} elements of plain containers into nodes: {format_seconds(one.seconds)}"
        for one in hydra.conversions
    ]
    return [plain(fact) for fact in facts]


def access_facts(report: StartupReport) -> list[str]:
    """Files and connections by phase, one fact a line; nothing at level light."""
    facts = []
    for phase in dict.fromkeys(row.phase for row in report.file_access):
        rows = [row for row in report.file_access if row.phase == phase]
        opened, listed = sum(row.num_opened for row in rows), sum(row.num_listed for row in rows)
        if opened + listed:
            most = max(rows, key=lambda row: row.num_opened + row.num_listed)
            facts.append(
                f"{phase_name(phase)}: {opened} files opened, {listed} folders listed by Python code, "
                f"most of them in {most.folder}"
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


def notes_of(report: StartupReport | BaselineReport) -> list[str]:
    """What the environment and the observer have to say about these figures."""
    return [plain(note) for note in (*report.environment.notes, *report.observer.notes)]


def measured_seconds(report: StartupReport) -> float:
    """Wall seconds of all runs together, warm-ups too: what the observer's cost is a share of."""
    return sum(run.wall_seconds for run in report.runs)


def all_findings(report: BaselineReport) -> list[Finding]:
    """Those of the loops, then those of the start; each once."""
    seen: set[tuple[str, str, str]] = set()
    kept = []
    for finding in [*report.findings, *(report.startup.findings if report.startup else [])]:
        key = (finding.code, finding.title, str(finding.location))
        if key not in seen:
            seen.add(key)
            kept.append(finding)
    return sorted(kept, key=lambda finding: finding.priority)


def evidence_text(evidence: dict[str, Any]) -> str:  # Any: as in the report, JSON values
    """`calls 3 · seconds each 1.02 s, 980 ms`; what is nested deeper stays in report.json."""
    return " · ".join(
        f"{label} {text}" for key, value in evidence.items() for label, text in [_labelled(key, value)] if text
    )


_FORMATS = {"seconds": format_seconds, "bytes": format_bytes, "share": format_percent}


def _labelled(key: str, value: Any) -> tuple[str, str]:  # Any: a JSON value
    stem, _, unit = key.rpartition("_")
    if unit == "percent":
        return phase_name(stem), _scalars(value, lambda number: f"{number:.1f} %")
    if unit in _FORMATS:
        return phase_name(stem or key), _scalars(value, _FORMATS[unit])
    return phase_name(key), _scalars(
        value, lambda number: f"{number:.4g}" if isinstance(number, float) else str(number)
    )


def _scalars(value: Any, number_text: Any) -> str:  # Any: a JSON value; a formatter of one number
    values = value if isinstance(value, list) else [value]
    texts = [
        number_text(item) if isinstance(item, int | float) and not isinstance(item, bool) else plain(str(item))
        for item in values
        if item is not None and not isinstance(item, dict | list)
    ]
    left_out = f", … {len(texts) - 3} more" if len(texts) > 3 else ""
    return ", ".join(texts[:3]) + left_out


def loop_named(report: BaselineReport, name: str) -> LoopStatistics | None:
    """The training or validation loop, None where no batch of it was seen."""
    return next((loop for loop in report.loops if loop.name == name and loop.num_batches), None)


def batch_count(loop: LoopStatistics) -> str:
    """`34, of them 1 warm-up`."""
    return f"{loop.num_batches}, of them {loop.num_warmup} warm-up" if loop.num_warmup else str(loop.num_batches)


def ratio(report: BaselineReport) -> float | None:
    """Median validation batch by median training batch; None where either was not seen."""
    train, validation = loop_named(report, "train"), loop_named(report, "validation")
    if not train or not validation or not train.median_seconds or validation.median_seconds is None:
        return None
    return validation.median_seconds / train.median_seconds


def memory_rows(report: BaselineReport) -> list[tuple[str, str]]:
    """What the process tree and the GPU held at most, as (resource, usage)."""
    memory = report.memory
    if memory is None:
        return [("process tree", "not measured")]
    share = (
        f"{format_percent(memory.share_of_machine)} of the machine's {format_bytes(report.environment.memory_bytes)}"
    )
    rss = f"RSS {format_bytes(memory.peak_rss_bytes)}"
    pss = (
        f"PSS {format_bytes(memory.peak_pss_bytes)} (shared pages once), " if memory.peak_pss_bytes is not None else ""
    )
    rows = [("process tree, peak", f"{pss}{rss}, {share}")]
    gpu = [
        ("GPU allocated by tensors, at the end", memory.gpu_allocated_bytes),
        ("GPU reserved by the CUDA allocator, peak", memory.gpu_reserved_bytes),
        ("GPU held by the process tree, peak", memory.gpu_peak_bytes),
    ]
    seen = [(name, format_bytes(value)) for name, value in gpu if value is not None]
    if seen:
        return rows + seen
    reason = (
        "not seen: no GPU memory was recorded for the target" if report.environment.gpus else "this machine has none"
    )
    return [*rows, ("GPU", reason)]


def limits_text(limits: dict[str, Any]) -> str:  # Any: as in the report, JSON values
    """`num train batches 20 · num val batches all`."""
    return plain(" · ".join(f"{phase_name(key)} {'all' if value is None else value}" for key, value in limits.items()))


def part_name(name: str) -> str:
    """How people read the name of a part of a batch."""
    return "rest: own code, framework" if name == REST else phase_name(name)


@dataclass(frozen=True)
class PartRow:
    """Mean exclusive seconds a batch of one part; `share` is of the mean batch. `key` is its name in the report."""

    key: str
    name: str
    seconds: float
    share: float


def part_rows(loop: LoopStatistics) -> list[PartRow]:
    """Where a batch of the loop goes, the largest part first, and what no part explains; warm-up batches left out.

    Means, not medians: only means of exclusive parts add up to the mean of the whole.
    """
    batches = loop.batch_seconds[loop.num_warmup :]
    if not batches or not loop.parts:
        return []
    batch_mean = statistics.fmean(batches)
    means = {name: sum(values[loop.num_warmup :]) / len(batches) for name, values in loop.parts.items()}
    rows = [PartRow(name, part_name(name), mean, mean / batch_mean) for name, mean in means.items() if mean > 0]
    rows.sort(key=lambda row: (row.key != REST, row.seconds), reverse=True)
    rest = batch_mean - sum(means.values())
    if rest > 0.005 * batch_mean:
        rows.append(PartRow("", "not attributed", rest, rest / batch_mean))
    return rows


def _single(seconds: float) -> Statistic:
    return Statistic(median=seconds, mad=0.0, ci95=None, n=1)

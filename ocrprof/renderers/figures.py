"""What every report tells, whatever it was that was measured: units, names, machine, evidence."""

import shlex
import signal
from dataclasses import dataclass
from typing import Any

from ocrprof.renderers.places import keep_head, plain
from ocrprof.results.model import BaselineReport, Environment, Observer, Run, StartupReport, TargetInfo
from ocrprof.units import format_bytes, format_percent, format_seconds

NO_FINDINGS = "No finding: no rule saw anything to change in these figures."


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
    total = f"{format_seconds(observer.cost_seconds)}{share}, {observer.records} records, {observer.dropped} dropped"
    if not observer.num_loads:
        return total
    num_others = observer.records - observer.num_loads
    return (
        f"{total}: {observer.num_loads} loads × {format_seconds(observer.load_seconds)} + {num_others} others × "
        f"{format_seconds(observer.other_seconds)} + {format_seconds(observer.timed_seconds)} to start and to write"
    )


_MILESTONES = {
    "steady": "the last batch to measure",
    "imports": "the end of the imports",
    "data": "data set up",
}


def milestone_name(until: str) -> str:
    """`first-step` reads `first step`; the end of what a baseline measures is no milestone that a user names."""
    return _MILESTONES.get(until, until.replace("-", " "))


def phase_name(name: str) -> str:
    """`first_batch` reads `first batch`."""
    return name.replace("_", " ")


def run_failure(run: Run) -> str:
    """What happened to a run that did not reach its milestone, and in which phase."""
    after = format_seconds(run.wall_seconds)
    phase = f" in phase {phase_name(run.failing_phase)}" if run.failing_phase else ""
    if run.failing_rank is not None:
        phase = f" with rank {run.failing_rank}{phase}"
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


def notes_of(report: StartupReport | BaselineReport) -> list[str]:
    """What the environment and the observer have to say about these figures."""
    return [plain(note) for note in (*report.environment.notes, *report.observer.notes)]


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

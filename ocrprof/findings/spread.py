"""`noisy`: the runs differ too much to conclude from their median.

The 95 % interval of the median is wider than 10 % of it. With three runs that interval is their whole range.
"""

from typing import Any

from ocrprof.findings.judging import finding
from ocrprof.results.model import Finding, Run, StartupReport
from ocrprof.results.summary import is_measured, milestone_key
from ocrprof.units import format_percent, format_seconds

_MAX_SHARE = 0.10


def noisy(report: StartupReport) -> list[Finding]:
    """A finding where the interval of the time to the milestone is too wide, with what varied most."""
    summary = report.summary.get(milestone_key(report.until))
    interval = summary.get("ci95") if summary else None
    if summary is None or interval is None or not summary["median"]:
        return []
    width = interval[1] - interval[0]
    if width <= _MAX_SHARE * summary["median"]:
        return []
    runs = [run for run in report.runs if is_measured(run)]
    phase, phase_seconds = _widest_phase(runs)
    return [
        finding(
            "noisy",
            f"{len(runs)} runs differ too much: the 95 % interval is {format_percent(width / summary['median'])} of the"
            " median",
            seconds=width,
            of_seconds=summary["median"],
            evidence={"interval_seconds": list(interval), "runs_seconds": [run.wall_seconds for run in runs]}
            | {"widest_phase": phase, "widest_phase_range_seconds": phase_seconds}
            | _load(report),
            effect="tells",
            advice=_advice(report, runs, phase, phase_seconds),
        )
    ]


def _widest_phase(runs: list[Run]) -> tuple[str, float]:
    """The phase whose longest and shortest run lie farthest apart, and by how much."""
    names = {phase.name for run in runs for phase in run.phases}
    ranges = {}
    for name in sorted(names):
        seconds = [sum(phase.seconds for phase in run.phases if phase.name == name) for run in runs]
        ranges[name] = max(seconds) - min(seconds)
    widest = max(ranges, key=lambda name: ranges[name])
    return widest, ranges[widest]


def _load(report: StartupReport) -> dict[str, Any]:  # Any: JSON values
    if report.environment.load_average is None:
        return {}
    return {
        "load_average": report.environment.load_average,
        "num_cores_usable": report.environment.num_cores_usable,
    }


def _advice(report: StartupReport, runs: list[Run], phase: str, phase_seconds: float) -> str:
    said = f"Most of it is in `{phase}`, whose runs lie {format_seconds(phase_seconds)} apart."
    load, cores = report.environment.load_average, report.environment.num_cores_usable
    if load is not None and load > 1.5 * cores:
        return (
            f"{said} More ran than the target (load {load:.1f} on {cores:g} cores): measure again on a quiet machine."
        )
    slowest = max(range(len(runs)), key=lambda index: runs[index].wall_seconds)
    if slowest == 0 and not any(run.warmup for run in report.runs):
        return f"{said} The first run was the slowest, it filled the caches: measure again with --warmup 1."
    return f"{said} Measure again with --runs {2 * len(runs)}."

"""`noisy`: the runs differ too much to conclude from their median.

The 95 % interval of the median is wider than 10 % of it. With three runs that interval is their whole range.
"""

from collections.abc import Sequence
from typing import Any

from ocrprof.findings.judging import finding
from ocrprof.results.model import Finding, Run, StartupReport
from ocrprof.results.summary import is_measured, milestone_key
from ocrprof.units import format_bytes, format_percent, format_seconds

_MAX_SHARE = 0.10
_MIN_BUSY_CORES = 0.25
_MIN_LOST_SHARE = 0.01
_MIN_SWAPPED_BYTES = 2**20
# What is waited for, and the share of the time from which on it is told. A core is waited for a little on any machine.
_WAITS = {"cpu": ("a core", 0.20), "io": ("a disk", 0.05), "memory": ("memory", 0.01)}


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
    during = disturbances(runs, num_cores=report.environment.num_cores_usable)
    return [
        finding(
            "noisy",
            f"{len(runs)} runs differ too much: the 95 % interval is {format_percent(width / summary['median'])} of the"
            " median",
            seconds=width,
            of_seconds=summary["median"],
            evidence={"interval_seconds": list(interval), "runs_seconds": [run.wall_seconds for run in runs]}
            | {"widest_phase": phase, "widest_phase_range_seconds": phase_seconds}
            | _load(report)
            | ({"during_runs": during} if during else {}),
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
    during = disturbances(runs, num_cores=cores)
    if during:
        return f"{said} During the runs {'; '.join(during)}: measure again on a quiet machine."
    if load is not None and load > 1.5 * cores:
        return (
            f"{said} More ran than the target (load {load:.1f} on {cores:g} cores): measure again on a quiet machine."
        )
    slowest = max(range(len(runs)), key=lambda index: runs[index].wall_seconds)
    if slowest == 0 and not any(run.warmup for run in report.runs):
        return f"{said} The first run was the slowest, it filled the caches: measure again with --warmup 1."
    if any(run.surroundings is not None for run in runs):
        said += " The kernel's counters show nothing beside the target that would explain it."
    return f"{said} Measure again with --runs {2 * len(runs)}."


def disturbances(runs: Sequence[Run], *, num_cores: float) -> list[str]:
    """What the kernel counted during these runs that makes times longer and unlike one another; none: nothing did."""
    watched = [(run, run.surroundings) for run in runs if run.surroundings is not None]
    if not watched:
        return []
    found = []
    (_, fastest), (_, slowest) = (chosen(watched, key=lambda one: one[0].wall_seconds) for chosen in (min, max))
    busy = [one.others_busy_cores for _, one in watched if one.others_busy_cores is not None]
    if busy and max(busy) >= _MIN_BUSY_CORES:
        found.append(
            f"other processes kept {fastest.others_busy_cores or 0.0:.1f} (in the fastest run) and"
            f" {slowest.others_busy_cores or 0.0:.1f} (in the slowest) of {num_cores:g} cores busy"
        )
    total = sum(one.seconds for _, one in watched)
    for resource, (what, enough) in _WAITS.items():
        waited = sum(one.waited.get(resource, 0.0) for _, one in watched)
        if waited >= enough * total:
            found.append(f"tasks waited for {what} in {format_percent(waited / total)} of the time")
    for what, seconds in (
        ("a CPU quota held a control group back", [one.throttled_seconds for _, one in watched]),
        ("the hypervisor gave a core to others", [one.stolen_seconds for _, one in watched]),
    ):
        lost = sum(one for one in seconds if one is not None)
        if lost >= _MIN_LOST_SHARE * total:
            found.append(f"{what} for {format_seconds(lost)}")
    swapped = sum(one.swapped_bytes or 0 for _, one in watched)
    if swapped >= _MIN_SWAPPED_BYTES:
        found.append(f"{format_bytes(swapped)} moved to or from swap")
    slowed = sum(one.num_thermal_throttles or 0 for _, one in watched)
    if slowed:
        found.append(f"cores slowed down {slowed} times for their heat")
    return found

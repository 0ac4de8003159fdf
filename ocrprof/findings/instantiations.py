"""`duplicate-instantiation`: `hydra.utils.instantiate` did the same work more than once.

Judged by target and argument values. The seconds are those of every call but the first. It is not claimed that one
object can serve all (two modules may each need a state of their own), only that the same was made again from scratch.
"""

from ocrprof.findings.judging import finding, places, start_seconds
from ocrprof.results.model import Finding, Instantiation, StartupReport
from ocrprof.units import format_seconds

_MIN_SECONDS = 0.1
_MIN_SHARE = 0.005


def duplicate_instantiations(report: StartupReport) -> list[Finding]:
    """One finding for each target that was built again with the same arguments; what lies inside one is part of it."""
    of_seconds = start_seconds(report)
    found = [
        row
        for row in report.instantiations
        if row.duplicate and _again_seconds(row) >= max(_MIN_SECONDS, _MIN_SHARE * of_seconds)
    ]
    outermost = [row for row in found if not any(_is_inside(row, other) for other in found)]
    return [_finding(row, report, of_seconds) for row in outermost]


def _again_seconds(row: Instantiation) -> float:
    return sum(row.each_seconds[1:])


def _is_inside(row: Instantiation, other: Instantiation) -> bool:
    """Whether every node of `row` lies under a node of `other`, and was built as often or less."""
    return (
        row is not other
        and row.count <= other.count
        and all(any(_is_below(path, parent) for parent in other.config_paths) for path in row.config_paths)
    )


def _is_below(path: str, parent: str) -> bool:
    return path.startswith(f"{parent}.") if parent else bool(path)


def _finding(row: Instantiation, report: StartupReport, of_seconds: float) -> Finding:
    again = _again_seconds(row)
    return finding(
        "duplicate-instantiation",
        f"{row.target} is built {row.count} times with the same arguments",
        seconds=again,
        of_seconds=of_seconds,
        location=row.callers[1] if len(row.callers) > 1 else row.callers[0] if row.callers else row.location,
        evidence={
            "calls": row.count,
            "each_seconds": row.each_seconds,
            "config_paths": [path or "(root)" for path in row.config_paths],
            "defined_at": [places([row.location], cwd=report.target.cwd)] if row.location else [],
        },
        intervals=[
            (start, start + seconds)
            for start, seconds in zip(row.each_start_seconds[1:], row.each_seconds[1:], strict=False)
        ],
        advice=_advice(row, report.target.cwd, again),
    )


def _advice(row: Instantiation, cwd: str, again: float) -> str:
    at = f" at {places(row.callers, cwd=cwd)}" if row.callers else ""
    paths = [f"`{path}`" for path in row.config_paths if path]
    if len(paths) > 1:
        nodes = " and ".join([", ".join(paths[:-1]), paths[-1]])
        how = f"{nodes} make equal objects{at}: build one and pass it to the rest"
    else:
        node = paths[0] if paths else "The same node"
        how = f"{node} is instantiated {row.count} times{at}: build it once and hand it on"
    return (
        f"{how}, which saves {format_seconds(again)}. Where each needs a state of its own, `copy.deepcopy` the first."
    )

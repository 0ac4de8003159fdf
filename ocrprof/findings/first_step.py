"""`sanity-check` and `compile-cold`: what training waits for once everything is built.

**The sanity check** validates a few batches before the first step: worth it where a validation can fail after hours,
a cost of every start of a debugging session. Told with what takes long in it. **Compilation**: `torch.compile` compiles
when what it returned is first called, and again for shapes it has not seen; each time the step waits.
"""

from typing import Any

from ocrprof.findings.judging import finding, place, start_seconds, working
from ocrprof.results.constructions import GRAPH, IMPORTS
from ocrprof.results.model import Construction, Finding, Location, StartupReport
from ocrprof.units import format_percent, format_seconds

_MIN_SECONDS = 0.3
_MIN_SHARE = 0.05
_MIN_SHARE_OF_PHASE = 0.3


def sanity_checks(report: StartupReport) -> list[Finding]:
    """At most one finding: a sanity check that takes 5 % of the start or more."""
    of_seconds = start_seconds(report)
    row = max((row for row in report.constructions if row.kind == "sanity_check"), key=_seconds, default=None)
    if row is None:
        return []
    # The parts are those of one run, in which something else may have held it up: the median of all is what it costs.
    seconds = min(row.seconds, _median_of(report, row.phase) or row.seconds)
    if seconds < max(_MIN_SECONDS, _MIN_SHARE * of_seconds):
        return []
    longest = max(row.parts, key=lambda part: part.seconds, default=None)
    of_it, where = "", None
    if longest is not None:
        where = _longest_importer(row, report) if longest.name == IMPORTS else longest.location
        at = f" ({place(where, cwd=report.target.cwd)})" if where else ""
        of_it = f"Of it {format_seconds(longest.seconds)} go into {longest.name}{at}. "
    return [
        finding(
            "sanity-check",
            f"Training waits {format_seconds(seconds)} for the sanity check",
            seconds=seconds,
            of_seconds=of_seconds,
            location=where,
            intervals=working([row]),
            evidence={f"{part.name.replace(' ', '_')}_seconds": part.seconds for part in row.parts[:5]},
            advice=f"{of_it}Where it guards nothing (debugging, a resumed run), start with `num_sanity_val_steps=0`:"
            " the first validation then pays what it really needs.",
        )
    ]


def cold_compilations(report: StartupReport) -> list[Finding]:
    """At most one finding: compilations that take 30 % of the phases in which calls waited for them, or more."""
    of_seconds = start_seconds(report)
    rows = _outermost([row for row in report.constructions if row.kind == GRAPH])
    seconds = sum(row.seconds for row in rows)
    if seconds < max(_MIN_SECONDS, _MIN_SHARE * of_seconds):
        return []
    phases = {row.phase for row in rows}
    waiting = sum(_median_of(report, phase) for phase in phases)
    if seconds < _MIN_SHARE_OF_PHASE * waiting:
        return []
    longest = max(rows, key=_seconds)
    again = len(rows) - len({(row.name, str(row.location)) for row in rows})
    recompiled = (
        f" {again} of them compile the same function again: mark what varies with `dynamic=True` or"
        " `torch._dynamo.mark_dynamic`."
        if again
        else ""
    )
    return [
        finding(
            "compile-cold",
            f"The first call of what torch.compile made waits {format_seconds(seconds)} for {len(rows)} compilations",
            seconds=seconds,
            of_seconds=of_seconds,
            location=_programs_line(longest, report),
            intervals=working(rows),
            evidence={
                "compiled": [f"{row.name} {format_seconds(row.seconds)}" for row in rows[:5]],
                "phases": sorted(phases),
                "share_of_these_phases": format_percent(seconds / waiting) if waiting else None,
            },
            advice=f"Switch it off for runs too short to win it back; keep TORCHINDUCTOR_CACHE_DIR in a folder that"
            f" outlives the run; compile the block that repeats instead of the whole model.{recompiled}",
        )
    ]


def _programs_line(row: Construction, report: StartupReport) -> Location | None:
    """Where the compiled function stands; of one of torch's own modules, the call of torch.compile before it."""
    if row.location is not None and "site-packages" not in row.location.file:
        return row.location
    calls = [one for one in report.constructions if one.kind == "compile" and one.start_seconds <= row.start_seconds]
    return calls[-1].location if calls else row.location


def _longest_importer(row: Construction, report: StartupReport) -> Location | None:
    """The line behind the longest load in it."""
    loads = [
        one
        for one in report.imports
        if one.depth == 0 and one.thread == 0 and row.start_seconds <= one.start_seconds < _ends(row)
    ]
    longest = max(loads, key=lambda one: one.inclusive_seconds, default=None)
    return longest.importer if longest is not None else None


def _outermost(rows: list[Construction]) -> list[Construction]:
    return [
        row
        for row in rows
        if not any(
            other is not row and _is_inside(row.start_seconds, other) and _ends(row) <= _ends(other) for other in rows
        )
    ]


def _is_inside(at_seconds: float, row: Construction) -> bool:
    return row.start_seconds <= at_seconds < _ends(row)


def _ends(row: Construction) -> float:
    return row.start_seconds + row.seconds


def _seconds(row: Construction) -> float:
    return row.seconds


def _median_of(report: StartupReport, phase: str) -> float:
    statistic: dict[str, Any] = report.summary.get("phases", {}).get(phase, {})  # Any: a Statistic as JSON
    return float(statistic.get("median", 0.0))

"""`repeated-lookup`: a function of the program is called again and again with the same arguments during the start.

Judged at level full only, which measures it: calls with equal plain arguments and equal plain results, so that the
first one had done the work. The seconds are those of all the others. Whether a result may be kept (it could have been
another one later) is the author's to say.
"""

from ocrprof.findings.judging import bare, finding, places, start_seconds, working
from ocrprof.results.model import Finding, RepeatedCalls, StartupReport
from ocrprof.units import format_seconds

_MIN_SECONDS = 0.05
_MIN_SHARE = 0.003


def repeated_lookups(report: StartupReport) -> list[Finding]:
    """One finding for each function whose repetitions take long enough."""
    of_seconds = start_seconds(report)
    # What OmegaConf calls to resolve a value is told of by `slow-compose`.
    resolvers = [row.location for row in report.hydra.resolvers] if report.hydra else []
    return [
        _finding(one, report, of_seconds)
        for one in (report.calls.repeated if report.calls else [])
        if one.seconds is not None and one.seconds >= max(_MIN_SECONDS, _MIN_SHARE * of_seconds)
        if one.location not in resolvers
    ]


def _finding(one: RepeatedCalls, report: StartupReport, of_seconds: float) -> Finding:
    seconds = one.seconds or 0.0
    name = bare(one.function)
    at = f", called at {places(one.callers, cwd=report.target.cwd)}" if one.callers else ""
    num_distinct = one.num_calls - one.num_repeated
    same = "the same arguments" if num_distinct == 1 else f"{num_distinct} different sets of arguments"
    how = (
        "keep its results by argument (`functools.cached_property`, or a dict of the instance)"
        if one.is_method
        else "put `@functools.lru_cache(maxsize=None)` above it, or look up once and hand the result on"
    )
    return finding(
        "repeated-lookup",
        f"{one.function} is called {one.num_calls} times with {same}",
        seconds=seconds,
        of_seconds=of_seconds,
        location=one.location,
        evidence={
            "calls": one.num_calls,
            "repeated": one.num_repeated,
            "example": f"{name}({one.example})",
            "called_at": [places([caller], cwd=report.target.cwd) for caller in one.callers],
            "work_around_it": [f"{span or 'none'} {format_seconds(part)}" for span, part in one.spans.items()],
        },
        intervals=working(row for row in report.constructions if row.kind in one.spans and row.kind != "program"),
        advice=f"{one.num_repeated} of its calls{at} do again what an equal call has done: {how}. What is returned must"
        f" then not be changed by whoever gets it.",
    )

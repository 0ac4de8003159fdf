"""Measures what recording costs: pairs of starts, one recorded, one with the marks of the milestones alone."""

import random

from ocrprof.measure.child import run_target
from ocrprof.measure.startup import Progress, run_of
from ocrprof.plan import StartupPlan
from ocrprof.records import read_records
from ocrprof.results.model import OverheadPair, Run, RunStatus, StartupReport
from ocrprof.results.overhead import build_overhead, order_of_pairs
from ocrprof.target import probe_target


def with_overhead(report: StartupReport, plan: StartupPlan, *, progress: Progress) -> StartupReport:
    """The report with the overhead by pairs of further runs to its milestone, one for each counted run.

    The first run that does not reach it ends the check; what was paired before is kept.
    """
    seed = random.SystemRandom().randrange(2**32)
    pairs: list[OverheadPair] = []
    num_pairs = report.repeats.num_counted if report.repeats else len(report.runs)
    stopped_by: RunStatus | None = None
    try:
        for number, recorded_first in enumerate(order_of_pairs(num_pairs, seed=seed), start=1):
            progress(f"overhead: pair {number} of {num_pairs}")
            runs = _pair(plan, number=number, recorded_first=recorded_first, until=report.until)
            stopped_by = next((run.status for run in runs.values() if not run.reached), None)
            if stopped_by is not None:
                break
            pairs.append(
                OverheadPair(
                    recorded_seconds=runs["light"].wall_seconds,
                    marks_only_seconds=runs["bare"].wall_seconds,
                    recorded_first=recorded_first,
                )
            )
    except KeyboardInterrupt:
        stopped_by = "interrupted"
    return report.model_copy(update={"overhead": build_overhead(pairs, seed=seed, stopped_by=stopped_by)})


def _pair(plan: StartupPlan, *, number: int, recorded_first: bool, until: str) -> dict[str, Run]:
    """The runs of a pair by level; the second is not made where the first did not reach the milestone."""
    runs: dict[str, Run] = {}
    for level in ("light", "bare") if recorded_first else ("bare", "light"):
        if all(run.reached for run in runs.values()):
            runs[level] = _run(plan, level, number=number, until=until)
    return runs


def _run(plan: StartupPlan, level: str, *, number: int, until: str) -> Run:
    """One run of a pair. A probe is stopped at a first step, as in the report's own runs."""
    outcome = run_target(
        probe_target(plan.target, plan.probe) if plan.probe else plan.target,
        directory=plan.output / "runs" / f"overhead-{number}-{level}",
        until="first-step" if plan.probe else until,
        timeout_seconds=plan.timeout_seconds,
        settings={"OCRPROF_LEVEL": level},
    )
    if plan.probe:
        outcome = outcome.as_answer_to(plan.probe)
    return run_of(outcome, read_records(outcome.directory / "records"), until=until, warmup=False)

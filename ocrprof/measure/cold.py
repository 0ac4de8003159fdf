"""Measures cold starts: before each, exactly the files that the target read are evicted from the page cache."""

from ocrprof.measure.child import run_target
from ocrprof.measure.cold_files import ColdFiles
from ocrprof.measure.startup import Progress, run_of
from ocrprof.plan import StartupPlan
from ocrprof.records import read_records
from ocrprof.results.cold import build_cold
from ocrprof.results.model import ColdPair, Run, RunStatus, StartupReport
from ocrprof.target import probe_target


def with_cold(report: StartupReport, plan: StartupPlan, *, progress: Progress) -> StartupReport:
    """The report with pairs of further runs to its milestone, one cold, the next warm by the first; one a counted run.

    A run before them tells which files are read. The first eviction that fails ends it, as does the first run that does
    not reach the milestone; what was paired before is kept.
    """
    pairs: list[ColdPair] = []
    num_pairs = report.repeats.num_counted if report.repeats else len(report.runs)
    stopped_by: RunStatus | None = None
    files = ColdFiles(plan.output)
    try:
        progress("cache: a run that tells which files it reads")
        listing = _run(plan, "cache-files", until=report.until, settings={"OCRPROF_FILES": "1"})
        stopped_by = None if listing.reached else listing.status
        files = ColdFiles(plan.output / "runs" / "cache-files")
        for number in range(1, num_pairs + 1) if stopped_by is None else ():
            progress(f"cache: pair {number} of {num_pairs}, cold then warm")
            if not files.evict():
                break
            cold = _run(plan, f"cache-{number}-cold", until=report.until, settings={})
            files.look()
            warm = _run(plan, f"cache-{number}-warm", until=report.until, settings={}) if cold.reached else cold
            if not warm.reached:
                stopped_by = warm.status
                break
            pairs.append(
                ColdPair(
                    cold_seconds=cold.wall_seconds,
                    warm_seconds=warm.wall_seconds,
                    cold_phases=cold.phases,
                    warm_phases=warm.phases,
                )
            )
    except KeyboardInterrupt:
        stopped_by = "interrupted"
    cold_starts = build_cold(
        pairs,
        files=files.sizes,
        resident=files.resident,
        read=files.read,
        holders=files.holders,
        stopped_by=stopped_by,
    )
    return report.model_copy(update={"cold": cold_starts})


def _run(plan: StartupPlan, name: str, *, until: str, settings: dict[str, str]) -> Run:
    """One run. A probe is stopped at a first step, as in the report's own runs."""
    outcome = run_target(
        probe_target(plan.target, plan.probe) if plan.probe else plan.target,
        directory=plan.output / "runs" / name,
        until="first-step" if plan.probe else until,
        timeout_seconds=plan.timeout_seconds,
        settings=settings,
    )
    if plan.probe:
        outcome = outcome.as_answer_to(plan.probe)
    return run_of(outcome, read_records(outcome.directory / "records"), until=until, warmup=False)

"""Measures cold starts: before each, exactly the files that the target read are evicted from the page cache."""

import os
from pathlib import Path

from ocrprof.measure.child import run_target
from ocrprof.measure.page_cache import evict, resident_bytes
from ocrprof.measure.startup import Progress, run_of
from ocrprof.plan import StartupPlan
from ocrprof.records import read_records
from ocrprof.results.cold import MAX_RESIDENT_SHARE, build_cold
from ocrprof.results.model import ColdPair, FileSize, Run, RunStatus, StartupReport
from ocrprof.target import probe_target

_NUM_ATTEMPTS = 3


def with_cold(report: StartupReport, plan: StartupPlan, *, progress: Progress) -> StartupReport:
    """The report with `plan.runs` pairs of further runs to its milestone, one cold, the next warm by the first.

    A run before them tells which files are read. The first eviction that fails ends it, as does the first run that does
    not reach the milestone; what was paired before is kept.
    """
    pairs: list[ColdPair] = []
    stopped_by: RunStatus | None = None
    files: dict[Path, int] = {}
    resident: list[FileSize] = []
    try:
        progress("cache: a run that tells which files it reads")
        listing = _run(plan, "cache-files", until=report.until, settings={"OCRPROF_FILES": "1"})
        stopped_by = None if listing.reached else listing.status
        files = _files_of(plan.output / "runs" / "cache-files")
        for number in range(1, plan.runs + 1) if stopped_by is None else ():
            progress(f"cache: pair {number} of {plan.runs}, cold then warm")
            resident = _evicted(files)
            if sum(file.bytes for file in resident) > MAX_RESIDENT_SHARE * sum(files.values()):
                break
            cold = _run(plan, f"cache-{number}-cold", until=report.until, settings={})
            warm = _run(plan, f"cache-{number}-warm", until=report.until, settings={}) if cold.reached else cold
            if not warm.reached:
                stopped_by = warm.status
                break
            pairs.append(ColdPair(cold_seconds=cold.wall_seconds, warm_seconds=warm.wall_seconds))
    except KeyboardInterrupt:
        stopped_by = "interrupted"
    sizes = [FileSize(path=str(path), bytes=size) for path, size in files.items()]
    cold_starts = build_cold(pairs, files=sizes, resident=resident, stopped_by=stopped_by)
    return report.model_copy(update={"cold": cold_starts})


def _files_of(directory: Path) -> dict[Path, int]:
    """What the processes of a run have listed, with sizes; links followed, so that no file counts twice."""
    found: dict[Path, int] = {}
    for listing in directory.glob("files-*.txt"):
        for line in listing.read_bytes().splitlines():
            path = Path(os.fsdecode(line)).resolve()
            if path.is_file():
                found[path] = path.stat().st_size
    return found


def _evicted(files: dict[Path, int]) -> list[FileSize]:
    """What stays of the files in the page cache after they were evicted."""
    stayed: dict[Path, int] = {}
    for _ in range(_NUM_ATTEMPTS):
        evict(files)
        stayed = {path: resident_bytes(path) for path in files if path.is_file()}
        if sum(stayed.values()) <= MAX_RESIDENT_SHARE * sum(files.values()):
            break
    return [FileSize(path=str(path), bytes=size) for path, size in stayed.items() if size]


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

"""Reports for the tests of rules: a start of hand-made records, and a baseline of hand-made loops."""

from collections.abc import Sequence

from recorded import MS, SPAWN, ns
from reports_fixture import ENVIRONMENT, OBSERVER, TARGET, TOOL

from ocrprof.records import ProcessRecords
from ocrprof.results.model import BaselineReport, Finding, Location, LoopStatistics, Part, Run, StartupReport
from ocrprof.results.startup import build_run, build_tables
from ocrprof.results.summary import summarize

CREATED = "2026-03-02T09:41:00Z"


def start_of(
    *records: ProcessRecords,
    end: float,
    until: str = "first-step",
    status: str = "reached",
    exit_code: int | None = None,
    runs: Sequence[Run] | None = None,
) -> StartupReport:
    """The report of one run of these processes, gone `end` ms after the spawn; `runs` instead of it where given."""
    when = {"spawn_ns": SPAWN * MS, "end_ns": ns(end), "until": until, "status": status}
    measured = [build_run(records, exit_code=exit_code, **when)] if runs is None else list(runs)
    return StartupReport(
        created=CREATED,
        tool=TOOL,
        target=TARGET.model_copy(update={"cwd": "/home/ana"}),
        environment=ENVIRONMENT,
        observer=OBSERVER,
        until=until,
        runs=measured,
        summary=summarize(measured, until=until),
        **build_tables(records, **when).as_fields(),
    )


def loop_of(
    name: str,
    *,
    batches: int = 10,
    batch_size: int | None = 4,
    warmup: int = 2,
    num_workers: int | None = 0,
    outside: Sequence[Part] = (),
    **parts: float,
) -> LoopStatistics:
    """A loop of equal batches that is made of `parts`, seconds a batch."""
    seconds = [sum(parts.values())] * batches
    return LoopStatistics(
        name=name,
        num_batches=batches,
        num_warmup=warmup,
        total_seconds=sum(seconds) + sum(part.seconds for part in outside),
        mean_seconds=seconds[0],
        median_seconds=seconds[0],
        p95_seconds=seconds[0],
        p99_seconds=seconds[0],
        std_seconds=0.0,
        batch_size=batch_size,
        num_workers=num_workers,
        batch_seconds=seconds,
        parts={part: [each] * batches for part, each in parts.items()},
        part_locations={
            part: Location(file=f"/home/ana/ocr/{part.lower()}.py", line=7) for part in parts if part != "fetch"
        },
        outside_batches=list(outside),
    )


def baseline_of(*loops: LoopStatistics, run: Run | None = None, startup: StartupReport | None = None) -> BaselineReport:
    return BaselineReport(
        created=CREATED,
        tool=TOOL,
        target=TARGET.model_copy(update={"cwd": "/home/ana"}),
        environment=ENVIRONMENT,
        observer=OBSERVER,
        startup=startup,
        run=run,
        loops=list(loops),
    )


def one_of(findings: Sequence[Finding], code: str) -> Finding:
    """The only finding of that code."""
    (finding,) = [finding for finding in findings if finding.code == code]
    return finding


def codes(findings: Sequence[Finding]) -> list[str]:
    return [finding.code for finding in findings]

"""Measures a start-up: the target in fresh processes, each stopped at its milestone."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ocrprof.measure.call_counts import count_calls
from ocrprof.measure.child import Outcome, run_target
from ocrprof.measure.cold_files import ColdFiles
from ocrprof.measure.environment import describe_environment, describe_tool
from ocrprof.measure.import_questions import answer
from ocrprof.measure.lazy_runs import LazyRuns
from ocrprof.measure.surroundings import SurroundingsWatch
from ocrprof.measure.workers import name_rerun_lines
from ocrprof.plan import StartupPlan
from ocrprof.records import ProcessRecords, read_records
from ocrprof.results.cold import build_cold
from ocrprof.results.configuration import composed_config, config_hash
from ocrprof.results.mask import mask_argv
from ocrprof.results.model import ColdStarts, Environment, Observer, Repeats, Run, StartupReport, TargetInfo
from ocrprof.results.startup import build_run, build_tables, combine_observers, observe, representative
from ocrprof.results.summary import is_measured, summarize
from ocrprof.target import Target, probe_target

Progress = Callable[[str], None]


def measure_startup(plan: StartupPlan, *, progress: Progress) -> StartupReport:
    """The report, not yet judged, of the planned runs. The first one that fails is the last one.

    With `plan.cache` cold the first eviction that fails ends them: what is counted was cold.
    """
    measured: list[tuple[Outcome, list[ProcessRecords]]] = []
    runs: list[Run] = []
    runner = _Runner(plan)
    repeats = Repeats(num_warmup=plan.warmup, num_counted=plan.num_runs(first_seconds=0.0))
    lazy = LazyRuns(plan.what_if, run_once=runner.run) if plan.what_if and plan.verify else None
    files: ColdFiles | None = None
    try:
        while len(runs) < repeats.num_warmup + repeats.num_counted:
            pair = len(runs) - repeats.num_warmup
            progress(_announce(repeats, runs=runs, paired=lazy is not None))
            if files is not None and not files.evict():
                break
            if lazy is not None and lazy.goes_first(pair):
                lazy.run(pair)
            lists_files = plan.cache == "cold" and pair == -1
            outcome, records, run = runner.run(f"{len(runs) + 1}", {"OCRPROF_FILES": "1"} if lists_files else {})
            measured.append((outcome, records))
            runs.append(run.model_copy(update={"warmup": pair < 0}))
            if outcome.status != "reached":
                break
            if files is not None:
                files.look()
            elif lists_files:
                files = ColdFiles(outcome.directory)
            if lazy is not None and not lazy.goes_first(pair):
                lazy.run(pair)
            if len(runs) == 1:
                repeats = _repeats(plan, run, progress=progress)
    except KeyboardInterrupt:
        progress("interrupted: the report holds what was measured")
    report = _report(plan, runner.target, until=runner.until, runs=runs, measured=measured, progress=progress)
    report = report.model_copy(update={"repeats": repeats})
    if files is not None:
        report = report.model_copy(update={"cache": "cold", "cold": _cold_starts(files, runs)})
    if plan.level == "full" and plan.probe is None and all(run.reached for run in report.runs):
        report = report.model_copy(update={"calls": count_calls(runner.run, progress=progress)})
    if lazy is None or report.what_if is None:
        return report
    ordinary = [run for run in runs if not run.warmup]
    verification = lazy.verification(ordinary, predicted=report.what_if.modules)
    return report.model_copy(update={"what_if": report.what_if.model_copy(update={"verification": verification})})


class _Runner:
    """Runs the target of a plan, and learns from the first run that ends early what there is to wait for."""

    def __init__(self, plan: StartupPlan) -> None:
        self.until = plan.until or "first-step"
        self.target = probe_target(plan.target, plan.probe) if plan.probe else plan.target
        self._plan = plan

    def run(self, name: str, settings: Mapping[str, str]) -> tuple[Outcome, list[ProcessRecords], Run]:
        """One run, its files in the folder `name`, with these settings for the recorder."""
        probe = self._plan.probe
        watch = SurroundingsWatch()
        outcome = run_target(
            self.target,
            directory=self._plan.output / "runs" / name,
            # A program that does not answer a probe must not train to its end.
            until="first-step" if probe else self.until,
            timeout_seconds=self._plan.timeout_seconds,
            settings={"OCRPROF_LEVEL": self._plan.level, **settings},
        )
        if probe:
            self.until, outcome = "exit", outcome.as_answer_to(probe)
        elif self._plan.until is None and outcome.status == "ended_early":
            # The program has no training step, and ended well: its own end is what there is to wait for.
            self.until = "exit"
            outcome = outcome.reached_its_end()
        surroundings = watch.surroundings()
        records = read_records(outcome.directory / "records")
        run = run_of(outcome, records, until=self.until, warmup=False)
        return outcome, records, run.model_copy(update={"surroundings": surroundings})


def run_of(outcome: Outcome, records: list[ProcessRecords], *, until: str, warmup: bool) -> Run:
    """The run that an outcome and its records make."""
    run = build_run(
        records,
        spawn_ns=outcome.spawn_ns,
        end_ns=outcome.end_ns,
        exit_code=outcome.exit_code,
        until=until,
        status=outcome.status,
        warmup=warmup,
        stderr_tail=list(outcome.stderr_tail),
        cpu_seconds=outcome.cpu_seconds,
    )
    return run.model_copy(update={"stack": list(outcome.stack)})


def observe_run(outcome: Outcome, records: list[ProcessRecords]) -> Observer:
    """What observing one run cost, and in which of its processes it failed."""
    observer = observe(records)
    return observer.model_copy(update={"notes": [*outcome.recorder_errors, *outcome.output_notes, *observer.notes]})


def describe_target(target: Target, records: list[ProcessRecords]) -> TargetInfo:
    """The command, credentials masked, with the hash of the configuration that it composed."""
    config = composed_config(records)
    return TargetInfo(
        argv=mask_argv(list(target.argv)),
        cwd=str(target.cwd),
        bundled=target.bundled,
        config_hash=config_hash(config) if config is not None else None,
    )


def environment_of(target: Target, records: Sequence[ProcessRecords]) -> Environment:
    """This machine, with the Python and the libraries that the target's processes told of."""
    python = records[0].python if records else None
    return describe_environment(cwd=target.cwd, python=python, libraries=libraries_of(records))


def libraries_of(records: Sequence[ProcessRecords]) -> dict[str, str]:
    """Versions of the libraries that any process of the target loaded."""
    versions: dict[str, str] = {}
    for process in records:
        versions.update(process.versions)
    return versions


def _report(
    plan: StartupPlan,
    target: Target,
    *,
    until: str,
    runs: list[Run],
    measured: list[tuple[Outcome, list[ProcessRecords]]],
    progress: Progress,
) -> StartupReport:
    chosen = representative(runs)
    outcome, records = measured[chosen] if chosen is not None else (None, [])
    tables: dict[str, Any] = {}  # Any: rows of several kinds
    if outcome is not None:
        of_run = build_tables(
            records,
            spawn_ns=outcome.spawn_ns,
            end_ns=outcome.end_ns,
            until=until,
            status=outcome.status,
            stderr_tail=outcome.stderr_tail,
        )
        tables = of_run.as_fields() | {"workers": name_rerun_lines(of_run.workers)}
        if plan.why or plan.what_if or outcome.status == "reached":
            counted = [recorded for run, (_, recorded) in zip(runs, measured, strict=True) if is_measured(run)]
            tables |= answer(plan, of_run.imports, records, outcome, until=until, counted=counted, progress=progress)
    return StartupReport(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        tool=describe_tool(),
        target=describe_target(target, records),
        environment=environment_of(target, records),
        observer=combine_observers([observe_run(outcome, of_run) for outcome, of_run in measured]),
        until=until,
        probe=plan.probe,
        runs=runs,
        summary=summarize(runs, until=until),
        **tables,
    )


def _repeats(plan: StartupPlan, first: Run, *, progress: Progress) -> Repeats:
    """How many runs there will be, now that the first has told how long they take."""
    num_counted = plan.num_runs(first_seconds=first.wall_seconds)
    if plan.runs is None:
        progress(
            f"the first run took {first.wall_seconds:.1f} s, so {num_counted} runs will be counted (--runs gives "
            "another number)"
        )
    chosen_by = first.wall_seconds if plan.runs is None else None
    return Repeats(num_warmup=plan.warmup, num_counted=num_counted, chosen_by_seconds=chosen_by)


def _cold_starts(files: ColdFiles, runs: Sequence[Run]) -> ColdStarts:
    """What is to be told of the counted runs, each of which began with these files evicted."""
    ended = None if runs[-1].reached else runs[-1].status
    return build_cold(
        [],
        files=files.sizes,
        resident=files.resident,
        read=files.read,
        holders=files.holders,
        stopped_by=ended,
        cold_seconds=[run.wall_seconds for run in runs if is_measured(run)],
    )


def _announce(repeats: Repeats, *, runs: Sequence[Run], paired: bool) -> str:
    num_planned = repeats.num_warmup + repeats.num_counted
    # Before the first run their number may still change.
    of = f" of {num_planned}" if runs else ""
    text = f"run {len(runs) + 1}{of}" + (" (warm-up)" if len(runs) < repeats.num_warmup else "")
    if runs:
        left = runs[-1].wall_seconds * (num_planned - len(runs)) * (2 if paired else 1)
        text += f", the last took {runs[-1].wall_seconds:.1f} s, about {left:.0f} s left"
    return text

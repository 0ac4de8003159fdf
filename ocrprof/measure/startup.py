"""Measures a start-up: the target in fresh processes, each stopped at its milestone."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from ocrprof.measure.call_counts import count_calls
from ocrprof.measure.child import Outcome, run_target
from ocrprof.measure.environment import describe_environment, describe_tool
from ocrprof.measure.import_questions import answer
from ocrprof.measure.lazy_runs import LazyRuns
from ocrprof.measure.workers import name_rerun_lines
from ocrprof.plan import StartupPlan
from ocrprof.records import ProcessRecords, read_records
from ocrprof.results.configuration import composed_config, config_hash
from ocrprof.results.mask import mask_argv
from ocrprof.results.model import Observer, Run, StartupReport, TargetInfo
from ocrprof.results.startup import build_run, build_tables, combine_observers, observe, representative
from ocrprof.results.summary import is_measured, summarize
from ocrprof.target import Target, probe_target

Progress = Callable[[str], None]


def measure_startup(plan: StartupPlan, *, progress: Progress) -> StartupReport:
    """The report, not yet judged, of `plan.runs` runs after `plan.warmup` uncounted ones.

    The first run that fails is the last one.
    """
    measured: list[tuple[Outcome, list[ProcessRecords]]] = []
    runs: list[Run] = []
    runner = _Runner(plan)
    num_planned = plan.warmup + plan.runs
    lazy = LazyRuns(plan.what_if, num_pairs=plan.runs, run_once=runner.run) if plan.what_if and plan.verify else None
    try:
        for index in range(num_planned):
            pair = index - plan.warmup
            progress(_announce(index=index, num_planned=num_planned, is_warmup=pair < 0, runs=runs, paired=bool(lazy)))
            if lazy is not None and lazy.goes_first(pair):
                lazy.run(pair)
            outcome, records, run = runner.run(f"{index + 1}", {})
            measured.append((outcome, records))
            runs.append(run.model_copy(update={"warmup": pair < 0}))
            if outcome.status != "reached":
                break
            if lazy is not None and not lazy.goes_first(pair):
                lazy.run(pair)
    except KeyboardInterrupt:
        progress("interrupted: the report holds what was measured")
    report = _report(plan, runner.target, until=runner.until, runs=runs, measured=measured, progress=progress)
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
        records = read_records(outcome.directory / "records")
        return outcome, records, run_of(outcome, records, until=self.until, warmup=False)


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
    return observer.model_copy(update={"notes": [*outcome.recorder_errors, *observer.notes]})


def describe_target(target: Target, records: list[ProcessRecords]) -> TargetInfo:
    """The command, credentials masked, with the hash of the configuration that it composed."""
    config = composed_config(records)
    return TargetInfo(
        argv=mask_argv(list(target.argv)),
        cwd=str(target.cwd),
        bundled=target.bundled,
        config_hash=config_hash(config) if config is not None else None,
    )


def libraries_of(records: list[ProcessRecords]) -> dict[str, str]:
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
            records, spawn_ns=outcome.spawn_ns, end_ns=outcome.end_ns, until=until, status=outcome.status
        )
        tables = of_run.as_fields() | {"workers": name_rerun_lines(of_run.workers)}
        if plan.why or plan.what_if or outcome.status == "reached":
            counted = [recorded for run, (_, recorded) in zip(runs, measured, strict=True) if is_measured(run)]
            tables |= answer(plan, of_run.imports, records, outcome, until=until, counted=counted, progress=progress)
    return StartupReport(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        tool=describe_tool(),
        target=describe_target(target, records),
        environment=describe_environment(
            cwd=target.cwd, python=records[0].python if records else None, libraries=libraries_of(records)
        ),
        observer=combine_observers([observe_run(outcome, of_run) for outcome, of_run in measured]),
        until=until,
        probe=plan.probe,
        runs=runs,
        summary=summarize(runs, until=until),
        **tables,
    )


def _announce(*, index: int, num_planned: int, is_warmup: bool, runs: list[Run], paired: bool) -> str:
    text = f"run {index + 1} of {num_planned}" + (" (warm-up)" if is_warmup else "")
    if runs:
        left = runs[-1].wall_seconds * (num_planned - index) * (2 if paired else 1)
        text += f", the last took {runs[-1].wall_seconds:.1f} s, about {left:.0f} s left"
    return text

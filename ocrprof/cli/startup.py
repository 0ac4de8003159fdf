"""`ocrprof startup`."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ocrprof.cli.options import (
    Command,
    Export,
    Output,
    Quiet,
    Timeout,
    exit_code_for,
    exit_code_of,
    parse_formats,
    progress_printer,
    terminal_width,
    wants_color,
)
from ocrprof.errors import ExitCode, OcrprofError

if TYPE_CHECKING:
    from ocrprof.plan import StartupPlan
    from ocrprof.results.model import StartupReport


class Until(StrEnum):
    """The milestones, as choices."""

    IMPORTS = "imports"
    CONFIG = "config"
    MODEL = "model"
    DATA = "data"
    FIRST_BATCH = "first-batch"
    FIRST_STEP = "first-step"
    EXIT = "exit"


class Cache(StrEnum):
    """States of the page cache, as choices."""

    WARM = "warm"
    COLD = "cold"
    BOTH = "both"


class Level(StrEnum):
    """How much is recorded, as choices."""

    LIGHT = "light"
    FULL = "full"


class ProbeChoice(StrEnum):
    """The probes, as choices."""

    HELP = "help"
    CONFIG = "config"
    ERROR = "error"


def startup(
    command: Command = None,
    output: Output = None,
    runs: Annotated[
        int | None,
        typer.Option(
            "--runs",
            metavar="N",
            help="Counted runs, each in a fresh process.",
            show_default="5, or down to 3 of a target so slow that these take over ten minutes",
        ),
    ] = None,
    warmup: Annotated[int, typer.Option("--warmup", metavar="N", help="Uncounted runs before them.")] = 1,
    quick: Annotated[
        bool, typer.Option("--quick", help="One counted run after the warm-up: figures without an interval.")
    ] = False,
    until: Annotated[
        Until | None,
        typer.Option(
            "--until",
            help="Stop the target here. imports: the first work behind them begins (configuration, data, model, "
            "training). data: the first set-up of a data module has ended, or the first DataLoader is built. "
            "Of several ranks the last one has to come there.",
            show_default="first-step; exit where there is no step",
        ),
    ] = None,
    probe: Annotated[
        ProbeChoice | None,
        typer.Option(
            "--probe",
            help="Measure how long the command takes to answer, to its end: `--help`, Hydra's `--cfg job`, "
            "or an override that does not exist. The arguments for it are put at the end of the command.",
            show_default="none",
        ),
    ] = None,
    cache: Annotated[
        Cache,
        typer.Option(
            "--cache",
            help="Of the page cache, for the counted runs. cold: the files that the target reads are evicted before "
            "each (no root needed; no other file is touched). both: warm, then N pairs of a cold and a warm one.",
        ),
    ] = Cache.WARM,
    level: Annotated[
        Level,
        typer.Option(
            "--level",
            help="full: count files opened, folders listed and connections too, by phase; then, by further runs, "
            "functions that are called again with the same arguments, and (by py-spy) the lines that take the time.",
        ),
    ] = Level.LIGHT,
    check_overhead: Annotated[
        bool,
        typer.Option(
            "--check-overhead",
            help="Then measure what recording costs by N pairs of further runs, one of each marking milestones only.",
        ),
    ] = False,
    why: Annotated[
        str | None,
        typer.Option("--why", metavar="MODULE", help="Tell how this module comes to be loaded.", show_default="none"),
    ] = None,
    what_if: Annotated[
        str | None,
        typer.Option(
            "--what-if",
            metavar="MODULE",
            help="Predict what a start without this module would save.",
            show_default="none",
        ),
    ] = None,
    verify: Annotated[
        bool,
        typer.Option(
            "--verify",
            help="Measure that too: beside each counted run one in which the module of --what-if is loaded lazily.",
        ),
    ] = False,
    export: Export = None,
    timeout: Timeout = 600.0,
    quiet: Quiet = False,
) -> None:
    """Measure where the time goes from Enter to the first training step."""
    import sys

    from ocrprof.findings import judge
    from ocrprof.measure.child import termination_interrupts
    from ocrprof.measure.cold import with_cold
    from ocrprof.measure.overhead import with_overhead
    from ocrprof.measure.sampling import with_samples
    from ocrprof.measure.startup import measure_startup
    from ocrprof.plan import StartupPlan, default_output
    from ocrprof.renderers.console import render_startup
    from ocrprof.renderers.pages import write_pages
    from ocrprof.target import parse_target
    from ocrprof.trace.export import export_traces

    formats = parse_formats(export)
    plan = StartupPlan(
        target=parse_target(command or [], cwd=Path.cwd()),
        output=output or default_output("startup"),
        runs=_num_runs(runs, quick=quick),
        warmup=warmup,
        until=until.value if until is not None else None,
        timeout_seconds=timeout,
        probe=probe.value if probe is not None else None,
        why=why,
        what_if=what_if,
        verify=verify,
        level=level.value,
        cache=cache.value,
        check_overhead=check_overhead,
    )
    with termination_interrupts():
        report = measure_startup(plan, progress=progress_printer(quiet=quiet))
        if level == Level.FULL:
            report = with_samples(report, plan, progress=progress_printer(quiet=quiet))
        if check_overhead and _exit_code_of_runs(report) == ExitCode.DONE:
            report = with_overhead(report, plan, progress=progress_printer(quiet=quiet))
        if cache == Cache.BOTH and _exit_code_of_runs(report) == ExitCode.DONE:
            report = with_cold(report, plan, progress=progress_printer(quiet=quiet))
    report = judge(report)
    write_pages(report, plan.output)
    if not quiet:
        render_startup(report, stream=sys.stdout, color=wants_color(), width=terminal_width())
        print(f"report: {plan.output / 'report.html'}", file=sys.stderr)
    # A target that kept the recorder out has told so; how it ended decides the exit code, with or without a trace.
    recorded = any(run.processes for run in report.runs)
    for trace in export_traces(report, plan.output, output=plan.output, formats=formats if recorded else ()):
        if not quiet:
            print(f"trace: {trace}", file=sys.stderr)
    code = _exit_code_of_runs(report)
    ends = [check.stopped_by for check in (report.overhead, report.cold, report.samples) if check and check.stopped_by]
    if code == ExitCode.DONE and ends:
        code = exit_code_of(ends[0])
    elif code == ExitCode.DONE and report.cold and not report.cold.achieved:
        code = ExitCode.INCONCLUSIVE
    raise typer.Exit(_answers_exit_code(report, plan) if code == ExitCode.DONE else code)


def _num_runs(runs: int | None, *, quick: bool) -> int | None:
    """As many as are asked for; None: as many as their duration allows."""
    if quick and runs is not None:
        raise OcrprofError(f"--quick and --runs {runs} exclude each other", hint="--quick counts one run")
    return 1 if quick else runs


def _exit_code_of_runs(report: "StartupReport") -> ExitCode:
    """By how they ended. Cold runs that an eviction ended early were not interrupted: that is told for itself."""
    from ocrprof.results.cold import MAX_RESIDENT_SHARE

    planned, cold = report.repeats, report.cold
    was_refused = report.cache == "cold" and cold is not None and cold.resident_share > MAX_RESIDENT_SHARE
    num_expected = len(report.runs) if planned is None or was_refused else planned.num_warmup + planned.num_counted
    return exit_code_for(report.runs, num_expected=num_expected)


def _answers_exit_code(report: "StartupReport", plan: "StartupPlan") -> ExitCode:
    """Of runs that went well, by what was asked of imports. A module that was not loaded is a usage error."""
    from ocrprof.results.deferral import unknown_module

    for name, answer in ((plan.why, report.why), (plan.what_if, report.what_if)):
        if name is not None and answer is None:
            message, hint = unknown_module(name, report.imports, inserted=report.inserted_modules)
            raise OcrprofError(message, hint=hint)
    proof = report.what_if.verification if report.what_if else None
    return ExitCode.TARGET_FAILED if proof is not None and proof.failure is not None else ExitCode.DONE

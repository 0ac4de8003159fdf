"""`ocrprof baseline`."""

from pathlib import Path
from typing import Annotated

import typer

from ocrprof.cli.options import (
    Command,
    Output,
    Quiet,
    Timeout,
    exit_code_for,
    progress_printer,
    terminal_width,
    wants_color,
)

_QUICK_RUNS, _QUICK_WARMUP, _QUICK_TRAIN_BATCHES, _QUICK_VAL_BATCHES = 1, 0, 4, 3
_PATIENCE_SECONDS, _QUICK_PATIENCE_SECONDS = 60, 15


def baseline(
    command: Command = None,
    output: Output = None,
    runs: Annotated[int, typer.Option("--runs", metavar="N", help="Counted runs of the start-up.")] = 3,
    warmup: Annotated[int, typer.Option("--warmup", metavar="N", help="Uncounted runs before them.")] = 1,
    train_batches: Annotated[
        int, typer.Option("--train-batches", metavar="N", help="Training batches to measure before the validation.")
    ] = 20,
    val_batches: Annotated[
        int | None,
        typer.Option("--val-batches", metavar="N", help="Validation batches to measure.", show_default="all"),
    ] = None,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick",
            help=f"One start, {_QUICK_TRAIN_BATCHES} training and {_QUICK_VAL_BATCHES} validation batches: "
            "a first look, without intervals. Overrides the four options above.",
        ),
    ] = False,
    wandb: Annotated[bool, typer.Option("--wandb", help="Log the metrics and the report files to W&B.")] = False,
    wandb_project: Annotated[
        str, typer.Option("--wandb-project", metavar="NAME", help="W&B project to log to.")
    ] = "ocrprof",
    timeout: Timeout = 600.0,
    quiet: Quiet = False,
) -> None:
    """Measure start-up, training and validation, and write one baseline report."""
    import sys

    from ocrprof.findings import judge
    from ocrprof.measure.baseline import measure_baseline
    from ocrprof.measure.child import termination_interrupts
    from ocrprof.plan import BaselinePlan, default_output
    from ocrprof.renderers.console import render_baseline
    from ocrprof.renderers.pages import write_pages
    from ocrprof.renderers.wandb import upload
    from ocrprof.target import parse_target

    plan = BaselinePlan(
        target=parse_target(command or [], cwd=Path.cwd()),
        output=output or default_output("baseline"),
        runs=_QUICK_RUNS if quick else runs,
        warmup=_QUICK_WARMUP if quick else warmup,
        num_train_batches=_QUICK_TRAIN_BATCHES if quick else train_batches,
        num_val_batches=_QUICK_VAL_BATCHES if quick else val_batches,
        patience_seconds=_QUICK_PATIENCE_SECONDS if quick else _PATIENCE_SECONDS,
        timeout_seconds=timeout,
    )
    with termination_interrupts():
        report = measure_baseline(plan, progress=progress_printer(quiet=quiet))
    report = judge(report)
    write_pages(report, plan.output)
    if not quiet:
        render_baseline(report, stream=sys.stdout, color=wants_color(), width=terminal_width())
    if wandb:
        print(f"ocrprof: {upload(plan.output, project=wandb_project)}", file=sys.stderr)
    if not quiet:
        print(f"report: {plan.output / 'report.html'}", file=sys.stderr)
    startup_runs = report.startup.runs if report.startup is not None else []
    code = exit_code_for(
        [*startup_runs, *([report.run] if report.run is not None else [])],
        num_expected=plan.warmup + plan.runs,
    )
    raise typer.Exit(code)

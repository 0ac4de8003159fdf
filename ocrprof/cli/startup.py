"""`ocrprof startup`."""

from enum import StrEnum
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


class Until(StrEnum):
    """The milestones, as choices."""

    CONFIG = "config"
    MODEL = "model"
    FIRST_BATCH = "first-batch"
    FIRST_STEP = "first-step"
    EXIT = "exit"


def startup(
    command: Command = None,
    output: Output = None,
    runs: Annotated[int, typer.Option("--runs", metavar="N", help="Counted runs, each in a fresh process.")] = 5,
    warmup: Annotated[int, typer.Option("--warmup", metavar="N", help="Uncounted runs before them.")] = 1,
    until: Annotated[
        Until | None,
        typer.Option("--until", help="Stop the target here.", show_default="first-step; exit where there is no step"),
    ] = None,
    timeout: Timeout = 600.0,
    quiet: Quiet = False,
) -> None:
    """Measure where the time goes from Enter to the first training step."""
    import sys

    from ocrprof.findings import judge_startup
    from ocrprof.measure.child import termination_interrupts
    from ocrprof.measure.startup import measure_startup
    from ocrprof.plan import StartupPlan, default_output
    from ocrprof.renderers.console import render_startup
    from ocrprof.renderers.markdown import startup_markdown
    from ocrprof.results.store import write_report, write_text
    from ocrprof.target import parse_target

    plan = StartupPlan(
        target=parse_target(command or [], cwd=Path.cwd()),
        output=output or default_output("startup"),
        runs=runs,
        warmup=warmup,
        until=until.value if until is not None else None,
        timeout_seconds=timeout,
    )
    with termination_interrupts():
        report = measure_startup(plan, progress=progress_printer(quiet=quiet))
    report = report.model_copy(update={"findings": judge_startup(report)})
    write_report(report, plan.output)
    write_text(startup_markdown(report), plan.output / "report.md")
    if not quiet:
        render_startup(report, stream=sys.stdout, color=wants_color(), width=terminal_width())
        print(f"report: {plan.output / 'report.md'}", file=sys.stderr)
    raise typer.Exit(exit_code_for(report.runs, num_expected=plan.warmup + plan.runs))

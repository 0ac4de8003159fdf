"""`ocrprof doctor`."""

from pathlib import Path
from typing import Annotated

import typer

from ocrprof.cli.options import Quiet, progress_printer, terminal_width, wants_color
from ocrprof.errors import OcrprofError


def doctor(
    json: Annotated[bool, typer.Option("--json", help="Print the report as JSON, and nothing else.")] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            help="Folder for report.json, report.md and report.html.",
            show_default="none: nothing is written",
        ),
    ] = None,
    python: Annotated[
        str | None,
        typer.Option(
            "--python",
            metavar="PATH",
            help="Interpreter to examine.",
            show_default="that of the active environment, else ocrprof's own",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="DIR", help="Folder of the data, to be timed too.", show_default="none"),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Tell what in this environment costs time, or spoils a measurement; takes seconds."""
    import sys

    from ocrprof.findings import judge
    from ocrprof.measure.doctor import measure_doctor
    from ocrprof.measure.interpreter import active_python
    from ocrprof.plan import DoctorPlan
    from ocrprof.renderers.doctor import render_doctor
    from ocrprof.renderers.pages import write_pages

    if quiet and output is None and not json:
        raise OcrprofError("--quiet leaves nothing to be told", hint="say where to write the report: -o DIR")
    plan = DoctorPlan(python=python or active_python(), cwd=Path.cwd(), data=data, output=output)
    report = judge(measure_doctor(plan, progress=progress_printer(quiet=quiet or json)))
    page = write_pages(report, plan.output) if plan.output is not None else None
    if json:
        print(report.model_dump_json(by_alias=True, indent=1))
    elif not quiet:
        render_doctor(report, stream=sys.stdout, color=wants_color(), width=terminal_width())
    if page is not None and not quiet:
        print(f"report: {page}", file=sys.stderr)

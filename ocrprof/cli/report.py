"""`ocrprof report`."""

from pathlib import Path
from typing import Annotated

import typer

from ocrprof.cli.check_options import Explain
from ocrprof.cli.options import Export, Quiet, parse_formats, terminal_width, wants_color
from ocrprof.errors import OcrprofError


def report(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder that a measurement was written to.", show_default=False)
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", help="Folder for the new pages.", show_default="DIR itself"),
    ] = None,
    export: Export = None,
    explain: Explain = None,
    quiet: Quiet = False,
) -> None:
    """Judge a saved result and draw it again; measures nothing."""
    import sys

    from ocrprof.findings import judge
    from ocrprof.renderers.ablation import render_ablation
    from ocrprof.renderers.check import render_check
    from ocrprof.renderers.compare import render_comparison
    from ocrprof.renderers.console import render_baseline, render_startup
    from ocrprof.renderers.doctor import render_doctor
    from ocrprof.renderers.history import render_history
    from ocrprof.renderers.pages import write_pages
    from ocrprof.renderers.sweep_workers import render_sweep
    from ocrprof.results.check_names import require_explained
    from ocrprof.results.model import (
        AblationReport,
        BaselineReport,
        CheckReport,
        ComparisonReport,
        DoctorReport,
        HistoryReport,
        StartupReport,
        SweepReport,
    )
    from ocrprof.results.store import read_report
    from ocrprof.results.sweep import conclude
    from ocrprof.trace.export import export_traces

    formats = parse_formats(export)
    read = read_report(folder)
    saved = judge(conclude(read) if isinstance(read, SweepReport) else read)
    if explain:
        if not isinstance(saved, CheckReport):
            raise OcrprofError(
                f"--explain: a report of kind {saved.kind} holds no verdicts on metrics",
                hint="one of `ocrprof check` does",
            )
        saved = saved.model_copy(update={"explained": explain})
        require_explained(saved)
    folder = folder if folder.is_dir() else folder.parent
    output = output or folder
    if isinstance(saved, StartupReport | BaselineReport):
        traces = export_traces(saved, folder, output=output, formats=formats)
    elif formats:
        raise OcrprofError(f"--export {export}: a report of kind {saved.kind} tells of no single run")
    else:
        traces = []
    page = write_pages(saved, output)
    if quiet:
        return
    if isinstance(saved, StartupReport):
        render_startup(saved, stream=sys.stdout, color=wants_color(), width=terminal_width())
    elif isinstance(saved, DoctorReport):
        render_doctor(saved, stream=sys.stdout, color=wants_color(), width=terminal_width())
    elif isinstance(saved, AblationReport):
        render_ablation(saved, stream=sys.stdout, color=wants_color(), width=terminal_width())
    elif isinstance(saved, CheckReport):
        render_check(saved, stream=sys.stdout, color=wants_color(), width=terminal_width())
    elif isinstance(saved, ComparisonReport):
        render_comparison(saved, stream=sys.stdout, color=wants_color(), width=terminal_width())
    elif isinstance(saved, HistoryReport):
        render_history(saved, stream=sys.stdout, color=wants_color(), width=terminal_width())
    elif isinstance(saved, SweepReport):
        render_sweep(saved, stream=sys.stdout, color=wants_color(), width=terminal_width())
    elif isinstance(saved, BaselineReport):
        render_baseline(saved, stream=sys.stdout, color=wants_color(), width=terminal_width())
    print(f"report: {page}", file=sys.stderr)
    for trace in traces:
        print(f"trace: {trace}", file=sys.stderr)

"""`ocrprof compare`."""

from pathlib import Path
from typing import Annotated

import typer

from ocrprof.cli.options import Output, Quiet, terminal_width, wants_color
from ocrprof.errors import ExitCode, OcrprofError
from ocrprof.quantities import parse_share


def compare(
    base: Annotated[Path, typer.Argument(metavar="A", help="Report from before: its folder, or its report.json.")],
    candidate: Annotated[Path, typer.Argument(metavar="B", help="Report of the same kind from now.")],
    output: Output = None,
    gate: Annotated[
        bool, typer.Option("--gate", help="Judge it, and exit 1 where a slowdown is confirmed.", show_default="off")
    ] = False,
    min_effect: Annotated[
        str | None,
        typer.Option("--min-effect", metavar="SHARE", help="Slowdown from which --gate may fail.", show_default="5%"),
    ] = None,
    allow_mismatch: Annotated[
        bool,
        typer.Option(
            "--allow-mismatch", help="Let --gate judge reports of unlike machines too.", show_default="exit 4"
        ),
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Compare two reports of one kind: every figure, and why it changed, in seconds that add up."""
    import sys
    from datetime import UTC, datetime

    from ocrprof.measure.environment import describe_tool
    from ocrprof.plan import default_output
    from ocrprof.renderers.compare import render_comparison
    from ocrprof.renderers.pages import write_pages
    from ocrprof.results.compare import compare_reports
    from ocrprof.results.store import read_report

    given = {"--min-effect": min_effect is not None, "--allow-mismatch": allow_mismatch}
    if not gate and any(given.values()):
        names = " and ".join(name for name, is_given in given.items() if is_given)
        raise OcrprofError(f"{names}: without --gate nothing is judged", hint=f"--gate {names.replace(' and', '')}")
    effect = parse_share(min_effect or "5%", option="--min-effect")
    if not 0 <= effect < 1:
        raise OcrprofError(f"--min-effect {min_effect}: has to lie between 0 and 1", hint="5% or 0.05, say")
    report = compare_reports(
        read_report(base),
        read_report(candidate),
        base_path=str(base),
        candidate_path=str(candidate),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        tool=describe_tool(),
        gate=gate,
        allow_mismatch=allow_mismatch,
        min_effect=effect,
    )
    page = write_pages(report, output or default_output("compare"))
    if not quiet:
        render_comparison(report, stream=sys.stdout, color=wants_color(), width=terminal_width())
        print(f"report: {page}", file=sys.stderr)
    if report.verdict == "not_comparable":
        refused = ", ".join(field.name for field in report.mismatches if field.tier == "refuse")
        raise OcrprofError(
            f"not judged: {refused} differ, so times cannot be compared",
            hint="measure both on one machine, or judge them all the same: --allow-mismatch",
            exit_code=ExitCode.NOT_COMPARABLE,
        )
    raise typer.Exit(report.exit_code)

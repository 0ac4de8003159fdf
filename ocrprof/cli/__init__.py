"""The command line: one thin file a verb. Here an error is printed and the process ends, and nowhere else."""

import sys
from typing import Annotated, NoReturn

import typer

import ocrprof
from ocrprof.cli import ablate, baseline, check, compare, doctor, history, report, startup, sweep_workers
from ocrprof.errors import ExitCode, OcrprofError

app = typer.Typer(
    name="ocrprof",
    help="Measure where an OCR training pipeline spends its time, from Enter to the first step and in every step.",
    no_args_is_help=True,
    add_completion=False,
    # Plain help: rich costs more to load than everything else that --help needs.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command("startup")(startup.startup)
app.command("baseline")(baseline.baseline)
app.command("ablate")(ablate.ablate)
app.command("check")(check.check)
app.command("sweep-workers")(sweep_workers.sweep_workers)
app.command("compare")(compare.compare)
app.command("doctor")(doctor.doctor)
app.command("report")(report.report)
app.add_typer(history.app, name="history")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ocrprof {ocrprof.__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Measure where an OCR training pipeline spends its time, from Enter to the first step and in every step."""


def main() -> NoReturn:
    """Runs the command line; its errors become one message, a hint and the documented exit code."""
    try:
        app(standalone_mode=True)
    except OcrprofError as error:
        print(f"error: {error}", file=sys.stderr)
        if error.hint:
            print(f"hint:  {error.hint}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(ExitCode.INTERRUPTED)
    sys.exit(ExitCode.DONE)

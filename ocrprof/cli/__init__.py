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
app.command("startup", short_help="Measure where the time goes until the first training step.")(startup.startup)
app.command("baseline", short_help="Measure start-up, training and validation in one report.")(baseline.baseline)
app.command("ablate", short_help="Measure what each performance feature is worth.")(ablate.ablate)
app.command("check", short_help="Tell whether a change made the program slower; for CI.")(check.check)
app.command("sweep-workers", short_help="Find out how many DataLoader workers a training needs.")(
    sweep_workers.sweep_workers
)
app.command("compare", short_help="Tell why the second of two reports took longer.")(compare.compare)
app.command("doctor", short_help="Tell what in this environment costs time.")(doctor.doctor)
app.command("report", short_help="Judge a saved result and draw it again; measures nothing.")(report.report)
app.add_typer(history.app, name="history", short_help="Keep measurements, and tell where a metric changed.")


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

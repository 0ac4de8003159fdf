"""Options that every verb takes, and how a verb ends."""

import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ocrprof.errors import ExitCode, OcrprofError

if TYPE_CHECKING:
    from ocrprof.results.model import Run, RunStatus
    from ocrprof.trace.export import Format

Command = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="OVERRIDES | -- COMMAND",
        help="What to measure: a command after `--`, or Hydra overrides of the bundled pipeline (none: its defaults).",
        show_default=False,
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", metavar="DIR", help="Folder for the report.", show_default="reports/VERB_<UTC time>"
    ),
]
Timeout = Annotated[float, typer.Option("--timeout", metavar="SECONDS", help="Time limit of one run of the target.")]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="No progress and no summary; the report is written all the same.")
]
Export = Annotated[
    str | None,
    typer.Option(
        "--export",
        metavar="FORMAT[,FORMAT]",
        help="Write the run as a trace too: chrome (trace.json.gz, for ui.perfetto.dev), "
        "speedscope (trace.speedscope.json).",
        show_default="none",
    ),
]


def parse_formats(text: str | None) -> "tuple[Format, ...]":
    """The trace formats that `--export` names, each once."""
    if text is None:
        return ()
    from ocrprof.trace.export import FORMATS

    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in FORMATS:
            raise OcrprofError(f"--export {text}: no format is called {name!r}", hint=f"formats: {', '.join(FORMATS)}")
    return tuple(form for form in FORMATS if form in names)


def parse_loader(text: str) -> Literal["train", "val"] | int:
    """Which of a program's loaders `--loader` names."""
    if text == "train" or text == "val":
        return text  # type: ignore[return-value]  # mypy narrows no str to these
    if text.isascii() and text.isdecimal():
        return int(text)
    raise OcrprofError(f"--loader {text}: no such loader", hint="give train, val or a number, as in --loader 0")


def progress_printer(*, quiet: bool) -> Callable[[str], None]:
    """Prints one line a step to stderr, or nothing. Never while a child is timed: only between two of them."""
    if quiet:
        return lambda text: None
    return lambda text: print(f"ocrprof: {text}", file=sys.stderr, flush=True)


def wants_color() -> bool:
    """Whether stdout is a terminal that may be coloured (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def terminal_width() -> int:
    """Columns of the terminal, 80 where there is none."""
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns
    except (OSError, ValueError):
        return 80


def exit_code_for(runs: "Iterable[Run]", *, num_expected: int) -> ExitCode:
    """How a verb ends whose runs ended so: the worst of them decides."""
    runs = list(runs)
    statuses = {run.status for run in runs}
    if len(runs) < num_expected and statuses <= {"reached"}:
        return ExitCode.INTERRUPTED
    codes = {exit_code_of(status) for status in statuses}
    order = (ExitCode.INTERRUPTED, ExitCode.TIMED_OUT, ExitCode.TARGET_FAILED)
    return next((code for code in order if code in codes), ExitCode.DONE)


def exit_code_of(status: "RunStatus") -> ExitCode:
    """How a verb ends on account of one run that ended so."""
    match status:
        case "reached":
            return ExitCode.DONE
        case "interrupted":
            return ExitCode.INTERRUPTED
        case "timed_out":
            return ExitCode.TIMED_OUT
    return ExitCode.TARGET_FAILED

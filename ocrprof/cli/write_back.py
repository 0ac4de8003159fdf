"""What follows a sweep: where its answer belongs in the target's configuration, and with `--apply` its writing."""

import shlex
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ocrprof.cli.options import progress_printer, terminal_width, wants_color
from ocrprof.errors import ExitCode, OcrprofError

if TYPE_CHECKING:
    from ocrprof.measure.write_back import Proposal, WriteBackPlan
    from ocrprof.results.model import SweepReport, WriteBack
    from ocrprof.target import Target


@dataclass(frozen=True, kw_only=True)
class WriteBackOptions:
    """`prove`: whether to look for the override at all. `key`: the one for num_workers; None looks for it."""

    prove: bool
    apply: bool
    confirmed: bool
    key: str | None
    timeout_seconds: float
    quiet: bool

    def __post_init__(self) -> None:
        if self.apply and not self.prove:
            raise OcrprofError("--apply proves the override first, so --no-print-override excludes it")
        if self.confirmed and not self.apply:
            raise OcrprofError("--yes answers what --apply asks", hint="--apply --yes")
        if self.key is not None and not self.prove:
            raise OcrprofError("--key names what is to be proven, so --no-print-override excludes it")


def conclude_sweep(
    report: "SweepReport", *, target: "Target", folder: Path, options: WriteBackOptions, saved: bool = False
) -> ExitCode:
    """Writes the pages, shows the answer and where it belongs, and writes it there if that was asked for.

    The exit code of that alone: 0, 2 where it was refused, 5 where it had to be taken back, 130 on Ctrl-C. `saved`: the
    report was read from `folder`.
    """
    from ocrprof.measure.write_back import WriteBackPlan, propose_write_back
    from ocrprof.renderers.pages import write_pages
    from ocrprof.results.write_back import why_not_carried

    page = write_pages(report, folder)
    current = report.loader.num_workers if report.loader is not None else 0
    kept_from = why_not_carried(report.recommendation, current=current) if report.loader else "no loader was reached"
    if report.interrupted or not options.prove or kept_from is not None:
        _show(report, page, options)
        if options.apply and not report.interrupted:
            print(f"ocrprof: nothing is written: {kept_from}", file=sys.stderr)
        return ExitCode.DONE
    plan = WriteBackPlan(
        target=target,
        report=report,
        directory=_free(folder),
        began=_began(report),
        saved=saved,
        key=options.key,
        timeout_seconds=options.timeout_seconds,
    )
    try:
        proposal = propose_write_back(plan, progress=progress_printer(quiet=options.quiet))
    except KeyboardInterrupt:
        _show(report, page, options)
        print("ocrprof: interrupted: the key of the configuration was not proven", file=sys.stderr)
        return ExitCode.INTERRUPTED
    report = _with(report, proposal.result)
    page = write_pages(report, folder)
    _show(report, page, options)
    if options.apply:
        return _written(plan, report, proposal, folder=folder, options=options)
    if proposal.result.edits and not options.quiet:
        print(f"to write it: ocrprof sweep-workers --from {shlex.quote(str(folder))} --apply", file=sys.stderr)
    return ExitCode.DONE


def saved_sweep(folder: Path, command: list[str] | None) -> "tuple[SweepReport, Target]":
    """The report in a folder and the target that it is of; `command` stands in where its own holds credentials."""
    from ocrprof.results.model import SweepReport
    from ocrprof.results.store import read_report
    from ocrprof.target import Target, parse_target

    report = read_report(folder)
    if not isinstance(report, SweepReport):
        raise OcrprofError(f"--from {folder}: a report of kind {report.kind} recommends no number of workers")
    cwd = Path(report.target.cwd)
    if not cwd.is_dir():
        raise OcrprofError(
            f"the sweep's program ran in {cwd}, which is not here", hint="write it back where it was swept"
        )
    if command:
        return report, parse_target(command, cwd=cwd)
    if any("***" in argument for argument in report.target.argv):
        raise OcrprofError(
            "the report's command has its credentials masked", hint="give the command again: --from DIR -- COMMAND"
        )
    return report, Target(argv=tuple(report.target.argv), cwd=cwd, bundled=report.target.bundled)


def _written(
    plan: "WriteBackPlan",
    report: "SweepReport",
    proposal: "Proposal",
    *,
    folder: Path,
    options: WriteBackOptions,
) -> ExitCode:
    from ocrprof.measure.write_back import apply_write_back
    from ocrprof.renderers.pages import write_pages
    from ocrprof.renderers.write_back import render_written

    if not proposal.result.edits:
        return ExitCode.DONE if proposal.result.status == "already" else ExitCode.USAGE
    if not options.confirmed and not _is_confirmed():
        print("ocrprof: nothing is written", file=sys.stderr)
        return ExitCode.DONE
    try:
        result = apply_write_back(plan, proposal, progress=progress_printer(quiet=options.quiet))
    except KeyboardInterrupt:
        print("ocrprof: interrupted: the files are as they were", file=sys.stderr)
        return ExitCode.INTERRUPTED
    write_pages(_with(report, result), folder)
    if not options.quiet:
        render_written(result, cwd=report.target.cwd, stream=sys.stdout, color=wants_color(), width=terminal_width())
    return ExitCode.DONE if result.status == "written" else ExitCode.TARGET_FAILED


def _is_confirmed() -> bool:
    """The answer, where there is a terminal to ask at; elsewhere `--apply` is the answer."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return True
    print("ocrprof: write this? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _with(report: "SweepReport", result: "WriteBack") -> "SweepReport":
    told = report.recommendation
    told = None if told is None else told.model_copy(update={"override": result.override})
    return report.model_copy(update={"write_back": result, "recommendation": told})


def _show(report: "SweepReport", page: Path, options: WriteBackOptions) -> None:
    from ocrprof.renderers.sweep_workers import render_sweep
    from ocrprof.renderers.write_back import render_write_back

    if options.quiet:
        return
    render_sweep(report, stream=sys.stdout, color=wants_color(), width=terminal_width())
    if report.write_back is not None:
        render_write_back(
            report.write_back,
            cwd=report.target.cwd,
            stream=sys.stdout,
            color=wants_color(),
            width=terminal_width(),
        )
    print(f"report: {page}", file=sys.stderr)


def _began(report: "SweepReport") -> float:
    """When the sweep began, in seconds since 1970; at most a second late, for its end is known to the second."""
    return datetime.fromisoformat(report.created).timestamp() + 1 - report.seconds


def _free(folder: Path) -> Path:
    """A folder below it that is not there yet."""
    number = 1
    while (folder / f"write_back-{number}").exists():
        number += 1
    return folder / f"write_back-{number}"

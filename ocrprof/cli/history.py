"""`ocrprof history`: add, report, bisect-hint."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ocrprof.cli.options import Output, Quiet, progress_printer, terminal_width, wants_color
from ocrprof.errors import OcrprofError

if TYPE_CHECKING:
    from ocrprof.measure.history import Added
    from ocrprof.results.bisect_hint import BisectHint

app = typer.Typer(
    help="Keep what was measured, session by session, and tell where a metric changed.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Folder = Annotated[
    Path | None,
    typer.Option(
        "--folder",
        metavar="DIR",
        help="Where the histories lie, a file for each fingerprint and metric set.",
        show_default=".ocrprof/history of the repository",
    ),
]
Fingerprint = Annotated[
    str | None,
    typer.Option(
        "--fingerprint",
        metavar="ID",
        help="Of which machine and workload: a file's name, or its beginning.",
        show_default="the latest of this machine",
    ),
]
_NUM_COMMITS = 12


@app.command("add", short_help="Add reports to their histories, each once.")
def add(
    reports: Annotated[
        list[Path],
        typer.Argument(
            metavar="REPORT", help="Reports of check, startup or baseline, or their folders.", show_default=False
        ),
    ],
    folder: Folder = None,
    quiet: Quiet = False,
) -> None:
    """Add sessions to their histories, each once; those that no later one may be held against are flagged."""
    from ocrprof.measure.history import add_report, history_folder

    home = folder or history_folder(Path.cwd())
    problems = []
    for path in reports:
        # One that cannot be read keeps none of the others out.
        try:
            added = add_report(path, home, cwd=Path.cwd())
        except OcrprofError as error:
            problems.append(error)
            continue
        if not quiet:
            print("\n".join(_added_lines(added)))
    if problems:
        others = f" (and {len(problems) - 1} more that could not be added)" if len(problems) > 1 else ""
        raise OcrprofError(f"{problems[0]}{others}", hint=problems[0].hint)


@app.command("report", short_help="Tell where metrics changed for good; never fails.")
def report(
    metrics: Annotated[
        list[str] | None,
        typer.Argument(metavar="METRIC", help="Patterns of the metrics to tell.", show_default="all"),
    ] = None,
    folder: Folder = None,
    fingerprint: Fingerprint = None,
    frozen: Annotated[
        str | None,
        typer.Option(
            "--frozen",
            metavar="REF",
            help="The commit or tag that the fixed reference is of; without a session of it, the last one before.",
            show_default="the last release tag, else the oldest session",
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Of the permutations that changes are held to.")] = 0,
    output: Output = None,
    quiet: Quiet = False,
) -> None:
    """Tell where metrics changed for good, and how far the newest session is from two references; never fails."""
    import sys

    from ocrprof.measure.history import history_folder, read_sessions, report_history
    from ocrprof.plan import HistoryPlan, default_output
    from ocrprof.renderers.history import render_history
    from ocrprof.renderers.pages import write_pages

    cwd, written = Path.cwd(), output or default_output("history")
    plan = HistoryPlan(
        folder=folder or history_folder(cwd),
        output=written,
        metrics=tuple(metrics or ()),
        fingerprint=fingerprint,
        frozen=frozen,
        seed=seed,
    )
    told = report_history(read_sessions(plan, cwd=cwd), plan, cwd=cwd, progress=progress_printer(quiet=quiet))
    page = write_pages(told, written)
    if not quiet:
        render_history(told, stream=sys.stdout, color=wants_color(), width=terminal_width())
        print(f"report: {page}", file=sys.stderr)


@app.command("bisect-hint", short_help="Print the commands that find a regression's commit.")
def bisect_hint(
    metric: Annotated[str, typer.Argument(metavar="METRIC", help="The metric that got worse.", show_default=False)],
    command: Annotated[
        list[str] | None,
        typer.Argument(metavar="-- COMMAND", help="What to measure.", show_default="that of the newest session"),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(
            "--at", metavar="SHA", help="The step to this commit's session.", show_default="the newest regression"
        ),
    ] = None,
    folder: Folder = None,
    fingerprint: Fingerprint = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="The commands alone.")] = False,
) -> None:
    """Print the commands by which git finds the commit behind a regression, sized by this history's noise."""
    from ocrprof.measure.history import commits_between, history_folder, read_sessions, report_history
    from ocrprof.plan import HistoryPlan
    from ocrprof.results.bisect_hint import bisect_hint as make_hint
    from ocrprof.results.bisect_hint import choose_change, exact_beside, launch_seconds

    cwd = Path.cwd()
    plan = HistoryPlan(folder=folder or history_folder(cwd), metrics=(metric,), fingerprint=fingerprint)
    sessions = read_sessions(plan, cwd=cwd)
    told = report_history(sessions, plan, cwd=cwd, progress=progress_printer(quiet=quiet))
    series, change = choose_change(told, metric, at=at)
    hint = make_hint(told, sessions.lines, series, change)
    commits = commits_between(sessions.repository, hint.good.sha, hint.bad.sha)
    if not quiet:
        for line in _hint_lines(hint, commits, seconds=launch_seconds(sessions.lines)):
            print(line)
        beside = exact_beside(sessions.lines, change)
        if hint.num_pairs is not None and beside is not None and len(commits or ()) != 1:
            print(f"quicker: {beside} changed there too, and is exact: ocrprof history bisect-hint {beside}\n")
    print("\n".join(hint.commands(command or sessions.lines[-1].argv, folder=sessions.lines[-1].folder)))


def _added_lines(added: "Added") -> list[str]:
    """What became of one report."""
    if added.line is None or added.path is None:
        return [f"not added: {added.report}: {added.why}"]
    inside = added.path.resolve().is_relative_to(Path.cwd())
    line, path = added.line, os.path.relpath(added.path) if inside else str(added.path)
    commit = f"at {line.git.sha[:9]}" if line.git.sha else "of no commit"
    session = f"{line.kind} {commit}, {len(line.launches)} launches"
    if not added.new:
        return [f"already there: {session} ({added.report}) is in {path}"]
    counted = (
        f"{added.num_sessions} session{'s' if added.num_sessions > 1 else ''}, {added.num_references} to compare with"
    )
    told = [f"added: {session}, to {path} ({counted})"]
    if line.flags:
        words = ", ".join(line.flags).replace("_", " ")
        told.append(f"  flagged {words}: kept, and never compared with")
    if added.nearest is not None:
        told.append(f"  a history of its own, beside {added.nearest.name}, because of {'; '.join(added.unlike)}")
    return told


def _hint_lines(hint: "BisectHint", commits: "list[str] | None", *, seconds: float | None) -> list[str]:
    """What is known before anything is run, and what running it takes."""
    from ocrprof.renderers.figures_history import session_text
    from ocrprof.renderers.places import plain
    from ocrprof.units import format_seconds

    share = "" if hint.change.ratio is None else f" by {100 * (hint.change.ratio - 1):+.1f} %"
    lines = [f"{hint.metric} got worse{share}", f"good  {session_text(hint.good)}", f"bad   {session_text(hint.bad)}"]
    if commits is None:
        lines.append("git does not know both here: run these in a full clone of the repository")
    elif len(commits) == 1:
        lines.append(f"one commit lies between, so it is this one: {plain(commits[0])}")
    else:
        steps = max(len(commits).bit_length() - 1, 1)
        cost = ""
        if seconds and hint.num_pairs:
            cost = f" of {2 * hint.num_pairs} launches, {format_seconds(2 * hint.num_pairs * seconds)} and more"
        lines.append(f"{len(commits)} commits lie between, about {steps} step{'s' if steps > 1 else ''}{cost}:")
        lines += [f"  {plain(commit)[:76]}" for commit in commits[:_NUM_COMMITS]]
        lines += [f"  … {len(commits) - _NUM_COMMITS} more"] if len(commits) > _NUM_COMMITS else []
    return [*lines, hint.why, ""]

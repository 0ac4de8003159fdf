"""`ocrprof check`."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ocrprof.cli.options import Command, Output, Quiet, Timeout, progress_printer, terminal_width, wants_color
from ocrprof.cli.startup import ProbeChoice, Until
from ocrprof.errors import OcrprofError

if TYPE_CHECKING:
    from ocrprof.check_plan import CheckMode, CheckPlan, LoopLimits
    from ocrprof.renderers.check_outputs import CheckFormat
    from ocrprof.results.model import CheckReport


class RuleChoice(StrEnum):
    """The decision rules, as choices."""

    GATE = "gate"
    MARGIN = "margin"


class FailOnChoice(StrEnum):
    """What a check may fail on, as choices."""

    REGRESSION = "regression"
    INCONCLUSIVE = "inconclusive"
    IMPROVEMENT = "improvement"


def check(
    command: Command = None,
    against: Annotated[
        str | None,
        typer.Option(
            "--against",
            metavar="REF",
            help="Compare the working tree with this commit: both in worktrees of their own, in random pairs.",
            show_default="none",
        ),
    ] = None,
    baseline: Annotated[
        list[Path] | None,
        typer.Option(
            "--baseline",
            metavar="FILE",
            help="Compare with this stored report of check, startup or baseline. Repeat for more sessions: eight and "
            "more let times be judged.",
            show_default="none",
        ),
    ] = None,
    remeasure: Annotated[
        bool,
        typer.Option("--remeasure", help="Measure the commit of --baseline again, here and now, as with --against."),
    ] = False,
    aa: Annotated[
        bool, typer.Option("--aa", help="Compare this commit with itself: the machine's own noise. Never fails.")
    ] = False,
    exact: Annotated[
        bool,
        typer.Option(
            "--exact", help="Only what needs no statistics: a launch of each, a second one where they differ."
        ),
    ] = False,
    until: Annotated[
        Until | None,
        typer.Option(
            "--until", help="Measure each launch up to here.", show_default="first-step; exit where there is no step"
        ),
    ] = None,
    probe: Annotated[
        ProbeChoice | None,
        typer.Option(
            "--probe",
            help="Measure how long the command takes to answer, to its end; error: an override that does not exist.",
            show_default="none",
        ),
    ] = None,
    loop: Annotated[
        bool,
        typer.Option(
            "--loop",
            help="Measure loader, steps and memory too: let the program train to its end, a Lightning Trainer for "
            "--train-batches, --val-batches and --epochs at most.",
        ),
    ] = False,
    train_batches: Annotated[
        int, typer.Option("--train-batches", metavar="N", help="Training batches of an epoch, with --loop.")
    ] = 20,
    val_batches: Annotated[
        int | None,
        typer.Option("--val-batches", metavar="N", help="Validation batches, with --loop.", show_default="all of them"),
    ] = None,
    epochs: Annotated[
        int,
        typer.Option("--epochs", metavar="N", help="Passes over the data, with --loop; caches pay from the second on."),
    ] = 2,
    metrics: Annotated[
        str | None,
        typer.Option(
            "--metrics",
            metavar="PATTERN[,PATTERN]",
            help="Let these decide, and no others: time_to_*, imports, train.batch, eager_packages, …",
            show_default="the totals, and what is exact",
        ),
    ] = None,
    alpha: Annotated[
        float,
        typer.Option("--alpha", metavar="P", help="Share of checks of equal code that may fail, over all metrics."),
    ] = 0.01,
    min_effect: Annotated[
        list[str] | None,
        typer.Option(
            "--min-effect",
            metavar="[METRIC=]SHARE",
            help="Changes below it never count. Repeat for single metrics, as in imports=8%.",
            show_default="5%; memory 3%",
        ),
    ] = None,
    target: Annotated[
        str, typer.Option("--target", metavar="SHARE", help="The slowdown that has to be found.")
    ] = "10%",
    pairs: Annotated[
        str, typer.Option("--pairs", metavar="FIRST:MOST", help="Pairs after which it may stop, and at most.")
    ] = "10:28",
    runs: Annotated[int, typer.Option("--runs", metavar="N", help="Launches of this session, with --baseline.")] = 5,
    time_budget: Annotated[
        str | None,
        typer.Option(
            "--time-budget", metavar="TIME", help="Begin no pair that would end later, as in 10m.", show_default="none"
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", metavar="N", help="Of the pairs' order.", show_default="by chance")
    ] = None,
    rule: Annotated[
        RuleChoice,
        typer.Option("--rule", help="gate: surely slower, and by --min-effect. margin: surely slower by over 3 %."),
    ] = RuleChoice.GATE,
    drop_steal: Annotated[
        str | None,
        typer.Option(
            "--drop-steal",
            metavar="SHARE",
            help="Leave out pairs in which the hypervisor took more of the time; a fifth of them at most.",
            show_default="none",
        ),
    ] = None,
    fail_on: Annotated[
        list[FailOnChoice] | None,
        typer.Option("--fail-on", help="End with 3 or 1 on these too. Repeat for more.", show_default="regression"),
    ] = None,
    forbid_import: Annotated[
        list[str] | None,
        typer.Option(
            "--forbid-import",
            metavar="MODULE",
            help="Fail if it is loaded before the milestone. Repeat for more.",
            show_default="none",
        ),
    ] = None,
    budget: Annotated[
        list[str] | None,
        typer.Option(
            "--budget",
            metavar="'METRIC<LIMIT'",
            help="'time_to_first_step<20s', 'modules<=900', 'imports<=1.2*import:torch'. Repeat for more.",
            show_default="none",
        ),
    ] = None,
    link: Annotated[
        list[str] | None,
        typer.Option(
            "--link",
            metavar="PATH",
            help="Data that git ignores and the program needs: linked into both worktrees. Repeat for more.",
            show_default="none",
        ),
    ] = None,
    allow_mismatch: Annotated[
        bool, typer.Option("--allow-mismatch", help="Compare with a baseline of another machine; never fails then.")
    ] = False,
    deps_under_test: Annotated[
        bool, typer.Option("--deps-under-test", help="Other versions of libraries are what is tested.")
    ] = False,
    update_baseline: Annotated[
        bool, typer.Option("--update-baseline", help="Write what is measured to the file of --baseline.")
    ] = False,
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="FORMAT[,FORMAT]",
            help="text, json, md, html, junit, github, gitlab; auto: the files, and what the CI system at hand reads.",
            show_default="auto",
        ),
    ] = None,
    output: Output = None,
    timeout: Timeout = 600.0,
    quiet: Quiet = False,
) -> None:
    """Tell whether a change made the program slower to start, to train, or heavier; for CI."""
    import os
    import random
    import sys

    from ocrprof.check_plan import (
        CheckPlan,
        parse_budget,
        parse_duration,
        parse_effects,
        parse_pairs,
        parse_share,
    )
    from ocrprof.measure.check import measure_check, recorded_commit
    from ocrprof.measure.child import termination_interrupts
    from ocrprof.plan import default_output
    from ocrprof.renderers.check_outputs import parse_check_formats
    from ocrprof.target import parse_target

    files = list(baseline or [])
    mode = _mode(against, files, aa=aa)
    ref = against
    if remeasure:
        if mode != "baseline" or len(files) != 1:
            raise OcrprofError("--remeasure needs one --baseline", hint="--baseline FILE --remeasure")
        mode, ref, files = "against", recorded_commit(files[0]), []
    # The text is on standard output anyhow.
    wanted = ",".join(name for name in (form or "auto").split(",") if name.strip() != "text")
    formats = parse_check_formats(wanted, environ=os.environ) if wanted else ()
    general, single = parse_effects(min_effect or [])
    first, most = parse_pairs(pairs)
    plan = CheckPlan(
        target=parse_target(command or [], cwd=Path.cwd()),
        output=output or default_output("check"),
        mode=mode,
        ref=ref,
        baselines=tuple(files),
        update_baseline=update_baseline,
        until=until.value if until is not None else None,
        probe=probe.value if probe is not None else None,
        loop=_loop(loop, train_batches=train_batches, val_batches=val_batches, epochs=epochs),
        exact_only=exact,
        metrics=tuple(name.strip() for name in metrics.split(",")) if metrics else (),
        alpha=alpha,
        min_effect=general,
        min_effects=single,
        target_effect=parse_share(target, option="--target"),
        num_pairs_first=first,
        num_pairs_max=most,
        num_runs=runs,
        time_budget_seconds=parse_duration(time_budget, option="--time-budget") if time_budget else None,
        seed=random.SystemRandom().randrange(2**32) if seed is None else seed,
        rule=rule.value,
        max_steal=parse_share(drop_steal, option="--drop-steal") if drop_steal else None,
        fail_on=frozenset(["regression", *(one.value for one in fail_on or [])]),
        allow_mismatch=allow_mismatch,
        deps_under_test=deps_under_test,
        links=tuple(link or []),
        forbidden=tuple(forbid_import or []),
        budgets=tuple(parse_budget(text) for text in budget or []),
        timeout_seconds=timeout,
    )
    with termination_interrupts():
        report = measure_check(plan, progress=progress_printer(quiet=quiet))
    _write(report, plan, formats=formats, quiet=quiet)
    sys.stdout.flush()
    raise typer.Exit(report.exit_code)


def _mode(against: str | None, baselines: list[Path], *, aa: bool) -> "CheckMode":
    given = [
        name
        for name, is_given in (("--against", against is not None), ("--baseline", bool(baselines)), ("--aa", aa))
        if is_given
    ]
    if len(given) > 1:
        raise OcrprofError(f"{' and '.join(given)} exclude each other", hint="a check compares with one thing")
    if not given:
        return "alone"
    modes: dict[str, CheckMode] = {"--against": "against", "--baseline": "baseline", "--aa": "aa"}
    return modes[given[0]]


def _loop(wanted: bool, *, train_batches: int, val_batches: int | None, epochs: int) -> "LoopLimits | None":
    from ocrprof.check_plan import LoopLimits

    if not wanted:
        return None
    return LoopLimits(num_train_batches=train_batches, num_val_batches=val_batches, num_epochs=epochs)


def _write(report: "CheckReport", plan: "CheckPlan", *, formats: "tuple[CheckFormat, ...]", quiet: bool) -> None:
    """Every file first; then what people read."""
    import os
    import shlex
    import sys

    from ocrprof.renderers.check import render_check
    from ocrprof.renderers.check_outputs import write_check_outputs
    from ocrprof.results.check_stored import portable
    from ocrprof.results.store import write_text

    written = write_check_outputs(report, plan.output, formats=formats, environ=os.environ, stream=sys.stdout)
    if not quiet:
        render_check(report, stream=sys.stdout, color=wants_color(), width=terminal_width())
    for note in written.notes:
        print(f"note: {note}", file=sys.stderr)
    if plan.update_baseline and report.verdict != "failed" and not report.interrupted:
        path = write_text(portable(report).model_dump_json(by_alias=True, indent=1) + "\n", plan.baselines[0])
        print(f"baseline written: {path}; commit it: git add {shlex.quote(str(path))}", file=sys.stderr)
    elif report.verdict == "regressed" and plan.mode == "baseline":
        again = f"ocrprof check --baseline {shlex.quote(str(plan.baselines[-1]))} --update-baseline"
        print(
            f"meant? the same command with --update-baseline ({again} …) takes this state for the new one",
            file=sys.stderr,
        )
    if not quiet:
        print(f"report: {written.page}", file=sys.stderr)

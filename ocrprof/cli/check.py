"""`ocrprof check`."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ocrprof.cli.check_options import (
    Against,
    AllowMismatch,
    Alpha,
    Attempts,
    Baselines,
    Budgets,
    Cold,
    DepsUnderTest,
    DropSteal,
    Duet,
    DuetChoice,
    Epochs,
    Exact,
    Explain,
    FailOn,
    ForbidImport,
    Formats,
    Links,
    Loop,
    Metrics,
    MinEffect,
    Pairs,
    Probe,
    Remeasure,
    Rule,
    RuleChoice,
    Runs,
    SameCode,
    Seed,
    TargetEffect,
    TimeBudget,
    TrainBatches,
    UntilOption,
    UpdateBaseline,
    ValBatches,
)
from ocrprof.cli.options import Command, Output, Quiet, Timeout, progress_printer, terminal_width, wants_color
from ocrprof.errors import OcrprofError
from ocrprof.quantities import parse_seconds, parse_share

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ocrprof.check_plan import CheckMode, CheckPlan, LoopLimits
    from ocrprof.renderers.check_outputs import CheckFormat
    from ocrprof.results.model import CheckReport


def check(
    context: typer.Context,
    command: Command = None,
    against: Against = None,
    baseline: Baselines = None,
    remeasure: Remeasure = False,
    aa: SameCode = False,
    exact: Exact = False,
    until: UntilOption = None,
    probe: Probe = None,
    loop: Loop = False,
    train_batches: TrainBatches = 20,
    val_batches: ValBatches = None,
    epochs: Epochs = 2,
    metrics: Metrics = None,
    alpha: Alpha = 0.01,
    min_effect: MinEffect = None,
    target: TargetEffect = "10%",
    pairs: Pairs = "10:40",
    runs: Runs = 5,
    time_budget: TimeBudget = None,
    seed: Seed = None,
    rule: Rule = RuleChoice.GATE,
    cold: Cold = False,
    duet: Duet = DuetChoice.INTERLEAVED,
    drop_steal: DropSteal = None,
    fail_on: FailOn = None,
    forbid_import: ForbidImport = None,
    budget: Budgets = None,
    link: Links = None,
    allow_mismatch: AllowMismatch = False,
    deps_under_test: DepsUnderTest = False,
    update_baseline: UpdateBaseline = False,
    explain: Explain = None,
    attempt: Attempts = None,
    form: Formats = None,
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
        parse_effects,
        parse_pairs,
        unused_options,
    )
    from ocrprof.measure.check import measure_check, recorded_commit
    from ocrprof.measure.child import termination_interrupts
    from ocrprof.plan import default_output
    from ocrprof.renderers.check_outputs import parse_check_formats
    from ocrprof.results.check_names import require_explained
    from ocrprof.target import parse_target

    files = list(baseline or [])
    mode = _mode(against, files, aa=aa)
    ref = against
    if remeasure:
        if mode != "baseline" or len(files) != 1:
            raise OcrprofError("--remeasure needs one --baseline", hint="--baseline FILE --remeasure")
        if update_baseline:
            raise OcrprofError("--remeasure and --update-baseline exclude each other", hint="one after the other")
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
        cold=cold,
        duet=duet.value,
        metrics=tuple(name.strip() for name in metrics.split(",")) if metrics else (),
        alpha=alpha,
        min_effect=general,
        min_effects=single,
        target_effect=parse_share(target, option="--target"),
        num_pairs_first=first,
        num_pairs_max=most,
        num_runs=runs,
        time_budget_seconds=parse_seconds(time_budget, option="--time-budget") if time_budget else None,
        seed=random.SystemRandom().randrange(2**32) if seed is None else seed,
        rule=rule.value,
        max_steal=parse_share(drop_steal, option="--drop-steal") if drop_steal else None,
        fail_on=frozenset(["regression", *(one.value for one in fail_on or [])]),
        allow_mismatch=allow_mismatch,
        deps_under_test=deps_under_test,
        links=tuple(link or []),
        forbidden=tuple(forbid_import or []),
        budgets=tuple(parse_budget(text) for text in budget or []),
        explain=tuple(explain or []),
        attempts=tuple(attempt or []),
        attempt=attempt_number(os.environ),
        timeout_seconds=timeout,
    )
    for told in unused_options(plan, given=_given(context)):
        print(f"note: {told}", file=sys.stderr)
    with termination_interrupts():
        report = measure_check(plan, progress=progress_printer(quiet=quiet))
    _write(report, plan, formats=formats, quiet=quiet)
    sys.stdout.flush()
    if report.verdict not in ("failed", "not_comparable") and not report.interrupted:
        require_explained(report)
    raise typer.Exit(report.exit_code)


def _given(context: typer.Context) -> list[str]:
    """The options that stand on the command line, as they are written."""
    found = []
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name) if parameter.name is not None else None
        if source is not None and source.name == "COMMANDLINE":
            found.append(parameter.opts[0])
    return found


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


def attempt_number(environ: "Mapping[str, str]") -> int:
    """Which attempt at its job a CI system says that this is; 1 where none does."""
    text = environ.get("GITHUB_RUN_ATTEMPT", "")
    return max(int(text), 1) if text.isascii() and text.isdecimal() else 1


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
    from ocrprof.results.history_file import SUFFIX
    from ocrprof.results.store import FILE_NAME, write_text

    written = write_check_outputs(report, plan.output, formats=formats, environ=os.environ, stream=sys.stdout)
    if not quiet:
        render_check(report, stream=sys.stdout, color=wants_color(), width=terminal_width())
    for note in written.notes:
        print(f"note: {note}", file=sys.stderr)
    is_whole = report.verdict not in ("failed", "not_comparable") and not report.interrupted
    if plan.update_baseline and is_whole:
        given = plan.baselines[0]
        path = given / FILE_NAME if given.is_dir() else given
        write_text(portable(report).model_dump_json(by_alias=True, indent=1) + "\n", path)
        print(f"baseline written: {path}; commit it: git add {shlex.quote(str(path))}", file=sys.stderr)
    elif plan.update_baseline:
        print(f"baseline not written: {plan.baselines[0]} is as it was", file=sys.stderr)
    elif report.verdict == "regressed" and plan.mode == "baseline" and plan.baselines[-1].suffix != SUFFIX:
        again = f"ocrprof check --baseline {shlex.quote(str(plan.baselines[-1]))} --update-baseline"
        print(
            f"meant? the same command with --update-baseline ({again} …) takes this state for the new one",
            file=sys.stderr,
        )
    if not quiet:
        print(f"report: {written.page}", file=sys.stderr)

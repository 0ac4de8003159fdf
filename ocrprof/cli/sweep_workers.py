"""`ocrprof sweep-workers`."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ocrprof.cli.options import Command, Output, Quiet, Timeout, parse_loader, progress_printer
from ocrprof.cli.sweep_options import (
    Apply,
    Budget,
    Cold,
    FailOn,
    FailOnChoice,
    From,
    InOrder,
    Key,
    Launcher,
    LauncherChoice,
    LauncherOption,
    Loader,
    LocalRanks,
    MaxRounds,
    MaxWait,
    MemoryBudget,
    Mode,
    ModeChoice,
    Persistent,
    PerStage,
    Pin,
    Precision,
    Prefetch,
    PrintOverride,
    QuietWait,
    RankEnv,
    Resume,
    Rounds,
    Seed,
    StartMethod,
    StepFrom,
    StepMode,
    StepModeChoice,
    StepMs,
    Steps,
    TrialTime,
    Values,
    WhatIf,
    Within,
    Yes,
)
from ocrprof.cli.write_back import WriteBackOptions, conclude_sweep, saved_sweep
from ocrprof.errors import ExitCode, OcrprofError
from ocrprof.quantities import (
    parse_integers,
    parse_seconds,
    parse_share,
    parse_start_methods,
    parse_switches,
)

if TYPE_CHECKING:
    from ocrprof.results.model import LoaderSetting, SweepReport

_STEP_BATCHES = 30


def sweep_workers(
    command: Command = None,
    output: Output = None,
    values: Values = None,
    prefetch: Prefetch = None,
    persistent: Persistent = None,
    pin: Pin = None,
    in_order: InOrder = None,
    start_method: StartMethod = None,
    loader: Loader = "train",
    mode: Mode = ModeChoice.LOADER,
    steps: Steps = 200,
    step_ms: StepMs = None,
    step_from: StepFrom = None,
    step_mode: StepMode = StepModeChoice.SLEEP,
    per_stage: PerStage = False,
    within: Within = "5%",
    max_wait: MaxWait = "2%",
    memory_budget: MemoryBudget = None,
    rounds: Rounds = 3,
    max_rounds: MaxRounds = None,
    budget: Budget = None,
    precision: Precision = "3%",
    trial_time: TrialTime = None,
    cold: Cold = False,
    what_if: WhatIf = None,
    local_ranks: LocalRanks = 1,
    rank_env: RankEnv = False,
    quiet_wait: QuietWait = "30s",
    launcher: Launcher = None,
    launcher_option: LauncherOption = None,
    resume: Resume = None,
    seed: Seed = None,
    fail_on: FailOn = None,
    print_override: PrintOverride = True,
    apply: Apply = False,
    yes: Yes = False,
    key: Key = None,
    saved: From = None,
    timeout: Timeout = 600.0,
    quiet: Quiet = False,
) -> None:
    """Find out how many DataLoader workers a training needs, and whether its loader holds it up at all."""
    import random

    from ocrprof.findings import judge
    from ocrprof.measure.child import termination_interrupts
    from ocrprof.measure.sweep_launch import measure_launched_sweep
    from ocrprof.measure.sweep_workers import measure_sweep
    from ocrprof.plan import default_output
    from ocrprof.sweep_plan import SweepWorkersPlan, TrialOptions
    from ocrprof.target import parse_target

    writing = WriteBackOptions(
        prove=print_override, apply=apply, confirmed=yes, key=key, timeout_seconds=timeout, quiet=quiet
    )
    if saved is not None:
        report, target = saved_sweep(saved, command)
        folder = output or (saved if saved.is_dir() else saved.parent)
        with termination_interrupts():
            raise typer.Exit(conclude_sweep(judge(report), target=target, folder=folder, options=writing, saved=True))
    target = parse_target(command or [], cwd=Path.cwd())
    settings = _settings(
        values,
        local_ranks=local_ranks,
        prefetch=prefetch,
        persistent=persistent,
        pin=pin,
        in_order=in_order,
        start_method=start_method,
    )
    _check_launcher_options(launcher, launcher_option, resume=resume, step_from=step_from)
    step = _step(step_ms=step_ms, step_from=step_from)
    simulated = parse_integers(what_if, option="--what-if")
    budget_seconds = None if budget is None else parse_seconds(budget, option="--budget")
    earlier = resume if resume is None or resume.is_dir() else resume.parent
    plan = SweepWorkersPlan(
        target=target,
        output=output or earlier or default_output("sweep-workers"),
        settings=settings,
        trial=TrialOptions(
            loader=parse_loader(loader),
            mode=mode.value,
            num_steps=steps,
            step_seconds=step[0],
            step_mode=step_mode.value,
            per_stage=per_stage or bool(simulated),
            precision=parse_share(precision, option="--precision"),
            max_seconds=_trial_seconds(trial_time, budget_seconds, num_trials=rounds * (len(settings) + 1) + 1),
            timeout_seconds=timeout,
            replay=step[0] is not None or mode is ModeChoice.TRAIN,
            cold=cold,
        ),
        within=parse_share(within, option="--within"),
        max_wait=parse_share(max_wait, option="--max-wait"),
        memory_budget_bytes=None if memory_budget is None else int(memory_budget * 2**30),
        rounds=rounds,
        max_rounds=4 * rounds if max_rounds is None else max_rounds,
        budget_seconds=budget_seconds,
        seed=random.SystemRandom().randrange(2**32) if seed is None else seed,
        step_source=step[1],
        step_batches=_STEP_BATCHES if step_from == "run" else None,
        what_if=simulated,
        local_ranks=local_ranks,
        rank_environment=rank_env,
        resume=resume,
        quiet_seconds=parse_seconds(quiet_wait, option="--quiet-wait"),
    )
    progress = progress_printer(quiet=quiet)
    with termination_interrupts():
        if launcher is None:
            measured = measure_sweep(plan, progress=progress)
        else:
            measured = measure_launched_sweep(
                plan, launcher=launcher.value, options=launcher_option or [], progress=progress
            )
        report = judge(measured)
        ended = conclude_sweep(report, target=target, folder=plan.output, options=writing)
    told = exit_code(report, fail_on_inconclusive=fail_on is FailOnChoice.INCONCLUSIVE)
    raise typer.Exit(told if told is not ExitCode.DONE else ended)


def exit_code(report: "SweepReport", *, fail_on_inconclusive: bool) -> ExitCode:
    """0 where any setting was measured; 5 where none was, 124 where all hung or ran out of time."""
    if report.interrupted:
        return ExitCode.INTERRUPTED
    if not any(point.samples_per_sec is not None for point in report.points):
        statuses = {trial.status for trial in report.trials}
        return ExitCode.TIMED_OUT if statuses == {"timeout"} else ExitCode.TARGET_FAILED
    inconclusive = report.recommendation is None or report.recommendation.verdict == "inconclusive"
    return ExitCode.INCONCLUSIVE if inconclusive and fail_on_inconclusive else ExitCode.DONE


def _settings(
    values: str | None,
    *,
    local_ranks: int,
    prefetch: str | None,
    persistent: str | None,
    pin: str | None,
    in_order: str | None,
    start_method: str | None,
) -> "tuple[LoaderSetting, ...]":
    from ocrprof.measure.environment import usable_cores
    from ocrprof.sweep_plan import build_settings, default_values

    if values is None:
        numbers = default_values(usable_cores(), local_ranks=max(local_ranks, 1))
    else:
        numbers = parse_integers(values, option="--values")
    return build_settings(
        numbers,
        prefetch=parse_integers(prefetch, option="--prefetch"),
        persistent=parse_switches(persistent, option="--persistent"),
        pin=parse_switches(pin, option="--pin"),
        in_order=parse_switches(in_order, option="--in-order"),
        start_methods=parse_start_methods(start_method, option="--start-method"),
    )


def _check_launcher_options(
    launcher: LauncherChoice | None, options: list[str] | None, *, resume: Path | None, step_from: str | None
) -> None:
    if launcher is None:
        if options:
            raise OcrprofError("--launcher-option needs a launcher", hint="--launcher submitit-slurm")
        return
    if resume is not None:
        raise OcrprofError("--resume and --launcher exclude each other", hint="launch another sweep with more --rounds")
    if step_from == "run":
        raise OcrprofError(
            "--step-from run and --launcher exclude each other", hint="time the step on a node first: ocrprof baseline"
        )


def _step(*, step_ms: float | None, step_from: str | None) -> tuple[float | None, str | None]:
    """Seconds of a step and where they come from; None where they are not known, or not yet."""
    if step_ms is not None and step_from is not None:
        raise OcrprofError("--step-ms and --step-from exclude each other", hint="give one of them")
    if step_ms is not None:
        return step_ms / 1e3, "--step-ms"
    if step_from is None or step_from == "run":
        return None, None
    from ocrprof.results.model import BaselineReport
    from ocrprof.results.step_times import steps_of_baseline
    from ocrprof.results.store import read_report

    report = read_report(Path(step_from))
    if not isinstance(report, BaselineReport):
        raise OcrprofError(
            f"--step-from {step_from}: a report of kind {report.kind} times no steps", hint="give that of a baseline"
        )
    times = steps_of_baseline(report, name=step_from)
    return times.median_seconds, times.source


def _trial_seconds(text: str | None, budget_seconds: float | None, *, num_trials: int) -> float:
    """As given; else 20 s, or half of a trial's share of the budget: its start and its end take time too."""
    if text is not None:
        return parse_seconds(text, option="--trial-time")
    return 20.0 if budget_seconds is None else max(1.0, min(20.0, 0.5 * budget_seconds / num_trials))

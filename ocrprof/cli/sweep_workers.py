"""`ocrprof sweep-workers`."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ocrprof.cli.options import Command, Output, Quiet, Timeout, progress_printer, terminal_width, wants_color
from ocrprof.cli.quantities import (
    parse_integers,
    parse_seconds,
    parse_share,
    parse_start_methods,
    parse_switches,
)
from ocrprof.errors import ExitCode, OcrprofError

if TYPE_CHECKING:
    from ocrprof.results.model import LoaderSetting, SweepReport

_STEP_BATCHES = 30


class ModeChoice(StrEnum):
    """What a trial does with the program."""

    LOADER = "loader"
    TRAIN = "train"


class StepModeChoice(StrEnum):
    """What a simulated step does."""

    SLEEP = "sleep"
    SPIN = "spin"


class LauncherChoice(StrEnum):
    """Launchers of Hydra."""

    JOBLIB = "joblib"
    SUBMITIT_LOCAL = "submitit-local"
    SUBMITIT_SLURM = "submitit-slurm"
    RAY = "ray"


class FailOn(StrEnum):
    """Verdicts that can be made to fail."""

    INCONCLUSIVE = "inconclusive"


def sweep_workers(
    command: Command = None,
    output: Output = None,
    values: Annotated[
        str | None,
        typer.Option(
            "--values",
            metavar="N[,N]",
            help="Numbers of workers to measure.",
            show_default="0 and powers of two, by the usable cores",
        ),
    ] = None,
    prefetch: Annotated[
        str | None,
        typer.Option(
            "--prefetch",
            metavar="N[,N]",
            help="prefetch_factor, batches a worker. With this and the next options every combination is measured.",
            show_default="as the program has it",
        ),
    ] = None,
    persistent: Annotated[
        str | None,
        typer.Option(
            "--persistent", metavar="on,off", help="persistent_workers.", show_default="as the program has it"
        ),
    ] = None,
    pin: Annotated[
        str | None,
        typer.Option("--pin", metavar="on,off", help="pin_memory.", show_default="as the program has it"),
    ] = None,
    in_order: Annotated[
        str | None,
        typer.Option(
            "--in-order", metavar="on,off", help="in_order (torch 2.6 and later).", show_default="as the program has it"
        ),
    ] = None,
    start_method: Annotated[
        str | None,
        typer.Option(
            "--start-method",
            metavar="fork,spawn,forkserver",
            help="How workers are started.",
            show_default="as the program has it",
        ),
    ] = None,
    loader: Annotated[
        str,
        typer.Option(
            "--loader",
            metavar="train|val|N",
            help="Which DataLoader: the first that is trained on, the first that is evaluated, or that number in the "
            "order in which they are iterated, from 0.",
        ),
    ] = "train",
    mode: Annotated[
        ModeChoice,
        typer.Option(
            "--mode", help="loader: rebuild the loader and drain it. train: let the program train with each setting."
        ),
    ] = ModeChoice.LOADER,
    steps: Annotated[
        int, typer.Option("--steps", metavar="N", help="Training steps of a trial of --mode train.")
    ] = 200,
    step_ms: Annotated[
        float | None,
        typer.Option(
            "--step-ms",
            metavar="MS",
            help="Milliseconds of a training step without its data: what it waits is then measured too.",
            show_default="not known",
        ),
    ] = None,
    step_from: Annotated[
        str | None,
        typer.Option(
            "--step-from",
            metavar="REPORT|run",
            help="Take the step's time from a baseline's report, or time it first in a short training run.",
            show_default="not known",
        ),
    ] = None,
    step_mode: Annotated[
        StepModeChoice,
        typer.Option(
            "--step-mode", help="What a step of known time does: sleep, as when a GPU computes, or spin on a core."
        ),
    ] = StepModeChoice.SLEEP,
    per_stage: Annotated[
        bool, typer.Option("--per-stage", help="Time decode, transform and collate inside the workers.")
    ] = False,
    within: Annotated[
        str,
        typer.Option(
            "--within", metavar="SHARE", help="Share of the best samples/s that may be given up for fewer workers."
        ),
    ] = "5%",
    max_wait: Annotated[
        str, typer.Option("--max-wait", metavar="SHARE", help="Share of a step of known time that may be waited.")
    ] = "2%",
    memory_budget: Annotated[
        float | None,
        typer.Option(
            "--memory-budget",
            metavar="GIB",
            help="Recommend nothing that takes more memory, in GiB of PSS of the process tree.",
            show_default="no limit",
        ),
    ] = None,
    rounds: Annotated[
        int, typer.Option("--rounds", metavar="N", help="Rounds that are made in any case, 3 or more.")
    ] = 3,
    max_rounds: Annotated[
        int | None,
        typer.Option(
            "--max-rounds",
            metavar="N",
            help="Rounds that are made at most, while another could change the answer.",
            show_default="twice --rounds",
        ),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(
            "--budget",
            metavar="TIME",
            help="Begin no round that would end later, as in 5m; trials are kept short enough for --rounds.",
            show_default="no limit",
        ),
    ] = None,
    precision: Annotated[
        str,
        typer.Option(
            "--precision",
            metavar="SHARE",
            help="Half width of the 95 % interval that a trial measures to, of its mean.",
        ),
    ] = "3%",
    trial_time: Annotated[
        str | None,
        typer.Option(
            "--trial-time",
            metavar="TIME",
            help="What a trial may measure for at most.",
            show_default="20s, or what --budget leaves",
        ),
    ] = None,
    cold: Annotated[
        bool,
        typer.Option(
            "--cold",
            help="Drop the files that a trial reads from the page cache before each (posix_fadvise, per file).",
        ),
    ] = False,
    what_if: Annotated[
        str | None,
        typer.Option(
            "--what-if",
            metavar="N[,N]",
            help="Simulate these numbers of workers from measured service times (turns --per-stage on).",
            show_default="none",
        ),
    ] = None,
    local_ranks: Annotated[
        int,
        typer.Option(
            "--local-ranks", metavar="N", help="Copies of the program that run at once in each trial, as ranks."
        ),
    ] = 1,
    rank_env: Annotated[
        bool,
        typer.Option(
            "--rank-env", help="Tell each copy its RANK, LOCAL_RANK, WORLD_SIZE and MASTER_ADDR, as torchrun does."
        ),
    ] = False,
    quiet_wait: Annotated[
        str,
        typer.Option(
            "--quiet-wait",
            metavar="TIME",
            help="What may be waited in all for other programs to let the machine alone.",
        ),
    ] = "30s",
    launcher: Annotated[
        LauncherChoice | None,
        typer.Option(
            "--launcher",
            help="Run each round as one job of this Hydra launcher, wholly on one node.",
            show_default="here",
        ),
    ] = None,
    launcher_option: Annotated[
        list[str] | None,
        typer.Option(
            "--launcher-option",
            metavar="KEY=VALUE",
            help="A setting of hydra.launcher, as in partition=gpu. Repeat for more.",
            show_default="none",
        ),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            "--resume",
            metavar="DIR",
            help="Go on with the sweep in that folder (or its trials.jsonl); without -o into it.",
            show_default="a new sweep",
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option("--seed", metavar="N", help="Of the order within the rounds.", show_default="by chance"),
    ] = None,
    fail_on: Annotated[
        FailOn | None,
        typer.Option("--fail-on", help="Exit 3 where the sweep carries no answer.", show_default="exit 0"),
    ] = None,
    timeout: Timeout = 600.0,
    quiet: Quiet = False,
) -> None:
    """Find out how many DataLoader workers a training needs, and whether its loader holds it up at all."""
    import random
    import sys

    from ocrprof.findings import judge
    from ocrprof.measure.child import termination_interrupts
    from ocrprof.measure.sweep_launch import measure_launched_sweep
    from ocrprof.measure.sweep_workers import measure_sweep
    from ocrprof.plan import default_output
    from ocrprof.renderers.pages import write_pages
    from ocrprof.renderers.sweep_workers import render_sweep
    from ocrprof.sweep_plan import SweepWorkersPlan, TrialOptions
    from ocrprof.target import parse_target

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
    folder = resume if resume is None or resume.is_dir() else resume.parent
    plan = SweepWorkersPlan(
        target=target,
        output=output or folder or default_output("sweep-workers"),
        settings=settings,
        trial=TrialOptions(
            loader=_loader(loader),
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
        max_rounds=2 * rounds if max_rounds is None else max_rounds,
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
    page = write_pages(report, plan.output)
    if not quiet:
        render_sweep(report, stream=sys.stdout, color=wants_color(), width=terminal_width())
        print(f"report: {page}", file=sys.stderr)
    raise typer.Exit(exit_code(report, fail_on_inconclusive=fail_on is FailOn.INCONCLUSIVE))


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


def _loader(text: str) -> Literal["train", "val"] | int:
    if text == "train":
        return "train"
    if text == "val":
        return "val"
    try:
        return int(text)
    except ValueError:
        raise OcrprofError(f"--loader {text}: neither train, val nor a number", hint="--loader 1") from None


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

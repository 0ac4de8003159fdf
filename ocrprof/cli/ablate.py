"""`ocrprof ablate`."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from ocrprof.cli.options import (
    Command,
    Output,
    Quiet,
    Timeout,
    parse_loader,
    progress_printer,
    terminal_width,
    wants_color,
)
from ocrprof.errors import ExitCode, OcrprofError
from ocrprof.quantities import parse_seconds

if TYPE_CHECKING:
    from ocrprof.features import FeatureSet
    from ocrprof.plan import Design
    from ocrprof.results.model import AblationReport
    from ocrprof.target import Target


class DesignChoice(StrEnum):
    """The designs, as choices."""

    CUMULATIVE = "cumulative"
    ALONE = "alone"
    LEFT_OUT = "left-out"
    ALL = "all"


class LevelChoice(StrEnum):
    """What is run, as choices."""

    PROGRAM = "program"
    LOADER = "loader"


def ablate(
    command: Command = None,
    output: Output = None,
    feature: Annotated[
        list[str] | None,
        typer.Option(
            "--feature",
            metavar="'NAME: ON... | OFF...'",
            help="A feature: the arguments that turn it on, and those that turn it off. Repeat for more, in the order "
            "in which they are to be added up.",
            show_default="those of the bundled pipeline",
        ),
    ] = None,
    features: Annotated[
        Path | None,
        typer.Option(
            "--features",
            metavar="FILE",
            help="Features from a TOML file: a [[feature]] for each, with name, and on and off as lists of arguments.",
            show_default="none",
        ),
    ] = None,
    only: Annotated[
        str | None,
        typer.Option("--only", metavar="NAME[,NAME]", help="Leave out all other features.", show_default="all"),
    ] = None,
    design: Annotated[
        list[DesignChoice] | None,
        typer.Option(
            "--design",
            help="cumulative: one after another. alone: each against none. left-out: all against all but it. "
            "all: all against none, which the others measure too. Repeat for more.",
            show_default="cumulative",
        ),
    ] = None,
    pair: Annotated[
        list[str] | None,
        typer.Option(
            "--pair",
            metavar="NAME,NAME",
            help="Measure too whether these two help or hinder each other. Repeat for more.",
            show_default="none",
        ),
    ] = None,
    level: Annotated[
        LevelChoice,
        typer.Option(
            "--level",
            help="program: the command, to its end. loader: one of its data loaders, without the network.",
        ),
    ] = LevelChoice.PROGRAM,
    loader: Annotated[
        str,
        typer.Option(
            "--loader",
            metavar="train|val|N",
            help="At level loader: the one that is trained on, that is evaluated, or the Nth to be iterated, from 0.",
        ),
    ] = "val",
    epochs: Annotated[int, typer.Option("--epochs", metavar="N", help="At level loader: epochs of it in a run.")] = 3,
    rounds: Annotated[int, typer.Option("--rounds", metavar="N", help="Runs of each setting.")] = 3,
    budget: Annotated[
        str | None,
        typer.Option(
            "--budget",
            metavar="TIME",
            help="Begin no round that would end later, as in 30m.",
            show_default="no limit",
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option("--seed", metavar="N", help="Of the order within the rounds.", show_default="by chance"),
    ] = None,
    timeout: Timeout = 600.0,
    quiet: Quiet = False,
) -> None:
    """Measure what each performance feature is worth, one by one and together."""
    import random
    import sys

    from ocrprof.measure.ablate import measure_ablation
    from ocrprof.measure.child import termination_interrupts
    from ocrprof.plan import AblationPlan, default_output
    from ocrprof.renderers.ablation import render_ablation
    from ocrprof.renderers.pages import write_pages
    from ocrprof.target import parse_target

    target = parse_target(command or [], cwd=Path.cwd())
    plan = AblationPlan(
        target=target,
        output=output or default_output("ablate"),
        features=_chosen(_features(target, feature=feature or [], file=features), only=only),
        designs=_designs(design or [DesignChoice.CUMULATIVE]),
        pairs=tuple(_pair(text) for text in pair or []),
        level=level.value,
        loader=parse_loader(loader),
        num_epochs=epochs,
        rounds=rounds,
        seed=random.SystemRandom().randrange(2**32) if seed is None else seed,
        budget_seconds=None if budget is None else parse_seconds(budget, option="--budget"),
        timeout_seconds=timeout,
    )
    with termination_interrupts():
        report = measure_ablation(plan, progress=progress_printer(quiet=quiet))
    page = write_pages(report, plan.output)
    if not quiet:
        render_ablation(report, stream=sys.stdout, color=wants_color(), width=terminal_width())
        print(f"report: {page}", file=sys.stderr)
    raise typer.Exit(_exit_code(report))


def _designs(chosen: "list[DesignChoice]") -> "tuple[Design, ...]":
    """Those that need settings of their own; all against none needs none."""
    return tuple(cast("Design", one.value) for one in chosen if one is not DesignChoice.ALL)


def _features(target: "Target", *, feature: list[str], file: Path | None) -> "FeatureSet":
    """Those of the command line after those of the file; without either those of the bundled pipeline."""
    from ocrprof.features import BUNDLED_FEATURES, FeatureSet, parse_feature, read_features, without_repeated_keys

    given = tuple(parse_feature(text) for text in feature)
    if file is None and given:
        return FeatureSet(features=given)
    if file is None and not target.bundled:
        raise OcrprofError(
            "no features to switch", hint="name them: --feature 'workers: data.num_workers=4 | data.num_workers=0'"
        )
    read = read_features(file or BUNDLED_FEATURES)
    arguments = without_repeated_keys(read.arguments, target.argv)
    return FeatureSet(features=(*read.features, *given), arguments=arguments)


def _chosen(features: "FeatureSet", *, only: str | None) -> "FeatureSet":
    from ocrprof.features import FeatureSet

    if only is None:
        return features
    wanted = [name.strip() for name in only.split(",")]
    names = [feature.name for feature in features.features]
    for name in wanted:
        if name not in names:
            raise OcrprofError(f"--only {only}: no feature is called {name!r}", hint=f"features: {', '.join(names)}")
    chosen = tuple(feature for feature in features.features if feature.name in wanted)
    return FeatureSet(features=chosen, arguments=features.arguments)


def _pair(text: str) -> tuple[str, str]:
    one, comma, other = (part.strip() for part in text.partition(","))
    if not comma or not one or not other or one == other:
        raise OcrprofError(f"--pair {text!r} is not two features", hint="as in --pair 'mixed precision,workers'")
    return one, other


def _exit_code(report: "AblationReport") -> ExitCode:
    """By the worst of the settings; 0 where every one was measured, even if in fewer rounds than asked for."""
    statuses = {trial.status for arm in report.arms for trial in arm.trials} | {one.status for one in report.warmup}
    if report.stopped == "interrupted":
        return ExitCode.INTERRUPTED
    if "timed_out" in statuses:
        return ExitCode.TIMED_OUT
    return ExitCode.DONE if statuses == {"reached"} else ExitCode.TARGET_FAILED

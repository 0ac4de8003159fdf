"""The options of `ocrprof check`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ocrprof.cli.startup import ProbeChoice, Until


class RuleChoice(StrEnum):
    """The decision rules, as choices."""

    GATE = "gate"
    MARGIN = "margin"


class DuetChoice(StrEnum):
    """How the launches of a pair are run, as choices."""

    INTERLEAVED = "interleaved"
    PARALLEL = "parallel"


class FailOnChoice(StrEnum):
    """What a check may fail on, as choices."""

    REGRESSION = "regression"
    INCONCLUSIVE = "inconclusive"
    IMPROVEMENT = "improvement"


Against = Annotated[
    str | None,
    typer.Option(
        "--against",
        metavar="REF",
        help="Compare the working tree with this commit: both in worktrees of their own, in random pairs.",
        show_default="none",
    ),
]

Baselines = Annotated[
    list[Path] | None,
    typer.Option(
        "--baseline",
        metavar="FILE",
        help="Compare with this stored report of check, startup or baseline, or with the last sessions of this history "
        "(.jsonl). Repeat for more sessions: eight and "
        "more let times be judged.",
        show_default="none",
    ),
]

Remeasure = Annotated[
    bool,
    typer.Option("--remeasure", help="Measure the commit of --baseline again, here and now, as with --against."),
]

SameCode = Annotated[
    bool, typer.Option("--aa", help="Compare this commit with itself: the machine's own noise. Never fails.")
]

Exact = Annotated[
    bool,
    typer.Option("--exact", help="Only what needs no statistics: a launch of each, a second one where they differ."),
]

UntilOption = Annotated[
    Until | None,
    typer.Option(
        "--until", help="Measure each launch up to here.", show_default="first-step; exit where there is no step"
    ),
]

Probe = Annotated[
    ProbeChoice | None,
    typer.Option(
        "--probe",
        help="Measure how long the command takes to answer, to its end; error: an override that does not exist.",
        show_default="none",
    ),
]

Loop = Annotated[
    bool,
    typer.Option(
        "--loop",
        help="Measure loader, steps and memory too: let the program train to its end, a Lightning Trainer for "
        "--train-batches, --val-batches and --epochs at most.",
    ),
]

TrainBatches = Annotated[
    int, typer.Option("--train-batches", metavar="N", help="Training batches of an epoch, with --loop.")
]

ValBatches = Annotated[
    int | None,
    typer.Option("--val-batches", metavar="N", help="Validation batches, with --loop.", show_default="all of them"),
]

Epochs = Annotated[
    int,
    typer.Option("--epochs", metavar="N", help="Passes over the data, with --loop; caches pay from the second on."),
]

Metrics = Annotated[
    str | None,
    typer.Option(
        "--metrics",
        metavar="PATTERN[,PATTERN]",
        help="Let these decide, and no others: time_to_*, imports, train.batch, eager_packages, …",
        show_default="the totals, and what is exact",
    ),
]

Alpha = Annotated[
    float,
    typer.Option("--alpha", metavar="P", help="Share of checks of equal code that may fail, over all metrics."),
]

MinEffect = Annotated[
    list[str] | None,
    typer.Option(
        "--min-effect",
        metavar="[METRIC=]SHARE",
        help="Changes below it never count. Repeat for single metrics, as in imports=8%.",
        show_default="5%; memory 3%",
    ),
]

TargetEffect = Annotated[str, typer.Option("--target", metavar="SHARE", help="The slowdown that has to be found.")]

Pairs = Annotated[
    str, typer.Option("--pairs", metavar="FIRST:MOST", help="Pairs after which it may stop, and at most.")
]

Runs = Annotated[int, typer.Option("--runs", metavar="N", help="Launches of this session, with --baseline.")]

TimeBudget = Annotated[
    str | None,
    typer.Option(
        "--time-budget", metavar="TIME", help="Begin no pair that would end later, as in 10m.", show_default="none"
    ),
]

Seed = Annotated[int | None, typer.Option("--seed", metavar="N", help="Of the pairs' order.", show_default="by chance")]

Rule = Annotated[
    RuleChoice,
    typer.Option("--rule", help="gate: surely slower, and by --min-effect. margin: surely slower by over 3 %."),
]

Cold = Annotated[
    bool,
    typer.Option(
        "--cold",
        help="Evict all that the launches read from the page cache before each timed one, and check that it is gone; "
        "end with 4 where over 5 % stays, as what another process has mapped does.",
    ),
]

Duet = Annotated[
    DuetChoice,
    typer.Option(
        "--duet",
        help="parallel: run both launches of a pair at once, each on half of the CPUs, swapped at random. Needs cores "
        "for twice a launch's workers and OMP_NUM_THREADS, and no GPU.",
    ),
]

DropSteal = Annotated[
    str | None,
    typer.Option(
        "--drop-steal",
        metavar="SHARE",
        help="Leave out pairs in which the hypervisor took more of the time; a fifth of them at most.",
        show_default="none",
    ),
]

FailOn = Annotated[
    list[FailOnChoice] | None,
    typer.Option(
        "--fail-on",
        help="End with 3 where it is inconclusive too, or with 1 on an improvement. Repeat for more.",
        show_default="regression",
    ),
]

ForbidImport = Annotated[
    list[str] | None,
    typer.Option(
        "--forbid-import",
        metavar="MODULE",
        help="Fail if it is loaded before the milestone. Repeat for more.",
        show_default="none",
    ),
]

Budgets = Annotated[
    list[str] | None,
    typer.Option(
        "--budget",
        metavar="'METRIC<LIMIT'",
        help="'time_to_first_step<20s', 'modules<=900', 'imports<=1.2*import:torch'. Repeat for more.",
        show_default="none",
    ),
]

Links = Annotated[
    list[str] | None,
    typer.Option(
        "--link",
        metavar="PATH",
        help="Data that git ignores and the program needs: linked into both worktrees. Repeat for more.",
        show_default="none",
    ),
]

AllowMismatch = Annotated[
    bool, typer.Option("--allow-mismatch", help="Compare with a baseline of another machine; never fails then.")
]

DepsUnderTest = Annotated[
    bool, typer.Option("--deps-under-test", help="Other versions of libraries are what is tested.")
]

UpdateBaseline = Annotated[
    bool, typer.Option("--update-baseline", help="Write what is measured to the file of --baseline.")
]

Explain = Annotated[
    list[str] | None,
    typer.Option(
        "--explain",
        metavar="METRIC",
        help="Show every step to the verdict on these: time_to_*, modules, … Repeat for more.",
        show_default="none",
    ),
]

Attempts = Annotated[
    list[Path] | None,
    typer.Option(
        "--attempt",
        metavar="FILE",
        help="Report of an earlier attempt at this very check: its pairs count too, and one test is made of all. "
        "Repeat for more.",
        show_default="none",
    ),
]

Formats = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="FORMAT[,FORMAT]",
        help="text, json, md, html, junit, github, gitlab; auto: the files, and what the CI system at hand reads.",
        show_default="auto",
    ),
]

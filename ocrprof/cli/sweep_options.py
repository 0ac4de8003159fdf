"""The options of `ocrprof sweep-workers`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


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


class FailOnChoice(StrEnum):
    """Verdicts that can be made to fail."""

    INCONCLUSIVE = "inconclusive"


Values = Annotated[
    str | None,
    typer.Option(
        "--values",
        metavar="N[,N]",
        help="Numbers of workers to measure.",
        show_default="0 and powers of two, by the usable cores",
    ),
]

Prefetch = Annotated[
    str | None,
    typer.Option(
        "--prefetch",
        metavar="N[,N]",
        help="prefetch_factor, batches a worker. With this and the next options every combination is measured.",
        show_default="as the program has it",
    ),
]

Persistent = Annotated[
    str | None,
    typer.Option("--persistent", metavar="on,off", help="persistent_workers.", show_default="as the program has it"),
]

Pin = Annotated[
    str | None,
    typer.Option("--pin", metavar="on,off", help="pin_memory.", show_default="as the program has it"),
]

InOrder = Annotated[
    str | None,
    typer.Option(
        "--in-order",
        metavar="on,off",
        help="in_order, where the program's torch knows it.",
        show_default="as the program has it",
    ),
]

StartMethod = Annotated[
    str | None,
    typer.Option(
        "--start-method",
        metavar="fork,spawn,forkserver",
        help="How workers are started.",
        show_default="as the program has it",
    ),
]

Loader = Annotated[
    str,
    typer.Option(
        "--loader",
        metavar="train|val|N",
        help="Which DataLoader: the first that is trained on, the first that is evaluated, or that number in the "
        "order in which they are iterated, from 0.",
    ),
]

Mode = Annotated[
    ModeChoice,
    typer.Option(
        "--mode", help="loader: rebuild the loader and drain it. train: let the program train with each setting."
    ),
]

Steps = Annotated[int, typer.Option("--steps", metavar="N", help="Training steps of a trial of --mode train.")]

StepMs = Annotated[
    float | None,
    typer.Option(
        "--step-ms",
        metavar="MS",
        help="Milliseconds of a training step without its data: what it waits is then measured too.",
        show_default="not known",
    ),
]

StepFrom = Annotated[
    str | None,
    typer.Option(
        "--step-from",
        metavar="REPORT|run",
        help="Take the step's time from a baseline's report, or time it first in a short training run.",
        show_default="not known",
    ),
]

StepMode = Annotated[
    StepModeChoice,
    typer.Option(
        "--step-mode", help="What a step of known time does: sleep, as when a GPU computes, or spin on a core."
    ),
]

PerStage = Annotated[bool, typer.Option("--per-stage", help="Time decode, transform and collate inside the workers.")]

Within = Annotated[
    str,
    typer.Option(
        "--within", metavar="SHARE", help="Share of the best samples/s that may be given up for fewer workers."
    ),
]

MaxWait = Annotated[
    str, typer.Option("--max-wait", metavar="SHARE", help="Share of a step of known time that may be waited.")
]

MemoryBudget = Annotated[
    float | None,
    typer.Option(
        "--memory-budget",
        metavar="GIB",
        help="Recommend nothing that takes more memory, in GiB of PSS of the process tree.",
        show_default="no limit",
    ),
]

Rounds = Annotated[int, typer.Option("--rounds", metavar="N", help="Rounds that are made in any case, 3 or more.")]

MaxRounds = Annotated[
    int | None,
    typer.Option(
        "--max-rounds",
        metavar="N",
        help="Rounds that are made at most, while another could change the answer.",
        show_default="four times --rounds",
    ),
]

Budget = Annotated[
    str | None,
    typer.Option(
        "--budget",
        metavar="TIME",
        help="Begin no round that would end later, as in 5m; trials are kept short enough for --rounds.",
        show_default="no limit",
    ),
]

Precision = Annotated[
    str,
    typer.Option(
        "--precision",
        metavar="SHARE",
        help="Half width of the 95 % interval that a trial measures to, of its mean.",
    ),
]

TrialTime = Annotated[
    str | None,
    typer.Option(
        "--trial-time",
        metavar="TIME",
        help="What a trial may measure for at most.",
        show_default="20s, or what --budget leaves",
    ),
]

Cold = Annotated[
    bool,
    typer.Option(
        "--cold",
        help="Drop the files that a trial reads from the page cache before each (posix_fadvise, per file).",
    ),
]

WhatIf = Annotated[
    str | None,
    typer.Option(
        "--what-if",
        metavar="N[,N]",
        help="Simulate these numbers of workers from measured service times (turns --per-stage on).",
        show_default="none",
    ),
]

LocalRanks = Annotated[
    int,
    typer.Option("--local-ranks", metavar="N", help="Copies of the program that run at once in each trial, as ranks."),
]

RankEnv = Annotated[
    bool,
    typer.Option(
        "--rank-env", help="Tell each copy its RANK, LOCAL_RANK, WORLD_SIZE and MASTER_ADDR, as torchrun does."
    ),
]

QuietWait = Annotated[
    str,
    typer.Option(
        "--quiet-wait",
        metavar="TIME",
        help="What may be waited in all for other programs to let the machine alone.",
    ),
]

Launcher = Annotated[
    LauncherChoice | None,
    typer.Option(
        "--launcher",
        help="Run each round as one job of this Hydra launcher, wholly on one node.",
        show_default="here",
    ),
]

LauncherOption = Annotated[
    list[str] | None,
    typer.Option(
        "--launcher-option",
        metavar="KEY=VALUE",
        help="A setting of hydra.launcher, as in partition=gpu. Repeat for more.",
        show_default="none",
    ),
]

Resume = Annotated[
    Path | None,
    typer.Option(
        "--resume",
        metavar="DIR",
        help="Go on with the sweep in that folder (or its trials.jsonl); without -o into it.",
        show_default="a new sweep",
    ),
]

Seed = Annotated[
    int | None,
    typer.Option("--seed", metavar="N", help="Of the order within the rounds.", show_default="by chance"),
]

FailOn = Annotated[
    FailOnChoice | None,
    typer.Option("--fail-on", help="Exit 3 where the sweep carries no answer.", show_default="exit 0"),
]

PrintOverride = Annotated[
    bool,
    typer.Option(
        "--print-override/--no-print-override",
        help="Prove, by two more starts, which Hydra override sets the answer, and in which file it belongs.",
    ),
]
Apply = Annotated[
    bool,
    typer.Option("--apply", help="Write the answer into the file that decides it; shows the diff, and asks first."),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="With --apply: do not ask.")]
Key = Annotated[
    str | None,
    typer.Option(
        "--key",
        metavar="KEY",
        help="Key of the configuration that sets the loader's num_workers; proven as well.",
        show_default="the one that is proven to",
    ),
]
From = Annotated[
    Path | None,
    typer.Option(
        "--from",
        metavar="DIR",
        help="Sweep nothing: take the saved answer from that folder, to --apply it.",
        show_default="a new sweep",
    ),
]

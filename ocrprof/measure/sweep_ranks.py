"""Runs the copies of a program that one node would run as its ranks, all at once."""

import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil

from ocrprof.results.model import SweepTrial
from ocrprof.target import Target


def run_ranks(
    run_one: Callable[[Target, Path], SweepTrial],
    target: Target,
    directory: Path,
    *,
    num_ranks: int,
    with_environment: bool,
) -> list[SweepTrial]:
    """The trial of each rank, run at the same time, its files in `directory`-rank-N.

    With the environment each is told its rank as torchrun would; else the copies do not know of each other. On Ctrl-C
    all copies are ended, and the trials are `interrupted`.
    """
    port = _free_port() if with_environment else 0
    targets = [
        replace(target, argv=("env", *_environment(rank, num_ranks, port), *target.argv))
        if with_environment
        else target
        for rank in range(num_ranks)
    ]
    before = {child.pid for child in psutil.Process().children()}
    with ThreadPoolExecutor(num_ranks, thread_name_prefix="ocrprof-rank") as pool:
        trials = [pool.submit(run_one, one, rank_directory(directory, rank)) for rank, one in enumerate(targets)]
        try:
            return [trial.result() for trial in trials]
        except KeyboardInterrupt:
            # Only the main thread is interrupted: the others return when the copies that they wait for have gone.
            for child in psutil.Process().children():
                if child.pid not in before:
                    with suppress(psutil.Error):
                        child.terminate()
            return [trial.result().model_copy(update={"status": "interrupted"}) for trial in trials]


def rank_directory(directory: Path, rank: int) -> Path:
    """Where the files of one rank of a trial lie: beside those of the others, `directory`-rank-N."""
    return directory.with_name(f"{directory.name}-rank-{rank}")


def _environment(rank: int, num_ranks: int, port: int) -> list[str]:
    """As torchrun gives it (https://docs.pytorch.org/docs/stable/elastic/run.html#environment-variables)."""
    return [
        f"RANK={rank}",
        f"LOCAL_RANK={rank}",
        f"WORLD_SIZE={num_ranks}",
        f"LOCAL_WORLD_SIZE={num_ranks}",
        "MASTER_ADDR=127.0.0.1",
        f"MASTER_PORT={port}",
        # Each copy is a run of its own here: its recorder is not to wait for the others.
        "OCRPROF_RANKS_APART=1",
    ]


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port

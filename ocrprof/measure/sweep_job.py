"""One round of a sweep as one job, wholly on whatever node a cluster's launcher gives it.

`run_round` and its argument can be pickled: joblib, submitit and ray run it as it is, with Hydra or without.
"""

import contextlib
import fcntl
import json
import os
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ocrprof.errors import OcrprofError
from ocrprof.measure.environment import usable_cores
from ocrprof.measure.startup import describe_target, environment_of
from ocrprof.measure.sweep_log import FILE_NAME, TrialLog
from ocrprof.measure.sweep_round import HOPELESS_STATUSES, Living, TrialRunner, play_round, warmup_visit
from ocrprof.results.model import LoaderSetting, SweepTrial
from ocrprof.results.store import write_text
from ocrprof.sweep_plan import SweepWorkersPlan, TrialOptions
from ocrprof.target import Target

JOB_NAME = "job.json"
RESULT_NAME = "round.json"


@dataclass(frozen=True, kw_only=True)
class RoundJob:
    """What one job is to do: round `number` of a sweep.

    `folder` is on a file system that the node shares with whoever gathers the rounds; each round has its own below it.
    """

    target: Target
    settings: tuple[LoaderSetting, ...]
    trial: TrialOptions
    folder: Path
    seed: int
    number: int
    local_ranks: int = 1
    rank_environment: bool = False
    quiet_seconds: float = 30.0


def run_round(job: RoundJob) -> dict[str, Any]:  # Any: JSON values
    """`number`, `host`, `warmup`, `trials` (as in a report), `environment`, `target` and `notes` of the round.

    The same is written to `round.json` in the round's folder, and each trial to its `trials.jsonl` as it ends. A
    trial that fails is a result: nothing is raised for it, so that a launcher goes on with its other jobs; only after
    Ctrl-C, when all is written, is there a KeyboardInterrupt. Rounds that come to one machine at the same time wait for
    each other: launchers start as many jobs as they may.
    """
    host = socket.gethostname()
    folder = job.folder / f"round-{job.number}"
    living = Living(list(job.settings))
    trials: list[SweepTrial] = []
    folder.mkdir(parents=True, exist_ok=True)
    with _alone_on_this_machine():
        runner = TrialRunner(
            job.target,
            job.trial,
            folder=folder / "runs",
            local_ranks=job.local_ranks,
            rank_environment=job.rank_environment,
            quiet_seconds=job.quiet_seconds,
        )
        log = TrialLog(folder / FILE_NAME, {"round": job.number, "seed": job.seed, "host": host})
        warmup = runner.run(warmup_visit(job.settings, num_cores=usable_cores() / job.local_ranks), number=0)
        warmup = warmup.model_copy(update={"host": host})
        log.add(warmup, warmup=True)
        interrupted = warmup.status == "interrupted"
        records = runner.records
        if not interrupted and warmup.status not in HOPELESS_STATUSES:
            for trial in play_round(runner, living, seed=job.seed, number=job.number, on_visit=lambda *_: None):
                interrupted = trial.status == "interrupted"
                if interrupted:
                    break
                trials.append(trial.model_copy(update={"host": host}))
                log.add(trials[-1])
    result = {
        "number": job.number,
        "host": host,
        "warmup": warmup.model_dump(mode="json"),
        "trials": [trial.model_dump(mode="json") for trial in trials],
        "environment": environment_of(job.target, records).model_dump(mode="json"),
        "target": describe_target(job.target, records).model_dump(mode="json"),
        "notes": living.notes,
    }
    write_text(json.dumps(result), folder / RESULT_NAME)
    if interrupted:
        raise KeyboardInterrupt
    return result


def job_of(plan: SweepWorkersPlan, *, number: int) -> RoundJob:
    """The job of one round of a plan."""
    return RoundJob(
        target=plan.target,
        settings=plan.settings,
        trial=plan.trial,
        folder=plan.output.resolve() / "rounds",
        seed=plan.seed,
        number=number,
        local_ranks=plan.local_ranks,
        rank_environment=plan.rank_environment,
        quiet_seconds=plan.quiet_seconds,
    )


def write_job(job: RoundJob, path: Path) -> Path:
    """`path`, which holds the job for `read_job`."""
    fields = asdict(job) | {
        "target": {**asdict(job.target), "cwd": str(job.target.cwd)},
        "settings": [setting.model_dump(mode="json") for setting in job.settings],
        "folder": str(job.folder),
    }
    return write_text(json.dumps(fields, indent=1) + "\n", path)


def read_job(path: Path, *, number: int) -> RoundJob:
    """The job in a file, as that of round `number`. Raises OcrprofError for what is none."""
    try:
        fields = json.loads(path.read_bytes())
        target = Target(
            argv=tuple(fields["target"]["argv"]), cwd=Path(fields["target"]["cwd"]), bundled=fields["target"]["bundled"]
        )
        job = RoundJob(
            **(
                fields
                | {
                    "target": target,
                    "settings": tuple(LoaderSetting.model_validate(one) for one in fields["settings"]),
                    "trial": TrialOptions(**fields["trial"]),
                    "folder": Path(fields["folder"]),
                }
            )
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OcrprofError(
            f"{path} holds no job of a sweep: {error}", hint="`ocrprof sweep-workers --launcher` writes one"
        ) from error
    return replace(job, number=number)


@contextlib.contextmanager
def _alone_on_this_machine() -> Iterator[None]:
    """Inside, no other round of this user runs on this machine."""
    path = Path(tempfile.gettempdir()) / f"ocrprof-sweep-{os.getuid()}.lock"
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield

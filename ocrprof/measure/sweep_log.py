"""The trials of a sweep on disk, each as soon as it has ended: a sweep that dies loses one at most, and can go on."""

import hashlib
import json
import os
import platform
import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import ValidationError

from ocrprof.errors import ExitCode, OcrprofError
from ocrprof.measure.environment import describe_environment
from ocrprof.records import ProcessRecords
from ocrprof.results.configuration import composed_config, config_hash
from ocrprof.results.mask import mask_argv
from ocrprof.results.model import LoaderSetting, SweepTrial
from ocrprof.sweep_plan import SweepWorkersPlan
from ocrprof.target import Target

FILE_NAME = "trials.jsonl"
_KIND = "sweep-trials"
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}|20\d{6}[_T-]\d{4,6}|(?<!\d)\d{2}[-:]\d{2}[-:]\d{2}(?:[-.,]\d+)?(?!\d)")
"""A date, or a time of day, as folders are named by; no number of JSON looks so."""
_MAX_SOURCE_BYTES = 4 << 20
_FREE_OPTIONS = frozenset({"precision", "max_seconds", "timeout_seconds", "batch_bytes", "num_tensors"})
"""What may differ between two halves of a sweep: how long to measure, not what."""


@dataclass(frozen=True)
class SavedTrials:
    """What a file of trials holds. `config_hash` is None before the target told its configuration, or has none.

    `step_seconds` and `step_source`: of the step that the trials fed, None without one.
    """

    identity: dict[str, str]
    seed: int
    trials: list[SweepTrial]
    config_hash: str | None
    step_seconds: float | None
    step_source: str | None

    def find(self, setting: LoaderSetting, *, number: int, control: bool) -> SweepTrial | None:
        """The trial of that setting in that round, None if it did not end."""
        return next(
            (
                trial
                for trial in self.trials
                if (trial.setting, trial.round, trial.control) == (setting, number, control)
            ),
            None,
        )


class TrialLog:
    """Appends to a file of trials, made with its head where it is not there; every line is on disk when it returns."""

    def __init__(self, path: Path, head: Mapping[str, object]) -> None:
        self._path = path
        if not path.exists():
            self._append({"schema": "ocrprof/1", "kind": _KIND, **head})
        elif not path.read_bytes().endswith(b"\n"):
            # The line that was being written when the sweep died; what follows must not be glued to it.
            with path.open("ab") as file:
                file.write(b"\n")

    def add(self, trial: SweepTrial, *, warmup: bool = False) -> None:
        """Saves a trial that has ended."""
        self._append({"warmup": warmup, "trial": trial.model_dump(mode="json", exclude_defaults=True)})

    def add_config_hash(self, config_hash: str | None) -> None:
        """Saves what the target composed, by which a later half of the sweep knows it."""
        self._append({"config_hash": config_hash})

    def _append(self, fields: Mapping[str, object]) -> None:
        with self._path.open("ab") as file:
            file.write(json.dumps(fields, separators=(",", ":")).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())


def head_of(plan: SweepWorkersPlan, identity: Mapping[str, str]) -> dict[str, object]:
    """What a sweep's file of trials begins with."""
    return {
        "identity": dict(identity),
        "seed": plan.seed,
        "step_seconds": plan.trial.step_seconds,
        "step_source": plan.step_source,
    }


def read_trials(path: Path) -> SavedTrials:
    """What was saved in a file, or in the `trials.jsonl` of a folder; a line that was cut off is left out.

    Raises OcrprofError for what is no file of trials.
    """
    file = path / FILE_NAME if path.is_dir() else path
    try:
        lines = file.read_bytes().splitlines()
    except OSError as error:
        raise OcrprofError(
            f"cannot read {file}: {error.strerror or error}", hint="give the folder of a sweep: --resume DIR"
        ) from error
    rows = [fields for line in lines if isinstance(fields := _fields(line), dict)]
    if not rows or rows[0].get("kind") != _KIND or not isinstance(rows[0].get("identity"), dict):
        raise OcrprofError(f"{file} holds no trials of a sweep", hint="give the folder of a sweep: --resume DIR")
    trials = []
    for row in rows[1:]:
        if "trial" in row and not row.get("warmup"):
            try:
                trials.append(SweepTrial.model_validate(row["trial"]))
            except ValidationError as error:
                raise OcrprofError(f"{file} holds a trial that cannot be read: {error.errors()[0]['msg']}") from error
    hashes = [row["config_hash"] for row in rows if "config_hash" in row]
    head = rows[0]
    return SavedTrials(
        identity=dict(head["identity"]),
        seed=int(head["seed"]),
        trials=trials,
        config_hash=hashes[-1] if hashes else None,
        step_seconds=head.get("step_seconds"),
        step_source=head.get("step_source"),
    )


def identity_of(plan: SweepWorkersPlan) -> dict[str, str]:
    """What must not differ between trials that are to be compared, by the name that a refusal tells."""
    machine = describe_environment(cwd=plan.target.cwd, python=None, libraries={})
    return {
        "command": " ".join(mask_argv(list(plan.target.argv))),
        "folder": str(plan.target.cwd),
        "program": _program_hash(plan.target),
        "commit": machine.git_commit or "none",
        "way of measuring": _way(plan),
        "machine": f"{socket.gethostname()}, {machine.cpu}, {machine.num_cores_usable:g} cores, {machine.os}",
        "memory": str(machine.memory_bytes),
        "python": platform.python_version(),
    }


def check_identity(saved: SavedTrials, now: Mapping[str, str], *, path: Path) -> None:
    """Raises OcrprofError, naming the first difference, where saved trials are not comparable with new ones."""
    for name, value in now.items():
        before = saved.identity.get(name)
        if before != value:
            raise OcrprofError(
                f"--resume {path}: the {name} is not the same as in the earlier half ({before} then, {value} now)",
                hint="begin a new sweep: without --resume, into another folder",
                exit_code=ExitCode.NOT_COMPARABLE,
            )


def config_hash_of(records: Sequence[ProcessRecords]) -> str | None:
    """Of what the target composed, time stamps left out: Hydra names a run's folder by the time; None without Hydra."""
    config = composed_config(records)
    return None if config is None else config_hash(json.loads(_TIME.sub("<time>", json.dumps(config, default=str))))


def check_config(saved: SavedTrials, config_hash: str | None, *, path: Path) -> None:
    """Raises OcrprofError where the target now composes another configuration than in the earlier half."""
    if saved.config_hash is not None and saved.config_hash != config_hash:
        raise OcrprofError(
            f"--resume {path}: the target composes another configuration than in the earlier half",
            hint="begin a new sweep: without --resume, into another folder",
            exit_code=ExitCode.NOT_COMPARABLE,
        )


def _fields(line: bytes) -> object:
    try:
        return json.loads(line)
    except ValueError:
        return None


def _way(plan: SweepWorkersPlan) -> str:
    told = {name: value for name, value in asdict(plan.trial).items() if name not in _FREE_OPTIONS}
    # A step that is timed first is known only later; its first half's is then taken over.
    told |= {"step_batches": plan.step_batches, "ranks": plan.local_ranks, "env": plan.rank_environment}
    return ", ".join(f"{name} {value}" for name, value in told.items())


def _program_hash(target: Target) -> str:
    """Of the files that the command names, as they are now."""
    digest = hashlib.sha256()
    for argument in target.argv:
        file = target.cwd / argument
        if file.suffix in (".py", ".yaml", ".yml", ".json", ".toml") and file.is_file():
            digest.update(argument.encode())
            digest.update(file.read_bytes()[:_MAX_SOURCE_BYTES])
    return digest.hexdigest()[:16]

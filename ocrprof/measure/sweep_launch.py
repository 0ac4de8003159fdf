"""Runs the rounds of a sweep as jobs of a Hydra launcher, one a node, and gathers what they left."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from ocrprof.errors import OcrprofError
from ocrprof.measure.startup import Progress
from ocrprof.measure.sweep_job import JOB_NAME, RESULT_NAME, job_of, write_job
from ocrprof.measure.sweep_log import FILE_NAME, read_trials
from ocrprof.measure.sweep_workers import sweep_report
from ocrprof.results.model import Environment, SweepReport, SweepTrial, TargetInfo
from ocrprof.results.sweep import conclude
from ocrprof.sweep_plan import SweepWorkersPlan

Launcher = Literal["joblib", "submitit-local", "submitit-slurm", "ray"]

_PACKAGES = {
    "joblib": "hydra_joblib_launcher",
    "submitit-local": "hydra_submitit_launcher",
    "submitit-slurm": "hydra_submitit_launcher",
    "ray": "hydra_ray_launcher",
}
_END_SECONDS = 20.0


def measure_launched_sweep(
    plan: SweepWorkersPlan, *, launcher: Launcher, options: Sequence[str], progress: Progress
) -> SweepReport:
    """The report, not yet judged, of `plan.rounds` rounds, each a job of the launcher; of those that came back.

    `options` are `KEY=VALUE` of `hydra.launcher`. The jobs' own output is in `launcher.txt`. Raises OcrprofError where
    the launcher is not installed beside ocrprof.
    """
    check_launcher(launcher)
    began = time.monotonic()
    job = write_job(job_of(plan, number=1), plan.output / JOB_NAME)
    command = launch_command(plan, launcher=launcher, options=options, job=job)
    rounds = f"{plan.rounds} rounds of {len(plan.settings)} settings"
    progress(f"{rounds}, each as one job of {launcher}; its output: {plan.output / 'launcher.txt'}")
    interrupted, exit_code = False, 0
    with (plan.output / "launcher.txt").open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            exit_code = process.wait()
        except KeyboardInterrupt:
            interrupted = True
            _end(process)
    stopped = "interrupted" if interrupted else f"all {plan.rounds} rounds were launched"
    if exit_code:
        stopped = f"the launcher exited {exit_code}, see launcher.txt"
    report = gather(plan, seconds=time.monotonic() - began)
    return report.model_copy(update={"stopped": stopped, "interrupted": interrupted})


def launch_command(plan: SweepWorkersPlan, *, launcher: Launcher, options: Sequence[str], job: Path) -> list[str]:
    """The Hydra command that runs the rounds of the plan.

    With joblib one job at a time; on SLURM a node is a job's own, unless `options` say how it is shared.
    """
    forced = ["hydra.launcher.n_jobs=1"] if launcher == "joblib" else []
    if launcher == "submitit-slurm" and not any("exclusive" in option for option in options):
        forced = ["+hydra.launcher.additional_parameters.exclusive=true"]
    return [
        sys.executable,
        "-m",
        "ocrprof.measure.sweep_jobs",
        "--multirun",
        f"hydra/launcher={launcher.replace('-', '_')}",
        f"hydra.sweep.dir={plan.output.resolve() / 'jobs'}",
        "hydra.sweep.subdir=${hydra.job.num}",
        f"job={job.resolve()}",
        f"round={','.join(str(number) for number in range(1, plan.rounds + 1))}",
        *forced,
        *(_override(option, launcher) for option in options),
    ]


def check_launcher(launcher: Launcher) -> None:
    """Raises OcrprofError where Hydra or the launcher's plugin is not installed in ocrprof's own environment."""
    package = _PACKAGES[launcher]
    if (
        find_spec("hydra") is None
        or find_spec("hydra_plugins") is None
        or find_spec(f"hydra_plugins.{package}") is None
    ):
        raise OcrprofError(
            f"--launcher {launcher} needs hydra-core and {package.replace('_', '-')}, not installed beside ocrprof",
            hint=f"pip install hydra-core {package.replace('_', '-')}",
        )


def gather(plan: SweepWorkersPlan, *, seconds: float) -> SweepReport:
    """The report of all rounds that left anything in the plan's folder; the environment is that of the first node."""
    trials: list[SweepTrial] = []
    warmup: list[SweepTrial] = []
    notes: list[str] = []
    told: dict[str, Any] | None = None  # Any: JSON values
    for number in range(1, plan.rounds + 1):
        folder = plan.output / "rounds" / f"round-{number}"
        result = _result(folder / RESULT_NAME)
        if result is not None:
            told = told or result
            warmup.append(SweepTrial.model_validate(result["warmup"]))
            trials += [SweepTrial.model_validate(one) for one in result["trials"]]
            notes += result["notes"]
            continue
        partial = read_trials(folder).trials if (folder / FILE_NAME).exists() else []
        trials += partial
        notes.append(f"round {number} did not come to its end: {len(partial)} of its trials are there")
    if not trials and warmup:
        # No loader, or no recorder: what the pass before the rounds met stands for all settings.
        trials = warmup[:1]
    report = sweep_report(plan, trials=trials, warmup=warmup, records=[], seconds=seconds)
    if told is not None:
        report = report.model_copy(
            update={
                "environment": Environment.model_validate(told["environment"]),
                "target": TargetInfo.model_validate(told["target"]),
            }
        )
    return conclude(report.model_copy(update={"notes": list(dict.fromkeys(notes))}))


def _result(path: Path) -> dict[str, Any] | None:  # Any: JSON values
    """What a round has written; None where it is not there, or not whole."""
    try:
        fields = json.loads(path.read_bytes())
        SweepTrial.model_validate(fields["warmup"])
    except (OSError, ValueError, KeyError, TypeError, ValidationError):
        return None
    return dict(fields)


def _override(option: str, launcher: Launcher) -> str:
    key, equals, value = option.partition("=")
    if not equals or not key:
        raise OcrprofError(f"--launcher-option {option}: not KEY=VALUE", hint="as in --launcher-option partition=gpu")
    if launcher == "joblib" and key == "n_jobs" and value != "1":
        raise OcrprofError("--launcher-option n_jobs: rounds that run at once would measure each other")
    return f"{'+' if key.startswith('additional_parameters.') else ''}hydra.launcher.{key}={value}"


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Interrupts the launcher, which ends what it runs on this machine; jobs of a queue are their queue's."""
    os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

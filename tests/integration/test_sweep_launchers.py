"""The rounds of a sweep as jobs of Hydra's launchers: installed ones, or those that OCRPROF_TEST_LAUNCHERS leads to.

They are no part of the development environment: every plugin that is installed is paid for at each start of a Hydra
program, about 20 ms for these two. `pip install --target DIR hydra-joblib-launcher hydra-submitit-launcher`, then
`OCRPROF_TEST_LAUNCHERS=DIR`.
"""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from recording import TARGETS

from ocrprof.results.store import read_report

FOLDER = os.environ.get("OCRPROF_TEST_LAUNCHERS", "")
PACKAGES = {"joblib": "hydra_joblib_launcher", "submitit-local": "hydra_submitit_launcher"}


def is_there(package: str) -> bool:
    installed = find_spec("hydra_plugins") is not None and find_spec(f"hydra_plugins.{package}") is not None
    return installed or (Path(FOLDER) / "hydra_plugins" / package).is_dir()


def environment() -> dict[str, str]:
    inherited = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [FOLDER, inherited]))}


@pytest.mark.parametrize("launcher", PACKAGES)
def test_each_round_is_a_job_that_runs_alone_and_comes_back(launcher, tmp_path):
    if not is_there(PACKAGES[launcher]):
        pytest.skip(f"{PACKAGES[launcher]} is not installed, and OCRPROF_TEST_LAUNCHERS does not lead to it")
    folder = tmp_path / "report"
    sweep = [sys.executable, "-m", "ocrprof", "sweep-workers", "-o", str(folder), "--launcher", launcher]
    sweep += ["--values", "0", "--trial-time", "0.3s", "--quiet-wait", "0"]
    command = [*sweep, "--", sys.executable, str(TARGETS / "pages_script.py")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, check=False, env=environment())
    assert done.returncode == 0, done.stderr + (folder / "launcher.txt").read_text()
    report = read_report(folder)
    assert [(trial.round, trial.control) for trial in report.trials] == [
        (number, control) for number in (1, 2, 3) for control in (False, True)
    ]
    assert {trial.status for trial in report.trials} <= {"ok", "ok_slow_exit"}
    assert all(trial.host for trial in report.trials)


def test_a_launcher_that_is_not_installed_is_named_before_anything_is_run(tmp_path):
    if is_there("hydra_ray_launcher"):
        pytest.skip("hydra_ray_launcher is installed")
    sweep = [sys.executable, "-m", "ocrprof", "sweep-workers", "-o", str(tmp_path / "report"), "--launcher", "ray"]
    command = [*sweep, "--", sys.executable, str(TARGETS / "pages_script.py")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "hydra-ray-launcher" in done.stderr
    assert not (tmp_path / "report" / "rounds").exists()

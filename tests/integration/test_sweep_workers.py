"""`ocrprof sweep-workers` on a plain PyTorch loop: interrupted, gone on with, and one value of three failing."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from recording import TARGETS

from ocrprof.measure.step_time import time_steps
from ocrprof.measure.sweep_job import job_of, run_round
from ocrprof.measure.sweep_log import read_trials
from ocrprof.results.model import SweepReport, SweepTrial
from ocrprof.results.store import read_report
from ocrprof.results.sweep import conclude
from ocrprof.sweep_plan import SweepWorkersPlan, TrialOptions, build_settings
from ocrprof.target import Target

SCRIPT = str(TARGETS / "pages_script.py")
COUNTED = {"ok", "ok_slow_exit"}
SHORT = ("--trial-time", "0.3s", "--quiet-wait", "0")


def command(folder: Path, *options: str, script: tuple[str, ...] = ("--fail-at", "2")) -> list[str]:
    sweep = [sys.executable, "-m", "ocrprof", "sweep-workers", "-o", str(folder), *SHORT, *options]
    return [*sweep, "--", sys.executable, SCRIPT, *script]


def running_in(folder: Path) -> list[psutil.Process]:
    """The processes that a sweep into this folder has started, and that still live."""
    found = []
    for process in psutil.process_iter(["environ"]):
        environ = process.info["environ"] or {}
        if str(folder) in environ.get("OCRPROF_RUN_DIR", ""):
            found.append(process)
    return found


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory) -> tuple[Path, SweepReport, list[SweepTrial]]:
    """A sweep interrupted while its third trial runs: its folder, its report and the trials that it had saved."""
    folder = tmp_path_factory.mktemp("sweep") / "report"
    options = ("--values", "0,1,2", "--seed", "5", "--max-rounds", "3")
    # In a folder of its own, as a sweep goes on only where the folder's commit is the same.
    with subprocess.Popen(
        command(folder, *options), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder.parent
    ) as sweep:
        assert sweep.stderr is not None
        for line in sweep.stderr:
            if "round 1, 3 of 4" in line:
                sweep.send_signal(signal.SIGINT)
                break
        _, rest = sweep.communicate(timeout=120)
    assert sweep.returncode == 130, rest
    report = read_report(folder)
    assert isinstance(report, SweepReport)
    return folder, report, read_trials(folder).trials


@pytest.fixture(scope="module")
def finished(interrupted) -> SweepReport:
    """The same sweep, gone on with to its end."""
    folder, _, _ = interrupted
    done = subprocess.run(
        command(folder, "--values", "0,1,2", "--max-rounds", "3", "--resume", str(folder)),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=folder.parent,
    )
    assert done.returncode == 0, done.stderr
    assert "num_workers=2: an exception in the program's own code" in done.stdout
    report = read_report(folder)
    assert isinstance(report, SweepReport)
    return report


def test_ctrl_c_keeps_what_is_done_and_leaves_no_process(interrupted):
    folder, report, saved = interrupted
    assert report.interrupted
    assert report.stopped == "interrupted"
    assert report.trials == saved
    assert [trial.position for trial in saved] == [0, 1]
    assert len(report.warmup) == 1
    assert running_in(folder) == []
    assert (folder / "report.html").exists()


def test_going_on_runs_nothing_twice(interrupted, finished):
    _, _, saved = interrupted
    assert finished.trials[:2] == saved
    assert finished.num_resumed == 2
    assert finished.seed == 5
    assert not finished.interrupted
    visits = [(trial.round, trial.setting.num_workers, trial.control) for trial in finished.trials]
    assert len(visits) == len(set(visits))


def test_every_round_visits_what_lives_in_an_order_of_its_own_and_ends_with_its_control(finished):
    for number in (1, 2, 3):
        trials = [trial for trial in finished.trials if trial.round == number]
        assert [trial.position for trial in trials] == sorted(trial.position for trial in trials)
        measured = [trial for trial in trials if not trial.control]
        assert {0, 1} <= {trial.setting.num_workers for trial in measured}
        controls = [trial.setting for trial in trials if trial.control]
        assert controls in ([trials[0].setting], [] if trials[0].status not in COUNTED else [trials[0].setting])


def test_a_value_that_fails_is_run_once_and_told_with_its_sample(finished):
    failed = [trial for trial in finished.trials if trial.setting.num_workers == 2]
    assert [trial.status for trial in failed] == ["user_error"]
    assert "is torn" in failed[0].failure.message
    assert {trial.status for trial in finished.trials if trial.setting.num_workers < 2} <= COUNTED
    point = next(point for point in finished.points if point.num_workers == 2)
    assert point.status == "user_error"


def test_the_loader_is_the_programs_own_with_the_line_that_made_it(finished):
    loader = finished.loader
    assert loader is not None
    assert (loader.dataset.rpartition(".")[2], loader.batch_size, loader.num_workers) == ("Pages", 4, 0)
    assert loader.location is not None and loader.location.file == SCRIPT


def test_one_worker_loads_as_fast_as_none_and_nothing_is_to_be_changed_without_need(finished):
    """2 ms a sample, whoever sleeps them: at most 500 samples/s either way."""
    rates = {point.num_workers: point.samples_per_sec for point in finished.points if point.samples_per_sec}
    assert set(rates) == {0, 1}
    assert all(100 < rate < 500 for rate in rates.values())


def test_a_saved_report_is_concluded_again_from_its_raw_trials(finished):
    emptied = finished.model_copy(update={"points": [], "recommendation": None, "control_ratio": None})
    again = conclude(emptied)
    assert again.points == finished.points
    assert again.recommendation.verdict == finished.recommendation.verdict
    assert again.control_ratio == finished.control_ratio


def test_another_program_is_not_gone_on_with(interrupted, tmp_path):
    folder, _, _ = interrupted
    options = ("--values", "0,1,2", "--resume", str(folder))
    done = subprocess.run(
        command(tmp_path / "new", *options, script=()),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=folder.parent,
    )
    assert done.returncode == 4
    assert "the command is not the same as in the earlier half" in done.stderr
    assert not (tmp_path / "new" / "runs").exists()


def test_a_round_can_be_run_as_a_job_that_returns_its_failures(tmp_path):
    plan = SweepWorkersPlan(
        target=Target(argv=(sys.executable, SCRIPT, "--fail-at", "2"), cwd=tmp_path),
        output=tmp_path / "report",
        settings=build_settings([2]),
        trial=TrialOptions(max_seconds=0.3),
        quiet_seconds=0.0,
    )
    result = run_round(job_of(plan, number=1))
    assert [trial["status"] for trial in result["trials"]] == ["user_error"]
    assert json.loads((tmp_path / "report" / "rounds" / "round-1" / "round.json").read_text()) == result


def test_a_step_is_timed_without_its_fetch(tmp_path):
    """8 samples of 2 ms are fetched for each step, which itself takes far less than these 16 ms."""
    target = Target(argv=(sys.executable, str(TARGETS / "torch_script.py")), cwd=tmp_path)
    times, status = time_steps(target, directory=tmp_path / "step", num_batches=12, timeout_seconds=120)
    assert status == "reached"
    assert times is not None
    assert 5 <= len(times.samples) <= 12
    assert 0 < min(times.samples) < 0.008

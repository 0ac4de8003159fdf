"""The command line: what --help loads, and how each failure ends."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from recording import PYTHON, TARGETS

HEAVY = {
    "torch", "torchvision", "lightning", "pytorch_lightning", "hydra", "omegaconf", "timm", "cv2", "numpy", "pandas",
    "plotly", "wandb", "psutil", "pynvml",
}  # fmt: skip
RICH_HEAVY = {"rich.console", "rich.markdown", "rich.syntax", "rich.table", "pygments", "markdown_it"}


def ocrprof(*arguments, cwd, **options):
    command = [PYTHON, "-m", "ocrprof", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=200, **options)


def report_in(folder: Path) -> dict:
    return json.loads((folder / "report.json").read_text())


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["startup", "--help"],
        ["baseline", "--help"],
        ["ablate", "--help"],
        ["check", "--help"],
        ["sweep-workers", "--help"],
        ["compare", "--help"],
        ["doctor", "--help"],
        ["history", "report", "--help"],
        ["report", "--help"],
        ["--version"],
    ],
)
def test_help_loads_nothing_heavy(arguments):
    code = (
        "import sys\nfrom ocrprof.cli import main\n"
        f"sys.argv = ['ocrprof', *{arguments!r}]\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert end.code in (0, None), end.code\n"
        "print('\\n' + ' '.join(sys.modules))"
    )
    result = subprocess.run([PYTHON, "-c", code], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    assert not (HEAVY | RICH_HEAVY) & set(result.stdout.splitlines()[-1].split())


def test_a_standard_library_script_is_measured_to_its_end(tmp_path):
    result = ocrprof(
        "startup", "--runs", "2", "-o", "out", "--", PYTHON, str(TARGETS / "stdlib_script.py"), cwd=tmp_path
    )
    assert result.returncode == 0, result.stderr
    report = report_in(tmp_path / "out")
    assert report["until"] == "exit"
    assert [run["warmup"] for run in report["runs"]] == [True, False, False]
    assert (tmp_path / "out" / "report.md").exists()
    assert "wave" in {row["module"] for row in report["imports"]}


def test_phases_add_up_to_the_wall_time_within_a_percent(tmp_path):
    result = ocrprof("startup", "--runs", "1", "--warmup", "0", "-o", "out", "--", PYTHON,
                     str(TARGETS / "torch_script.py"), "1", cwd=tmp_path)  # fmt: skip
    assert result.returncode == 0, result.stderr
    (run,) = report_in(tmp_path / "out")["runs"]
    assert sum(phase["seconds"] for phase in run["phases"]) == pytest.approx(run["wall_seconds"], rel=0.01)
    assert run["until"] == "first-step"


def test_a_target_that_is_not_there_ends_with_2_and_leaves_no_folder(tmp_path):
    result = ocrprof("startup", "-o", "out", "--", "no-such-program", cwd=tmp_path)
    assert result.returncode == 2
    assert "target not found: no-such-program" in result.stderr
    assert "hint:" in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_crash_ends_with_5_and_a_partial_report_that_names_phase_and_last_lines(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import torch\n"
        "class Model(torch.nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        raise RuntimeError('weights are gone')\n"
        "Model()\n"
    )
    result = ocrprof("startup", "--runs", "3", "-o", "out", "--", PYTHON, str(script), cwd=tmp_path)
    assert result.returncode == 5
    (run,) = report_in(tmp_path / "out")["runs"]
    assert (run["status"], run["exit_code"], run["failing_phase"]) == ("crashed", 1, "model")
    assert run["stderr_tail"][-1] == "RuntimeError: weights are gone"
    assert "weights are gone" in result.stdout
    assert "model" in result.stdout


def test_a_program_that_ends_before_the_milestone_asked_for_ends_with_5(tmp_path):
    result = ocrprof(
        "startup", "--runs", "1", "--until", "first-step", "-o", "out", "--", PYTHON, "-c", "pass", cwd=tmp_path
    )
    assert result.returncode == 5
    assert report_in(tmp_path / "out")["runs"][0]["status"] == "ended_early"


def test_a_hanging_target_ends_with_124_and_a_partial_report(tmp_path):
    result = ocrprof("startup", "--runs", "2", "--timeout", "2", "-o", "out", "--", PYTHON, "-c",
                     "import wave, time; time.sleep(600)", cwd=tmp_path)  # fmt: skip
    assert result.returncode == 124
    report = report_in(tmp_path / "out")
    assert [run["status"] for run in report["runs"]] == ["timed_out"]
    assert "wave" in {row["module"] for row in report["imports"]}


def test_a_target_that_keeps_the_recorder_out_through_a_wrapper_ends_with_5_and_says_so(tmp_path):
    command = f"exec {sys.executable} -I -c pass"
    result = ocrprof("startup", "--runs", "1", "-o", "out", "--", "/bin/sh", "-c", command, cwd=tmp_path)
    assert result.returncode == 5
    assert report_in(tmp_path / "out")["runs"][0]["status"] == "not_recorded"
    assert "-I" in result.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_with_130_a_partial_report_and_no_process_left(tmp_path, number):
    script = tmp_path / "script.py"
    script.write_text(
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "open('pids', 'w').write(f'{child.pid} done')\n"
        "time.sleep(600)\n"
    )
    command = [PYTHON, "-m", "ocrprof", "startup", "--runs", "2", "-o", "out", "--", PYTHON, str(script)]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (tmp_path / "pids").exists() or "done" not in (tmp_path / "pids").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    os.kill(process.pid, number)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert report_in(tmp_path / "out")["runs"][0]["status"] == "interrupted"
    grandchild = int((tmp_path / "pids").read_text().split()[0])
    assert not psutil.pid_exists(grandchild)


def test_a_folder_that_cannot_be_written_ends_with_2_before_anything_is_measured(tmp_path):
    (tmp_path / "file").write_text("")
    script = "open('ran', 'w')"
    result = ocrprof("startup", "-o", "file/out", "--", PYTHON, "-c", script, cwd=tmp_path)
    assert result.returncode == 2
    assert "cannot write to" in result.stderr
    assert not (tmp_path / "ran").exists()


def test_quiet_prints_nothing_and_writes_the_report(tmp_path):
    result = ocrprof("startup", "--runs", "1", "--quiet", "-o", "out", "--", PYTHON, "-c", "pass", cwd=tmp_path)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert report_in(tmp_path / "out")["kind"] == "startup"

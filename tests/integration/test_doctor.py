"""`ocrprof doctor` as people run it: on this machine as it is, and with faults planted."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pynvml
import pytest
from recording import PYTHON
from test_cli import HEAVY, ocrprof

from ocrprof.measure.gpus import read_gpus
from ocrprof.measure.interpreter import examine, time_starts

NUM_MODULES = 150
SOURCE = "import os\n\n\n" + "\n\n\n".join(
    f"def function_{number}(a, b=({number}, 'x')):\n    return [a + b[0] for _ in os.environ if a]"
    for number in range(200)
)


def environment(**changes: str | None) -> dict[str, str]:
    """Ours without what would be a fault of its own; None takes a variable out."""
    values = {**os.environ, "PYTHONDONTWRITEBYTECODE": None, "VIRTUAL_ENV": None, "OMP_NUM_THREADS": None, **changes}
    return {name: value for name, value in values.items() if value is not None}


def findings(report: dict) -> dict[str, dict]:
    return {finding["code"]: finding for finding in report["findings"]}


def examined(*arguments: str, cwd: Path, **options) -> dict:
    result = ocrprof("doctor", "--json", *arguments, cwd=cwd, **options)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def planted(tmp_path_factory) -> tuple[Path, dict]:
    """An environment with a slow .pth line, two numpys and two OpenCVs; a project whose bytecode nothing keeps."""
    folder = tmp_path_factory.mktemp("planted")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True, timeout=60)
    (packages,) = (folder / "venv" / "lib").glob("python3*/site-packages")
    (packages / "slow.pth").write_text("# a comment\nimport time; time.sleep(0.15)\n")
    for name in ("numpy-1.26.4", "numpy-2.1.0", "opencv_python-4.10.0.84", "opencv_python_headless-4.11.0.86"):
        (packages / f"{name}.dist-info").mkdir()
    project = folder / "project"
    (project / "ocr").mkdir(parents=True)
    for number in range(NUM_MODULES):
        (project / "ocr" / f"module_{number}.py").write_text(SOURCE)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    report = examined(
        "--python",
        str(folder / "venv" / "bin" / "python"),
        cwd=project,
        env=environment(PYTHONDONTWRITEBYTECODE="1", OMP_NUM_THREADS="64", PYTHONPROFILEIMPORTTIME=""),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard)),
    )
    return folder, report


def test_a_line_that_runs_at_each_start_is_named_with_what_it_costs(planted):
    folder, report = planted
    found = findings(report)["slow-interpreter-start"]
    assert Path(found["location"]["file"]).name == "slow.pth"
    assert found["location"]["line"] == 2
    # `site` reads the .pth files of a virtual environment twice on Python 3.11, and so runs the line twice.
    assert found["seconds"] >= 0.15
    (line,) = [line for line in report["starts"]["site_lines"] if line["file"].endswith("slow.pth")]
    assert min(line["seconds"]) >= 0.15
    assert folder.name in line["file"]


def test_a_project_without_bytecode_is_counted_and_its_compilation_timed(planted):
    found = findings(planted[1])["no-bytecode-cache"]
    (tree,) = [tree for tree in planted[1]["bytecode"] if tree["role"] == "project"]
    assert (tree["num_sources"], tree["num_missing"], tree["num_cold_sources"]) == (NUM_MODULES,) * 3
    assert 1 <= len(tree["compile_seconds"]) <= 40
    each = found["evidence"]["compile_each_seconds"]
    assert found["seconds"] == pytest.approx(NUM_MODULES * each)
    assert "PYTHONDONTWRITEBYTECODE" in found["advice"]


def test_threads_limits_and_broken_installs_are_found(planted):
    found = findings(planted[1])
    assert "A process may open 64 files" in found["few-file-descriptors"]["title"]
    assert found["duplicate-distribution"]["title"].startswith("numpy is installed 2 times")
    assert "opencv-python and opencv-python-headless" in found["clashing-distributions"]["title"]
    if planted[1]["processors"]["num_usable"] < 32:
        assert "64 OpenMP threads" in found["threads-exceed-cores"]["title"]
        loop = planted[1]["processors"]["parallel_loop"]
        assert loop is None or len(loop["threads_seconds"]) == len(loop["fitting_seconds"]) > 0


def test_an_environment_as_it_is_has_none_of_these_findings(tmp_path):
    report = examined(cwd=tmp_path, env=environment())
    assert not {
        "no-bytecode-cache",
        "slow-interpreter-start",
        "slow-launcher",
        "debug-settings",
        "duplicate-distribution",
        "clashing-distributions",
        "threads-exceed-cores",
        "slow-module-lookup",
    } & set(findings(report))
    assert report["interpreter"]["version"] == ".".join(map(str, sys.version_info[:3]))
    assert {mount["role"] for mount in report["mounts"]} >= {"interpreter", "site-packages", "project", "temporary"}


def test_the_summary_ends_in_one_line_and_the_report_is_written_where_asked(tmp_path):
    result = ocrprof("doctor", "-o", "out", "--data", ".", cwd=tmp_path, env=environment())
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("ocrprof doctor · ")
    assert result.stdout.splitlines()[-1].startswith("doctor: ")
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert "report: out/report.html" in result.stderr
    again = ocrprof("report", "out", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert again.stdout == result.stdout


def test_nothing_is_written_without_being_asked(tmp_path):
    examined(cwd=tmp_path, env=environment())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("python", ["no-such-python", "/bin/true"])
def test_what_is_no_interpreter_ends_with_2(tmp_path, python):
    result = ocrprof("doctor", "--python", python, cwd=tmp_path)
    assert result.returncode == 2
    assert f"{python}" in result.stderr and "hint:" in result.stderr


def test_quiet_needs_a_place_to_write_to(tmp_path):
    result = ocrprof("doctor", "--quiet", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")


def test_a_module_of_the_project_does_not_take_the_place_of_the_standard_library(tmp_path, monkeypatch):
    (tmp_path / "json.py").write_text("raise RuntimeError('this is the project, not the library')")
    monkeypatch.setenv("PYTHONDEVMODE", "1")
    interpreter, _ = examine(sys.executable, cwd=tmp_path)
    starts = time_starts(sys.executable, executable=interpreter.executable, cwd=tmp_path)
    assert interpreter.num_distributions > 0
    assert starts.debug_variables == {"PYTHONDEVMODE": "1"}
    assert starts.num_modules > 50


def test_what_a_start_prints_does_not_spoil_the_answer_and_what_it_runs_is_timed(tmp_path, monkeypatch):
    hook = tmp_path / "sitecustomize.py"
    hook.write_text("print('hello from sitecustomize')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    interpreter, _ = examine(sys.executable, cwd=tmp_path)
    starts = time_starts(sys.executable, executable=interpreter.executable, cwd=tmp_path)
    assert str(tmp_path) in [entry.path for entry in interpreter.path]
    (line,) = [line for line in starts.site_lines if line.text == "import sitecustomize"]
    assert (line.file, line.line) == (str(hook), 1)
    assert all(seconds > 0 for seconds in line.seconds)


def test_help_loads_nothing_heavy():
    code = (
        "import sys\nfrom ocrprof.cli import main\nsys.argv = ['ocrprof', 'doctor', '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\nprint('\\n' + ' '.join(sys.modules))"
    )
    result = subprocess.run([PYTHON, "-c", code], capture_output=True, text=True, timeout=60)
    assert not HEAVY & set(result.stdout.splitlines()[-1].split())


def test_no_driver_is_said_and_a_fact_that_a_gpu_does_not_tell_is_none(monkeypatch):
    """NVML is stood in for: a machine for tests has no GPU."""

    def refuse(*_):
        raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)

    def absent():
        raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    not_read: list[str] = []
    monkeypatch.setattr(pynvml, "nvmlInit", absent)
    assert read_gpus(not_read=not_read) == ([], None)
    assert "no NVIDIA driver" in not_read[0]
    for name, answer in {
        "nvmlInit": None,
        "nvmlShutdown": None,
        "nvmlSystemGetDriverVersion": b"570.86.15",
        "nvmlDeviceGetCount": 1,
        "nvmlDeviceGetHandleByIndex": 0,
        "nvmlDeviceGetName": "H100",
        "nvmlDeviceGetMemoryInfo": SimpleNamespace(total=80, used=8),
        "nvmlDeviceGetClockInfo": 990,
        "nvmlDeviceGetMaxClockInfo": 1980,
        "nvmlDeviceGetTemperature": 84,
        "nvmlDeviceGetCurrentClocksThrottleReasons": pynvml.nvmlClocksThrottleReasonHwThermalSlowdown | 1,
        "nvmlDeviceGetComputeRunningProcesses": [SimpleNamespace(pid=os.getpid(), usedGpuMemory=None)],
    }.items():
        monkeypatch.setattr(pynvml, name, lambda *_, answer=answer: answer)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetUtilizationRates", refuse)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetPersistenceMode", refuse)
    (gpu,), seconds = read_gpus(not_read=not_read)
    assert (gpu.driver, gpu.throttle_reasons, gpu.clock_mhz) == ("570.86.15", ["thermal (hardware)"], 990.0)
    assert (gpu.util_percent, gpu.persistence) == (None, None)
    assert gpu.processes[0].pid == os.getpid() and gpu.processes[0].memory_bytes is None
    assert seconds is not None

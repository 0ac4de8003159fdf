"""Traces and pages of real runs: `startup --export`, and `report` on what a measurement left."""

import gzip
import json
import subprocess

import pytest
from recording import PYTHON, TARGETS
from trace_checks import check_chrome, check_speedscope


def ocrprof(*arguments, cwd):
    command = [PYTHON, "-m", "ocrprof", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=200)


def chrome_in(folder):
    return json.loads(gzip.decompress((folder / "trace.json.gz").read_bytes()))


def names_by_lane(trace):
    """The slices of each lane, by the lane's name."""
    names = {event["pid"]: event["args"]["name"] for event in trace["traceEvents"] if event["name"] == "process_name"}
    found = {}
    for (pid, _), events in check_chrome(trace).items():
        found.setdefault(names[pid], []).extend(event["name"] for event in events)
    return found


@pytest.fixture(scope="module")
def torch_run(tmp_path_factory):
    """A start of the plain loop with two workers, exported in both formats while it was measured."""
    folder = tmp_path_factory.mktemp("torch")
    result = ocrprof("startup", "--runs", "1", "--warmup", "0", "--export", "chrome,speedscope", "-o", "out", "--",
                     PYTHON, str(TARGETS / "torch_script.py"), "2", cwd=folder)  # fmt: skip
    assert result.returncode == 0, result.stderr
    return folder / "out", result


def test_a_start_with_workers_is_a_trace_that_nests(torch_run):
    folder, result = torch_run
    trace = chrome_in(folder)
    lanes = names_by_lane(trace)
    assert sum(name.startswith("main") for name in lanes) == 1
    assert sum(name.startswith("worker") for name in lanes) == 2
    main = next(names for lane, names in lanes.items() if lane.startswith("main"))
    assert {"import torch", "fetch", "workers.start", "imports", "first_step"} <= set(main)
    assert trace["otherData"]["slices_left_out"] == 0
    assert "trace.json.gz" in result.stderr
    assert (folder / "report.html").stat().st_size < 300_000


def test_phases_of_a_trace_add_up_to_the_run(torch_run):
    folder, _ = torch_run
    (run,) = json.loads((folder / "report.json").read_text())["runs"]
    phases = [event for event in chrome_in(folder)["traceEvents"] if event.get("cat") == "phase"]
    assert sum(event["dur"] for event in phases) == pytest.approx(run["wall_seconds"] * 1e6, abs=2)


def test_a_start_with_workers_is_a_speedscope_file_of_every_process(torch_run):
    folder, _ = torch_run
    profiles = check_speedscope(json.loads((folder / "trace.speedscope.json").read_text()))
    assert [profile["name"].split()[0] for profile in profiles] == ["main", "worker", "worker"]


def test_a_saved_report_is_drawn_again_elsewhere_with_the_same_figures(torch_run, tmp_path):
    folder, _ = torch_run
    result = ocrprof("report", str(folder), "-o", "again", "--export", "chrome", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    for name in ("report.json", "report.md", "report.html", "trace.json.gz"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()
    assert "startup" in result.stdout.splitlines()[-1]


def test_a_report_without_its_records_is_drawn_but_not_exported(torch_run, tmp_path):
    folder, _ = torch_run
    (tmp_path / "report.json").write_bytes((folder / "report.json").read_bytes())
    assert ocrprof("report", ".", cwd=tmp_path).returncode == 0
    result = ocrprof("report", ".", "--export", "chrome", cwd=tmp_path)
    assert result.returncode == 2
    assert "holds no records" in result.stderr


def test_a_baseline_of_hydra_and_lightning_is_drawn_again_and_exported(tmp_path):
    result = ocrprof("baseline", "--quick", "--quiet", "-o", str(tmp_path / "out"), "--",
                     PYTHON, "-m", "tabular.app", "data.num_workers=1", f"hydra.run.dir={tmp_path / 'hydra'}",
                     cwd=TARGETS / "tabular")  # fmt: skip
    assert result.returncode == 0, result.stderr
    result = ocrprof("report", "out", "--quiet", "--export", "chrome,speedscope", cwd=tmp_path)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    main = next(names for lane, names in names_by_lane(chrome_in(tmp_path / "out")).items() if lane.startswith("main"))
    assert {"train.batch 0", "val.batch 0", "hydra.compose", "model.init Model", "forward Sequential"} <= set(main)
    check_speedscope(json.loads((tmp_path / "out" / "trace.speedscope.json").read_text()))


@pytest.mark.parametrize("names", ["flamegraph", "chrome,", "chrome,perfetto"])
def test_an_unknown_format_ends_with_2_before_anything_is_measured(tmp_path, names):
    result = ocrprof("startup", "--export", names, "-o", "out", "--", PYTHON, "-c", "open('ran', 'w')", cwd=tmp_path)
    assert result.returncode == 2
    assert "formats: chrome, speedscope" in result.stderr
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "out").exists()


def test_a_folder_without_a_report_ends_with_2(tmp_path):
    result = ocrprof("report", ".", cwd=tmp_path)
    assert result.returncode == 2
    assert "report.json" in result.stderr
    assert "hint:" in result.stderr


def test_a_run_that_kept_the_recorder_out_exports_nothing_and_ends_as_it_would(tmp_path):
    result = ocrprof("startup", "--runs", "1", "--export", "chrome", "-o", "out", "--", "/bin/true", cwd=tmp_path)
    assert result.returncode == 5, result.stderr
    assert not (tmp_path / "out" / "trace.json.gz").exists()
    assert (tmp_path / "out" / "report.html").exists()


def test_a_killed_target_still_gives_a_trace_that_nests(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import wave, threading, time, os, signal\n"
        "threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGKILL)).start()\n"
        "import json.tool\n"
        "time.sleep(60)\n"
    )
    result = ocrprof("startup", "--runs", "1", "--export", "chrome,speedscope", "-o", "out", "--", PYTHON, str(script),
                     cwd=tmp_path)  # fmt: skip
    assert result.returncode == 5, result.stderr
    assert "import wave" in next(iter(names_by_lane(chrome_in(tmp_path / "out")).values()))
    check_speedscope(json.loads((tmp_path / "out" / "trace.speedscope.json").read_text()))

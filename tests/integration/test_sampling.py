"""A start beside which py-spy runs: lines of known length are found, and where it may not look, that is said."""

import json
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest
from recording import PYTHON, TARGETS

from ocrprof.measure.sampling import find_py_spy, with_samples
from ocrprof.measure.startup import measure_startup
from ocrprof.plan import StartupPlan
from ocrprof.renderers.hot_lines import console_lines, html_section, markdown_lines
from ocrprof.results.store import read_report, write_report
from ocrprof.target import Target

SCRIPT = TARGETS / "slow_lines.py"


def plan_for(output, *argv):
    return StartupPlan(
        target=Target(argv=argv, cwd=output.parent), output=output, runs=1, warmup=0, until=None, timeout_seconds=120
    )


def sampled(output, *argv):
    """(the report with its samples, what was told of the progress)."""
    plan, told = plan_for(output, *argv), []
    return with_samples(measure_startup(plan, progress=told.append), plan, progress=told.append), told


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    output = tmp_path_factory.mktemp("sampling") / "out"
    report, told = sampled(output, PYTHON, str(SCRIPT))
    return report, told, output


def test_lines_of_known_length_are_found_within_a_fifth(run):
    report, _, output = run
    samples = report.samples
    assert samples.failure is None
    truth = json.loads((output / "runs" / "sampled" / "stdout.txt").read_text())
    (piece,) = [piece for piece in samples.pieces if piece.name == "unattributed"]
    source = SCRIPT.read_text().splitlines()
    expected = {"nap": {"time.sleep(NAP_SECONDS)"}, "burn": {"while time.perf_counter() < until:", "count += 1"}}
    for name, texts in expected.items():
        lines = [line for line in piece.hot_lines if line.lines[-1].function == name]
        assert sum(line.seconds for line in lines) == pytest.approx(truth[name], rel=0.2)
        assert {line.lines[-1].location.file for line in lines} == {str(SCRIPT)}
        assert {source[line.lines[-1].location.line - 1].strip() for line in lines} <= texts


def test_the_sampled_run_is_told_apart_from_the_counted_ones(run):
    report, told, _ = run
    assert len(report.runs) == 1
    assert "sampling: a run of its own" in told[-1]
    assert report.samples.sampler.startswith("py-spy ")
    assert report.samples.num_anchors >= 4
    assert report.samples.residual_seconds < 4 * report.samples.period_seconds


def test_the_sampler_has_ended_with_the_target(run):
    assert [child for child in psutil.Process().children(recursive=True) if "py-spy" in child.name()] == []


def test_a_saved_report_is_drawn_again(run, tmp_path):
    report = run[0]
    write_report(report, tmp_path)
    again = read_report(tmp_path)
    assert again.samples == report.samples
    text = "\n".join(line for line, _ in console_lines(again, width=80))
    assert "slow_lines.py" in text and " nap" in text
    assert max(map(len, text.splitlines())) <= 80
    assert "slow_lines.py" in "\n".join(markdown_lines(again, num_rows=5))
    assert "Hot lines" in html_section(again)


def test_a_sampler_that_is_killed_leaves_the_rest_of_the_report(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent("""
            import os, signal
            parent = os.getppid()
            with open(f"/proc/{parent}/comm") as file:
                if "py-spy" in file.read():
                    os.kill(parent, signal.SIGKILL)
        """)
    )
    report, _ = sampled(tmp_path / "out", PYTHON, str(script))
    assert report.samples.failure.startswith("py-spy ended before the start did")
    assert report.runs[0].reached
    assert report.samples.pieces == []


# Runs what follows it without any capability, as a container does that was given none.
DROP_CAPABILITIES = """
import ctypes, os, sys
for capability in range(64):
    ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
SAMPLE = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_sampling import sampled
report, _ = sampled(Path(sys.argv[2]), *sys.argv[3:])
print(report.runs[0].status, report.samples.failure)
"""


def test_a_process_that_may_not_be_looked_into_is_said_to_be_so(tmp_path):
    # A program that its user may run and not read gives a process that its user may not look into.
    unreadable = tmp_path / "python"
    shutil.copy(Path(PYTHON).resolve(), unreadable)
    unreadable.chmod(0o111)
    library = f"{sys.base_prefix}/lib"
    command = ["env", f"PYTHONHOME={sys.base_prefix}", f"LD_LIBRARY_PATH={library}", str(unreadable), str(SCRIPT)]
    if subprocess.run([*command[:-1], "-c", ""], capture_output=True, timeout=60).returncode != 0:
        pytest.skip("this Python does not run from a copy of its executable")
    here = str(Path(__file__).parent)
    result = subprocess.run(
        [PYTHON, "-c", DROP_CAPABILITIES, PYTHON, "-c", SAMPLE, here, str(tmp_path / "out"), *command],
        cwd=tmp_path, capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    status, _, failure = result.stdout.splitlines()[-1].partition(" ")
    assert status == "reached"
    assert failure.startswith("py-spy may not look into the process")
    assert "SYS_PTRACE" in failure


def test_no_py_spy_at_all_is_said_without_another_run(run, tmp_path, monkeypatch):
    report, _, output = run
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_py_spy() is None
    before = sorted(path.name for path in (output / "runs").iterdir())
    plan = StartupPlan(
        target=Target(argv=(PYTHON, str(SCRIPT)), cwd=tmp_path), output=tmp_path / "out", runs=1, warmup=0, until=None,
        timeout_seconds=120,
    )  # fmt: skip
    shutil.copytree(output / "runs", tmp_path / "out" / "runs")
    assert "pip install py-spy" in with_samples(report, plan, progress=lambda text: None).samples.failure
    assert sorted(path.name for path in (tmp_path / "out" / "runs").iterdir()) == before


def test_a_start_that_failed_is_not_sampled(tmp_path):
    report, told = sampled(tmp_path / "out", PYTHON, "-c", "raise SystemExit(3)")
    assert report.samples is None
    assert not any("sampling" in text for text in told)

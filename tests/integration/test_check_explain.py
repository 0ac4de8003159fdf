"""`ocrprof check --explain`: every step to a verdict, from the check itself and from what it saved."""

import subprocess
import sys

import pytest
from test_check import BUSY, QUICK, Repository

from ocrprof.results.store import read_report

ASKED = ("--explain", "time_to_*", "--explain", "modules")


@pytest.fixture(scope="module")
def explained(tmp_path_factory):
    """Far more work in an import, and a module of the standard library: ten pairs."""
    folder = tmp_path_factory.mktemp("explained")
    repository = Repository(folder / "repository", **{"work.py": BUSY.format(seconds=0.03)})
    repository.commit("slower", **{"work.py": "import csv\n" + BUSY.format(seconds=0.2)})
    done, report = repository.check("--against", "HEAD~1", "--pairs", "10:10", "--seed", "3", *ASKED)
    return done, report, next(folder.glob("report-*"))


def of_report(*arguments, timeout=60):
    argv = [sys.executable, "-m", "ocrprof", "report", *arguments]
    return subprocess.run(argv, capture_output=True, text=True, timeout=timeout, check=False)


def test_every_step_to_the_verdict_is_told_and_agrees_with_it(explained):
    done, report, _ = explained
    assert done.returncode == 1, done.stderr
    assert report.explained == ["time_to_*", "modules"]
    for heading in ("time_to_exit", "modules"):
        assert f"How the verdict on {heading} came about" in done.stdout
    told = " ".join(done.stdout.split())
    assert "NOT AS IN THE REPORT" not in told
    assert "comes to what the report says" in told
    assert "252 were tried, all that were possible" in told
    assert "startup.imports" in told
    assert "+ csv, first at work.py:1" in told


def test_the_phases_add_up_to_the_whole_change(explained):
    done, report, _ = explained
    changes = {}
    for one in report.launches:
        sign = 1 if one.arm == "candidate" else -1
        for name, value in one.values.items() if one.pair else ():
            changes[name] = changes.get(name, 0.0) + sign * value / 10
    phases = sum(change for name, change in changes.items() if name.startswith("startup.") or name == "teardown")
    assert phases == pytest.approx(changes["time_to_exit"], rel=1e-3)
    assert "all together" in done.stdout


def test_a_saved_report_tells_the_same(explained, tmp_path):
    done, _, folder = explained
    again = of_report(str(folder), "-o", str(tmp_path / "again"), *ASKED)
    assert again.returncode == 0, again.stderr
    assert again.stdout == done.stdout
    other = of_report(str(folder), "-o", str(tmp_path / "other"), "--explain", "teardown")
    assert "How the verdict on teardown came about" in other.stdout
    assert "time_to_exit came about" not in other.stdout
    assert read_report(tmp_path / "other").explained == ["teardown"]
    for name in ("report.md", "report.html"):
        assert "How the verdict on teardown came about" in (tmp_path / "other" / name).read_text(encoding="utf-8")


def test_an_unknown_metric_of_a_saved_report_is_told_before_anything_is_written(explained, tmp_path):
    _, _, folder = explained
    done = of_report(str(folder), "-o", str(tmp_path / "none"), "--explain", "time_to_exti")
    assert done.returncode == 2
    assert "did you mean time_to_exit" in done.stderr
    assert not (tmp_path / "none").exists()


def test_what_cannot_be_measured_is_told_before_anything_is(explained, tmp_path):
    repository = Repository(tmp_path / "repository")
    done, report = repository.check("--against", "HEAD", "--explain", "tim_to_exit")
    assert done.returncode == 2
    assert "did you mean time_to_exit" in done.stderr
    assert report is None


def test_what_turns_out_not_to_be_is_told_when_all_is_saved(tmp_path):
    repository = Repository(tmp_path / "repository")
    done, report = repository.check("--against", "HEAD", "--explain", "declared.pages", *QUICK)
    assert done.returncode == 2
    assert "--explain declared.pages: no metric is called so" in done.stderr
    assert "declared.samples" in done.stderr
    assert report.verdict == "ok"


def test_stored_sessions_are_told_one_by_one(tmp_path):
    repository = Repository(tmp_path / "repository")
    stored = tmp_path / "stored.json"
    options = ("--baseline", str(stored), "--runs", "2")
    repository.check(*options, "--update-baseline")
    done, report = repository.check(*options, *("--baseline", str(stored)) * 2, "--explain", "time_to_exit")
    assert done.returncode == 0, done.stderr
    assert len(report.sessions) == 3
    assert report.sessions[0].medians["time_to_exit"] > 0
    told = " ".join(done.stdout.split())
    assert "A session is one figure" in told
    assert "sessions fewer than 8" in told
    assert "NOT AS IN THE REPORT" not in told

"""How often `ocrprof startup` repeats a start, what it watches meanwhile, and what it tells of the warm-up."""

import pytest
from recording import PYTHON, TARGETS
from test_cli import ocrprof, report_in


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A start of a quick program, nothing said of the number of runs."""
    folder = tmp_path_factory.mktemp("repeats")
    result = ocrprof("startup", "-o", "out", "--", PYTHON, str(TARGETS / "stdlib_script.py"), cwd=folder)
    assert result.returncode == 0, result.stderr
    return result, report_in(folder / "out")


def test_a_quick_target_is_counted_five_times_and_it_is_said_why(measured):
    result, report = measured
    assert [run["warmup"] for run in report["runs"]] == [True, False, False, False, False, False]
    assert report["repeats"]["num_counted"] == 5
    assert report["repeats"]["chosen_by_seconds"] == report["runs"][0]["wall_seconds"]
    assert "so 5 runs will be counted (--runs gives another number)" in result.stderr


def test_the_warm_up_is_told_apart(measured):
    assert "the warm-up run took" in " ".join(measured[0].stdout.split())


def test_every_run_tells_what_else_the_machine_did(measured):
    for run in measured[1]["runs"]:
        assert run["surroundings"]["seconds"] >= run["wall_seconds"] - 0.01
        assert run["surroundings"]["others_busy_cores"] >= 0


def test_quick_counts_one_run(tmp_path):
    result = ocrprof("startup", "--quick", "-o", "out", "--", PYTHON, "-c", "pass", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert [run["warmup"] for run in report_in(tmp_path / "out")["runs"]] == [True, False]


def test_quick_and_a_number_of_runs_exclude_each_other(tmp_path):
    result = ocrprof("startup", "--quick", "--runs", "3", "-o", "out", "--", PYTHON, "-c", "pass", cwd=tmp_path)
    assert result.returncode == 2
    assert "--quick and --runs 3 exclude each other" in result.stderr

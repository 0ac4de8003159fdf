"""A plan that could be built can be run; one that could not says why, before anything is measured."""

import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ocrprof.errors import OcrprofError
from ocrprof.plan import StartupPlan, default_output
from ocrprof.target import Target


def plan(output, **changes):
    values = {"runs": 3, "warmup": 1, "until": None, "timeout_seconds": 10.0, **changes}
    return StartupPlan(target=Target(argv=(sys.executable,), cwd=Path.cwd()), output=output, **values)


def test_the_output_folder_is_made_when_the_plan_is(tmp_path):
    plan(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()


def test_a_folder_that_cannot_be_made_is_a_usage_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OcrprofError, match="cannot write to") as raised:
        plan(tmp_path / "file" / "reports")
    assert raised.value.exit_code == 2


def test_an_earlier_report_is_not_overwritten(tmp_path):
    (tmp_path / "report.json").write_text("{}")
    with pytest.raises(OcrprofError, match="holds a report already"):
        plan(tmp_path)


def test_runs_that_a_measurement_left_behind_are_not_written_over(tmp_path):
    (tmp_path / "runs" / "1").mkdir(parents=True)
    with pytest.raises(OcrprofError, match="runs of a measurement that did not end"):
        plan(tmp_path)


@pytest.mark.parametrize("changes", [{"runs": 0}, {"warmup": -1}, {"timeout_seconds": 0.0}])
def test_counts_and_limits_out_of_range_are_refused(tmp_path, changes):
    with pytest.raises(OcrprofError, match="--"):
        plan(tmp_path / "out", **changes)
    assert not (tmp_path / "out").exists()


def test_the_default_folder_is_named_for_verb_and_utc_time():
    moment = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
    assert default_output("startup", now=moment) == Path("reports/startup_20260304T050607Z")


def test_a_probe_has_no_milestone_but_the_end(tmp_path):
    with pytest.raises(OcrprofError, match="exclude each other"):
        plan(tmp_path / "out", probe="help", until="model")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("first_seconds", "changes", "expected"),
    [
        (10.0, {}, 5),
        (100.0, {}, 5),
        (130.0, {}, 3),
        (115.0, {}, 4),
        (400.0, {}, 3),
        (60.0, {"what_if": "torch", "verify": True}, 4),
        (40.0, {"cache": "both", "check_overhead": True}, 3),
        (400.0, {"runs": 9}, 9),
    ],
)
def test_the_number_of_runs_keeps_all_of_them_within_ten_minutes(tmp_path, first_seconds, changes, expected):
    chosen = plan(tmp_path / "out", **{"runs": None, **changes})
    assert chosen.num_runs(first_seconds=first_seconds) == expected


@pytest.mark.parametrize("changes", [{"warmup": 0}, {"check_overhead": True}, {"what_if": "torch", "verify": True}])
def test_cold_runs_need_a_run_that_lists_the_files_and_stand_alone(tmp_path, changes):
    with pytest.raises(OcrprofError, match="--cache cold"):
        plan(tmp_path / "out", cache="cold", **changes)
    assert not (tmp_path / "out").exists()

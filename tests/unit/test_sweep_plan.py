"""What a sweep of worker counts can be asked to do."""

from pathlib import Path

import pytest

from ocrprof.errors import OcrprofError
from ocrprof.quantities import parse_integers, parse_seconds, parse_share, parse_start_methods, parse_switches
from ocrprof.results.model import LoaderSetting
from ocrprof.sweep_plan import SweepWorkersPlan, TrialOptions, build_settings, default_values
from ocrprof.target import Target


def plan(folder: Path, **changed) -> SweepWorkersPlan:
    given = {
        "target": Target(argv=("true",), cwd=folder),
        "output": folder / "report",
        "settings": build_settings([0, 2]),
        "trial": TrialOptions(),
    }
    return SweepWorkersPlan(**{**given, **changed})


def test_settings_are_the_product_of_the_factors():
    settings = build_settings([2, 4], prefetch=[2, 4], pin=[True])
    assert settings == (
        LoaderSetting(num_workers=2, prefetch_factor=2, pin_memory=True),
        LoaderSetting(num_workers=2, prefetch_factor=4, pin_memory=True),
        LoaderSetting(num_workers=4, prefetch_factor=2, pin_memory=True),
        LoaderSetting(num_workers=4, prefetch_factor=4, pin_memory=True),
    )


def test_without_workers_only_pinning_is_a_factor():
    settings = build_settings([0, 2], prefetch=[2, 4], persistent=[True, False], in_order=[False], pin=[True, False])
    none = [setting for setting in settings if setting.num_workers == 0]
    assert none == [LoaderSetting(num_workers=0, pin_memory=True), LoaderSetting(num_workers=0, pin_memory=False)]
    assert len(settings) == 2 + 8


@pytest.mark.parametrize(
    ("cores", "ranks", "expected"),
    [
        (1, 1, (0, 1, 2)),
        (1.5, 1, (0, 1, 2)),
        (2, 1, (0, 1, 2, 4)),
        (6, 1, (0, 2, 4, 6)),
        (16, 1, (0, 2, 4, 8, 16)),
        (16, 4, (0, 1, 2, 4, 8)),
        (96, 1, (0, 2, 4, 8, 16, 32)),
    ],
)
def test_default_values_follow_the_cores_that_a_rank_may_use(cores, ranks, expected):
    assert default_values(cores, local_ranks=ranks) == expected


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"settings": ()}, "--values names no number"),
        ({"settings": (LoaderSetting(num_workers=-1),)}, "cannot be negative"),
        ({"settings": (LoaderSetting(num_workers=2, prefetch_factor=0),)}, "at least one batch"),
        ({"settings": build_settings(range(1, 26))}, "25 settings are more than the 24"),
        ({"within": 1.5}, "--within 1.5: must be between 0 and 1"),
        ({"max_wait": 0.0}, "--max-wait 0"),
        ({"rounds": 2}, "--rounds 2: below 3"),
        ({"rounds": 4, "max_rounds": 3}, "--max-rounds 3 is less than the 4"),
        ({"local_ranks": 0}, "--local-ranks 0"),
        ({"rank_environment": True}, "--rank-env needs more than one rank"),
        ({"what_if": (0,)}, "at least one"),
        ({"budget_seconds": 0.0}, "--budget: must be more than zero"),
        ({"step_batches": 30, "trial": TrialOptions(step_seconds=0.1)}, "exclude each other"),
    ],
)
def test_a_plan_that_cannot_be_run_is_not_made(tmp_path, changed, message):
    with pytest.raises(OcrprofError, match=message):
        plan(tmp_path, **changed)


def test_a_report_is_not_written_over_but_by_the_sweep_that_goes_on(tmp_path):
    folder = tmp_path / "report"
    folder.mkdir()
    (folder / "report.json").write_text("{}")
    with pytest.raises(OcrprofError, match="holds a report already"):
        plan(tmp_path)
    assert plan(tmp_path, resume=folder).output == folder
    (folder / "trials.jsonl").write_text("")
    assert plan(tmp_path, resume=folder / "trials.jsonl").output == folder
    with pytest.raises(OcrprofError, match="holds a report already"):
        plan(tmp_path, resume=tmp_path / "another")


@pytest.mark.parametrize(("text", "seconds"), [("5m", 300), ("90s", 90), ("300", 300), ("1.5min", 90), ("1h", 3600)])
def test_times_are_given_with_or_without_a_unit(text, seconds):
    assert parse_seconds(text, option="--budget") == seconds


def test_shares_are_given_in_percent_or_of_one():
    assert parse_share("5%", option="--within") == parse_share("0.05", option="--within") == 0.05


@pytest.mark.parametrize(
    ("parse", "text", "message"),
    [
        (parse_share, "five", "--x five: not a share"),
        (parse_seconds, "5 days", "--x 5 days: not a time"),
        (parse_seconds, "-1", "not a time"),
        (parse_integers, "1,two", "--x 1,two: not numbers"),
        (parse_switches, "on,maybe", "'maybe' is none of on, off"),
        (parse_start_methods, "fork,thread", "'thread' is none of fork, spawn, forkserver"),
    ],
)
def test_a_quantity_that_is_none_is_said_with_its_option(parse, text, message):
    with pytest.raises(OcrprofError, match=message):
        parse(text, option="--x")


def test_lists_name_each_value_once_in_their_order():
    assert parse_integers("4,0,4,2", option="--values") == (4, 0, 2)
    assert parse_switches("off,on,off", option="--pin") == (False, True)
    assert parse_integers(None, option="--values") == ()

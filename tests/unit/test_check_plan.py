"""The small languages of a check's options, and the plans that cannot be run."""

import sys
from pathlib import Path

import pytest

from ocrprof.check_plan import (
    CheckPlan,
    LoopLimits,
    parse_budget,
    parse_effects,
    parse_pairs,
    unused_options,
)
from ocrprof.errors import OcrprofError
from ocrprof.quantities import parse_seconds, parse_share
from ocrprof.target import Target


def plan(folder: Path, **more) -> CheckPlan:
    settings = {
        "target": Target(argv=(sys.executable, "x.py"), cwd=folder),
        "output": folder / "report",
        "mode": "against",
        "ref": "main",
        "min_effects": {},
        "seed": 1,
        "timeout_seconds": 10.0,
    }
    return CheckPlan(**settings | more)


@pytest.mark.parametrize(
    ("text", "metric", "limit", "inclusive", "reference"),
    [
        ("time_to_first_step<20s", "time_to_first_step", 20.0, False, None),
        ("time_to_first_step < 1.5 min", "time_to_first_step", 90.0, False, None),
        ("startup.imports<=250ms", "startup.imports", 0.25, True, None),
        ("peak_rss<2GiB", "peak_rss", 2 * 2**30, False, None),
        ("modules<=900", "modules", 900.0, True, None),
        ("imports<=1.2*import:torch", "imports", 1.2, True, "torch"),
        ("imports < import:torch.nn", "imports", 1.0, False, "torch.nn"),
    ],
)
def test_budgets_are_read_in_si_units(text, metric, limit, inclusive, reference):
    budget = parse_budget(text)
    assert (budget.metric, budget.limit, budget.inclusive, budget.reference) == (metric, limit, inclusive, reference)
    assert " " not in budget.text


@pytest.mark.parametrize("text", ["imports", "imports<", "imports>3s", "imports<3 parsecs", "imports<2*torch", "<3s"])
def test_what_is_no_budget_is_refused(text):
    with pytest.raises(OcrprofError, match="--budget"):
        parse_budget(text)


def test_shares_durations_pairs_and_effects():
    assert parse_share("5%", option="--target") == parse_share("0.05", option="--target") == 0.05
    assert [parse_seconds(text, option="x") for text in ("90", "90s", "10m", "1h", "500ms")] == [
        90,
        90,
        600,
        3600,
        0.5,
    ]
    assert parse_pairs("10:28") == (10, 28)
    assert parse_pairs("12") == (12, 12)
    assert parse_effects(["8%", "imports=3%", "startup.*=0.2"]) == (0.08, {"imports": 0.03, "startup.*": 0.2})


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (lambda text: parse_share(text, option="--target"), "a tenth"),
        (lambda text: parse_seconds(text, option="--time-budget"), "10 moons"),
        (parse_pairs, "10:many"),
        (lambda text: parse_effects([text]), "imports=some"),
    ],
)
def test_what_cannot_be_read_is_refused_with_an_example(parse, text):
    with pytest.raises(OcrprofError) as error:
        parse(text)
    assert error.value.hint


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"num_pairs_first": 8}, "8 pairs can never"),
        ({"num_pairs_max": 27}, "odd number"),
        ({"alpha": 0.0}, "--alpha"),
        ({"min_effect": 0.1, "target_effect": 0.1}, "not above --min-effect"),
        ({"until": "config", "probe": "error"}, "exclude each other"),
        ({"loop": LoopLimits(num_train_batches=0, num_val_batches=None, num_epochs=2)}, "at least one batch"),
        ({"mode": "alone", "ref": None}, "nothing to compare with"),
        ({"mode": "alone", "ref": None, "exact_only": True}, "nothing to compare with"),
        ({"update_baseline": True}, "--update-baseline"),
        ({"mode": "aa"}, "compares with one thing"),
        ({"time_budget_seconds": 0.0}, "--time-budget"),
    ],
)
def test_a_plan_that_could_not_be_run_cannot_be_built(tmp_path, more, message):
    with pytest.raises(OcrprofError, match=message):
        plan(tmp_path, **more)


def test_limits_alone_are_a_plan(tmp_path):
    assert plan(tmp_path, mode="alone", ref=None, exact_only=True, forbidden=("torch",)).forbidden == ("torch",)


@pytest.mark.parametrize("text", ["8", "1", "1e1"])
def test_a_bare_number_is_no_share_of_which_nothing_would_ever_be_told(text):
    with pytest.raises(OcrprofError) as error:
        parse_effects([f"imports={text}"])
    assert error.value.hint == f"--min-effect {text}%"
    assert parse_effects(["modules=200%"])[1] == {"modules": 2.0}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"min_effects": {"imports": -0.05}}, "imports -0.05"),
        ({"min_effects": {"imports": float("nan")}}, "imports nan"),
        ({"max_steal": -0.1}, "--drop-steal -0.1"),
        ({"alpha": 0.001, "num_pairs_first": 10, "num_pairs_max": 10}, "10 pairs can confirm nothing below 0.004"),
        ({"alpha": 0.00005}, "40 pairs can confirm nothing below 0.0001"),
        ({"loop": LoopLimits(num_train_batches=2, num_val_batches=0, num_epochs=2)}, "at least one batch"),
    ],
)
def test_a_plan_that_could_tell_nothing_cannot_be_built(tmp_path, more, message):
    with pytest.raises(OcrprofError, match=message):
        plan(tmp_path, **more)


def test_the_smallest_alpha_that_some_pairs_can_reach_is_a_plan(tmp_path):
    assert plan(tmp_path, alpha=1 / 252, num_pairs_max=10).alpha == 1 / 252
    assert plan(tmp_path, alpha=1 / 504, num_pairs_max=12).alpha == 1 / 504
    assert plan(tmp_path, alpha=0.0001).alpha == 0.0001
    assert plan(tmp_path, alpha=0.0001, num_pairs_max=10, exact_only=True).exact_only


def test_options_without_an_effect_are_named_with_the_reason(tmp_path):
    def unused(*given: str, **more) -> list[str]:
        return unused_options(plan(tmp_path, **more), given=given)

    assert unused("--pairs", "--train-batches", "--runs") == [
        "--train-batches has no effect here: it takes --loop, or a launch ends at its milestone",
        "--runs has no effect here: it counts launches against a stored report",
    ]
    assert unused("--pairs", "--rule", exact_only=True) == [
        "--pairs, --rule have no effect here: there are no pairs of launches"
    ]
    stored = {"mode": "baseline", "ref": None, "baselines": (Path("old.json"),)}
    assert unused("--runs", "--alpha", "--allow-mismatch", **stored) == []
    assert unused("--link", **stored) == [
        "--link has no effect here: the program runs where it is, with all that lies there"
    ]
    assert unused("--fail-on", mode="aa", ref=None) == ["--fail-on has no effect here: --aa never fails"]
    assert unused("--pairs", "--seed", "--link", "--fail-on", "--output", "--quiet") == []


def test_what_a_check_reads_and_writes_is_its_own_but_never_the_folder_of_the_program(tmp_path):
    attempt = tmp_path / "first" / "report.json"
    own = plan(tmp_path, attempts=(attempt,)).own_files
    assert set(own) == {tmp_path / "report", attempt, tmp_path / "first"}
    beside = tmp_path / "report.json"
    assert tmp_path not in plan(tmp_path, attempts=(beside,)).own_files

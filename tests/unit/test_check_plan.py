"""The small languages of a check's options, and the plans that cannot be run."""

import sys
from pathlib import Path

import pytest

from ocrprof.check_plan import (
    CheckPlan,
    LoopLimits,
    parse_budget,
    parse_duration,
    parse_effects,
    parse_pairs,
    parse_share,
)
from ocrprof.errors import OcrprofError
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
    assert [parse_duration(text, option="x") for text in ("90", "90s", "10m", "1h", "500ms")] == [
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
        (lambda text: parse_duration(text, option="--time-budget"), "10 moons"),
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

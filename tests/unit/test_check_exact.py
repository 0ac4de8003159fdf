"""What differs exactly between two states, what of it is worse, and how it is told."""

import pytest

from ocrprof.results.check_exact import compare_facts, exact_sentence
from ocrprof.results.model import ExactChange, ExactFacts, Location


def modules(*names: str, place: str | None = None) -> dict[str, str | None]:
    return dict.fromkeys(names, place)


def changed(base: ExactFacts, candidate: ExactFacts, **options) -> dict[str, ExactChange]:
    return {change.name: change for change in compare_facts(base, candidate, **options)}


def many(num: int) -> dict[str, str | None]:
    return modules("torch", *(f"torch.m{index}" for index in range(num - 1)))


def test_modules_that_came_are_told_as_a_set_with_the_line_that_brought_them():
    pandas = {"pandas": "ocr/data.py:3", **modules(*(f"pandas.m{index}" for index in range(29)), place="x.py:1")}
    one = changed(
        ExactFacts(sets={"modules": many(100)}),
        ExactFacts(sets={"modules": {**many(99), "pytz": "pandas/tz.py:9", **pandas}}),
    )["modules"]
    assert (one.base, one.candidate, one.num_added, one.num_removed) == (100, 130, 31, 1)
    assert one.verdict == "regressed"
    assert one.removed[0].name == "torch.m98"
    assert one.added[1].name == "pandas" and one.added[1].location == Location(file="ocr/data.py", line=3)
    assert exact_sentence(one) == "+31 modules: pandas, pytz, first imported at ocr/data.py:3"


def test_a_few_more_modules_are_allowed_and_told():
    base = ExactFacts(sets={"modules": many(1000)})
    within = changed(base, ExactFacts(sets={"modules": many(1020)}))["modules"]
    assert (within.verdict, within.reason) == ("changed", "within the 20 more that are allowed")
    assert changed(base, ExactFacts(sets={"modules": many(1021)}))["modules"].verdict == "regressed"
    assert changed(base, base)["modules"] == ExactChange(name="modules", base=1000, candidate=1000)
    small = ExactFacts(sets={"modules": many(50)})
    assert changed(small, ExactFacts(sets={"modules": many(60)}))["modules"].verdict == "changed"
    assert changed(small, ExactFacts(sets={"modules": many(61)}))["modules"].verdict == "regressed"
    assert changed(small, ExactFacts(sets={"modules": many(30)}))["modules"].verdict == "improved"


def test_the_caller_may_allow_more_or_nothing():
    base, candidate = ExactFacts(sets={"modules": many(100)}), ExactFacts(sets={"modules": many(101)})
    assert changed(base, candidate, allowances={"modules": 0})["modules"].verdict == "regressed"
    candidate = ExactFacts(sets={"modules": many(400)}, values={"parameters": 2})
    base = ExactFacts(sets={"modules": many(100)}, values={"parameters": 1})
    assert changed(base, candidate, allowances={"modules": 300})["modules"].verdict == "changed"
    assert changed(base, candidate)["parameters"].verdict == "changed"
    assert changed(base, candidate, allowances={"parameters": 0})["parameters"].verdict == "regressed"


def test_of_a_set_that_is_only_told_an_allowance_forbids_another_member_too():
    """A configuration is one member, its hash: its number never grows."""
    base, candidate = ExactFacts(sets={"config": {"sha256:a": None}}), ExactFacts(sets={"config": {"sha256:b": None}})
    assert changed(base, candidate)["config"].verdict == "changed"
    assert changed(base, candidate, allowances={"config": 0})["config"].verdict == "regressed"
    assert changed(base, base, allowances={"config": 0})["config"].verdict == "ok"


def test_a_new_eager_package_is_a_regression_even_where_another_went():
    one = changed(
        ExactFacts(sets={"eager_packages": modules("torch", "wandb")}),
        ExactFacts(sets={"eager_packages": {"torch": None, "pandas": "train.py:7"}}),
    )["eager_packages"]
    assert one.verdict == "regressed"
    assert exact_sentence(one) == "+1 eager package: pandas, first imported at train.py:7"
    gone = changed(
        ExactFacts(sets={"eager_packages": modules("torch", "wandb")}),
        ExactFacts(sets={"eager_packages": modules("torch")}),
    )["eager_packages"]
    assert gone.verdict == "improved"
    assert exact_sentence(gone) == "−1 eager package: wandb"


@pytest.mark.parametrize(
    "candidate, verdict",
    [
        ({"ocr.Tokenizer": 1, "ocr.Collate": 1}, "ok"),
        ({"ocr.Tokenizer": 3, "ocr.Collate": 1}, "regressed"),
        ({"ocr.Tokenizer": 1, "ocr.Collate": 1, "ocr.Blur": 1}, "changed"),
        ({"ocr.Tokenizer": 1}, "changed"),
    ],
)
def test_what_is_built_more_often_is_worse_and_what_is_built_anew_is_not(candidate, verdict):
    base = ExactFacts(counts={"instantiations": {"ocr.Tokenizer": 1, "ocr.Collate": 1}})
    one = changed(base, ExactFacts(counts={"instantiations": candidate}))["instantiations"]
    assert one.verdict == verdict
    if verdict == "regressed":
        assert one.reason == "done more often than before: ocr.Tokenizer"
        assert (one.added[0].detail, one.num_added) == ("1 → 3", 2)


def test_parameters_and_samples_are_told_and_never_fail():
    found = changed(
        ExactFacts(values={"parameters": 1200, "samples": 8}), ExactFacts(values={"parameters": 1300, "samples": 8})
    )
    assert (found["parameters"].verdict, found["samples"].verdict) == ("changed", "ok")
    assert exact_sentence(found["parameters"]) == "parameters 1200 → 1300"


def test_what_one_side_did_not_measure_is_missing():
    found = changed(
        ExactFacts(sets={"modules": many(3)}, counts={"duplicates": {}}), ExactFacts(values={"parameters": 1})
    )
    assert {change.verdict for change in found.values()} == {"missing"}
    assert found["modules"].reason == "not measured in the candidate"
    assert found["parameters"].reason == "not measured in the base"
    assert exact_sentence(found["parameters"]) == "parameters: not measured in the base"


def test_what_varies_by_itself_is_told_and_not_judged():
    base = ExactFacts(sets={"eager_packages": modules("torch")}, unsteady=["eager_packages"])
    candidate = ExactFacts(sets={"eager_packages": modules("torch", "pandas")})
    assert changed(base, candidate)["eager_packages"].verdict == "reported"
    assert changed(base, base)["eager_packages"].verdict == "ok"


def test_paths_are_told_whole_and_in_order():
    one = changed(
        ExactFacts(sets={"files_opened": modules()}),
        ExactFacts(sets={"files_opened": {"data/b.json": "ocr/io.py:4", "data/a.json": None}}),
    )["files_opened"]
    assert exact_sentence(one) == "+2 files opened: data/b.json, data/a.json, first seen at ocr/io.py:4"


@pytest.mark.parametrize("candidate, verdict", [("×4", "regressed"), ("×2", "improved"), (None, "improved")])
def test_a_duplicate_built_more_often_is_worse_and_less_often_is_not(candidate, verdict):
    base = ExactFacts(sets={"duplicates": {"ocr.Tokenizer ×3": "ocr/model.py:8"}})
    after = {} if candidate is None else {f"ocr.Tokenizer {candidate}": "ocr/model.py:8"}
    assert changed(base, ExactFacts(sets={"duplicates": after}))["duplicates"].verdict == verdict


def test_a_cache_that_no_longer_answers_is_named():
    base = ExactFacts(
        values={"images_opened_again": 0}, counts={"cache_hits": {"tensor": 48}, "images_opened_again": {}}
    )
    candidate = ExactFacts(
        values={"images_opened_again": 48},
        counts={"cache_hits": {"tensor": 0}, "images_opened_again": {"data/img": 48}},
    )
    found = changed(base, candidate)
    assert len(compare_facts(base, candidate)) == 2, "a figure of the name of a count is told by the count"
    assert [found[name].verdict for name in ("cache_hits", "images_opened_again")] == ["regressed", "regressed"]
    assert exact_sentence(found["cache_hits"]) == "−48 cache hits: tensor"
    assert exact_sentence(found["images_opened_again"]) == "+48 images opened again: data/img"
    assert changed(candidate, base)["cache_hits"].verdict == "improved"


def test_a_logged_value_that_is_no_number_equals_itself():
    base = ExactFacts(values={"logged.loss": float("nan")})
    assert changed(base, base)["logged.loss"].verdict == "ok"
    assert changed(base, ExactFacts(values={"logged.loss": 1.0}))["logged.loss"].verdict == "changed"


def test_members_that_are_no_modules_are_told_by_their_whole_names():
    base = ExactFacts(counts={"calls": {"train.py:read": 1}, "instantiations": {"collections.Counter (a)": 1}})
    candidate = ExactFacts(counts={"calls": {"train.py:read": 3}, "instantiations": {"collections.Counter (a)": 2}})
    found = changed(base, candidate)
    assert exact_sentence(found["calls"]) == "+2 calls: train.py:read"
    assert exact_sentence(found["instantiations"]) == "+1 instantiation: collections.Counter (a)"

"""Budgets, forbidden imports, the same work, and fingerprints: from recorded values."""

import math

from ocrprof.check_plan import parse_budget
from ocrprof.results.check_budgets import judge_budget, judge_forbidden
from ocrprof.results.check_facts import without_unsteady
from ocrprof.results.check_fingerprint import differences, make_fingerprint, workload_hash
from ocrprof.results.check_values import describe_metrics
from ocrprof.results.check_work import less_work
from ocrprof.results.model import ExactFacts, Launch

FACTS = ExactFacts(
    values={"parameters": 10.0},
    sets={
        "modules": {"csv": "work.py:1", "torch": "train.py:7", "torch.nn": "train.py:7"},
        "own_modules": {"work": None},
    },
    counts={"calls": {"work.py:read": 3}},
)


def launches(*seconds: float) -> list[Launch]:
    return [
        Launch(
            number=number,
            arm="candidate",
            pair=number,
            position=0,
            started="",
            status="reached",
            wall_seconds=one,
            values={"imports": one},
        )
        for number, one in enumerate(seconds, start=1)
    ]


def judged(text: str, *seconds: float, imports=None):
    return judge_budget(parse_budget(text), launches=launches(*seconds), facts=FACTS, imports=imports or {})


def test_a_budget_of_facts_is_kept_or_not():
    assert judged("modules<=3").kept is True
    assert judged("modules<3").kept is False
    assert judged("calls<=3").kept is True
    assert judged("parameters<5").value == 10


def test_a_budget_of_times_is_broken_only_where_that_is_sure():
    assert judged("imports<1s", 0.9, 0.9, 1.4, 0.8, 1.3, 1.5, 0.9, 1.2).kept is True
    assert "but not surely" in judged("imports<1s", 0.9, 0.9, 1.4, 0.8, 1.3, 1.5, 0.9, 1.2).reason
    assert judged("imports<1s", 1.2, 1.3, 1.2, 1.3, 1.25, 1.22).kept is False
    assert judged("imports<1s", 1.2).kept is False


def test_a_budget_of_a_bare_import_needs_its_time():
    assert judged("imports<=1.2*import:torch", 1.1, imports={"torch": 1.0}).kept is True
    assert judged("imports<=1.2*import:torch", 1.3, imports={"torch": 1.0}).kept is False
    assert judged("imports<=1.2*import:torch", 1.3).kept is None
    assert judged("steps<3").kept is None


def test_a_forbidden_module_is_named_with_the_line_that_brings_it():
    found = judge_forbidden("torch", FACTS, until="config")
    assert found.kept is False
    assert found.reason == "torch is imported at train.py:7, 2 modules in all"
    assert judge_forbidden("pandas", FACTS, until="config").kept is True
    assert judge_forbidden("tor", FACTS, until="config").kept is True
    assert judge_forbidden("torch", None, until="config").kept is None


def test_less_work_is_told_of_either_side():
    base = ExactFacts(
        values={"train_samples": 48, "logged.val_loss": 0.5, "parameters": 5},
        sets={"batch_shapes": {"train 3×640×640": None}},
    )
    assert less_work(base, base) == []
    less = base.model_copy(update={"values": {**base.values, "train_samples": 40, "logged.val_loss": math.nan}})
    assert less_work(base, less) == [
        "samples trained on: 40 in the candidate, 48 in the base",
        "logged.val_loss is nan in the candidate and 0.5 in the base",
    ]
    assert less_work(less, base) == ["samples trained on: 40 in the base, 48 in the candidate"]
    smaller = base.model_copy(update={"sets": {"batch_shapes": {"train 3×320×320": None}}})
    assert less_work(base, smaller) == [
        "one sample in a train batch: 3×640×640 in the base, 3×320×320 in the candidate"
    ]
    assert less_work(base, ExactFacts()) == []


def test_what_two_launches_of_one_state_do_differently_is_unsteady():
    first = FACTS.model_copy(update={"values": {"parameters": 10.0, "logged.loss": math.nan}})
    again = first.model_copy(
        update={
            "values": {"parameters": 11.0, "logged.loss": math.nan},
            "sets": {**FACTS.sets, "modules": {**FACTS.sets["modules"], "csv": "other.py:2", "multiprocessing": None}},
            "counts": {"calls": {"work.py:read": 4, "work.py:write": 1}},
        }
    )
    other = first.model_copy(update={"sets": {"modules": {"pandas": "work.py:1", "multiprocessing": None}}})
    found, beside = without_unsteady([first, other], [again, other])
    assert found.unsteady == [
        "calls/work.py:read",
        "calls/work.py:write",
        "modules/multiprocessing",
        "parameters",
    ]
    assert found.counts["calls"] == {}
    assert found.sets == FACTS.sets
    assert beside.sets["modules"] == {"pandas": "work.py:1"}


def fingerprint(**more):
    fields = {"cpu": "A", "launch": {"until": "exit"}, "config": "sha256:1"} | more
    return make_fingerprint(refuse=fields, treatment={"python": "3.11"}, warn={"kernel": "6"}, record={})


def test_the_identity_of_a_fingerprint_is_of_what_makes_times_incomparable():
    assert len(fingerprint().id) == 12
    assert fingerprint().id == fingerprint().id != fingerprint(cpu="B").id
    other = make_fingerprint(refuse=fingerprint().refuse, treatment={"python": "3.12"}, warn={}, record={"load": 1})
    assert other.id == fingerprint().id


def test_differences_are_told_by_field_and_tier():
    base, other = fingerprint(), fingerprint(cpu="B", config="sha256:2", launch={"until": "first-step"})
    tiers = {one.name: one.tier for one in differences(base, other)}
    assert tiers == {"cpu": "refuse", "config": "refuse", "launch": "refuse"}
    tiers = {one.name: one.tier for one in differences(base, other, exact_only=True)}
    assert tiers == {"cpu": "warn", "config": "warn", "launch": "refuse"}
    newer = base.model_copy(update={"treatment": {"python": "3.12", "torch": "2"}, "warn": {"kernel": "7"}})
    assert [(one.name, one.tier) for one in differences(base, newer)] == [("python", "refuse"), ("kernel", "warn")]
    tested = differences(base, newer, deps_under_test=True)
    assert [(one.name, one.tier) for one in tested] == [("python", "treatment"), ("kernel", "warn")]


def test_a_workload_is_the_same_wherever_it_lies():
    config = {"lr": 0.1, "paths": {"out": "x"}, "data": {"root": "/a/b", "names": ["c/d", "e"]}, "hydra": {"run": 1}}
    moved = {"lr": 0.1, "paths": {"out": "y"}, "data": {"root": "/z", "names": ["f/g", "e"]}, "hydra": {"run": 2}}
    assert workload_hash(config) == workload_hash(moved)
    assert workload_hash(config) != workload_hash(config | {"lr": 0.2})


def test_totals_decide_and_their_parts_explain():
    timed = [
        one.model_copy(update={"values": {"time_to_exit": 1.0, "startup.imports": 0.5, "peak_rss": 1e8}})
        for one in launches(1.0)
    ]
    infos = {
        one.name: one for one in describe_metrics(timed, gate=(), min_effect=0.05, min_effects={"time_to_*": 0.08})
    }
    assert {name: one.gated for name, one in infos.items()} == {
        "time_to_exit": True,
        "startup.imports": False,
        "peak_rss": True,
    }
    assert infos["time_to_exit"].min_effect == 0.08
    assert (infos["peak_rss"].kind, infos["peak_rss"].min_effect) == ("bounded", 0.03)
    chosen = describe_metrics(timed, gate=("startup.*",), min_effect=0.05, min_effects={})
    assert [one.name for one in chosen if one.gated] == ["startup.imports"]


def test_a_budget_tells_value_and_limit_in_their_unit():
    heavy = [one.model_copy(update={"values": {"peak_rss": 3 * 2**30}}) for one in launches(1.0)]
    found = judge_budget(parse_budget("peak_rss<2GiB"), launches=heavy, facts=None, imports={})
    assert found.reason == "3.00 GiB of 2.00 GiB"
    assert judged("imports<=1500ms", 21.3).reason == "21.3 s of 1.50 s"
    many = FACTS.model_copy(update={"values": {"parameters": 1_234_567.0}})
    found = judge_budget(parse_budget("parameters<1234000"), launches=[], facts=many, imports={})
    assert found.reason == "1234567 of 1234000"

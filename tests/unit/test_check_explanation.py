"""Every step to a verdict, made again from a report's launches: it comes to what the report says."""

import math
import random
from itertools import combinations

import pytest
from checked import design, gaussian, info, launches, simulated
from explained_checks import INFOS, PHASES, explained_check, session_check

from ocrprof.errors import OcrprofError
from ocrprof.renderers.check_steps import pair_steps
from ocrprof.results.check_design import block_of, is_futile, resized_pairs
from ocrprof.results.check_explanation import explain_pairs, looks_slower, num_possible_orders
from ocrprof.results.check_names import (
    close_to,
    known_names,
    matching,
    names_to_come,
    require_explained,
    surely_unknown,
    unknown_patterns,
)
from ocrprof.results.check_pairs import gated_metrics, pair_launches
from ocrprof.results.check_parts import parts_of
from ocrprof.results.check_ruling import verdict_of
from ocrprof.results.check_session_explanation import explain_sessions
from ocrprof.results.check_statistics import judge_pairs
from ocrprof.results.check_told import explain_budgets, explain_exact
from ocrprof.results.signed_rank import interval


def of(report, name="time_to_first_step"):
    return explain_pairs(report, next(one for one in report.metric_infos if one.name == name))


@pytest.mark.parametrize("rule", ["gate", "margin"])
@pytest.mark.parametrize("slower", [0.7, 0.9, 1.0, 1.03, 1.08, 1.12, 1.5])
@pytest.mark.parametrize("sd", [0.001, 0.02, 0.15])
def test_the_rules_laid_open_come_to_the_verdict_of_the_report(rule, slower, sd):
    report = explained_check(slower=slower, sd=sd, rule=rule)
    for one in INFOS:
        found = of(report, one.name)
        assert found.agrees, one.name
        if one.gated:
            assert verdict_of(found.rules) == found.told.verdict


def test_a_change_within_its_floor_is_ok_by_the_rule_that_says_so():
    infos = [info("time_to_first_step", floor=10.0)]
    found = of(explained_check(slower=1.5, infos=infos))
    rule = next(one for one in found.rules if one.applies)
    assert (rule.verdict, rule.conditions[-1].name) == ("ok", "below_floor")


def test_p_is_the_share_of_orders_in_which_any_metric_has_so_large_a_statistic():
    """By hand, over all 252 orders of ten pairs."""
    report = explained_check(slower=1.02)
    gated = gated_metrics(pair_launches(report.launches), report.metric_infos)
    found = [of(report, one.info.name).test for one in gated]
    ranks = [signed(one.shifts) for one in gated]

    def statistics(signs):
        return [
            max(standardised(of_ranks, signs), standardised(one.shifts, signs))
            for of_ranks, one in zip(ranks, gated, strict=True)
        ]

    drawn = report.design.order
    assert statistics(drawn) == pytest.approx([max(one.rank, one.mean) for one in found])
    orders = [[1 if index in chosen else -1 for index in range(10)] for chosen in combinations(range(10), 5)]
    largest = [max(statistics(signs)) for signs in orders]
    for one, own in zip(found, statistics(drawn), strict=True):
        assert one.num_orders == one.num_possible == 252
        assert one.enumerated
        assert one.num_reaching == sum(value >= own - 1e-9 for value in largest)


def signed(values):
    """Signed ranks of values that differ in size."""
    by_size = sorted(map(abs, values))
    return [math.copysign(by_size.index(abs(one)) + 1, one) for one in values]


def standardised(values, signs):
    return sum(a * b for a, b in zip(values, signs, strict=True)) / math.sqrt(sum(one * one for one in values))


def test_orders_that_are_drawn_are_told_from_those_that_are_all():
    plan = design(10, 28)
    run = simulated(plan.order, noise=lambda _: [0.01], slowdowns={"a": 0.1})
    infos = [info("a")]
    report = explained_check().model_copy(
        update={
            "design": plan, "launches": run, "metric_infos": infos, "metrics": judge_pairs(run, infos, plan, True)
        }
    )  # fmt: skip
    test = of(report, "a").test
    assert test.num_orders == 10_000
    assert test.num_possible == 252 * 2**9
    assert not test.enumerated
    blocks = [block_of(pair, num_pairs_first=10) for pair in range(1, 29)]
    assert num_possible_orders(plan.order, blocks) == test.num_possible


@pytest.mark.parametrize("seed", range(12))
def test_the_first_stage_is_decided_as_the_check_decides_it(seed):
    """Slow and quiet, slow and noisy, and unchanged."""
    infos = [info("a", floor=0.3), info("b"), info("c", floor=1e9)]
    plan = design(10, 28, seed=seed)
    sd = (0.01, 0.05, 0.12)[seed % 3]
    run = simulated(plan.order[:10], noise=gaussian(random.Random(seed), 3, sd=sd),
                    slowdowns={"a": 0.02 * (seed % 4), "b": 0.0, "c": 0.5})  # fmt: skip
    report = explained_check().model_copy(
        update={
            "design": plan, "launches": run, "metric_infos": infos, "metrics": judge_pairs(run, infos, plan, True)
        }
    )  # fmt: skip
    stages = {one.name: of(report, one.name).first_stage for one in infos}
    futile = is_futile(run, infos, plan)
    assert any(one.looks_slower for one in stages.values()) is not futile
    assert {name for name, one in stages.items() if one.looks_slower} == set(stages["a"].looked_slower)
    needs = [one.num_needed if one.num_needed is not None else 28 for one in stages.values() if one.noise is not None]
    wanted = resized_pairs(run, infos, plan)
    assert min(max([10, *(need + need % 2 for need in needs)]), 28) == wanted
    assert {one.num_wanted for one in stages.values()} == {None if futile else wanted}
    assert stages["c"].noise is None, "its floor leaves nothing to be found"


def test_a_design_of_one_stage_has_no_first_one():
    assert of(explained_check()).first_stage is None


def test_looking_slower_needs_two_pairs_to_be_denied():
    one = launches([1], [{"a": 1.0}], [{"a": 1.0}])
    (metric,) = gated_metrics(pair_launches(one), [info("a")])
    assert looks_slower(metric)


def test_parts_add_up_to_the_whole_and_the_largest_change_comes_first():
    found = of(explained_check(slower=1.3))
    assert {one.name for one in found.parts} == set(PHASES)
    assert found.parts[0].name == "startup.imports"
    changes = [one.candidate["time_to_first_step"] - one.base["time_to_first_step"] for one in values_of(found)]
    assert math.fsum(one.change for one in found.parts) == pytest.approx(sum(changes) / len(changes))
    assert found.parts[0].change == pytest.approx(0.6, abs=0.05)


def values_of(found):
    class Pair:
        def __init__(self, pair):
            self.base, self.candidate = {"time_to_first_step": pair.base}, {"time_to_first_step": pair.candidate}

    return [Pair(pair) for pair in found.pairs]


def test_teardown_is_a_part_of_a_run_to_its_end_and_not_of_a_start():
    values = {"startup.imports": 1.0, "startup.unattributed": 2.0, "teardown": 0.5}
    ending = launches([1], [{"time_to_exit": 3.5, **values}], [{"time_to_exit": 3.5, **values}])
    starting = launches([1], [{"time_to_first_step": 3.0, **values}], [{"time_to_first_step": 3.0, **values}])
    assert len(parts_of("time_to_exit", ending[:1], ending[1:])) == 3
    assert len(parts_of("time_to_first_step", starting[:1], starting[1:])) == 2
    loop = {"startup.after_first_step": 4.0, **values, "time_to_first_step": 3.0, "time_to_exit": 7.5}
    training = launches([1], [loop], [loop])
    assert len(parts_of("time_to_first_step", training[:1], training[1:])) == 2
    assert len(parts_of("time_to_exit", training[:1], training[1:])) == 4
    other = launches([1], [{"time_to_exit": 9.0, **values}], [{"time_to_exit": 9.0, **values}])
    assert parts_of("time_to_exit", other[:1], other[1:]) == []


def test_a_batch_is_its_wait_for_data_and_the_rest():
    before, after = {"train.batch": 0.30, "train.fetch": 0.10}, {"train.batch": 0.36, "train.fetch": 0.15}
    base, candidate = launches([1], [before], [after])
    fetch, rest = parts_of("train.batch", [base], [candidate])
    assert (fetch.name, rest.name) == ("train.fetch", "the rest of it")
    assert (fetch.change, rest.change) == (pytest.approx(0.05), pytest.approx(0.01))


def test_pairs_that_are_left_out_are_shown_and_do_not_count():
    report = explained_check(max_steal=0.10)
    found = of(report)
    assert found.agrees
    assert [one.number for one in found.pairs if one.left_out] == [3]
    assert [one.number for one in found.pairs if one.slowdown is None] == [3]
    assert found.found.n == 9
    assert found.pairs[2].stolen_share == 0.25
    assert found.pairs[4].others_busy_cores == 0.9


def test_what_was_changed_in_a_report_is_seen():
    report = explained_check()
    changed = [one.model_copy(update={"ratio": 1.0, "verdict": "ok"}) for one in report.metrics]
    assert not of(report.model_copy(update={"metrics": changed})).agrees


@pytest.mark.parametrize("slower", [0.8, 1.0, 1.04, 1.3])
@pytest.mark.parametrize("num_sessions", [3, 8, 12])
def test_sessions_laid_open_come_to_the_verdict_of_the_report(slower, num_sessions):
    report = session_check(num_sessions=num_sessions, slower=slower)
    for one in INFOS:
        found = explain_sessions(report, one)
        assert found.agrees, one.name
        if one.gated:
            assert verdict_of(found.rules) == found.told.verdict
            inside, test, power = found.quantiles
            assert math.exp(found.prediction.difference + inside * found.prediction.error) == pytest.approx(
                found.told.ci95[1]
            )
            if found.told.mde > one.min_effect:
                assert math.expm1((test + power) * found.prediction.error) == pytest.approx(found.told.mde)


def test_parts_of_a_session_are_held_against_the_mean_of_the_stored_ones():
    report = session_check(slower=1.3)
    found = explain_sessions(report, INFOS[0])
    assert found.parts[0].name == "startup.imports"
    assert found.parts[0].change == pytest.approx(0.6, abs=0.1)


def test_a_report_without_its_sessions_says_nothing_of_them():
    found = explain_sessions(session_check().model_copy(update={"sessions": []}), INFOS[0])
    assert (found.sessions, found.found, found.rules) == ([], None, [])


def test_an_exact_metric_is_told_with_all_members_of_both_sides():
    report = explained_check()
    gone = [*report.exact[0].removed, report.exact[0].added[0].model_copy(update={"name": "re"})]
    report = report.model_copy(
        update={"exact": [report.exact[0].model_copy(update={"removed": gone}), *report.exact[1:]]}
    )
    modules = explain_exact(report, "modules")
    sides = {one.name: (one.in_base, one.in_candidate) for one in modules.members}
    assert sides["json"] == (1, 1)
    assert sides["pandas"] == (0, 1)
    assert sides["re"] == (1, 0)
    assert modules.members[0].place == "train.py:1"
    assert modules.unsteady == ["wave"]
    calls = {one.name: (one.in_base, one.in_candidate) for one in explain_exact(report, "calls").members}
    assert calls == {"ocr/data.py:read": (4, 8), "ocr/data.py:crop": (3, 3)}
    assert explain_exact(report, "parameters").value == 1_234_567
    assert explain_exact(report, "time_to_first_step") is None


def test_a_budget_is_told_with_the_interval_that_decides():
    report = explained_check()
    (found,) = explain_budgets(report, "time_to_first_step")
    values = [one.values["time_to_first_step"] for one in report.launches if one.arm == "candidate"]
    assert found.bounds == interval(values, level=0.95)
    assert found.num_values == 10
    (forbidden,) = explain_budgets(report, "pandas")
    assert forbidden.bounds is None


def test_names_are_metrics_exact_ones_and_what_budgets_limit():
    known = known_names(explained_check())
    assert {"time_to_first_step", "startup.imports", "modules", "calls", "parameters", "pandas"} <= set(known)
    assert matching(["startup.*", "imports", "*.imports"], known) == [*PHASES, "imports"]
    assert unknown_patterns(["imports", "import", "start.*"], known) == ["import", "start.*"]
    assert close_to("import", known).startswith("did you mean imports")
    assert "known: time_to_first_step" in close_to("zzz", known)


@pytest.mark.parametrize(
    "pattern, options, unknown",
    [
        ("time_to_exit", {}, False),
        ("time_to_first_step", {}, False),
        ("time_to_first_step", {"until": "config"}, True),
        ("time_to_config", {"until": "config"}, False),
        ("time_to_error", {"probe": "error"}, False),
        ("tim_to_exit", {}, True),
        ("startup.*", {}, False),
        ("startup.import", {}, True),
        ("train.batch", {}, True),
        ("train.batch", {"loop": True}, False),
        ("peak_pss", {"loop": True}, False),
        ("declared.loss", {}, False),
        ("decl*", {}, False),
        ("imports", {"exact_only": True}, True),
        ("modules", {"exact_only": True}, False),
        ("sqlite3", {"exact_only": True, "limited": ("sqlite3",)}, False),
    ],
)
def test_what_no_such_check_can_measure_is_known_before_it(pattern, options, unknown):
    given = {"until": None, "probe": None, "loop": False, "exact_only": False, **options}
    names = names_to_come(**given)
    found = surely_unknown([pattern], names, loop=given["loop"], exact_only=given["exact_only"])
    assert found == ([pattern] if unknown else [])


def test_a_name_that_means_nothing_is_an_error_with_what_may_have_been_meant():
    require_explained(explained_check())
    with pytest.raises(OcrprofError, match="--explain time_to_exit: no metric is called so") as raised:
        require_explained(explained_check(explained=("imports", "time_to_exit")))
    assert raised.value.hint.startswith("did you mean time_to_first_step")


def test_pairs_that_were_run_because_later_ones_were_noisier_are_told():
    plan = design(10, 40)
    sd = {True: 0.03, False: 0.09}
    generator = random.Random(4)
    run = simulated(plan.order, noise=lambda moment: [generator.gauss(0, sd[moment < 20])], slowdowns={"a": 0.15})
    report = explained_check().model_copy(
        update={
            "design": plan, "launches": run, "metric_infos": [info("a")],
            "metrics": judge_pairs(run, [info("a")], plan, True),
        }
    )  # fmt: skip
    stage = of(report, "a").first_stage
    assert stage.num_wanted < stage.num_run == 40
    (step,) = [one for one in pair_steps(report, of(report, "a")) if one.heading == "After the first stage"]
    assert step.sentences[-1] == "Those were noisier than the first, and asked for more: 40 were run."

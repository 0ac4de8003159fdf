"""What pairs of launches are made to say: verdicts, figures, and how often they are right."""

import math
import random

import pytest
from checked import design, fewest_successes, gaussian, info, launches, most_successes, simulated

from ocrprof.results.check_design import is_futile, pairs_worth_running, resized_pairs
from ocrprof.results.check_headline import headline, metric_sentence
from ocrprof.results.check_statistics import judge_pairs, overall_verdict
from ocrprof.results.model import Budget, ExactChange, Launch, MetricSummary

NAMES = ("imports_seconds", "time_to_first_step_seconds", "peak_bytes")
INFOS = [
    info("imports_seconds"),
    info("time_to_first_step_seconds"),
    info("peak_bytes", unit="bytes", kind="bounded", min_effect=0.03),
]


def steady(slowdowns: dict[str, float], *, num_pairs: int = 10, center: float = 10.0, **options):
    """Pairs whose noise is a tenth of a percent."""
    plan = design(10, num_pairs, **options)
    noise = gaussian(random.Random(1), len(slowdowns), sd=0.001)
    return plan, simulated(plan.order[:num_pairs], noise=noise, slowdowns=slowdowns, center=center)


def judged(plan, run, infos, *, final=True) -> dict[str, MetricSummary]:
    return {metric.name: metric for metric in judge_pairs(run, infos, plan, final)}


def test_one_slow_metric_is_told_with_its_figures():
    plan, run = steady({"imports_seconds": 0.12, "time_to_first_step_seconds": 0.0, "peak_bytes": 0.0})
    found = judged(plan, run, INFOS)
    assert [one.verdict for one in found.values()] == ["regressed", "ok", "ok"]
    slow = found["imports_seconds"]
    assert slow.ratio == pytest.approx(1.12, abs=0.002)
    assert 1.11 < slow.ci95[0] < slow.ratio < slow.ci95[1] < 1.13
    assert slow.p_fw == 1 / 252
    assert slow.p_fw_improved == 1.0
    assert slow.n == 10
    assert slow.mde == pytest.approx(0.05, abs=0.005)
    assert slow.base_median == pytest.approx(10.0, rel=0.01)
    assert slow.candidate_median == pytest.approx(11.2, rel=0.01)
    assert overall_verdict(list(found.values())) == "regressed"


def test_the_simultaneous_interval_is_wider_and_needs_more_pairs():
    plan, run = steady(dict.fromkeys(NAMES, 0.0), num_pairs=28)
    one = judged(plan, run, INFOS)["imports_seconds"]
    assert one.ci_simultaneous[0] < one.ci95[0] < 1 < one.ci95[1] < one.ci_simultaneous[1]
    few = judge_pairs(run[:20], INFOS, plan, True)[0]
    assert few.ci_simultaneous is not None, "3 metrics: 99.67 %, which ten pairs can give"
    many = [info(f"m{index}") for index in range(20)]
    run = simulated(plan.order[:10], noise=lambda _: [0.0] * 20, slowdowns={f"m{index}": 0.0 for index in range(20)})
    assert judge_pairs(run, many, plan, True)[0].ci_simultaneous is None


def test_a_gain_is_a_slowdown_with_its_sign_turned():
    plan, run = steady({"imports_seconds": -0.12})
    metric = judge_pairs(run, [info("imports_seconds")], plan, True)[0]
    assert (metric.verdict, metric.p_fw, metric.p_fw_improved) == ("improved", 1.0, 1 / 252)
    assert metric.ratio == pytest.approx(0.88, abs=0.002)
    assert overall_verdict([metric]) == "improved"


def test_of_what_is_better_higher_less_is_worse():
    plan, run = steady({"train_samples_per_sec": -0.12})
    rate = info("train_samples_per_sec", unit="samples_per_sec", direction="higher")
    metric = judge_pairs(run, [rate], plan, True)[0]
    assert metric.verdict == "regressed"
    assert metric.ratio == pytest.approx(1 / 0.88, abs=0.003)


def test_a_check_that_stopped_early_confirms_no_slowdown_but_a_clear_gain():
    plan, run = steady({"imports_seconds": 0.12, "peak_bytes": -0.2}, num_pairs=28)
    found = judged(plan, run[:20], [INFOS[0], INFOS[2]], final=False)
    assert found["imports_seconds"].p_fw is None
    assert found["imports_seconds"].verdict == "inconclusive"
    assert found["peak_bytes"].verdict == "improved"


def test_a_gain_is_held_against_half_of_alpha_where_it_may_be_looked_at_twice():
    """At 1 order in 252, 0.004, between the half of 0.6 % and 0.6 %."""
    verdicts = []
    for most in (10, 28):
        plan = design(10, most, alpha=0.006)
        run = simulated(plan.order[:10], noise=lambda _: [0.0], slowdowns={"imports_seconds": -0.2})
        verdicts.append(judge_pairs(run, [INFOS[0]], plan, True)[0].verdict)
    assert verdicts == ["improved", "ok"]


@pytest.mark.parametrize("slowdown, verdict", [(0.04, "ok"), (0.06, "regressed")])
def test_a_certain_slowdown_below_the_least_effect_is_ok(slowdown, verdict):
    plan, run = steady({"imports_seconds": slowdown})
    metric = judge_pairs(run, [INFOS[0]], plan, True)[0]
    assert metric.p_fw <= 0.01
    assert metric.verdict == verdict


def test_each_metric_has_its_own_least_effect():
    plan, run = steady({"imports_seconds": 0.04, "peak_bytes": 0.04})
    found = judged(plan, run, [INFOS[0], INFOS[2]])
    assert (found["imports_seconds"].verdict, found["peak_bytes"].verdict) == ("ok", "regressed")


def test_a_change_below_the_floor_is_ok_and_told_so():
    plan, run = steady({"imports_seconds": 0.3}, center=0.1)
    metric = judge_pairs(run, [info("imports_seconds", floor=0.05)], plan, True)[0]
    assert metric.p_fw <= 0.01
    assert (metric.verdict, metric.reason) == ("ok", "slower by less than its floor of 50.0 ms")
    assert judge_pairs(run, [info("imports_seconds", floor=0.02)], plan, True)[0].verdict == "regressed"


def test_noise_below_the_floor_is_ok_however_wide():
    plan = design()
    run = simulated(plan.order[:10], noise=gaussian(random.Random(2), 1, sd=0.5), slowdowns={"a": 0.0}, center=0.001)
    assert judge_pairs(run, [info("a")], plan, True)[0].verdict == "inconclusive"
    assert judge_pairs(run, [info("a", floor=0.05)], plan, True)[0].verdict == "ok"


def test_too_much_noise_is_inconclusive_and_says_what_would_settle_it():
    plan = design()
    run = simulated(plan.order, noise=gaussian(random.Random(3), 1, sd=0.12), slowdowns={"a": 0.0})
    metric = judge_pairs(run, [info("a")], plan, True)[0]
    assert metric.verdict == "inconclusive"
    assert metric.mde > 0.10
    assert metric.pairs_needed > 28 and metric.pairs_needed % 2 == 0
    assert f"{metric.pairs_needed} pairs would settle it" in metric.reason
    assert f"{100 * metric.mde:.0f} %" in metric.reason


def test_a_stage_that_was_not_there_counts_as_its_floor():
    plan = design()
    run = launches(plan.order[:10], [{"a": 0.0}] * 10, [{"a": 0.5}] * 10)
    metric = judge_pairs(run, [info("a", floor=0.05)], plan, True)[0]
    assert metric.ratio == pytest.approx(10)
    assert judge_pairs(run, [info("a")], plan, True)[0].verdict == "inconclusive"
    nothing = launches(plan.order[:10], [{"a": 0.0}] * 10, [{"a": 0.0}] * 10)
    metric = judge_pairs(nothing, [info("a")], plan, True)[0]
    assert (metric.verdict, metric.reason) == ("ok", "0 in every launch")


def test_a_gated_metric_that_one_arm_lacks_is_missing_and_not_comparable():
    plan = design()
    run = launches(plan.order[:10], [{"a": 1.0, "b": 1.0}] * 10, [{"b": 1.0}] * 10)
    found = judged(plan, run, [info("a"), info("b"), info("c", gated=False)])
    assert [one.verdict for one in found.values()] == ["missing", "ok", "reported"]
    assert found["a"].reason == "measured in 0 of 10 pairs"
    assert overall_verdict(list(found.values())) == "not_comparable"


def test_a_metric_that_few_pairs_lack_is_judged_by_the_others():
    plan, run = steady({"a": 0.2, "b": 0.0})
    one = next(launch for launch in run if launch.arm == "base")
    run[run.index(one)] = one.model_copy(update={"values": {"b": 10.0}})
    found = judged(plan, run, [info("a"), info("b")])
    assert (found["a"].n, found["a"].verdict, found["b"].n) == (9, "regressed", 10)


def test_what_is_not_gated_is_told_without_a_verdict_and_costs_the_others_nothing():
    plan, run = steady({"a": 0.2, "b": 0.2})
    found = judged(plan, run, [info("a"), info("b", gated=False), info("n", kind="exact")])
    assert set(found) == {"a", "b"}
    assert (found["b"].verdict, found["b"].p_fw) == ("reported", None)
    assert found["b"].ratio == pytest.approx(1.2, abs=0.01)
    assert found["a"] == judge_pairs(run, [info("a")], plan, True)[0]


def test_warm_ups_and_launches_without_a_partner_are_left_out():
    plan, run = steady({"a": 0.2})
    alone = run[0].model_copy(update={"pair": 11})
    warm_up = [one.model_copy(update={"pair": 0, "values": {"a": 99.0}}) for one in run[:2]]
    assert judge_pairs([*warm_up, *run, alone], [info("a")], plan, True) == judge_pairs(run, [info("a")], plan, True)


def test_eight_pairs_never_confirm():
    plan = design()
    run = simulated(plan.order[:10], noise=lambda _: [0.0], slowdowns={"a": 1.0})
    kept = [
        one for one in run if one.pair not in (1, next(p for p in range(2, 11) if plan.order[p - 1] != plan.order[0]))
    ]
    metric = judge_pairs(kept, [info("a")], plan, True)[0]
    assert metric.n == 8
    assert metric.p_fw == 1 / math.comb(8, 4)
    assert metric.verdict == "inconclusive"


def test_the_margin_rule_wants_three_percent_excluded_and_no_more():
    plan, run = steady({"a": 0.04, "b": 0.02, "c": 0.03})
    plan = plan.model_copy(update={"rule": "margin"})
    found = judged(plan, run, [info("a"), info("b"), info("c")])
    assert found["a"].verdict == "regressed"
    assert found["b"].verdict == found["c"].verdict == "ok"
    assert found["a"].mde > 0.03


def run_check(plan, infos, *, noise, slowdowns, second=0.0) -> list[MetricSummary]:
    """The whole rule of two stages on simulated launches."""
    run = simulated(plan.order, noise=noise, slowdowns=slowdowns, second=second)
    run, worth = run_out(run, infos, plan)
    return judge_pairs(run, infos, plan, worth is not None)


def run_out(run, infos, plan) -> tuple[list[Launch], int | None]:
    """The launches of the pairs that a check runs of these, and what it was told in the end."""
    num_pairs = plan.num_pairs_first
    while True:
        kept = [one for one in run if one.pair <= num_pairs]
        worth = pairs_worth_running(num_pairs, kept, infos, plan)
        if worth is None or worth == num_pairs:
            return kept, worth
        num_pairs = worth


def test_two_stages_find_a_slowdown_of_ten_percent_as_often_as_promised():
    """Pairs with a deviation of 4 % and one slow metric of three: the power promised is 95 % at 10 pairs."""
    num_trials, generator, found = 50, random.Random(11), 0
    infos = [info(name) for name in "abc"]
    for trial in range(num_trials):
        metrics = run_check(
            design(10, 20, seed=trial),
            infos,
            noise=gaussian(generator, 3, sd=0.04 / math.sqrt(2)),
            slowdowns={"a": 0.10, "b": 0.0, "c": 0.0},
        )
        found += metrics[0].verdict == "regressed"
    assert found >= fewest_successes(num_trials, 0.95)


def test_two_stages_with_futility_fail_no_more_often_than_alpha():
    """At 20 % in place of 1 %, and without the least effect, so that there is something to count."""
    num_trials, generator, alpha, failed, stopped = 80, random.Random(12), 0.2, 0, 0
    infos = [info(name, min_effect=1e-9) for name in "ab"]
    for trial in range(num_trials):
        metrics = run_check(
            design(10, 18, seed=trial, alpha=alpha),
            infos,
            noise=gaussian(generator, 2, sd=0.10),
            slowdowns={"a": 0.0, "b": 0.0},
            second=0.05,
        )
        failed += overall_verdict(metrics) == "regressed"
        stopped += metrics[0].p_fw is None
    assert 0 < failed <= most_successes(num_trials, alpha)
    assert 0 < stopped < num_trials


def test_more_pairs_are_run_where_later_ones_are_noisier_than_the_first():
    plan, generator = design(10, 40), random.Random(4)
    sd = {True: 0.03, False: 0.09}
    run = simulated(plan.order, noise=lambda moment: [generator.gauss(0, sd[moment < 20])], slowdowns={"a": 0.15})
    first = [one for one in run if one.pair <= 10]
    asked = pairs_worth_running(10, first, [info("a")], plan)
    kept, worth = run_out(run, [info("a")], plan)
    assert 10 < asked < worth == max(one.pair for one in kept) <= 40
    assert judge_pairs(kept, [info("a")], plan, True)[0].verdict == "regressed"


def test_a_check_without_noise_to_speak_of_stops_at_its_first_stage():
    plan = design()
    run = simulated(plan.order[:10], noise=gaussian(random.Random(1), 1, sd=0.002), slowdowns={"a": 0.10})
    assert not is_futile(run, [info("a")], plan)
    assert resized_pairs(run, [info("a")], plan) == 10


def exact(verdict: str) -> ExactChange:
    return ExactChange(name="modules", base=1, candidate=2, verdict=verdict)


@pytest.mark.parametrize(
    "verdicts, changes, budgets, expected",
    [
        (["ok", "improved"], [], [], "improved"),
        (["improved", "inconclusive"], [], [], "inconclusive"),
        (["inconclusive", "missing"], [], [], "not_comparable"),
        (["missing", "regressed"], [], [], "regressed"),
        (["ok"], ["regressed"], [], "regressed"),
        (["ok"], ["changed"], [], "ok"),
        (["ok"], [], [False], "regressed"),
        (["ok"], [], [None], "not_comparable"),
        (["reported"], [], [True], "ok"),
        ([], [], [], "ok"),
    ],
)
def test_the_verdict_is_the_worst_of_all(verdicts, changes, budgets, expected):
    metrics = [MetricSummary(name="a", n=10, verdict=one) for one in verdicts]
    kept = [Budget(text="a<1s", kept=one) for one in budgets]
    assert overall_verdict(metrics, [exact(one) for one in changes], kept) == expected


def metric(name: str = "startup.imports_seconds", **options) -> MetricSummary:
    return MetricSummary(**{
        "name": name, "n": 24, "ratio": 1.118, "ci95": (1.089, 1.146), "p_fw": 0.0004, "mde": 0.06,
        "verdict": "regressed", **options,
    })  # fmt: skip


def test_the_headline_names_the_largest_slowdown_and_counts_the_others():
    others = [metric("b", ratio=1.06), metric("c", ratio=1.0, verdict="ok")]
    assert metric_sentence(metric()) == "startup.imports +11.8 % [8.9, 14.6] (24 pairs, p_fw 0.0004, MDE 6 %)"
    assert headline("regressed", [*others, metric()]) == (
        "startup.imports +11.8 % [8.9, 14.6] (24 pairs, p_fw 0.0004, MDE 6 %) and 1 more"
    )


def test_the_headline_of_a_gain_has_a_minus_and_the_p_of_the_gain():
    gained = metric(ratio=0.8, ci95=(0.75, 0.84), p_fw=1.0, p_fw_improved=0.004, verdict="improved")
    assert headline("improved", [gained]) == ("startup.imports −20.0 % [−25.0, −16.0] (24 pairs, p_fw 0.0040, MDE 6 %)")


def test_the_headline_of_what_cannot_be_told_names_what_needs_most_pairs():
    untold = [
        metric("a", verdict="inconclusive", pairs_needed=40, reason="40 pairs would settle it"),
        metric("b", verdict="inconclusive", pairs_needed=None, reason="too noisy"),
    ]
    assert headline("inconclusive", untold).endswith("and 1 more: too noisy")
    assert headline("not_comparable", [metric("a", verdict="missing", reason="measured in 0 of 10 pairs")]) == (
        "a: measured in 0 of 10 pairs"
    )


def test_the_headline_of_nothing_found_says_what_could_have_been_seen():
    quiet = [metric("a", verdict="ok"), metric("b", verdict="ok", mde=0.0852), metric("c", verdict="reported")]
    assert headline("ok", quiet) == "none of 2 metrics is slower (24 pairs, sees 6 % to 8.5 % and more)"
    assert headline("ok", []) == "nothing was judged"
    broken = Budget(text="modules<900", value=1300, limit=900, kept=False)
    assert headline("regressed", quiet, budgets=[broken]) == "budget modules<900 not kept: 1300"


def test_the_headline_counts_sessions_where_those_are_what_was_compared():
    slow, untold = metric("a"), metric("b", verdict="inconclusive", reason="noisy")
    assert "(24 sessions, p_fw" in headline("regressed", [slow], replicates="sessions")
    assert "(24 sessions, p_fw" in headline("inconclusive", [untold], replicates="sessions")
    assert "(24 sessions, sees" in headline("ok", [metric("a", verdict="ok")], replicates="sessions")

"""A session against stored ones: what they can tell, and what they cannot."""

import math
import random

import pytest
from checked import design, info, launches, most_successes

from ocrprof.results.check_baseline import REFERENCE, judge_sessions, reference_slope, session_summary, takes_speed_out
from ocrprof.results.model import Launch


def session(*values: float, reference: float | None = None, name: str = "a") -> list[Launch]:
    """The launches of one session, of which there is one arm only."""
    extra = {} if reference is None else {REFERENCE: reference}
    rows = [{name: value, **extra} for value in values]
    return [one for one in launches([1] * len(rows), rows, rows) if one.arm == "candidate"]


def history(num: int, *, sd: float, seed: int = 0) -> list[list[Launch]]:
    generator = random.Random(seed)
    return [session(*[10 * math.exp(generator.gauss(0, sd))] * 3) for _ in range(num)]


def test_a_session_is_the_median_of_its_launches_in_logarithms():
    assert session_summary(session(1.0, 4.0, 100.0)) == {"a": math.log(4)}
    assert session_summary(session(0.0, 1.0)) == {}


def test_the_prediction_form_by_hand():
    """Four sessions at 10, 10, 10.2 and 10.4: the mean, one-sided t with 3 degrees of freedom and 1 + 1/4."""
    logs = [math.log(value) for value in (10, 10, 10.2, 10.4)]
    center = sum(logs) / 4
    deviation = math.sqrt(sum((one - center) ** 2 for one in logs) / 3)
    metric = judge_sessions([session(v) for v in (10, 10, 10.2, 10.4)], session(11), [info("a")], design())[0]
    assert metric.ratio == pytest.approx(11 / math.exp(center))
    half_width = 3.182 * deviation * math.sqrt(1.25)
    assert metric.ci95[1] == pytest.approx(math.exp(math.log(11) - center + half_width), abs=1e-4)
    # t with 3 degrees of freedom: 4.541 at 1 % and 2.353 at 5 %.
    assert metric.mde == pytest.approx(math.expm1((4.541 + 2.353) * deviation * math.sqrt(1.25)), abs=1e-4)


def test_fewer_than_eight_sessions_are_told_and_not_judged():
    metric = judge_sessions(history(7, sd=0.001), session(20.0), [info("a")], design())[0]
    assert metric.verdict == "reported"
    assert metric.ratio == pytest.approx(2, abs=0.02)
    assert metric.reason == "7 stored sessions: told, not judged; 8 are needed"
    assert judge_sessions(history(8, sd=0.001), session(20.0), [info("a")], design())[0].verdict == "regressed"
    single = judge_sessions(history(1, sd=0.001), session(20.0), [info("a")], design())[0]
    assert (single.verdict, single.p_fw) == ("reported", None)
    assert single.ratio == pytest.approx(2, abs=0.01)


@pytest.mark.parametrize(
    "value, verdict", [(11.5, "regressed"), (10.3, "ok"), (10.0, "ok"), (8.5, "improved"), (9.7, "ok")]
)
def test_a_quiet_history_tells_slower_from_faster_and_from_neither(value, verdict):
    metric = judge_sessions(history(20, sd=0.004), session(value), [info("a")], design())[0]
    assert metric.verdict == verdict
    rate = info("a", direction="higher", unit="samples_per_sec")
    mirrored = judge_sessions(history(20, sd=0.004), session(100 / value), [rate], design())[0]
    assert mirrored.verdict == verdict


def test_a_history_that_cannot_see_ten_percent_says_so():
    metric = judge_sessions(history(20, sd=0.06), session(13.0), [info("a")], design(), base_sha="0123abc")[0]
    assert metric.verdict == "inconclusive"
    assert metric.reason == (
        f"this baseline can only see slowdowns above {100 * metric.mde:.0f} %; run `ocrprof check --against 0123abc`"
    )


def test_holm_multiplies_the_smallest_p_by_the_number_of_metrics():
    stored = [
        [one.model_copy(update={"values": {"a": one.values["a"], "b": one.values["a"]}}) for one in launched]
        for launched in history(10, sd=0.01)
    ]
    now = [one.model_copy(update={"values": {"a": 10.6, "b": 10.0}}) for one in session(1.0)]
    alone = judge_sessions(stored, now, [info("a")], design())[0]
    both = judge_sessions(stored, now, [info("a"), info("b")], design())
    assert both[0].p_fw == pytest.approx(2 * alone.p_fw)
    assert both[1].p_fw >= both[0].p_fw
    told = judge_sessions(stored, now, [info("a"), info("b", gated=False)], design())
    assert told[0].p_fw == alone.p_fw and told[1].verdict == "reported"


def test_a_change_below_the_floor_is_ok():
    stored = [session(0.010 + 0.00001 * index) for index in range(10)]
    assert judge_sessions(stored, session(0.02), [info("a")], design())[0].verdict == "regressed"
    assert judge_sessions(stored, session(0.02), [info("a", floor=0.05)], design())[0].verdict == "ok"


def test_a_metric_of_one_side_is_missing():
    found = judge_sessions(history(9, sd=0.01), session(1.0, name="b"), [info("a"), info("b")], design())
    assert [one.verdict for one in found] == ["missing", "missing"]
    assert found[0].reason == "not measured in this session"
    assert found[1].reason == "not measured in the baseline"


def test_the_machine_s_own_speed_is_taken_out_by_the_reference_workload():
    """Sessions that are slower by as much as the reference was, and one on a slow day."""
    generator = random.Random(1)
    speeds = [1 + 0.2 * generator.random() for _ in range(12)]
    stored = [session(10 * one * math.exp(generator.gauss(0, 0.003)), reference=one) for one in speeds]
    slow_day = session(11.9, reference=1.19)
    corrected = judge_sessions(stored, slow_day, [info("a")], design())[0]
    assert corrected.verdict == "ok"
    assert corrected.ratio == pytest.approx(1, abs=0.02)
    without = [[one.model_copy(update={"values": {"a": one.values["a"]}}) for one in run] for run in stored]
    assert judge_sessions(without, slow_day, [info("a")], design())[0].verdict == "inconclusive"
    assert judge_sessions(stored, session(13.2, reference=1.19), [info("a")], design())[0].verdict == "regressed"


def test_it_is_known_where_the_machine_s_speed_was_taken_out():
    speeds = [1.0, 1.1, 1.2, 1.3]
    stored = [session(10 * one, reference=one) for one in speeds]
    assert takes_speed_out(stored, session(11.9, reference=1.19), [info("a")])
    assert not takes_speed_out(stored, session(11.9), [info("a")])
    steady = [session(10.0, reference=one) for one in speeds]
    assert not takes_speed_out(steady, session(11.9, reference=1.19), [info("a")])


def test_kappa_is_a_slope_between_nothing_and_all():
    speeds = [0.0, 0.1, 0.2, 0.3]
    assert reference_slope([0.5 * one for one in speeds], speeds) == pytest.approx(0.5)
    assert reference_slope([3 * one for one in speeds], speeds) == 1.0
    assert reference_slope([-one for one in speeds], speeds) == 0.0
    assert reference_slope(speeds, [0.1] * 4) == 0.0


def test_a_day_far_from_the_history_widens_the_interval():
    generator = random.Random(2)
    stored = [
        session(10 * speed * math.exp(generator.gauss(0, 0.01)), reference=speed)
        for speed in (1.0, 1.01, 1.02, 1.03, 1.04, 1.05, 1.06, 1.07)
    ]
    near, far = (
        judge_sessions(stored, session(10 * speed, reference=speed), [info("a")], design())[0] for speed in (1.04, 1.4)
    )
    assert math.log(far.ci95[1] / far.ci95[0]) > 2 * math.log(near.ci95[1] / near.ci95[0])


@pytest.mark.parametrize("with_reference", [False, True])
def test_sessions_of_the_same_code_fail_no_more_often_than_alpha(with_reference):
    """At 10 %, over histories of ten whose machine's speed varies by 3 %."""
    generator, num_trials, alpha, failed = random.Random(3), 300, 0.10, 0
    plan = design(alpha=alpha)
    for _ in range(num_trials):
        speeds = [math.exp(generator.gauss(0, 0.03)) for _ in range(11)]
        *stored, now = (
            session(speed * math.exp(generator.gauss(0, 0.01)), reference=speed if with_reference else None)
            for speed in speeds
        )
        failed += judge_sessions(stored, now, [info("a")], plan)[0].p_fw <= alpha
    assert 0 < failed <= most_successes(num_trials, alpha)

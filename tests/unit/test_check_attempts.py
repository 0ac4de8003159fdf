"""Attempts at one check, pooled: whose pairs count, in which order, and how often equal code fails then."""

import random

import pytest
from check_reports import check_report
from checked import CREATED, design, gaussian, info, most_successes, simulated

from ocrprof.cli.check import attempt_number
from ocrprof.errors import ExitCode, OcrprofError
from ocrprof.results.check_attempts import continued_order, pool, unlike, unlike_metrics
from ocrprof.results.check_design import block_of, pairs_worth_running
from ocrprof.results.check_statistics import judge_pairs, overall_verdict
from ocrprof.results.model import CheckReport, GitState

INFOS = [info("a", min_effect=1e-9), info("b", min_effect=1e-9)]


def attempt(
    *, seed: int = 1, num_pairs: int = 10, most: int = 28, created: str = "2026-01-01T00:00:00+00:00", **changes
) -> CheckReport:
    """A report of so many pairs, each launch telling its attempt's seed."""
    plan = design(10, most, seed=seed)
    run = simulated(plan.order[:num_pairs], noise=lambda _: [float(seed) / 1000], slowdowns={"a": 0.0})
    plan = plan.model_copy(update={"order": plan.order[:num_pairs]})
    return check_report(design=plan, launches=run, metric_infos=[], metrics=[], created=created, **changes)


def continued(*reports: CheckReport, seed: int, created: str, num_pairs: int = 28) -> CheckReport:
    """The report of an attempt that pooled these, and ran on to so many pairs."""
    pooled = pool(reports, num_pairs_first=10)
    order = continued_order(pooled.order, num_pairs_first=10, num_pairs_max=28, seed=seed)[:num_pairs]
    further = simulated(order, noise=lambda _: [0.5], slowdowns={"a": 0.0})
    first = len(pooled.order)
    return check_report(
        design=design(10, 28, seed=seed).model_copy(
            update={"order": order, "attempts": pooled.attempts, "attempt": len(pooled.attempts) + 1}
        ),
        launches=pooled.launches + [one for one in further if one.pair > first],
        metric_infos=[], metrics=[], created=created,
    )  # fmt: skip


def test_pairs_of_an_earlier_attempt_come_first_and_tell_whose_they_are():
    pooled = pool([attempt(seed=7, num_pairs=10)], num_pairs_first=10)
    assert [(one.number, one.seed, one.num_pairs) for one in pooled.attempts] == [(1, 7, 10)]
    assert {one.attempt for one in pooled.launches} == {1}
    assert [one.pair for one in pooled.launches] == [pair for pair in range(1, 11) for _ in (0, 1)]
    assert pooled.order == design(seed=7).order[:10]


def test_an_attempt_that_pooled_others_holds_them_already():
    first = attempt(seed=1, created="2026-01-01T00:00:00Z")
    second = continued(first, seed=2, created="2026-01-01T01:00:00Z", num_pairs=20)
    for given in ([first, second], [second, first], [second], [first, second, second]):
        pooled = pool(given, num_pairs_first=10)
        assert [(one.number, one.seed, one.num_pairs) for one in pooled.attempts] == [(1, 1, 10), (2, 2, 10)]
        assert sorted({one.pair for one in pooled.launches}) == list(range(1, 21))
        assert [one.attempt for one in pooled.launches] == [1] * 20 + [2] * 20
        assert pooled.order == second.design.order


def test_attempts_that_knew_nothing_of_each_other_stand_one_behind_the_other():
    one = attempt(seed=1, num_pairs=14, created="2026-01-01T00:00:00Z")
    other = attempt(seed=2, num_pairs=10, created="2026-01-01T01:00:00Z")
    pooled = pool([other, one], num_pairs_first=10)
    assert [found.seed for found in pooled.attempts] == [1, 2]
    assert pooled.order == design(seed=1).order[:14] + design(seed=2).order[:10]
    # No block of the test holds pairs of both: what was not drawn together is not exchanged.
    blocks = {}
    for launch in pooled.launches:
        blocks.setdefault(block_of(launch.pair, num_pairs_first=10), set()).add(launch.attempt)
    assert all(len(of) == 1 for of in blocks.values())


@pytest.mark.parametrize("num_pairs, count", [(4, 0), (9, 0), (10, 10), (11, 10), (13, 12), (28, 28)])
def test_only_whole_blocks_of_an_attempt_that_was_cut_short_count(num_pairs, count):
    pooled = pool([attempt(num_pairs=num_pairs)], num_pairs_first=10)
    assert sum(one.num_pairs for one in pooled.attempts) == count
    assert len(pooled.launches) == 2 * count
    assert bool(pooled.notes) is (count < num_pairs)


def test_a_launch_that_failed_leaves_its_pair_out():
    report = attempt(num_pairs=12)
    crashed = [one.model_copy(update={"status": "crashed"}) if one.pair == 12 else one for one in report.launches]
    pooled = pool([report.model_copy(update={"launches": crashed})], num_pairs_first=10)
    assert len(pooled.order) == 10


def test_two_draws_of_one_seed_are_one_draw():
    with pytest.raises(OcrprofError, match="seed 5") as raised:
        pool([attempt(seed=5), attempt(seed=5, created="2026-02-01T00:00:00Z")], num_pairs_first=10)
    assert raised.value.exit_code == ExitCode.NOT_COMPARABLE
    first = attempt(seed=5)
    again = continued(first, seed=5, created="2026-02-01T00:00:00Z")
    assert len(pool([first, again], num_pairs_first=10).order) == 28, "further pairs are drawn apart"


def test_no_pair_counts_twice():
    first = attempt(seed=1)
    two = [continued(first, seed=seed, created=f"2026-02-0{seed}T00:00:00Z") for seed in (2, 3)]
    with pytest.raises(OcrprofError, match="pools an attempt that another one pools too"):
        pool(two, num_pairs_first=10)


def test_further_pairs_are_balanced_two_by_two_and_of_another_draw_each_time():
    earlier = design(seed=1).order[:10]
    orders = [continued_order(earlier, num_pairs_first=10, num_pairs_max=28, seed=seed) for seed in range(40)]
    for order in orders:
        assert order[:10] == earlier
        assert len(order) == 28
        assert all(order[pair] == -order[pair + 1] for pair in range(10, 28, 2))
    assert {order[10] for order in orders} == {1, -1}
    assert continued_order(orders[0], num_pairs_first=10, num_pairs_max=28, seed=9) == orders[0]


SAME = {"base": GitState(sha="a" * 40), "candidate": GitState(sha="b" * 40), "command": ["python", "train.py"]}


def earlier_of(**changes) -> CheckReport:
    report = attempt(base=SAME["base"], candidate=SAME["candidate"], **changes)
    return report.model_copy(update={"target": report.target.model_copy(update={"argv": SAME["command"]})})


def test_the_same_check_is_the_same():
    assert unlike(earlier_of(), **SAME, design=design()) == []


@pytest.mark.parametrize(
    "changes, told",
    [
        ({"base": GitState(sha="c" * 40)}, "commit of the base: aaaaaaaaaaaa there, cccccccccccc here"),
        ({"candidate": GitState(sha="b" * 40, dirty=True)}, "the candidate has uncommitted changes here"),
        ({"command": ["python", "other.py"]}, "command: python train.py there, python other.py here"),
        ({"design": design(10, 20)}, "pairs at most: 28 there, 20 here"),
        ({"design": design(alpha=0.05)}, "alpha: 0.01 there, 0.05 here"),
        ({"design": design(rule="margin")}, "rule: gate there, margin here"),
        ({"design": design(max_steal=0.1)}, "--drop-steal: None there, 0.1 here"),
        ({"design": design(cold=True)}, "--cold: False there, True here"),
        ({"design": design(duet="parallel")}, "--duet: interleaved there, parallel here"),
        ({"design": design().model_copy(update={"mode": "aa"})}, "mode: against there, aa here"),
    ],
)
def test_another_check_is_told_by_the_field(changes, told):
    found = unlike(earlier_of(), **{**SAME, "design": design(), **changes})
    assert len(found) == 1
    assert found[0].startswith(told)


def test_other_deciding_metrics_are_another_check():
    assert unlike_metrics([info("a")], [info("a"), info("b", gated=False)]) == []
    assert unlike_metrics([info("a")], [info("b")]) == [
        "a decides there, and not here",
        "b decides here, and not there",
    ]
    assert unlike_metrics([info("a", floor=1)], [info("a", floor=2)]) == ["floor of a: 1.0 there, 2.0 here"]


@pytest.mark.parametrize(
    "environ, number",
    [({}, 1), ({"GITHUB_RUN_ATTEMPT": "3"}, 3), ({"GITHUB_RUN_ATTEMPT": "0"}, 1), ({"GITHUB_RUN_ATTEMPT": "x"}, 1)],
)
def test_the_attempt_is_what_the_ci_system_says(environ, number):
    assert attempt_number(environ) == number


def first_attempt(plan, run) -> tuple[bool, int]:
    """Whether a check fails by itself, and after how many pairs it ended."""
    num, kept = 0, run
    worth: int | None = plan.num_pairs_first
    while worth is not None and worth > num:
        num, kept = worth, [one for one in run if one.pair <= worth]
        worth = pairs_worth_running(num, kept, INFOS, plan)
    if worth is None:
        return False, num
    return overall_verdict(judge_pairs(kept, INFOS, plan, True)) == "regressed", num


def two_attempts(trial: int, *, alpha: float, noise) -> tuple[bool, bool]:
    """Whether the first attempt fails, and whether the second does, which pools it; equal code, second comes later."""
    plan = design(10, 14, seed=trial, alpha=alpha)
    run = simulated(plan.order, noise=noise, slowdowns={"a": 0.0, "b": 0.0}, second=0.04)
    red, num = first_attempt(plan, run)
    kept = [one for one in run if one.pair <= num]
    report = check_report(design=plan.model_copy(update={"order": plan.order[:num]}), launches=kept, created=CREATED)
    pooled = pool([report], num_pairs_first=10)
    order = continued_order(pooled.order, num_pairs_first=10, num_pairs_max=14, seed=trial + 10**6)
    further = simulated(order, noise=noise, slowdowns={"a": 0.0, "b": 0.0}, second=0.04)
    whole = pooled.launches + [one for one in further if one.pair > num]
    later = design(10, 14, seed=trial + 10**6, alpha=alpha)
    return red, overall_verdict(judge_pairs(whole, INFOS, later, True)) == "regressed"


def test_two_attempts_fail_equal_code_no_more_often_than_one_however_they_came_about():
    """At 10 % in place of 1 %, so that there is something to count; no least effect; who comes second is slower."""
    generator, num_trials, alpha = random.Random(21), 130, 0.10
    found = [two_attempts(trial, alpha=alpha, noise=gaussian(generator, 2, sd=0.06)) for trial in range(num_trials)]
    always = sum(later for _, later in found)
    until_green = sum(red and later for red, later in found)
    until_red = sum(red or later for red, later in found)
    assert 0 < always <= most_successes(num_trials, alpha)
    assert until_green <= most_successes(num_trials, alpha)
    assert until_red <= most_successes(num_trials, 2 * alpha)


def test_two_attempts_fail_equal_code_at_most_one_time_in_a_hundred():
    generator, num_trials = random.Random(22), 130
    found = [two_attempts(trial, alpha=0.01, noise=gaussian(generator, 2, sd=0.06)) for trial in range(num_trials)]
    assert sum(later for _, later in found) <= most_successes(num_trials, 0.01)


def test_attempts_that_knew_nothing_of_each_other_fail_no_more_often_either():
    """First stages of ten drawn together, tested two by two; the machine slows down all the time."""
    generator, num_trials, alpha, failed = random.Random(23), 90, 0.10, 0
    for trial in range(num_trials):
        reports = []
        for number in (0, 1):
            plan = design(10, 10, seed=2 * trial + number)
            run = simulated(
                plan.order, noise=lambda moment: [0.01 * moment + generator.gauss(0, 0.04) for _ in range(2)],
                slowdowns={"a": 0.0, "b": 0.0}, second=0.04,
            )  # fmt: skip
            reports.append(check_report(design=plan, launches=run, created=f"2026-01-0{number + 1}T00:00:00Z"))
        pooled = pool(reports, num_pairs_first=10)
        judged = judge_pairs(pooled.launches, INFOS, design(10, 20, seed=trial, alpha=alpha), True)
        failed += overall_verdict(judged) == "regressed"
    assert 0 < failed <= most_successes(num_trials, alpha)


def test_a_slowdown_that_one_attempt_left_open_is_found_by_two():
    generator, found = random.Random(24), 0
    for trial in range(12):
        plan = design(10, 28, seed=trial)
        run = simulated(plan.order[:10], noise=gaussian(generator, 1, sd=0.035), slowdowns={"a": 0.1})
        report = check_report(design=plan.model_copy(update={"order": plan.order[:10]}), launches=run)
        pooled = pool([report], num_pairs_first=10)
        order = continued_order(pooled.order, num_pairs_first=10, num_pairs_max=28, seed=trial + 99)
        further = simulated(order, noise=gaussian(generator, 1, sd=0.035), slowdowns={"a": 0.1})
        whole = pooled.launches + [one for one in further if one.pair > 10]
        found += judge_pairs(whole, [info("a")], plan, True)[0].verdict == "regressed"
    assert found >= 10

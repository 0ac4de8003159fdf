"""Which worker count a sweep carries: one test a verdict, and simulated sweeps whose answer is known."""

from collections.abc import Callable

import pytest
from sweep_simulation import computing, loader, sleeping, sweep, trial, waits

from ocrprof.results.model import Cost, LoaderInfo, LoaderSetting, Recommendation, SweepTrial, WorkerStages
from ocrprof.results.sweep_points import build_points
from ocrprof.results.sweep_recommendation import is_decided, recommend

STEP = 0.1


def rounds(rates: dict[int, float], *, num_rounds: int = 3, noise: float = 0.004, **fields) -> list[SweepTrial]:
    """Every setting in every round, faster and slower in turn by `noise`, each in an order of its own."""
    return [
        trial(value, number, rate * (1 + noise * (-1) ** (number + index)), **fields)
        for number in range(num_rounds)
        for index, (value, rate) in enumerate(rates.items())
    ]


def waiting(shares: dict[int, tuple[float, float, float]]) -> list[SweepTrial]:
    """Rounds in which the steps wait these shares of their time; samples/s rise with the workers."""
    return [
        trial(value, number, 10.0 * max(1, value), waits=waits([share] * 4, step_seconds=STEP))
        for number in range(3)
        for value, share in ((value, by_round[number]) for value, by_round in shares.items())
    ]


def told(trials: list[SweepTrial], *, current: int | LoaderInfo | None = None, step=None, **fields) -> Recommendation:
    settings = list(dict.fromkeys(one.setting for one in trials))
    own = loader(current) if isinstance(current, int) else current
    given = {"loader": own, "within": 0.05, "max_wait": 0.02, "step_seconds": step, **fields}
    return recommend(build_points(trials, settings), trials, **given)


def decided(trials: list[SweepTrial], *, current: int | None = None, step: float | None = None) -> bool:
    settings = list(dict.fromkeys(one.setting for one in trials))
    own = None if current is None else loader(current)
    points = build_points(trials, settings)
    return is_decided(points, trials, loader=own, within=0.05, max_wait=0.02, step_seconds=step)


def test_clear_is_the_one_value_that_is_within_five_percent_of_the_best():
    found = told(rounds({0: 100, 2: 200, 4: 400}), current=2)
    assert (found.verdict, found.num_workers, found.ties) == ("clear", 4, [])
    assert found.reason == "4 workers load 401 samples/s, more than any other value; 2 workers reach 49.9 % of it"
    assert "the largest value measured is the best one" in found.notes[0]


def test_a_tie_goes_to_the_fewest_workers():
    found = told(rounds({0: 100, 2: 200, 4: 202, 8: 201}), current=0)
    assert (found.verdict, found.num_workers, found.ties) == ("tie", 2, [2, 4, 8])
    assert found.setting == LoaderSetting(num_workers=2)
    assert not found.notes


def test_a_knee_beyond_the_margin_is_not_within_it():
    trials = rounds({0: 100, 2: 190, 4: 206})  # 2 is at 92 %
    assert told(trials).num_workers == 4
    assert told(trials, within=0.1).num_workers == 2


def test_flat_keeps_the_programs_own_value():
    found = told(rounds({0: 100, 2: 101, 4: 100}), current=2)
    assert (found.verdict, found.num_workers, found.setting) == ("flat", None, None)
    assert "2 workers can stay" in found.reason
    assert decided(rounds({0: 100, 2: 101, 4: 100}), current=2)


def test_flat_does_not_keep_a_value_that_failed():
    trials = rounds({0: 100, 2: 101, 4: 100})
    trials[2] = trial(4, 0, 100, status="worker_killed", blocks=[])
    found = told(trials, current=4)
    assert (found.verdict, found.num_workers, found.ties) == ("tie", 0, [0, 2])
    assert "4 workers failed (worker_killed) and cannot be recommended" in found.notes


def test_few_noisy_rounds_are_inconclusive():
    trials = rounds({0: 100, 2: 110, 4: 104}, noise=0.15)
    found = told(trials, current=0)
    assert (found.verdict, found.num_workers) == ("inconclusive", None)
    assert "after 3 rounds" in found.reason
    assert not decided(trials)


def test_one_round_is_inconclusive_however_clear_it_looks():
    trials = rounds({0: 100, 4: 400}, num_rounds=1)
    assert told(trials).verdict == "inconclusive"
    assert "at least two rounds" in told(trials).reason
    assert not decided(trials)


def test_one_round_is_inconclusive_however_short_its_waits():
    trials = [one for one in waiting({0: (0.5,) * 3, 2: (0.0,) * 3}) if one.round == 0]
    assert told(trials, current=2, step=STEP).verdict == "inconclusive"
    assert not decided(trials, current=2, step=STEP)


def test_while_all_values_may_still_turn_out_alike_it_is_not_decided():
    """None is within the margin and faster than 2, which may be within it as well: then 2 could stay."""
    near = {0: (104.0, 105.0, 103.0), 2: (100.0, 100.0, 100.0)}
    trials = [trial(value, number, rates[number]) for value, rates in near.items() for number in range(3)]
    assert (told(trials, current=2).verdict, told(trials, current=2).num_workers) == ("clear", 0)
    assert not decided(trials, current=2)


def test_a_lighter_value_that_may_be_as_good_leaves_it_open():
    """2 may be better or worse than 4, so 4 is not known to be the fewest."""
    wild = {2: (60.0, 100.0, 90.0), 4: (100.0, 100.0, 100.0)}
    trials = [trial(value, number, rates[number]) for value, rates in wild.items() for number in range(3)]
    trials += [trial(0, number, 10.0) for number in range(3)]
    assert told(trials).verdict == "inconclusive"
    assert not decided(trials)


def test_a_lighter_value_that_is_slower_but_perhaps_within_the_margin_is_named():
    slower = {2: (195.0, 189.0, 192.0), 4: (200.0, 201.0, 199.0)}
    trials = [trial(value, number, rates[number]) for value, rates in slower.items() for number in range(3)]
    trials += [trial(0, number, 100.0) for number in range(3)]
    found = told(trials)
    assert (found.verdict, found.num_workers) == ("clear", 4)
    assert "2 workers is slower than the best, but may be within" in found.notes[0]
    assert not decided(trials)


def test_with_a_known_step_the_fewest_workers_that_keep_the_wait_down_are_enough():
    trials = waiting({0: (0.6, 0.6, 0.6), 2: (0.2, 0.21, 0.19), 4: (0.01, 0.011, 0.009), 8: (0.0, 0.0, 0.0)})
    found = told(trials, current=2, step=STEP)
    assert (found.verdict, found.num_workers) == ("clear", 4)
    assert found.reason == (
        "with 4 workers a step of 100 ms waits 1.0 % of its time for a batch (at most 1.2 %, 2 % allowed),"
        " with 2 workers 20.0 %"
    )
    assert decided(trials, current=2, step=STEP)
    assert told(trials, current=2).num_workers == 8  # by samples/s alone, which a step of 100 ms has no use for


def test_a_wait_that_may_be_longer_than_allowed_is_not_enough():
    trials = waiting({0: (0.6, 0.6, 0.6), 2: (0.005, 0.03, 0.015), 4: (0.0, 0.0, 0.001)})
    found = told(trials, current=0, step=STEP)
    assert (found.verdict, found.num_workers, found.ties) == ("tie", 4, [2, 4])
    assert "2 workers may do as well, which is not shown" in found.reason
    assert not decided(trials, current=0, step=STEP)


@pytest.mark.parametrize(("shares", "current"), [({0: 0.9, 2: 0.001, 4: 0.0}, 2), ({0: 0.01, 2: 0.0}, None)])
def test_a_loader_that_is_fast_enough_as_it_is_is_no_bottleneck(shares, current):
    found = told(waiting({value: (share,) * 3 for value, share in shares.items()}), current=current, step=STEP)
    assert (found.verdict, found.num_workers) == ("loader_not_bottleneck", None)
    assert "another value cannot speed it up" in found.reason


def test_no_workers_are_recommended_where_the_programs_own_value_makes_steps_wait():
    found = told(waiting({0: (0.01,) * 3, 2: (0.3,) * 3}), current=2, step=STEP)
    assert (found.verdict, found.num_workers) == ("clear", 0)


def test_where_no_value_keeps_the_wait_down_samples_a_second_decide():
    trials = [
        trial(value, number, rate * (1 + 0.004 * (-1) ** (number + value)), waits=waits([share] * 3))
        for number in range(3)
        for value, rate, share in ((0, 10, 0.8), (1, 20, 0.6), (2, 40, 0.4), (3, 40, 0.4))
    ]
    found = told(trials, current=0, step=STEP)
    assert (found.verdict, found.num_workers, found.ties) == ("tie", 2, [2, 3])


def test_a_value_over_the_memory_budget_is_no_candidate():
    trials = [
        trial(value, number, 100.0 * max(1, value), cost=Cost(pss_peak_bytes=(1 + value) * 2**30))
        for number in range(3)
        for value in (0, 2, 4)
    ]
    found = told(trials, memory_budget_bytes=4 * 2**30)
    assert found.num_workers == 2
    assert "4 workers took 5.00 GiB of memory, more than the 4.00 GiB allowed" in found.notes


def test_a_value_that_failed_once_is_not_recommended_and_the_rest_are_compared():
    trials = rounds({0: 100, 2: 200, 4: 400})
    trials[5] = trial(4, 1, 400, status="oom_killed", blocks=[])
    assert told(trials).num_workers == 2


def test_where_all_but_one_fail_the_one_that_runs_is_left():
    trials = rounds({0: 100, 2: 200})
    trials[1] = trial(2, 0, 200, status="shm", blocks=[])
    found = told(trials, current=2)
    assert (found.verdict, found.num_workers) == ("clear", 0)
    assert "the only value that ran without a failure" in found.reason


def test_where_everything_fails_the_failure_is_the_reason():
    trials = [trial(value, 0, 1.0, status="user_error", blocks=[]) for value in (0, 2)]
    found = told(trials)
    assert (found.verdict, found.num_workers) == ("inconclusive", None)
    assert found.reason == "no value ran without a failure: no workers ended with user_error"
    assert decided(trials)  # another round would fail as well


def test_a_single_value_has_nothing_to_be_compared_with():
    assert "nothing to compare with" in told(rounds({4: 100})).reason


def test_headspace_is_what_steps_with_kept_batches_would_gain():
    trials = [
        trial(2, number, 100.0, waits=waits([0.5] * 4, step_seconds=STEP), replay_seconds=[1.0, 1.0])
        for number in range(3)
    ]
    assert told(trials, current=2, step=STEP).headspace == pytest.approx(2.0)
    assert told(rounds({2: 100}), current=2).headspace is None


def noted(**fields) -> list[str]:
    """Notes on a sweep that recommends 4 workers, where the trials or the loader have these fields."""
    own = loader(2, batch_size=8, num_samples=fields.pop("num_samples", 10**6), pin_memory=fields.pop("pinned", False))
    asked = {"num_cores": fields.pop("num_cores", 16.0), "num_gpus": fields.pop("num_gpus", 0)}
    trials = waiting({2: (0.3,) * 3, 4: (0.001,) * 3, 8: (0.0,) * 3})
    trials = [one.model_copy(update=fields) for one in trials]
    found = told(trials, current=own, step=STEP, **asked)
    assert found.num_workers == 4
    return found.notes


def test_an_answer_without_a_catch_has_no_notes():
    assert noted() == []


def test_loading_that_takes_most_of_the_cores_is_noted():
    cost = Cost(cpu_seconds_main=10.0, cpu_seconds_workers=80.0, num_samples=1000)  # 90 ms a sample, 8 of them a step
    assert "of 16 usable cores" in noted(cost=cost)[0]
    assert noted(cost=cost.model_copy(update={"cpu_seconds_workers": 10.0})) == []


def test_more_workers_than_cores_beside_the_training_are_noted():
    assert "more than the 4 usable cores" in noted(num_cores=4.0)[0]
    assert noted(num_cores=5.0) == []


def test_workers_that_start_anew_for_a_short_epoch_are_noted():
    assert "persistent_workers=True keeps them" in noted(turnover_seconds=3.0, num_samples=800)[0]
    assert noted(turnover_seconds=3.0, num_samples=80_000) == []


def test_pinned_memory_is_noted_where_it_is_missing_or_was_not_tried():
    assert "try pin_memory=True" in noted(num_gpus=1)[0]
    assert noted(num_gpus=1, pinned=True) == []
    assert "did nothing here" in noted(num_gpus=0, pinned=True)[0]


def test_a_loss_to_delivery_in_order_is_noted_above_a_tenth():
    def stages(slow: int) -> WorkerStages:
        return WorkerStages(seconds={}, num_batches=100, service_seconds=[1.0] * (100 - slow) + [10.0] * slow)

    assert "in_order=False" in noted(stages=stages(5))[0]
    assert noted(stages=stages(0)) == []


def test_trials_that_ran_out_of_time_are_noted_with_what_they_were_short_of():
    trials = rounds({0: 100, 2: 400})
    uneven = [1.3, 1.3, 0.7, 1.2, 0.7, 0.8, 1.3, 0.9, 0.7, 1.1]
    trials[1] = trial(2, 0, 400, spread=uneven, capped=True)
    assert told(trials).notes[0] == (
        "2 workers: the time of a trial ran out before the precision asked for was reached; the worst knows its mean"
        " to ±19.1 %, and for ±3 % needs 40 times as long"
    )
    assert not [note for note in told(rounds({0: 100, 2: 400})).notes if "ran out" in note]
    trials[1] = trial(2, 0, 400, spread=[1.0, 1.01] * 5, capped=True)  # known to 1 % all the same
    assert not [note for note in told(trials).notes if "ran out" in note]


def test_an_unsteady_machine_is_noted_first():
    trials = rounds({0: 100, 2: 400})
    trials += [trial(0, number, 80.0, control=True) for number in range(3)]
    assert told(trials).notes[0].startswith("the machine is not steady")


@pytest.mark.parametrize(
    ("rate", "values", "best"),
    [
        (sleeping(0.1), (0, 1, 2, 4), 4),
        (computing(0.1, num_cores=2), (0, 1, 2, 4), 2),
        (computing(0.1, num_cores=4), (0, 2, 4, 8), 4),
    ],
)
def test_simulated_sweeps_recommend_the_analytic_value(
    rate: Callable[[int], float], values: tuple[int, ...], best: int
):
    """At a noise of 1, 2 and 3 % of a trial, and once of 5 %, which takes some twenty rounds."""
    noises = [0.01, 0.02] * 8 + [0.03] * 3 + [0.05]
    found = [sweep(rate, values, seed=seed, noise=noise)[0] for seed, noise in enumerate(noises)]
    assert [one.num_workers for one in found].count(best) >= 19
    assert not [one for one in found if one.num_workers not in (best, None)]


def test_simulated_sweeps_with_a_step_recommend_the_fewest_workers_that_keep_up():
    """A step of 30 ms for a sample that takes 0.1 s: four workers, though eight would load twice as much."""
    found = [
        sweep(sleeping(0.1), (0, 1, 2, 4, 8), seed=seed, noise=0.02, current=0, step_seconds=0.03)[0]
        for seed in range(10)
    ]
    assert {one.num_workers for one in found} == {4}


def test_simulated_sweeps_of_one_and_the_same_are_flat():
    found = [sweep(lambda _: 10.0, (0, 1, 2, 4), seed=seed, noise=0.01, current=2)[0] for seed in range(30)]
    assert [one.verdict for one in found].count("flat") >= 29


def test_noise_of_ten_percent_gives_no_answer_rather_than_a_wrong_one():
    found = [
        sweep(computing(0.1, num_cores=2), (0, 2, 4), seed=seed, noise=0.1, min_rounds=3, max_rounds=4)[0]
        for seed in range(20)
    ]
    assert not [one for one in found if one.num_workers not in (2, None)]
    assert [one.verdict for one in found].count("inconclusive") >= 15


def test_a_sweep_stops_as_soon_as_it_knows():
    quick = [sweep(sleeping(0.1), (0, 2, 4), seed=seed, noise=0.01)[1] for seed in range(5)]
    slow = [sweep(computing(0.1, num_cores=2), (0, 2, 4), seed=seed, noise=0.04, max_rounds=20)[1] for seed in range(5)]
    assert quick == [3] * 5
    assert sum(slow) > 2 * sum(quick)
    assert min(slow) < 20

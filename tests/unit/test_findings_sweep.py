"""What a sweep shows of the program's own loader, and where the rules keep quiet."""

import pytest
from sweep_reports import LOADER, plain_sweep, rounds, setting, sweep, sweep_with_failure, trial

from ocrprof.findings import judge


def codes(report) -> list[str]:
    return [one.code for one in report.findings]


def own(num_workers: int, **changed):
    """The trial's loader as a program would have it that uses so many workers."""
    return LOADER.model_copy(update={"num_workers": num_workers, **changed})


def with_loader(trials, loader):
    return [one.model_copy(update={"loader": loader}) for one in trials]


def test_steps_that_wait_are_starved_by_the_seconds_that_they_waited():
    report = sweep_with_failure()
    (found,) = [one for one in report.findings if one.code == "starved"]
    waits = [one.waits for one in report.trials if one.setting.num_workers == 0 and not one.control]
    assert found.seconds == pytest.approx(sum(sum(one.wait_seconds) for one in waits))
    assert found.share == pytest.approx(0.505, abs=0.01)
    assert found.location == LOADER.location
    assert "Set num_workers to 4" in found.advice
    assert "knee" not in codes(report)


def test_starved_steps_of_an_inconclusive_sweep_ask_for_more_rounds():
    settings = [setting(0), setting(4)]
    report = sweep(settings, rounds(settings, num_rounds=1, step=0.1), step_seconds=0.1)
    (found,) = [one for one in report.findings if one.code == "starved"]
    assert "--resume" in found.advice


def test_a_setting_slower_than_the_best_is_a_knee_only_where_no_step_tells_whether_it_matters():
    (found,) = [one for one in plain_sweep().findings if one.code == "knee"]
    assert found.share == pytest.approx(1 - 0.055 / 0.2, abs=0.02)
    # What the saving is a part of: the seconds that its own setting loaded for in all rounds.
    assert found.evidence["loading_seconds"] == pytest.approx(found.seconds / found.share)
    assert "Set num_workers to 4" in found.advice


def test_nothing_is_found_where_the_program_has_the_best_setting():
    settings = [setting(value) for value in (0, 2, 4)]
    loader = own(4)
    report = sweep(settings, with_loader(rounds(settings, step=0.1), loader), step_seconds=0.1)
    assert codes(report) == []


def test_more_workers_than_cores_that_load_less_are_oversubscribed():
    settings = [setting(4), setting(16)]
    slow = {4: 0.05, 16: 0.08}
    trials = [
        trial(one, number, position, seconds=slow[one.num_workers])
        for number in (1, 2, 3)
        for position, one in enumerate(settings)
    ]
    report = sweep(settings, with_loader(trials, own(16)))
    (found,) = [one for one in report.findings if one.code == "oversubscribed"]
    assert found.effect == "saves"
    assert "no more than 4 workers" in found.advice
    less = sweep(settings, with_loader(trials, own(4)))
    assert [(one.code, one.effect) for one in less.findings] == [("oversubscribed", "tells")]


def test_few_workers_that_load_less_are_not_oversubscribed():
    assert "oversubscribed" not in codes(plain_sweep())


@pytest.mark.parametrize(("on_seconds", "expected"), [(0.12, "pin_memory costs"), (0.08, "pin_memory brings")])
def test_pinning_is_told_where_it_surely_matters(on_seconds, expected):
    settings = [setting(2, pin_memory=False), setting(2, pin_memory=True)]
    trials = [
        trial(one, number, position, seconds=on_seconds if one.pin_memory else 0.1)
        for number in (1, 2, 3)
        for position, one in enumerate(settings)
    ]
    (found,) = [one for one in sweep(settings, trials).findings if one.code == "pin-memory"]
    assert found.title.startswith(expected)
    same = sweep(settings, [trial(one.setting, one.round, one.position, seconds=0.1) for one in trials])
    assert "pin-memory" not in codes(same)


def test_workers_that_take_a_second_to_be_ready_are_told_with_what_each_adds():
    settings = [setting(0), setting(2)]
    trials = [one.model_copy(update={"loader": own(2)}) for one in rounds(settings)]
    slow = [
        one.model_copy(update={"worker_ready_seconds": [1.6, 3.2], "first_batch_seconds": 3.5})
        if one.setting.num_workers
        else one
        for one in trials
    ]
    (found,) = [one for one in sweep(settings, slow).findings if one.code == "worker-start"]
    assert found.seconds == 3.2
    assert "1.60 s more for each" in found.title
    assert "worker-start" not in codes(sweep(settings, trials))


def test_an_epoch_that_begins_late_asks_for_persistent_workers():
    settings = [setting(0), setting(2)]
    loader = own(2, num_samples=160)
    late = with_loader(rounds(settings), loader)
    (found,) = [one for one in sweep(settings, late).findings if one.code == "turnover"]
    assert found.seconds == pytest.approx(0.4)
    assert "persistent_workers=True" in found.advice
    kept = with_loader(late, loader.model_copy(update={"persistent_workers": True}))
    (found,) = [one for one in sweep(settings, kept).findings if one.code == "turnover"]
    assert "persistent_workers=True" not in found.advice
    assert "turnover" not in codes(sweep(settings, with_loader(late, own(2))))  # of 8000 samples it is little


def test_batches_held_up_by_a_slow_one_are_told_from_a_tenth_of_the_samples_on():
    report = plain_sweep()
    told = report.recommendation
    tail = report.model_copy(update={"recommendation": told.model_copy(update={"in_order_loss": 0.4})})
    (found,) = [one for one in judge(tail).findings if one.code == "in-order-tail"]
    assert found.share == pytest.approx(0.4)
    assert "in_order=False" in found.advice
    little = report.model_copy(update={"recommendation": told.model_copy(update={"in_order_loss": 0.05})})
    assert "in-order-tail" not in codes(judge(little))

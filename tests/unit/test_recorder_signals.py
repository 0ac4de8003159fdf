"""What a hook does with exceptions: those of its own cost a note, those of the target's signal handlers go on."""

import copy
import functools
import pickle
import signal

import pytest
from by_path import load, made_recorder


class Timeout(Exception):
    """What the target's handler raises."""


def too_late(*_):
    raise Timeout


class Limit:
    def too_late(self, *_):
        raise Timeout

    __call__ = too_late


@pytest.fixture
def handled(request):
    before = signal.signal(signal.SIGUSR1, request.param)
    yield
    signal.signal(signal.SIGUSR1, before)


@pytest.mark.parametrize(
    "handled",
    [too_late, lambda *_: too_late(), Limit().too_late, Limit(), functools.partial(too_late, 1)],
    indirect=True,
)
def test_what_the_targets_handler_raises_in_a_hook_reaches_the_target(handled):
    recorder = made_recorder()
    with pytest.raises(Timeout):
        recorder.ask(signal.raise_signal, (signal.SIGUSR1,), {})
    assert recorder._writer.records == []


@pytest.mark.parametrize("handled", [too_late], indirect=True)
def test_what_a_hook_meets_itself_is_noted_once_and_goes_no_further(handled):
    recorder = made_recorder()
    for _ in range(3):
        assert recorder.ask(int, ("x",), {}) is None
    assert [record["k"] for record in recorder._writer.records] == ["note"]
    assert recorder._writer.records[0]["text"].startswith("ValueError: invalid literal")


def test_the_notes_of_a_hook_that_fails_at_each_batch_have_an_end():
    recorder = made_recorder()
    for number in range(1000):
        recorder.ask(int, (f"x{number}",), {})
    assert 0 < len(recorder._writer.records) < 1000


@pytest.mark.parametrize("handled", [too_late], indirect=True)
def test_no_handler_runs_any_more_when_the_target_does_not_go_on(handled):
    before = {number: signal.getsignal(number) for number in signal.valid_signals()}
    try:
        load("signals").silence(made_recorder())
        signal.raise_signal(signal.SIGUSR1)
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    finally:
        for number, handler in before.items():
            if callable(handler):
                signal.signal(number, handler)


def test_a_forward_hook_is_no_obstacle_to_copies_and_pickles_of_a_model():
    seen = []
    hook = load("lightning")._Hook(lambda *args: seen.append(args))
    copy.deepcopy({"hooks": [hook]})["hooks"][0]("module", "inputs")
    assert seen == [("module", "inputs")]
    assert pickle.loads(pickle.dumps(hook))("module", "inputs", "output") is None
    assert len(seen) == 1

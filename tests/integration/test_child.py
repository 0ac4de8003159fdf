"""Whatever happens while the target is being started, `run_target` knows its process and ends it."""

import signal
import subprocess

import psutil
import pytest

from ocrprof.measure.child import run_target, termination_interrupts
from ocrprof.target import Target


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_that_comes_while_the_target_is_being_started_leaves_no_process(tmp_path, monkeypatch, number):
    """The signal comes at the worst moment: the process is there, and nobody has it yet."""
    started: list[int] = []

    class InterruptedPopen(subprocess.Popen):
        def __init__(self, *args: object, **options: object) -> None:
            super().__init__(*args, **options)
            started.append(self.pid)
            signal.raise_signal(number)

    monkeypatch.setattr(subprocess, "Popen", InterruptedPopen)
    target = Target(argv=("sleep", "600"), cwd=tmp_path)
    with termination_interrupts():
        outcome = run_target(target, directory=tmp_path / "run", until="exit", timeout_seconds=60)
        before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    assert outcome.status == "interrupted"
    assert not any(psutil.pid_exists(pid) for pid in started)
    assert started
    assert all(callable(handler) for handler in before), "the handlers of before are there again"

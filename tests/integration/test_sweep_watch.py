"""The watch beside a trial, on real processes: whether they work."""

import os
import subprocess
import time
from pathlib import Path

import psutil
from recording import PYTHON

from ocrprof.measure.sweep_watch import HangWatch

SPIN = "while True: pass"


def spin_until(used, seconds):
    while used() < seconds:
        pass


def test_a_worker_that_has_ended_does_not_make_the_others_seem_idle(tmp_path: Path):
    watch = HangWatch(os.getpid(), directory=tmp_path, deadline_seconds=600)
    with subprocess.Popen([PYTHON, "-c", SPIN]) as ended:
        times = psutil.Process(ended.pid).cpu_times
        spin_until(lambda: times().user, 0.5)
        watch._is_busy(0.0)
        ended.kill()
    began = time.process_time()
    spin_until(lambda: time.process_time() - began, 0.2)
    assert watch._is_busy(0.0)

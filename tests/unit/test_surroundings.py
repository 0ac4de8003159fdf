"""What else the machine did during a run: differences of the kernel's counters, and how `noisy` tells of them."""

import os
from pathlib import Path

import pytest
from judged import start_of
from reports_fixture import run

from ocrprof.findings.spread import disturbances, noisy
from ocrprof.measure.surroundings import SurroundingsWatch
from ocrprof.results.model import Surroundings

TICKS = os.sysconf("SC_CLK_TCK")


def kernel(root: Path, *, busy: int, stolen: int = 0, cpu_us: int = 0, throttled_us: int = 0, pages: int = 0) -> Path:
    """A /proc and /sys in which every core has worked that many seconds."""
    cores = sorted(os.sched_getaffinity(0))
    lines = [f"cpu{core} {busy * TICKS} 0 0 99 7 0 0 {stolen * TICKS} 0 0" for core in cores]
    files = {
        "proc/stat": "\n".join(["cpu  1 1 1 1 1 1 1 1 0 0", *lines, "intr 5"]),
        "proc/pressure/cpu": f"some avg10=1.00 avg60=2.00 avg300=3.00 total={cpu_us}\n",
        "proc/vmstat": f"pgpgin 1\npswpin {pages}\npswpout {pages}\n",
        "proc/self/cgroup": "0::/job\n",
        "sys/fs/cgroup/job/cpu.stat": f"usage_usec 9\nthrottled_usec {throttled_us}\n",
        "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count": f"{pages}\n",
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_the_counters_are_told_as_differences(tmp_path):
    watch = SurroundingsWatch(root=kernel(tmp_path, busy=1000, cpu_us=5_000_000, throttled_us=1_000_000, pages=3))
    kernel(tmp_path, busy=1060, stolen=2, cpu_us=7_500_000, throttled_us=1_250_000, pages=5)
    seen = watch.surroundings()
    num_cores = len(os.sched_getaffinity(0))
    assert seen.others_busy_cores == pytest.approx(60 * num_cores / seen.seconds, rel=0.01)
    assert seen.stolen_seconds == pytest.approx(2 * num_cores)
    assert seen.waited == {"cpu": pytest.approx(2.5)}
    assert seen.throttled_seconds == pytest.approx(0.25)
    assert seen.swapped_bytes == 4 * os.sysconf("SC_PAGE_SIZE")
    assert seen.num_thermal_throttles == 2


def test_what_the_kernel_does_not_tell_is_none(tmp_path):
    seen = SurroundingsWatch(root=tmp_path).surroundings()
    assert (seen.others_busy_cores, seen.throttled_seconds, seen.swapped_bytes, seen.waited) == (None, None, None, {})


def test_our_own_work_is_not_that_of_others():
    watch = SurroundingsWatch()
    before = os.times()
    while os.times().user - before.user < 0.3:
        sum(range(10_000))
    seen = watch.surroundings()
    if seen.others_busy_cores is None:
        pytest.skip("/proc/stat is not readable here")
    assert seen.others_busy_cores <= len(os.sched_getaffinity(0)) - 0.3 / seen.seconds + 0.2


def runs_beside(*surroundings: Surroundings):
    factors = (1.0, 0.9, 1.2)
    return [
        run(factor).model_copy(update={"surroundings": one}) for factor, one in zip(factors, surroundings, strict=True)
    ]


def test_a_spread_is_explained_by_what_the_kernel_counted():
    quiet = Surroundings(seconds=10.0, others_busy_cores=0.1)
    loud = Surroundings(
        seconds=10.0, others_busy_cores=1.9, waited={"cpu": 9.0, "io": 3.0}, throttled_seconds=2.0,
        swapped_bytes=2**22, num_thermal_throttles=3,
    )  # fmt: skip
    (finding,) = noisy(start_of(end=1, runs=runs_beside(quiet, quiet, loud)))
    for reason in (
        "other processes kept 0.1 (in the fastest run) and 1.9 (in the slowest) of 8 cores busy",
        "tasks waited for a core in 30.0 % of the time",
        "tasks waited for a disk in 10.0 % of the time",
        "a CPU quota held a control group back for 2.00 s",
        "4.00 MiB moved to or from swap",
        "cores slowed down 3 times for their heat",
    ):
        assert reason in finding.advice
        assert reason in finding.evidence["during_runs"]
    assert finding.advice.endswith("measure again on a quiet machine.")


def test_a_spread_that_nothing_explains_is_the_targets_own():
    quiet = Surroundings(seconds=10.0, others_busy_cores=0.1, waited={"cpu": 0.3})
    runs = runs_beside(quiet, quiet, quiet)
    assert disturbances(runs, num_cores=8) == []
    (finding,) = noisy(start_of(end=1, runs=runs))
    assert "nothing beside the target that would explain it" in finding.advice

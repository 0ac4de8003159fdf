"""Watches what else the machine does while a run is measured, by the kernel's counters before and after it."""

import mmap
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ocrprof.measure.processors import cgroup_folders
from ocrprof.results.model import Surroundings

_PSI_RESOURCES = ("cpu", "io", "memory")


@dataclass(frozen=True)
class _Counters:
    """All grow from boot on; None where one cannot be read. Seconds, but for the last two."""

    at: float
    busy: float | None
    stolen: float | None
    own: float
    waited: dict[str, float]
    throttled: float | None
    swapped_bytes: int | None
    num_thermal_throttles: int | None


class SurroundingsWatch:
    """Begins when it is made; `surroundings()` tells what happened since.

    What the target and we used is told apart from what others did by the CPU time of all children that have ended, so
    ask when the last process of the target has gone.
    """

    def __init__(self, *, root: Path = Path("/")) -> None:
        self._root = root
        self._before = _read(root)

    def surroundings(self) -> Surroundings:
        """The differences since this was made."""
        before, after = self._before, _read(self._root)
        seconds = max(after.at - before.at, 1e-9)
        busy = _less(after.busy, before.busy)
        return Surroundings(
            seconds=seconds,
            others_busy_cores=None if busy is None else max(0.0, busy - (after.own - before.own)) / seconds,
            stolen_seconds=_less(after.stolen, before.stolen),
            load_average=_load_average(),
            waited={name: after.waited[name] - before.waited[name] for name in after.waited if name in before.waited},
            throttled_seconds=_less(after.throttled, before.throttled),
            swapped_bytes=_less_count(after.swapped_bytes, before.swapped_bytes),
            num_thermal_throttles=_less_count(after.num_thermal_throttles, before.num_thermal_throttles),
        )


def _read(root: Path) -> _Counters:
    times = os.times()
    busy, stolen = _core_seconds(root / "proc/stat")
    return _Counters(
        at=time.monotonic(),
        busy=busy,
        stolen=stolen,
        own=times.user + times.system + times.children_user + times.children_system,
        waited=_waited_seconds(root / "proc/pressure"),
        throttled=_throttled_seconds(root),
        swapped_bytes=_swapped_bytes(root / "proc/vmstat"),
        num_thermal_throttles=_thermal_throttles(root / "sys/devices/system/cpu"),
    )


def _core_seconds(stat: Path) -> tuple[float | None, float | None]:
    """Of the cores that we may use: seconds of work, and seconds that the hypervisor took (proc(5), /proc/stat)."""
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    busy = stolen = 0
    try:
        for line in stat.read_text().splitlines():
            name, *fields = line.split()
            if name.startswith("cpu") and name != "cpu" and (cores is None or int(name[3:]) in cores):
                user, nice, system, _, _, irq, softirq, steal = (int(field) for field in fields[:8])
                busy += user + nice + system + irq + softirq
                stolen += steal
    except (OSError, ValueError):
        return None, None
    per_second = os.sysconf("SC_CLK_TCK")
    return busy / per_second, stolen / per_second


def _waited_seconds(pressure: Path) -> dict[str, float]:
    """Since boot, in which at least one task waited (Documentation/accounting/psi.rst: `some … total=` in us)."""
    waited = {}
    for resource in _PSI_RESOURCES:
        with suppress(OSError, ValueError, StopIteration):
            some = next(line for line in (pressure / resource).read_text().splitlines() if line.startswith("some"))
            waited[resource] = int(some.rpartition("total=")[2]) / 1e6
    return waited


def _throttled_seconds(root: Path) -> float | None:
    """Of the control groups above us that tell it (`throttled_usec` in version 2, `throttled_time` in ns in 1)."""
    found = []
    with suppress(OSError, ValueError):
        groups = (root / "proc/self/cgroup").read_text()
        for folder in cgroup_folders(groups, root=root / "sys/fs/cgroup"):
            with suppress(OSError, ValueError):
                counts = dict(line.split() for line in (folder / "cpu.stat").read_text().splitlines())
                if "throttled_usec" in counts:
                    found.append(int(counts["throttled_usec"]) / 1e6)
                elif "throttled_time" in counts:
                    found.append(int(counts["throttled_time"]) / 1e9)
    return max(found, default=None)


def _swapped_bytes(vmstat: Path) -> int | None:
    """Pages moved to and from swap since boot, in bytes."""
    try:
        counts = dict(line.split() for line in vmstat.read_text().splitlines())
        return (int(counts["pswpin"]) + int(counts["pswpout"])) * mmap.PAGESIZE
    except (OSError, ValueError, KeyError):
        return None


def _thermal_throttles(cores: Path) -> int | None:
    """Of all cores since boot; None on processors, and in virtual machines, that do not count them."""
    counts = []
    for file in cores.glob("cpu[0-9]*/thermal_throttle/core_throttle_count"):
        with suppress(OSError, ValueError):
            counts.append(int(file.read_text()))
    return sum(counts) if counts else None


def _load_average() -> float | None:
    try:
        return os.getloadavg()[0]
    except OSError:
        return None


def _less(after: float | None, before: float | None) -> float | None:
    return None if after is None or before is None else max(0.0, after - before)


def _less_count(after: int | None, before: int | None) -> int | None:
    return None if after is None or before is None else max(0, after - before)

"""The cores a run may use, who else uses them, and what a thread count that does not fit them costs."""

import math
import os
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import psutil

from ocrprof.errors import OcrprofError
from ocrprof.measure.interpreter import ask
from ocrprof.results.doctor import BusyProcess, Interpreter, ParallelLoop, Processors

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OMP_THREAD_LIMIT",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "KMP_AFFINITY",
    "KMP_BLOCKTIME",
    "GOMP_CPU_AFFINITY",
    "OMP_PROC_BIND",
    "OMP_WAIT_POLICY",
)
_NUM_LOOPS = 5
_LOOP_CPU_SECONDS = 0.03
_NUM_BUSIEST = 3
_MIN_BUSY_CORES = 0.1
# The kernel's own limit for a name (proc(5)); its workers go by longer ones.
_MAX_NAME_CHARACTERS = 15
_OPENMP_PATTERNS = ("torch/lib/libgomp*.so*", "torch.libs/libgomp*.so*", "scikit_learn.libs/libgomp*.so*")


class Watch:
    """Who was busy between the making of it and `processors()`, which is asked for when the examination ends."""

    def __init__(self) -> None:
        # Before our own work has made itself felt.
        self._pressure = _pressure()
        self._busy = _busy_seconds(_affinity())
        self._own = _own_seconds()
        self._used = _used_seconds()
        self._began = time.monotonic()
        self._load = _load_average()

    def processors(self, interpreter: Interpreter, *, cwd: Path, not_read: list[str]) -> Processors:
        """The facts; what could not be had is added to `not_read`."""
        affinity = _affinity()
        try:
            quota, throttled = cpu_quota(Path("/proc/self/cgroup").read_text())
        except OSError:
            quota = throttled = None
            not_read.append("CPU quota: /proc/self/cgroup is not readable")
        present = os.cpu_count() or 1
        usable = min(float(len(affinity) if affinity else present), quota or math.inf)
        threads = _openmp_threads(default=len(affinity) if affinity else present)
        loop_wall, loop_cpu = _loops()
        busy = self._others_busy_cores()
        if not self._pressure:
            not_read.append("pressure (PSI): /proc/pressure is not there or not readable")
        if busy is None:
            not_read.append("other processes' use of the cores: /proc/stat is not readable")
        return Processors(
            num_present=present,
            num_affinity=len(affinity) if affinity else None,
            quota_cores=quota,
            num_usable=usable,
            throttled_share=throttled,
            thread_variables={name: os.environ[name] for name in THREAD_VARIABLES if os.environ.get(name)},
            num_openmp_threads=threads,
            parallel_loop=_parallel_loop(interpreter, threads, math.ceil(usable), cwd=cwd, not_read=not_read),
            loop_wall_seconds=loop_wall,
            loop_cpu_seconds=loop_cpu,
            others_busy_cores=busy,
            busiest=self._busiest(),
            load_average=self._load,
            pressure=self._pressure,
        )

    def _busiest(self) -> list[BusyProcess]:
        elapsed = time.monotonic() - self._began
        cores = {key: (seconds - self._used.get(key, 0.0)) / elapsed for key, seconds in _used_seconds().items()}
        busiest = []
        for pid, started in sorted(cores, key=cores.__getitem__, reverse=True)[:_NUM_BUSIEST]:
            with suppress(psutil.Error):
                name = psutil.Process(pid).name()[:_MAX_NAME_CHARACTERS]
                if cores[pid, started] >= _MIN_BUSY_CORES:
                    busiest.append(BusyProcess(pid=pid, name=name, cores=cores[pid, started]))
        return busiest

    def _others_busy_cores(self) -> float | None:
        busy = _busy_seconds(_affinity())
        if busy is None or self._busy is None:
            return None
        others = busy - self._busy - (_own_seconds() - self._own)
        return max(0.0, others) / (time.monotonic() - self._began)


def cpu_quota(groups: str, *, root: Path = Path("/sys/fs/cgroup")) -> tuple[float | None, float | None]:
    """The tightest CPU quota of these cgroups in cores, and the share of periods that the nearest one cut off.

    `groups` is /proc/self/cgroup. Both versions, and every group above ours: the quota of a container stands on one of
    those. None without one.
    """
    quotas: list[float] = []
    throttled = None
    for folder in cgroup_folders(groups, root=root):
        quota = _quota_of(folder)
        if quota is not None:
            quotas.append(quota)
            if throttled is None:
                throttled = _throttled_share(folder)
    return min(quotas, default=None), throttled


def cgroup_folders(groups: str, *, root: Path) -> Iterable[Path]:
    """Ours and those above it, of the controller that holds the CPU quota."""
    for line in groups.splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            mounts = [root, root / "unified"]
        elif "cpu" in controllers.split(","):
            mounts = [root / "cpu", root / controllers]
        else:
            continue
        for mount in mounts:
            folder = mount / path.lstrip("/")
            yield folder
            while folder != mount:
                folder = folder.parent
                yield folder


def _quota_of(folder: Path) -> float | None:
    with suppress(OSError, ValueError):
        quota, period = (folder / "cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    with suppress(OSError, ValueError):
        quota_us = int((folder / "cpu.cfs_quota_us").read_text())
        return None if quota_us <= 0 else quota_us / int((folder / "cpu.cfs_period_us").read_text())
    return None


def _throttled_share(folder: Path) -> float | None:
    with suppress(OSError, ValueError, KeyError):
        counts = dict(line.split() for line in (folder / "cpu.stat").read_text().splitlines())
        periods = int(counts["nr_periods"])
        return int(counts["nr_throttled"]) / periods if periods else None
    return None


def _affinity() -> set[int] | None:
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None


def _openmp_threads(*, default: int) -> int:
    """OMP_NUM_THREADS, whose first value counts (`4,2` is 4 threads, 2 in loops within loops), or OpenMP's default."""
    try:
        number = int(os.environ.get("OMP_NUM_THREADS", "").split(",")[0])
    except ValueError:
        return default
    return number if number > 0 else default


def _parallel_loop(
    interpreter: Interpreter, num_threads: int, num_fitting: int, *, cwd: Path, not_read: list[str]
) -> ParallelLoop | None:
    """Measured only where there are more threads than cores: otherwise there is nothing to compare.

    Threads that wait sleep: were they to spin, another process on the cores would slow the loop that fits them most.
    """
    if num_threads <= num_fitting:
        return None
    runtimes = [
        str(file)
        for folder in interpreter.site_packages
        for pattern in _OPENMP_PATTERNS
        for file in sorted(Path(folder).glob(pattern))
    ]
    try:
        question = ("parallel", [*runtimes, "libgomp.so.1"][0], str(num_threads), str(num_fitting))
        answer = ask(interpreter.executable, *question, cwd=cwd, variables={"OMP_WAIT_POLICY": "passive"})
        return ParallelLoop.model_validate(answer)
    except OcrprofError as error:
        not_read.append(f"what {num_threads} threads cost: no OpenMP loop could be run ({error})")
        return None


def _loops() -> tuple[list[float], list[float]]:
    """Wall and CPU seconds of loops that only compute: what wall exceeds CPU by was waited for a core."""
    wall, cpu = [], []
    for _ in range(_NUM_LOOPS):
        began_wall, began_cpu = time.perf_counter(), time.thread_time()
        while time.thread_time() - began_cpu < _LOOP_CPU_SECONDS:
            sum(range(1000))
        wall.append(round(time.perf_counter() - began_wall, 9))
        cpu.append(round(time.thread_time() - began_cpu, 9))
    return wall, cpu


def _busy_seconds(cores: set[int] | None) -> float | None:
    """CPU seconds that anything has used on these cores since boot: neither idle nor waiting for a disk."""
    try:
        lines = Path("/proc/stat").read_text().splitlines()
    except OSError:
        return None
    ticks = 0
    for line in lines:
        name, *fields = line.split()
        if name.startswith("cpu") and name != "cpu" and (cores is None or int(name[3:]) in cores):
            user, nice, system, _, _, irq, softirq, steal = (int(field) for field in fields[:8])
            ticks += user + nice + system + irq + softirq + steal
    return ticks / os.sysconf("SC_CLK_TCK")


def _used_seconds() -> dict[tuple[int, float], float]:
    """CPU seconds of every process that can be seen, but our own, by number and start; the kernel's change names."""
    used = {}
    try:
        processes = list(psutil.process_iter())
    except (OSError, IndexError):  # Where /proc is empty, psutil takes the first of no processes.
        return {}
    for process in processes:
        with suppress(psutil.Error), process.oneshot():
            if process.pid != os.getpid():
                times = process.cpu_times()
                used[process.pid, process.create_time()] = times.user + times.system
    return used


def _own_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _pressure() -> dict[str, float]:
    """Share of the last ten seconds in which some task waited, by resource."""
    shares: dict[str, float] = {}
    for resource in ("cpu", "memory", "io"):
        with suppress(OSError, ValueError, StopIteration):
            text = Path("/proc/pressure", resource).read_text()
            words = next(line for line in text.splitlines() if line.startswith("some")).split()
            shares[resource] = float(next(word for word in words if word.startswith("avg10="))[6:]) / 100
    return shares


def _load_average() -> float | None:
    try:
        return os.getloadavg()[0]
    except OSError:
        return None

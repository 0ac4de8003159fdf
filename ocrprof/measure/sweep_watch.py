"""Beside one trial of a sweep: whether batches still come, where its processes stand if not, who was out of memory."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import psutil

from ocrprof.measure.child import stack_of
from ocrprof.measure.processors import cgroup_folders
from ocrprof.results.sweep_failures import fatal_lines

_CGROUPS = Path("/sys/fs/cgroup")
_LOOK_SECONDS = 1.0
_LOOKS_A_LIMIT = 10
_MAX_STACKS = 5
_STARTING = 0
_BUSY_SHARE = 0.05
_WORDS = 3
_TAIL_BYTES = 1 << 16
_MIN_REPEATS = 10


class HangWatch:
    """A context in which a trial without a batch for too long is ended; `stacks` then tells where its processes stood.

    Workers that start, and a first batch, have no time to be judged by: there a hang is a process tree that uses no
    processor either, or one that gives a known reason on stderr again and again (`said`): a worker's thread that cannot
    send a batch tries for ever. `deadline_seconds`: when `run_target` ends the trial itself; stacks are told then too.
    """

    def __init__(self, pid: int, *, directory: Path, deadline_seconds: float) -> None:
        self.hang_seconds: float | None = None
        self.stacks: list[str] = []
        self.said: str | None = None
        self._pid = pid
        self._directory = directory
        self._deadline = time.monotonic() + deadline_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ocrprof-hang-watch", daemon=True)
        self._cpu: tuple[float, dict[tuple[int, float], float]] | None = None
        self._stderr_bytes: int | None = None

    def __enter__(self) -> "HangWatch":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        if self.hang_seconds is not None or (kind is None and time.monotonic() >= self._deadline):
            self.stacks = stacks_of_tree(self._pid)

    def _run(self) -> None:
        wait_seconds = _LOOK_SECONDS
        while not self._stop.wait(wait_seconds):
            late = False
            for at, limit, phase in self._beats():
                wait_seconds = min(_LOOK_SECONDS, limit / 1e9 / _LOOKS_A_LIMIT)
                idle_ns = time.monotonic_ns() - at
                late = late or idle_ns >= limit
                if idle_ns >= limit and (phase != _STARTING or self._is_stuck(limit / 1e9)):
                    self.hang_seconds = idle_ns / 1e9
                    self._end()
                    return
            if not late:
                self._cpu = self._stderr_bytes = None

    def _beats(self) -> Iterator[tuple[int, int, int]]:
        """Of each process whose loader was taken over: when the last batch came, how long the next may take, and
        whether there is no time for it to be judged by."""
        for path in self._directory.glob("beat-*"):
            with suppress(OSError):
                words = path.read_bytes()
                if len(words) == 8 * _WORDS:
                    at, limit, phase = (int.from_bytes(words[8 * k : 8 * k + 8], "little") for k in range(_WORDS))
                    yield at, limit, phase

    def _is_stuck(self, seconds: float) -> bool:
        """Whether the tree has rested for the last `seconds`, or is busy with nothing but a known failure."""
        is_busy = self._is_busy(seconds)
        return self._repeats_itself() or not is_busy

    def _is_busy(self, seconds: float) -> bool:
        """Whether the tree used the processor in the last `seconds`; it is, until so long has been looked at."""
        now, used = time.monotonic(), _cpu_seconds(self._pid)
        if self._cpu is None:
            self._cpu = now, used
        began, before = self._cpu
        if now - began < seconds:
            return True
        self._cpu = now, used
        # One that has ended meanwhile is in neither sum: no process seems to work less for that.
        return sum(spent - before.get(member, 0.0) for member, spent in used.items()) > _BUSY_SHARE * (now - began)

    def _repeats_itself(self) -> bool:
        """Whether stderr, since the last look, goes on with the same known reason for which no batch can come."""
        path = self._directory / "stderr.txt"
        try:
            with path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                before, self._stderr_bytes = self._stderr_bytes, size
                if before is None or size == before:
                    return False
                file.seek(max(0, size - _TAIL_BYTES))
                lines = fatal_lines(file.read().decode("utf-8", "replace"))
        except OSError:
            return False
        if len(lines) < _MIN_REPEATS:
            return False
        self.said = lines[-1]
        return True

    def _end(self) -> None:
        """Says on the target's behalf that nothing more will come."""
        with suppress(OSError):
            pipe = os.open(self._directory / "milestone", os.O_WRONLY | os.O_NONBLOCK)
            os.write(pipe, b"%d 0 1\n" % self._pid)
            os.close(pipe)


class MemoryKills:
    """Begins when it is made; `count()` tells how often the kernel killed for want of memory in our control groups."""

    def __init__(self) -> None:
        self._before = _oom_kills()

    def count(self) -> int:
        """Since this was made."""
        return max(0, _oom_kills() - self._before)


def cpu_stat_files() -> list[Path]:
    """The files that tell how long control groups above us were held back by their quota."""
    try:
        groups = Path("/proc/self/cgroup").read_text()
    except OSError:
        return []
    return [file for folder in cgroup_folders(groups, root=_CGROUPS) if (file := folder / "cpu.stat").is_file()]


def stacks_of_tree(pid: int) -> list[str]:
    """Where the process and the first of its children stand, by py-spy; empty where it may not look."""
    try:
        children = psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return []
    lines: list[str] = []
    for member in (pid, *(child.pid for child in children[: _MAX_STACKS - 1])):
        lines += stack_of(member)
    return lines


def _memory_groups() -> list[Path]:
    """Ours and those above it, of the controller that holds the memory limit, in both versions of control groups."""
    folders = []
    with suppress(OSError, ValueError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers == "" or "memory" in controllers.split(","):
                for mount in (_CGROUPS, _CGROUPS / "unified") if controllers == "" else (_CGROUPS / "memory",):
                    below = mount / path.lstrip("/")
                    folders += [below, *(folder for folder in below.parents if folder.is_relative_to(mount))]
    return folders


def _oom_kills() -> int:
    """Of these groups (`memory.events` in version 2, `memory.oom_control` in 1), the most that one of them counts."""
    found = [0]
    for folder in _memory_groups():
        for name in ("memory.events", "memory.oom_control"):
            with suppress(OSError, ValueError, KeyError):
                counts = dict(line.split() for line in (folder / name).read_text().splitlines())
                found.append(int(counts["oom_kill"]))
    return max(found)


def _cpu_seconds(pid: int) -> dict[tuple[int, float], float]:
    """Of the process and of each below it, children that have ended included, by pid and time of creation."""
    found: dict[tuple[int, float], float] = {}
    with suppress(psutil.Error):
        for member in (root := psutil.Process(pid), *root.children(recursive=True)):
            with suppress(psutil.Error):
                times = member.cpu_times()
                of_children = getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
                found[member.pid, member.create_time()] = times.user + times.system + of_children
    return found

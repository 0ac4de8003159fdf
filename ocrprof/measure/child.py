"""Runs the target in a fresh process with the recorder injected: spawn, wait, time limit, kill the whole tree."""

import contextlib
import ctypes
import os
import resource
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

import psutil

from ocrprof.errors import OcrprofError
from ocrprof.measure.output import LOOK_SECONDS, KeptOutput
from ocrprof.results.model import RunStatus
from ocrprof.target import Probe, Target

INJECT_DIR = Path(__file__).resolve().parent.parent / "recorder" / "inject"
_TERM_GRACE_SECONDS = 2.0
_TRACKER_GRACE_SECONDS = 2.0
_PR_SET_CHILD_SUBREAPER = 36
_NUM_STDERR_LINES = 20


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one process of the target ended. Times are CLOCK_MONOTONIC nanoseconds; `directory` holds its records."""

    directory: Path
    spawn_ns: int
    end_ns: int
    exit_code: int | None
    status: RunStatus
    stderr_tail: tuple[str, ...]
    cpu_seconds: float | None
    num_major_faults: int | None = None
    num_involuntary_switches: int | None = None
    stack: tuple[str, ...] = ()
    recorder_errors: tuple[str, ...] = ()
    output_notes: tuple[str, ...] = ()

    def reached_its_end(self) -> "Outcome":
        """The same, for a program whose own end is the milestone."""
        return replace(self, status="reached")

    def as_answer_to(self, probe: Probe) -> "Outcome":
        """The same, for a run that was asked a probe's question, and stopped had it gone on to train.

        An answer is an end of its own: with exit code 0, and for an override that does not exist with any other.
        """
        if self.status == "crashed" and probe == "error" and (self.exit_code or 0) > 0:
            return replace(self, status="reached")
        if self.status == "reached" or (self.status == "ended_early" and probe == "error"):
            return replace(self, status="probe_ignored")
        return self.reached_its_end() if self.status == "ended_early" else self


def run_target(
    target: Target,
    *,
    directory: Path,
    until: str,
    timeout_seconds: float,
    settings: Mapping[str, str] | None = None,
    beside: Callable[[int], contextlib.AbstractContextManager[object]] | None = None,
    in_front: Sequence[str] = (),
    stop: int | None = None,
) -> Outcome:
    """Runs the target until its milestone, its own end or the limit, and leaves no process of it behind.

    `beside`, given the process id, is entered while the target runs (a sampler, say). `in_front`: a command that starts
    the target's, given to it as its last arguments, and ends no later; the process id is its own. `stop`: a
    descriptor; when it can be read, the target is ended as on Ctrl-C (which reaches no other thread than the main one).

    The target's output goes to `directory`/stdout.txt and stderr.txt, of which the middle is left out where they grow
    very long (`output_notes`). On Ctrl-C the tree is killed and the outcome's
    status is `interrupted`: what was recorded is kept. Raises OcrprofError where the command cannot be started.
    """
    (directory / "records").mkdir(parents=True)
    _become_subreaper()
    with (
        _milestone_pipe(directory) as pipe,
        (directory / "stdout.txt").open("ab") as stdout,
        (directory / "stderr.txt").open("ab") as stderr,
    ):
        kept = KeptOutput(directory / "stdout.txt", directory / "stderr.txt")
        spawn_ns = time.monotonic_ns()
        command = [*in_front, *target.argv]
        process: subprocess.Popen[bytes] | None = None
        stack: tuple[str, ...] = ()
        try:
            with _interrupts_held():
                process = _spawn(
                    command, cwd=target.cwd, directory=directory, until=until, settings=settings, files=(stdout, stderr)
                )
            with beside(process.pid) if beside is not None else contextlib.nullcontext():
                deadline_ns = spawn_ns + int(timeout_seconds * 1e9)
                status = _wait(process, pipe, stop=stop, deadline_ns=deadline_ns, kept=kept)
                end_ns = time.monotonic_ns()
            if status == "timed_out":
                stack = stack_of(process.pid)
        except KeyboardInterrupt:
            if process is None:
                raise
            status, end_ns = "interrupted", time.monotonic_ns()
        exit_code, usage = _reap(process, own_end=status == "ended_early", run_dir=directory)
        kept.shorten()
    if status == "ended_early" and until == "exit" and exit_code == 0:
        status = "reached"
    elif status == "ended_early" and exit_code != 0:
        status = "crashed"
    if not any(file.stat().st_size for file in (directory / "records").iterdir()):
        status = "not_recorded" if status in ("reached", "ended_early", "crashed") else status
    return Outcome(
        directory=directory,
        spawn_ns=spawn_ns,
        end_ns=end_ns,
        exit_code=exit_code,
        status=status,
        stderr_tail=_tail(directory / "stderr.txt"),
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        num_major_faults=usage.ru_majflt,
        num_involuntary_switches=usage.ru_nivcsw,
        stack=stack,
        recorder_errors=tuple(
            f"the recorder did not start in process {file.stem.rpartition('-')[2]}: {file.read_text()}"
            for file in sorted(directory.glob("recorder-error-*.txt"))
        ),
        output_notes=tuple(kept.notes()),
    )


def _spawn(
    command: Sequence[str],
    *,
    cwd: Path,
    directory: Path,
    until: str,
    settings: Mapping[str, str] | None,
    files: tuple[IO[bytes], IO[bytes]],
) -> subprocess.Popen[bytes]:
    environment = dict(os.environ)
    inherited = environment.get("PYTHONPATH")
    environment["PYTHONPATH"] = str(INJECT_DIR) + (os.pathsep + inherited if inherited else "")
    environment.update(
        OCRPROF_RUN_DIR=str(directory.resolve()),
        OCRPROF_NOTIFY=str((directory / "milestone").resolve()),
        OCRPROF_UNTIL=until,
        **(settings or {}),
    )
    try:
        # A session of its own: Ctrl-C reaches us alone, and the tree can be told from ours.
        return subprocess.Popen(
            command,
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=files[0],
            stderr=files[1],
            start_new_session=True,
        )
    except OSError as error:
        raise OcrprofError(
            f"cannot start {command[0]}: {error.strerror or error}", hint="check the command after `--`"
        ) from error


def _wait(
    process: subprocess.Popen[bytes], pipe: int, *, stop: int | None, deadline_ns: int, kept: KeptOutput
) -> RunStatus:
    """Sleeps in the kernel until the target ends, says that it reached its milestone, it is stopped, or the time is up.

    Of several ranks on this machine each has to say so: the slowest one ends the run.
    """
    arrived: set[int] = set()
    poll = select.poll()
    poll.register(pipe, select.POLLIN)
    if stop is not None:
        poll.register(stop, select.POLLIN)
    with contextlib.ExitStack() as stack:
        try:
            handle = os.pidfd_open(process.pid)
        except (AttributeError, OSError):
            handle = None
        if handle is not None:
            stack.callback(os.close, handle)
            poll.register(handle, select.POLLIN)
        while True:
            left_ms = (deadline_ns - time.monotonic_ns()) / 1e6
            if left_ms <= 0:
                return "timed_out"
            # Without pidfd (not Linux, or an old one) a look every quarter of a second costs next to nothing.
            events = poll.poll(min(left_ms, LOOK_SECONDS * 1e3 if handle is not None else 250.0))
            kept.shorten()
            if any(descriptor == pipe for descriptor, _ in events) and _all_arrived(pipe, arrived):
                return "reached"
            if any(descriptor == handle for descriptor, _ in events) or (handle is None and _has_ended(process.pid)):
                return "ended_early"
            if any(descriptor == stop for descriptor, _ in events):
                return "interrupted"


def _all_arrived(pipe: int, arrived: set[int]) -> bool:
    """Adds to `arrived` the ranks that have told `PID RANK RANKS_HERE`; whether it holds all of them now."""
    for message in os.read(pipe, 65536).splitlines():
        _, rank, num_ranks = map(int, message.split())
        arrived.add(rank)
        if len(arrived) >= num_ranks:
            return True
    return False


def _has_ended(pid: int) -> bool:
    """Whether the process waits to be reaped; it is left so, for `wait4` to read its CPU time."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _reap(
    process: subprocess.Popen[bytes], *, own_end: bool, run_dir: Path
) -> tuple[int | None, resource.struct_rusage]:
    """The target's own exit code (None if we ended it) and what it used, after every process of its tree has gone."""
    members = _descendants(process.pid)
    if not own_end:
        # What it measured is on disk: the way of dying cannot change it.
        # Not by `process.kill`: it would reap one that has ended just now, and with it its CPU time.
        os.kill(process.pid, signal.SIGKILL)
    _, wait_status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(wait_status)
    _end_all(members, lambda: _orphans(session=process.pid, run_dir=str(run_dir.resolve())))
    return (process.returncode if own_end else None), usage


def _end_all(members: list[psutil.Process], orphans: Callable[[], list[psutil.Process]]) -> None:
    """Ends these processes and the orphans that are found meanwhile; returns when all are gone.

    SIGTERM first, so that workers can remove their shared memory. Resource trackers ignore it: they end by themselves
    when the processes they serve are gone, unlink what these left behind, and are given time for it before SIGKILL.
    """
    members = [*members, *orphans()]
    for member in members:
        with contextlib.suppress(psutil.Error):
            member.terminate()
    _, alive = psutil.wait_procs(members, timeout=_TERM_GRACE_SECONDS)
    stubborn = [member for member in [*alive, *orphans()] if not _is_resource_tracker(member)]
    for member in stubborn:
        with contextlib.suppress(psutil.Error):
            member.kill()
    _, alive = psutil.wait_procs([*alive, *stubborn], timeout=_TRACKER_GRACE_SECONDS)
    for member in [*alive, *orphans()]:
        with contextlib.suppress(psutil.Error):
            member.kill()
            member.wait(_TRACKER_GRACE_SECONDS)


def _descendants(pid: int) -> list[psutil.Process]:
    """Every process below `pid`, whatever its session."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return []


def _orphans(*, session: int, run_dir: str) -> list[psutil.Process]:
    """Processes of the target that have fallen to us as subreaper, and what is below them.

    Known by the target's session or, of services that began one of their own, by the run that their environment names.
    """
    found = []
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error, OSError):
            if os.getsid(child.pid) == session or child.environ().get("OCRPROF_RUN_DIR") == run_dir:
                found += [child, *child.children(recursive=True)]
    return found


def _is_resource_tracker(process: psutil.Process) -> bool:
    try:
        return any("resource_tracker" in argument for argument in process.cmdline())
    except psutil.Error:
        return False


def stack_of(pid: int) -> tuple[str, ...]:
    """Where a hanging process stands, by py-spy beside it; empty where py-spy is absent or may not look."""
    py_spy = Path(sys.executable).with_name("py-spy")
    if not py_spy.exists():
        return ()
    try:
        dump = subprocess.run(
            [py_spy, "dump", "--pid", str(pid)], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return tuple(dump.stdout.splitlines()[:40])


def _become_subreaper() -> None:
    """Orphans of the target become our children instead of init's, so that none is lost (Linux; else no effect)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Inside, Ctrl-C and SIGTERM wait: raised while a process is being started, they would leave it to nobody.

    What a handler of ours does waits for the end. What is ignored, or ends us, stays so: the target inherits it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals reach the main thread alone
        return
    held: list[int] = []
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    ours = {number: handler for number, handler in handlers.items() if callable(handler)}
    for number in ours:
        signal.signal(number, lambda received, _: held.append(received))
    try:
        yield
    finally:
        for number, handler in ours.items():
            signal.signal(number, handler)
    if held:
        signal.raise_signal(held[0])


@contextlib.contextmanager
def _milestone_pipe(directory: Path) -> Iterator[int]:
    """A named pipe on which the target says that it stands at its milestone."""
    path = directory / "milestone"
    os.mkfifo(path)
    # Opened for writing too, so that it never reports an end of file when a writer has gone.
    descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
        path.unlink(missing_ok=True)


def _tail(path: Path) -> tuple[str, ...]:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 16384))
        text = file.read().decode("utf-8", "replace")
    lines = [line.rstrip() for line in text.replace("\r", "\n").splitlines() if line.strip()]
    return tuple(lines[-_NUM_STDERR_LINES:])


@contextlib.contextmanager
def termination_interrupts() -> Iterator[None]:
    """Inside, SIGTERM is Ctrl-C: what was measured is saved, and no process stays behind."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)

"""Why a trial of a sweep has no figures: what was recorded and said, as a status of its own and advice."""

import re
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ocrprof.results.model import Failure, Location, TrialStatus

Facts = Mapping[str, Any]  # Any: what the recorder wrote, JSON values

_SIGKILL, _SIGBUS = 9, 7
_NUM_TAIL_LINES = 20
_NO_SPACE = 28  # errno ENOSPC
_TOO_MANY_FILES = 24  # errno EMFILE
_SHM_TEXT = re.compile(
    r"insufficient shared memory|unable to (open|write|mmap|allocate|resize|create) .{0,80}(shared memory|/torch_|shm)"
    r"|out of shared memory|/dev/shm|No space left on device",
    re.IGNORECASE | re.DOTALL,
)
_FDS_TEXT = re.compile(r"Too many open files|ancdata|\bEMFILE\b|Errno 24\b", re.IGNORECASE)
_PICKLE_TEXT = re.compile(
    r"PicklingError|UnpicklingError|[Cc]an't pickle|cannot pickle|[Cc]an't get (local )?(object|attribute)"
)
_NO_GUARD_TEXT = re.compile(r"before the\s+current process has finished its bootstrapping phase")
_WORKER_ERROR = re.compile(r"^Caught (\w+) in DataLoader worker process (\d+)")
_KILLED_WORKER = re.compile(r"DataLoader worker \(pid (\d+)\) is killed by signal: ([A-Z]\w*(?: \w+)*)")
_ENDED_WORKER = re.compile(r"DataLoader worker \(pid(?:\(s\))? [^)]*\) (?:exited unexpectedly|is killed by signal)")
# What fetching a batch raises whose worker died with it half sent.
_BROKEN_TYPES = {"ConnectionResetError", "ConnectionRefusedError", "BrokenPipeError", "EOFError", "FileNotFoundError"}
_LITTLE_SHM_BYTES = 16 * 1024**2

_SHM_ADVICE = (
    "give the container more (docker run --shm-size=8g, or --ipc=host; in Kubernetes an emptyDir of medium Memory at"
    " /dev/shm), lower prefetch_factor or num_workers, or let files carry the batches:"
    " torch.multiprocessing.set_sharing_strategy('file_system')"
)
_FDS_ADVICE = (
    "raise the limit (ulimit -n 65536), or let torch keep no file open for each tensor:"
    " torch.multiprocessing.set_sharing_strategy('file_system')"
)


class Classified(NamedTuple):
    """What a failure is called, and what is told of it."""

    status: TrialStatus
    failure: Failure


@dataclass(frozen=True, kw_only=True)
class Ending:
    """What the parent knows of the end of a trial. `num_oom_kills`: by the kernel, in its control groups, meanwhile."""

    exit_code: int | None
    stderr_tail: Sequence[str] = ()
    num_oom_kills: int = 0


def classify(facts: Facts, error: Facts | None, ending: Ending) -> Classified:
    """A failure that the recorder saw. `error`: what the process that loaded the sample says of it, where one did."""
    status = _status(facts, error, ending)
    message, advice = _said(status, facts, error, ending)
    from_worker = error is not None and status in ("user_error", "fds", "shm")
    place = (error or {}).get("loc") if from_worker else facts.get("loc")
    return Classified(
        status,
        Failure(
            message=message,
            location=Location(file=str(place[0]), line=int(place[1])) if place else None,
            sample_index=error.get("index") if error is not None and from_worker else None,
            path=error.get("path") if error is not None and from_worker else None,
            advice=advice,
            traceback_tail=[] if facts.get("kind") else list(facts.get("text") or ())[-_NUM_TAIL_LINES:],
        ),
    )


def fatal_lines(stderr: str) -> list[str]:
    """Those of its lines that name a want for which a worker cannot send its batches, in their order."""
    lines = (line.strip() for line in stderr.splitlines())
    return [line for line in lines if _FDS_TEXT.search(line) or _SHM_TEXT.search(line)]


def classify_hang(message: str, ending: Ending, stacks: Sequence[str]) -> Classified:
    """No batch came any more. What a worker cannot send, for want of room, is told on stderr and nowhere else."""
    tail = list(ending.stderr_tail)
    text = "\n".join(tail)
    said = f"{message}; on stderr a worker said: {(fatal_lines(text) or tail or [''])[-1]}"
    if _FDS_TEXT.search(text):
        return Classified("fds", Failure(message=said, advice=_FDS_ADVICE, traceback_tail=tail, stack=list(stacks)))
    if _SHM_TEXT.search(text):
        return Classified("shm", Failure(message=said, advice=_SHM_ADVICE, traceback_tail=tail, stack=list(stacks)))
    advice = "the stacks say where each of them stood: a lock held across fork, a network without a time limit"
    return Classified("timeout", Failure(message=message, advice=advice, stack=list(stacks)))


def classify_end(ending: Ending) -> Classified:
    """A program that ended badly by itself, its loader taken over or not."""
    tail = list(ending.stderr_tail)
    last = tail[-1] if tail else "without a word on stderr"
    if ending.exit_code == -_SIGKILL and ending.num_oom_kills:
        message = "the kernel ran out of memory and killed the program itself"
        advice = "fewer workers, a smaller prefetch_factor, or a higher memory limit of the container"
        return Classified("oom_killed", Failure(message=message, advice=advice, traceback_tail=tail))
    if ending.exit_code == -_SIGBUS:
        message = "the program was ended by SIGBUS: a page of a mapped file, or of /dev/shm, could not be had"
        return Classified("sigbus", Failure(message=message, advice=_SHM_ADVICE, traceback_tail=tail))
    text = "\n".join(tail)
    if _FDS_TEXT.search(text):
        return Classified("fds", Failure(message=last, advice=_FDS_ADVICE, traceback_tail=tail))
    if killed := _KILLED_WORKER.search(text):
        return _of_killed_worker(int(killed[1]), killed[2], ending)
    code = "ended" if ending.exit_code is None else f"exited {ending.exit_code}"
    return Classified("crashed", Failure(message=f"the program {code}: {last}", traceback_tail=tail))


def _of_killed_worker(pid: int, signal_name: str, ending: Ending) -> Classified:
    """torch tells of a dead worker wherever the program is then: in its own training step, mostly."""
    number = {signal.strsignal(one): int(one) for one in signal.valid_signals()}.get(signal_name)
    tail = list(ending.stderr_tail)
    if number == _SIGBUS:
        message = f"worker process {pid} was ended by SIGBUS: a page of a mapped file, or of /dev/shm, could not be had"
        return Classified("sigbus", Failure(message=message, advice=_SHM_ADVICE, traceback_tail=tail))
    facts = {"exits": [[pid, -number if number else None]], "message": signal_name}
    status: TrialStatus = "oom_killed" if number == _SIGKILL and ending.num_oom_kills else "worker_killed"
    message, advice = _said(status, facts, None, ending)
    return Classified(status, Failure(message=message, advice=advice, traceback_tail=tail))


def _status(facts: Facts, error: Facts | None, ending: Ending) -> TrialStatus:
    kind = facts.get("kind")
    if kind in ("shm", "fds"):
        return "shm" if kind == "shm" else "fds"
    own = f"{facts.get('type')}: {facts.get('message')}\n" + "\n".join(facts.get("text") or ())
    text = own if error is None else f"{own}\n{error.get('type')}: {error.get('message')}"
    if facts.get("type") in _BROKEN_TYPES:
        # Why the other side hung up is told on stderr, by a thread of the worker's.
        text = "\n".join([text, *ending.stderr_tail])
    number = (error or {}).get("errno") or facts.get("errno")
    signals = {-code for _, code in facts.get("exits") or () if code is not None and code < 0}
    if number == _TOO_MANY_FILES or _FDS_TEXT.search(text):
        return "fds"
    if _SIGBUS in signals or "Bus error" in text:
        return "shm" if _is_shm_spent(facts) else "sigbus"
    if error is None and _SIGKILL in signals:
        return "oom_killed" if ending.num_oom_kills else "worker_killed"
    if _SHM_TEXT.search(text) and (number == _NO_SPACE or _is_shm_spent(facts) or "shared memory" in text):
        return "shm"
    if error is not None or _WORKER_ERROR.match(str(facts.get("message"))):
        return "user_error"
    if "DataLoader timed out after" in text:
        return "timeout"
    said = "\n".join(ending.stderr_tail)
    is_start = facts.get("phase") in ("start", "first batch", "turnover")
    if is_start and (_PICKLE_TEXT.search(text) or facts.get("type") == "PicklingError"):
        return "unpicklable"
    if _ENDED_WORKER.search(text) or (signals and facts.get("type") in _BROKEN_TYPES):
        if facts.get("method") != "fork" and _PICKLE_TEXT.search(said):
            return "unpicklable"
        return "worker_killed" if signals else "crashed"
    # Without workers the data set runs in the main process: what it raises is its own.
    is_loading = facts.get("phase") in ("first batch", "measuring", "turnover")
    return "user_error" if is_loading and facts.get("num_workers") == 0 else "crashed"


def _is_shm_spent(facts: Facts) -> bool:
    shm = facts.get("shm")
    return shm is not None and shm[1] < max(_LITTLE_SHM_BYTES, shm[0] // 4)


def _said(status: TrialStatus, facts: Facts, error: Facts | None, ending: Ending) -> tuple[str, str | None]:
    """One sentence of what happened, and what to do about it."""
    raised = facts if error is None else error
    message = _first_line(str(raised.get("message") or raised.get("type")))
    killed = [pid for pid, code in facts.get("exits") or () if code is not None and code < 0]
    who = f"worker process {killed[0]}" if killed else "a worker process"
    if status == "worker_killed":
        numbers = {-code for _, code in facts.get("exits") or () if code is not None and code < 0}
        by = ", ".join(str(number) for number in sorted(numbers)) or "an unknown one"
        return (
            f"{who} was killed by signal {by}; not by the kernel for want of memory",
            "look who sent it: a job scheduler, a watchdog, a crash in native code of the data set (signal 11)",
        )
    if status == "oom_killed":
        return (
            f"the kernel ran out of memory and killed {who}",
            "fewer workers, a smaller prefetch_factor, or a higher memory limit; large lists in the data set are copied"
            " into each worker as their reference counts change",
        )
    if status == "sigbus":
        advice = "a memory-mapped data file that was truncated or lies on a failing file system raises it"
        return f"{who} was ended by SIGBUS while /dev/shm had room", advice
    if status == "shm":
        return (message if facts.get("kind") else f"/dev/shm is full: {message}"), _SHM_ADVICE
    if status == "fds":
        lines = [message, *reversed(ending.stderr_tail)]
        said = next((line.strip() for line in lines if _FDS_TEXT.search(line)), message)
        return (message if facts.get("kind") else f"no more files may be opened: {said}"), _FDS_ADVICE
    if status == "unpicklable":
        reason = next((line for line in reversed(ending.stderr_tail) if _PICKLE_TEXT.search(line)), message)
        what = message if _PICKLE_TEXT.search(message) else _first_line(reason)
        return (
            f"what the workers need cannot be sent to them by start method {facts.get('method')}: {what}",
            "define the data set, collate_fn and worker_init_fn at the top level of a module, without lambdas and open"
            " files, or start workers by fork: multiprocessing_context='fork'",
        )
    if status == "timeout":
        return message, "the loader's own timeout= is shorter than a batch takes"
    if status == "user_error" and error is not None:
        where = "" if error.get("index") is None else f" for sample {error['index']}"
        return f"{error['dataset']} raised {error['type']}{where}: {_first_line(str(error['message']))}", None
    if _NO_GUARD_TEXT.search("\n".join([*ending.stderr_tail, *(facts.get("text") or ())])):
        return (
            "a worker ran the program again instead of loading: its main module starts without a guard",
            "put what the program does under `if __name__ == '__main__':`",
        )
    ended = [f"worker process {pid} exited {code}: " for pid, code in facts.get("exits") or () if code]
    return f"{ended[0] if ended else ''}{facts.get('type')}: {message}", None


def _first_line(text: str) -> str:
    """Of a worker's exception, which holds its whole traceback, the line that names it."""
    if _WORKER_ERROR.match(text):
        lines = [line for line in text.splitlines() if line.strip()]
        return lines[-1].strip()
    return next((line.strip() for line in text.splitlines() if line.strip()), text)

"""The parallel duet of a check: both launches of a pair at once, each on CPUs of its own."""

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ocrprof.errors import OcrprofError
from ocrprof.measure.child import Outcome
from ocrprof.measure.environment import usable_cores
from ocrprof.records import ProcessRecords
from ocrprof.results.model import RunStatus

_OPENMP = "OMP_NUM_THREADS"
_ENDED_BY_US: tuple[RunStatus, ...] = ("reached", "interrupted")


@dataclass(frozen=True, kw_only=True)
class Duet:
    """Where the launches of a pair run. `cpu_sets`: of the positions 0 and 1, disjoint, as many CPUs in both.

    `num_cores`: that one launch may keep busy; fewer than its CPUs where a quota says so. `num_threads`: what its
    libraries are told to start.
    """

    cpu_sets: tuple[frozenset[int], frozenset[int]]
    num_cores: int
    num_threads: int

    def refuse_unfit(self, records: Sequence[ProcessRecords]) -> None:
        """Raises OcrprofError where a launch that left these records would not fit its half, or has used a GPU.

        What it needs, by rule: `OMP_NUM_THREADS` for each rank, and a core for each worker, of those that lived at one
        time. Programs that start threads without asking that variable need more than this can tell.
        """
        if any(one.memory is not None and one.memory.cuda_allocated_bytes is not None for one in records):
            raise OcrprofError(
                "--duet parallel: the program uses a GPU, for which both launches of a pair would wait",
                hint="--duet interleaved",
            )
        num_ranks = max(1, sum(one.role == "rank" for one in records))
        num_workers = most_at_once([one for one in records if one.role == "worker"])
        needed = num_ranks * self.num_threads + num_workers
        if needed > self.num_cores:
            told = f"{_count(num_workers, 'worker')} and {_count(self.num_threads, 'thread')}"
            told += f" in each of {num_ranks} ranks" if num_ranks > 1 else ""
            threads = (self.num_cores - num_workers) // num_ranks
            hint = f"{_OPENMP}={threads} makes it fit; or --duet interleaved" if threads > 0 else "--duet interleaved"
            raise OcrprofError(
                f"--duet parallel: a launch needs {needed} cores ({told}), two at once {2 * needed}, and "
                f"{2 * self.num_cores} are usable",
                hint=hint,
            )


def plan_duet() -> Duet:
    """The halves of the CPUs that we may use. Raises OcrprofError where they cannot be halved."""
    if not hasattr(os, "sched_getaffinity"):
        raise OcrprofError("--duet parallel: this system pins no process to CPUs", hint="--duet interleaved")
    usable = os.sched_getaffinity(0)
    cores = cores_of(usable)
    halves = halve(cores)
    num_cores = min(len(halves[0]), int(usable_cores() / 2)) if halves is not None else 0
    if halves is None or num_cores < 1:
        told = f"{_count(len(usable), 'CPU')} of {_count(len(cores), 'core')}"
        quota = f", {usable_cores():g} by quota" if usable_cores() < len(usable) else ""
        raise OcrprofError(
            f"--duet parallel: two launches at once need a core each, and {told}{quota} are usable",
            hint="--duet interleaved; hyperthreads of one core would slow each other",
        )
    return Duet(cpu_sets=halves, num_cores=num_cores, num_threads=_asked_threads() or num_cores)


def cores_of(cpus: Collection[int], *, root: Path = Path("/")) -> list[frozenset[int]]:
    """These CPUs by the core whose hyperthreads they are; each alone where the kernel does not tell."""
    found: dict[frozenset[int], None] = {}
    for cpu in sorted(cpus):
        try:
            text = (root / f"sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list").read_text()
            siblings = parse_cpus(text) | {cpu}
        except (OSError, ValueError):
            siblings = {cpu}
        found[frozenset(siblings & set(cpus))] = None
    return list(found)


def parse_cpus(text: str) -> set[int]:
    """{0, 1, 2, 8} of the kernel's `0-2,8`. Raises ValueError."""
    found: set[int] = set()
    for part in text.strip().split(","):
        first, dash, last = part.partition("-")
        found.update(range(int(first), int(last if dash else first) + 1))
    return found


def halve(cores: Collection[frozenset[int]]) -> tuple[frozenset[int], frozenset[int]] | None:
    """Two equal sets of whole cores, the lower and the higher numbers: sockets and caches stay apart where they can.

    Cores of unlike numbers of hyperthreads are dealt out for themselves; of an odd number one stays empty. None where
    there are no two alike.
    """
    by_size: dict[int, list[frozenset[int]]] = {}
    for core in sorted(cores, key=min):
        by_size.setdefault(len(core), []).append(core)
    lower: set[int] = set()
    higher: set[int] = set()
    for alike in by_size.values():
        half = len(alike) // 2
        lower.update(*alike[:half])
        higher.update(*alike[half : 2 * half])
    return (frozenset(lower), frozenset(higher)) if lower else None


def most_at_once(processes: Sequence[ProcessRecords]) -> int:
    """The most of them that lived at one time; one that was killed is counted to the end."""
    begins = [(one.start_ns, 1) for one in processes]
    ends = [(one.end.at_ns, -1) for one in processes if one.end is not None]
    most = now = 0
    for _, change in sorted([*begins, *ends]):
        now += change
        most = max(most, now)
    return most


@contextmanager
def pinned(cpus: Collection[int] | None) -> Iterator[None]:
    """What this thread starts inside runs on these CPUs alone, and so do what it starts itself; None: anywhere.

    By inheritance, as fork(2) has it: a function run in the child before exec is not safe beside other threads.
    """
    if cpus is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def run_together(launches: Sequence[Callable[[int], Outcome]]) -> tuple[list[Outcome], bool]:
    """How the launches ended that were run at once, and whether Ctrl-C ended them.

    Each is given a descriptor that can be read when it has to end: the others when one did not come to its milestone,
    all of them on Ctrl-C. Their outcomes are `interrupted`. Raises what one of them raised when all have ended.
    """
    reader, writer = os.pipe()
    found: dict[int, Outcome] = {}
    futures: list[Future[None]] = []
    interrupted = False

    def run(number: int) -> None:
        try:
            found[number] = launches[number](reader)
        finally:
            if number not in found or found[number].status not in _ENDED_BY_US:
                os.write(writer, b"\n")

    try:
        with ThreadPoolExecutor(len(launches), thread_name_prefix="ocrprof-duet") as pool:
            try:
                for number in range(len(launches)):
                    futures.append(pool.submit(run, number))
                wait(futures)
            except KeyboardInterrupt:
                # Only the main thread is interrupted: the others return when what they wait for has ended.
                interrupted = True
                os.write(writer, b"\n")
        for future in futures:
            future.result()
        return [found[number] for number in sorted(found)], interrupted
    finally:
        os.close(reader)
        os.close(writer)


def _asked_threads() -> int | None:
    """OMP_NUM_THREADS of the caller, whose first value counts (`4,2` is 4 threads, 2 in loops within loops)."""
    try:
        number = int(os.environ.get(_OPENMP, "").split(",")[0])
    except ValueError:
        return None
    return number if number > 0 else None


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' if number != 1 else ''}"

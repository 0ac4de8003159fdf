"""`ocrprof check` with both launches of a pair at once, and with cold page caches: real children, real kernel."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from test_check import Repository

from ocrprof.errors import OcrprofError
from ocrprof.measure.check_duet import pinned, plan_duet
from ocrprof.results.check_design import draw_order
from ocrprof.results.cold import MAX_RESIDENT_SHARE
from ocrprof.results.model import CheckReport
from ocrprof.results.store import read_report

PARALLEL = ("--duet", "parallel")
TWO_PAIRS = ("--time-budget", "100ms")
SEED = next(seed for seed in range(100) if draw_order(num_pairs_first=10, num_pairs_max=28, seed=seed)[:2] == [1, -1])

# Timed launches of a pair have an odd and an even number: each waits until the other one has come.
MEETS = """
import json, os, sys, time
from pathlib import Path

import work

folder, number = Path(os.environ["MEETING"]), int(Path(os.environ["OCRPROF_RUN_DIR"]).name)
seen = {"cpus": sorted(os.sched_getaffinity(0)), "threads": os.environ["OMP_NUM_THREADS"], "pid": os.getpid()}
(folder / f"seen-{number}").write_text(json.dumps(seen))


def meet():
    (folder / f"here-{number}").touch()
    limit = time.monotonic() + 60
    while not (folder / f"here-{number + 1 if number % 2 else number - 1}").exists():
        if time.monotonic() > limit:
            sys.exit("the other launch of the pair never came")
        time.sleep(0.01)


if "OCRPROF_WORK" not in os.environ:  # of what is timed
    meet()
    work.after_meeting()
"""
NOTHING = "def after_meeting():\n    pass\n"
HANGS = "import time\n\n\ndef after_meeting():\n    time.sleep(300)\n"
CRASHES = "def after_meeting():\n    raise SystemExit(3)\n"


@pytest.fixture(scope="module", autouse=True)
def own_thread_counts():
    """Whatever the caller's environment says of threads, it is not what is tested."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
            patch.delenv(name, raising=False)
        yield


def needs_two_cores() -> None:
    try:
        plan_duet()
    except OcrprofError as error:
        pytest.skip(f"{error}")


class Meeting:
    """A repository whose launches meet in a folder outside it, and tell there where they run."""

    def __init__(self, folder: Path, work: str = NOTHING) -> None:
        needs_two_cores()
        self.repository = Repository(folder / "repository", **{"main.py": MEETS, "work.py": NOTHING})
        if work != NOTHING:
            self.repository.commit("another state", **{"work.py": work})
        self.folder = folder / "meeting"
        self.folder.mkdir()

    def check(self, *options: str):
        return self.repository.check(*PARALLEL, *options, MEETING=str(self.folder))

    def seen(self, number: int) -> dict[str, object]:
        return json.loads((self.folder / f"seen-{number}").read_text())

    def nobody_is_left(self) -> bool:
        return not any(
            Path(f"/proc/{json.loads(one.read_text())['pid']}").exists() for one in self.folder.glob("seen-*")
        )


@pytest.fixture(scope="module")
def duet(tmp_path_factory) -> tuple[subprocess.CompletedProcess[str], CheckReport, Meeting]:
    meeting = Meeting(tmp_path_factory.mktemp("duet"))
    done, report = meeting.check("--aa", *TWO_PAIRS, "--seed", str(SEED))
    return done, report, meeting


def timed(report: CheckReport):
    return [one for one in report.launches if one.pair]


def test_both_launches_of_a_pair_are_alive_at_the_same_time(duet):
    done, report, meeting = duet
    assert done.returncode == 0, done.stdout + done.stderr
    assert {one.status for one in report.launches} == {"reached"}
    assert len(timed(report)) == 4
    assert all((meeting.folder / f"here-{one.number}").exists() for one in timed(report))


def test_each_runs_on_cpus_of_its_own_which_change_hands_by_the_order(duet):
    _, report, meeting = duet
    first, second = report.design.cpu_sets
    assert set(first).isdisjoint(second)
    assert set(first) | set(second) <= os.sched_getaffinity(0)
    assert len(first) == len(second)
    for one in timed(report):
        assert meeting.seen(one.number)["cpus"] == report.design.cpu_sets[one.position]
    candidates = [one.position for one in timed(report) if one.arm == "candidate"]
    assert report.design.order == [1, -1]
    assert candidates == [1, 0]


def test_facts_and_threads_are_those_of_half_a_machine(duet):
    _, report, meeting = duet
    counted = [one for one in report.launches if not one.pair]
    assert all(meeting.seen(one.number)["cpus"] == report.design.cpu_sets[0] for one in counted)
    assert {meeting.seen(one.number)["threads"] for one in report.launches} == {str(plan_duet().num_threads)}
    assert report.fingerprint.refuse["threads"]["OMP_NUM_THREADS"] == str(plan_duet().num_threads)
    assert report.fingerprint.refuse["launch"]["duet"] == "parallel"


def test_the_other_arm_is_no_disturbance(duet):
    """What others did is told of the pair: one watch over both launches, whose own time it leaves out."""
    _, report, _ = duet
    for pair in (1, 2):
        told = [one.covariates["others_busy_cores"] for one in timed(report) if one.pair == pair]
        assert told[0] == told[1]


def test_pages_tell_of_the_duet(duet):
    done, _, meeting = duet
    folder = next(meeting.repository.folder.parent.glob("report-*"))
    for text in (done.stdout, (folder / "report.md").read_text(), (folder / "report.html").read_text()):
        assert "both launches of a pair at once, on CPUs" in " ".join(text.split())


def test_the_arm_that_crashes_ends_the_other_and_is_named(tmp_path):
    meeting = Meeting(tmp_path, CRASHES)
    meeting.repository.write(**{"work.py": HANGS})  # uncommitted: the candidate hangs, its base crashes
    done, report = meeting.check("--against", "HEAD", "--seed", str(SEED))
    assert done.returncode == report.exit_code == 5, done.stdout + done.stderr
    base, candidate = timed(report)
    assert (base.status, candidate.status) == ("crashed", "ended_with_the_other")
    assert f"the base (HEAD) crashed in launch {base.number}, exit code 3" in report.headline
    assert meeting.nobody_is_left()


def test_the_arm_that_takes_too_long_is_named(tmp_path):
    meeting = Meeting(tmp_path, HANGS)
    done, report = meeting.check("--against", "HEAD~1", "--timeout", "5", "--seed", str(SEED))
    assert done.returncode == report.exit_code == 124, done.stdout + done.stderr
    assert {one.arm: one.status for one in timed(report)} == {"base": "reached", "candidate": "timed_out"}
    assert "the candidate (HEAD) did not come to an end within the time limit" in report.headline
    assert meeting.nobody_is_left()


def test_an_interrupt_ends_both_and_keeps_what_was_measured(tmp_path):
    meeting = Meeting(tmp_path, HANGS)
    output = tmp_path / "interrupted"
    argv = [sys.executable, "-m", "ocrprof", "check", "-o", str(output), "--aa", *PARALLEL, "--", sys.executable]
    with subprocess.Popen(
        [*argv, "main.py"],
        cwd=meeting.repository.folder,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "MEETING": str(meeting.folder)},
    ) as process:
        try:
            for line in process.stderr:
                if "pair 1 of" in line:
                    break
            while len(list(meeting.folder.glob("here-*"))) < 2:
                assert process.poll() is None
            process.send_signal(signal.SIGINT)
            process.stderr.read()
        finally:
            process.terminate()
    assert process.returncode == 130
    report = read_report(output)
    assert report.interrupted
    assert [one.status for one in timed(report)] == ["interrupted", "interrupted"]
    assert meeting.nobody_is_left()


def test_one_core_is_too_few_for_two_launches(tmp_path):
    repository = Repository(tmp_path / "repository")
    with pinned({min(os.sched_getaffinity(0))}):
        done, report = repository.check("--aa", *PARALLEL)
    assert done.returncode == 2
    assert "two launches at once need a core each, and 1 CPU of 1 core are usable" in done.stderr
    assert "--duet interleaved" in done.stderr
    assert report is None


def test_more_threads_than_half_of_the_cores_are_refused_with_the_numbers(tmp_path):
    needs_two_cores()
    repository = Repository(tmp_path / "repository")
    done, report = repository.check("--aa", *PARALLEL, OMP_NUM_THREADS="64")
    assert done.returncode == 2
    usable = 2 * plan_duet().num_cores
    assert f"a launch needs 64 cores (0 workers and 64 threads), two at once 128, and {usable} are usable" in (
        " ".join(done.stderr.split())
    )
    assert report is None


# What of the files is in the page cache as the launch begins, by mincore(2); then it reads all of them.
READS = """
import ctypes, json, mmap, os
from pathlib import Path

import work

folder, number = Path(os.environ["DATA"]), int(Path(os.environ["OCRPROF_RUN_DIR"]).name)
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
libc.mincore.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p]


def num_cached(path):
    handle, size = os.open(path, os.O_RDONLY), path.stat().st_size
    pages = (ctypes.c_ubyte * (size // mmap.PAGESIZE))()
    libc.mincore(libc.mmap(None, size, 0, 1, handle, 0), size, pages)
    os.close(handle)
    return sum(page & 1 for page in pages)


def read(path):
    with path.open("rb") as file:
        while file.read(2**22):
            pass


large, forked, own = folder / "large.bin", folder / "forked.bin", Path("own.bin")
seen = {path.name: num_cached(path) if path.exists() else None for path in (large, forked, own)}
(folder / f"seen-{number}").write_text(json.dumps(seen))
read(large)
if os.fork() == 0:
    read(forked)
    os._exit(0)
os.wait()
if own.exists():
    read(own)
else:  # as a program keeps what it has made, for its next start
    own.write_bytes(bytes(2**20))
"""
LARGE, SMALL = 400 * 2**20, 2**20


class Reading:
    """A repository whose program reads files beside it: holes, which fill the page cache and no disk."""

    def __init__(self, folder: Path) -> None:
        file_system = subprocess.run(["stat", "-f", "-c", "%T", folder], capture_output=True, text=True).stdout.strip()
        if file_system in ("tmpfs", "ramfs", "overlayfs"):
            pytest.skip(f"the temporary folder is on {file_system}, whose pages cannot be evicted")
        self.repository = Repository(folder / "repository", **{"main.py": READS, ".gitignore": "own.bin\n"})
        self.folder = folder / "data"
        self.folder.mkdir()
        for name, size in (("large.bin", LARGE), ("forked.bin", SMALL)):
            with (self.folder / name).open("wb") as file:
                file.truncate(size)

    def check(self, *options: str):
        return self.repository.check(*options, DATA=str(self.folder))

    def seen(self, number: int) -> dict[str, int | None]:
        return json.loads((self.folder / f"seen-{number}").read_text())


@pytest.fixture(scope="module")
def reading(tmp_path_factory) -> Reading:
    return Reading(tmp_path_factory.mktemp("cold"))


@pytest.fixture(scope="module")
def cold(reading) -> tuple[subprocess.CompletedProcess[str], CheckReport]:
    return reading.check("--aa", "--cold", *TWO_PAIRS)


def test_a_timed_launch_begins_without_a_page_of_what_it_reads(cold, reading):
    done, report = cold
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(timed(report)) == 4
    for one in timed(report):
        # What a forked child reads too, and what an earlier launch of the same arm wrote.
        assert reading.seen(one.number) == {"large.bin": 0, "forked.bin": 0, "own.bin": 0}
        assert one.covariates["cached_bytes"] <= MAX_RESIDENT_SHARE * report.design.evicted_bytes


def test_launches_that_are_not_timed_find_the_files_cached(cold, reading):
    """So it is the eviction that makes the others cold."""
    _, report = cold
    second = [one.number for one in report.launches if not one.pair][1]
    assert reading.seen(second)["large.bin"] > 0.9 * LARGE / os.sysconf("SC_PAGE_SIZE")


def test_the_report_tells_what_was_evicted_and_what_stayed_with_whom(cold, reading):
    done, report = cold
    assert report.design.cold
    assert report.design.evicted_bytes > LARGE
    assert report.design.evicted_files > 10
    # We run in the target's own Python here, so its libraries are mapped.
    assert any(note.startswith("cold: ") and "by ocrprof itself" in note for note in report.notes)
    folder = next(reading.repository.folder.parent.glob("report-*"))
    for text in (done.stdout, (folder / "report.md").read_text(), (folder / "report.html").read_text()):
        assert "left the page cache before each launch" in " ".join(text.split())


def test_a_cold_baseline_is_not_compared_with_warm_launches(reading):
    stored = reading.repository.folder.parent / "cold.json"
    done, report = reading.check("--baseline", str(stored), "--update-baseline", "--cold", "--runs", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert reading.seen(timed(report)[0].number)["large.bin"] == 0
    done, report = reading.check("--baseline", str(stored), "--runs", "1")
    assert done.returncode == 4
    assert "not comparable: launch: " in report.headline
    assert '"cold": true' in report.headline
    done, report = reading.check("--baseline", str(stored), "--exact")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_launch_that_cannot_be_cold_is_not_timed(tmp_path):
    """Of a small program most of the bytes are the interpreter's, which runs us too."""
    done, report = Repository(tmp_path / "repository").check("--aa", "--cold")
    assert done.returncode == report.exit_code == 4, done.stdout + done.stderr
    assert report.verdict == "not_comparable"
    assert "a launch of the base would not be cold: " in report.headline
    assert "by ocrprof itself" in report.headline
    assert not timed(report)
    assert "leave --cold out" in " ".join(report.notes)

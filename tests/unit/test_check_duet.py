"""How a check times its launches out of the ordinary: two at once on halves of the CPUs, or each with a cold cache."""

import _thread
import os
import select
from pathlib import Path

import pytest
from check_reports import check_report, incomparable_check
from recorded import process
from test_check_plan import plan

from ocrprof.check_plan import parse_budget
from ocrprof.errors import ExitCode, OcrprofError
from ocrprof.measure.check_cold import ColdArms
from ocrprof.measure.check_duet import Duet, cores_of, halve, most_at_once, parse_cpus, pinned, run_together
from ocrprof.measure.check_launch import launch_of
from ocrprof.measure.child import Outcome
from ocrprof.records import Memory
from ocrprof.renderers.check_advice import next_steps
from ocrprof.renderers.figures_check import design_line
from ocrprof.results.check_fingerprint import differences, make_fingerprint


def cores(*cpus: set[int]) -> list[frozenset[int]]:
    return [frozenset(core) for core in cpus]


def test_the_kernels_lists_of_cpus_are_read():
    assert parse_cpus("0-2,8,10-11\n") == {0, 1, 2, 8, 10, 11}
    with pytest.raises(ValueError, match="invalid literal"):
        parse_cpus("")


def test_hyperthreads_are_one_core_and_only_those_we_may_use_count(tmp_path):
    for cpu, siblings in {0: "0,4", 1: "1,5", 4: "0,4", 5: "1,5"}.items():
        folder = tmp_path / f"sys/devices/system/cpu/cpu{cpu}/topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(f"{siblings}\n")
    assert cores_of([0, 1, 4, 5], root=tmp_path) == cores({0, 4}, {1, 5})
    assert cores_of([0, 1, 5], root=tmp_path) == cores({0}, {1, 5})
    assert cores_of([0, 7], root=tmp_path) == cores({0}, {7})


@pytest.mark.parametrize(
    ("given", "halves"),
    [
        (cores({0}, {1}), ({0}, {1})),
        (cores({3}, {0}, {2}, {1}), ({0, 1}, {2, 3})),
        (cores({0, 4}, {1, 5}, {2, 6}, {3, 7}), ({0, 4, 1, 5}, {2, 6, 3, 7})),
        (cores({0}, {1}, {2}), ({0}, {1})),
        (cores({0, 1}, {2, 3}, {4}, {5}), ({0, 1, 4}, {2, 3, 5})),
        (cores({0, 1}, {2, 3}, {4}), ({0, 1}, {2, 3})),
    ],
)
def test_halves_are_whole_cores_as_many_and_alike_in_both(given, halves):
    assert halve(given) == halves


@pytest.mark.parametrize("given", [cores({0}), cores({0, 1}), cores({0, 1}, {2})])
def test_cpus_of_one_core_cannot_be_halved(given):
    assert halve(given) is None


def test_workers_count_while_they_live_together():
    ended = [process(start, end=end, role="worker") for start, end in ((10, 20), (12, 30), (20, 40), (31, 50))]
    assert most_at_once(ended) == 2
    assert most_at_once([*ended, process(5, role="worker")]) == 3
    assert most_at_once([]) == 0


def duet(*, num_cores: int = 4, num_threads: int = 2) -> Duet:
    return Duet(cpu_sets=(frozenset(range(4)), frozenset(range(4, 8))), num_cores=num_cores, num_threads=num_threads)


def test_threads_and_workers_have_to_fit_into_half_of_the_cores():
    workers = [process(20, end=50, role="worker") for _ in range(2)]
    duet().refuse_unfit([process(10, end=60), *workers])
    with pytest.raises(
        OcrprofError, match=r"needs 5 cores \(2 workers and 3 threads\), two at once 10, and 8"
    ) as error:
        duet(num_threads=3).refuse_unfit([process(10, end=60), *workers])
    assert error.value.hint == "OMP_NUM_THREADS=2 makes it fit; or --duet interleaved"
    with pytest.raises(OcrprofError, match=r"needs 4 cores .*, two at once 8, and 6 are usable"):
        duet(num_cores=3).refuse_unfit([process(10, end=60), *workers])


def test_every_rank_has_its_own_threads():
    ranks = [process(10, end=60, role="rank") for _ in range(3)]
    with pytest.raises(OcrprofError, match=r"needs 6 cores \(0 workers and 2 threads in each of 3 ranks\)") as error:
        duet().refuse_unfit(ranks)
    assert error.value.hint == "OMP_NUM_THREADS=1 makes it fit; or --duet interleaved"
    with pytest.raises(OcrprofError, match="needs 6 cores") as error:
        duet(num_cores=2).refuse_unfit(ranks)
    assert error.value.hint == "--duet interleaved"


def test_a_program_that_uses_a_gpu_is_refused():
    on_gpu = process(10, end=60, memory=Memory(1, 1, 2**20, 2**20, 2**20))
    with pytest.raises(OcrprofError, match="uses a GPU"):
        duet().refuse_unfit([on_gpu])


def test_a_thread_is_pinned_while_it_starts_something_and_no_longer():
    before = os.sched_getaffinity(0)
    with pinned({min(before)}):
        assert os.sched_getaffinity(0) == {min(before)}
    assert os.sched_getaffinity(0) == before
    with pinned(None):
        assert os.sched_getaffinity(0) == before


def outcome(status: str) -> Outcome:
    return Outcome(
        directory=Path("x"), spawn_ns=0, end_ns=1, exit_code=None, status=status, stderr_tail=(), cpu_seconds=None
    )


def waits(stop: int) -> Outcome:
    select.select([stop], [], [])
    return outcome("interrupted")


def test_one_launch_that_goes_wrong_ends_the_other():
    found, interrupted = run_together([waits, lambda _: outcome("crashed")])
    assert [one.status for one in found] == ["interrupted", "crashed"]
    assert not interrupted


def test_one_launch_that_arrives_does_not_end_the_other():
    def looks(stop: int) -> Outcome:
        return outcome("interrupted" if select.select([stop], [], [], 0.2)[0] else "reached")

    found, _ = run_together([looks, lambda _: outcome("reached")])
    assert [one.status for one in found] == ["reached", "reached"]


def test_ctrl_c_ends_both_and_is_told():
    def is_interrupted(stop: int) -> Outcome:
        _thread.interrupt_main()
        return waits(stop)

    found, interrupted = run_together([waits, is_interrupted])
    assert [one.status for one in found] == ["interrupted", "interrupted"]
    assert interrupted


def test_what_a_launch_raises_ends_the_other_and_is_raised():
    def cannot_start(stop: int) -> Outcome:
        raise OcrprofError("cannot start nothing")

    with pytest.raises(OcrprofError, match="cannot start nothing"):
        run_together([waits, cannot_start])


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"cold": True, "exact_only": True}, "--cold and --exact exclude each other"),
        ({"duet": "parallel", "exact_only": True}, "needs pairs of launches"),
        ({"duet": "parallel", "mode": "baseline", "ref": None, "baselines": (Path("x"),)}, "needs pairs of launches"),
        ({"duet": "parallel", "cold": True}, "--cold and --duet parallel exclude each other"),
        ({"cold": True, "budgets": (parse_budget("imports<2*import:csv"),)}, "multiple of a bare import"),
    ],
)
def test_conditions_that_make_no_sense_together_are_refused(tmp_path, more, message):
    with pytest.raises(OcrprofError, match=message) as error:
        plan(tmp_path, **more)
    assert error.value.hint


def fingerprint(tmp_path, **more):
    launch = launch_of(plan(tmp_path, **more), "exit")
    return make_fingerprint(refuse={"schema": 1, "launch": launch}, treatment={}, warn={}, record={})


def test_cold_and_warm_launches_are_not_compared_nor_those_that_ran_beside_others(tmp_path):
    usual = fingerprint(tmp_path)
    assert usual.refuse["launch"] == {"until": "exit", "probe": None, "loop": None}
    for other in (fingerprint(tmp_path, cold=True), fingerprint(tmp_path, duet="parallel")):
        assert [(one.tier, one.name) for one in differences(usual, other)] == [("refuse", "launch")]
        assert [one.tier for one in differences(usual, other, exact_only=True)] == ["warn"]
    later = fingerprint(tmp_path, cold=True).model_copy(update={"refuse": {"launch": {"until": "config"}}})
    assert [one.tier for one in differences(usual, later, exact_only=True)] == ["refuse"]


def test_an_arm_of_which_no_file_is_known_is_never_called_cold(tmp_path):
    arms = ColdArms()
    arms.know("base", tmp_path, [])
    with pytest.raises(OcrprofError, match="no file is known that the base reads") as error:
        arms.evict()
    assert error.value.exit_code == ExitCode.NOT_COMPARABLE


def test_files_that_both_arms_read_count_once(tmp_path):
    arms = ColdArms()
    for arm, names in (("base", "ab"), ("candidate", "bc")):
        (tmp_path / arm).mkdir()
        for name in names:
            (tmp_path / name).write_bytes(b"xyz")
        listing = "\n".join(str(tmp_path / name) for name in names)
        (tmp_path / arm / "files-1.txt").write_text(f"{listing}\n")
        arms.know(arm, tmp_path / arm, [])
    assert sorted((Path(one.path).name, one.bytes) for one in arms.sizes) == [("a", 3), ("b", 3), ("c", 3)]


def test_pages_say_how_launches_were_timed():
    report = check_report()
    usual = design_line(report)
    assert "cold" not in usual
    assert "duet" not in usual
    cold = report.design.model_copy(update={"cold": True, "evicted_files": 12, "evicted_bytes": 3 * 2**20})
    assert "cold: 3.00 MiB in 12 files left the page cache before each launch" in design_line(
        report.model_copy(update={"design": cold})
    )
    parallel = report.design.model_copy(update={"duet": "parallel", "cpu_sets": [[0, 1, 2, 8], [3]]})
    assert "both launches of a pair at once, on CPUs 0-2,8 and 3, swapped by the order" in design_line(
        report.model_copy(update={"design": parallel})
    )


def test_another_state_is_measured_again_only_where_a_stored_one_is_in_the_way():
    refused = incomparable_check()
    assert "--remeasure" in " ".join(next_steps(refused))
    # As where a launch could not be cold: a note tells what to do.
    assert next_steps(refused.model_copy(update={"mismatches": []})) == []

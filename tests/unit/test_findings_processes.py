"""Rules on workers and ranks, and how both are told, from hand-made records."""

import pytest
from judged import one_of, start_of
from recorded import process
from reports_fixture import startup_report
from test_ranks import LAUNCHER, QUICK, SLOW, rank
from test_workers import MAIN, parent, spawned

from ocrprof.findings.workers import rank_skew, slow_workers
from ocrprof.renderers import html_processes, processes
from ocrprof.renderers.console_lines import num_cells
from ocrprof.results.model import StartupReport

CWD = "/home/ana"


def two_spawned(**changes: float) -> StartupReport:
    main = parent((200, 310, 330), (201, 330, 350))
    return start_of(main, spawned(200, 0, 310, **changes), spawned(201, 1, 330, **changes), end=2000)


def console(report: StartupReport) -> list[str]:
    lines = [text for text, _ in processes.console_lines(report, width=80)]
    assert max(map(num_cells, lines), default=0) <= 80
    return lines


def test_workers_that_import_everything_again_are_named_with_their_time():
    found = one_of(slow_workers(two_spawned()), "slow-workers")
    assert found.title == (
        "2 spawn workers × 500 ms of imports, started all at once: 730 ms of the 1.10 s to the first batch"
    )
    assert found.seconds == pytest.approx(0.730) and found.priority == "P0"
    assert (found.location.file, found.location.line) == (MAIN, 12)
    assert "train.py:2, run again as `__mp_main__`" in found.advice
    assert "fork" in found.advice
    assert found.evidence["imports_seconds"] == pytest.approx(0.5)


def test_loaders_of_one_line_are_one_finding():
    report = two_spawned()
    again = report.model_copy(update={"workers": report.workers * 2})
    found = one_of(slow_workers(again), "slow-workers")
    assert found.seconds == pytest.approx(2 * 0.730) and found.evidence["loaders"] == 2


def test_workers_that_live_on_are_not_told_to():
    report = two_spawned()
    lasting = report.model_copy(update={"workers": [report.workers[0].model_copy(update={"persistent": True})]})
    assert "persistent_workers" in one_of(slow_workers(report), "slow-workers").advice
    assert "persistent_workers" not in one_of(slow_workers(lasting), "slow-workers").advice


def test_workers_of_which_each_holds_the_program_up_until_it_has_its_data_are_told_why():
    report = two_spawned()
    in_turn = report.workers[0].model_copy(update={"num_at_once": 1.0, "calling_seconds": 0.7})
    found = one_of(slow_workers(report.model_copy(update={"workers": [in_turn]})), "slow-workers")
    assert "started one after another" in found.title and "more than a pipe holds" in found.advice
    assert "pipe" not in one_of(slow_workers(report), "slow-workers").advice


def test_the_advice_follows_what_took_most():
    found = one_of(slow_workers(two_spawned(imports=1)), "slow-workers")
    assert "100 ms of running the main module again" in found.title
    assert 'under `if __name__ == "__main__":`' in found.advice


def test_a_fork_server_that_imports_while_the_program_waits_is_to_be_started_sooner():
    report = two_spawned()
    served = report.workers[0].model_copy(update={"start_method": "forkserver", "server_seconds": 0.6})
    found = one_of(slow_workers(report.model_copy(update={"workers": [served]})), "slow-workers")
    assert found.title == "The fork server takes 600 ms to be ready before it starts the first of 2 workers"
    assert found.seconds == pytest.approx(0.6) and "ensure_running" in found.advice


def test_workers_that_are_there_in_no_time_are_no_finding():
    children = [process(312, pid=200, parent_pid=100, role="worker", marks={"process.begin": 313, "worker.ready": 314})]
    assert slow_workers(start_of(parent((200, 310, 313)), *children, end=2000)) == []


def test_workers_whose_start_is_a_small_part_of_the_whole_are_no_finding():
    main = parent((200, 310, 330), until=60_000)
    assert slow_workers(start_of(main, spawned(200, 0, 310), end=60_000)) == []


def test_a_rank_far_behind_is_named_with_what_held_it_up():
    found = one_of(rank_skew(start_of(LAUNCHER, QUICK, SLOW, end=1000)), "rank-skew")
    assert found.title == "Rank 1 is 490 ms behind rank 0 in data"
    assert found.seconds == pytest.approx(0.490)
    assert (found.location.file, found.location.line) == ("/home/ana/data.py", 7)
    assert "dataset.init Pages" in found.advice


def test_ranks_that_keep_step_are_no_finding():
    other = rank(1, 52, step=805, arrives=205, data=12, meets=700)
    assert rank_skew(start_of(LAUNCHER, QUICK, other, end=1000)) == []


def test_a_skew_that_nothing_explains_must_be_larger():
    changes = {"spans": ()}
    quick = rank(0, 50, step=1000, arrives=200, data=10, meets=700, **changes)
    late = rank(1, 50, step=1150, arrives=200, data=10, meets=700, **changes)
    assert rank_skew(start_of(quick, late, end=2000)) == []
    later = rank(1, 50, step=1500, arrives=200, data=10, meets=700, **changes)
    assert (
        "Nothing that was built or imported explains it"
        in one_of(rank_skew(start_of(quick, later, end=2000)), "rank-skew").advice
    )


def test_a_rank_that_another_one_starts_is_to_be_started_by_torchrun():
    first = rank(0, 10, step=800, arrives=200, data=10, meets=700)
    second = rank(1, 400, step=805, arrives=690, data=10, meets=700, parent_pid=200)
    found = one_of(rank_skew(start_of(first, second, end=1000)), "rank-skew")
    assert "behind rank 0 in launch" in found.title
    assert "torchrun" in found.advice


def test_a_group_of_workers_is_told_with_its_parts():
    lines = console(two_spawned())
    assert lines[:2] == ["", "Processes"]
    text = " ".join(" ".join(lines).split())
    assert "2 spawn workers for Pages (train.py:12): 730 ms of the 1.10 s before the first batch" in text
    assert "each: interpreter 20.0 ms, imports 500 ms, main module 100 ms, unpickling 50.0 ms" in text
    assert "ready: the first after 720 ms, the last after 740 ms" in text
    assert "each imports again: torch 500 ms" in text
    assert "in train.py: line 2 500 ms" in text


def test_workers_that_start_quickly_are_told_in_a_line():
    main = parent((200, 310, 330), until=60_000)
    lines = console(start_of(main, spawned(200, 0, 310), end=60_000))
    assert not any("each:" in line for line in lines)
    assert any("1 spawn worker for Pages" in line for line in lines)


def test_ranks_stand_side_by_side_without_their_waiting():
    lines = console(start_of(LAUNCHER, QUICK, SLOW, end=1000))
    rows = {line.split("  ")[1]: line.split() for line in lines if line.startswith("  ") and line[2] != " "}
    assert rows["data"][1:] == ["10.0", "500.0", "490.0", "rank", "1"]
    assert rows["waiting for others"][3:] == ["490.0", "0.0"]
    text = " ".join(" ".join(lines).split())
    assert "rank 1 is the slowest: 490 ms behind rank 0 in data, by dataset.init Pages at data.py:7" in text
    assert "rank 0 waits 490 ms for rank 1 at barrier" in text


def test_a_rank_that_did_not_arrive_is_said_to_have_ended():
    dead = rank(1, 52, step=None, arrives=300, data=100, meets=301, spans=(), marks={"exit.begin": 350}, end=360)
    report = start_of(LAUNCHER, QUICK, dead, end=900, status="crashed", exit_code=1)
    text = " ".join(" ".join(console(report)).split())
    assert "rank 1 (pid 201) ended by itself" in text
    assert "skew" not in text
    assert {phase.name for phase in report.runs[0].phases}.isdisjoint({"exit"})


def test_markdown_holds_a_line_a_group_and_the_ranks():
    assert processes.markdown_lines(two_spawned())[0].startswith("- 2 spawn workers for Pages")
    lines = processes.markdown_lines(start_of(LAUNCHER, QUICK, SLOW, end=1000))
    assert lines[0].startswith("| ranks | rank 0 | rank 1 |")
    assert lines[-1].startswith("rank 1 is the slowest")


def test_a_program_of_one_process_has_no_such_section():
    assert processes.console_lines(startup_report(), width=80) == []
    assert processes.markdown_lines(startup_report()) == []


def test_a_page_has_a_lane_for_each_worker_with_its_first_batch():
    page = str(html_processes.html_section(two_spawned()))
    assert "worker 0" in page and "worker 1" in page
    assert "batch at 1.06 s" in page
    assert "imports again: torch" in page


def test_a_page_has_the_ranks_in_their_order_and_their_phases_side_by_side():
    page = str(html_processes.html_section(start_of(LAUNCHER, SLOW, QUICK, end=1000)))
    assert page.index("pid 100") < page.index("rank 0") < page.index("rank 1")
    assert "waiting for others" in page and "rank 1 is the slowest" in page

"""Cold starts against warm ones: differences within pairs, what is said of them, and that nothing is said of none."""

import pytest
from reports_fixture import run, startup_report
from test_console import startup_text

from ocrprof.renderers.figures_checks import cold_line
from ocrprof.renderers.markdown import MAX_STARTUP_LINES, startup_markdown
from ocrprof.results.cold import build_cold
from ocrprof.results.model import ColdPair, FileHolder, FileSize, Phase

FILES = [FileSize(path="/site/libtorch_cpu.so", bytes=450 * 2**20), FileSize(path="/site/a.pyc", bytes=50 * 2**20)]
PAIRS = [ColdPair(cold_seconds=cold, warm_seconds=warm) for cold, warm in [(61.0, 20.0), (62.0, 19.0), (60.0, 19.5)]]


LIBTORCH = FileSize(path="/site/libtorch_cpu.so", bytes=100 * 2**20)


def cold(pairs=PAIRS, *, resident=(), stopped_by=None, **changes):
    return build_cold(pairs, files=FILES, resident=resident, stopped_by=stopped_by, **changes)


def test_the_difference_is_taken_within_pairs():
    assert cold().difference_seconds.median == 41.0
    assert cold().achieved


def test_the_line_tells_cold_warm_difference_phases_and_what_was_read():
    phases = [
        ColdPair(
            cold_seconds=61.0, warm_seconds=20.0,
            cold_phases=[Phase(name="imports", seconds=50.0), Phase(name="first_step", seconds=4.0)],
            warm_phases=[Phase(name="imports", seconds=12.0), Phase(name="first_step", seconds=1.0)],
        )
    ] * 3  # fmt: skip
    read = [FileSize(path="/site/libtorch_cpu.so", bytes=90 * 2**20), FileSize(path="/site/b.so", bytes=10 * 2**20)]
    line = cold_line(cold(phases, resident=[FileSize(path="/site/a.pyc", bytes=5 * 2**20)], read=read))
    assert line.startswith(
        "cold 61.0 s, warm 20.0 s → 41.0 s [41.0 s, 41.0 s] is file I/O (imports 38.0 s, first step 3.00 s), n = 3; "
        "100 MiB read of 2 of 2 files (500 MiB), 100.0 % of it 2 shared objects: libtorch_cpu.so 90.0 MiB"
    )
    assert line.endswith("1.0 % had stayed cached")


def test_without_a_look_after_the_cold_start_the_line_tells_all_files():
    assert "2 files, 500 MiB, 100.0 % of it 2 files: libtorch_cpu.so 450 MiB" in cold_line(cold())


def test_no_cold_figure_is_given_where_too_much_stayed_and_its_holder_is_named():
    holder = FileHolder(pid=1234, argv=["python", "train.py"], files=[LIBTORCH.path, "/site/b.so"], bytes=100 * 2**20)
    refused = cold([], resident=[LIBTORCH], holders=[holder])
    assert not refused.achieved
    assert refused.cold_seconds is None
    line = cold_line(refused)
    assert line.startswith("cold not achieved: 20.0 % of 2 files, 500 MiB, stayed in the page cache: libtorch_cpu.so")
    assert line.endswith("libtorch_cpu.so and 1 more are mapped by pid 1234 (python train.py)")
    assert "file I/O" not in line


def test_files_that_nobody_holds_and_yet_stay_are_told_as_such():
    assert "no process that we may look at maps them" in cold_line(cold([], resident=[LIBTORCH]))


def test_pairs_before_a_failed_eviction_are_kept_and_the_rest_is_told():
    line = cold_line(cold(PAIRS[:1], resident=[LIBTORCH]))
    assert "n = 1" in line
    assert "no more pairs: after the next eviction 20.0 % of 2 files" in line


def test_cold_runs_without_warm_ones_have_no_difference():
    alone = cold([], cold_seconds=[61.0, 62.0, 60.0])
    assert (alone.achieved, alone.cold_seconds.median, alone.difference_seconds) == (True, 61.0, None)
    assert cold_line(alone).startswith("each counted run began with the files that it reads out of the page cache; 2")


def test_a_run_that_ended_the_pairs_is_told():
    assert cold_line(cold([], stopped_by="timed_out")).endswith("ended at a run of status timed out")


@pytest.mark.parametrize("pairs", [PAIRS, []])
def test_terminal_and_page_have_the_line_and_keep_their_size(pairs):
    report = startup_report().model_copy(update={"cold": cold(pairs)})
    text = startup_text(report)
    assert "cold " in text
    assert all(len(line) <= 80 for line in text.splitlines())
    page = startup_markdown(report)
    assert "cold " in page
    assert page.count("\n") <= MAX_STARTUP_LINES


def test_a_start_of_which_no_cold_run_could_be_made_tells_the_refusal_and_the_warm_up():
    runs = [run(1.0, warmup=True)]
    report = startup_report(runs=runs, summary={}, cache="cold", cold=cold([], resident=[LIBTORCH]))
    text = startup_text(report)
    assert "0 cold runs after 1 to warm up" in text
    assert "cold not achieved" in text
    assert text.rstrip().splitlines()[-1].startswith("startup of the warm-up alone, reached after ")

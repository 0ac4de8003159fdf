"""Cold starts against warm ones: differences within pairs, what is said of them, and that nothing is said of none."""

import pytest
from reports_fixture import startup_report
from test_console import startup_text

from ocrprof.renderers.figures_checks import cold_line
from ocrprof.renderers.markdown import MAX_STARTUP_LINES, startup_markdown
from ocrprof.results.cold import build_cold
from ocrprof.results.model import ColdPair, FileSize

FILES = [FileSize(path="/site/libtorch_cpu.so", bytes=450 * 2**20), FileSize(path="/site/a.pyc", bytes=50 * 2**20)]
PAIRS = [ColdPair(cold_seconds=cold, warm_seconds=warm) for cold, warm in [(61.0, 20.0), (62.0, 19.0), (60.0, 19.5)]]


def cold(pairs=PAIRS, *, resident=(), stopped_by=None):
    return build_cold(pairs, files=FILES, resident=resident, stopped_by=stopped_by)


def test_the_difference_is_taken_within_pairs():
    assert cold().difference_seconds.median == 41.0
    assert cold().achieved


def test_the_line_tells_cold_warm_difference_and_files():
    line = cold_line(cold(resident=[FileSize(path="/site/a.pyc", bytes=5 * 2**20)]))
    assert line.startswith("cold 61.0 s, warm 19.5 s → 41.0 s [40.5 s, 43.0 s] is file I/O, n = 3; 2 files, 500 MiB")
    assert "libtorch_cpu.so 450 MiB" in line
    assert "1.0 % had stayed cached" in line


def test_no_cold_figure_is_given_where_too_much_stayed_in_the_cache():
    refused = cold([], resident=[FileSize(path="/site/libtorch_cpu.so", bytes=100 * 2**20)])
    assert not refused.achieved
    assert refused.cold_seconds is None
    line = cold_line(refused)
    assert line.startswith("cold not achieved: 20.0 % of 2 files")
    assert "libtorch_cpu.so 100 MiB" in line
    assert "file I/O" not in line


def test_pairs_before_a_failed_eviction_are_kept_and_the_rest_is_told():
    line = cold_line(cold(PAIRS[:1], resident=[FileSize(path="/site/libtorch_cpu.so", bytes=100 * 2**20)]))
    assert "n = 1" in line
    assert "no more pairs: after the next eviction 20.0 % stayed cached" in line


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

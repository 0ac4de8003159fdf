"""A sweep of worker counts on the terminal and on its pages."""

import io

import pytest
from golden import assert_golden
from html_checks import read_page
from sweep_reports import empty_sweep, plain_sweep, rounds, setting, sweep, sweep_with_failure, trial

from ocrprof.cli.sweep_workers import exit_code
from ocrprof.errors import ExitCode
from ocrprof.renderers.sweep_workers import render_sweep
from ocrprof.renderers.sweep_workers_html import sweep_html
from ocrprof.renderers.sweep_workers_markdown import sweep_markdown
from ocrprof.results.store import read_report, write_report


def console(report, width=80) -> str:
    stream = io.StringIO()
    render_sweep(report, stream=stream, color=False, width=width)
    return stream.getvalue()


def test_the_console_of_a_sweep_leads_with_the_recommendation():
    text = console(sweep_with_failure())
    assert_golden("sweep_console.txt", text)
    assert text.splitlines()[2].startswith("sweep-workers: num_workers=4 · clear")


def test_the_markdown_of_a_sweep():
    assert_golden("sweep.md", sweep_markdown(sweep_with_failure()))


@pytest.mark.parametrize("report", [plain_sweep(), sweep_with_failure(), empty_sweep()])
@pytest.mark.parametrize("width", [40, 80, 100])
def test_no_line_is_wider_than_the_terminal(report, width):
    assert max(len(line) for line in console(report, width).splitlines()) <= max(width, 80)


def test_a_column_without_a_figure_is_left_out():
    assert "waits" not in console(plain_sweep())
    assert "step waits" not in sweep_markdown(plain_sweep())


def test_the_page_draws_both_curves_and_tells_every_trial():
    page = read_page(sweep_html(sweep_with_failure()))
    assert [one.attributes["aria-label"] for one in page.all("svg") if one.attributes.get("role") == "img"] == [
        "samples/s over num_workers",
        "share of a step that waits, over num_workers",
    ]
    headings = [one.text.strip() for one in page.all("h2")]
    assert headings[:3] == ["Samples/s and waits", "Settings", "Failed"]
    assert {"Start and turnover", "Cost", "Inside the workers", "Simulated, not run", "Every trial"} <= set(headings)
    trials = [table for table in page.all("table") if "dense" in table.attributes.get("class", "")]
    assert len(trials[0].all("tr")) == 1 + 1 + len(sweep_with_failure().trials)


def test_a_dot_lies_at_its_value_and_its_bar_spans_its_interval():
    page = read_page(sweep_html(plain_sweep()))
    (picture,) = (one for one in page.all("svg", "points") if one.attributes.get("role") == "img")
    dots = [float(one.attributes["cy"].rstrip("%")) for one in picture.all("circle")]
    assert dots == sorted(dots[:2]) + sorted(dots[2:], reverse=True)  # 1 worker is slower than none, more are faster
    bars = picture.all("line", "interval")
    assert len(bars) == len(dots)
    for bar, dot in zip(bars, dots, strict=True):
        assert float(bar.attributes["y2"].rstrip("%")) < dot < float(bar.attributes["y1"].rstrip("%"))


def test_one_round_is_drawn_without_intervals():
    page = read_page(sweep_html(sweep([setting(0), setting(2)], rounds([setting(0), setting(2)], num_rounds=1))))
    (picture,) = (one for one in page.all("svg", "points") if one.attributes.get("role") == "img")
    assert len(picture.all("circle")) == 2
    assert picture.all("line", "interval") == []


def test_what_was_said_of_trials_is_told_once_with_their_number():
    settings = [setting(0), setting(2)]
    trials = rounds(settings)
    noted = [one.model_copy(update={"notes": ["files stayed", "files stayed"]}) for one in trials[:4]]
    text = " ".join(console(sweep(settings, [*noted, *trials[4:]])).split())
    assert text.count("files stayed") == 1
    assert "4 of 9 trials: files stayed." in text


def test_other_factors_are_told_in_full_on_a_narrow_terminal():
    settings = [setting(value, prefetch_factor=4, pin_memory=True) for value in (2, 4)]
    text = console(sweep(settings, rounds(settings, step=0.1), step_seconds=0.1))
    assert text.count("prefetch=4 pin=on") == 2


def test_each_combination_of_other_factors_has_a_line_of_its_own():
    settings = [setting(value, prefetch_factor=factor) for value in (1, 2) for factor in (2, 4)]
    page = read_page(sweep_html(sweep(settings, rounds(settings))))
    (picture,) = (one for one in page.all("svg", "points") if one.attributes.get("role") == "img")
    assert [len(group.all("circle")) for group in picture.all("g")] == [2, 2]
    assert [one.text.strip() for one in page.one("ul", "legend").all("li")] == [
        "prefetch_factor=2",
        "prefetch_factor=4",
    ]


def test_nodes_are_told_apart_and_their_spread():
    settings = [setting(0), setting(2)]
    trials = [
        trial(one, number, position, seconds=seconds * (1 if number < 3 else 1.25), host=f"node{1 + number // 3}")
        for number in (1, 2, 3)
        for position, (one, seconds) in enumerate(zip(settings, (0.2, 0.1), strict=True))
    ]
    text = console(sweep(settings, trials))
    assert "Between nodes" in text
    assert "node1" in text and "node2" in text
    assert "26." in text.partition("Between nodes")[2]  # a quarter slower, and half a percent a round


def test_a_failure_is_told_with_its_sample_its_file_and_what_to_do():
    text = console(sweep_with_failure())
    assert "num_workers=8: /dev/shm is full" in text
    assert "sample 12 · /data/receipts/0012.jpg · ocr/data.py:77" in text
    assert "Make /dev/shm larger" in text


def test_a_sweep_without_any_figure_says_why():
    text = console(empty_sweep())
    assert "no setting was measured" in text
    assert "no DataLoader was iterated" in text
    assert read_page(sweep_html(empty_sweep())).all("h2")


def test_a_report_reads_back_as_it_was_written(tmp_path):
    for report in (plain_sweep(), sweep_with_failure(), empty_sweep()):
        assert read_report(write_report(report, tmp_path)) == report


@pytest.mark.parametrize(
    ("report", "fails", "code"),
    [
        (plain_sweep(), False, ExitCode.DONE),
        (sweep_with_failure(), True, ExitCode.DONE),
        (plain_sweep(interrupted=True), False, ExitCode.INTERRUPTED),
        (empty_sweep(), False, ExitCode.TARGET_FAILED),
        (sweep([setting(0)], [trial(setting(0), 1).model_copy(update={"status": "timeout"})]), False, 124),
        (sweep([setting(0), setting(2)], rounds([setting(0), setting(2)], num_rounds=1)), False, ExitCode.DONE),
        (sweep([setting(0), setting(2)], rounds([setting(0), setting(2)], num_rounds=1)), True, ExitCode.INCONCLUSIVE),
    ],
)
def test_a_sweep_ends_by_what_was_measured(report, fails, code):
    assert exit_code(report, fail_on_inconclusive=fails) == code

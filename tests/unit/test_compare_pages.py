"""A comparison on the terminal, in Markdown and on its page."""

import io

import pytest
from compared import after, before
from golden import assert_golden
from html_checks import fetched_by, read_page, text_of
from reports_fixture import TOOL, baseline_report, crashed_report

from ocrprof.renderers.compare import render_comparison
from ocrprof.renderers.compare_html import comparison_html
from ocrprof.renderers.compare_markdown import comparison_markdown
from ocrprof.results.compare import compare_reports
from ocrprof.results.model import AnyReport, ComparisonReport, ExactItem


def compared(base: AnyReport, candidate: AnyReport, *, gate: bool) -> ComparisonReport:
    return compare_reports(
        base, candidate, base_path="reports/old", candidate_path="reports/new", created="2026-03-02T11:00:00Z",
        tool=TOOL, gate=gate,
    )  # fmt: skip


def starts() -> ComparisonReport:
    return compared(before(), after(), gate=True)


def baselines() -> ComparisonReport:
    slow = baseline_report()
    loops = [
        loop.model_copy(
            update={
                "batch_seconds": [1.5 * one for one in loop.batch_seconds],
                "parts": {**loop.parts, "forward": [2 * one for one in loop.parts["forward"]]},
            }
        )
        for loop in slow.loops
    ]
    environment = slow.environment.model_copy(update={"libraries": {"torch": "2.10.0"}, "cpu": "Intel Xeon"})
    changes = {"loops": loops, "config": {"data": {"batch_size": 16}, "seed": 42}, "environment": environment}
    return compared(baseline_report(), slow.model_copy(update=changes), gate=False)


ALL = {"compare_starts": starts, "compare_baselines": baselines}


def on_terminal(report: ComparisonReport) -> str:
    stream = io.StringIO()
    render_comparison(report, stream=stream, color=False)
    return stream.getvalue()


@pytest.mark.parametrize("name", ALL)
def test_a_comparison_on_the_terminal_in_eighty_columns(name):
    text = on_terminal(ALL[name]())
    assert max(map(len, text.splitlines())) <= 80
    assert_golden(f"{name}_console.txt", text)


@pytest.mark.parametrize("name", ALL)
def test_a_comparison_in_markdown(name):
    assert_golden(f"{name}.md", comparison_markdown(ALL[name]()))


@pytest.mark.parametrize("name", ALL)
def test_the_page_of_a_comparison_fetches_nothing_and_tells_all(name):
    root = read_page(comparison_html(ALL[name]()))
    assert fetched_by(root) == []
    assert_golden(f"{name}_html.txt", text_of(root))


def test_the_bars_of_a_waterfall_follow_one_another_to_the_total():
    root = read_page(comparison_html(starts()))
    picture = next(one for one in root.all("div") if one.attributes.get("aria-label") == "causes of time to first step")
    bars = [one.one("rect").attributes for one in picture.all("svg")]
    edges = [(float(bar["x"][:-1]), float(bar["x"][:-1]) + float(bar["width"][:-1])) for bar in bars]
    longer, shorter, *_ = edges[:2]
    assert longer[1] == pytest.approx(shorter[1], abs=0.01)  # the second takes back from where the first ended
    assert edges[-1] == (pytest.approx(0, abs=0.01), pytest.approx(100 * 3 / max(2.5, 3.0), abs=0.01))


def test_a_start_that_failed_can_stand_beside_one_that_did_not():
    report = compared(before(), crashed_report(), gate=False)
    assert "candidate: no run came to its milestone, so the last one is told" in report.notes
    assert on_terminal(report)
    assert read_page(comparison_html(report))


def test_a_program_cannot_steer_the_terminal_or_the_page():
    item = ExactItem(name="<script>\x1b[2J", detail="|`x`")
    report = starts().model_copy(update={"added": {"packages": [item]}, "headline": "<b>\x1b[2J"})
    assert "\x1b" not in on_terminal(report)
    assert "<script>\x1b" not in comparison_html(report)
    assert "&lt;b&gt;" in comparison_html(report)
    assert "\\|" in comparison_markdown(report)

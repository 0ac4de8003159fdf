"""What a history says on the terminal, in Markdown and on its page."""

import io

import pytest
from golden import assert_golden
from histories import line, session
from html_checks import fetched_by, read_page, text_of

from ocrprof.renderers.history import history_markdown, render_history
from ocrprof.renderers.history_html import history_html
from ocrprof.results.history import session_ref
from ocrprof.results.history_report import headline, with_causes
from ocrprof.results.history_series import build_series
from ocrprof.results.model import Environment, HistoryLine, HistoryReport, TargetInfo, Tool

ENVIRONMENT = Environment(cpu="A", num_cores_usable=2, num_cores_present=2, memory_bytes=2**30, os="Linux", python="3")
COMMITS = ["0000000f read pages by name | and `more`", "0000000e count", "0000000d tidy"]


def told(lines: list[HistoryLine], *, commits: list[str] | None = None, notes: tuple[str, ...] = ()) -> HistoryReport:
    series = [
        one.model_copy(
            update={
                "changes": [
                    change.model_copy(
                        update={"commits": commits or [], "num_commits": None if commits is None else len(commits)}
                    )
                    for change in with_causes(one, lines)
                ]
            }
        )
        for one in build_series(lines, frozen=[0], frozen_label="v1.0 (000000000)", seed=0)
    ]
    refs = [session_ref(one) for one in lines]
    return HistoryReport(
        created="2026-03-09T10:00:00Z",
        tool=Tool(version="0.1.0"),
        target=TargetInfo(argv=["python", "train.py"], cwd="."),
        environment=ENVIRONMENT,
        fingerprint="875a93fbaf44",
        metric_set="ef201452",
        refuse={"cpu": "AMD EPYC", "cores_usable": 2.0, "os": "Linux", "arch": "x86_64", "gpus": ["H100"]},
        launch={"until": "first-step"},
        ordered_by="commit",
        sessions=refs,
        window=50,
        level=0.001,
        seed=0,
        series=series,
        headline=headline(series, refs),
        notes=list(notes),
    )


def slower() -> HistoryReport:
    lines = [
        session(
            number,
            start=2.0 if number < 15 else 2.3,
            flags={7: ["dirty"], 15: ["regressed"], 20: ["failed"]}.get(number, []),
            exact={"modules": 1204.0 if number < 15 else 1616.0, "parameters": 4.2e6},
            treatment={"torch": "2.8.0" if number < 15 else "2.9.0"},
        )
        for number in range(30)
    ]
    return told(lines, commits=COMMITS)


def quiet() -> HistoryReport:
    return told([session(number) for number in range(20)], notes=("ordered by \x1b[31mtime",))


def single() -> HistoryReport:
    return told([line(1, launches=[], exact={"modules": 20.0}, flags=["failed"])])


ALL = {"history": slower, "history_quiet": quiet, "history_single": single}


@pytest.fixture(scope="module")
def reports() -> dict[str, HistoryReport]:
    return {name: make() for name, make in ALL.items()}


def on_terminal(report: HistoryReport) -> str:
    stream = io.StringIO()
    render_history(report, stream=stream, color=False)
    return stream.getvalue()


@pytest.mark.parametrize("name", ALL)
def test_a_history_on_the_terminal_in_eighty_columns(reports, name):
    text = on_terminal(reports[name])
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text
    assert_golden(f"{name}_console.txt", text)


@pytest.mark.parametrize("name", ALL)
def test_a_history_in_markdown(reports, name):
    assert_golden(f"{name}.md", history_markdown(reports[name]))


@pytest.mark.parametrize("name", ALL)
def test_the_page_fetches_nothing_and_tells_all(reports, name):
    root = read_page(history_html(reports[name]))
    assert fetched_by(root) == []
    text, heading, charts = text_of(root).rpartition("Every metric over its sessions\n")
    assert bool(heading) is any(one.newest is not None for one in reports[name].series)
    assert_golden(f"{name}_html.txt", text or charts)


def test_every_session_of_a_metric_is_a_dot_and_those_of_no_commit_are_hollow(reports):
    root = read_page(history_html(reports["history"]))
    chart = next(one for one in root.all("svg") if one.attributes.get("aria-label") == "imports over 30 sessions")
    dots = chart.all("circle")
    assert len(dots) == 30
    hollow = [index for index, dot in enumerate(dots) if "fill:none" in dot.attributes.get("style", "")]
    assert hollow == [7, 20]
    assert "1.20 s" in dots[0].one("title").text
    assert "dirty" in dots[7].one("title").text
    marks = [one.text for one in chart.all("line") if "REGRESSED" in one.text]
    assert len(marks) == 1
    levels = [one.text for one in chart.all("line") if "frozen" in one.text or "rolling" in one.text]
    assert len(levels) == 2


def test_a_metric_that_a_session_lacks_is_a_gap():
    lines = [session(number) for number in range(4)]
    lines[2] = line(2, launches=[{"imports": 1.0}])
    root = read_page(history_html(told(lines)))
    chart = next(one for one in root.all("svg") if one.attributes.get("aria-label", "").startswith("time_to_first"))
    assert len(chart.all("circle")) == 3

"""How a verdict came about, on the terminal, in Markdown and on the page."""

import io

import pytest
from check_reports import check_report, failed_check, incomparable_check, quiet_check
from explained_checks import explained_check, session_check
from golden import assert_golden
from html_checks import fetched_by, read_page

from ocrprof.renderers.check import render_check
from ocrprof.renderers.check_explained import explanations
from ocrprof.renderers.check_html import check_html
from ocrprof.renderers.check_markdown import check_markdown
from ocrprof.renderers.github import annotations
from ocrprof.results.model import ExactFacts


def on_terminal(report, *, width: int = 80) -> str:
    stream = io.StringIO()
    render_check(report, stream=stream, color=False, width=width)
    return stream.getvalue()


def explained_part(text: str) -> str:
    return text[text.index("How the verdict on") :]


REPORTS = {
    "pairs": lambda: explained_check(max_steal=0.10),
    "sessions": session_check,
    "exact": lambda: explained_check(explained=("calls", "pandas")),
}


@pytest.mark.parametrize("name", REPORTS)
def test_the_steps_to_a_verdict_on_the_terminal_in_eighty_columns(name):
    text = on_terminal(REPORTS[name]())
    assert max(map(len, text.splitlines())) <= 80
    assert_golden(f"check_explained_{name}_console.txt", explained_part(text))


@pytest.mark.parametrize("name", REPORTS)
def test_the_steps_to_a_verdict_in_markdown(name):
    assert_golden(f"check_explained_{name}.md", check_markdown(REPORTS[name]()).partition("### How the")[2])


def test_the_steps_to_a_verdict_on_the_page():
    root = read_page(check_html(explained_check(explained=("time_to_*", "imports"))))
    assert fetched_by(root) == []
    sections = [one for one in root.all("section") if one.attributes.get("id", "").startswith("explain-")]
    assert [one.one("h2").text.strip() for one in sections] == [
        "How the verdict on time_to_first_step came about",
        "How the verdict on imports came about",
    ]
    links = {one.attributes["href"] for one in root.all("a")}
    assert {"#explain-1", "#explain-2"} <= links
    lines = (" ".join(line.split()) for line in sections[0].text.splitlines())
    assert_golden("check_explained_html.txt", "\n".join(line for line in lines if line) + "\n")


def test_the_verdict_is_still_the_last_line():
    report = explained_check()
    assert on_terminal(report).splitlines()[-1].strip() in " ".join(("REGRESSED", report.headline))


def test_nothing_is_explained_that_was_not_asked_for():
    report = check_report()
    assert explanations(report) == []
    assert "How the verdict" not in on_terminal(report) + check_markdown(report) + check_html(report)


def test_figures_that_do_not_follow_from_the_launches_are_called_so():
    """The hand-made report's figures are not those of its launches."""
    text = " ".join(on_terminal(check_report(explained=["time_to_first_step*"])).split())
    assert "NOT AS IN THE REPORT, which says REGRESSED, +11.8 %" in text


def test_samples_per_second_fit_beside_what_disturbed_them():
    report = explained_check(explained=("train.samples_per_sec",))
    launches = [
        one.model_copy(update={"attempt": 1, "covariates": {"others_busy_cores": 1.25}}) for one in report.launches
    ]
    text = on_terminal(report.model_copy(update={"launches": launches}))
    assert text.count("busy 1.2, attempt 1") == 10
    assert "…" not in explained_part(text).partition("The estimate")[0]


def test_members_with_the_longest_of_names_keep_to_the_width():
    names = {".".join(["package"] * 30): "/".join(["folder"] * 30) + ".py:12"}
    report = explained_check(explained=("modules",)).model_copy(update={"facts": ExactFacts(sets={"modules": names})})
    for width in (80, 100):
        assert max(map(len, on_terminal(report, width=width).splitlines())) <= width


def test_a_long_set_is_folded_on_the_page_and_whole_in_it():
    names = {f"package.m{number}": "train.py:1" for number in range(400)}
    report = explained_check(explained=("modules",)).model_copy(update={"facts": ExactFacts(sets={"modules": names})})
    page = check_html(report)
    assert all(f"m{number}" in page for number in (0, 200, 399))
    folded = [one for one in read_page(page).all("details") if "package." in one.text]
    assert folded


def test_of_a_parallel_duet_nobody_came_second():
    report = explained_check()
    report = report.model_copy(update={"design": report.design.model_copy(update={"duet": "parallel"})})
    assert "pair  on CPUs 2" in on_terminal(report)
    assert "pair  second" in on_terminal(explained_check())


@pytest.mark.parametrize("made", [failed_check, incomparable_check, quiet_check, check_report])
def test_also_what_a_check_did_not_get_to_is_explained_as_far_as_it_got(made):
    report = made().model_copy(update={"explained": ["*"]})
    text = on_terminal(report)
    assert max(map(len, text.splitlines())) <= 80
    assert text.count("How the verdict on") == len(explanations(report)) > 0
    assert read_page(check_html(report))
    assert "How the verdict on" in check_markdown(report)


@pytest.mark.parametrize("mode", ["against", "baseline", "exact", "aa"])
def test_a_report_of_an_earlier_version_is_explained_without_what_it_does_not_hold(mode):
    report = quiet_check().model_copy(update={"explained": ["*"], "facts": None})
    report = report.model_copy(update={"design": report.design.model_copy(update={"mode": mode})})
    text = on_terminal(report)
    if mode == "baseline":
        assert "does not hold the stored sessions" in " ".join(text.split())


def test_the_page_tells_which_launches_an_earlier_attempt_made():
    report = explained_check(explained=())
    launches = [one.model_copy(update={"attempt": 1 if one.pair <= 4 else None}) for one in report.launches]
    page = check_html(report.model_copy(update={"launches": launches}))
    assert page.count(", attempt 1<") == 8


def test_what_counts_against_stored_sessions_is_called_a_session_everywhere():
    report = session_check(explained=())
    text = " ".join(on_terminal(report).split())
    assert "by Student's t and Holm. sees: the smallest slowdown these sessions could have shown" in text
    assert "permutation" not in text
    assert "9 sessions, p_fw" in " ".join(annotations(report))
    root = read_page(check_html(report))
    titles = [one.text.strip() for one in root.all("th")]
    assert "sessions" in titles
    assert "pairs" not in titles
    assert "the randomisation test" not in root.text


def test_the_curves_of_pairs_are_not_drawn_of_sessions():
    """A mean of nine pairs is known three times as well as one of them; a single new session is not."""
    assert "What this session could see" in check_html(explained_check())
    assert "What this session could see" not in check_html(session_check())

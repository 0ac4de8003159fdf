"""What a check says on the terminal, in Markdown, on its page, and to GitHub, GitLab and JUnit."""

import io
import json
import re
from xml.etree import ElementTree

import pytest
from check_reports import METRICS, check_report, failed_check, incomparable_check, launches, pandas_modules, quiet_check
from golden import assert_golden
from html_checks import fetched_by, read_page, text_of

from ocrprof.errors import OcrprofError
from ocrprof.renderers.check import render_check
from ocrprof.renderers.check_html import check_html
from ocrprof.renderers.check_markdown import check_markdown
from ocrprof.renderers.check_outputs import CHECK_FORMATS, parse_check_formats, write_check_outputs
from ocrprof.renderers.github import MAX_SUMMARY_BYTES, annotations, step_summary
from ocrprof.renderers.gitlab import code_quality_json
from ocrprof.renderers.junit import junit_xml
from ocrprof.results.model import Budget, CheckReport, FingerprintField, Launch, MetricSummary
from ocrprof.results.store import read_report

ALL = {
    "check": check_report,
    "check_failed": failed_check,
    "check_incomparable": incomparable_check,
    "check_quiet": quiet_check,
}


def on_terminal(report: CheckReport) -> str:
    stream = io.StringIO()
    render_check(report, stream=stream, color=False)
    return stream.getvalue()


@pytest.mark.parametrize("name", ALL)
def test_a_check_on_the_terminal_in_eighty_columns(name):
    text = on_terminal(ALL[name]())
    assert max(map(len, text.splitlines())) <= 80
    assert_golden(f"{name}_console.txt", text)


@pytest.mark.parametrize("name", ALL)
def test_a_check_in_markdown(name):
    assert_golden(f"{name}.md", check_markdown(ALL[name]()))


@pytest.mark.parametrize("name", ["check", "check_failed"])
def test_the_page_of_a_check_fetches_nothing_and_tells_all(name):
    root = read_page(check_html(ALL[name]()))
    assert fetched_by(root) == []
    assert_golden(f"{name}_html.txt", text_of(root))


def test_every_pair_is_a_dot_in_its_strip_and_every_metric_an_interval():
    root = read_page(check_html(check_report()))
    strips = [one for one in root.all("svg") if one.attributes.get("aria-label", "").endswith(": every pair")]
    assert [len(one.all("circle")) for one in strips] == [12, 12, 12, 12]
    intervals = [one for one in root.all("svg") if "%" in one.attributes.get("aria-label", "")]
    assert [len(one.all("circle")) for one in intervals] == [1, 1, 1, 1]
    power = next(one for one in root.all("svg", "curves"))
    heights = [float(point.split(",")[1]) for point in power.all("polyline")[0].attributes["points"].split()]
    assert heights[0] > 199  # no change is hardly ever confirmed
    assert heights == sorted(heights, reverse=True)


def test_a_pair_that_was_left_out_is_no_dot():
    stolen = [
        one.model_copy(update={"covariates": {"stolen_seconds": 0.5 * one.wall_seconds}}) if one.pair == 3 else one
        for one in launches()
    ]
    made = check_report(launches=stolen)
    assert "12 pairs, " in check_html(made)
    text = check_html(made.model_copy(update={"design": made.design.model_copy(update={"max_steal": 0.1})}))
    assert "11 pairs, " in text
    assert "12 pairs, " not in text.partition('id="pairs"')[2].partition("</section>")[0]


def test_a_pair_is_drawn_where_its_ratio_is():
    """The first metric's pairs are all about 12 % slower: all dots lie above the line of 5 %."""
    root = read_page(check_html(check_report()))
    strip = next(
        one for one in root.all("svg") if one.attributes.get("aria-label", "") == "time_to_first_step: every pair"
    )
    zero, five, ten = (float(line.attributes["y1"]) for line in strip.all("line"))
    dots = [float(dot.attributes["cy"]) for dot in strip.all("circle")]
    assert zero > five > ten
    assert max(dots) < five


def test_all_files_are_written_and_the_report_is_read_back(tmp_path):
    report, stream = check_report(), io.StringIO()
    summary = tmp_path / "summary.md"
    summary.write_text("of an earlier step\n")
    environ = {"GITHUB_STEP_SUMMARY": str(summary)}
    written = write_check_outputs(report, tmp_path / "out", formats=CHECK_FORMATS, environ=environ, stream=stream)
    names = ["report.json", "report.md", "report.html", "junit.xml", "codequality.json"]
    assert [file.name for file in written.files] == names
    assert written.page.name == "report.html"
    assert not written.notes
    assert read_report(tmp_path / "out") == report
    assert summary.read_text(encoding="utf-8").startswith("of an earlier step\n## REGRESSED: 1 regressed")
    assert stream.getvalue().splitlines() == annotations(report)


def test_a_summary_that_cannot_be_written_is_told_and_loses_nothing(tmp_path):
    stream = io.StringIO()
    for environ, told in (
        ({}, "GITHUB_STEP_SUMMARY is not set"),
        ({"GITHUB_STEP_SUMMARY": str(tmp_path)}, "Is a directory"),
    ):
        written = write_check_outputs(
            check_report(), tmp_path / "out", formats=["github"], environ=environ, stream=stream
        )
        assert told in written.notes[0]
    assert "::error" in stream.getvalue()
    assert (tmp_path / "out" / "report.json").exists()


def test_auto_writes_what_the_ci_system_at_hand_reads():
    files = ("json", "md", "html", "junit")
    assert parse_check_formats(None, environ={}) == files
    assert parse_check_formats("auto", environ={"GITHUB_ACTIONS": "true"}) == (*files, "github")
    assert parse_check_formats("auto", environ={"GITLAB_CI": "true"}) == (*files, "gitlab")
    assert parse_check_formats("junit, md", environ={}) == ("md", "junit")
    with pytest.raises(OcrprofError, match="no format is called 'xml'"):
        parse_check_formats("xml", environ={})


def cases(report: CheckReport) -> dict[str, ElementTree.Element]:
    suite = ElementTree.fromstring(junit_xml(report).encode()).find("testsuite")
    found = suite.findall("testcase")
    for outcome, name in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        assert int(suite.get(name)) == len(suite.findall(f"testcase/{outcome}"))
    assert int(suite.get("tests")) == len(found)
    return {case.get("name"): case for case in found}


def test_junit_has_a_case_for_each_metric_exact_metric_and_budget_that_decides():
    found = cases(check_report())
    assert list(found) == [
        "time_to_first_step_seconds",
        "step_median_seconds",
        "loader_samples_per_sec",
        "peak_pss_bytes",
        "modules",
        "parameters",
        "time_to_first_step<4.5s",
        "imports<=1.2*import:torch",
    ]
    outcomes = {name: case[0].tag for name, case in found.items()}
    assert [name for name, tag in outcomes.items() if tag == "failure"] == [
        "time_to_first_step_seconds",
        "modules",
        "time_to_first_step<4.5s",
    ]
    skipped = found["step_median_seconds"].find("skipped")
    assert "28 pairs would settle it" in skipped.get("message")
    assert "pandas: 310, first at ocr/data/table.py:3" in found["modules"].find("failure").text


def test_junit_of_a_check_that_could_not_be_made_is_an_error_with_what_the_program_said():
    (case,) = cases(failed_check()).values()
    assert "ImportError: no module named 'ocr.dta'" in case.find("error").text
    (case,) = cases(incomparable_check()).values()
    assert "AMD EPYC 7763" in case.find("error").text


def test_junit_takes_whatever_a_program_prints():
    launch = failed_check().launches[0].model_copy(update={"stderr_tail": ['\x00<&">\udc80]]>\x1b[31m', "ä\ufffe"]})
    (case,) = cases(failed_check().model_copy(update={"launches": [launch]})).values()
    assert '<&">]]>[31m' in case.find("error").text


def unescaped(text: str) -> str:
    return text.replace("%0D", "\r").replace("%0A", "\n").replace("%3A", ":").replace("%2C", ",").replace("%25", "%")


COMMAND = re.compile(r"::(?P<level>error|warning|notice) (?P<properties>[^:]*)::(?P<data>.*)")


def test_an_annotation_stands_at_the_line_that_imports_what_is_new():
    first = COMMAND.fullmatch(annotations(check_report())[0])
    properties = dict(pair.split("=") for pair in first["properties"].split(","))
    assert properties == {"file": "ocr/data/table.py", "line": "3", "title": "ocrprof%3A modules"}
    assert unescaped(first["data"]).startswith("+412 modules: pandas, pytz, dateutil, …, first imported at")


def test_annotations_are_escaped_by_the_rules_of_github():
    metric = METRICS[1].model_copy(update={"name": "a,b:c%d\ne_seconds", "reason": "50 %\r\nof, it: all"})
    report = quiet_check().model_copy(update={"metrics": [metric], "metric_infos": [], "mismatches": []})
    (command,) = annotations(report)
    match = COMMAND.fullmatch(command)
    assert match["properties"] == "title=ocrprof%3A a%2Cb%3Ac%25d e regressed"
    assert "\n" not in command
    assert "\r" not in command
    assert match["data"].startswith("a,b:c%25d e +11.8 %25 [+8.9, +14.6]")


def test_at_most_ten_errors_and_what_is_left_out_is_counted():
    budgets = [Budget(text=f"step_{number}<1s", value=2, limit=1, kept=False) for number in range(12)]
    report = quiet_check().model_copy(update={"budgets": budgets, "mismatches": []})
    found = [COMMAND.fullmatch(command) for command in annotations(report)]
    assert [match["level"] for match in found] == ["error"] * 10 + ["notice"]
    assert found[-1]["data"] == "2 more errors stand in the step summary and in report.md"


def test_a_summary_is_cut_at_the_cap_behind_a_line_and_says_so():
    fields = [
        FingerprintField(tier="warn", name=f"field_{number}", base="ä" * 50, candidate="ö" * 50)
        for number in range(2500)
    ]
    report = quiet_check().model_copy(update={"mismatches": fields})
    text = step_summary(report)
    assert len(check_markdown(report).encode()) > MAX_SUMMARY_BYTES
    assert MAX_SUMMARY_BYTES - 400 < len(text.encode()) <= MAX_SUMMARY_BYTES
    assert text.startswith("## ok")
    *kept, _, notice = text.rstrip("\n").split("\n")
    assert notice.startswith("*Cut here")
    assert set(check_markdown(report).splitlines()) >= {line for line in kept if line}


def test_a_cut_closes_the_fence_that_it_falls_into():
    launch = failed_check().launches[0].model_copy(update={"stderr_tail": ["x" * 400] * 8})
    report = failed_check().model_copy(update={"launches": [launch]})
    text = step_summary(report, max_bytes=2000)
    assert len(text.encode()) <= 2000
    assert text.count("```") == 2


def test_a_short_summary_is_the_whole_markdown():
    assert step_summary(check_report()) == check_markdown(check_report())


def test_code_quality_for_gitlab_has_what_fails_first_with_stable_fingerprints():
    issues = json.loads(code_quality_json(check_report()))
    assert [(one["check_name"], one["severity"]) for one in issues] == [
        ("ocrprof:modules", "major"),
        ("ocrprof:time_to_first_step_seconds", "major"),
        ("ocrprof:step_median_seconds", "info"),
        ("ocrprof:budget time_to_first_step<4.5s", "major"),
    ]
    assert issues[0]["location"] == {"path": "ocr/data/table.py", "lines": {"begin": 3}}
    assert issues[1]["location"] == {"path": "train.py", "lines": {"begin": 1}}
    other = check_report(metrics=[one.model_copy(update={"ratio": 1.3}) for one in METRICS])
    again = json.loads(code_quality_json(other))
    assert [one["fingerprint"] for one in again] == [one["fingerprint"] for one in issues]
    assert len({one["fingerprint"] for one in issues}) == len(issues)
    assert json.loads(code_quality_json(quiet_check())) == []


def test_only_metrics_that_are_gated_decide():
    told = METRICS[4].model_copy(update={"ratio": 2.0})
    report = quiet_check().model_copy(update={"metrics": [told]})
    assert annotations(report.model_copy(update={"mismatches": []})) == []
    assert "Told, not judged" in on_terminal(check_report(metrics=[told]))


def test_an_inconclusive_check_says_how_many_pairs_would_settle_it():
    text = on_terminal(check_report(verdict="inconclusive", metrics=METRICS[:1], exact=[], budgets=[]))
    assert "--pairs 10:28" in text


def test_pairs_that_were_run_already_are_not_what_would_settle_it():
    enough = [METRICS[0].model_copy(update={"pairs_needed": 10, "reason": None})]
    text = " ".join(on_terminal(check_report(verdict="inconclusive", metrics=enough, exact=[], budgets=[])).split())
    assert "would settle" not in text
    assert "12 pairs, as many as this noise asks for, left it open: `--pairs 24:24`" in text


def test_a_check_that_was_cut_short_makes_no_guess_at_how_many_pairs_it_takes():
    few = [METRICS[0].model_copy(update={"n": 2, "pairs_needed": 548, "reason": None})]
    text = " ".join(on_terminal(check_report(verdict="inconclusive", metrics=few, exact=[], budgets=[])).split())
    assert "548" not in text
    assert "2 pairs are too few to know the noise by: 10 tell how many it takes. " in text


def test_of_two_states_that_do_unlike_work_neither_is_to_be_run_alone():
    unlike = failed_check().model_copy(update={"launches": []})
    text = " ".join(on_terminal(unlike).split())
    assert "run it alone" not in text
    assert "give both the same data, batches and epochs" in text


def test_a_program_cannot_steer_the_terminal_or_the_page():
    launch = Launch(
        number=0, arm="base", pair=1, position=0, started="x", status="crashed", wall_seconds=1,
        stderr_tail=["\x1b]0;x\x07<script>alert(1)</script>"],
    )  # fmt: skip
    report = failed_check().model_copy(update={"launches": [launch], "headline": "<b>\x1b[2Jx</b>"})
    assert "\x1b" not in on_terminal(report)
    assert "<script>alert" not in check_html(report)
    assert "\\<b\\>" in check_markdown(report)


def test_groups_of_modules_are_packages_the_largest_first():
    lines = on_terminal(check_report()).splitlines()
    start = next(number for number, line in enumerate(lines) if line.strip().startswith("+ pandas: 310"))
    assert [line.split()[1].rstrip(":") for line in lines[start : start + 4]] == [
        "pandas",
        "pytz",
        "dateutil",
        "tzdata",
    ]
    assert len(pandas_modules()) == 412


def test_a_metric_without_figures_is_told_without_any():
    missing = MetricSummary(name="step_median_seconds", n=0, verdict="missing", reason="not measured in the base")
    report = check_report(verdict="not_comparable", exit_code=4, metrics=[missing], exact=[], budgets=[])
    assert "step_median: not measured in the base" in on_terminal(report)
    assert "MISSING" in check_markdown(report)
    assert read_page(check_html(report))


def test_a_pair_far_outside_is_a_hollow_dot_at_the_edge_and_the_others_stay_apart():
    found = launches()
    wild = [
        one.model_copy(update={"values": {**one.values, "time_to_first_step_seconds": 40.0}})
        if (one.arm, one.pair) == ("candidate", 6)
        else one
        for one in found
    ]
    root = read_page(check_html(check_report(launches=wild)))
    strip = next(one for one in root.all("svg") if one.attributes.get("aria-label") == "time_to_first_step: every pair")
    heights = [float(dot.attributes["cy"]) for dot in strip.all("circle")]
    hollow = [dot.attributes.get("class") == "hollow" for dot in strip.all("circle")]
    assert hollow[5]
    assert heights[5] == min(heights)
    assert max(heights) - sorted(heights)[2] > 10


def test_a_forbidden_import_is_annotated_at_the_line_that_makes_it():
    budget = Budget(text="no pandas before config", kept=False, reason="pandas is imported")
    report = check_report(budgets=[budget], metrics=[], mismatches=[])
    (command,) = (one for one in annotations(report) if "budget" in one)
    assert command.startswith("::error file=ocr/data/table.py,line=3,")
    issue = next(one for one in json.loads(code_quality_json(report)) if "budget" in one["check_name"])
    assert issue["location"] == {"path": "ocr/data/table.py", "lines": {"begin": 3}}

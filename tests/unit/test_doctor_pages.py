"""The pages of an examination: golden text, their width, and what they do with hostile or missing facts."""

import io
import re

import pytest
from doctor_reports import doctor_report, interpreter, mount, processors, resources, sick_report
from golden import assert_golden
from html_checks import fetched_by, read_page
from html_checks import text_of as words_of

from ocrprof.findings import judge
from ocrprof.renderers.doctor import doctor_markdown, render_doctor
from ocrprof.renderers.doctor_facts import sections
from ocrprof.renderers.html_doctor import doctor_html
from ocrprof.renderers.pages import write_pages
from ocrprof.renderers.places import num_cells
from ocrprof.results.doctor import PathEntry
from ocrprof.results.model import DoctorReport, TargetInfo
from ocrprof.results.store import json_schema, read_report

REPORTS = {"doctor": doctor_report, "doctor_sick": sick_report}


def text_of(report: DoctorReport, *, color: bool = False, width: int = 80) -> str:
    stream = io.StringIO()
    render_doctor(judge(report), stream=stream, color=color, width=width)
    return stream.getvalue()


@pytest.mark.parametrize("name", REPORTS)
def test_the_summary_is_the_committed_text(name):
    assert_golden(f"{name}_console.txt", text_of(REPORTS[name]()))


@pytest.mark.parametrize("name", REPORTS)
def test_the_page_is_the_committed_text(name):
    assert_golden(f"{name}.md", doctor_markdown(judge(REPORTS[name]())))


@pytest.mark.parametrize("width", [80, 100, 120])
def test_no_line_is_wider_than_the_terminal(width):
    long = "/data/" + "팀/" * 20 + "a_rather_long_directory_name/" * 6
    report = sick_report().model_copy(
        update={
            "target": TargetInfo(argv=[f"{long}bin/python"], cwd=long),
            "mounts": [mount("project", path=long, mount_point=long, file_system="fuse.a-very-long-type")],
            "interpreter": interpreter(path=[PathEntry(path=long, exists=False)], executable=long),
        }
    )
    assert max(num_cells(line) for line in text_of(report, width=width).splitlines()) <= width


def test_names_of_files_cannot_steer_the_terminal():
    hostile = "a\n\x1b]0;title\x07b\x9b2J"
    report = doctor_report(
        mounts=[mount("project", path=hostile)],
        interpreter=interpreter(path=[PathEntry(path=hostile, exists=False)]),
        not_read=[hostile],
    )
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", text_of(report))


def test_color_changes_no_text():
    assert re.sub(r"\x1b\[[0-9;]*m", "", text_of(sick_report(), color=True)) == text_of(sick_report())


def test_a_terminal_without_unicode_gets_the_same_figures():
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    render_doctor(judge(sick_report()), stream=stream, color=False)
    stream.flush()
    assert "a parallel loop takes 427 us, not 94.0 us" in " ".join(raw.getvalue().decode("ascii").split())


def test_what_is_not_there_is_said_and_not_drawn():
    blind = doctor_report(
        processors=processors(others_busy_cores=None, load_average=None, pressure={}, num_affinity=None),
        resources=resources(shared_memory_bytes=None, shared_memory_free_bytes=None, max_open_files_hard=None),
        mounts=[mount("data", file_system="unknown", mount_point="/", error="Permission denied", num_files=0,
                      stat_first_seconds=[], stat_again_seconds=[], read_first_seconds=[], read_again_seconds=[],
                      bulk_bytes=0, bulk_seconds=None, bulk_cached_share=None)],
        not_read=["pressure (PSI): /proc/pressure is not there or not readable"],
    )  # fmt: skip
    text = text_of(blind)
    assert "pressure (PSI): /proc/pressure is not there" in text
    assert "Permission denied" in text
    assert "may be raised to no limit" in text
    assert "/dev/shm" not in text


@pytest.mark.parametrize("name", ["doctor", "doctor_sick"])
def test_the_html_page_tells_each_finding_and_each_fact_and_fetches_nothing(name):
    report = judge(REPORTS[name]())
    root = read_page(doctor_html(report))
    assert fetched_by(root) == []
    assert [card.one("h3").text.replace("`", "") for card in root.all("li") if card.all("span", "badge")] == [
        " ".join(one.title.replace("`", "").split()) for one in report.findings
    ]
    told = words_of(root)
    for section in sections(report):
        assert section.heading in told
        for label, words in section.rows:
            assert f"{label} {' '.join(words.split())}".strip() in told
    assert len([row for row in root.all("tr") if row.all("td")]) == len(report.mounts)


def test_an_examination_is_written_and_read_back(tmp_path):
    report = judge(sick_report())
    page = write_pages(report, tmp_path)
    assert page.name == "report.html"
    assert {one.name for one in tmp_path.iterdir()} == {"report.html", "report.json", "report.md"}
    assert read_report(tmp_path) == report
    assert "DoctorReport" in json_schema()["$defs"]

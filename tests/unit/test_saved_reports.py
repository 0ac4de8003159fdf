"""Reports written by earlier versions still load, and are judged and drawn as those of today."""

import io
from pathlib import Path

import pytest
from html_checks import fetched_by, read_page

from ocrprof.findings import judge
from ocrprof.renderers.ablation import render_ablation
from ocrprof.renderers.check import render_check
from ocrprof.renderers.compare import render_comparison
from ocrprof.renderers.console import render_baseline, render_startup
from ocrprof.renderers.doctor import render_doctor
from ocrprof.renderers.history import render_history
from ocrprof.renderers.markdown import MAX_STARTUP_LINES
from ocrprof.renderers.pages import write_pages
from ocrprof.renderers.sweep_workers import render_sweep
from ocrprof.results.model import (
    AblationReport,
    BaselineReport,
    CheckReport,
    ComparisonReport,
    DoctorReport,
    HistoryReport,
    StartupReport,
    SweepReport,
)
from ocrprof.results.store import read_report

ROOT = Path(__file__).parents[2]
# `first_*`: as the first version that had the kind wrote it.
SAVED = [*sorted((ROOT / "tests/golden/saved").glob("*.json")), *sorted(ROOT.glob("reports/*/report.json"))]
DRAWN = {
    StartupReport: render_startup,
    BaselineReport: render_baseline,
    DoctorReport: render_doctor,
    CheckReport: render_check,
    ComparisonReport: render_comparison,
    AblationReport: render_ablation,
    SweepReport: render_sweep,
    HistoryReport: render_history,
}


@pytest.mark.parametrize("file", SAVED, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_a_saved_report_loads_and_is_drawn(file, tmp_path):
    report = judge(read_report(file))
    summary = io.StringIO()
    DRAWN[type(report)](report, stream=summary, color=False)
    assert len(summary.getvalue().splitlines()) > 10
    page = write_pages(report, tmp_path)
    assert fetched_by(read_page(page.read_text(encoding="utf-8"))) == []
    markdown = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert markdown
    if isinstance(report, StartupReport):
        assert markdown.count("\n") <= MAX_STARTUP_LINES
    assert judge(read_report(tmp_path)) == report


def test_every_kind_of_report_has_a_saved_one():
    assert {type(read_report(file)) for file in SAVED} == set(DRAWN)

"""The files of a report: `report.json` and the pages drawn from it."""

from pathlib import Path

from ocrprof.renderers.ablation import ablation_html, ablation_markdown
from ocrprof.renderers.check_html import check_html
from ocrprof.renderers.check_markdown import check_markdown
from ocrprof.renderers.compare_html import comparison_html
from ocrprof.renderers.compare_markdown import comparison_markdown
from ocrprof.renderers.doctor import doctor_markdown
from ocrprof.renderers.history import history_markdown
from ocrprof.renderers.history_html import history_html
from ocrprof.renderers.html import baseline_html, startup_html
from ocrprof.renderers.html_doctor import doctor_html
from ocrprof.renderers.markdown import baseline_markdown, startup_markdown
from ocrprof.renderers.sweep_workers_html import sweep_html
from ocrprof.renderers.sweep_workers_markdown import sweep_markdown
from ocrprof.results.model import (
    AblationReport,
    AnyReport,
    BaselineReport,
    CheckReport,
    ComparisonReport,
    DoctorReport,
    HistoryReport,
    StartupReport,
    SweepReport,
)
from ocrprof.results.store import write_report, write_text


def write_pages(report: AnyReport, folder: Path) -> Path:
    """The page to open first, of `report.json`, `report.md` and `report.html`; over what was in `folder`."""
    write_report(report, folder)
    if isinstance(report, DoctorReport):
        markdown, html = doctor_markdown(report), doctor_html(report)
    elif isinstance(report, AblationReport):
        markdown, html = ablation_markdown(report), ablation_html(report)
    elif isinstance(report, CheckReport):
        markdown, html = check_markdown(report), check_html(report)
    elif isinstance(report, ComparisonReport):
        markdown, html = comparison_markdown(report), comparison_html(report)
    elif isinstance(report, HistoryReport):
        markdown, html = history_markdown(report), history_html(report)
    elif isinstance(report, SweepReport):
        markdown, html = sweep_markdown(report), sweep_html(report)
    elif isinstance(report, StartupReport):
        markdown, html = startup_markdown(report), startup_html(report)
    elif isinstance(report, BaselineReport):
        markdown, html = baseline_markdown(report), baseline_html(report)
    else:
        raise TypeError(f"no pages are drawn of a {report.kind} report")
    write_text(markdown, folder / "report.md")
    return write_text(html, folder / "report.html")

"""The files of a report: `report.json` and the pages drawn from it."""

from pathlib import Path

from ocrprof.renderers.html import baseline_html, startup_html
from ocrprof.renderers.markdown import baseline_markdown, startup_markdown
from ocrprof.results.model import Report, StartupReport
from ocrprof.results.store import write_report, write_text


def write_pages(report: Report, folder: Path) -> None:
    """Writes `report.json`, `report.md` and `report.html` into `folder`, over what was there."""
    write_report(report, folder)
    if isinstance(report, StartupReport):
        markdown, html = startup_markdown(report), startup_html(report)
    else:
        markdown, html = baseline_markdown(report), baseline_html(report)
    write_text(markdown, folder / "report.md")
    write_text(html, folder / "report.html")

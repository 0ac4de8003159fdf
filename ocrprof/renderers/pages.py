"""The files of a report: `report.json` and the pages drawn from it."""

from pathlib import Path

from ocrprof.renderers.markdown import baseline_markdown, startup_markdown
from ocrprof.results.model import Report, StartupReport
from ocrprof.results.store import write_report, write_text


def write_pages(report: Report, folder: Path) -> None:
    """Writes `report.json` and `report.md` into `folder`, over what was there."""
    write_report(report, folder)
    markdown = startup_markdown(report) if isinstance(report, StartupReport) else baseline_markdown(report)
    write_text(markdown, folder / "report.md")

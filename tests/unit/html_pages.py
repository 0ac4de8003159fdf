"""Starts with all that a page can show of imports and processes."""

from reports_fixture import startup_report

from ocrprof.results.model import ImportRow, Location, Segment, StartupReport


def imported(module: str, start: float, seconds: float, *, self_seconds: float, depth: int = 0) -> ImportRow:
    return ImportRow(
        module=module,
        self_seconds=self_seconds,
        inclusive_seconds=seconds,
        start_seconds=start,
        route="statement",
        importer=Location(file="/home/ana/ocr/train.py", line=7),
        phase="imports",
        pid=100,
        depth=depth,
    )


IMPORTS = [
    imported("lightning", 1.0, 9.0, self_seconds=1.0),
    imported("torch", 2.0, 8.0, self_seconds=3.0, depth=1),
    imported("torch.nn", 3.0, 5.0, self_seconds=5.0, depth=2),
    imported("timm", 10.0, 1.0, self_seconds=1.0),
]
TIMELINE = [
    Segment(pid=100, phase="interpreter", start_seconds=0, seconds=0.09),
    Segment(pid=100, phase="imports", start_seconds=0.09, seconds=21.9),
    Segment(pid=100, phase="unattributed", start_seconds=21.99, seconds=1.0),
    Segment(pid=100, phase="model", start_seconds=22.99, seconds=51.3),
    Segment(pid=101, phase="imports", start_seconds=58.3, seconds=3.4),
]


def full_startup(**changes: object) -> StartupReport:
    """A start with all that a page can show."""
    return startup_report(imports=IMPORTS, timeline=TIMELINE, **changes)

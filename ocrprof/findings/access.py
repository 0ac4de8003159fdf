"""`dataset-scan` and `network-wait`, from what level full counts.

`dataset-scan`: files opened, or folders listed, one after another while a data set is built or set up. Its seconds run
from the first to the last of them, with what is done to each in between: reading and parsing it. `network-wait`:
connecting and looking up names, measured; waiting for answers is not seen.
"""

from collections.abc import Collection, Sequence

from ocrprof.findings.judging import bare, finding, start_seconds, working
from ocrprof.results.model import FileScan, Finding, StartupReport
from ocrprof.units import format_seconds

_MIN_SECONDS = 0.2
_MIN_SHARE = 0.03
_MIN_SHARE_OF_SCANS = 0.005
_MIN_ACCESSES = 100
_BUILDS_DATA = ("dataset.init", "datamodule.init", "data.prepare", "data.setup")


def dataset_scans(report: StartupReport) -> list[Finding]:
    """One finding for each kind of construction in which many files were opened or folders listed."""
    of_seconds = start_seconds(report)
    found = []
    for kind in _BUILDS_DATA:
        scans = [scan for scan in report.file_scans if scan.during == kind]
        seconds, accesses = sum(scan.seconds for scan in scans), sum(scan.num_accesses for scan in scans)
        if accesses >= _MIN_ACCESSES and seconds >= max(_MIN_SECONDS, _MIN_SHARE_OF_SCANS * of_seconds):
            found.append(_scan(kind, scans, report, of_seconds))
    return found


def _scan(kind: str, scans: Sequence[FileScan], report: StartupReport, of_seconds: float) -> Finding:
    rows = [row for row in report.file_access if row.during == kind]
    built = [row for row in report.constructions if row.kind == kind]
    longest = max(built, key=lambda row: row.self_seconds, default=None)
    who = bare(longest.name) if longest is not None else kind
    opened, listed = sum(row.num_opened for row in rows), sum(row.num_listed for row in rows)
    return finding(
        "dataset-scan",
        f"{who} opens {opened} files and lists {listed} folders before training ({kind})",
        seconds=sum(scan.seconds for scan in scans),
        of_seconds=of_seconds,
        location=scans[0].location or (longest.location if longest is not None else None),
        evidence={
            "opened": opened,
            "listed": listed,
            "folders": list(dict.fromkeys(scan.folder for scan in scans))[:3],
            "each_seconds": sum(scan.seconds for scan in scans) / sum(scan.num_accesses for scan in scans),
        },
        intervals=working(scans),
        advice=f"Most of them are in `{scans[0].folder}`: keep one index file of names and labels beside the data,"
        " written once, and open an item's own file in `__getitem__`.",
    )


def network_waits(report: StartupReport) -> list[Finding]:
    """At most one finding: time spent on connecting and looking up names."""
    of_seconds = start_seconds(report)
    seconds = sum(row.seconds for row in report.network)
    if seconds < max(_MIN_SECONDS, _MIN_SHARE * of_seconds):
        return []
    slowest = report.network[0]
    return [
        finding(
            "network-wait",
            f"Connecting and looking up names takes {format_seconds(seconds)}",
            seconds=seconds,
            of_seconds=of_seconds,
            evidence={"hosts": [row.host for row in report.network], "phases": [row.phase for row in report.network]},
            intervals=_while_in([row.phase for row in report.network], report),
            advice=f"`{slowest.host}` takes {format_seconds(slowest.seconds)} (phase {slowest.phase}): work from files"
            " that are there already (`HF_HUB_OFFLINE=1`, `WANDB_MODE=offline`, local weights), or connect after the"
            " first step.",
        )
    ]


def _while_in(phases: Collection[str], report: StartupReport) -> list[tuple[float, float]]:
    """When the main process was in these phases: nearer than that it is not recorded when it waited."""
    pid = report.imports[0].pid if report.imports else None
    pieces = [one for one in report.timeline if one.phase in phases and pid in (None, one.pid)]
    return [(one.start_seconds, one.start_seconds + one.seconds) for one in pieces]

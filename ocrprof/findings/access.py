"""`dataset-scan` and `network-wait`, from what level full counts.

`dataset-scan`: many files opened, or folders listed, while a data set is built or set up. Its seconds are all that the
constructor spent on work of its own, without imports and without what it built: reading is the part that the counts
speak for. `network-wait`: connecting and looking up names, measured; waiting for answers is not seen.
"""

from ocrprof.findings.judging import bare, finding, start_seconds
from ocrprof.results.model import Finding, StartupReport
from ocrprof.units import format_seconds

_MIN_SECONDS = 0.2
_MIN_SHARE = 0.03
_MIN_ACCESSES = 500
_BUILDS_DATA = ("dataset.init", "datamodule.init", "data.prepare", "data.setup")


def dataset_scans(report: StartupReport) -> list[Finding]:
    """One finding for each kind of construction in which many files were opened or folders listed."""
    of_seconds = start_seconds(report)
    found = []
    for kind in _BUILDS_DATA:
        rows = [row for row in report.file_access if row.during == kind]
        opened, listed = sum(row.num_opened for row in rows), sum(row.num_listed for row in rows)
        built = [row for row in report.constructions if row.kind == kind]
        seconds = sum(row.self_seconds for row in built)
        if opened + listed < _MIN_ACCESSES or seconds < max(_MIN_SECONDS, _MIN_SHARE * of_seconds):
            continue
        longest = max(built, key=lambda row: row.self_seconds)
        folder = rows[0].folder
        found.append(
            finding(
                "dataset-scan",
                f"{bare(longest.name)} opens {opened} files and lists {listed} folders before training ({kind})",
                seconds=seconds,
                of_seconds=of_seconds,
                location=longest.location,
                evidence={"opened": opened, "listed": listed, "folders": [row.folder for row in rows[:3]]},
                advice=f"Most of them are in `{folder}`: keep one index file of names and labels beside the data,"
                " written once, and open an item's own file in `__getitem__`.",
            )
        )
    return found


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
            advice=f"`{slowest.host}` takes {format_seconds(slowest.seconds)} (phase {slowest.phase}): work from files"
            " that are there already (`HF_HUB_OFFLINE=1`, `WANDB_MODE=offline`, local weights), or connect after the"
            " first step.",
        )
    ]

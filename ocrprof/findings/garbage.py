"""`garbage-collection`: the collector going through all that imports have made, again and again while they go on."""

from ocrprof.findings.judging import finding, place, start_seconds
from ocrprof.results.import_graph import owner_of_file
from ocrprof.results.model import Finding, ImportRow, StartupReport

_MIN_SECONDS = 0.2
_MIN_SHARE = 0.03


def collected_while_loading(report: StartupReport) -> list[Finding]:
    """At most one finding: what collections took inside module loads, and the program's line that led to most loads.

    Modules, functions and classes stay alive, so that next to nothing is freed: the collections are for nothing.
    """
    conditions, of_seconds = report.import_conditions, start_seconds(report)
    if conditions is None or conditions.collecting_seconds < max(_MIN_SECONDS, _MIN_SHARE * of_seconds):
        return []
    longest = _longest_import(report)
    where = f" ({place(longest.importer, cwd=report.target.cwd)})" if longest and longest.importer else ""
    what = f"`import {longest.module}`{where} and the other heavy imports" if longest else "the heavy imports"
    return [
        finding(
            "garbage-collection",
            f"Garbage is collected {conditions.collections} times while modules load, to free next to nothing",
            seconds=conditions.collecting_seconds,
            of_seconds=of_seconds,
            location=longest.importer if longest else None,
            evidence={"collections": conditions.collections},
            advice=f"Call `gc.disable()` before {what}, then `gc.freeze()` and"
            " `gc.enable()`: what they made is never gone through again, and forked loading processes share it.",
        )
    ]


def _longest_import(report: StartupReport) -> ImportRow | None:
    """The longest load that a line of the program asked for, other than the program's own start."""
    asked = [
        row
        for row in report.imports
        if row.importer is not None
        and row.importer.file.startswith("/")
        and owner_of_file(row.importer.file) == "program"
    ]
    return max(asked, key=lambda row: row.inclusive_seconds, default=None)

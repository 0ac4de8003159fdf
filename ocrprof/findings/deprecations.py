"""`deprecated-module`: a module that warns of its own deprecation when it is loaded is still imported.

The seconds are those of all that only it leads to. Told are modules that a line of the program imports, which that line
can stop doing, and costly ones that a library imports, where only another version of the library helps.
"""

from ocrprof.findings.judging import finding, loading, place, start_seconds
from ocrprof.results.model import DeprecatedModule, Finding, StartupReport

_MIN_SECONDS = 0.02
_MIN_SECONDS_OF_LIBRARIES = 0.2


def deprecated_modules(report: StartupReport) -> list[Finding]:
    """One finding for each such module that takes long enough."""
    return [
        _finding(one, report)
        for one in report.deprecated_modules
        if one.seconds >= (_MIN_SECONDS if one.by_program else _MIN_SECONDS_OF_LIBRARIES)
    ]


def _finding(one: DeprecatedModule, report: StartupReport) -> Finding:
    cwd = report.target.cwd
    lines = [place(hop.location, cwd=cwd) if hop.location else hop.module for hop in one.importers]
    more = f", and {one.num_modules - 1} modules that only it loads," if one.num_modules > 1 else ""
    where = ", ".join(lines[:4]) + (f" and {len(lines) - 4} more lines" if len(lines) > 4 else "")
    if one.by_program:
        how = f"Import at {where} what the warning names instead: {one.module}{more} is then not loaded at all."
    else:
        how = (
            f"It is {one.importers[0].module} that imports it ({where}): look for a version of that which does not,"
            f" or for an import of yours that need not lead there (--why {one.module})."
        )
    return finding(
        "deprecated-module",
        f"{one.module} is still imported, and warns that it is deprecated",
        seconds=one.seconds,
        of_seconds=start_seconds(report),
        location=one.importers[0].location,
        evidence={
            "warning": f"{one.category}: {one.text}",
            "imported_at": lines[:6],
            "num_modules": one.num_modules,
            "phase": one.phase,
        },
        intervals=loading([row for row in report.imports if row.module == one.module][:1]),
        advice=how,
    )

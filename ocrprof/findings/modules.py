"""`late-import` and `duplicate-module`: modules of the program, or loaded by its lines, too late or twice.

A load is late in the sanity check and in the first batch or step: it holds up a loop that is already running. (Of what
follows the first step it is not known whether it still is training.) It is charged to the line of the program that
asked for it; what a library loads when it is called is left out, as the program cannot move it. A file is loaded twice
when its body ran under two names, the program's main file among them.
"""

from collections.abc import Sequence

from ocrprof.findings.judging import finding, loading, place, start_seconds
from ocrprof.results.model import Finding, ImportRow, Location, StartupReport
from ocrprof.units import format_seconds

_LATE = {
    "sanity_check": "the sanity check",
    "first_batch": "the fetch of the first batch",
    "first_step": "the first step",
}
_MIN_LATE_SECONDS = 0.1
_MIN_LATE_SHARE = 0.005
_MIN_TWICE_SECONDS = 0.02


def late_imports(report: StartupReport) -> list[Finding]:
    """One finding for each line of the program that imports something slow while training or validation runs."""
    of_seconds = start_seconds(report)
    program = _program(report)
    lines: dict[tuple[str, int, str], list[ImportRow]] = {}
    for row in report.imports:
        if row.importer is None or row.thread != 0 or row.phase not in _LATE or row.depth != 0:
            continue
        if _package(row.importer_module) in program:
            lines.setdefault((row.importer.file, row.importer.line, row.phase), []).append(row)
    found = []
    for rows in lines.values():
        seconds = sum(row.inclusive_seconds for row in rows)
        if seconds >= max(_MIN_LATE_SECONDS, _MIN_LATE_SHARE * of_seconds):
            found.append(_late(rows, seconds, report, of_seconds))
    return found


def duplicate_modules(report: StartupReport) -> list[Finding]:
    """One finding for each file of the program whose body ran again under another name."""
    program = _program(report)
    by_file: dict[str, dict[str, ImportRow]] = {}
    for row in report.imports:
        if row.ok and row.kind == "source" and row.file is not None and _package(row.module) in program:
            by_file.setdefault(row.file, {}).setdefault(row.module, row)
    main_file = next(
        (row.importer.file for row in report.imports if row.importer_module == "__main__" and row.importer), None
    )
    found = []
    for file, rows in by_file.items():
        names = [*(["__main__"] if file == main_file else []), *rows]
        again = list(rows.values())[0 if file == main_file else 1 :]
        seconds = sum(row.self_seconds for row in again)
        if again and seconds >= _MIN_TWICE_SECONDS:
            found.append(_twice(file, names, again, seconds, report))
    return found


def _late(rows: Sequence[ImportRow], seconds: float, report: StartupReport, of_seconds: float) -> Finding:
    modules = " and ".join(f"`{row.module}`" for row in rows)
    during = _LATE[rows[0].phase]
    at = place(rows[0].importer, cwd=report.target.cwd) if rows[0].importer else "there"
    return finding(
        "late-import",
        f"{modules} is imported during {during}, which waits {format_seconds(seconds)} for it",
        seconds=seconds,
        of_seconds=of_seconds,
        location=rows[0].importer,
        evidence={
            "modules": [row.module for row in rows],
            "phase": rows[0].phase,
            "claims": f"the wait falls out of {during}; the load itself is paid once, wherever it stands",
        },
        effect="moves",
        intervals=loading(rows),
        advice=f"Move the import at {at} to where the run is set up (the head of the file, or `setup()`), so that"
        f" no loop waits for it; or leave it out, if the run does not need it.",
    )


def _twice(
    file: str, names: Sequence[str], again: Sequence[ImportRow], seconds: float, report: StartupReport
) -> Finding:
    cwd = report.target.cwd
    asked = [place(row.importer, cwd=cwd) for row in again if row.importer]
    listed = " and ".join(f"`{name}`" for name in names)
    return finding(
        "duplicate-module",
        f"{place(Location(file=file, line=1), cwd=cwd)[:-2]} is loaded {len(names)} times, as {listed}",
        seconds=seconds,
        of_seconds=start_seconds(report),
        location=again[0].importer or Location(file=file, line=1),
        evidence={"names": list(names), "file": file, "asked_at": asked},
        intervals=loading(again),
        advice=f"Import it by one name ({names[0]!r} came first) and take the second way in out of `sys.path`: its body"
        f" runs again for {format_seconds(seconds)}, and its classes and globals exist {len(names)} times.",
    )


def _program(report: StartupReport) -> set[str]:
    return {"__main__", *(row.package for row in report.packages if row.owner == "program")}


def _package(module: str | None) -> str:
    return (module or "").partition(".")[0]

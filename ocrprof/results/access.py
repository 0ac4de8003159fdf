"""Files, folders and hosts that a start touched, by phase: counted at level full only."""

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from ocrprof.records import ProcessRecords
from ocrprof.results.model import FileAccess, FileScan, Location, NetworkWait
from ocrprof.results.phases import PHASE_OF_SPAN


def build_file_access(process: ProcessRecords) -> list[FileAccess]:
    """One row for each folder and span, most accesses first; empty at level light."""
    rows = [
        FileAccess(
            phase=_phase(span, loading=opened + listed == 0),
            during=span or None,
            folder=_absolute(folder, process.cwd),
            num_opened=opened,
            num_listed=listed,
            num_by_imports=by_imports,
        )
        for span, folder, (opened, listed, by_imports) in _counts(process, "files")
    ]
    return sorted(rows, key=lambda row: -(row.num_opened + row.num_listed + row.num_by_imports))


def build_file_scans(process: ProcessRecords, *, spawn_ns: int) -> list[FileScan]:
    """The longest first; empty at level light."""
    rows = [
        FileScan(
            phase=_phase(during, loading=False),
            during=during or None,
            folder=_absolute(folder, process.cwd),
            num_accesses=number,
            start_seconds=(start_ns - spawn_ns) / 1e9,
            seconds=(last_ns - start_ns) / 1e9,
            location=None if by is None else Location(file=by[0], line=by[1]),
        )
        for during, folder, start_ns, last_ns, number, by in process.totals.get("access", {}).get("scans", [])
    ]
    return sorted(rows, key=lambda row: -row.seconds)


def build_network(process: ProcessRecords) -> list[NetworkWait]:
    """One row for each host and span, the longest wait first; empty at level light."""
    rows = [
        NetworkWait(
            phase=_phase(span, loading=False),
            host=host,
            num_connections=connected,
            num_lookups=looked_up,
            seconds=waited_ns / 1e9,
        )
        for span, host, (connected, looked_up, waited_ns) in _counts(process, "hosts")
    ]
    return sorted(rows, key=lambda row: -row.seconds)


def _counts(process: ProcessRecords, what: str) -> Iterator[tuple[str, str, Any]]:  # Any: three counts, as recorded
    totals = process.totals.get("access", {}).get(what, {})
    return ((span, place, counts) for span, of_span in totals.items() for place, counts in of_span.items())


def _phase(span: str, *, loading: bool) -> str:
    """As `phases` has it; outside every span that decides, imports are `imports`."""
    if span == "fetch":
        return "first_batch"
    return PHASE_OF_SPAN.get(span, "imports" if loading else "unattributed")


def _absolute(folder: str, cwd: str) -> str:
    return folder if folder == "…" else str(PurePosixPath(cwd, folder))

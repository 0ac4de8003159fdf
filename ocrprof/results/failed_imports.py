"""Imports that failed: what trying them cost, by what was tried."""

from collections.abc import Sequence
from dataclasses import dataclass

from ocrprof.results.import_graph import enclosing, top_level
from ocrprof.results.model import ImportRow


@dataclass(frozen=True, slots=True)
class FailedImport:
    """All tries of one package. `cause` is the other package for want of which it failed; None: it was not found."""

    package: str
    error: str
    seconds: float
    count: int
    cause: str | None


def failed_imports(rows: Sequence[ImportRow]) -> list[FailedImport]:
    """One value for each package and error on the main thread, the longest first; seconds with all that a try loaded.

    `rows` in the order in which they began.
    """
    around = enclosing(rows)
    found: dict[tuple[str, str, str | None], list[float]] = {}
    for index, row in enumerate(rows):
        outer = around[index]
        if row.ok or row.thread != 0 or (outer is not None and not rows[outer].ok):
            continue
        key = (top_level(row.module), row.error or "", _cause(rows, index))
        found.setdefault(key, []).append(row.inclusive_seconds)
    failed = [
        FailedImport(package=package, error=error, seconds=sum(seconds), count=len(seconds), cause=cause)
        for (package, error, cause), seconds in found.items()
    ]
    return sorted(failed, key=lambda one: -one.seconds)


def _cause(rows: Sequence[ImportRow], index: int) -> str | None:
    """The package of the last load that failed inside this one with the same error, where that is another one."""
    row = rows[index]
    end_seconds = row.start_seconds + row.inclusive_seconds
    cause = None
    for inner in rows[index + 1 :]:
        if inner.start_seconds >= end_seconds:
            break
        if not inner.ok and inner.error == row.error and inner.thread == row.thread:
            cause = top_level(inner.module)
    return cause if cause != top_level(row.module) else None

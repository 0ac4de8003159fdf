"""Repeated calls, from the records of the run that counted them and of the one that timed them."""

from collections.abc import Iterable, Sequence
from typing import Any

from ocrprof.records import ProcessRecords
from ocrprof.results.mask import mask_text
from ocrprof.results.model import Location, RepeatedCalls

_MAX_CANDIDATES = 30
_MIN_NS = 5_000_000
_MAX_CALLERS = 3

Row = dict[str, Any]  # Any: one function as the recorder wrote it


def candidates(main: ProcessRecords) -> list[Row]:
    """The functions worth timing, of those that the counting run saw called again: by its inflated times."""
    rows: list[Row] = main.totals.get("call_counts", {}).get("rows", [])
    return [row for row in rows if row["ns"] >= _MIN_NS][:_MAX_CANDIDATES]


def num_functions(main: ProcessRecords) -> int:
    """How many functions of the program the counting run saw called."""
    return int(main.totals.get("call_counts", {}).get("functions", 0))


def wanted(rows: Iterable[Row]) -> str:
    """What the recorder is to time, as its setting OCRPROF_TIME_CALLS has it."""
    return "\n".join(f"{row['module']}:{row['line']}:{row['name']}" for row in rows)


def repeated_calls(counted: Sequence[Row], timed: ProcessRecords) -> list[RepeatedCalls]:
    """One entry for each of the counted functions, the longest first; those that could not be timed are the last."""
    by_place = {(row["module"], row["line"], row["name"]): row for row in timed.totals.get("timed_calls", [])}
    found = [_repeated(row, by_place.get((row["module"], row["line"], row["name"]))) for row in counted]
    return sorted(found, key=lambda one: -1.0 if one.seconds is None else one.seconds, reverse=True)


def _repeated(row: Row, timed: Row | None) -> RepeatedCalls:
    if timed is not None and not timed["calls"]:
        timed = None  # called only before it could be watched
    callers = sorted(timed["callers"] if timed else [], key=lambda caller: -caller[2])[:_MAX_CALLERS]
    return RepeatedCalls(
        function=f"{row['module']}.{row['qualname']}",
        is_method="." in row["qualname"],
        location=Location(file=row["file"], line=row["line"]),
        num_calls=timed["calls"] if timed else row["calls"],
        num_repeated=timed["again"] if timed else row["again"],
        seconds=timed["ns"] / 1e9 if timed else None,
        inside_seconds=timed["inside_ns"] / 1e9 if timed else 0.0,
        inside=timed["inside"] if timed else None,
        example=mask_text(row["example"]),
        callers=[Location(file=file, line=line) for file, line, _ in callers],
        spans={span: ns / 1e9 for span, ns in timed["spans"].items()} if timed else {},
    )

"""Hand-made records, times in milliseconds: the fixed input of the tests of phases, tables and loops."""

from pathlib import Path
from typing import Any

from ocrprof.records import End, Load, Mark, Open, ProcessRecords, Span

MS = 1_000_000
"""Nanoseconds; runs are spawned at 1000 ms of the clock, so that no moment is zero."""

SPAWN = 1000
SITE = "/venv/lib/python3.11/site-packages"


def ns(at_ms: float) -> int:
    """A moment, in milliseconds from the spawn."""
    return round((SPAWN + at_ms) * MS)


def span(name: str, start: float, end: float, *, thread: int = 0, loc: tuple[str, int] | None = None, **a: Any) -> Span:
    return Span(name, ns(start), ns(end), thread, loc, a)


def still_open(name: str, start: float, *, is_load: bool = False) -> Open:
    return Open(name, ns(start), 0, is_load, None, {})


def load(
    name: str,
    start: float,
    end: float,
    *,
    by: tuple[str, int] | None = ("/home/ana/train.py", 1),
    by_module: str | None = "__main__",
    self_ms: float | None = None,
    file: str | None = "",
    **changes: Any,
) -> Load:
    """A load that took `end - start`, all of it its own unless `self_ms` says less; of an installed module."""
    fields = {"route": "statement", "thread": 0, "depth": 0, "ok": True, "error": None, "kind": "source", **changes}
    return Load(
        name=name,
        start_ns=ns(start),
        end_ns=ns(end),
        self_ns=round((end - start if self_ms is None else self_ms) * MS),
        file=f"{SITE}/{name.replace('.', '/')}.py" if file == "" else file,
        by=by,
        by_module=by_module,
        **fields,
    )


def process(
    start: float = 10,
    *,
    marks: dict[str, float] | None = None,
    milestone: tuple[str, float] | None = None,
    end: float | None = None,
    pid: int = 100,
    parent_pid: int = 1,
    role: str = "main",
    **changes: Any,
) -> ProcessRecords:
    """What one process wrote; `marks` and `end` in milliseconds from the spawn."""
    return ProcessRecords(
        pid=pid,
        parent_pid=parent_pid,
        start_ns=ns(start),
        role=role,
        path=Path(f"{pid}.jsonl"),
        marks=tuple(Mark(name, ns(at), {}) for name, at in (marks or {}).items()),
        milestones=(Mark(milestone[0], ns(milestone[1]), {}),) if milestone else (),
        end=None if end is None else End(ns(end), "exit", 10, 0, 1000),
        **changes,
    )

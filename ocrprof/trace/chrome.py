"""A run as Chrome trace events, for https://ui.perfetto.dev and chrome://tracing.

Format: "Trace Event Format" (Google), JSON object form. Times are whole microseconds from the spawn: viewers turn them
into nanoseconds by floating point, and fractions could then cross.
"""

from collections.abc import Iterator
from typing import Any

from ocrprof.records import Mark
from ocrprof.trace.lanes import PHASES_THREAD, Lane, Lanes, Thread
from ocrprof.trace.nesting import Slice

Event = dict[str, Any]  # Any: one trace event, JSON values

_PID_LIMIT = 2**22
"""Linux gives no process a higher number (PID_MAX_LIMIT): where an exec has two lives of one pid, the second goes on
from here."""


def chrome_trace(lanes: Lanes, *, name: str) -> dict[str, Any]:  # Any: a JSON object
    """The trace file's content; one process lane a recorded process, in it the phases (if main) and the threads."""
    events: list[Event] = []
    taken: set[int] = set()
    for order, lane in enumerate(lanes.lanes):
        pid = lane.pid
        while pid in taken:
            pid += _PID_LIMIT
        taken.add(pid)
        events += _lane_events(lane, pid, order=order, spawn_ns=lanes.spawn_ns)
    about = {"command": name, "slices_cut_to_nest": lanes.num_cut, "slices_left_out": lanes.num_dropped}
    return {"traceEvents": events, "displayTimeUnit": "ms", "otherData": about}


def _lane_events(lane: Lane, pid: int, *, order: int, spawn_ns: int) -> Iterator[Event]:
    yield _named("process_name", pid, pid, name=f"{lane.title} · {lane.command}" if lane.command else lane.title)
    yield _named("process_sort_index", pid, pid, sort_index=order)
    for position, thread in enumerate(lane.threads):
        tid = _tid(thread, pid)
        yield _named("thread_name", pid, tid, name=thread.name)
        yield _named("thread_sort_index", pid, tid, sort_index=position)
        for one in thread.slices:
            yield _complete(one, pid, tid, spawn_ns=spawn_ns)
    for mark in lane.marks:
        yield _instant(mark, pid, spawn_ns=spawn_ns)


def _tid(thread: Thread, pid: int) -> int:
    """The main thread has its process's number, by which viewers know it; no number may be 0, the idle thread's."""
    if thread.number == 0:
        return pid
    first = pid + 2 * _PID_LIMIT
    return first if thread.number == PHASES_THREAD else first + thread.number


def _named(kind: str, pid: int, tid: int, **arguments: object) -> Event:
    return {"ph": "M", "name": kind, "pid": pid, "tid": tid, "ts": 0, "args": arguments}


def _complete(one: Slice, pid: int, tid: int, *, spawn_ns: int) -> Event:
    start_us, end_us = (one.start_ns - spawn_ns) // 1000, (one.end_ns - spawn_ns) // 1000
    event: Event = {"ph": "X", "name": one.name, "cat": one.category, "ts": start_us, "dur": end_us - start_us}
    arguments = dict(one.arguments)
    if one.file is not None:
        arguments["file"] = one.file if one.line is None else f"{one.file}:{one.line}"
    if one.cut_ns:
        arguments["cut_us"] = one.cut_ns // 1000
    return {**event, "pid": pid, "tid": tid, **({"args": arguments} if arguments else {})}


def _instant(mark: Mark, pid: int, *, spawn_ns: int) -> Event:
    at_us = (mark.at_ns - spawn_ns) // 1000
    return {"ph": "i", "name": mark.name, "cat": "mark", "ts": at_us, "pid": pid, "tid": pid, "s": "p"}

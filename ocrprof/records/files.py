"""Reads what recorded processes wrote: one file a process, one JSON object a line."""

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

from ocrprof.records.lines import READERS, Gathered
from ocrprof.records.model import Fields, Open, ProcessRecords, Span

_LOGGER = logging.getLogger(__name__)

VERSION = 1
"""Of the record format that is read here."""


def read_records(directory: Path) -> list[ProcessRecords]:
    """The processes that wrote into `directory`, in the order in which they started; none where it is missing."""
    processes = [process for path in sorted(directory.glob("*.jsonl")) if (process := read_process(path)) is not None]
    return sorted(processes, key=lambda process: process.start_ns)


def read_process(path: Path) -> ProcessRecords | None:
    """What one process wrote. A torn last line is left out; None where not even the first line can be read."""
    lines = path.read_bytes().splitlines()
    decoded = [_decode(line) for line in lines]
    fields = [one for one in decoded if one is not None]
    num_unreadable = len(decoded) - len(fields)
    if not fields or fields[0].get("k") != "process":
        _LOGGER.warning("%s holds no process record at its start and is left out", path)
        return None
    if fields[0].get("v") != VERSION:
        _LOGGER.warning("%s is of record format %s, not %d, and is left out", path, fields[0].get("v"), VERSION)
        return None
    if decoded and any(one is None for one in decoded[:-1]):
        _LOGGER.warning("%s: %d of %d lines are unreadable", path, num_unreadable, len(lines))
    return _gather(fields, path, num_unreadable)


def _decode(line: bytes) -> Fields | None:
    try:
        fields = json.loads(line)
    except ValueError:  # UnicodeDecodeError is one too: a line torn within a character
        return None
    if b"\\ud" in line:
        fields = _as_text(fields)
    return fields if isinstance(fields, dict) else None


def _as_text(value: Any) -> Any:  # Any: a decoded JSON value
    """The same with `\\xff` for each byte of a file's name that is no text, which no report could hold."""
    if isinstance(value, str):
        try:
            return value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        except UnicodeEncodeError:  # half of a pair, in a text of the program's own
            return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_as_text(one) for one in value]
    if isinstance(value, dict):
        return {key: _as_text(one) for key, one in value.items()}
    return value


def _gather(fields: list[Fields], path: Path, num_unreadable: int) -> ProcessRecords:
    gathered = Gathered()
    num_broken = 0
    for one in fields[1:]:
        reader = READERS.get(one.get("k", ""))
        if reader is None:
            continue  # a kind that a later recorder adds
        try:
            reader(gathered, one)
        except (KeyError, TypeError, ValueError) as error:
            num_broken += 1
            _LOGGER.warning("%s: a %s record lacks what it should hold: %r", path, one["k"], error)
    head = fields[0]
    return ProcessRecords(
        pid=head["pid"],
        parent_pid=head["ppid"],
        start_ns=head["start"],
        role=head["role"] if gathered.rank is None or gathered.world_size == 1 else "rank",
        path=path,
        born_ns=head.get("born"),
        argv=tuple(head.get("argv", ())),
        executable=head.get("executable", ""),
        python=head.get("python", ""),
        rank=head.get("rank") if gathered.rank is None else gathered.rank,
        world_size=gathered.world_size or head.get("world_size") or 1,
        cwd=head.get("cwd", ""),
        writes_bytecode=head.get("writes_bytecode", True),
        bytecode_folder=head.get("bytecode_folder"),
        modules_at_start=frozenset(head.get("modules", ())),
        loads=tuple(gathered.loads),
        waits=tuple(gathered.waits),
        spans=tuple(_with_device_times(gathered)),
        open=tuple(_still_open(gathered)),
        marks=tuple(gathered.marks),
        milestones=tuple(gathered.milestones),
        inserted=tuple(gathered.inserted),
        lazy=tuple(gathered.lazy),
        deprecations=tuple(gathered.deprecations),
        config=gathered.config,
        compositions=tuple(gathered.compositions),
        composed_values=gathered.composed_values,
        memory=gathered.memory,
        metrics=gathered.metrics,
        versions=gathered.versions,
        notes=tuple(gathered.notes),
        opened=tuple(gathered.opened),
        totals=gathered.totals,
        end=gathered.end,
        num_records=len(fields),
        num_unreadable=num_unreadable + num_broken,
    )


def _with_device_times(gathered: Gathered) -> list[Span]:
    """The spans; GPU times, which are known only when their batch is over, stand in the attributes of theirs."""
    if not gathered.device_ns:
        return gathered.spans
    spans = []
    for span in gathered.spans:
        device_ns = gathered.device_ns.get((span.name, span.start_ns))
        if device_ns is not None:
            span = replace(span, attributes={**span.attributes, "device": device_ns})
        spans.append(span)
    return spans


def _still_open(gathered: Gathered) -> list[Open]:
    if not gathered.begun:
        return []
    ended = {(False, span.name, span.start_ns, span.thread) for span in gathered.spans}
    ended |= {(True, load.name, load.start_ns, load.thread) for load in gathered.loads}
    # What another thread had loaded in the meantime ended as a wait.
    waits = {(wait.name, wait.thread): wait.start_ns for wait in gathered.waits}
    return [
        one
        for one in gathered.begun
        if (one.is_load, one.name, one.start_ns, one.thread) not in ended
        and not (one.is_load and waits.get((one.name, one.thread), 0) >= one.start_ns)
    ]

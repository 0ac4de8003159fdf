"""Histories on disk: one file for each fingerprint and metric set, one line a session, appended to and never rewritten.

Safe to keep as a cache or an artifact of a CI system: a writer that is killed costs its own line at most.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from ocrprof.errors import OcrprofError
from ocrprof.results.model import HISTORY_SCHEMA, HistoryLine

SUFFIX = ".jsonl"


@dataclass(frozen=True, kw_only=True)
class History:
    """The whole lines of one file, in the order in which they were added; `notes` of what could not be read."""

    path: Path
    lines: list[HistoryLine]
    notes: list[str]

    @property
    def refuse(self) -> dict[str, object]:
        """The fields of its fingerprint; empty where the line that held them is lost."""
        return next((line.refuse for line in self.lines if line.refuse is not None), {})


def history_path(folder: Path, line: HistoryLine) -> Path:
    """The file that a session belongs to."""
    return folder / f"{line.fingerprint}-{line.metric_set}{SUFFIX}"


def append_session(folder: Path, line: HistoryLine) -> bool:
    """Whether the session was new and is now in its file, which is made if need be; False of one that was there.

    Under a lock, in one write. The fingerprint's fields are written where the file does not hold them yet. Raises
    OcrprofError for what cannot be written or is no history.
    """
    path = history_path(folder, line)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(path) as descriptor:
            content = path.read_bytes()
            known = _parse(content, path)
            if any(one.id == line.id for one in known.lines):
                return False
            kept = line.model_copy(update={"refuse": None}) if known.refuse else line
            text = kept.model_dump_json(by_alias=True)
            # Behind a line that its writer did not finish, ours begins a new one.
            start = "\n" if content and not content.endswith(b"\n") else ""
            data = f"{start}{text}\n".encode()
            if os.write(descriptor, data) != len(data):
                raise OSError(None, "the disk is full")
            os.fsync(descriptor)
    except OSError as error:
        raise OcrprofError(
            f"cannot write {path}: {error.strerror or error}", hint="give another folder: --folder DIR"
        ) from error
    return True


def read_history(path: Path) -> History:
    """What a file holds. Lines that are cut off or damaged are left out, and noted.

    Raises OcrprofError for a file that cannot be read or is no history.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise OcrprofError(
            f"cannot read {path}: {error.strerror or error}", hint="`ocrprof history add REPORT` makes a history"
        ) from error
    return _parse(content, path)


def read_histories(folder: Path) -> list[History]:
    """Every history of a folder that holds a session, that with the latest one first.

    Raises OcrprofError where the folder is not there, and for a file that is no history.
    """
    if not folder.is_dir():
        raise OcrprofError(f"no history at {folder}", hint="`ocrprof history add REPORT` makes one; --folder DIR")
    found = [read_history(path) for path in sorted(folder.glob(f"*{SUFFIX}"))]
    return sorted(
        (history for history in found if history.lines),
        key=lambda history: max(line.created for line in history.lines),
        reverse=True,
    )


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """A descriptor that appends, while no other writer has the file."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def _parse(content: bytes, path: Path) -> History:
    lines: list[HistoryLine] = []
    notes: list[str] = []
    known: set[str] = set()
    damaged, num_rows = 0, 0
    for number, row in enumerate(content.split(b"\n"), start=1):
        if not row.strip():
            continue
        num_rows += 1
        try:
            fields = json.loads(row)
            schema = fields.get("schema") if isinstance(fields, dict) else None
            if schema != HISTORY_SCHEMA:
                raise OcrprofError(
                    f"{path} is no history: line {number} is not of schema {HISTORY_SCHEMA}",
                    hint="`ocrprof history add REPORT` takes reports, and makes histories of them",
                )
            line = HistoryLine.model_validate(fields)
        except (ValueError, ValidationError) as error:
            damaged += 1
            reason = f"{error.errors()[0]['msg']}" if isinstance(error, ValidationError) else "it is cut off or damaged"
            notes.append(f"line {number} of {path.name} is left out: {reason}")
            continue
        # Two caches that were joined may both have it.
        if line.id not in known:
            known.add(line.id)
            lines.append(line)
    if num_rows and damaged == num_rows > 1:
        raise OcrprofError(
            f"{path} is no history: none of its {num_rows} lines can be read", hint="is it another file?"
        )
    return History(path=path, lines=lines, notes=notes)

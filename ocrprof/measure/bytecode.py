"""Which modules a start compiled, what that took, and why their bytecode was not there."""

import os
from collections.abc import Sequence
from pathlib import Path

from ocrprof.records import ProcessRecords
from ocrprof.results.model import Compilation, ImportRow, Part


def describe_compilation(main: ProcessRecords, rows: Sequence[ImportRow]) -> Compilation | None:
    """Of the loads in `rows`; None where each found its bytecode. Looks at the folders as they are now."""
    compiled = [row for row in rows if row.compiled and row.thread == 0 and row.kind == "source" and row.file]
    if not compiled:
        return None
    seconds: dict[str, float] = {}
    for row in compiled:
        folder = _folder(row)
        seconds[folder] = seconds.get(folder, 0.0) + _seconds(row)
    return Compilation(
        num_modules=len(compiled),
        seconds=sum(seconds.values()),
        folders=[Part(name=name, seconds=seconds[name]) for name in sorted(seconds, key=lambda name: -seconds[name])],
        writes=main.writes_bytecode,
        prefix=main.bytecode_folder,
        num_unwritable=sum(not _is_writable(Path(row.file), main.bytecode_folder) for row in compiled if row.file),
    )


def _seconds(row: ImportRow) -> float:
    return row.parts.compile_seconds + row.parts.write_seconds


def _folder(row: ImportRow) -> str:
    """Where the top-level package lies: the modules of one tree share it."""
    file = Path(row.file or "")
    depth = row.module.count(".") + (1 if file.stem == "__init__" else 0)
    return str(file.parents[min(depth, len(file.parents) - 1)])


def _is_writable(file: Path, prefix: str | None) -> bool:
    """Whether the interpreter could write the bytecode of `file`, by the first folder on the way that exists."""
    folder = file.parent / "__pycache__" if prefix is None else Path(prefix) / file.parent.relative_to("/")
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return os.access(folder, os.W_OK)

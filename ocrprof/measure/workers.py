"""Reads, after the runs, the main module that workers ran again, for the lines that each of them ran."""

from collections.abc import Iterable
from pathlib import Path

from ocrprof.results.model import WorkerGroup
from ocrprof.results.workers import with_rerun_lines


def name_rerun_lines(groups: Iterable[WorkerGroup]) -> list[WorkerGroup]:
    """The groups with the text of these lines; a file that cannot be read or parsed leaves the recorded imports."""
    return [_named(group) for group in groups]


def _named(group: WorkerGroup) -> WorkerGroup:
    if group.main_file is None:
        return group
    try:
        return with_rerun_lines(group, Path(group.main_file).read_bytes().decode("utf-8"))
    except (OSError, ValueError, SyntaxError):
        return group

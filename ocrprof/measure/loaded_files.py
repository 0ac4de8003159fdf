"""On which file systems the loaded modules lie."""

from collections.abc import Sequence
from pathlib import Path

from ocrprof.measure.environment import file_system_of
from ocrprof.results.model import ImportRow, LoadedFrom

_INSTALLED = ("site-packages", "dist-packages")


def describe_loaded_files(rows: Sequence[ImportRow], *, cwd: Path) -> list[LoadedFrom]:
    """One entry a tree, the longest first, of the loads on the main thread that came from files."""
    trees: dict[Path, list[ImportRow]] = {}
    for row in rows:
        if row.file is not None and row.thread == 0 and row.kind in ("source", "extension"):
            trees.setdefault(_tree(Path(row.file), cwd), []).append(row)
    found = [
        LoadedFrom(
            folder=str(tree),
            file_system=file_system_of(tree),
            num_modules=len(loads),
            find_seconds=sum(row.parts.find_seconds for row in loads),
            read_seconds=sum(row.parts.read_seconds for row in loads),
        )
        for tree, loads in trees.items()
    ]
    return sorted(found, key=lambda one: -(one.find_seconds + one.read_seconds))


def _tree(file: Path, cwd: Path) -> Path:
    """The environment's folder of packages, the project's, or that of the standard library or whatever else it is."""
    for name in _INSTALLED:
        if name in file.parts:
            return Path(*file.parts[: file.parts.index(name) + 1])
    if file.is_relative_to(cwd):
        return cwd
    for parent in file.parents:
        if parent.name.startswith("python"):
            return parent
    return file.parent

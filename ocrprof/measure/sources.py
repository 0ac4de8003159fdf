"""Reads the source files of loaded modules for their imports: after the runs, and once a file, for parsing is slow.

What was read is kept, as JSON, in the user's cache folder (OCRPROF_CACHE, else XDG_CACHE_HOME/ocrprof), by the file's
path, size and time of change.
"""

import ast
import gc
import json
import logging
import os
import tempfile
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from ocrprof.results.import_statements import FileImports, Statement, Use, read_imports, read_uses
from ocrprof.results.source_skeleton import without_bodies

_LOGGER = logging.getLogger(__name__)
_CACHE_FILE = "import-statements-1.json"

Stamp = tuple[int, int]
"""Size in bytes and time of change in nanoseconds."""


@dataclass(frozen=True, slots=True)
class Sources:
    """The imports of files, by path. `complete` is False where reading them was given up for its time."""

    imports: Mapping[str, FileImports]
    num_unreadable: int
    seconds: float
    complete: bool


def read_sources(files: Iterable[str], *, limit_seconds: float | None = None) -> Sources:
    """What these files import; a file that cannot be read or parsed is counted and left out.

    After `limit_seconds` the rest is left for the next time, which finds in the cache what was read.
    """
    started = time.monotonic()
    cache = _cache_folder() / _CACHE_FILE
    known = _read_cache(cache)
    found: dict[str, tuple[Stamp, FileImports]] = {}
    num_unreadable = num_parsed = 0
    complete = True
    with _quick_parsing():
        for file in sorted(set(files)):
            stamp = _stamp(file)
            cached = known.get(file)
            if cached is not None and cached[0] == stamp:
                found[file] = cached
                continue
            if limit_seconds is not None and time.monotonic() - started > limit_seconds:
                complete = False
                continue
            imports_of_file = read_file(file) if stamp is not None else None
            if stamp is None or imports_of_file is None:
                num_unreadable += 1
                continue
            num_parsed += 1
            found[file] = stamp, imports_of_file
    if num_unreadable:
        _LOGGER.warning("%d source files could not be parsed: what they import is not known", num_unreadable)
    if num_parsed:
        _write_cache(cache, {**known, **found})
    imports = {file: imports for file, (_, imports) in found.items()}
    return Sources(imports, num_unreadable, time.monotonic() - started, complete)


def read_program_uses(files: Iterable[str], *, main: str | None) -> dict[str, dict[int, Use]]:
    """Where each of these files reads the names that it imports; `main` is the program's own file."""
    with _quick_parsing():
        return {
            file: read_uses(tree, is_main=file == main) for file in files if (tree := _parse(_read(file))) is not None
        }


def read_file(file: str) -> FileImports | None:
    """What one file imports; None where it is no source that this Python can read."""
    source = _read(file)
    if source is None:
        return None
    # The few files that were cut in a wrong place are parsed as they are.
    tree = _parse(without_bodies(source)) or _parse(source)
    return None if tree is None else read_imports(tree)


def _read(file: str) -> bytes | None:
    try:
        return Path(file).read_bytes()
    except OSError:
        return None


def _parse(source: bytes | None) -> ast.Module | None:
    try:
        return None if source is None else ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return None


@contextmanager
def _quick_parsing() -> Iterator[None]:
    """Without the collector, which finds nothing in trees; without the warnings, which are not about our code."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        if was_enabled:
            gc.enable()


def _stamp(file: str) -> Stamp | None:
    try:
        status = Path(file).stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def _cache_folder() -> Path:
    own = os.environ.get("OCRPROF_CACHE")
    if own:
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ocrprof"


def _read_cache(path: Path) -> dict[str, tuple[Stamp, FileImports]]:
    try:
        files: dict[str, list[Any]] = json.loads(path.read_bytes())  # Any: what `_write_cache` wrote, JSON values
        return {
            file: ((size, changed_ns), FileImports(tuple(map(_statement, statements)), tuple(exports)))
            for file, (size, changed_ns, statements, exports) in files.items()
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        _LOGGER.warning("%s cannot be read and is written anew: %s", path, error)
        return {}


def _statement(fields: list[Any]) -> Statement:  # Any: JSON values
    line, last_line, when, level, module, names, instead_of = fields
    return Statement(line, last_line, when, level, module, tuple(names), tuple(instead_of))


def _write_cache(path: Path, files: Mapping[str, tuple[Stamp, FileImports]]) -> None:
    """Replaces the cache as a whole, without files that are gone. One that cannot be written costs time only."""
    fields = {
        file: [*stamp, [astuple(one) for one in imports.statements], imports.exports]
        for file, (stamp, imports) in files.items()
        if _stamp(file) == stamp
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as file:
            json.dump(fields, file, separators=(",", ":"))
        Path(file.name).replace(path)
    except OSError as error:
        _LOGGER.warning("%s cannot be written, so these files are parsed again next time: %s", path, error)

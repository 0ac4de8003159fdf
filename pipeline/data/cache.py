"""Keeps what is slow to make: decoded pictures, transformed samples, target maps, one file of arrays an entry.

`storage: memory` keeps the files in the machine's shared memory (a tmpfs), for one run; `disk` in the user's cache
folder, for all runs. Either way every process maps the same pages: workers, however they are started, share one copy.
A key is a digest of all that the value depends on, so a value that is found is the one that would be made, to the bit.
"""

from __future__ import annotations

import atexit
import hashlib
import logging
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pipeline.data.array_files import ArrayFileError, Arrays, num_bytes, read_arrays, write_arrays
from pipeline.data.ledger import Ledger
from pipeline.data.memory import available_memory_bytes

Storage = Literal["none", "memory", "disk"]

_log = logging.getLogger(__name__)

_GIB = 2**30
_SHARED_MEMORY = Path("/dev/shm")
_FOLDER_PREFIX = "pipeline-cache-"
_COUNTERS = ("hits", "misses", "rebuilt", "refused", "stored", "stored_bytes")
# Left to everything else on the machine: a cache that takes the last of the memory makes it swap.
_MEMORY_LEFT_FREE = 0.25
_reserved_bytes: dict[str, int] = {}


class ArrayCache:
    """Values by key, as read-only arrays. What one process stores, all others of the machine find.

    `kind` names it in messages, `budget_bytes` limits what it holds. `log_every`: its statistics are logged after so
    many look-ups of a process (None: never). It can be passed to workers by fork and by spawn.
    """

    def __init__(
        self, kind: str, *, folder: Path, ledger: Ledger, storage: Storage, budget_bytes: int, log_every: int | None
    ) -> None:
        self.kind = kind
        self.storage = storage
        self.folder = folder
        self.budget_bytes = budget_bytes
        self.log_every = log_every
        self.refusal: str | None = None
        self._ledger = ledger
        self._checked: set[str] = set()

    def get_or_make(self, key: str, make: Callable[[], Arrays]) -> Arrays:
        """The arrays stored under `key` (see `digest`), else what `make` gives, which is stored if there is room."""
        found = self._find(key)
        if found is not None:
            self._count("hits")
            return found
        made = make()
        self._store(key, made)
        self._count("misses")
        return made

    def reserve(self, *, num_entries: int, bytes_each: int) -> bool:
        """Whether there is room for so many entries; if not the cache stays empty, and a warning says why.

        To be asked once, in the process that starts the workers, before the first look-up.
        """
        needed = num_entries * bytes_each
        room, limit = self._room()
        if needed <= room:
            if self.storage == "memory":
                own = str(self._ledger.path)
                _reserved_bytes[own] = _reserved_bytes.get(own, 0) + needed
            return True
        self._refuse(
            f"{num_entries} entries of {bytes_each / 2**20:.1f} MiB take {needed / _GIB:.2f} GiB, "
            f"and there is room for {max(0, room) / _GIB:.2f} GiB ({limit})"
        )
        return False

    def statistics(self) -> dict[str, int]:
        """Counts of all processes so far: hits, misses, rebuilt, refused, stored, stored_bytes."""
        return self._ledger.totals()

    def describe(self) -> str:
        """The statistics in one line."""
        counts = self.statistics()
        num_asked = counts["hits"] + counts["misses"]
        share = f" ({counts['hits'] / num_asked:.1%})" if num_asked else ""
        return (
            f"{self.kind} cache: {counts['hits']} hits of {num_asked}{share}, {counts['stored']} stored, "
            f"{counts['stored_bytes'] / _GIB:.2f} GiB in {self.storage}"
            + (f", {counts['rebuilt']} damaged and made again" if counts["rebuilt"] else "")
            + (f", {counts['refused']} not stored" if counts["refused"] else "")
        )

    def _find(self, key: str) -> Arrays | None:
        path = self._path(key)
        try:
            arrays = read_arrays(path, check=key not in self._checked)
        except FileNotFoundError:
            return None
        except ArrayFileError as error:
            _log.warning("%s cache: %s; it is made again", self.kind, error)
            self._ledger.add("rebuilt")
            path.unlink(missing_ok=True)
            return None
        self._checked.add(key)
        return arrays

    def _store(self, key: str, arrays: Arrays) -> None:
        if self.refusal is not None:
            self._ledger.add("refused")
            return
        if self._ledger.totals()["stored_bytes"] + num_bytes(arrays) > self.budget_bytes:
            self._refuse(f"it holds the {self.budget_bytes / _GIB:.2f} GiB that it may")
            self._ledger.add("refused")
            return
        path = self._path(key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            size = write_arrays(path, arrays)
        except OSError as error:
            self._refuse(f"{self.folder}: {error.strerror or error}")
            self._ledger.add("refused")
            return
        self._ledger.add("stored")
        self._ledger.add("stored_bytes", size)

    def _room(self) -> tuple[int, str]:
        """Bytes that may still be taken, and what sets the limit."""
        if self.storage == "disk":
            free = shutil.disk_usage(self.folder).free
            return min((self.budget_bytes, "its budget"), (free, f"the free space of {self.folder}"))
        others = sum(_reserved_bytes.values())
        rooms = [(self.budget_bytes - others, "the budget of all caches in memory")]
        rooms.append((shutil.disk_usage(self.folder).free - others, f"the size of {_SHARED_MEMORY}"))
        available = available_memory_bytes()
        if available is not None:
            # Ranks of one machine each keep their own.
            ranks = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
            share = int(available * (1 - _MEMORY_LEFT_FREE) / ranks)
            rooms.append((share - others, "the memory that can be taken without swapping"))
        return min(rooms)

    def _refuse(self, reason: str) -> None:
        if self.refusal is None:
            self.refusal = reason
            _log.warning("%s cache: nothing more is stored, because %s", self.kind, reason)

    def _count(self, name: str) -> None:
        self._ledger.add(name)
        if self.log_every and (self._ledger.own("hits") + self._ledger.own("misses")) % self.log_every == 0:
            _log.info("%s", self.describe())

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.arrays"


def open_cache(
    kind: str,
    *,
    storage: Storage = "memory",
    memory_gib: float = 4.0,
    disk_gib: float = 20.0,
    root: str | None = None,
    log_every: int | None = None,
) -> ArrayCache | None:
    """A cache of `kind`, or None for `storage` none. ValueError for another storage.

    `memory_gib` is the budget of all caches in memory together, `disk_gib` that of this one on disk, in `root` (None:
    the user's cache folder), where the oldest entries of earlier runs make room.
    """
    if storage == "none":
        return None
    if storage not in ("memory", "disk"):
        raise ValueError(f"storage is {storage!r}: it is 'none', 'memory' or 'disk'")
    run_folder = _run_folder()
    ledger = Ledger(Path(tempfile.mkdtemp(dir=run_folder, prefix=f"{kind}-")) / "ledger", _COUNTERS)
    if storage == "memory":
        folder, budget = ledger.path.parent, int(memory_gib * _GIB)
    else:
        folder, budget = _disk_folder(root) / kind, int(disk_gib * _GIB)
        folder.mkdir(parents=True, exist_ok=True)
        budget -= _prune(folder, budget_bytes=budget)
    return ArrayCache(kind, folder=folder, ledger=ledger, storage=storage, budget_bytes=budget, log_every=log_every)


def digest(*parts: Any) -> str:  # Any: see below
    """A key: a digest of numbers, strings, None, arrays and nested sequences of them. TypeError for anything else."""
    state = hashlib.blake2b(digest_size=16)
    _feed(state, parts)
    return state.hexdigest()


def _feed(state: Any, part: Any) -> None:  # Any: hashlib's object has no public type
    if isinstance(part, np.ndarray):
        # Its own length and type first: otherwise two arrays could be told apart from one by nothing.
        state.update(f"{part.dtype.str}{part.shape}".encode())
        state.update(np.ascontiguousarray(part).data)
    elif isinstance(part, tuple | list):
        state.update(f"[{len(part)}".encode())
        for one in part:
            _feed(state, one)
    elif part is None or isinstance(part, str | int | float | bool):
        text = f"{type(part).__name__}{part!r}".encode()
        state.update(f"{len(text)}:".encode() + text)
    else:
        raise TypeError(f"{type(part).__name__} cannot be part of a cache key")


_made_folder: tuple[int, Path] | None = None
_remover: subprocess.Popen[bytes] | None = None
# Reads until the last process that holds the other end of its input has gone, by whatever death; then it tidies up.
_REMOVE = 'trap "" HUP INT TERM; read -r _; rm -rf -- "$0"'


def _run_folder() -> Path:
    """The folder of this process's run in shared memory, removed when it and its workers have gone, killed or not.

    What an earlier run left behind all the same, where its remover was killed too, is removed now.
    """
    global _made_folder, _remover
    if _made_folder is not None and _made_folder[0] == os.getpid():
        return _made_folder[1]
    parent = _SHARED_MEMORY if os.access(_SHARED_MEMORY, os.W_OK) else Path(tempfile.gettempdir())
    if parent != _SHARED_MEMORY:
        _log.warning("%s is not there: caches in memory are kept in files below %s", _SHARED_MEMORY, parent)
    for folder in parent.glob(f"{_FOLDER_PREFIX}*"):
        if folder.stat().st_uid == os.getuid() and not _is_alive(folder):
            shutil.rmtree(folder, ignore_errors=True)
    owner = f"{_pid_namespace()}-{os.getpid()}-{_start_ticks(os.getpid())}"
    made = Path(tempfile.mkdtemp(dir=parent, prefix=f"{_FOLDER_PREFIX}{owner}-"))
    _made_folder = (os.getpid(), made)
    _remover = subprocess.Popen(["/bin/sh", "-c", _REMOVE, str(made)], stdin=subprocess.PIPE, start_new_session=True)
    atexit.register(_remove, made, os.getpid())
    return made


def _remove(folder: Path, pid: int) -> None:
    if os.getpid() == pid:  # not in a fork that ends by sys.exit
        shutil.rmtree(folder, ignore_errors=True)
        if _remover is not None and _remover.stdin is not None:
            _remover.stdin.close()
            _remover.wait()


def _is_alive(folder: Path) -> bool:
    """Whether the process that made a run folder may still run."""
    parts = folder.name.removeprefix(_FOLDER_PREFIX).split("-")
    if len(parts) < 3 or parts[0] != _pid_namespace():
        return True  # of another container that shares this memory: nothing can be known of its processes
    return parts[1].isdigit() and _start_ticks(int(parts[1])) == parts[2]


def _pid_namespace() -> str:
    return str(Path("/proc/self/ns/pid").stat().st_ino)


def _start_ticks(pid: int) -> str:
    """When a process started (field 22 of /proc/<pid>/stat), which tells it from a later one of the same number."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def _disk_folder(root: str | None) -> Path:
    from pipeline.cache_folder import default_cache_dir

    return Path(root) if root is not None else default_cache_dir() / "arrays"


def _prune(folder: Path, *, budget_bytes: int) -> int:
    """Bytes in the folder; above the budget, its oldest entries are removed first until half of it is free."""
    found = []
    for path in folder.glob("*/*.arrays"):
        try:
            stat = path.stat()
        except FileNotFoundError:
            continue  # another run prunes too
        found.append((stat.st_mtime, stat.st_size, path))
    total = sum(size for _, size, _ in found)
    if total <= budget_bytes:
        return total
    for _, size, path in sorted(found):
        path.unlink(missing_ok=True)
        total -= size
        if total <= budget_bytes // 2:
            break
    return total

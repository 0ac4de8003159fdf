"""Counts that many processes keep together: each writes a row of its own, anyone adds them up."""

from __future__ import annotations

import fcntl
import mmap
import os
from pathlib import Path

import numpy as np

_MAX_PROCESSES = 1024


class Ledger:
    """Named counters in a small file. It can be pickled: what is passed on is its path, and every process opens it.

    A process takes a row at its first count; counts of processes that have ended stay. With more than 1024 processes in
    one run, the last row is shared and its counts may fall short.
    """

    def __init__(self, path: Path, names: tuple[str, ...]) -> None:
        self.path = path
        self.names = names
        self._pid = 0
        self._own = np.zeros(1 + len(names), np.int64)

    def add(self, name: str, amount: int = 1) -> None:
        """Counts `amount` more of `name`; its file is made at the first count of any process."""
        if self._pid != os.getpid():
            self._own = self._row()
        self._own[1 + self.names.index(name)] += amount

    def own(self, name: str) -> int:
        """What this process has counted itself."""
        return int(self._own[1 + self.names.index(name)]) if self._pid == os.getpid() else 0

    def totals(self) -> dict[str, int]:
        """Each counter, added up over all processes so far."""
        if not self.path.exists():
            return dict.fromkeys(self.names, 0)
        rows = np.fromfile(self.path, dtype=np.int64).reshape(-1, 1 + len(self.names))
        return dict(zip(self.names, rows[:, 1:].sum(axis=0).tolist(), strict=True))

    def _row(self) -> np.ndarray:
        """A free row of the file, mapped; also after a fork, which must not go on in its parent's."""
        width = 1 + len(self.names)
        size = _MAX_PROCESSES * width * 8
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.fstat(descriptor).st_size != size:
                os.ftruncate(descriptor, size)
            mapping = mmap.mmap(descriptor, size)
            rows = np.frombuffer(mapping, dtype=np.int64).reshape(_MAX_PROCESSES, width)
            free = np.flatnonzero(rows[:, 0] == 0)
            row = rows[free[0] if len(free) else -1]
            row[0] = self._pid = os.getpid()
            return row
        finally:
            # Closing is not enough: the mapping keeps a copy of the descriptor, and with it the lock.
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            os.close(descriptor)

    def __getstate__(self) -> dict[str, object]:
        return {"path": self.path, "names": self.names}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__init__(**state)  # type: ignore[misc]

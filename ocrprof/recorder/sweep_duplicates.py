"""Samples that several workers deliver: an iterable data set that does not tell its workers apart."""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any  # batches are whatever a program collates

_MAX_ROWS = 64
_MAX_NUMBERS = 256
_SUSPICIOUS_SHARE = 0.5


class Duplicates:
    """Compares the first batches of each worker, sample by sample. Batches come from the workers in turn."""

    def __init__(self, num_workers: int) -> None:
        self._num_workers = num_workers
        self._rows: list[set[int]] = [set() for _ in range(num_workers)]
        self._num_batches = 0
        self._is_telling = True

    def add(self, batch: object) -> None:
        """The next batch of the epoch's beginning."""
        if self._num_batches < 2 * self._num_workers:
            rows = _rows(batch)
            # Samples that are alike within one batch cannot be told from samples that two workers both have read.
            self._is_telling = self._is_telling and bool(rows) and len(set(rows)) == len(rows)
            self._rows[self._num_batches % self._num_workers].update(rows)
        self._num_batches += 1

    def notes(self) -> "list[str]":
        """What to tell of them; nothing where each worker reads samples of its own."""
        first, *others = self._rows
        shared = max((len(first & other) / len(other) for other in others if other), default=0.0)
        if not self._is_telling or shared < _SUSPICIOUS_SHARE:
            return []
        return [
            "%.0f %% of a worker's first samples are another worker's too: the iterable data set does not use"
            " get_worker_info() to share its samples out, so samples/s counts the same ones several times"
            % (shared * 100)
        ]


def _rows(batch: object) -> "list[int]":
    """One number a sample, made of all that the batch holds of it."""
    leaves = _leaves(batch)
    num = len(leaves[0]) if leaves else 0
    parts = [leaf[:_MAX_ROWS] for leaf in leaves if len(leaf) == num]
    return [hash(tuple(_plain(part[row]) for part in parts)) for row in range(min(num, _MAX_ROWS))]


def _leaves(batch: object) -> "list[Any]":
    """Tensors and lists of text whose first dimension is that of the samples."""
    tensor = sys.modules["torch"].Tensor
    if isinstance(batch, tensor):
        return [batch] if batch.dim() else []
    if isinstance(batch, dict):
        return [leaf for value in batch.values() for leaf in _leaves(value)]
    if isinstance(batch, (list, tuple)):
        if batch and all(isinstance(one, str) for one in batch):
            return [batch]
        return [leaf for value in batch for leaf in _leaves(value)]
    return []


def _plain(row: "Any") -> object:
    return row if isinstance(row, str) else tuple(row.flatten()[:_MAX_NUMBERS].tolist())

"""Memory for the tensors of a batch: in a loading process shared, so that handing the batch over copies nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch.utils.data import get_worker_info


class Empty(Protocol):
    """torch.empty, or what gives uninitialised tensors of other memory."""

    def __call__(self, size: Sequence[int], /, *, dtype: torch.dtype) -> torch.Tensor: ...


def empty(size: Sequence[int], /, *, dtype: torch.dtype) -> torch.Tensor:
    """An uninitialised tensor (CPU); within a DataLoader worker in shared memory, as `default_collate` has it.

    Otherwise the queue between the processes would copy it there. In other processes the memory is NumPy's, which asks
    the kernel for huge pages: a batch of 60 MB is new memory every time, and takes half as long to fill with them.
    """
    if get_worker_info() is None:
        return torch.from_numpy(np.empty(tuple(size), torch.empty(0, dtype=dtype).numpy().dtype))
    # The private call is default_collate's own; share_memory_() would copy what is not there yet.
    storage = torch.UntypedStorage._new_shared(math.prod(size) * dtype.itemsize)
    return torch.empty(0, dtype=dtype).set_(storage, 0, tuple(size))


def stack(arrays: Sequence[np.ndarray]) -> torch.Tensor:
    """B arrays of one shape and type as a tensor (B, …), in memory as `empty` has it."""
    first = arrays[0]
    stacked = empty((len(arrays), *first.shape), dtype=torch.from_numpy(np.empty(0, first.dtype)).dtype)
    np.stack(arrays, out=stacked.numpy())
    return stacked

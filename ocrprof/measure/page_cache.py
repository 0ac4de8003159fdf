"""The page cache of given files: how much of them it holds, and how it is asked to let them go. No root needed."""

import ctypes
import mmap
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_PROT_NONE, _MAP_SHARED = 0, 1
_MAP_FAILED = ctypes.c_void_p(-1).value


def evict(paths: Iterable[Path]) -> None:
    """Asks the kernel to drop these files' pages: written back first, as dirty pages stay. What is mapped stays too."""
    for path in paths:
        with suppress(OSError):
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fdatasync(handle)
                os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(handle)


def resident_bytes(path: Path) -> int:
    """Bytes of a file in the page cache, in whole pages, by mincore(2).

    The kernel tells it of files that the caller owns or may write, and says `all of it` of others. Raises OSError.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
    libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    libc.mincore.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p]
    handle = os.open(path, os.O_RDONLY)
    try:
        size = os.fstat(handle).st_size
        if size == 0:
            return 0
        address = libc.mmap(None, size, _PROT_NONE, _MAP_SHARED, handle, 0)
        if address == _MAP_FAILED:
            raise OSError(ctypes.get_errno(), "mmap")
        try:
            pages = (ctypes.c_ubyte * (-(-size // mmap.PAGESIZE)))()
            if libc.mincore(address, size, pages) != 0:
                raise OSError(ctypes.get_errno(), "mincore")
        finally:
            libc.munmap(address, size)
    finally:
        os.close(handle)
    return min(size, sum(page & 1 for page in pages) * mmap.PAGESIZE)

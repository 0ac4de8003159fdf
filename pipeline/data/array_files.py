"""Named arrays as one file: written whole or not at all, mapped rather than read, and never believed unchecked.

    magic (8 bytes) | length of the header, uint32 | CRC-32 of what follows, uint32 | header (JSON) | aligned arrays

A file holds numbers and their shapes, nothing that could run. Readers map it, so that all processes of a machine share
its pages; a file that was torn, cut short or altered is an ArrayFileError.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
import sys
import tempfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

_MAGIC = b"ARRAYS1\n"
_LEAD = struct.Struct("<8sII")
_ALIGNMENT = 64
# Before 3.13 a mapping always keeps a file descriptor open for as long as one of its arrays lives.
_MAP_OPTIONS: dict[str, Any] = {"trackfd": False} if sys.version_info >= (3, 13) else {}  # Any: of differing signatures

Arrays = dict[str, np.ndarray]


class ArrayFileError(Exception):
    """A file that is not what was written."""


def num_bytes(arrays: Mapping[str, np.ndarray]) -> int:
    """What the arrays take in a file, without its header."""
    return sum(_aligned(array.nbytes) for array in arrays.values())


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> int:
    """Writes the file and gives its size in bytes; readers see the old state or the new one, never a part.

    OSError (no space, no permission) leaves nothing behind. Arrays of Python objects are a TypeError.
    """
    entries, parts, offset = [], [], 0
    for name, array in arrays.items():
        if array.dtype.hasobject:
            raise TypeError(f"{name} holds Python objects, which are not stored")
        whole = np.ascontiguousarray(array)
        entries.append({"name": name, "dtype": whole.dtype.str, "shape": list(array.shape), "offset": offset})
        padding = _aligned(whole.nbytes) - whole.nbytes
        parts += [memoryview(whole).cast("B") if whole.nbytes else b"", bytes(padding)]
        offset += whole.nbytes + padding
    header = json.dumps(entries, separators=(",", ":")).encode()
    header += b" " * (_aligned(_LEAD.size + len(header)) - _LEAD.size - len(header))
    checksum = zlib.crc32(header)
    for part in parts:
        checksum = zlib.crc32(part, checksum)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
    try:
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            for part in (_LEAD.pack(_MAGIC, len(header), checksum), header, *parts):
                _write_all(file.fileno(), part)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink()
        raise
    return _LEAD.size + len(header) + offset


def read_arrays(path: Path, *, check: bool = True) -> Arrays:
    """The arrays of a file, read-only views of its mapping. `check` False trusts the bytes: they were checked before.

    FileNotFoundError where there is none; ArrayFileError where it is not whole.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size < _LEAD.size:
            raise ArrayFileError(f"{path} is cut short")
        mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ, **_MAP_OPTIONS)
    magic, header_size, checksum = _LEAD.unpack_from(mapping)
    if magic != _MAGIC:
        raise ArrayFileError(f"{path} begins with {magic!r}")
    if check and zlib.crc32(memoryview(mapping)[_LEAD.size :]) != checksum:
        raise ArrayFileError(f"{path} does not hold the bytes that were written")
    start = _LEAD.size + header_size
    try:
        entries = json.loads(mapping[_LEAD.size : start])
        return {
            entry["name"]: np.ndarray(
                tuple(entry["shape"]), dtype=np.dtype(entry["dtype"]), buffer=mapping, offset=start + entry["offset"]
            )
            for entry in entries
        }
    except (ValueError, TypeError, KeyError) as error:
        raise ArrayFileError(f"{path} has no readable header: {error}") from error


def _write_all(descriptor: int, data: bytes | memoryview) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT

"""Lists of unequal lengths as two arrays each, and back: what a cache file can hold."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np


def pack_points(polygons: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """N polygons float32 (n, 2) as float32 (P, 2) and int64 (N + 1,): polygon i is rows ends[i] to ends[i + 1]."""
    ends = np.cumsum([0, *(len(polygon) for polygon in polygons)], dtype=np.int64)
    points = np.concatenate([np.empty((0, 2), np.float32), *polygons]).astype(np.float32, copy=False)
    return points, ends


def unpack_points(points: np.ndarray, ends: np.ndarray) -> list[np.ndarray]:
    """The polygons that `pack_points` was given, as views."""
    return [points[start:end] for start, end in itertools.pairwise(ends)]


def pack_texts(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """N strings as uint8 (bytes of UTF-8,) and int64 (N + 1,)."""
    # surrogatepass: a transcript read with surrogateescape comes back as it was.
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    ends = np.cumsum([0, *(len(one) for one in encoded)], dtype=np.int64)
    return np.frombuffer(b"".join(encoded), np.uint8), ends


def unpack_texts(letters: np.ndarray, ends: np.ndarray) -> list[str]:
    """The strings that `pack_texts` was given."""
    data = letters.tobytes()
    return [data[start:end].decode("utf-8", "surrogatepass") for start, end in itertools.pairwise(ends)]

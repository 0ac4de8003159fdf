"""The data files that the trials of a sweep have read: evicted from the page cache before a cold one."""

import os
from contextlib import suppress
from pathlib import Path

from ocrprof.measure.page_cache import evict, resident_bytes
from ocrprof.units import format_bytes

_FILE_NAME = "data-files.txt"


class DataFiles:
    """All that trials of `folder` have opened; the first one finds the page cache as it is, and the list empty."""

    def __init__(self, folder: Path) -> None:
        self._list = folder / _FILE_NAME

    def evict(self) -> list[str]:
        """Asks the kernel to drop their pages; what a reader must know of that comes back."""
        files = [path for path in self._known() if path.is_file()]
        if not files:
            return ["no data file is known yet: this trial found the page cache as it was"]
        evict(files)
        stayed, size = 0, 0
        for path in files:
            with suppress(OSError):
                size += path.stat().st_size
                stayed += resident_bytes(path)
        kept = f", of which {format_bytes(stayed)} stayed" if stayed else ""
        return [f"cold: {len(files)} data files, {format_bytes(size)}, were evicted from the page cache{kept}"]

    def add(self, directory: Path) -> None:
        """Learns what the trial in `directory` has opened."""
        known = set(self._known())
        for listing in directory.glob("data-*.txt"):
            known |= {Path(os.fsdecode(line)) for line in listing.read_bytes().splitlines()}
        self._list.write_bytes(b"".join(os.fsencode(path) + b"\n" for path in sorted(known)))

    def _known(self) -> list[Path]:
        try:
            return [Path(os.fsdecode(line)) for line in self._list.read_bytes().splitlines()]
        except FileNotFoundError:
            return []

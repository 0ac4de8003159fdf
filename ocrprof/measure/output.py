"""What a target writes to stdout and stderr, kept on disk within bounds while it runs."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ocrprof.units import format_bytes

LOOK_SECONDS = 2.0
"""How often the files are looked at: a thread that fails in a loop writes some megabytes in that time."""

_MAX_BYTES = 64 << 20
_END_BYTES = 1 << 20


class KeptOutput:
    """Files that a target appends to. Of one that grows past `max_bytes` the first and the last `end_bytes` are kept.

    They are shortened in place, so the target must have opened them to append. What it writes in that very moment is
    left out too.
    """

    def __init__(self, *paths: Path, max_bytes: int = _MAX_BYTES, end_bytes: int = _END_BYTES) -> None:
        self._paths = paths
        self._max_bytes = max_bytes
        self._end_bytes = end_bytes
        self._num_left_out: dict[Path, int] = {}

    def shorten(self) -> None:
        """Cuts those that have grown too long."""
        for path in self._paths:
            with suppress(OSError):  # no room for what is kept, say: the run goes on
                if path.stat().st_size > self._max_bytes:
                    self._cut(path)

    def notes(self) -> Sequence[str]:
        """What to tell of it; nothing where all is there."""
        return [
            f"the program wrote so much to {path.stem} that {format_bytes(number)} from the middle of it were not kept"
            for path, number in self._num_left_out.items()
        ]

    def _cut(self, path: Path) -> None:
        with path.open("r+b") as file:
            size = file.seek(0, 2)
            file.seek(size - self._end_bytes)
            end = file.read()
            number = self._num_left_out.get(path, 0) + size - self._end_bytes - len(end)
            file.seek(self._end_bytes)
            file.write(b"\n[ocrprof: %d bytes were here, and are not kept]\n" % number)
            file.write(end)
            file.truncate()
        self._num_left_out[path] = number

"""Tells the parent that batches still come: it ends a trial in which none does."""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any  # the settings of a trial

    from ocrprof.recorder.core import Recorder

_SECOND = 1_000_000_000
_STARTING, _RUNNING = 0, 1


class Beat:
    """Three numbers of eight bytes in the file `beat-<pid>`: when the last batch came (ns), how long the next may take,
    and 0 while workers start and load their first batch, or the target is at a step, which have no time to be judged
    by, else 1.
    """

    def __init__(self, recorder: "Recorder", asked: "dict[str, Any]") -> None:
        self._now = recorder.now
        self._path = "%s/beat-%d" % (recorder.run_dir, os.getpid())
        self._limit = int(asked["hang_seconds"] * _SECOND)
        try:
            self._file: int | None = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o644)
        except OSError as error:
            recorder.note("a hang of the loader will not be seen: %s" % error)
            self._file = None
        self.starts()

    def starts(self) -> None:
        """What comes now may take long: it is judged by whether any process works."""
        self._write(self._now(), _STARTING)

    def tick(self, at: int) -> None:
        """A batch has come."""
        self._write(at, _RUNNING)

    def ends(self) -> None:
        """No further batch is expected."""
        if self._file is not None:
            os.close(self._file)
            os.unlink(self._path)
            self._file = None

    def limit(self, limit_ns: int) -> None:
        """From now on the next batch may take so long."""
        self._limit = limit_ns

    def _write(self, at: int, phase: int) -> None:
        if self._file is not None:
            try:
                os.pwrite(
                    self._file,
                    at.to_bytes(8, "little") + self._limit.to_bytes(8, "little") + phase.to_bytes(8, "little"),
                    0,
                )
            except OSError:
                self._file = None  # the program has closed all descriptors, ours too

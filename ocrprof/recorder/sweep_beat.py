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
        self._recorder, self._writer = recorder, recorder.load("writer")
        self._path = "%s/beat-%d" % (recorder.run_dir, os.getpid())
        self._limit = int(asked["hang_seconds"] * _SECOND)
        self._file: int | None = None
        self._identity: tuple[int, int] | None = None
        self._open()
        self.starts()

    def starts(self) -> None:
        """What comes now may take long: it is judged by whether any process works."""
        self._write(self._recorder.now(), _STARTING)

    def tick(self, at: int) -> None:
        """A batch has come."""
        self._write(at, _RUNNING)

    def ends(self) -> None:
        """No further batch is expected, or none could be told of."""
        file, self._file = self._file, None
        try:
            if file is not None and self._writer.identity(file) == self._identity:
                os.close(file)
            os.unlink(self._path)
        except OSError:
            return  # it had ended before

    def limit(self, limit_ns: int) -> None:
        """From now on the next batch may take so long."""
        self._limit = limit_ns

    def _open(self) -> None:
        try:
            file = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o644)
        except OSError as error:
            self._recorder.note("a hang of the loader will not be seen: %s" % error)
            self.ends()
            return
        self._identity = self._writer.identity(file)
        self._file = self._writer.out_of_the_way(file)

    def _write(self, at: int, phase: int) -> None:
        if self._file is not None and self._writer.identity(self._file) != self._identity:
            self._open()  # the program has closed all descriptors, ours too, and may have this number for its own
        if self._file is None:
            return
        words = (at, self._limit, phase)
        try:
            os.pwrite(self._file, b"".join(word.to_bytes(8, "little") for word in words), 0)
        except OSError:
            self.ends()

"""Appends records to this process's own file: JSON lines without the json module, one write a batch."""

import _thread
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any  # a hook may hand in anything; what is not plain becomes its type's name

_now = sys.modules["time"].monotonic_ns
_BATCH = 128
_FIRST_DESCRIPTOR = 150
_MAX_RECORDS = 2_000_000


class Writer:
    """Buffers encoded records and appends them with one `os.write`; never opened twice, never shared by processes.

    Threads add at any moment, also while another one writes the batch: nothing may be lost or written twice by that.
    """

    def __init__(self, directory: str, started: int) -> None:
        self._path = "%s/%d-%d.jsonl" % (directory, os.getpid(), started)
        self._file = _out_of_the_way(self._open())
        self._pending: list[str] = []
        self._writing = _thread.allocate_lock()
        self._writing_thread = 0
        self._num_written = 0
        self.num_dropped = 0
        self.writing_ns = 0

    @property
    def num_records(self) -> int:
        """Taken so far, those that were lost on the way to the file among them."""
        return self._num_written + len(self._pending)

    def add(self, record: "dict[str, object]") -> None:
        """Takes a record; writes the batch when it is full. Past two million records, new ones are dropped, counted."""
        self.add_encoded(encode(record))

    def add_encoded(self, record: str) -> None:
        """The same for a record that is a line of JSON already."""
        pending = self._pending
        if self._num_written >= _MAX_RECORDS:
            self.num_dropped += 1
            return
        pending.append(record)
        if len(pending) >= _BATCH:
            self.flush()

    def flush(self) -> None:
        """Everything taken so far is in the file (the kernel's, not yet the disk's)."""
        here = _thread.get_ident()
        if not self._pending or self._writing_thread == here:
            # The latter: a signal handler or a finalizer that records, in the middle of a write of this thread.
            return
        start = _now()
        with self._writing:
            self._writing_thread = here
            try:
                # The list stays the same one, for those who are about to append to it.
                num_taken = len(self._pending)
                if not num_taken:
                    return
                batch = self._pending[:num_taken]
                del self._pending[:num_taken]
                self._num_written += num_taken
                if not self._write(("\n".join(batch) + "\n").encode("utf-8", "replace")):
                    self.num_dropped += num_taken
            finally:
                self._writing_thread = 0
                self.writing_ns += _now() - start

    def abandon(self) -> None:
        """Forgets what is pending, and closes: for a forked child, whose parent will write it."""
        self._pending = []
        if self._is_ours():
            os.close(self._file)

    def _write(self, text: bytes) -> bool:
        """Whether it is in the file: a full disk must not reach the target."""
        try:
            if not self._is_ours():
                self._file = self._open()
            while text:
                text = text[os.write(self._file, text) :]
        except OSError:
            return False
        return True

    def _open(self) -> int:
        file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0), 0o644)
        status = os.fstat(file)
        self._identity = (status.st_dev, status.st_ino)
        return file

    def _is_ours(self) -> bool:
        """Whether the descriptor still is our file: a program may close all, and open its own under the number."""
        try:
            status = os.fstat(self._file)
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == self._identity


def _out_of_the_way(file: int) -> int:
    """The same file under a high number: the program's own files get the numbers they have in a plain run."""
    for number in range(_FIRST_DESCRIPTOR, _FIRST_DESCRIPTOR + 32):
        try:
            os.fstat(number)
        except OSError:
            try:
                os.dup2(file, number, False)
            except OSError:  # past the limit of this process
                return file
            os.close(file)
            return number
    return file


def encode(value: "Any") -> str:
    """JSON of plain values; anything else becomes the string of its type's name."""
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    kind = type(value)
    if kind is str:
        return _encode_text(value)
    if kind is int:
        return int.__repr__(value)
    if kind is float:
        # JSON has no NaN or infinity.
        return repr(value) if value == value and abs(value) != float("inf") else "null"
    if isinstance(value, dict):
        return "{" + ",".join(_encode_text(str(key)) + ":" + encode(item) for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(encode(item) for item in value) + "]"
    if isinstance(value, str):
        return _encode_text(str.__str__(value))
    if isinstance(value, int):
        return repr(int(value))
    return _encode_text(kind.__name__)


def _encode_text(text: str) -> str:
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return '"' + text + '"'
    return '"' + "".join(map(_escape, text)) + '"'


def _escape(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    code = ord(character)
    if 32 <= code < 127:
        return character
    if code > 0xFFFF:
        code -= 0x10000
        return "\\u%04x\\u%04x" % (0xD800 + (code >> 10), 0xDC00 + (code & 0x3FF))
    return "\\u%04x" % code

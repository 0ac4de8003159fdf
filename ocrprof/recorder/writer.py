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
    """Buffers encoded records and writes them to a file of its own with one `os.pwrite` a batch.

    Threads add at any moment, also while another one writes; so do signal handlers and finalizers in the middle of a
    write of their own thread, and what a handler raises may end any call here. Nothing may be lost or written twice by
    that: a batch leaves the list when it is in the file, and until then has its place there.
    """

    def __init__(self, directory: str, started: int) -> None:
        self._path = "%s/%d-%d.jsonl" % (directory, os.getpid(), started)
        self._pid = os.getpid()
        self._file = self._open()
        self._pending: list[str] = []
        self._writing = _thread.RLock()
        self._num_written = self._num_bytes = 0
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
        if not self._pending:
            return
        start = _now()
        with self._writing:
            self._write_batch()
            self.writing_ns += _now() - start

    def abandon(self) -> None:
        """Forgets what is pending, and closes: for a forked child, whose parent will write it."""
        self._pending = []
        if self._is_ours():
            os.close(self._file)

    def _write_batch(self) -> None:
        num_written, at = self._num_written, self._num_bytes
        batch = self._pending[:]
        text = ("\n".join(batch) + "\n").encode("utf-8", "replace")
        num_then, end, taken, nothing = num_written + len(batch), at + len(text), slice(len(batch)), self._pending[:0]
        if not batch or self._num_written != num_written:
            return  # a handler has written it all in the meantime
        if not self._put(text, at):
            self.num_dropped += len(batch)
            end = at
        if self._num_written == num_written:
            # In one line without a call: no handler runs within it. The list stays the same, for those who append.
            self._num_written, self._num_bytes, self._pending[taken] = num_then, end, nothing

    def _put(self, text: bytes, at: int) -> bool:
        """Whether it is in the file now, from byte `at` on; twice is as good as once. A full disk must not reach the
        target."""
        if os.getpid() != self._pid:
            return False  # forked without Python's knowledge: the file is the parent's
        start = at
        try:
            if not self._is_ours():
                self._file = self._open()
            while text:
                num_bytes = os.pwrite(self._file, text, at)
                text, at = text[num_bytes:], at + num_bytes
        except OSError:
            self._cut(start)
            return False
        return True

    def _cut(self, length: int) -> None:
        """Leaves no half of a batch behind, unless a handler has written it in the meantime."""
        try:
            if self._is_ours() and self._num_bytes == length:
                os.ftruncate(self._file, length)
        except OSError:
            return

    def _open(self) -> int:
        """The file, under a high number: the program's own files get the numbers that they have in a plain run."""
        file = os.open(self._path, os.O_WRONLY | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o644)
        self._identity = identity(file)
        return out_of_the_way(file)

    def _is_ours(self) -> bool:
        """Whether the descriptor still is our file: a program may close all, and open its own under the number."""
        return identity(self._file) == self._identity


class Nowhere:
    """In the place of a Writer where no file can be had: counts what is lost."""

    def __init__(self) -> None:
        self.num_records = self.num_dropped = self.writing_ns = 0

    def add(self, record: object) -> None:
        """Counts it."""
        self.num_records += 1
        self.num_dropped += 1

    add_encoded = add

    def flush(self) -> None:
        """Nothing is to be written."""

    def abandon(self) -> None:
        """Nothing is open."""


def identity(file: int) -> "tuple[int, int] | None":
    """Device and inode behind a descriptor; None where it is closed."""
    try:
        status = os.fstat(file)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def out_of_the_way(file: int) -> int:
    """The same file under a number from 150 on; under its own where these are taken, or past the process's limit."""
    for number in range(_FIRST_DESCRIPTOR, _FIRST_DESCRIPTOR + 32):
        if identity(number) is None:
            try:
                os.dup2(file, number, False)
            except OSError:
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

"""Appends records to this process's own file: JSON lines without the json module, one write a batch."""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any  # a hook may hand in anything; what is not plain becomes its type's name

_BATCH = 128
_MAX_RECORDS = 2_000_000


class Writer:
    """Buffers encoded records and appends them with one `os.write`; never opened twice, never shared by processes."""

    def __init__(self, directory: str, started: int) -> None:
        path = "%s/%d-%d.jsonl" % (directory, os.getpid(), started)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0), 0o644)
        self._pending: list[str] = []
        self.num_records = 0
        self.num_dropped = 0

    def add(self, record: "dict[str, object]") -> None:
        """Takes a record; writes the batch when it is full. Past two million records, new ones are dropped, counted."""
        if self.num_records >= _MAX_RECORDS:
            self.num_dropped += 1
            return
        self.num_records += 1
        self._pending.append(encode(record))
        if len(self._pending) >= _BATCH:
            self.flush()

    def flush(self) -> None:
        """Everything taken so far is in the file (the kernel's, not yet the disk's)."""
        pending, self._pending = self._pending, []
        if pending:
            try:
                os.write(self._file, ("\n".join(pending) + "\n").encode("utf-8", "replace"))
            except OSError:
                # A full disk or a closed descriptor must not reach the target; the loss is counted.
                self.num_dropped += len(pending)

    def abandon(self) -> None:
        """Forgets what is pending, and closes: for a forked child, whose parent will write it."""
        self._pending = []
        try:
            os.close(self._file)
        except OSError:
            pass


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

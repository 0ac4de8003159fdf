"""What can be wrong with data files. Every error is one line that names the file.

DataError
├── AnnotationError   (readers.py)  an annotation that does not parse
├── ImageError        (decode.py)   an image that is missing or cannot be decoded
└── ReceiptsError     (receipts.py) synthetic pages that cannot be written where they were asked for
"""

from __future__ import annotations

from pathlib import Path


class DataError(Exception):
    """A data file that cannot be used: `path` names it, `reason` says why; `str()` is one line.

    A DataLoader re-raises a worker's exception as `type(error)(text)`, where the text is the worker's whole traceback
    and ends in the original message (torch/_utils.py, ExceptionWrapper.reraise). With one argument this class therefore
    takes what follows its own name in the last line: the message in the main process is the one that the worker raised.
    """

    def __init__(self, path: str | Path, reason: str | None = None) -> None:
        if reason is None:
            last_line = str(path).strip().splitlines()[-1] if str(path).strip() else ""
            path, _, reason = last_line.rpartition(f"{type(self).__name__}: ")[2].partition(": ")
        self.path = str(path)
        # One line, whatever a library put into its message.
        self.reason = " ".join(reason.split())
        super().__init__(f"{self.path}: {self.reason}" if self.reason else self.path)

    def __reduce__(self) -> tuple[type[DataError], tuple[str, str]]:
        return type(self), (self.path, self.reason)

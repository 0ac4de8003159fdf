"""The data files that a loader reads, where the parent asked for them: it evicts them before a cold trial.

Told by Python's own audit event for the opening of a file, and by the arguments of decoders that open theirs in C.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any  # what decoders are given

    from ocrprof.recorder.core import Recorder

_NOT_DATA = (".py", ".pyc", ".pyi", ".so", ".jsonl")
_SYSTEM = ("/proc/", "/sys/", "/dev/")
_opened: "set[str]" = set()
_is_hooked = False


def begin(recorder: "Recorder") -> None:
    """From now on what this process opens to read is noted; at its end the list is written."""
    global _is_hooked
    _opened.clear()
    recorder.at_end.append(lambda: _write(recorder.run_dir))
    if not _is_hooked:
        _is_hooked = True
        sys.addaudithook(_hear)


def noting(function: "Callable[..., Any]", hide_frame: "Callable[[BaseException], None]") -> "Callable[..., Any]":
    """The same decoder; what it is given first is noted where it names a file."""

    def wrapper(*args: object, **kwargs: object) -> object:
        named = args[0] if args else next(iter(kwargs.values()), None)
        if isinstance(named, str) or hasattr(named, "__fspath__"):
            _note(named)
        try:
            return function(*args, **kwargs)
        except BaseException as error:
            hide_frame(error)
            raise

    return wrapper


def _hear(event: str, args: "tuple[Any, ...]") -> None:
    if event == "open" and args[0] is not None and not isinstance(args[0], int):
        mode = args[1]
        if mode is None or "r" in mode:
            _note(args[0])


def _note(path: object) -> None:
    try:
        text = os.fsdecode(path)  # type: ignore[arg-type]  # a name that is no path is not noted
    except (TypeError, ValueError):
        return
    if _is_hooked and not text.endswith(_NOT_DATA) and not text.startswith(_SYSTEM):
        _opened.add(text)


def _write(run_dir: str) -> None:
    with open("%s/data-%d.txt" % (run_dir, os.getpid()), "wb") as file:
        paths = sorted(os.path.abspath(path) for path in _opened if "\n" not in path)
        file.write(b"".join(os.fsencode(path) + b"\n" for path in paths))

"""Exceptions that a signal handler raises while our code runs: they are meant for the target, as torch's of SIGCHLD."""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, TracebackType
    from typing import Any  # a handler is whatever the target has set

    from ocrprof.recorder.core import Recorder

_MAX_TRIES = 20


def is_from_handler(error: BaseException) -> bool:
    """Whether it came through a handler that the process has set for a signal."""
    signal: Any = sys.modules.get("_signal")
    if signal is None:
        return False
    codes = [_code_of(signal.getsignal(number)) for number in range(1, signal.NSIG)]
    traceback: TracebackType | None = error.__traceback__
    while traceback is not None:
        if any(traceback.tb_frame.f_code is code for code in codes):
            return True
        traceback = traceback.tb_next
    return False


def _code_of(handler: "Any") -> "CodeType | None":
    """Of a function or a method, of what a partial calls, or of the `__call__` of an object."""
    handler = getattr(handler, "func", handler)
    for function in (handler, *(kind.__dict__.get("__call__") for kind in type(handler).__mro__)):
        code: CodeType | None = getattr(function, "__code__", None)
        if code is not None:
            return code
    return None


def silence(recorder: "Recorder") -> None:
    """No handler of the target runs from here on; signals that end a process still do. Of the main thread alone, in
    which handlers run."""
    signal: Any = sys.modules.get("_signal")
    if signal is None or recorder.thread() != 0:
        return
    ends = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
    for _ in range(_MAX_TRIES):
        try:
            for number in range(1, signal.NSIG):
                if callable(signal.getsignal(number)):
                    signal.signal(number, signal.SIG_DFL if number in (*ends, signal.SIGCHLD) else signal.SIG_IGN)
            return
        except BaseException:  # one more that was on its way
            continue

"""Ends of a process that run nothing of Python any more: `os._exit`, and another program in its place."""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ocrprof.recorder.core import Recorder


def install(recorder: "Recorder") -> None:
    """What was recorded is in the file before either."""
    for name in ("execv", "execve"):
        if hasattr(os, name):
            _replace(recorder, name, _after_flush(recorder, getattr(os, name)))
    _replace(recorder, "_exit", _after_last_record(recorder, os._exit))


def _replace(recorder: "Recorder", name: str, wrapper: "Callable[..., object]") -> None:
    wrapper = recorder.load("core").look_like(wrapper, getattr(os, name))
    # Pickled by name: `posix`, whose function it was, has still that.
    wrapper.__module__ = "os"
    setattr(os, name, wrapper)


def _after_flush(recorder: "Recorder", original: "Callable[..., object]") -> "Callable[..., object]":
    """An exec may fail, and is tried for each folder of PATH: this need not be the end."""
    hide_frame = recorder.load("core").hide_frame

    def wrapper(*args: object, **kwargs: object) -> object:
        recorder.flush()
        try:
            return original(*args, **kwargs)
        except BaseException as error:
            hide_frame(error)
            raise

    return wrapper


def _after_last_record(recorder: "Recorder", original: "Callable[..., object]") -> "Callable[..., object]":
    def wrapper(*args: object, **kwargs: object) -> object:
        try:
            recorder.mark("exit.begin")
            recorder.finish("_exit")
        except BaseException as error:  # a signal handler's too: it would keep the process from its end
            recorder.note("at the end: %s: %s" % (type(error).__name__, error))
        return original(*args, **kwargs)

    return wrapper

"""Ends of a process that run nothing of Python any more: `os._exit`, and another program in its place."""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ocrprof.recorder.core import Recorder


def install(recorder: "Recorder") -> None:
    """What was recorded is in the file before either."""
    look_like = recorder.load("core").look_like
    for name in ("execv", "execve"):
        original = getattr(os, name, None)
        if original is not None:
            setattr(os, name, look_like(_after_flush(recorder, original), original))
    os._exit = look_like(_after_last_record(recorder, os._exit), os._exit)


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
        recorder.ask(recorder.mark, ("exit.begin",), {})
        recorder.ask(recorder.finish, ("_exit",), {})
        return original(*args, **kwargs)

    return wrapper

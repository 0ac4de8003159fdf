"""Where the time of a batch goes inside the process that loads it: decode, transform, collate, and the rest.

Exclusive times: what is decoded inside a transform is decoding. Decoders are wrapped when their module has loaded, in
every process of the target; so `from cv2 import imread` is seen too. The clock runs only while a batch is loaded.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any  # decoders, transforms and collate functions of the target

    from ocrprof.recorder.core import Recorder

STAGES = ("decode", "transform", "collate", "rest")
_REST = len(STAGES) - 1
_DECODERS = {
    "cv2": ("imread", "imdecode"),
    "PIL.Image": ("open",),
    "simplejpeg": ("decode_jpeg", "decode_jpeg_header"),
    "torchvision.io.image": ("read_image", "decode_image", "decode_jpeg", "decode_png", "read_file"),
    "torchvision.io": ("read_image", "decode_image", "decode_jpeg", "decode_png", "read_file"),
}
_TRANSFORM_NAMES = ("transform", "augment", "preprocess")


class Clock:
    """Gives each moment between `start` and `stop` to the innermost stage that is open."""

    def __init__(self) -> None:
        self.is_running = False
        self._spent = [0] * len(STAGES)
        self._open: list[int] = []
        self._since = 0

    def start(self, at: int) -> None:
        """A batch begins."""
        self._spent = [0] * len(STAGES)
        self._open = [_REST]
        self._since = at
        self.is_running = True

    def stop(self, at: int) -> "list[int]":
        """It is there: the ns of each of STAGES."""
        self._switch(at)
        self.is_running = False
        return self._spent

    def enter(self, stage: int, at: int) -> None:
        """From now on it is this stage's time."""
        self._switch(at)
        self._open.append(stage)

    def leave(self, at: int) -> None:
        """The stage that was entered last is over."""
        self._switch(at)
        self._open.pop()

    def _switch(self, at: int) -> None:
        self._spent[self._open[-1]] += at - self._since
        self._since = at


def clock_of(recorder: "Recorder") -> Clock:
    """The one of this process."""
    clock: Clock | None = getattr(recorder, "stage_clock", None)
    if clock is None:
        clock = recorder.stage_clock = Clock()  # type: ignore[attr-defined]
    return clock


def patch(recorder: "Recorder", module: "ModuleType") -> None:
    """The decoders of a module that has just loaded."""
    if module.__name__ == "PIL.ImageFile":
        # `open` reads a header; the pixels are decoded when they are first needed.
        module.ImageFile.load = timed(recorder, module.ImageFile.load, "decode")
        return
    for name in _DECODERS[module.__name__]:
        function = getattr(module, name, None)
        if function is not None and not hasattr(function, "_ocrprof_stage"):
            if "lists_files=true" in os.environ["OCRPROF_SWEEP"]:
                core = recorder.load("core")
                function = core.look_like(recorder.load("sweep_files").noting(function, core.hide_frame), function)
            watched = timed(recorder, function, "decode")
            watched.__module__ = module.__name__  # pickled by name, in which it stands for the function of another one
            setattr(module, name, watched)


def timed(recorder: "Recorder", function: "Callable[..., Any]", stage: str) -> "Callable[..., Any]":
    """The same function, its time given to `stage` while a batch is loaded; in the thread that loads it only."""
    clock, number, now = clock_of(recorder), STAGES.index(stage), recorder.now
    hide_frame, thread = recorder.load("core").hide_frame, recorder.thread

    def wrapper(*args: object, **kwargs: object) -> object:
        if not clock.is_running or thread() != 0:
            return function(*args, **kwargs)
        clock.enter(number, now())
        try:
            return function(*args, **kwargs)
        except BaseException as error:
            hide_frame(error)
            raise
        finally:
            clock.leave(now())

    wrapper = recorder.load("core").look_like(wrapper, function)
    wrapper._ocrprof_stage = stage  # type: ignore[attr-defined]
    return wrapper


def watch_transforms(recorder: "Recorder", dataset: "Any") -> None:
    """The callable attributes of a data set that are named for what they do, and those in lists under such a name."""
    for name, value in list(getattr(dataset, "__dict__", {}).items()):
        if not any(word in name.lower() for word in _TRANSFORM_NAMES):
            continue
        if isinstance(value, list):
            value[:] = [_watched(recorder, one) for one in value]
        elif callable(value):
            watched = _watched(recorder, value)
            if watched is not value:
                object.__setattr__(dataset, name, watched)


def _watched(recorder: "Recorder", transform: "Any") -> "Any":
    """A function is replaced; an object stays, for others may ask what it is, and its class's `__call__` is timed."""
    kind = type(transform)
    if isinstance(transform, type) or not callable(transform) or hasattr(transform, "_ocrprof_stage"):
        return transform
    if isinstance(transform, (type(_watched), type(len), type("".join))):
        return timed(recorder, transform, "transform")
    if sys.modules["types"].MethodType is kind or kind.__module__ == "functools":
        return timed(recorder, transform, "transform")
    call = kind.__call__
    if not hasattr(call, "_ocrprof_stage"):
        try:
            kind.__call__ = timed(recorder, call, "transform")
        except TypeError:  # a class that is not written in Python
            return timed(recorder, transform, "transform")
    return transform

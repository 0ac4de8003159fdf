"""Shared objects that Python code opens itself, by ctypes: torch brings its own libraries that way."""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType, ModuleType
    from typing import Any  # what `ctypes.CDLL` is given

    from ocrprof.recorder.core import Recorder


def patch_ctypes(recorder: "Recorder", module: "ModuleType") -> None:
    """Records each opening as a load of kind library: inside the module that asked, and named as a part of it."""
    watch, core, imports = recorder.watch, recorder.load("core"), recorder.load("imports")
    if watch is None:
        return
    original = module.CDLL.__init__

    def __init__(self: object, *args: "Any", **kwargs: "Any") -> None:
        path = _path(args, kwargs)
        if path is None:
            original(self, *args, **kwargs)
            return
        entry = imports.new_entry(path.rpartition("/")[2].partition(".")[0])
        entry[imports.LIBRARY] = path
        recorder.loads().append(entry)
        start = recorder.now()
        try:
            original(self, *args, **kwargs)
        except BaseException as error:
            core.hide_frame(error)
            watch.opened(entry, start, error, _asker())
            raise
        watch.opened(entry, start, None, _asker())

    module.CDLL.__init__ = core.look_like(__init__, original)


def _asker() -> "FrameType":
    frame = sys._getframe(2)
    while frame.f_globals.get("__name__") == "ctypes" and frame.f_back is not None:
        frame = frame.f_back
    return frame


def _path(args: "tuple[Any, ...]", kwargs: "dict[str, Any]") -> "str | None":
    """The library to be opened; None for the program itself, and for a handle that is open already."""
    name = args[0] if args else kwargs.get("name")
    if name is None or len(args) > 2 or kwargs.get("handle") is not None:
        return None
    if hasattr(name, "__fspath__"):
        name = name.__fspath__()
    if isinstance(name, bytes):
        name = name.decode("utf-8", "surrogateescape")
    return str(name) or None

"""What makes loads longer than they would be alone: modules that another thread is loading, and garbage collection."""

import _thread
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any  # private parts of importlib

    from ocrprof.recorder.core import Recorder


def install(recorder: "Recorder", watch: "Any") -> None:
    """Starts telling of both in this process."""
    lock = getattr(sys.modules["_frozen_importlib"], "_ModuleLock", None)
    if lock is None or not hasattr(lock, "acquire"):
        recorder.note("this Python's importlib has no lock of a module: waits for other threads are part of self times")
    else:
        lock.acquire = recorder.load("imports").trimmed(_watch_lock(watch, lock.acquire))
    if "OCRPROF_SWEEP" in os.environ:
        # Nobody asks for it there, and what a signal handler raises in a callback of the collector is lost.
        return
    if sys.version_info >= (3, 10):
        _Garbage(recorder)
    else:
        # There the module `gc` can only be made as a loaded one, and its callbacks outlive what they need.
        recorder.note("collections of garbage are timed from Python 3.10 on")


def _watch_lock(watch: "Any", original: "Callable[..., object]") -> "Callable[..., object]":
    """Time in which another thread holds a module is nobody's self time."""
    recorder, here = watch.recorder, _thread.get_ident

    def acquire(self: "Any") -> object:
        owner = self.owner
        if owner is None or owner == here():
            return original(self)
        start = recorder.now()
        try:
            return original(self)
        except BaseException as error:
            watch.hide_frame(error)
            raise
        finally:
            watch.blocked(self.name, start, sys._getframe())

    return acquire


class _Garbage:
    """Collections of garbage inside loads, and their time."""

    def __init__(self, recorder: "Recorder") -> None:
        self._recorder = recorder
        self._started = 0
        self._collections = 0
        self._nanoseconds = 0
        self._by_module: dict[str, list[int]] = {}
        gc: Any = sys.modules.get("gc")
        if gc is None:
            # Made beside `sys.modules`, where a program that does not load it must not find it: its lists are the same.
            spec = sys.modules["_frozen_importlib"].BuiltinImporter.find_spec("gc")
            gc = sys.modules["_imp"].create_builtin(spec)
            sys.modules["_imp"].exec_builtin(gc)
        self._callbacks: list[Any] = gc.callbacks
        self._callbacks.append(self.collected)
        recorder.at_marks.append(self.write)
        recorder.at_end.append(self.write_by_module)

    def collected(self, phase: str, info: "dict[str, int]") -> None:
        """What the collector calls before and after each collection."""
        if phase == "start":
            self._started = self._recorder.now()
            return
        took = self._recorder.now() - self._started
        loads = self._recorder.loads()
        if loads:
            self._collections += 1
            self._nanoseconds += took
        # Every 700 new objects make a collection: their number tells who makes objects. A full one, at the latest of
        # them, goes through the objects of all.
        counts = self._by_module.setdefault(str(loads[-1][0]) if loads else "", [0, 0])
        counts[0] += 1
        if info["generation"] == 2:
            counts[1] += took

    def write(self) -> None:
        """The count so far."""
        counts = {"collections": self._collections, "ns": self._nanoseconds}
        if "first-step" in self._recorder.marks and self.collected in self._callbacks:
            # The start is over, and what a signal handler raises in a callback of the collector is lost.
            self._callbacks.remove(self.collected)
        self._recorder.write({"k": "totals", "of": "garbage", "at": self._recorder.now(), "a": counts})

    def write_by_module(self) -> None:
        """For each module whose own load they fell into (none: "") the collections, and the ns of full ones."""
        self._recorder.write(
            {"k": "totals", "of": "garbage_by_module", "at": self._recorder.now(), "a": self._by_module}
        )

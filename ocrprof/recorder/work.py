"""The work of a run in numbers that do not depend on time: image files opened, calls of the program's own functions.

In a run of its own, which counting calls slows down. From Python 3.12 on they are seen by `sys.monitoring`, before that
by `sys.setprofile` in the main thread of each process, at rest while modules load; a profiler that the program sets
itself is given way to. Files that a C library opens by itself are not seen, but for those of `cv2.imread`.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, FrameType, ModuleType
    from typing import Any  # the arguments of audit events; sys.monitoring

    from ocrprof.recorder.core import Recorder

_IMAGES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp", ".jp2", ".gif", ".ppm", ".pgm")
_WRITES = frozenset("wax+")
_FOREIGN = ("site-packages", "dist-packages")
_NEW_LOCALS = 0x02
_MAX_FUNCTIONS = 5000

_works: "dict[int, _Work]" = {}


def install(recorder: "Recorder", wanted: str) -> None:
    """Starts counting in this process and in those that it forks: files as they are opened; with `calls`, calls too."""
    work = _works[id(recorder)] = _Work(recorder)
    sys.addaudithook(work.hook)
    if wanted == "calls":
        recorder.at_end.append(work.write)
        os.register_at_fork(after_in_child=work.restart)
        work.watch_calls()


def patch_cv2(recorder: "Recorder", module: "ModuleType") -> None:
    """Counts what `cv2.imread` opens, where work is counted."""
    work = _works.get(id(recorder))
    if work is None or not hasattr(module, "imread"):
        return
    original = module.imread

    def imread(filename: object, *args: object, **kwargs: object) -> object:
        work.opened(filename, "r", 0)
        return original(filename, *args, **kwargs)

    module.imread = recorder.load("core").look_like(imread, original)  # type: ignore[attr-defined]


class _Work:
    """What one process opened and called."""

    def __init__(self, recorder: "Recorder") -> None:
        self._recorder = recorder
        self._stdlib = os.path.dirname(os.__file__) + os.sep
        self._own = os.path.dirname(os.path.abspath(__file__)) + os.sep
        # By id, with the code itself, of the program's functions how often and in which module: an id is given again.
        self._codes: dict[int, tuple[CodeType, list[Any] | None]] = {}

    def hook(self, event: str, args: "tuple[Any, ...]") -> None:
        """An audit event. An exception here would make the audited call fail: there is none."""
        if event == "open":
            try:
                self.opened(*args)
            except Exception as error:
                self._recorder.forgive(error)

    def opened(self, path: object, mode: object, flags: object) -> None:
        """Writes the name of an image that is opened to be read; at once, because workers are often killed."""
        name = os.fspath(path) if isinstance(path, (str, bytes, os.PathLike)) else ""
        if isinstance(name, bytes):
            name = name.decode("utf-8", "replace")
        if not name.lower().endswith(_IMAGES) or self._recorder.loads():
            return
        if isinstance(mode, str) and not _WRITES.isdisjoint(mode):
            return
        if mode is None and isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR):
            return
        self._recorder.write({"k": "opened", "path": name})
        self._recorder.flush()

    def restart(self) -> None:
        """In a forked child: what the parent did is the parent's."""
        self._codes = {}
        self._recorder.at_end.append(self.write)

    def watch_calls(self) -> None:
        """By the quickest means that this Python has."""
        monitoring: Any = getattr(sys, "monitoring", None)
        if monitoring is None:
            if sys.getprofile() is not None:
                self._recorder.note("the program is profiled by something else: its calls are not counted")
                return
            sys.setprofile(self.profile)
            self._rest_in_loads()
            return
        tool = next((one for one in (3, 4, 5) if monitoring.get_tool(one) is None), None)
        if tool is None:
            self._recorder.note("no tool of sys.monitoring is free: calls are not counted")
            return
        monitoring.use_tool_id(tool, "ocrprof")
        monitoring.register_callback(tool, monitoring.events.PY_START, self.started)
        monitoring.set_events(tool, monitoring.events.PY_START)

    def _rest_in_loads(self) -> None:
        """Most of the calls of a start are made there, and next to none of them is the program's."""
        bootstrap: Any = sys.modules["_frozen_importlib"]
        original = getattr(bootstrap, "_find_and_load", None)
        if original is None:
            return
        modules = sys.modules

        def _find_and_load(name: str, import_: object) -> object:
            if name in modules or sys.getprofile() != self.profile:
                return original(name, import_)
            sys.setprofile(None)
            try:
                return original(name, import_)
            finally:
                if sys.getprofile() is None:
                    sys.setprofile(self.profile)

        bootstrap._find_and_load = self._recorder.load("imports").trimmed(_find_and_load)

    def profile(self, frame: "FrameType", event: str, arg: object) -> None:
        """What `sys.setprofile` calls, also for functions of C."""
        if event == "call":
            self.started(frame.f_code, 0)

    def started(self, code: "CodeType", offset: int) -> object:
        """A function was entered. Other code than the program's is told of no more, where Python can leave it out."""
        known = self._codes.get(id(code))
        if known is None:
            known = self._codes[id(code)] = (code, [0] if self._is_counted(code) else None)
        if known[1] is None:
            monitoring: Any = getattr(sys, "monitoring", None)
            return None if monitoring is None else monitoring.DISABLE
        known[1][0] += 1
        return None

    def write(self) -> None:
        """Calls of the program's functions: file, line, qualified name, number; the most called."""
        if sys.getprofile() == self.profile:
            sys.setprofile(None)
        rows = [
            [code.co_filename, code.co_firstlineno, getattr(code, "co_qualname", code.co_name), calls[0]]
            for code, calls in list(self._codes.values())
            if calls is not None
        ]
        rows.sort(key=lambda row: -row[3])
        self._recorder.write({"k": "totals", "of": "work_calls", "a": rows[:_MAX_FUNCTIONS]})

    def _is_counted(self, code: "CodeType") -> bool:
        file = code.co_filename
        # Bodies of modules and classes have no locals of their own.
        if (
            code.co_name.startswith("<")
            or not code.co_flags & _NEW_LOCALS
            or file.startswith(("<", self._stdlib, self._own))
        ):
            return False
        return not any(folder in file for folder in _FOREIGN)

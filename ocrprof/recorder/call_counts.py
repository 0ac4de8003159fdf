"""Counts calls of the program's own functions by their arguments: in a run of its own, which it slows down.

From Python 3.12 on by `sys.monitoring`, which leaves foreign code alone; before that by `sys.setprofile` in the main
thread, at rest while foreign packages load. A profiler that the program sets itself is given way to. Only calls with
plain arguments count, and only where each call with equal ones had the same plain result: of anything else it is
not known whether the second call was needless.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType, ModuleType
    from typing import Any  # sys.monitoring, private parts of importlib, and the target's values

    from ocrprof.recorder.core import Recorder

_MIN_CALLS = 5
_MAX_KEYS = 2000
_MAX_WRITTEN = 200
# CO_GENERATOR, CO_COROUTINE, CO_ITERABLE_COROUTINE, CO_ASYNC_GENERATOR: these return many times or later.
_RETURNS_LATER = 0x20 | 0x80 | 0x100 | 0x200
_NEW_LOCALS = 0x02
_FOREIGN = ("site-packages", "dist-packages")

# Fields of what is kept of the calls with one key.
_COUNT, _RESULT, _AGAIN_NS = range(3)
_DIFFERS = object()


def install(recorder: "Recorder") -> None:
    """Starts counting in this process; what was counted is written at its end."""
    counts = _Counts(recorder)
    recorder.at_end.append(counts.write)
    monitoring: Any = getattr(sys, "monitoring", None)
    if monitoring is not None and _monitor(recorder, counts, monitoring):
        return
    if sys.getprofile() is not None:
        recorder.note("the program is profiled by something else: its calls are not counted")
        return
    _rest_in_foreign_loads(recorder, counts)
    sys.setprofile(counts.profile)
    os.register_at_fork(after_in_child=lambda: _stop(counts))


def _stop(counts: "_Counts") -> None:
    if sys.getprofile() == counts.profile:
        sys.setprofile(None)


class _Counts:
    """Calls by function and key of their arguments."""

    def __init__(self, recorder: "Recorder") -> None:
        self._recorder = recorder
        self._values = recorder.load("plain_values")
        self._stdlib = os.path.dirname(os.__file__) + os.sep
        self._own = os.path.dirname(os.path.abspath(__file__)) + os.sep
        # By id, with the code itself: an id is given again when its owner is gone.
        self._codes: dict[int, tuple[CodeType, dict[str, list[Any]] | None]] = {}
        self._modules: dict[int, tuple[str, str]] = {}
        self._open: list[tuple[CodeType, str | None, int]] = []

    def profile(self, frame: "FrameType", event: str, arg: "Any") -> None:
        """What `sys.setprofile` calls, also for functions of C."""
        if event == "return":
            if self._open and self._open[-1][0] is frame.f_code:
                self.end(arg)
        elif event == "call" and self.calls_of(frame.f_code) is not None:
            self.begin(frame)

    def calls_of(self, code: "CodeType") -> "dict[str, list[Any]] | None":
        """By key the calls of a function of the program; None for all other code."""
        known = self._codes.get(id(code))
        if known is None:
            calls: dict[str, list[Any]] | None = {} if self._is_counted(code) else None
            known = self._codes[id(code)] = (code, calls)
        return known[1]

    def begin(self, frame: "FrameType") -> None:
        """A function of the program was called."""
        code = frame.f_code
        calls = self.calls_of(code)
        key = None
        if calls is not None:
            values = frame.f_locals
            key = self._recorder.ask(self._values.key_of_arguments, (code, values), {})
            if not calls:
                self._modules[id(code)] = (
                    str(frame.f_globals.get("__name__")),
                    str(self._recorder.ask(self._values.as_called, (code, values), {})),
                )
            if key is not None and key not in calls and len(calls) >= _MAX_KEYS:
                key = None
        self._open.append((code, key, self._recorder.now()))

    def end(self, result: "Any") -> None:
        """The function that was called last has returned."""
        code, key, start = self._open.pop()
        calls = self._codes[id(code)][1]
        if key is None or calls is None:
            return
        took = self._recorder.now() - start
        plain = None if result is None else self._recorder.ask(self._values.key_of, (result,), {})
        call = calls.get(key)
        if call is None:
            calls[key] = [1, _DIFFERS if plain is None else plain, 0]
        else:
            call[_COUNT] += 1
            call[_AGAIN_NS] += took
            if call[_RESULT] != plain:
                call[_RESULT] = _DIFFERS

    def fail(self) -> None:
        """The function that was called last has raised: no result, and so nothing to compare."""
        code, key, _ = self._open.pop()
        calls = self._codes[id(code)][1]
        if key is not None and calls is not None:
            calls.setdefault(key, [0, _DIFFERS, 0])[_RESULT] = _DIFFERS

    @property
    def open_code(self) -> "CodeType | None":
        """Of the function that was called last and has not returned."""
        return self._open[-1][0] if self._open else None

    def write(self) -> None:
        """The functions that were called again with equal arguments, those that took longest first."""
        _stop(self)
        rows = []
        num_functions = 0
        for code, calls in list(self._codes.values()):
            if calls is None or id(code) not in self._modules:
                continue
            num_functions += 1
            same = [call for call in calls.values() if call[_COUNT] > 1 and call[_RESULT] is not _DIFFERS]
            if max((call[_COUNT] for call in same), default=0) < _MIN_CALLS:
                continue
            module, example = self._modules[id(code)]
            rows.append(
                {
                    "module": module,
                    "name": code.co_name,
                    "qualname": getattr(code, "co_qualname", code.co_name),
                    "file": code.co_filename,
                    "line": code.co_firstlineno,
                    "calls": sum(call[_COUNT] for call in calls.values()),
                    "again": sum(call[_COUNT] - 1 for call in same),
                    "ns": sum(call[_AGAIN_NS] for call in same),
                    "example": example,
                }
            )
        rows.sort(key=lambda row: -row["ns"])
        self._recorder.write(
            {"k": "totals", "of": "call_counts", "a": {"functions": num_functions, "rows": rows[:_MAX_WRITTEN]}}
        )

    def _is_counted(self, code: "CodeType") -> bool:
        file = code.co_filename
        if code.co_name.startswith("<") or code.co_flags & _RETURNS_LATER or not code.co_flags & _NEW_LOCALS:
            return False
        if file.startswith(("<", self._stdlib, self._own)):
            return False
        return not any(folder in file for folder in _FOREIGN)


def _monitor(recorder: "Recorder", counts: _Counts, monitoring: "Any") -> bool:
    """Counts by `sys.monitoring`; False where every tool that could be ours is taken."""
    tool = next((number for number in (4, 3, 5) if monitoring.get_tool(number) is None), None)
    if tool is None:
        return False
    monitoring.use_tool_id(tool, "ocrprof")
    events = monitoring.events

    def started(code: "CodeType", offset: int) -> "Any":
        if counts.calls_of(code) is None:
            return monitoring.DISABLE
        if recorder.thread() == 0:
            counts.begin(sys._getframe(1))
        return None

    def returned(code: "CodeType", offset: int, result: object) -> "Any":
        if counts.calls_of(code) is None:
            return monitoring.DISABLE
        if counts.open_code is code and recorder.thread() == 0:
            counts.end(result)
        return None

    def raised(code: "CodeType", offset: int, error: BaseException) -> None:
        if counts.open_code is code and recorder.thread() == 0:
            counts.fail()

    monitoring.register_callback(tool, events.PY_START, started)
    monitoring.register_callback(tool, events.PY_RETURN, returned)
    monitoring.register_callback(tool, events.PY_UNWIND, raised)
    monitoring.set_events(tool, events.PY_START | events.PY_RETURN | events.PY_UNWIND)
    return True


def _rest_in_foreign_loads(recorder: "Recorder", counts: _Counts) -> None:
    """No call of the program's functions is missed there, and most of the calls of a start are made there."""
    bootstrap: Any = sys.modules["_frozen_importlib"]
    original: Callable[..., ModuleType] | None = getattr(bootstrap, "_find_and_load", None)
    if original is None:
        return
    modules = sys.modules
    foreign: dict[str, bool] = {}
    stdlib: frozenset[str] = getattr(sys, "stdlib_module_names", frozenset())

    def is_foreign(top: str) -> bool:
        if top not in foreign:
            foreign[top] = top in stdlib or not _is_beside_the_program(top)
        return foreign[top]

    def _find_and_load(name: str, import_: object) -> object:
        if name in modules or sys.getprofile() != counts.profile or not is_foreign(name.partition(".")[0]):
            return original(name, import_)
        sys.setprofile(None)
        try:
            return original(name, import_)
        finally:
            if sys.getprofile() is None:
                sys.setprofile(counts.profile)

    bootstrap._find_and_load = recorder.load("imports").trimmed(_find_and_load)


def _is_beside_the_program(top: str) -> bool:
    """Whether a folder of `sys.path` that nothing was installed into holds a package or module of that name."""
    stdlib = os.path.dirname(os.__file__)
    for entry in sys.path:
        folder = entry or os.curdir
        if folder.startswith(stdlib) or any(name in folder for name in _FOREIGN) or folder.endswith(".zip"):
            continue
        if os.path.isdir(folder + os.sep + top) or os.path.isfile("%s%s%s.py" % (folder, os.sep, top)):
            return True
    return False

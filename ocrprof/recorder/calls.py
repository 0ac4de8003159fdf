"""Times every call of a few functions, named from outside: those beyond the first with equal arguments.

A function gets other code in place of its own when its module has loaded: whoever holds the function already, a table
or a decorator's wrapper, is timed too.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import CodeType, FunctionType, ModuleType
    from typing import Any  # functions of the target, their arguments and results

    from ocrprof.recorder.core import Recorder

_Function: "Any" = type(lambda: None)
_MAX_CALLERS = 8
_MAX_DEPTH = 4


def install(recorder: "Recorder", wanted: str) -> None:
    """`wanted`: `module:line:name` of each function's first line, one a line."""
    names: dict[str, list[tuple[int, str]]] = {}
    for one in wanted.splitlines():
        module, line, name = one.split(":")
        names.setdefault(module, []).append((int(line), name))
    calls = _Calls(recorder)
    recorder.at_end.append(calls.write)
    external: Any = sys.modules["_frozen_importlib_external"]
    original = external._LoaderBasics.exec_module

    def look_at(name: str, module: "ModuleType | None") -> None:
        if name in names and module is not None:
            recorder.ask(calls.watch, (module, names[name]), {})
            if not names[name]:
                del names[name]

    def exec_module(self: object, module: "ModuleType") -> object:
        result = original(self, module)
        look_at(getattr(module, "__name__", "?"), module)
        # The program's own file is never loaded by a loader: it is looked at when something else happened.
        look_at("__main__", sys.modules.get("__main__"))
        return result

    external._LoaderBasics.exec_module = recorder.load("imports").trimmed(exec_module)
    recorder.at_marks.append(lambda: look_at("__main__", sys.modules.get("__main__")))


class _Calls:
    """The functions that are timed, and what their calls took."""

    def __init__(self, recorder: "Recorder") -> None:
        self.recorder = recorder
        self.values = recorder.load("plain_values")
        self.spans = recorder.load("access").SPANS
        self.again: list[str] = []
        self._timed: list[_Timed] = []

    def watch(self, module: "ModuleType", wanted: "list[tuple[int, str]]") -> None:
        """Times those of the functions that the module defines by now, and takes them off the list."""
        for function in _functions_of(vars(module), module.__name__, 0):
            code = function.__code__
            if (code.co_firstlineno, code.co_name) in wanted and not code.co_freevars:
                wanted.remove((code.co_firstlineno, code.co_name))
                self._timed.append(_Timed(self, function))

    def write(self) -> None:
        """What every timed function took."""
        self.recorder.write({"k": "totals", "of": "timed_calls", "a": [one.as_record() for one in self._timed]})


class _Timed:
    """One function, and the time of its calls."""

    def __init__(self, calls: _Calls, function: "FunctionType") -> None:
        self._calls = calls
        self._code = function.__code__
        self._module = function.__module__
        self._defaults = _defaults_of(function)
        self._inner = _Function(
            function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
        )
        self._inner.__kwdefaults__ = function.__kwdefaults__
        self._seen: set[str] = set()
        self._is_open = False
        self._num_calls = self._num_again = self._again_ns = self._inside_ns = 0
        self._inside: str | None = None
        self._by_span: dict[str, int] = {}
        self._callers: dict[tuple[str, int], int] = {}
        function.__code__ = _stand_in(self._code, self._call)

    def as_record(self) -> "dict[str, object]":
        """All of it, nanoseconds."""
        return {
            "module": self._module,
            "line": self._code.co_firstlineno,
            "name": self._code.co_name,
            "calls": self._num_calls,
            "again": self._num_again,
            "ns": self._again_ns,
            "inside_ns": self._inside_ns,
            "inside": self._inside,
            "spans": self._by_span,
            "callers": [[file, line, number] for (file, line), number in self._callers.items()],
        }

    def _call(self, *args: "Any", **kwargs: "Any") -> "Any":
        recorder = self._calls.recorder
        if self._is_open or recorder.thread() != 0:
            return self._inner(*args, **kwargs)
        key = recorder.ask(self._key, (args, kwargs), {})
        is_again = key is not None and key in self._seen
        caller = sys._getframe(2)
        spans = [name for name in recorder.spans() if name in self._calls.spans]
        around = self._calls.again
        self._is_open = True
        if is_again:
            around.append(self._code.co_name)
        start = recorder.now()
        try:
            return self._inner(*args, **kwargs)
        finally:
            took = recorder.now() - start
            self._is_open = False
            self._num_calls += 1
            if key is not None:
                self._seen.add(key)
            if is_again:
                around.pop()
                self._add(took, spans[-1] if spans else "", (caller.f_code.co_filename, caller.f_lineno))

    def _add(self, took: int, span: str, caller: "tuple[str, int]") -> None:
        self._num_again += 1
        if self._calls.again:
            self._inside, self._inside_ns = self._calls.again[0], self._inside_ns + took
            return
        self._again_ns += took
        self._by_span[span] = self._by_span.get(span, 0) + took
        if caller in self._callers or len(self._callers) < _MAX_CALLERS:
            self._callers[caller] = self._callers.get(caller, 0) + 1

    def _key(self, args: "tuple[Any, ...]", kwargs: "dict[str, Any]") -> "str | None":
        code = self._code
        names = code.co_varnames[: code.co_argcount]
        given = dict(zip(names, args))  # noqa: B905  # Python 3.9 knows no `strict`
        values = {**self._defaults, **given, **kwargs}
        known = {*names, *code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]}
        rest = self._calls.values.parameters_of(code)[len(known) :]
        # What goes into `*args` and `**kwargs`, as the body finds it there.
        if code.co_flags & self._calls.values.VARIABLE_ARGUMENTS:
            values[rest[0]] = args[len(names) :]
        if code.co_flags & self._calls.values.VARIABLE_KEYWORDS:
            values[rest[-1]] = {name: value for name, value in kwargs.items() if name not in known}
        key: str | None = self._calls.values.key_of_arguments(code, values)
        return key


def _stand_in(code: "CodeType", call: "Callable[..., Any]") -> "CodeType":
    """Code that hands everything on to `call`, under the name and place of `code`."""

    def stand_in(*args: "Any", **kwargs: "Any") -> "Any":
        target: Any = 0.5
        return target(*args, **kwargs)

    own = stand_in.__code__
    names: dict[str, Any] = {"co_qualname": code.co_qualname} if hasattr(code, "co_qualname") else {}
    return own.replace(
        co_consts=tuple(call if type(one) is float else one for one in own.co_consts),
        co_name=code.co_name,
        co_filename=code.co_filename,
        co_firstlineno=code.co_firstlineno,
        **names,
    )


def _defaults_of(function: "FunctionType") -> "dict[str, Any]":
    names = function.__code__.co_varnames[: function.__code__.co_argcount]
    defaults = function.__defaults__ or ()
    given = dict(zip(names[len(names) - len(defaults) :], defaults))  # noqa: B905  # Python 3.9 knows no `strict`
    return {**given, **(function.__kwdefaults__ or {})}


def _functions_of(namespace: "Any", module: str, depth: int) -> "Iterator[FunctionType]":
    """Those that a module's namespace or a class of it holds, also behind decorators."""
    for value in list(namespace.values()):
        if isinstance(value, type):
            if value.__module__ == module and depth < _MAX_DEPTH:
                yield from _functions_of(vars(value), module, depth + 1)
            continue
        for one in (value, getattr(value, "__func__", None), getattr(value, "fget", None)):
            for _ in range(_MAX_DEPTH):
                if isinstance(one, _Function) and one.__module__ == module:
                    yield one
                one = getattr(one, "__wrapped__", None)
                if one is None:
                    break

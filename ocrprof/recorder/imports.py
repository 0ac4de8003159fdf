"""Every module load, whatever its route: who asked for it, how long it took, and on what.

Two layers. A: `_find_and_load` of the frozen importlib, which C code and `import_module` both look up there, sees every
load that goes through the import system. B: the loaders' own `exec_module` and `get_code` see loads that bypass it
(Hydra's plugin scan calls `exec_module` itself), and split the time. They meet on a stack per thread, so that
nothing counts twice. Methods are patched, objects never swapped: `spec.loader` stays what it was.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType, ModuleType
    from typing import Any  # private parts of importlib, patched by name

    from ocrprof.recorder.core import Recorder

# Fields of an entry on the stack of loads.
_NAME, _NESTED_NS, _CODE_NS, _CREATE_NS, _EXEC_NS, _EXECUTED = range(6)


def install(recorder: "Recorder", hooks: "dict[str, tuple[str, str]]") -> None:
    """Starts recording loads in this process, and arranges for `hooks` to run when their modules have loaded."""
    bootstrap: Any = sys.modules["_frozen_importlib"]
    external: Any = sys.modules["_frozen_importlib_external"]
    watch = _Watch(recorder, hooks)
    for name in list(hooks):
        if name in sys.modules:
            watch.loaded(sys.modules[name])
    if not hasattr(bootstrap, "_find_and_load"):
        recorder.note("this Python has no importlib._find_and_load: loads are seen by their loaders alone")
    else:
        bootstrap._find_and_load = trimmed(_watch_find_and_load(watch, bootstrap._find_and_load))
    external._LoaderBasics.exec_module = trimmed(_watch_exec(watch, external._LoaderBasics.exec_module))
    external.SourceLoader.get_code = trimmed(_watch_part(watch, external.SourceLoader.get_code, _CODE_NS))
    extension = external.ExtensionFileLoader
    extension.create_module = trimmed(_watch_part(watch, extension.create_module, _CREATE_NS))
    extension.exec_module = trimmed(_watch_exec(watch, extension.exec_module))


class _Watch:
    """Writes load records, and runs the hooks of modules that have just loaded."""

    def __init__(self, recorder: "Recorder", hooks: "dict[str, tuple[str, str]]") -> None:
        self.recorder = recorder
        self.hide_frame = recorder.load("core").hide_frame
        self._hooks = dict(hooks)

    def loaded(self, module: "ModuleType") -> None:
        """Runs the hook for a module whose body has run, once."""
        hook = self._hooks.pop(getattr(module, "__name__", ""), None)
        if hook is None:
            return
        file, function = hook
        try:
            getattr(self.recorder.load(file), function)(self.recorder, module)
        except Exception as error:
            self.recorder.note("hook %s.%s: %s: %s" % (file, function, type(error).__name__, error))

    def write(
        self, entry: "list[int]", name: str, route: str, start: int, error: "BaseException | None", frame: "FrameType"
    ) -> None:
        """Takes the finished `entry` off the stack, charges its time to the load around it, and records it."""
        recorder = self.recorder
        end = recorder.now()
        stack: list[list[int]] = recorder.loads()  # type: ignore[assignment]
        while stack and stack.pop() is not entry:
            pass
        if stack:
            stack[-1][_NESTED_NS] += end - start
        asker, asked_by_import_module = asking_frame(frame)
        if name == "sitecustomize" and error is not None:
            # Ours looking for the environment's own; without us, site looks for it before anything is recorded.
            return
        file, kind = _origin(sys.modules.get(name))
        recorder.loaded_names.add(name)
        recorder.write(
            {
                "k": "load",
                "name": name,
                "start": start,
                "end": end,
                "self": end - start - entry[_NESTED_NS],
                "code": entry[_CODE_NS],
                "create": entry[_CREATE_NS],
                "exec": entry[_EXEC_NS],
                "route": "import_module" if asked_by_import_module and route == "statement" else route,
                "thread": recorder.thread(),
                "depth": len(stack),
                "ok": error is None,
                "error": None if error is None else type(error).__name__,
                "file": file,
                "kind": kind,
                "by": None if asker is None else [asker.f_code.co_filename, asker.f_lineno],
                "by_module": None if asker is None else asker.f_globals.get("__name__"),
            }
        )
        if not stack:
            # A process that hangs or is killed right after this load has still told of it.
            recorder.flush()


def _watch_find_and_load(watch: _Watch, original: "Callable[..., ModuleType]") -> "Callable[..., object]":
    recorder, modules = watch.recorder, sys.modules

    def _find_and_load(name: str, import_: object) -> object:
        if name in modules:
            return original(name, import_)
        entry: list[object] = [name, 0, 0, 0, 0, False]
        recorder.loads().append(entry)
        start = recorder.now()
        try:
            module = original(name, import_)
        except BaseException as error:
            watch.hide_frame(error)
            watch.write(entry, name, "statement", start, error, sys._getframe())  # type: ignore[arg-type]
            raise
        watch.write(entry, name, "statement", start, None, sys._getframe())  # type: ignore[arg-type]
        return module

    return _find_and_load


def _watch_exec(watch: _Watch, original: "Callable[..., object]") -> "Callable[..., object]":
    recorder = watch.recorder

    def exec_module(self: object, module: "ModuleType") -> object:
        name = getattr(module, "__name__", "?")
        stack = recorder.loads()
        bypassed = not stack or stack[-1][_NAME] != name or bool(stack[-1][_EXECUTED])
        if bypassed:
            stack.append([name, 0, 0, 0, 0, False])
        entry: list[int] = stack[-1]  # type: ignore[assignment]
        entry[_EXECUTED] = True
        start = recorder.now()
        try:
            result = original(self, module)
        except BaseException as error:
            watch.hide_frame(error)
            if bypassed:
                watch.write(entry, name, "exec_module", start, error, sys._getframe())
            raise
        entry[_EXEC_NS] += recorder.now() - start
        if bypassed:
            watch.write(entry, name, "exec_module", start, None, sys._getframe())
        watch.loaded(module)
        return result

    return exec_module


def _watch_part(watch: _Watch, original: "Callable[..., object]", field: int) -> "Callable[..., object]":
    recorder = watch.recorder

    def timed_part(self: object, argument: object) -> object:
        start = recorder.now()
        try:
            result = original(self, argument)
        except BaseException as error:
            watch.hide_frame(error)
            raise
        stack: list[list[int]] = recorder.loads()  # type: ignore[assignment]
        if stack:
            stack[-1][field] += recorder.now() - start
        return result

    return timed_part


def trimmed(function: "Any") -> "Any":
    """Under importlib's own file name the frame is trimmed from tracebacks, and `warnings` skips it."""
    code: CodeType = function.__code__
    function.__code__ = code.replace(co_filename="<frozen importlib._bootstrap>")
    return function


def asking_frame(frame: "FrameType | None") -> "tuple[FrameType | None, bool]":
    """The first frame outside importlib, and whether it came through `importlib.import_module`."""
    by_import_module = False
    while frame is not None:
        filename, function = frame.f_code.co_filename, frame.f_code.co_name
        if filename.endswith("importlib/__init__.py") and function == "import_module":
            by_import_module = True
        elif not filename.startswith("<frozen importlib") and not (
            filename.endswith("importlib/util.py") and function != "<module>"
        ):
            return frame, by_import_module
        frame = frame.f_back
    return None, by_import_module


def _origin(module: "ModuleType | None") -> "tuple[str | None, str]":
    """The file a module came from, and what kind of file that was."""
    spec = getattr(module, "__spec__", None)
    origin = getattr(spec, "origin", None)
    if type(origin) is not str:
        return None, "namespace" if hasattr(module, "__path__") else "other"
    if origin in ("built-in", "builtin"):
        return None, "builtin"
    if origin == "frozen":
        return None, "frozen"
    if origin.endswith((".py", ".pyc")):
        return origin, "source"
    return origin, "extension" if origin.endswith((".so", ".pyd")) else "other"

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

# Fields of an entry on the stack of loads: its name, ns by what they went into, the spec, whether its body was begun,
# whether its code is being read now, whether it came from bytecode; of a library its path.
(
    _NAME, _NESTED, _BLOCKED, _FIND, _READ, _UNMARSHAL, _WRITE, _CODE, _CREATE, _EXEC, _SPEC, _BEGUN, _READING,
    _FROM_BYTECODE, LIBRARY,
) = range(15)  # fmt: skip
_RECORD = (
    '{"k":"load","name":%s,"start":%d,"end":%d,"self":%d,"blocked":%d,"find":%d,"read":%d,"unmarshal":%d,'
    '"compile":%d,"write":%d,"create":%d,"exec":%d,"compiled":%s,"route":"%s","thread":%d,"depth":%d,"ok":%s,'
    '"error":%s,"file":%s,"kind":"%s","by":%s,"by_module":%s}'
)
_BEGIN_RECORD = '{"k":"begin","of":"load","name":%s,"start":%d,"thread":%d,"loc":null}'
_WAIT_RECORD = '{"k":"wait","name":%s,"start":%d,"end":%d,"thread":%d,"by":%s}'
_Module = type(sys)
_SELF_TEST = "ocrprof_self_test"
_SITE = "sitecustomize"
_OURS = (_SELF_TEST, _SITE)


def install(recorder: "Recorder", hooks: "dict[str, tuple[str, str]]") -> None:
    """Starts recording loads in this process, and arranges for `hooks` to run when their modules have loaded."""
    bootstrap: Any = sys.modules["_frozen_importlib"]
    external: Any = sys.modules["_frozen_importlib_external"]
    watch = recorder.watch = _Watch(recorder, hooks)
    for name in list(hooks):
        if name in sys.modules:
            watch.loaded(sys.modules[name])
    watch.patch(bootstrap, "_find_and_load", _watch_find_and_load)
    watch.patch(bootstrap, "_find_spec", _watch_find_spec)
    watch.patch(external._LoaderBasics, "exec_module", _watch_exec)
    watch.patch(external.ExtensionFileLoader, "exec_module", _watch_exec)
    watch.patch(external.ExtensionFileLoader, "create_module", _watch_create)
    watch.patch(external.SourceLoader, "get_code", _watch_get_code)
    watch.patch(external.SourcelessFileLoader, "get_code", _watch_get_code)
    watch.patch(external.SourceFileLoader, "path_stats", _watch_reading, _READ)
    watch.patch(external.FileLoader, "get_data", _watch_reading, _READ)
    watch.patch(external, "_compile_bytecode", _watch_reading, _UNMARSHAL)
    watch.patch(external.SourceFileLoader, "_cache_bytecode", _watch_reading, _WRITE)
    recorder.load("disturbances").install(recorder, watch)
    recorder.ask(recorder.load("self_test").run, (watch, _SELF_TEST), {})


class _Watch:
    """Writes load records, and runs the hooks of modules that have just loaded."""

    def __init__(self, recorder: "Recorder", hooks: "dict[str, tuple[str, str]]") -> None:
        self.recorder = recorder
        self.hide_frame = recorder.load("core").hide_frame
        self._encode = recorder.load("writer").encode
        self._hooks = dict(hooks)
        self.tested: tuple[str, dict[str, int]] | None = None

    def patch(self, owner: "Any", name: str, watcher: "Callable[..., Any]", *args: object) -> None:
        """Puts `watcher` around `owner.name`; a Python that has no such thing says so in the report."""
        original = getattr(owner, name, None)
        if original is None:
            self.recorder.note("this Python's importlib has no %s: what it did is not told apart" % name)
            return
        setattr(owner, name, trimmed(watcher(self, original, *args)))

    def loaded(self, module: "ModuleType") -> None:
        """Runs the hook for a module whose body has run, once."""
        hook = self._hooks.pop(getattr(module, "__name__", ""), None)
        if hook is None:
            return
        file, function = hook
        start = self.recorder.now()
        try:
            getattr(self.recorder.load(file), function)(self.recorder, module)
        except Exception as error:
            self.recorder.forgive(error, "hook %s.%s: " % (file, function))
        self.recorder.hooks_ns += self.recorder.now() - start

    def begun(self, name: str, start: int) -> None:
        """Tells of a load before it is over, so that a process that hangs or is killed in it has named it."""
        recorder = self.recorder
        recorder.write_encoded(_BEGIN_RECORD % (self._encode(name), start, recorder.thread()))
        recorder.flush()

    def blocked(self, name: str, start: int, frame: "FrameType") -> None:
        """Takes the time since `start`, in which another thread held a module, out of the load in progress."""
        recorder = self.recorder
        end = recorder.now()
        stack = recorder.loads()
        if stack:
            stack[-1][_BLOCKED] += end - start
            stack[-1][_NESTED] += end - start
        by = self._line(asking_frame(frame)[0])
        recorder.write_encoded(_WAIT_RECORD % (self._encode(name), start, end, recorder.thread(), by))

    def opened(self, entry: "list[Any]", start: int, error: "BaseException | None", frame: "FrameType") -> None:
        """Records a library that code of `frame` has opened, by the name of that code's module and its own."""
        entry[_CREATE] = self.recorder.now() - start - entry[_NESTED]
        entry[_BEGUN] = True
        asker = asking_frame(frame)[0]
        module = None if asker is None else asker.f_globals.get("__name__")
        entry[_NAME] = "%s.%s" % (module, entry[_NAME]) if type(module) is str else entry[_NAME]
        self.write(entry, "ctypes", start, error, frame)

    def write(
        self, entry: "list[Any]", route: str, start: int, error: "BaseException | None", frame: "FrameType"
    ) -> None:
        """Takes the finished `entry` off the stack, charges its time to the load around it, and records it."""
        recorder = self.recorder
        end = recorder.now()
        stack = recorder.loads()
        while stack and stack.pop() is not entry:
            pass
        if stack:
            stack[-1][_NESTED] += end - start
        name = entry[_NAME]
        if name == _SITE and error is not None:
            # Ours looking for the environment's own; without us, site looks for it before anything is recorded.
            return
        if name == _SELF_TEST:
            self.tested = (route, {"find": entry[_FIND], "compile": entry[_CODE], "exec": entry[_EXEC]})
            return
        if entry[_BLOCKED] and not (entry[_FIND] or entry[_BEGUN] or error):
            # Another thread has loaded it meanwhile: a wait, recorded as such, and no second load.
            if stack:
                stack[-1][_BLOCKED] += end - start - (entry[_NESTED] - entry[_BLOCKED])
            return
        self._record(entry, route, start, end, error, frame)
        if not stack:
            # A process that hangs or is killed right after this load has still told of it.
            recorder.flush()

    def _record(
        self, entry: "list[Any]", route: str, start: int, end: int, error: "BaseException | None", frame: "FrameType"
    ) -> None:
        recorder, encode, name = self.recorder, self._encode, entry[_NAME]
        asker, asked_by_import_module = asking_frame(frame)
        file, kind = (entry[LIBRARY], "library") if entry[LIBRARY] else _origin(entry[_SPEC], name)
        self_ns = end - start - entry[_NESTED]
        # What reads no bytecode compiles: whatever a loader does to the source on the way is part of that.
        compiled = entry[_CODE] > 0 and not entry[_FROM_BYTECODE]
        compile_ns = entry[_CODE] - entry[_READ] - entry[_WRITE] if compiled else 0
        if not entry[_BEGUN] and error is None and kind != "namespace":
            # The body was run by a loader of another kind, which is not looked into.
            entry[_EXEC] = self_ns - entry[_FIND] - entry[_CREATE]
        if kind != "library":
            recorder.loaded_names.add(name)
        recorder.num_loads += 1
        recorder.write_encoded(
            _RECORD
            % (
                encode(name), start, end, self_ns, entry[_BLOCKED], entry[_FIND], entry[_READ], entry[_UNMARSHAL],
                compile_ns, entry[_WRITE], entry[_CREATE], entry[_EXEC], "true" if compiled else "false",
                "import_module" if asked_by_import_module and route == "statement" else route,
                recorder.thread(), len(recorder.loads()), "true" if error is None else "false",
                "null" if error is None else encode(type(error).__name__), encode(file), kind,
                self._line(asker), "null" if asker is None else encode(asker.f_globals.get("__name__")),
            )
        )  # fmt: skip

    def _line(self, frame: "FrameType | None") -> str:
        if frame is None:
            return "null"
        return "[%s,%d]" % (self._encode(frame.f_code.co_filename), frame.f_lineno or 0)


def new_entry(name: str) -> "list[Any]":
    """What stands on the stack while a module is being loaded."""
    return [name, 0, 0, 0, 0, 0, 0, 0, 0, 0, None, False, False, False, None]


def _watch_find_and_load(watch: _Watch, original: "Callable[..., ModuleType]") -> "Callable[..., object]":
    recorder, modules = watch.recorder, sys.modules

    def _find_and_load(name: str, import_: object) -> object:
        if name in modules:
            return original(name, import_)
        entry = new_entry(name)
        stack = recorder.loads()
        start = recorder.now()
        try:
            # In here, so that it comes off again whatever a signal handler raises.
            stack.append(entry)
            if len(stack) == 1 and name not in _OURS:
                watch.begun(name, start)
            module = original(name, import_)
        except BaseException as error:
            watch.hide_frame(error)
            watch.write(entry, "statement", start, error, sys._getframe())
            raise
        watch.write(entry, "statement", start, None, sys._getframe())
        return module

    return _find_and_load


def _watch_find_spec(watch: _Watch, original: "Callable[..., Any]") -> "Callable[..., object]":
    """Time in which the finders look for a module, less the loads that they make on the way."""
    recorder = watch.recorder

    def _find_spec(name: str, *args: object) -> object:
        stack = recorder.loads()
        if not stack or stack[-1][_NAME] != name or stack[-1][_BEGUN]:
            # A program that only asks whether there is such a module.
            return original(name, *args)
        entry = stack[-1]
        nested = entry[_NESTED]
        start = recorder.now()
        try:
            entry[_SPEC] = spec = original(name, *args)
        except BaseException as error:
            watch.hide_frame(error)
            raise
        finally:
            entry[_FIND] += recorder.now() - start - (entry[_NESTED] - nested)
        return spec

    return _find_spec


def _watch_exec(watch: _Watch, original: "Callable[..., object]") -> "Callable[..., object]":
    """Time of a module's body: that of its loader's `exec_module` less getting the code, and less nested loads."""
    recorder = watch.recorder

    def exec_module(self: object, module: "ModuleType") -> object:
        name = getattr(module, "__name__", "?")
        stack = recorder.loads()
        bypassed = not stack or stack[-1][_NAME] != name or stack[-1][_BEGUN]
        if bypassed:
            stack.append(new_entry(name))
        entry = stack[-1]
        entry[_BEGUN] = True
        before = entry[_NESTED] + entry[_CODE]
        start = recorder.now()
        try:
            result = original(self, module)
        except BaseException as error:
            entry[_EXEC] += recorder.now() - start - (entry[_NESTED] + entry[_CODE] - before)
            watch.hide_frame(error)
            if bypassed:
                watch.write(entry, "exec_module", start, error, sys._getframe())
            raise
        entry[_EXEC] += recorder.now() - start - (entry[_NESTED] + entry[_CODE] - before)
        if bypassed:
            watch.write(entry, "exec_module", start, None, sys._getframe())
        watch.loaded(module)
        return result

    return exec_module


def _watch_create(watch: _Watch, original: "Callable[..., object]") -> "Callable[..., object]":
    """Time of the dynamic loader, with the initialisation that a shared object does when it is opened."""
    recorder = watch.recorder

    def create_module(self: object, spec: "Any") -> object:
        stack = recorder.loads()
        if not stack or stack[-1][_NAME] != spec.name or stack[-1][_BEGUN]:
            return original(self, spec)
        entry = stack[-1]
        nested = entry[_NESTED]
        start = recorder.now()
        try:
            return original(self, spec)
        except BaseException as error:
            watch.hide_frame(error)
            raise
        finally:
            entry[_CREATE] += recorder.now() - start - (entry[_NESTED] - nested)

    return create_module


def _watch_get_code(watch: _Watch, original: "Callable[..., object]") -> "Callable[..., object]":
    recorder = watch.recorder

    def get_code(self: object, fullname: str) -> object:
        stack = recorder.loads()
        if not stack or stack[-1][_NAME] != fullname or stack[-1][_CODE]:
            # Somebody else asks for code: `runpy`, `inspect`, a body that runs another file.
            return original(self, fullname)
        entry = stack[-1]
        entry[_READING] = True
        nested = entry[_NESTED]
        start = recorder.now()
        try:
            return original(self, fullname)
        except BaseException as error:
            watch.hide_frame(error)
            raise
        finally:
            entry[_CODE] += recorder.now() - start - (entry[_NESTED] - nested)
            entry[_READING] = False

    return get_code


def _watch_reading(watch: _Watch, original: "Callable[..., object]", field: int) -> "Callable[..., object]":
    """Time of one step of getting a module's code."""
    recorder = watch.recorder

    def timed_step(*args: object, **kwargs: object) -> object:
        stack = recorder.loads()
        if not stack or not stack[-1][_READING]:
            return original(*args, **kwargs)
        entry = stack[-1]
        if field == _UNMARSHAL:
            entry[_FROM_BYTECODE] = True
        start = recorder.now()
        try:
            return original(*args, **kwargs)
        except BaseException as error:
            watch.hide_frame(error)
            raise
        finally:
            entry[field] += recorder.now() - start

    return timed_step


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


def _origin(spec: "Any", name: str) -> "tuple[str | None, str]":
    """The file a module came from, and what kind of file that was."""
    attributes = _attributes(sys.modules.get(name))
    if spec is None:
        spec = attributes.get("__spec__")
    origin = getattr(spec, "origin", None)
    if type(origin) is not str:
        return None, "namespace" if "__path__" in attributes else "other"
    if origin in ("built-in", "builtin"):
        return None, "builtin"
    if origin == "frozen":
        return None, "frozen"
    if origin.endswith((".py", ".pyc")):
        return origin, "source"
    return origin, "extension" if origin.endswith((".so", ".pyd")) else "other"


def _attributes(module: "object") -> "dict[str, Any]":
    """What a module holds; asked for by name, a lazy one would load."""
    try:
        return _Module.__getattribute__(module, "__dict__")  # type: ignore[no-any-return]
    except (AttributeError, TypeError):
        return {}

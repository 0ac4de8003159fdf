"""Loads one module of the target lazily, without a change of its code: its body runs when something first needs it.

What `importlib.util.LazyLoader` does, for one module by name, with three differences. A second `import` of the module
does not load it (all that the import system then looks at is `__spec__`). Other threads wait for the body, as they
would in an import. And a body that puts something else in its own place in `sys.modules` is followed there.
"""

import _thread
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType, ModuleType
    from typing import Any  # private parts of importlib, and whatever a module's attributes hold

    from ocrprof.recorder.core import Recorder

_Module = type(sys)
# What the import system sets before a body runs, and reads whenever the module is imported again.
_KNOWN = frozenset(("__class__", "__spec__", "__loader__", "__name__", "__package__", "__file__", "__cached__"))


def install(recorder: "Recorder", name: str) -> None:
    """From here on the first import of `name` leaves a module whose body has not run."""
    bootstrap: Any = sys.modules["_frozen_importlib"]
    external: Any = sys.modules["_frozen_importlib_external"]
    imports = recorder.load("imports")
    if name in sys.modules:
        _tell(recorder, name, "refused", reason="it was loaded before the program began")
        return
    if not hasattr(bootstrap, "_find_spec"):
        _tell(recorder, name, "refused", reason="this Python has no importlib._find_spec")
        return
    original = bootstrap._find_spec
    for function in (_wake, _ask, _exec, _Loader.exec_module):
        imports.trimmed(function)

    def _find_spec(wanted: str, *args: "Any") -> "Any":
        spec = original(wanted, *args)
        # Whoever only asks whether it could be found gets the spec as it is.
        imports_it = sys._getframe(1).f_code.co_name == "_find_and_load_unlocked"
        if wanted != name or spec is None or not imports_it:
            return spec
        reason = _why_not(spec, external)
        if reason is None:
            spec.loader = _Loader(_Deferral(recorder, spec))
        else:
            _tell(recorder, name, "refused", reason=reason)
        return spec

    bootstrap._find_spec = imports.trimmed(_find_spec)


def _why_not(spec: "Any", external: "Any") -> "str | None":
    if isinstance(spec.loader, external.ExtensionFileLoader):
        return "it is a C extension: loading the file is what takes the time, and cannot wait"
    if spec.origin in ("built-in", "frozen"):
        return "it is built into the interpreter"
    if spec.loader is None or spec.origin is None:
        return "it is a namespace package: it has no body that could wait"
    if not hasattr(spec.loader, "exec_module"):
        return "its loader (%s) knows no exec_module" % type(spec.loader).__name__
    return None


class _Deferral:
    """The one module that is to wait, and whether it still does."""

    def __init__(self, recorder: "Recorder", spec: "Any") -> None:
        self.recorder = recorder
        self.spec = spec
        self.loader = spec.loader
        self.module: Any = None
        self.original_class: Any = _Module
        self.lazy_class: Any = None
        self.lock = sys.modules["_frozen_importlib"]._ModuleLockManager
        self.owner: int | None = None
        self.awake = False


class _Loader:
    """Stands in for the module's own loader until its body is to run."""

    def __init__(self, deferral: _Deferral) -> None:
        self._deferral = deferral

    def create_module(self, spec: "Any") -> "Any":
        create = getattr(self._deferral.loader, "create_module", None)
        return None if create is None else create(spec)

    def exec_module(self, module: "ModuleType") -> None:
        _exec(self._deferral, module)

    def __getattr__(self, attribute: str) -> "Any":
        return getattr(self._deferral.loader, attribute)


def _exec(deferral: _Deferral, module: "ModuleType") -> None:
    deferral.spec.loader = module.__loader__ = deferral.loader
    deferral.original_class = type(module)
    deferral.lazy_class = _lazy_class(deferral)
    deferral.module = module
    try:
        module.__class__ = deferral.lazy_class
    except TypeError:
        reason = "its loader makes an object whose class cannot be changed (%s)" % type(module).__name__
        _tell(deferral.recorder, deferral.spec.name, "refused", reason=reason)
        deferral.loader.exec_module(module)
        return
    _tell(deferral.recorder, deferral.spec.name, "deferred", frame=sys._getframe())


def _lazy_class(deferral: _Deferral) -> "Any":
    base = deferral.original_class

    class LazyModule(base):  # type: ignore[misc,valid-type]  # known at run time
        def __getattribute__(self, attribute: str) -> "Any":
            if attribute not in _KNOWN and not _ask(deferral, attribute):
                return getattr(sys.modules[deferral.spec.name], attribute)
            return base.__getattribute__(self, attribute)

        def __setattr__(self, attribute: str, value: object) -> None:
            if attribute not in _KNOWN:
                _ask(deferral, attribute)
            base.__setattr__(self, attribute, value)

        def __delattr__(self, attribute: str) -> None:
            _ask(deferral, attribute)
            base.__delattr__(self, attribute)

    imports = deferral.recorder.load("imports")
    for function in (LazyModule.__getattribute__, LazyModule.__setattr__, LazyModule.__delattr__):
        imports.trimmed(function)
    for attribute in ("__module__", "__name__", "__qualname__"):
        setattr(LazyModule, attribute, getattr(base, attribute))
    return LazyModule


def _ask(deferral: _Deferral, attribute: str) -> bool:
    """Sees to it that the body has run; whether the module is still the one in `sys.modules`."""
    here = _thread.get_ident()
    if deferral.owner == here:
        return True
    if not deferral.awake:
        try:
            with deferral.lock(deferral.spec.name):
                if not deferral.awake:
                    _wake(deferral, attribute, here)
        except RuntimeError as error:
            # importlib's own answer to two threads that wait for each other's modules: go on with what is there.
            if type(error).__name__ != "_DeadlockError":
                raise
    return sys.modules.get(deferral.spec.name, deferral.module) is deferral.module


def _wake(deferral: _Deferral, attribute: str, here: int) -> None:
    name, module = deferral.spec.name, deferral.module
    _tell(deferral.recorder, name, "touched", frame=sys._getframe(), attribute=attribute)
    deferral.owner = here
    deferral.spec._initializing = True
    try:
        deferral.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    finally:
        deferral.owner = None
        deferral.awake = True
        deferral.spec._initializing = False
    if sys.modules.get(name) is module and type(module) is deferral.lazy_class:
        module.__class__ = deferral.original_class


def _tell(
    recorder: "Recorder",
    name: str,
    event: str,
    *,
    frame: "FrameType | None" = None,
    attribute: "str | None" = None,
    reason: "str | None" = None,
) -> None:
    """Writes what became of the module: refused, deferred, or touched by a line, with what that line asked for."""
    asker = None if frame is None else recorder.load("imports").asking_frame(frame)[0]
    submodule = attribute == "__path__" and frame is not None and _within_import(frame)
    how = None if attribute is None else "submodule" if submodule else "from" if attribute == "__path__" else attribute
    recorder.write(
        {
            "k": "lazy",
            "name": name,
            "event": event,
            "at": recorder.now(),
            "thread": recorder.thread(),
            "by": None if asker is None else [asker.f_code.co_filename, asker.f_lineno],
            "by_module": None if asker is None else asker.f_globals.get("__name__"),
            "how": how,
            "reason": reason,
        }
    )
    recorder.flush()


def _within_import(frame: "FrameType") -> bool:
    """Whether importlib itself asked: for the path of a package, to find a submodule."""
    above: FrameType | None = frame
    while above is not None and above.f_code.co_filename.startswith("<frozen importlib"):
        if above.f_code.co_name == "_find_and_load_unlocked":
            return True
        above = above.f_back
    return False

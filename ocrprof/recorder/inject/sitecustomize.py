"""Starts the recorder in this process, leaves no trace of itself, then runs the environment's own sitecustomize."""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any  # the recorder and its parts are loaded by path, unseen by a type checker

_loaded: "dict[str, ModuleType]" = {}


def _load(recorder_dir: str, name: str) -> "Any":
    """The recorder's module `name`, from its (cached) bytecode, kept out of `sys.modules`."""
    if name in _loaded:
        return _loaded[name]
    external = sys.modules["_frozen_importlib_external"]
    path = recorder_dir + os.sep + name + ".py"
    module = type(sys)("ocrprof.recorder." + name)
    module.__file__ = path
    # Known only when it is whole: reading it may fail, or a signal handler of the target raise on the way.
    exec(_code(external.SourceFileLoader(module.__name__, path)), module.__dict__)
    return _loaded.setdefault(name, module)


def _code(loader: "Any") -> "Any":
    """Of our own file, with its bytecode beside it also where the target writes none, or writes it elsewhere."""
    if not sys.dont_write_bytecode and getattr(sys, "pycache_prefix", None) is None:
        return loader.get_code(loader.name)
    external: Any = sys.modules["_frozen_importlib_external"]
    folder, _, file = loader.path.rpartition(os.sep)
    optimized = ".opt-%d" % sys.flags.optimize if sys.flags.optimize else ""
    cached = "%s/__pycache__/%s.%s%s.pyc" % (folder, file[: -len(".py")], sys.implementation.cache_tag, optimized)
    try:
        stats = loader.path_stats(loader.path)
        try:
            data = loader.get_data(cached)
            external._classify_pyc(data, loader.name, {})
            external._validate_timestamp_pyc(data, int(stats["mtime"]), stats["size"], loader.name, {})
            return external._compile_bytecode(memoryview(data)[16:], loader.name, cached, loader.path)
        except (OSError, ImportError, EOFError, ValueError):
            code = loader.source_to_code(loader.get_data(loader.path), loader.path)
            data = external._code_to_timestamp_pyc(code, int(stats["mtime"]), stats["size"])
            loader._cache_bytecode(loader.path, cached, data)
            return code
    except AttributeError:  # private parts of importlib
        return loader.get_code(loader.name)


def _start() -> "Any":
    began = sys.modules["time"].monotonic_ns()
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or os.curdir) != here]
    sys.path_importer_cache.pop(here, None)
    run_dir = os.environ.get("OCRPROF_RUN_DIR")
    if not run_dir or sys.version_info < (3, 9):
        return None
    recorder_dir = os.path.dirname(here)
    try:
        return _load(recorder_dir, "boot").start(run_dir, lambda name: _load(recorder_dir, name), began)
    except Exception as error:
        # The target must run as if we were not there; the parent reads this file and says so in the report.
        try:
            with open("%s/recorder-error-%d.txt" % (run_dir, os.getpid()), "w") as file:
                file.write("%s: %s" % (type(error).__name__, error))
        except OSError:
            pass
        return None


_recorder = _start()
del sys.modules["sitecustomize"]
try:
    # Found: it takes our place in sys.modules. Not found: site swallows this very ImportError, as in a plain start.
    import sitecustomize  # type: ignore[import-not-found]  # noqa: F401
finally:
    if _recorder is not None:
        _recorder.mark("site.end")

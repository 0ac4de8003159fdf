"""Hooks on Hydra: from its entry to the task function, composition, the plugin scan, and every `instantiate` node."""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, ModuleType

    from ocrprof.recorder.core import Recorder

_MAX_DEPTH = 6
_MAX_ITEMS = 200


def patch_main(recorder: "Recorder", module: "ModuleType") -> None:
    """`hydra.main`, from its call until the task function starts (see `patch_run_job`) and after it has ended."""
    recorder.wrap(module, "_run_hydra", "hydra.main")


def patch_run_job(recorder: "Recorder", module: "ModuleType") -> None:
    """The task function, where configuration ends and the program begins."""
    core = recorder.load("core")
    run_job = module.run_job

    def wrapper(task_function: "Callable[..., object]", *args: object, **kwargs: object) -> object:
        timed = recorder.timed(
            _started(recorder, task_function),
            "program",
            location=lambda *_: core.line_of(task_function),
        )
        try:
            return run_job(timed, *args, **kwargs)
        except BaseException as error:
            core.hide_frame(error)
            raise

    module.run_job = core.look_like(wrapper, run_job)  # type: ignore[attr-defined]


def _started(recorder: "Recorder", task_function: "Callable[..., object]") -> "Callable[..., object]":
    """`task_function`, after the milestone that the configuration is there."""
    core = recorder.load("core")

    def with_config(*args: object, **kwargs: object) -> object:
        if args:
            _remember_config(recorder, args[0])
        recorder.mark("config")
        try:
            return task_function(*args, **kwargs)
        except BaseException as error:
            core.hide_frame(error)
            raise

    return core.look_like(with_config, task_function)  # type: ignore[no-any-return]


def patch_config_loader(recorder: "Recorder", module: "ModuleType") -> None:
    """Composition: defaults tree, YAML files, overrides. It ends the configuration of programs without `hydra.main`."""

    def composed() -> None:
        if "hydra.main" not in recorder.spans():
            recorder.mark("config")

    recorder.wrap(module.ConfigLoaderImpl, "load_configuration", "hydra.compose", after=composed)


def patch_plugins(recorder: "Recorder", module: "ModuleType") -> None:
    """The plugin scan, which imports every module of `hydra_plugins` and of Hydra's own."""
    recorder.wrap(module.Plugins, "_initialize", "hydra.plugins")


def patch_instantiate(recorder: "Recorder", module: "ModuleType") -> None:
    """Each node that `hydra.utils.instantiate` builds: target, configuration path, identity of its arguments."""
    core = recorder.load("core")
    made: dict[int, str] = {}
    call_target = module._call_target

    def wrapper(_target_: object, _partial_: bool, args: object, kwargs: object, full_key: str) -> object:
        identity = recorder.ask(_identity, (_target_, args, kwargs, made), {})
        start = recorder.begin("instantiate")
        attributes: dict[str, object] = {
            "target": core.name_of(_target_),
            "config_path": str(full_key),
            "identity": identity,
            "partial": bool(_partial_),
            "by": _asker(sys._getframe(1)),
            "ok": False,
        }
        try:
            result = call_target(_target_, _partial_, args, kwargs, full_key)
        except BaseException as error:
            core.hide_frame(error)
            recorder.end("instantiate", start, location=core.line_of(_target_), attributes=attributes, error=error)
            raise
        recorder.end("instantiate", start, location=core.line_of(_target_), attributes={**attributes, "ok": True})
        if not _partial_:
            made[id(result)] = str(identity)
        return result

    module._call_target = core.look_like(wrapper, call_target)  # type: ignore[attr-defined]


def _asker(frame: "FrameType | None") -> "list[object] | None":
    """[file, line] of the code that called `instantiate`."""
    while frame is not None:
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if package not in ("hydra", "omegaconf", "ocrprof"):
            return [frame.f_code.co_filename, frame.f_lineno]
        frame = frame.f_back
    return None


def _remember_config(recorder: "Recorder", config: object) -> None:
    """Keeps the configuration until the end, where turning it into plain values costs the measurement nothing."""
    omegaconf = sys.modules.get("omegaconf")
    if omegaconf is None or not omegaconf.OmegaConf.is_config(config):
        return

    def write() -> None:
        try:
            plain = omegaconf.OmegaConf.to_container(config, resolve=True)
        except Exception:
            # An interpolation that cannot be resolved outside its program: as written, then.
            plain = omegaconf.OmegaConf.to_container(config, resolve=False)
        recorder.write({"k": "config", "config": plain})

    recorder.at_end.append(write)


def _identity(target: object, args: object, kwargs: object, made: "dict[int, str]") -> str:
    """A key that two nodes share when they would build equal objects: the target and its arguments' values."""
    text = "%s(%s, %s)" % (
        "%s.%s" % (getattr(target, "__module__", "?"), getattr(target, "__qualname__", repr(target))),
        _canonical(args, made, 0),
        _canonical(kwargs, made, 0),
    )
    hashlib = sys.modules.get("hashlib")
    if hashlib is None:
        return "%x" % (hash(text) & 0xFFFFFFFFFFFFFFFF)
    return str(hashlib.sha1(text.encode("utf-8", "replace"), usedforsecurity=False).hexdigest()[:16])


def _canonical(value: object, made: "dict[int, str]", depth: int) -> str:
    if value is None or isinstance(value, (bool, int, float, str, bytes)):
        return repr(value)
    if id(value) in made:
        return "<" + made[id(value)] + ">"
    if depth > _MAX_DEPTH:
        return "<%d>" % id(value)
    content = getattr(value, "_content", None)
    if type(value).__name__ in ("DictConfig", "ListConfig") and content is not None:
        value = content
    elif type(value).__module__.startswith("omegaconf"):
        return repr(getattr(value, "_val", value))
    if isinstance(value, dict):
        items = sorted(("%s: %s" % (key, _canonical(item, made, depth + 1))) for key, item in list(value.items()))
        return "{" + ", ".join(items[:_MAX_ITEMS]) + ("…%d" % len(items) if len(items) > _MAX_ITEMS else "") + "}"
    if isinstance(value, (list, tuple)):
        if len(value) > _MAX_ITEMS:
            return "<%d>" % id(value)
        return "[" + ", ".join(_canonical(item, made, depth + 1) for item in value) + "]"
    if isinstance(value, type) or hasattr(value, "__qualname__"):
        return "%s.%s" % (getattr(value, "__module__", "?"), getattr(value, "__qualname__", "?"))
    # An object that no node built: equal only to itself.
    return "<%s %d>" % (type(value).__qualname__, id(value))

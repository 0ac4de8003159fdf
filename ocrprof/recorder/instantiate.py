"""Hooks on `hydra.utils.instantiate`: each target with its arguments, and what Hydra itself does around it."""

import _thread
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, ModuleType

    from ocrprof.recorder.core import Recorder

_MAX_DEPTH = 6
_MAX_ITEMS = 200
_MAX_ELEMENTS = 1_000_000
_MANY_ELEMENTS = 10_000
_CONFIGS = ("DictConfig", "ListConfig")

# Fields of an entry on the stack of nodes.
_START, _NESTED_NS = range(2)


def patch_instantiate(recorder: "Recorder", module: "ModuleType") -> None:
    """Each target that Hydra calls, each node that leads to one, each call of `instantiate`."""
    nodes = _Nodes()
    for name, watch in (
        ("_call_target", _watch_target),
        ("instantiate_node", _watch_node),
        ("instantiate", _watch_call),
    ):
        function = getattr(module, name, None)
        if function is None:
            recorder.note("%s has no %s: instantiations are not complete" % (module.__name__, name))
        else:
            setattr(module, name, _in_place_of(recorder, watch(recorder, nodes, function), function))


class _Nodes:
    """The configuration nodes being instantiated in each thread, the outermost first."""

    def __init__(self) -> None:
        self._local = _thread._local()

    def stack(self) -> "list[list[int]]":
        """This thread's entries."""
        try:
            return self._local.entries  # type: ignore[no-any-return]  # attributes of a thread-local are untyped
        except AttributeError:
            self._local.entries = []
            return self._local.entries  # type: ignore[no-any-return]

    def leave(self, entry: "list[int]", end: int) -> None:
        """Takes `entry` off, and charges its time to the node around it."""
        stack = self.stack()
        while stack and stack.pop() is not entry:
            pass
        if stack:
            stack[-1][_NESTED_NS] += end - entry[_START]


def _watch_target(recorder: "Recorder", nodes: _Nodes, call_target: "Callable[..., object]") -> "Callable[..., object]":
    core = recorder.load("core")
    made: dict[int, str] = {}

    def wrapper(*args: "object", **kwargs: "object") -> object:
        attributes = recorder.ask(_facts_of_target, (recorder, made, *args), kwargs) or {"target": "?"}
        location = recorder.ask(core.line_of, args[:1], {})
        start = recorder.begin("instantiate")
        stack = nodes.stack()
        if stack:
            attributes["node"] = stack[-1][_START]
            attributes["overhead"] = start - stack[-1][_START] - stack[-1][_NESTED_NS]
        try:
            result = call_target(*args, **kwargs)
        except BaseException as error:
            core.hide_frame(error)
            recorder.end("instantiate", start, location=location, attributes={**attributes, "ok": False}, error=error)
            raise
        recorder.end("instantiate", start, location=location, attributes={**attributes, "ok": True})
        if not attributes.get("partial"):
            made[id(result)] = str(attributes.get("identity"))
        return result

    return wrapper


def _facts_of_target(
    recorder: "Recorder",
    made: "dict[int, str]",
    target: object,
    partial: object = False,
    args: object = (),
    kwargs: object = None,
    full_key: object = "",
    *_: object,
    **__: object,
) -> "dict[str, object]":
    core = recorder.load("core")
    return {
        "target": core.name_of(target),
        "config_path": str(full_key),
        "identity": recorder.ask(_identity, (target, args, kwargs, made), {}),
        "partial": bool(partial),
        "by": asker(sys._getframe(3)),
    }


def _watch_node(
    recorder: "Recorder", nodes: _Nodes, instantiate_node: "Callable[..., object]"
) -> "Callable[..., object]":
    hide_frame = recorder.load("core").hide_frame

    def wrapper(node: object, *args: object, **kwargs: object) -> object:
        if type(node).__name__ not in _CONFIGS:
            # A plain value, which comes back as it is: most nodes are one.
            return instantiate_node(node, *args, **kwargs)
        entry = [recorder.now(), 0]
        nodes.stack().append(entry)
        try:
            result = instantiate_node(node, *args, **kwargs)
        except BaseException as error:
            hide_frame(error)
            nodes.leave(entry, recorder.now())
            raise
        nodes.leave(entry, recorder.now())
        return result

    return wrapper


def _watch_call(recorder: "Recorder", nodes: _Nodes, instantiate: "Callable[..., object]") -> "Callable[..., object]":
    core = recorder.load("core")

    def wrapper(*args: object, **kwargs: object) -> object:
        attributes: dict[str, object] = {"by": asker(sys._getframe(1))}
        num_elements = recorder.ask(_num_converted, args, kwargs) or 0
        if num_elements >= _MANY_ELEMENTS:
            attributes["converted"] = num_elements
        start = recorder.begin("instantiate.call")
        try:
            result = instantiate(*args, **kwargs)
        except BaseException as error:
            core.hide_frame(error)
            recorder.end("instantiate.call", start, attributes=attributes, error=error)
            raise
        recorder.end("instantiate.call", start, attributes=attributes)
        return result

    return wrapper


def _in_place_of(
    recorder: "Recorder", wrapper: "Callable[..., object]", function: "Callable[..., object]"
) -> "Callable[..., object]":
    """`wrapper` as if it stood in the file of `function`: Hydra passes over its own frames to find whom to warn."""
    code = getattr(function, "__code__", None)
    if code is not None:
        wrapper.__code__ = wrapper.__code__.replace(co_filename=code.co_filename)
    return recorder.load("core").look_like(wrapper, function)  # type: ignore[no-any-return]


def asker(frame: "FrameType | None") -> "list[object] | None":
    """[file, line] of the code outside Hydra that called it."""
    while frame is not None:
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if package not in ("hydra", "omegaconf", "ocrprof"):
            return [frame.f_code.co_filename, frame.f_lineno]
        frame = frame.f_back
    return None


def _num_converted(*args: object, **kwargs: object) -> int:
    """Elements of plain containers among the arguments, each of which Hydra turns into a configuration node."""
    num_elements = 0
    left: list[object] = [value for value in (*args[:1], *kwargs.values()) if isinstance(value, (dict, list, tuple))]
    while left and num_elements < _MAX_ELEMENTS:
        value = left.pop()
        values = value.values() if isinstance(value, dict) else value
        num_elements += len(values)  # type: ignore[arg-type]
        left.extend(item for item in values if isinstance(item, (dict, list, tuple)))  # type: ignore[attr-defined]
    return num_elements


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

"""Arguments and results as keys: text by which equal plain values are equal, and nothing is kept alive."""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType
    from typing import Any  # arguments and results of the target's functions

_MAX_DEPTH = 3
_MAX_ITEMS = 64
_MAX_TEXT = 80
VARIABLE_ARGUMENTS, VARIABLE_KEYWORDS = 0x04, 0x08
# Parameters of such names are credentials, or may be: their values are not written down.
_SECRETS = ("key", "token", "secret", "passw", "credential", "auth", "cookie", "session", "pwd", "login", "user")
_NAMED = (type, type(lambda: 0), type(len), type(sys))


def key_of(value: "Any", depth: int = 0) -> "str | None":
    """The key of a plain value: a number, text, None, a class, function, module or path, an enum's member, or a small
    container of such. None for every other object: whether two of those are equal is not ours to ask.
    """
    kind = type(value)
    if value is None or kind in (bool, int, float, complex):
        return repr(value)
    if kind in (str, bytes):
        return repr(value) if len(value) <= _MAX_TEXT else "%s %d %d" % (kind.__name__, len(value), hash(value))
    if kind in (tuple, list, set, frozenset, dict):
        return _key_of_items(value, kind, depth)
    if isinstance(value, _NAMED):
        name = str(getattr(value, "__qualname__", None) or getattr(value, "__name__", "?"))
        return None if "<lambda>" in name else "%s:%s" % (getattr(value, "__module__", ""), name)
    if kind.__module__.partition(".")[0] == "pathlib":
        return "path %s" % value
    held: dict[str, Any] = getattr(value, "__dict__", {}) if hasattr(kind, "__members__") else {}
    member = held.get("_name_")
    return None if member is None else "%s.%s.%s" % (kind.__module__, kind.__qualname__, member)


def _key_of_items(value: "Any", kind: type, depth: int) -> "str | None":
    if depth >= _MAX_DEPTH or len(value) > _MAX_ITEMS:
        return None
    items = list(value.items()) if kind is dict else list(value)
    keys = [key for item in items if (key := key_of(item, depth + 1)) is not None]
    if len(keys) < len(items):
        return None
    ordered = sorted(keys) if kind in (set, frozenset, dict) else keys
    return "%s(%s)" % (kind.__name__, ",".join(ordered))


def parameters_of(code: "CodeType") -> "tuple[str, ...]":
    """Names of all parameters, those of `*args` and `**kwargs` last."""
    number = code.co_argcount + code.co_kwonlyargcount
    number += bool(code.co_flags & VARIABLE_ARGUMENTS) + bool(code.co_flags & VARIABLE_KEYWORDS)
    return code.co_varnames[:number]


def key_of_arguments(code: "CodeType", values: "dict[str, Any]") -> "str | None":
    """The key of a call's arguments by parameter; the instance or class that a method belongs to stands for itself."""
    keys = []
    for index, name in enumerate(parameters_of(code)):
        value = values.get(name)
        key = key_of(value)
        if key is None and index == 0 and name in ("self", "cls"):
            key = "%s at %d" % (type(value).__qualname__, id(value))
        if key is None:
            return None
        keys.append(key)
    return "|".join(keys)


def as_called(code: "CodeType", values: "dict[str, Any]") -> str:
    """The arguments of a call as a reader knows them: `'crnn', size=32` without what may be a credential."""
    texts = []
    for index, name in enumerate(parameters_of(code)):
        if index == 0 and name in ("self", "cls"):
            continue
        key = key_of(values.get(name)) or "…"
        secret = any(word in name.lower() for word in _SECRETS)
        text = "***" if secret else key if len(key) <= 40 else key[:39] + "…"
        texts.append("%s=%s" % (name, text))
    return ", ".join(texts)

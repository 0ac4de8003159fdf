"""Modules that warn of their own deprecation while they load, by a hook on `warnings.warn`.

Judged is who would be told. A module's own warning is raised by its body, or by a function on its behalf that names
the module's importer (`stacklevel`). A function that warns of how it was *called* names the body that called it: that
is no word on the module.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType, ModuleType
    from typing import Any  # what the target hands to `warnings.warn`

    from ocrprof.recorder.core import Recorder

_MAX_TEXT = 300


def patch_warnings(recorder: "Recorder", module: "ModuleType") -> None:
    """Looks at each warning raised while a module loads. What is warned of, and which line for, stays as it is."""
    original = module.warn
    core = recorder.load("core")

    def warn(message: "Any", category: "Any" = None, stacklevel: int = 1, source: "Any" = None, **more: "Any") -> None:
        caller = sys._getframe(1)
        if recorder.loads():
            recorder.ask(_look, (recorder, caller, message, category, stacklevel), {})
        try:
            # One frame more: ours.
            original(message, category, _shifted(caller, stacklevel, more), source, **more)
        except BaseException as error:
            core.hide_frame(error)
            raise

    # Dynamo leaves code of such files alone, as it does the function of C that this one stands for. To `warnings`
    # it is a frame like any other: only those of importlib's `_bootstrap` are not counted there.
    warn.__code__ = warn.__code__.replace(co_filename="<frozen importlib.warnings>")
    warn = core.look_like(warn, original)
    warn.__module__ = module.__name__  # pickled by name: `_warnings`, whose function it was, has still that
    module.warn = warn  # type: ignore[attr-defined]


def _shifted(caller: "FrameType", stacklevel: "Any", more: "dict[str, Any]") -> "Any":
    if type(stacklevel) is not int:
        return stacklevel  # refused there, with its own words
    prefixes = more.get("skip_file_prefixes") or ()
    if not prefixes:
        return max(stacklevel, 1) + 1
    # With prefixes it begins one frame up, at the first that is not to be skipped: our caller mostly is.
    skipped = caller.f_code.co_filename.startswith(prefixes)
    return max(stacklevel, 2) + (0 if skipped else 1)


def _look(recorder: "Recorder", caller: "FrameType", message: "Any", category: "Any", stacklevel: int) -> None:
    if isinstance(message, Warning):
        category = type(message)
    text = str(message)
    if not _is_deprecation(category, text):
        return
    name = str(recorder.loads()[-1][0])
    if not _mentions(text, name) or not _is_on_behalf_of(name, caller, stacklevel):
        return
    recorder.write(
        {
            "k": "deprecation",
            "name": name,
            "text": text[:_MAX_TEXT],
            "category": getattr(category, "__name__", "UserWarning"),
            "at": recorder.now(),
        }
    )


def _is_deprecation(category: "Any", text: str) -> bool:
    if isinstance(category, type) and issubclass(
        category, (DeprecationWarning, PendingDeprecationWarning, FutureWarning)
    ):
        return True
    return "deprecat" in text.lower()


def _mentions(text: str, name: str) -> bool:
    """Whether it names the module: by its dotted name, the last part of it, or as this module, package or file."""
    words = "".join(letter if letter.isalnum() or letter in "_." else " " for letter in text).split()
    lower = text.lower()
    last = name.rpartition(".")[2]
    named = any(word.strip(".") in (name, last) or word.strip(".").endswith("." + last) for word in words)
    return named or any("this %s" % kind in lower for kind in ("module", "package", "file"))


def _is_on_behalf_of(name: str, caller: "FrameType", stacklevel: int) -> bool:
    """Whether the module's own body warns, or a function below it for a line above it."""
    frame: FrameType | None = caller
    levels = max(stacklevel, 1) - 1
    if _is_body(caller, name):
        return True
    while frame is not None:
        if _is_body(frame, name):
            return levels > 0
        if not frame.f_code.co_filename.startswith("<frozen importlib"):
            levels -= 1
        frame = frame.f_back
    return False


def _is_body(frame: "FrameType", name: str) -> bool:
    return frame.f_code.co_name == "<module>" and frame.f_globals.get("__name__") == name

"""Times the construction of a library's classes and of everything derived from them, from outside.

`type.__call__` cannot be replaced, and a wrapper around every `__init__` would put frames between those of a class
hierarchy, where Lightning's `save_hyperparameters` reads arguments. So the base class gets a `__new__`, which puts a
one-time wrapper around the `__init__` of the very class that is being made: outermost, and gone before the body runs.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any  # instances, classes and arguments of any class of the target

    from ocrprof.recorder.core import Recorder


def watch_construction(
    recorder: "Recorder",
    base: "Any",
    span: str,
    *,
    attributes: "Callable[[Any], dict[str, object]] | None" = None,
    after: "Callable[[Any], None] | None" = None,
    unless_inside: "tuple[str, ...]" = (),
    nested: "list[dict[str, object]] | None" = None,
) -> None:
    """Records a span `span` for each construction of a `base`, unless one of the spans `unless_inside` is open.

    `nested` gathers the outermost of those that were not recorded because `span` itself was open.
    """
    original = base.__new__

    def __new__(cls: "Any", *args: "Any", **kwargs: "Any") -> "Any":
        instance = _make(base, original, cls, args, kwargs)
        open_spans = recorder.spans()
        copied = sys._getframe(1).f_code.co_name == "__newobj__"
        if copied or type(instance) is not cls:
            return instance
        if not any(name in open_spans for name in unless_inside):
            _wrap_once(recorder, cls, lambda: _Recorded(recorder, cls, span, attributes, after))
        elif nested is not None and span in open_spans and "submodule.init" not in open_spans:
            _wrap_once(recorder, cls, lambda: _Nested(recorder, cls, nested))
        return instance

    __new__.__qualname__ = base.__qualname__ + ".__new__"
    __new__.__module__ = base.__module__
    base.__new__ = _New(__new__)


class _New:
    """`__new__` of a base class, which `inspect.signature` must not take for the constructor of a class below it.

    A method that is not written in Python is passed over there. Without any `__init__` a class takes no arguments.
    """

    def __init__(self, function: "Any") -> None:
        function.__wrapped__ = lambda cls: None
        self._function, self._unseen = function, function.__call__

    def __get__(self, instance: object, owner: "Any" = None) -> "Any":
        return self._function if owner.__init__ is object.__init__ else self._unseen


def _make(base: "Any", original: "Any", cls: "Any", args: "tuple[Any, ...]", kwargs: "dict[str, Any]") -> "Any":
    """The bare instance, by the `__new__` that would have run without us."""
    if original is not object.__new__:
        return original(cls, *args, **kwargs)
    # Others behind `base` in the resolution order may define their own (a list that is also a Dataset).
    order = cls.__mro__
    for parent in order[order.index(base) + 1 : -1]:
        if "__new__" in parent.__dict__:
            return parent.__new__(cls, *args, **kwargs)
    if (args or kwargs) and cls.__init__ is object.__init__:
        # What object.__new__ says by itself, until a class in front of it defines `__new__`.
        raise TypeError("%s() takes no arguments" % cls.__name__)
    return object.__new__(cls)


def _wrap_once(recorder: "Recorder", cls: "Any", make_watch: "Callable[[], _Recorded | _Nested]") -> None:
    had_own = "__init__" in cls.__dict__
    original = cls.__init__
    if getattr(original, "_ocrprof_once", False):
        return
    core = recorder.load("core")

    def __init__(self: "Any", *args: "Any", **kwargs: "Any") -> None:
        try:
            if had_own:
                cls.__init__ = original
            else:
                del cls.__init__
        except AttributeError:
            pass  # whoever took it before it was gone, another thread say, calls it a second time
        watch = make_watch()
        try:
            original(self, *args, **kwargs)
        except BaseException as error:
            core.hide_frame(error)
            watch.end(self, core.line_of(original), error)
            raise
        watch.end(self, core.line_of(original), None)

    core.look_like(__init__, original)
    __init__._ocrprof_once = True  # type: ignore[attr-defined]  # marks it, so that it is never wrapped again
    cls.__init__ = __init__


class _Recorded:
    """A construction that becomes a span."""

    def __init__(
        self,
        recorder: "Recorder",
        cls: "Any",
        span: str,
        attributes: "Callable[[Any], dict[str, object]] | None",
        after: "Callable[[Any], None] | None",
    ) -> None:
        self._recorder, self._cls, self._span = recorder, cls, span
        self._attributes, self._after = attributes, after
        self._start = recorder.begin(span, announce=True)

    def end(self, instance: "Any", location: "list[object] | None", error: "BaseException | None") -> None:
        recorder = self._recorder
        more = recorder.ask(self._attributes, (instance,), {}) or {}
        attributes = {"class": recorder.load("core").name_of(self._cls), **more}
        recorder.end(self._span, self._start, location=location, attributes=attributes, error=error)
        if error is None and self._after is not None:
            self._after(instance)


class _Nested:
    """A construction inside a recorded one: an entry in that one's attributes."""

    def __init__(self, recorder: "Recorder", cls: "Any", nested: "list[dict[str, object]]") -> None:
        self._recorder, self._cls, self._nested = recorder, cls, nested
        self._start = recorder.begin("submodule.init")

    def end(self, instance: "Any", location: "list[object] | None", error: "BaseException | None") -> None:
        recorder = self._recorder
        spans = recorder.spans()
        if spans and spans[-1] == "submodule.init":
            spans.pop()
        name = recorder.load("core").name_of(self._cls)
        self._nested.append(
            {
                "class": name,
                "start": self._start,
                "end": recorder.now(),
                "loc": location,
                "metric": _is_metric(self._cls),
            }
        )


def _is_metric(cls: "Any") -> bool:
    """Whether a class is a metric of torchmetrics, or a collection of them, or derived from one."""
    return any(parent.__module__.partition(".")[0] == "torchmetrics" for parent in cls.__mro__)

"""Times the construction of a library's classes and of everything derived from them, from outside.

`type.__call__` cannot be replaced, and a wrapper around every `__init__` would put frames between those of a class
hierarchy, where Lightning's `save_hyperparameters` reads arguments. So the base class gets a `__new__`, which puts a
one-time wrapper around the `__init__` of the very class that is being made: outermost, and gone before the body runs.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ocrprof.recorder.core import Recorder


def watch_construction(
    recorder: "Recorder",
    base: type,
    span: str,
    *,
    attributes: "Callable[[object], dict[str, object]] | None" = None,
    after: "Callable[[object], None] | None" = None,
    unless_inside: "tuple[str, ...]" = (),
    nested: "list[dict[str, object]] | None" = None,
) -> None:
    """Records a span `span` for each construction of a `base`, unless one of the spans `unless_inside` is open.

    `nested` gathers the outermost of those that were not recorded because `span` itself was open.
    """
    inherited = base.__new__
    own = base.__dict__.get("__new__")

    def __new__(cls, *args, **kwargs):  # type: ignore[no-untyped-def]  # stands for any class's own signature
        instance = _make(base, own or inherited, cls, args, kwargs)
        open_spans = recorder.spans()
        copied = sys._getframe(1).f_code.co_name == "__newobj__"
        if copied or type(instance) is not cls:
            return instance
        if not any(name in open_spans for name in unless_inside):
            _wrap_once(recorder, cls, lambda: _Recorded(recorder, cls, span, attributes, after))
        elif nested is not None and open_spans[-1] == span:
            _wrap_once(recorder, cls, lambda: _Nested(recorder, cls, nested))
        return instance

    __new__.__qualname__ = base.__qualname__ + ".__new__"
    __new__.__module__ = base.__module__
    base.__new__ = __new__  # type: ignore[assignment]


def _make(base, original, cls, args, kwargs):  # type: ignore[no-untyped-def]  # as above
    """The bare instance, by the `__new__` that would have run without us."""
    if base.__dict__.get("__new__") is not original and original is object.__new__:
        # Others behind `base` in the resolution order may define their own (a list that is also a Dataset).
        order = cls.__mro__
        for parent in order[order.index(base) + 1 :]:
            if "__new__" in parent.__dict__ and parent is not object:
                return parent.__new__(cls, *args, **kwargs)
        return object.__new__(cls)
    return original(cls, *args, **kwargs)


def _wrap_once(recorder, cls, make_watch):  # type: ignore[no-untyped-def]  # as above
    had_own = "__init__" in cls.__dict__
    original = cls.__init__
    if getattr(original, "_ocrprof_once", False):
        return
    core = recorder.load("core")

    def __init__(self, *args, **kwargs):  # type: ignore[no-untyped-def]
        if had_own:
            cls.__init__ = original
        else:
            del cls.__init__
        watch = make_watch()
        try:
            original(self, *args, **kwargs)
        except BaseException as error:
            core.hide_frame(error)
            watch.end(self, core.line_of(original), error)
            raise
        watch.end(self, core.line_of(original), None)

    core.look_like(__init__, original)
    __init__._ocrprof_once = True  # type: ignore[attr-defined]
    cls.__init__ = __init__


class _Recorded:
    """A construction that becomes a span."""

    def __init__(self, recorder, cls, span, attributes, after):  # type: ignore[no-untyped-def]  # as above
        self._recorder, self._cls, self._span = recorder, cls, span
        self._attributes, self._after = attributes, after
        self._start = recorder.begin(span, announce=True)

    def end(self, instance, location, error):  # type: ignore[no-untyped-def]
        recorder = self._recorder
        more = recorder.ask(self._attributes, (instance,), {}) or {} if self._attributes is not None else {}
        attributes = {"class": recorder.load("core").name_of(self._cls), **more}
        recorder.end(self._span, self._start, location=location, attributes=attributes, error=error)
        if error is None and self._after is not None:
            self._after(instance)


class _Nested:
    """A construction inside a recorded one: an entry in that one's attributes."""

    def __init__(self, recorder, cls, nested):  # type: ignore[no-untyped-def]  # as above
        self._recorder, self._cls, self._nested = recorder, cls, nested
        self._start = recorder.begin("submodule.init")

    def end(self, instance, location, error):  # type: ignore[no-untyped-def]
        recorder = self._recorder
        recorder.spans().pop()
        name = recorder.load("core").name_of(self._cls)
        self._nested.append({"class": name, "start": self._start, "end": recorder.now(), "loc": location})

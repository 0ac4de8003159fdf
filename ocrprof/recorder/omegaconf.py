"""Hooks on OmegaConf: conversions of whole configurations, resolvers by name, the parsing of interpolations.

They are called too often for a record each: calls and time are added up here, and written at marks and at the end.
Times are exclusive: a conversion's does not hold that of the resolvers it calls.
"""

import _thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any  # OmegaConf's own objects, asked by name

    from ocrprof.recorder.core import Recorder

_MIN_SPAN_NS = 1_000_000
_CONVERSIONS = ("resolve", "to_yaml", "to_container")
_MAX_NAMES = 1000

_tallies: "dict[int, _Tally]" = {}


def patch_base(recorder: "Recorder", module: "ModuleType") -> None:
    """Resolvers (`${oc.env:…}`, and the program's own), and the grammar that reads interpolations."""
    tally = _tally(recorder)
    container = getattr(module, "Container", None)
    evaluate = getattr(container, "_evaluate_custom_resolver", None)
    if evaluate is None:
        recorder.note("omegaconf.base has no Container._evaluate_custom_resolver: resolvers are not counted")
    else:
        container._evaluate_custom_resolver = tally.timed(  # type: ignore[union-attr]
            evaluate, "resolvers", lambda args, kwargs: str(kwargs.get("inter_type", args[3] if len(args) > 3 else "?"))
        )
    parse = getattr(module, "parse", None)
    if parse is None:
        recorder.note("omegaconf.base has no parse: the parsing of interpolations is not counted")
    else:
        module.parse = tally.timed(parse, "functions", _name_of_parse(recorder))  # type: ignore[attr-defined]


def patch_omegaconf(recorder: "Recorder", module: "ModuleType") -> None:
    """`OmegaConf.resolve`, `to_yaml` and `to_container`; those of a millisecond and more have a span too."""
    tally = _tally(recorder)
    tally.registered = getattr(getattr(module, "BaseContainer", None), "_resolvers", {})
    for name in _CONVERSIONS:
        function = getattr(module.OmegaConf, name, None)
        if function is None:
            recorder.note("OmegaConf has no %s: it is not timed" % name)
            continue
        setattr(module.OmegaConf, name, staticmethod(tally.timed(function, "functions", _always(name), span=name)))


def _name_of_parse(recorder: "Recorder") -> "Callable[..., str]":
    # A composition's own time holds its parsing; what the program causes later is told apart.
    return lambda *_: "parse in compositions" if "hydra.compose" in recorder.spans() else "parse"


def _always(name: str) -> "Callable[..., str]":
    return lambda *_: name


def _tally(recorder: "Recorder") -> "_Tally":
    if id(recorder) not in _tallies:
        _tallies[id(recorder)] = _Tally(recorder)
    return _tallies[id(recorder)]


class _Tally:
    """Calls and exclusive nanoseconds by name."""

    def __init__(self, recorder: "Recorder") -> None:
        self.registered: dict[str, object] = {}
        self._recorder = recorder
        self._core = recorder.load("core")
        self._local = _thread._local()
        self._totals: dict[str, dict[str, list[int]]] = {"functions": {}, "resolvers": {}}
        self._num_calls = self._num_written = 0
        recorder.at_marks.append(self.write)

    def timed(
        self,
        function: "Callable[..., Any]",
        group: str,
        name_of: "Callable[..., str]",
        *,
        span: "str | None" = None,
    ) -> "Callable[..., object]":
        """`function`, counted in `group` under the name that `name_of` reads from its arguments."""
        recorder, hide_frame = self._recorder, self._core.hide_frame

        def wrapper(*args: object, **kwargs: object) -> object:
            stack = self._stack()
            stack.append(0)
            start = recorder.now()
            try:
                result = function(*args, **kwargs)
            except BaseException as error:
                hide_frame(error)
                self._add(group, recorder.ask(name_of, (args, kwargs), {}), stack, start, span)
                raise
            self._add(group, recorder.ask(name_of, (args, kwargs), {}), stack, start, span)
            return result

        wrapper.__code__ = wrapper.__code__.replace(co_filename="<frozen importlib._bootstrap>")
        return self._core.look_like(wrapper, function)  # type: ignore[no-any-return]

    def _stack(self) -> "list[int]":
        """Nanoseconds spent in counted calls inside each counted call of this thread, the outermost first."""
        try:
            return self._local.nested  # type: ignore[no-any-return]  # attributes of a thread-local are untyped
        except AttributeError:
            self._local.nested = []
            return self._local.nested  # type: ignore[no-any-return]

    def _add(self, group: str, name: str, stack: "list[int]", start: int, span: "str | None") -> None:
        end = self._recorder.now()
        nested_ns = stack.pop()
        if stack:
            stack[-1] += end - start
        totals = self._totals[group]
        if name not in totals and len(totals) >= _MAX_NAMES:
            name = "others"
        one = totals.setdefault(name, [0, 0])
        one[0] += 1
        one[1] += end - start - nested_ns
        self._num_calls += 1
        if span is not None and not stack and end - start >= _MIN_SPAN_NS:
            record: dict[str, object] = {"k": "span", "name": "omegaconf", "start": start, "end": end}
            self._recorder.write({**record, "thread": self._recorder.thread(), "loc": None, "a": {"function": span}})

    def write(self) -> None:
        """The totals so far, where something came to them since they were last written."""
        if self._num_calls == self._num_written:
            return
        self._num_written = self._num_calls
        resolvers = {
            name: [*one, self._recorder.ask(self._defined_at, (name,), {})]
            for name, one in self._totals["resolvers"].items()
        }
        totals = {"functions": self._totals["functions"], "resolvers": resolvers}
        self._recorder.write({"k": "totals", "of": "omegaconf", "at": self._recorder.now(), "a": totals})

    def _defined_at(self, name: str) -> "list[object] | None":
        """[file, line] of a resolver's own function, which OmegaConf keeps in the closure of what it registers."""
        registered = self.registered.get(name)
        code = getattr(registered, "__code__", None)
        closure = getattr(registered, "__closure__", None) or ()
        if code is None or "resolver" not in code.co_freevars:
            return None
        resolver = closure[code.co_freevars.index("resolver")].cell_contents
        return self._core.line_of(resolver)  # type: ignore[no-any-return]

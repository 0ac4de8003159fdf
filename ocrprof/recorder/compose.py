"""Hooks on Hydra's composition: overrides, the tree of defaults, each file that is read, the merge, the deep copies."""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import ModuleType
    from typing import Any  # Hydra's own objects, asked by name

    from ocrprof.recorder.core import Recorder

_MAX_TREE_DEPTH = 100


def patch_config_loader(recorder: "Recorder", module: "ModuleType") -> None:
    """Each composition, with its parts. It ends the configuration of programs without `hydra.main`."""
    loader = module.ConfigLoaderImpl
    compose = getattr(loader, "load_configuration", None)
    if compose is None:
        recorder.note("%s has no load_configuration: compositions are not seen" % module.__name__)
        return
    loader.load_configuration = _unseen(recorder, _watch_compose(recorder, compose), compose)
    _watch(recorder, module, "create_defaults_list", "hydra.defaults", _facts_of_defaults)
    _watch(recorder, loader, "_compose_config_from_defaults_list", "hydra.merge", None)


def patch_repository(recorder: "Recorder", module: "ModuleType") -> None:
    """Each configuration that is looked up and read; Hydra keeps none of them for its next composition."""
    _watch(recorder, module.ConfigRepository, "load_config", "hydra.read", _facts_of_file)


def patch_overrides_parser(recorder: "Recorder", module: "ModuleType") -> None:
    """The parsing of overrides, the command line's or those that `compose` was given."""
    _watch(recorder, module.OverridesParser, "parse_overrides", "hydra.overrides", _facts_of_overrides)


def _watch_compose(recorder: "Recorder", compose: "Callable[..., object]") -> "Callable[..., object]":
    core = recorder.load("core")
    copies = _DeepCopies(core.hide_frame)

    def load_configuration(*args: object, **kwargs: object) -> object:
        attributes = recorder.ask(_facts_of_call, (recorder, *args), kwargs) or {}
        start = recorder.begin("hydra.compose", announce=True)
        num_before = copies.watch()
        try:
            result = compose(*args, **kwargs)
        except BaseException as error:
            core.hide_frame(error)
            attributes["deepcopies"] = copies.unwatch() - num_before
            recorder.end("hydra.compose", start, attributes=attributes, error=error)
            raise
        attributes["deepcopies"] = copies.unwatch() - num_before
        recorder.end("hydra.compose", start, attributes=attributes)
        if "hydra.main" not in recorder.spans():
            recorder.mark("config")
        return result

    return load_configuration


class _DeepCopies:
    """Counts the calls of `copy.deepcopy` while a composition runs; at other times the function is untouched."""

    def __init__(self, hide_frame: "Callable[[BaseException], None]") -> None:
        self._num_calls = 0
        self._num_watching = 0
        self._hide_frame = hide_frame
        self._original: Callable[..., object] | None = None

    def watch(self) -> int:
        """Starts counting; the number of calls so far."""
        copy: Any = sys.modules.get("copy")
        self._num_watching += 1
        if self._num_watching == 1 and copy is not None:
            self._original = copy.deepcopy
            copy.deepcopy = self._counted(copy.deepcopy)
        return self._num_calls

    def unwatch(self) -> int:
        """Puts the function back; the number of calls so far."""
        copy: Any = sys.modules.get("copy")
        self._num_watching -= 1
        if self._num_watching == 0 and self._original is not None:
            copy.deepcopy, self._original = self._original, None
        return self._num_calls

    def _counted(self, original: "Callable[..., object]") -> "Callable[..., object]":
        def deepcopy(*args: object, **kwargs: object) -> object:
            self._num_calls += 1
            try:
                return original(*args, **kwargs)
            except BaseException as error:
                self._hide_frame(error)
                raise

        return deepcopy


def _watch(
    recorder: "Recorder",
    owner: "Any",
    name: str,
    span: str,
    facts_of: "Callable[..., dict[str, object]] | None",
) -> None:
    """Replaces `owner.name` by the same in a span whose attributes tell of its result; a note where it is missing."""
    function = getattr(owner, name, None)
    if function is None:
        recorder.note("%s has no %s: its %r spans are missing" % (getattr(owner, "__name__", owner), name, span))
        return
    hide_frame = recorder.load("core").hide_frame

    def wrapper(*args: object, **kwargs: object) -> object:
        start = recorder.begin(span)
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            hide_frame(error)
            recorder.end(span, start, error=error)
            raise
        recorder.end(span, start, attributes=recorder.ask(facts_of, (result, *args), kwargs))
        return result

    setattr(owner, name, _unseen(recorder, wrapper, function))


def _unseen(
    recorder: "Recorder", wrapper: "Callable[..., object]", function: "Callable[..., object]"
) -> "Callable[..., object]":
    """`wrapper` under the name of the import system, whose frames `warnings` leaves out when it counts levels."""
    wrapper.__code__ = wrapper.__code__.replace(co_filename="<frozen importlib._bootstrap>")
    return recorder.load("core").look_like(wrapper, function)  # type: ignore[no-any-return]


def _facts_of_call(
    recorder: "Recorder",
    _: object,
    config_name: object = None,
    overrides: "Iterable[object]" = (),
    run_mode: object = None,
    *__: object,
    **___: object,
) -> "dict[str, object]":
    """Which configuration, and who wanted it: Hydra's `get_mode` and `run`, or a line of the program."""
    # ask, wrapper, compose_config, and who called that.
    caller = sys._getframe(3)
    if caller.f_code.co_name == "compose_config" and caller.f_back is not None:
        caller = caller.f_back
    return {
        "config": None if config_name is None else str(config_name),
        "overrides": len(list(overrides)),
        "run_mode": getattr(run_mode, "name", None),
        "for": caller.f_code.co_name,
        "by": recorder.load("instantiate").asker(caller),
    }


def _facts_of_defaults(result: "Any", *_: object, **__: object) -> "dict[str, object]":
    """How many configurations the tree of defaults names, and how deep the program's own part of it is."""
    entries = [one for one in result.defaults if one.config_path is not None]
    parents = {one.config_path: one.parent for one in entries if one.config_path != one.parent}
    own = [path for path in parents if not path.startswith("hydra/")]
    return {"configs": len({one.config_path for one in entries}), "depth": max(map(_depth(parents), own), default=0)}


def _depth(parents: "dict[str, str | None]") -> "Callable[[str], int]":
    def depth(path: str) -> int:
        level, above = 1, parents.get(path)
        while above in parents and level < _MAX_TREE_DEPTH:
            level, above = level + 1, parents.get(above)
        return level

    return depth


def _facts_of_overrides(result: "Any", *_: object, **__: object) -> "dict[str, object]":
    return {"n": len(result)}


def _facts_of_file(
    result: "Any", _: object, config_path: object = "?", *__: object, **___: object
) -> "dict[str, object]":
    return {"config": str(config_path), "source": str(result.path) if result is not None else None}

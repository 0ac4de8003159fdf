"""Where each value of a composed configuration comes from: every file that is merged, in order, and the overrides.

Only where the parent asks for it: the records hold the files' whole contents, interpolations as they are written.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any  # Hydra's own objects, asked by name

    from ocrprof.recorder.core import Recorder

# As in `boot`: a module that has loaded all that is patched here, and that no other hook waits for.
HOOKS = {"hydra._internal.hydra": ("config_source", "patch_config_loader")}
# What a DataLoader is given, and a configuration may hold under the same name.
_LOADER_KEYS = frozenset((
    "num_workers", "prefetch_factor", "persistent_workers", "pin_memory", "batch_size", "shuffle", "drop_last",
))  # fmt: skip
_MAX_DEPTH = 32


def patch_config_loader(recorder: "Recorder", _: "ModuleType") -> None:
    """Each composition becomes a record of its sources; what the last one's settings come to is told at the end."""
    module = sys.modules["hydra._internal.config_loader_impl"]
    loader: Any = module.ConfigLoaderImpl
    sources = _Sources(recorder)
    for owner, name, tell in (
        (module, "create_defaults_list", sources.defaults),
        (loader, "_load_single_config", sources.entry),
        (loader, "load_configuration", sources.composed),
    ):
        _tell(recorder, owner, name, tell)
    recorder.at_end.append(sources.write_values)


class _Sources:
    """What the composition in progress was made from."""

    def __init__(self, recorder: "Recorder") -> None:
        self._recorder = recorder
        self._entries: list[dict[str, object]] = []
        self._overrides: list[dict[str, object]] = []
        self._config: Any = None

    def defaults(self, result: "Any", *_: object, **__: object) -> None:
        """A new composition begins. The overrides of single values, those that choose a group's option left out."""
        self._entries = []
        self._overrides = [
            {"key": one.key_or_group, "line": one.input_line, "value": _plain(one.value()), "delete": one.is_delete()}
            for one in result.config_overrides
        ]

    def entry(self, result: "Any", _: object, default: "Any", *__: object, **___: object) -> None:
        """One file, or one entry of ConfigStore, as it is merged: below its package."""
        package = default.package if default.package is not None else result.header.get("package")
        tree = _plain(result.config)
        self._entries.append(
            {
                "config": default.config_path,
                "parent": default.parent,
                "self": bool(getattr(default, "is_self", False)),
                "package": package or "",
                "provider": result.provider,
                "source": result.path,
                "file": _file_of(str(result.path), str(default.config_path)),
                "tree": _without_hydra(tree),
            }
        )

    def composed(self, result: "Any", *_: object, **__: object) -> None:
        """The composition, as it is before any interpolation is resolved."""
        self._config = result
        self._recorder.write(
            {
                "k": "composition",
                "entries": self._entries,
                "overrides": self._overrides,
                "tree": _without_hydra(_plain(result)),
            }
        )

    def write_values(self) -> None:
        """What the keys of a loader's names come to, interpolations resolved; null where they cannot be."""
        if self._config is None:
            return
        values: dict[str, object] = {}
        _collect(self._config, "", values, 0)
        self._recorder.write({"k": "composition.values", "values": values})


def _tell(recorder: "Recorder", owner: "Any", name: str, tell: "Any") -> None:
    function = getattr(owner, name, None)
    if function is None:
        recorder.note("%s has no %s: the sources of values are not seen" % (getattr(owner, "__name__", owner), name))
        return
    hide_frame = recorder.load("core").hide_frame

    def wrapper(*args: object, **kwargs: object) -> object:
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            hide_frame(error)
            raise
        recorder.ask(tell, (result, *args), kwargs)
        return result

    # As in `compose`: a frame of the import system is left out where warnings count levels.
    wrapper.__code__ = wrapper.__code__.replace(co_filename="<frozen importlib._bootstrap>")
    setattr(owner, name, recorder.load("core").look_like(wrapper, function))


def _plain(value: "Any") -> "Any":
    """Containers of OmegaConf as plain ones, interpolations as their text."""
    omegaconf = sys.modules["omegaconf"].OmegaConf
    if not omegaconf.is_config(value):
        return value
    to_container = omegaconf.to_container
    # Ours is no call of the program's.
    return getattr(to_container, "__wrapped__", to_container)(value, resolve=False)


def _without_hydra(tree: "Any") -> "Any":
    return {key: value for key, value in tree.items() if key != "hydra"} if isinstance(tree, dict) else tree


def _collect(node: "Any", key: str, values: "dict[str, object]", depth: int) -> None:
    """Adds what stands below `node` under one of a loader's names, or tells of a section for a loader."""
    omegaconf = sys.modules["omegaconf"].OmegaConf
    if depth > _MAX_DEPTH:
        return
    names = range(len(node)) if omegaconf.is_list(node) else list(node.keys())
    for name in names:
        path = "%s.%s" % (key, name) if key else str(name)
        if path == "hydra":
            continue
        try:
            value = node[name]
        except Exception:
            value = None
        if omegaconf.is_config(value):
            _collect(value, path, values, depth + 1)
        elif name in _LOADER_KEYS:
            values[path] = value


def _file_of(source: str, config: str) -> "str | None":
    """The path of the file that Hydra read; None for what is in no file, or in no folder (a package in an archive)."""
    scheme, _, place = source.partition("://")
    name = config if config.endswith((".yaml", ".yml")) else config + ".yaml"
    if scheme == "file":
        path = os.path.abspath(os.path.join(place, name))
        return path if os.path.isfile(path) else None
    if scheme != "pkg":
        return None
    parts = place.split(".")
    for number in range(len(parts), 0, -1):
        module = sys.modules.get(".".join(parts[:number]))
        for folder in list(getattr(module, "__path__", ())):
            path = os.path.join(folder, *parts[number:], name)
            if os.path.isfile(path):
                return os.path.abspath(path)
    return None

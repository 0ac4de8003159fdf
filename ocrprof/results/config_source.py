"""From what Hydra merged, in order, to what decides the value of a key: a file, an override, an interpolation, …"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, get_args

from ocrprof.records import ProcessRecords
from ocrprof.results.model import ConfigKey, Location, Origin, SettingName
from ocrprof.results.phases import main_process

SETTINGS: tuple[SettingName, ...] = get_args(SettingName)
_LIBRARIES = ("site-packages", "dist-packages")
_REFERENCE = re.compile(r"\$\{\s*(?P<dots>\.*)(?P<path>[^${}:,\s]+)\s*\}")
_ENVIRONMENT = re.compile(r"\$\{\s*(?:oc\.)?env\s*:\s*(?P<name>[A-Za-z_]\w*)")
_RESOLVER = re.compile(r"\$\{\s*(?P<name>[\w.]+)\s*:")
_INDEX = re.compile(r"\[([^\[\]]+)\]")
_MAX_LINKS = 16


@dataclass(frozen=True)
class Entry:
    """One file, or one entry of ConfigStore, as Hydra merged it; `tree` stands below its `package` already."""

    config: str
    package: str
    source: str
    file: str | None
    tree: Any  # Any: plain values, interpolations as text


@dataclass(frozen=True)
class Override:
    """An override of a single value. `line` is how it was written."""

    key: str
    line: str
    value: Any  # Any: a plain value
    delete: bool


@dataclass(frozen=True)
class Composition:
    """A composed configuration and its sources: `entries` in the order of merging, then `overrides`.

    `values`: what the keys under one of a DataLoader's names come to, interpolations resolved.
    """

    entries: tuple[Entry, ...]
    overrides: tuple[Override, ...]
    tree: Any  # Any: plain values, interpolations as text
    values: Mapping[str, Any]  # Any: plain values


def composition_of(records: Sequence[ProcessRecords]) -> Composition | None:
    """The last one of the main process, the one that its program ran with; None where none was seen.

    None too where nothing was seen to be merged: Hydra before 1.1 has no such list.
    """
    main = main_process(records)
    if main is None or not main.compositions or not main.compositions[-1]["entries"]:
        return None
    fields = main.compositions[-1]
    return Composition(
        entries=tuple(
            Entry(one["config"], one["package"], str(one["source"]), one["file"], one["tree"])
            for one in fields["entries"]
        ),
        overrides=tuple(
            Override(one["key"], one["line"], one["value"], bool(one["delete"])) for one in fields["overrides"]
        ),
        tree=fields["tree"],
        values=main.composed_values,
    )


def keys_named(composition: Composition, setting: SettingName) -> list[str]:
    """Keys whose last part is the setting's name, in the order of the configuration."""
    return [key for key in composition.values if key.rpartition(".")[2] == setting]


def sections_without(composition: Composition, setting: SettingName) -> list[str]:
    """Sections that hold other arguments of a DataLoader (its batch size, say), but not this one."""
    sections = dict.fromkeys(key.rpartition(".")[0] for key in composition.values)
    return [one for one in sections if _joined(one, setting) not in composition.values]


def sibling(key: str, setting: SettingName) -> str:
    """The key of that setting in the same section."""
    return _joined(key.rpartition(".")[0], setting)


def decide(composition: Composition, key: str, *, setting: SettingName, argv: Sequence[str] = ()) -> ConfigKey:
    """What decides the value of `key`; `argv`, the target's, tells its overrides from the program's own."""
    path = key.split(".")
    value = composition.values.get(key)
    found = ConfigKey(key=key, setting=setting, value=value if _is_scalar(value) else None, origin="missing")
    override = _last_override(composition.overrides, path)
    if override is not None:
        origin: Origin = "command_line" if override.line in argv else "program"
        return found.model_copy(update={"origin": origin, "source": override.line})
    set_by = _last_entry(composition.entries, path)
    if set_by is None:
        return found
    entry, depth, written = set_by
    located = found.model_copy(
        update={
            "written": written if _is_scalar(written) else None,
            "location": Location(file=entry.file, line=0) if entry.file is not None else None,
            "file_key": _below_package(key, entry.package),
        }
    )
    if isinstance(written, str) and "${" in written:
        return located.model_copy(update=_interpolated(written, path, depth))
    composed = _lookup(composition.tree, path)
    if depth < len(path) or composed is None or composed[1] != written:
        return located.model_copy(update={"origin": "unknown"})
    return located.model_copy(update={"origin": _origin_of(entry)})


def at_the_end_of(composition: Composition, start: ConfigKey, *, argv: Sequence[str] = ()) -> ConfigKey:
    """Where a chain of interpolations leads to: the first key on it whose value is none, or `start` itself."""
    found, seen = start, {start.key}
    for _ in range(_MAX_LINKS):
        if found.origin != "interpolation" or found.source_key is None or found.source_key in seen:
            return found
        seen.add(found.source_key)
        found = decide(composition, found.source_key, setting=start.setting, argv=argv)
        value = _lookup(composition.tree, found.key.split("."))
        if found.value is None and value is not None and _is_scalar(value[1]):
            found = found.model_copy(update={"value": value[1]})
    return found


def _origin_of(entry: Entry) -> Origin:
    if entry.source.startswith("structured:"):
        return "structured"
    if entry.file is None or any(part in _LIBRARIES for part in PurePath(entry.file).parts):
        return "package"
    return "file"


def _last_override(overrides: Iterable[Override], path: Sequence[str]) -> Override | None:
    touching = None
    for one in overrides:
        own = one.key.split(".")
        if list(path[: len(own)]) != own:
            continue
        if one.delete or _lookup(one.value, path[len(own) :]) is not None:
            touching = one
    return touching


def _last_entry(
    entries: Sequence[Entry], path: Sequence[str]
) -> tuple[Entry, int, Any] | None:  # Any: what it says there
    """The last entry that says something of the key, or of a section around it as a whole; how deep, and what."""
    for entry in reversed(entries):
        found = _lookup(entry.tree, path)
        # A value that is missing (???) leaves the one from before.
        if found is not None and found[1] != "???":
            return entry, *found
    return None


def _lookup(tree: Any, path: Sequence[str]) -> tuple[int, Any] | None:  # Any: plain values
    """How deep along `path` the tree has a value that is no section, and that value; None where it says nothing."""
    node = tree
    for depth, part in enumerate(path):
        if isinstance(node, Mapping):
            if part not in node:
                return None
            node = node[part]
        elif isinstance(node, list) and part.isdigit() and int(part) < len(node):
            node = node[int(part)]
        else:
            return depth, node
    return len(path), node


def _interpolated(written: str, path: Sequence[str], depth: int) -> dict[str, Any]:  # Any: fields of ConfigKey
    environment = _ENVIRONMENT.search(written)
    if environment is not None:
        return {"origin": "environment", "source": environment["name"]}
    whole = _REFERENCE.fullmatch(written.strip())
    if whole is None:
        resolver = _RESOLVER.search(written)
        return {"origin": "resolver", "source": resolver["name"] if resolver else written}
    target = [part for part in _INDEX.sub(r".\1", whole["path"]).split(".") if part]
    if whole["dots"]:
        target = [*path[: max(depth - len(whole["dots"]), 0)], *target]
    return {"origin": "interpolation", "source_key": ".".join([*target, *path[depth:]])}


def _below_package(key: str, package: str) -> str | None:
    if not package:
        return key
    return key.removeprefix(package + ".") if key.startswith(package + ".") else None


def _is_scalar(value: object) -> bool:
    return value is None or isinstance(value, bool | int | float | str)


def _joined(section: str, name: str) -> str:
    return f"{section}.{name}" if section else name

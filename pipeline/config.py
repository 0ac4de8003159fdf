"""Finds the configuration and checks it before PyTorch is loaded. Imports neither torch nor lightning.

The schema, and Pydantic with it, is loaded by what needs it: most mistakes show while Hydra composes.
"""

from __future__ import annotations

import difflib
import json
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

if TYPE_CHECKING:
    from pydantic import ValidationError

    from pipeline.schema import Experiment

WANTED = {
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text",
    "list_type": "a list",
    "dict_type": "a mapping with a _target_ (a group is chosen without its path, as in decoder=fpn)",
}


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a configuration: the key, what is wrong with it, and what would be right."""

    key: str
    what: str
    allowed: tuple[str, ...] = ()
    given: str | None = None
    hint: str | None = None

    def __str__(self) -> str:
        lines = [f"{self.key} {self.what}" if self.key else self.what]
        near = difflib.get_close_matches(self.given, self.allowed, n=1) if self.given else []
        lines += [f"did you mean {near[0]}?"] if near else []
        lines += [f"allowed: {', '.join(self.allowed)}"] if self.allowed else []
        lines += [self.hint] if self.hint else []
        first, *rest = lines
        wrapped = [textwrap.fill(line, 100, initial_indent="  ", subsequent_indent="    ") for line in rest]
        return "\n".join([first, *wrapped])


class ConfigError(Exception):
    """A configuration that cannot be run: every problem found, one after the other."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


def config_dir() -> Path:
    """The folder of the Hydra configuration: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).parent
    for folder in (package / "configs", package.parent / "configs"):
        if folder.is_dir():
            return folder
    raise ConfigError(Problem("", f"no folder `configs` in or beside {package}", hint="reinstall the package"))


def check_config(cfg: DictConfig, kind: type[Experiment]) -> dict[str, Any]:
    """`cfg` with all references resolved, as plain values; ConfigError names every key that `kind` does not allow."""
    from pydantic import ValidationError

    missing = list(_without_value(OmegaConf.to_container(cfg)))
    if missing:
        raise ConfigError(*(Problem(key, "has no value", hint=f"give it as {key}=…") for key in missing))
    try:
        values = OmegaConf.to_container(cfg, resolve=True)
    except OmegaConfBaseException as error:
        raise ConfigError(Problem(str(error.full_key), f"cannot be resolved: {str(error).splitlines()[0]}")) from error
    try:
        kind.model_validate(values)
    except ValidationError as error:
        raise ConfigError(*_problems(error, cfg, values)) from error
    return values


def _without_value(node: Any, key: str = "") -> Iterator[str]:
    """Keys that stand at ???; OmegaConf.missing_keys stops at the first reference to one of them."""
    if node == "???":
        yield key
    for name, value in node.items() if isinstance(node, dict) else ():
        yield from _without_value(value, f"{key}.{name}".lstrip("."))


def check_records(data: Mapping[str, Any], *, split: str) -> None:
    """Nothing; ConfigError if a file or folder that a split of `data` is read from is not there."""
    dataset = data.get(split)
    if dataset is not None:
        _check_reader(dataset.get("records"), key=f"data.{split}.records")


def _check_reader(reader: Any, *, key: str) -> None:
    from pipeline.schema import FILE_READERS

    if not isinstance(reader, Mapping):
        return
    if reader.get("_target_") in FILE_READERS:
        check_file(f"{key}.path", reader.get("path"))
        for name in ("image_dir", "box_dir"):
            if name in reader and not Path(reader[name]).is_dir():
                raise ConfigError(Problem(f"{key}.{name}", f"is {reader[name]}: no such folder"))
    _check_reader(reader.get("records"), key=f"{key}.records")


def check_file(key: str, path: str | None) -> None:
    """Nothing; ConfigError if `path`, the value of `key`, is given and is no file."""
    if path is not None and not Path(path).is_file():
        raise ConfigError(Problem(key, f"is {path}: no such file"))


def unknown_key(key: str, *, section: Any) -> Problem:
    """What is wrong with overriding `key` where `section`, the mapping that should hold it, does not."""
    parent, _, name = key.rpartition(".")
    if not isinstance(section, DictConfig):
        return Problem(key, "is not a key", hint=f"{parent} holds no keys of its own")
    groups = () if parent else tuple(path.name for path in config_dir().iterdir() if path.is_dir())
    allowed = tuple(sorted({*_allowed(section), *groups} - {"hydra"}))
    if name in allowed:
        return Problem(key, "has no value to override", hint=f"add it as +{key}=…")
    return Problem(key, "is not a key", allowed=allowed, given=name)


def _allowed(section: Mapping[Any, Any], *, but: str = "") -> tuple[str, ...]:
    """Keys that `section` may hold: those of the part it is, else those it has, less the unknown one."""
    keys: Iterable[Any] = section
    if "_target_" in section:
        from pipeline.schema import PARTS

        part = PARTS.get(section["_target_"])
        keys = section if part is None else part.__annotations__
    return tuple(sorted(str(key) for key in keys if key != but and not str(key).startswith("_")))


def _problems(error: ValidationError, cfg: DictConfig, values: Any) -> list[Problem]:
    """What is behind `error`, a key at a time; a key that only refers to another one leaves the blame to it."""
    details: dict[tuple[str | int, ...], list[Any]] = {}
    for detail in error.errors(include_url=False):
        details.setdefault(_path(detail, values), []).append(detail)
    own = {path: found for path, found in details.items() if not _is_reference(cfg, path)}
    return [_problem(path, found, values) for path, found in (own or details).items()]


def _path(detail: Any, values: Any) -> tuple[str | int, ...]:
    """Keys down to the value that Pydantic refuses; its own steps name the branches of unions too."""
    path: tuple[str | int, ...] = ()
    for step in detail["loc"]:
        node = _select(values, path)
        is_key = isinstance(node, Mapping) and step in node
        is_index = isinstance(node, list) and isinstance(step, int)
        if is_key or is_index or (detail["type"] == "missing" and step == detail["loc"][-1]):
            path = (*path, step)
    return (*path, "_target_") if detail["type"] == "unknown_target" else path


def _select(values: Any, path: Iterable[str | int]) -> Any:
    for step in path:
        values = values[step]
    return values


def _is_reference(cfg: DictConfig, path: tuple[str | int, ...]) -> bool:
    """True if `path` leads through an interpolation, so that the same value stands elsewhere as well."""
    for depth, step in enumerate(path):
        node = _select(cfg, path[:depth])
        if (isinstance(node, DictConfig) and step not in node) or not OmegaConf.is_config(node):
            return False
        if OmegaConf.is_interpolation(node, step):
            return True
    return False


def _problem(path: tuple[str | int, ...], details: list[Any], values: Any) -> Problem:
    key = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")
    kind, name, section = details[0]["type"], str(path[-1]), _select(values, path[:-1])
    if kind == "extra_forbidden":
        return Problem(key, "is not a key", allowed=_allowed(section, but=name), given=name)
    if kind == "missing":
        return Problem(key, "is missing")
    choices = tuple(choice for detail in details for choice in _choices(detail))
    refused = [detail for detail in details if not _choices(detail)]
    wanted = [WANTED.get(detail["type"], detail["msg"].removeprefix("Input should be ")) for detail in refused]
    what = f"is {json.dumps(section[path[-1]], ensure_ascii=False)}"
    if wanted:
        what += f", should be {' or '.join(wanted)}"
    return Problem(key, what, allowed=choices, given=str(section[path[-1]]))


def _choices(detail: Any) -> list[str]:
    """The values that Pydantic would have taken, where it knows them one by one."""
    expected = detail.get("ctx", {}).get("expected", "")
    return [text or number for text, number in re.findall(r"'([^']*)'|\b(\d+)\b", expected)]

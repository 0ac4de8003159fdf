"""Features of a program as sets of arguments: what turns each on, and what turns it off."""

import shlex
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ocrprof.errors import OcrprofError

BUNDLED_FEATURES = Path(__file__).with_name("bundled_features.toml")
_FORM = "NAME: ON... | OFF...   as in   workers: data.num_workers=4 | data.num_workers=0"
_KEYS = {"name", "on", "off", "exact"}


@dataclass(frozen=True, kw_only=True)
class Switch:
    """A feature. `exact`: it must not change a logged metric by one bit."""

    name: str
    on: tuple[str, ...]
    off: tuple[str, ...]
    exact: bool = True

    def __post_init__(self) -> None:
        if not self.name:
            raise OcrprofError("a feature has no name", hint=_FORM)
        if self.on == self.off:
            raise OcrprofError(f"feature {self.name!r} is the same on and off", hint=_FORM)


@dataclass(frozen=True, kw_only=True)
class FeatureSet:
    """Features in the order in which they are added up, and `arguments` that every run gets before theirs."""

    features: tuple[Switch, ...]
    arguments: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = [feature.name for feature in self.features]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise OcrprofError(f"feature {twice[0]!r} is given twice", hint="give each feature a name of its own")


def parse_feature(text: str) -> Switch:
    """The feature that `NAME: ON... | OFF...` tells of; words are split as a shell does."""
    name, colon, settings = text.partition(":")
    on, _, off = settings.partition("|")
    if not colon:
        raise OcrprofError(f"--feature {text!r} has no colon", hint=_FORM)
    try:
        return Switch(name=name.strip(), on=tuple(shlex.split(on)), off=tuple(shlex.split(off)))
    except ValueError as error:
        raise OcrprofError(f"--feature {text!r}: {error}", hint=_FORM) from error


def read_features(path: Path) -> FeatureSet:
    """The features of a TOML file: `arguments = […]` and a `[[feature]]` with name, on, off and exact for each."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise OcrprofError(f"cannot read {path}: {error.strerror or error}", hint="give a TOML file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise OcrprofError(f"{path}: {error}", hint=f"an example is {BUNDLED_FEATURES}") from error
    entries = content.get("feature")
    if not isinstance(entries, list) or not entries:
        raise OcrprofError(f"{path} holds no [[feature]]", hint=f"an example is {BUNDLED_FEATURES}")
    return FeatureSet(
        features=tuple(_switch(entry, path=path) for entry in entries),
        arguments=_words(content.get("arguments", []), key="arguments", path=path),
    )


def without_repeated_keys(arguments: Sequence[str], given: Sequence[str]) -> tuple[str, ...]:
    """`arguments` less those whose key, the part before `=`, is a key of `given` too: the caller has decided it."""
    keys = {word.lstrip("+~").partition("=")[0] for word in given}
    return tuple(word for word in arguments if word.partition("=")[0] not in keys)


def _switch(entry: dict[str, Any], *, path: Path) -> Switch:  # Any: TOML values
    unknown = sorted(set(entry) - _KEYS)
    if unknown:
        raise OcrprofError(f"{path}: a feature has no {unknown[0]!r}", hint=f"keys: {', '.join(sorted(_KEYS))}")
    return Switch(
        name=str(entry.get("name", "")),
        on=_words(entry.get("on", []), key="on", path=path),
        off=_words(entry.get("off", []), key="off", path=path),
        exact=bool(entry.get("exact", True)),
    )


def _words(value: object, *, key: str, path: Path) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise OcrprofError(f"{path}: {key} is {value!r}", hint="it is a list of strings, one an argument")
    return tuple(value)

"""Tells what a user can mend from a bug, and says it in one message."""

import traceback
from collections.abc import Iterator

from hydra.errors import (
    ConfigCompositionException,
    InstantiationException,
    MissingConfigException,
    OverrideParseException,
)
from omegaconf.errors import ConfigAttributeError, ConfigKeyError

from pipeline.config import ConfigError, Problem, unknown_key
from pipeline.data.errors import DataError

# What a part raises when it cannot be built from its values. Lightning's class is known by its name: loading it would
# take seconds.
MISCONFIGURATION = "MisconfigurationException"
REFUSALS = ("ValueError", "ImportError", "ModuleNotFoundError", MISCONFIGURATION)


def explain(error: Exception) -> str | None:
    """What to mend in the configuration or in a file; None for anything else, which is a bug."""
    for each in _causes(error):
        if isinstance(each, (ConfigError, DataError)):
            return str(each)
    if isinstance(error, (ConfigCompositionException, OverrideParseException)):
        return str(_not_composed(error))
    if isinstance(error, InstantiationException):
        return _refused(error)
    if isinstance(error, ValueError) and _raised_in(error).startswith("hydra."):
        return str(error)
    if type(error).__name__ == MISCONFIGURATION:
        return str(error)
    if isinstance(error, (PermissionError, NotADirectoryError)):
        return f"{error.filename}: {error.strerror}"
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _raised_in(error: BaseException) -> str:
    """Name of the module that raised `error`."""
    module = ""
    for place, _ in traceback.walk_tb(error.__traceback__):
        module = str(place.f_globals.get("__name__", ""))
    return module


def _refused(error: InstantiationException) -> str | None:
    """What a part says of its values, or that there is no such part; None if it failed in some other way."""
    deepest = list(_causes(error))[-1]
    if type(deepest).__name__ not in REFUSALS:
        return None
    _, keyed, key = str(error).rpartition("full_key: ")
    return f"{key}: {deepest}" if keyed else str(deepest)


def _not_composed(error: ConfigCompositionException | OverrideParseException) -> Problem:
    """What is wrong with an override that Hydra could not apply."""
    cause = error.__cause__
    if isinstance(error, OverrideParseException):
        return Problem(error.override, f"cannot be read: {str(error).splitlines()[0]}", hint="write key=value")
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, option = error.missing_cfg_file.rpartition("/")
        return Problem(group, f"has no option {option}", allowed=tuple(error.options or ()), given=option)
    if isinstance(cause, (ConfigAttributeError, ConfigKeyError)):
        return unknown_key(str(cause.full_key), section=cause.parent_node)
    return Problem("", str(error) or str(cause))

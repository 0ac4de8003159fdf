"""Composes a configuration once where `hydra.main` does it twice: to read `hydra.mode`, and again to run with it.

What the first composition gave is kept for the second where the two are sure to be the same; else, as for a sweep,
Hydra composes again. With `compose_cache=disk` it is kept for the next run of the same command line, too.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pipeline import compose_cache

RUN_MODE = "hydra.mode=RUN"  # what hydra.main adds to the overrides of a plain run whose mode is not said


@contextmanager
def composed_once() -> Iterator[None]:
    """While this is open, `hydra.main` composes once for a plain run, and once for a configuration that is wrong."""
    from hydra._internal.config_loader_impl import ConfigLoaderImpl

    compose = ConfigLoaderImpl.load_configuration
    ConfigLoaderImpl.load_configuration = _keeping(compose)
    try:
        yield
    finally:
        ConfigLoaderImpl.load_configuration = compose


@dataclass(frozen=True)
class _Composition:
    """What was asked for to learn the mode, and the configuration or the error that came of it."""

    config_name: str | None
    overrides: tuple[str, ...]
    config: Any = None
    error: Exception | None = None

    def answers(self, config_name: str | None, overrides: Sequence[str], mode: str) -> bool:
        """True if composing this for `mode`, RUN or MULTIRUN, would fail or come out as the first time."""
        added = list(overrides[len(self.overrides) :])
        asked_again = (config_name, list(overrides)) == (self.config_name, [*self.overrides, *added])
        if not asked_again or added not in ([], [f"hydra.mode={mode}"]):
            return False
        if self.error is not None:
            return True
        from omegaconf import OmegaConf

        # A plain run refuses a group that has no option yet, and a sweep.
        has_all = not OmegaConf.missing_keys(self.config.hydra.runtime.choices)
        return mode == "RUN" and has_all and not _sweeps(self.overrides)

    def again(self, overrides: Sequence[str]) -> Any:
        """The configuration, with `overrides` that may say its mode now; an error is raised as the first time."""
        if self.error is not None:
            raise self.error
        if len(overrides) > len(self.overrides):
            self.config.hydra.mode = "RUN"
            self.config.hydra.overrides.hydra.append(RUN_MODE)
        return self.config


def _sweeps(overrides: Sequence[str]) -> bool:
    """True if one of `overrides` stands for several values."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    # Only a list or a function can, and parsing takes milliseconds.
    suspects = [override for override in overrides if "," in override or "(" in override]
    return any(override.is_sweep_override() for override in OverridesParser.create().parse_overrides(suspects))


def _keeping(compose: Callable[..., Any]) -> Callable[..., Any]:
    """`compose`, a method of Hydra's loader, that keeps what it composes to learn the mode for the very next call."""
    kept: list[_Composition] = []

    @functools.wraps(compose)
    def load_configuration(
        loader: Any, config_name: str | None, overrides: list[str], run_mode: Any, *more: Any, **named: Any
    ) -> Any:
        earlier = kept.pop() if kept else None
        if earlier is not None and earlier.answers(config_name, overrides, run_mode.name):
            return earlier.again(overrides)
        # Only to learn the mode it is left open whether the overrides are legal in it.
        to_keep = named.get("validate_sweep_overrides") is False
        if not to_keep:
            return compose(loader, config_name, overrides, run_mode, *more, **named)
        config, path = compose_cache.read(loader, config_name, overrides)
        if config is None:
            try:
                config = compose(loader, config_name, overrides, run_mode, *more, **named)
            except Exception as error:
                kept.append(_Composition(config_name, tuple(overrides), error=error))
                raise
            compose_cache.keep(config, path)
        kept.append(_Composition(config_name, tuple(overrides), config=config))
        return config

    return load_configuration

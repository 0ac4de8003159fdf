"""Keeps composed configurations on disk, so that a run with the same command line and the same files composes nothing.

An entry is JSON: values, none of which can run. It is found by a digest of all that composing depends on, and what
depends on anything else is not kept. A torn or altered file is composed anew.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from omegaconf import DictConfig, OmegaConf, open_dict

_log = logging.getLogger(__name__)

FOLDER = "configurations"
MAX_ENTRIES = 64
SWITCH = "compose_cache"  # key of the configuration: none, disk
_ENVIRONMENT = re.compile(r"\boc\.env:\s*([A-Za-z_]\w*)")
_COMPOSED_FROM_PACKAGES = ("pkg://hydra.conf",)  # known by Hydra's version


def read(loader: Any, config_name: str | None, overrides: Sequence[str]) -> tuple[DictConfig | None, Path | None]:
    """What was composed before from just this, or None; and the file that it is, or would be, kept in.

    `loader` is Hydra's. No file: composing depends on more than can be told.
    """
    path = _path(loader, config_name, overrides)
    if path is None or not path.exists():
        return None, path
    try:
        checksum, _, body = path.read_bytes().partition(b"\n")
        if checksum.decode() != hashlib.sha256(body).hexdigest():
            raise ValueError("it does not hold what was written")
        config = _restored(json.loads(body))
    except (OSError, ValueError) as error:
        _log.warning("the kept configuration %s is composed anew: %s", path, error)
        return None, path
    return config, path


def keep(config: DictConfig, path: Path | None) -> bool:
    """Whether `config`, as Hydra composed it, lies at `path` now: not where it is switched off or holds other types."""
    if path is None or config.get(SWITCH) != "disk" or config.hydra.job.env_copy:
        return False
    try:
        body = json.dumps(_stored(config), ensure_ascii=False, allow_nan=True).encode()
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}")
        temporary.write_bytes(hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
        temporary.replace(path)
    except (OSError, TypeError) as error:
        _log.warning("the configuration is not kept: %s", error)
        return False
    _prune(path.parent)
    return True


def folder() -> Path:
    """Where configurations are kept."""
    from pipeline.cache_folder import default_cache_dir

    return default_cache_dir() / FOLDER


def _path(loader: Any, config_name: str | None, overrides: Sequence[str]) -> Path | None:
    digest = _digest(loader, config_name, overrides)
    return None if digest is None else folder() / f"{digest}.json"


def _digest(loader: Any, config_name: str | None, overrides: Sequence[str]) -> str | None:
    """Of everything that the composition is made from; None where that cannot be told."""
    import hydra
    import omegaconf

    texts: list[str] = [str(config_name), *overrides]
    for source in loader.config_search_path.get_path():
        texts += ["", str(source.provider), str(source.path)]
        if source.path == "structured://" or source.path in _COMPOSED_FROM_PACKAGES:
            continue
        tree = _folder_of(str(source.path))
        if tree is None:
            return None
        texts += _contents(tree)
    if any("searchpath" in text for text in texts):
        return None
    texts += [f"{name}={os.environ.get(name)!r}" for name in sorted(_variables(texts))]
    stored = sorted(_stored_configs())
    if not all(provider == "hydra" for _, provider in stored):
        return None
    texts += [name for name, _ in stored]
    versions = (hydra.__version__, omegaconf.__version__, hydra.version.getbase(), sys.version)
    return hashlib.sha256("\0".join([*texts, *map(str, versions), _job_name()]).encode()).hexdigest()[:32]


def _folder_of(path: str) -> Path | None:
    parts = urlsplit(path)
    if parts.scheme not in ("file", ""):
        return None
    tree = Path(unquote(parts.path)) if parts.scheme else Path(path)
    return tree if tree.is_dir() else None


def _contents(tree: Path) -> Iterator[str]:
    """Names and texts of all configurations below a folder."""
    for parent, folders, files in os.walk(tree):
        folders.sort()
        for name in sorted(files):
            if name.endswith((".yaml", ".yml")):
                yield os.path.join(parent, name)  # noqa: PTH118 - a third of the time of pathlib
                with open(os.path.join(parent, name), encoding="utf-8") as file:  # noqa: PTH118, PTH123
                    yield file.read()


def _variables(texts: Sequence[str]) -> set[str]:
    """Environment variables that the texts refer to."""
    return {name for text in texts if "oc.env" in text for name in _ENVIRONMENT.findall(text)}


def _stored_configs() -> Iterator[tuple[str, str | None]]:
    """Name and provider of what programs and plug-ins put into Hydra's store."""
    from hydra.core.config_store import ConfigNode, ConfigStore

    pending: list[tuple[str, Any]] = [("", ConfigStore.instance().repo)]
    while pending:
        path, node = pending.pop()
        if isinstance(node, ConfigNode):
            yield path, node.provider
        else:
            pending += [(f"{path}/{name}", child) for name, child in node.items()]


def _job_name() -> str:
    from hydra.core.utils import JobRuntime

    return str(JobRuntime.instance().get("name"))


def _stored(config: DictConfig) -> dict[str, Any]:
    """Plain values, references as they stand. TypeError where something else is among them."""
    return {
        name: OmegaConf.to_container(config.hydra, resolve=False, enum_to_str=True) if name == "hydra" else value
        for name, value in OmegaConf.to_container(config, resolve=False, enum_to_str=True).items()
    }


def _restored(stored: dict[str, Any]) -> DictConfig:
    """As Hydra's loader gives it: its own node typed, the root closed to unknown keys."""
    from hydra.conf import HydraConf
    from hydra.core.config_store import ConfigStore

    hydra = stored["hydra"]
    hydra["runtime"]["cwd"] = str(Path.cwd())
    node = OmegaConf.structured(HydraConf)
    with open_dict(node):  # to which groups may add keys, as `env` does
        for name in ("launcher", "sweeper"):
            option = hydra["runtime"]["choices"][f"hydra/{name}"]
            node[name] = ConfigStore.instance().load(f"hydra/{name}/{option}.yaml").node
        node.merge_with(hydra)
        for name in set(node) - set(hydra):
            del node[name]
    config = OmegaConf.create({**stored, "hydra": node})
    OmegaConf.set_struct(config, True)
    OmegaConf.set_readonly(config.hydra, False)
    return config


def _prune(directory: Path) -> None:
    """Leaves the newest entries."""
    entries = sorted(directory.glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in entries[MAX_ENTRIES:]:
        path.unlink(missing_ok=True)

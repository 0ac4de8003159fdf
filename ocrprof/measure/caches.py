"""What is kept between runs: compiled kernels and weights on disk, and the W&B login."""

import configparser
import getpass
import os
import re
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from ocrprof.measure.mounts import MountEntry, mount_of
from ocrprof.results.doctor import Cache, WandbState

_WALK_SECONDS = 0.2
_WANDB_SERVER = "https://api.wandb.ai"


def read_caches(environment: Mapping[str, str], *, table: list[MountEntry]) -> list[Cache]:
    """The folders that torch.compile, Triton, the Hugging Face hub and torch.hub use under this environment."""
    return [_cache(name, path, chosen_by, table=table) for name, path, chosen_by in cache_folders(environment)]


def cache_folders(environment: Mapping[str, str]) -> list[tuple[str, Path, str]]:
    """Name, folder, and the variable that decides it; as torch, triton, huggingface_hub and torch.hub look for them."""
    home = Path(environment.get("HOME") or "~").expanduser()
    user_cache = Path(environment.get("XDG_CACHE_HOME") or home / ".cache")
    inductor = Path(tempfile.gettempdir()) / f"torchinductor_{_user()}"
    choices = (
        ("Inductor kernels", inductor, (("TORCHINDUCTOR_CACHE_DIR", ""),)),
        ("Triton kernels", home / ".triton" / "cache", (("TRITON_CACHE_DIR", ""), ("TRITON_HOME", ".triton/cache"))),
        (
            "Hugging Face hub",
            user_cache / "huggingface" / "hub",
            (("HF_HUB_CACHE", ""), ("HUGGINGFACE_HUB_CACHE", ""), ("HF_HOME", "hub")),
        ),
        ("torch.hub", user_cache / "torch" / "hub" / "checkpoints", (("TORCH_HOME", "hub/checkpoints"),)),
    )
    folders = []
    for name, default, variables in choices:
        chosen = next(((variable, below) for variable, below in variables if environment.get(variable)), None)
        if chosen is None:
            folders.append((name, default, "default"))
        else:
            variable, below = chosen
            folders.append((name, Path(environment[variable]).expanduser() / below, variable))
    return folders


def read_wandb(environment: Mapping[str, str], *, version: str | None, cwd: Path) -> WandbState:
    """How `wandb.init` would go about it, by the variables and files that it reads; no key is looked at or kept."""
    home = Path(environment.get("HOME") or "~").expanduser()
    config = Path(environment.get("WANDB_CONFIG_DIR") or home / ".config" / "wandb") / "settings"
    mode, mode_from = "online", "default"
    for file in (config, Path(environment.get("WANDB_DIR") or cwd) / "wandb" / "settings"):
        settings = configparser.ConfigParser(interpolation=None)
        try:
            settings.read(file, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError):
            continue
        if settings.has_option("default", "mode"):
            mode, mode_from = settings.get("default", "mode"), str(file)
    if environment.get("WANDB_MODE"):
        mode, mode_from = environment["WANDB_MODE"], "WANDB_MODE"
    elif environment.get("WANDB_DISABLED", "").lower() in ("true", "1", "yes"):
        mode, mode_from = "disabled", "WANDB_DISABLED"
    return WandbState(version=version, mode=mode, mode_from=mode_from, login_from=_login(environment, home=home))


def _cache(name: str, path: Path, chosen_by: str, *, table: list[MountEntry]) -> Cache:
    entry = mount_of(path, table)
    num_files = num_bytes = 0
    complete = True
    deadline = time.monotonic() + _WALK_SECONDS
    for folder, _, files in os.walk(path):
        for file in files:
            try:
                status = Path(folder, file).lstat()
            except OSError:
                continue  # Removed since it was listed.
            # The hub's snapshots are links into its blobs, which are counted once.
            if not Path(folder, file).is_symlink():
                num_files, num_bytes = num_files + 1, num_bytes + status.st_size
        if time.monotonic() > deadline:
            complete = False
            break
    return Cache(
        name=name,
        path=str(path),
        chosen_by=chosen_by,
        exists=path.is_dir(),
        num_files=num_files,
        num_bytes=num_bytes,
        complete=complete,
        file_system=entry.kind if entry else None,
    )


def _login(environment: Mapping[str, str], *, home: Path) -> str | None:
    for variable in ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE"):
        if environment.get(variable):
            return variable
    server = urlsplit(environment.get("WANDB_BASE_URL") or _WANDB_SERVER).netloc
    # Read as text, and only for the server's name: an error of a parser could quote a password.
    machine = re.compile(rf"^\s*machine\s+{re.escape(server)}(?:\s|$)", re.MULTILINE)
    files = [Path(environment["NETRC"])] if environment.get("NETRC") else [home / ".netrc", home / "_netrc"]
    for file in files:
        try:
            text = file.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        if machine.search(text):
            return str(file)
    return None


def _user() -> str:
    """The name that torch puts into its folder: signs that a file name cannot hold become underscores."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
    return re.sub(r'[\\/:*?"<>|]', "_", name)

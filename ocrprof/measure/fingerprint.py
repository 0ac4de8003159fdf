"""Reads what a measurement on this machine depends on."""

import hashlib
import os
import platform
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from ocrprof.measure.check_arms import equal_settings
from ocrprof.measure.environment import file_system_of, gpus, usable_cores
from ocrprof.records import ProcessRecords
from ocrprof.results.check_fingerprint import make_fingerprint, minor_version, workload_hash
from ocrprof.results.configuration import composed_config
from ocrprof.results.model import Fingerprint

_LOCK_FILES = ("uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock", "requirements.txt", "conda-lock.yml")
_CPU_FIELDS = ("vendor_id", "cpu family", "model", "stepping")
_CPU = Path("/sys/devices/system/cpu")


def take_fingerprint(
    records: Sequence[ProcessRecords],
    *,
    cwd: Path,
    launch: Mapping[str, Any],  # Any: JSON values
    reference: Mapping[str, float],
    num_threads: int | None = None,
) -> Fingerprint:
    """This machine and the workload that `records` tell of. `launch`: to which milestone, with which limits.

    `reference`: seconds of the fixed piece of work. `num_threads`: as in `equal_settings`. What cannot be read is left
    out, and never compared.
    """
    config, info, devices = composed_config(records), _cpu_info(), gpus()
    versions: dict[str, str] = {}
    for process in records:
        versions |= process.versions
    return make_fingerprint(
        refuse={
            "schema": 1,
            "launch": dict(launch),
            "config": workload_hash(config) if config is not None else None,
            "os": platform.system(),
            "arch": platform.machine(),
            "cpu": info.get("model name") or platform.processor() or None,
            "cpu_model": [info[name] for name in _CPU_FIELDS if name in info] or None,
            "cores_usable": usable_cores(),
            "smt": _read(_CPU / "smt/active"),
            "gpus": [gpu.name for gpu in devices],
            "gpu_driver": devices[0].driver if devices else None,
            "threads": {name: value for name, value in equal_settings(num_threads).items() if name.endswith("THREADS")},
        },
        treatment={
            "python": minor_version(records[0].python) if records else None,
            "lock": _lock_hash(cwd),
            **versions,
        },
        warn={
            "kernel": platform.release(),
            "libc": " ".join(platform.libc_ver()).strip() or None,
            "container": Path("/.dockerenv").exists() or Path("/run/.containerenv").exists(),
            "runner_image": os.environ.get("ImageVersion"),  # noqa: SIM112  # as GitHub's runners spell it
            "hypervisor": "hypervisor" in info.get("flags", "").split(),
            "memory_gib": round(_memory_bytes() / 2**30),
            "governor": _read(_CPU / "cpu0/cpufreq/scaling_governor"),
            "turbo_off": _read(_CPU / "intel_pstate/no_turbo"),
            "huge_pages": _read(Path("/sys/kernel/mm/transparent_hugepage/enabled")),
            "file_system": file_system_of(cwd),
            "hostname": platform.node(),
        },
        record={
            "load_average": os.getloadavg()[0],
            "cpu_mhz": info.get("cpu MHz"),
            "uptime_seconds": round(time.clock_gettime(time.CLOCK_BOOTTIME))
            if hasattr(time, "CLOCK_BOOTTIME")
            else None,
            "reference_seconds": dict(reference) or None,
        },
    )


def _cpu_info() -> dict[str, str]:
    """Of the first processor in /proc/cpuinfo; empty elsewhere."""
    with suppress(OSError):
        first = Path("/proc/cpuinfo").read_text().partition("\n\n")[0]
        pairs = (line.partition(":") for line in first.splitlines())
        return {name.strip(): value.strip() for name, colon, value in pairs if colon}
    return {}


def _memory_bytes() -> int:
    try:
        return psutil.virtual_memory().total
    except OSError:  # No /proc, in some sandboxes.
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _lock_hash(cwd: Path) -> str | None:
    """Of the nearest lock file at or above the working folder."""
    for folder in (cwd, *cwd.parents):
        for name in _LOCK_FILES:
            with suppress(OSError):
                return f"{name} sha256:{hashlib.sha256((folder / name).read_bytes()).hexdigest()[:12]}"
        if (folder / ".git").exists():
            break
    return None


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None

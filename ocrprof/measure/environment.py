"""The machine and the software under a measurement, read and not guessed."""

import contextlib
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import psutil

import ocrprof
from ocrprof.measure.processors import cpu_quota
from ocrprof.results.model import Environment, Gpu, Tool

_BUSY_LOAD_SHARE = 0.5


def describe_environment(*, cwd: Path, python: str | None, libraries: Mapping[str, str]) -> Environment:
    """This machine, with the target's own Python and the versions of the libraries that it loaded."""
    usable = usable_cores()
    load = os.getloadavg()[0]
    notes = []
    if load > _BUSY_LOAD_SHARE * usable:
        notes.append(f"load average {load:.1f} on {usable:g} usable cores when the measurement ended")
    return Environment(
        cpu=_cpu_name(),
        num_cores_usable=usable,
        num_cores_present=os.cpu_count() or 1,
        memory_bytes=_memory_bytes(),
        gpus=gpus(),
        os=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=python or platform.python_version(),
        libraries=dict(sorted(libraries.items())),
        file_systems={"project": file_system_of(cwd), "python": file_system_of(Path(sys.prefix))},
        git_commit=git_commit(cwd),
        load_average=load,
        notes=notes,
    )


def describe_tool() -> Tool:
    """This ocrprof; its commit where it runs from a checkout of its own."""
    root = Path(ocrprof.__file__).resolve().parent.parent
    return Tool(version=ocrprof.__version__, commit=git_commit(root) if (root / ".git").exists() else None)


def usable_cores() -> float:
    """Cores that this process may use: its affinity, cut by the cgroup's CPU quota where there is one."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, _ = cpu_quota(Path("/proc/self/cgroup").read_text())
    except OSError:
        return float(affinity)
    return float(affinity) if quota is None else min(float(affinity), quota)


def gpus() -> list[Gpu]:
    """The devices NVML sees; none where there is no driver."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        driver = _text(pynvml.nvmlSystemGetDriverVersion())
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
        return [
            Gpu(
                name=_text(pynvml.nvmlDeviceGetName(handle)),
                memory_bytes=int(pynvml.nvmlDeviceGetMemoryInfo(handle).total),
                driver=driver,
            )
            for handle in handles
        ]
    finally:
        pynvml.nvmlShutdown()


def file_system_of(path: Path) -> str:
    """Type of the mount that holds `path` (ext4, overlay, nfs4, 9p …); `unknown` where it cannot be read."""
    resolved = str(path.resolve())
    best, kind = "", "unknown"
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/mountinfo").read_text().splitlines():
            before, _, after = line.partition(" - ")
            mount = before.split()[4].replace("\\040", " ")
            inside = mount == "/" or resolved == mount or resolved.startswith(mount + "/")
            if inside and len(mount) >= len(best):
                best, kind = mount, after.split()[0]
    return kind


def git_commit(folder: Path) -> str | None:
    """The commit checked out at `folder`, with `-dirty` where files differ from it; None outside a git checkout."""
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        return f"{commit}-dirty" if _git(folder, "status", "--porcelain", "--untracked-files=no") else commit
    except (OSError, subprocess.SubprocessError):
        return None


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()


def _memory_bytes() -> int:
    try:
        return psutil.virtual_memory().total
    except OSError:  # No /proc, in some sandboxes.
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _cpu_name() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value

"""What a process holds, and what the kernel has done for it."""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any  # whatever a module's attributes hold

_LIBRARIES = (
    "torch",
    "torchvision",
    "lightning",
    "pytorch_lightning",
    "hydra",
    "omegaconf",
    "timm",
    "torchmetrics",
    "transformers",
    "numpy",
    "cv2",
    "wandb",
)


def _own_attribute(module: "ModuleType | None", name: str) -> "Any":
    """What a module holds; a look of ours must not load one that is lazy."""
    try:
        return type(sys).__getattribute__(module, name)
    except (AttributeError, TypeError):
        return None


def versions() -> "dict[str, str]":
    """Of the libraries that decide how long things take, as far as the target has loaded them."""
    found = {}
    for name in _LIBRARIES:
        version = _own_attribute(sys.modules.get(name), "__version__")
        if version is not None:
            found[name] = str(version)
    return found


def memory() -> "dict[str, object]":
    """Resident bytes now and at the peak, and the CUDA allocator's, where the target has started CUDA."""
    resident = peak = 0
    try:
        with open("/proc/self/status", "rb") as file:
            for line in file:
                if line.startswith(b"VmHWM:"):
                    peak = int(line.split()[1]) * 1024
                elif line.startswith(b"VmRSS:"):
                    resident = int(line.split()[1]) * 1024
    except OSError:
        pass
    held: dict[str, object] = {"rss": resident, "peak_rss": peak}
    cuda: Any = _own_attribute(sys.modules.get("torch"), "cuda")
    started = cuda is not None and cuda.is_initialized()
    held["cuda_allocated"] = cuda.memory_allocated() if started else None
    held["cuda_reserved"] = cuda.max_memory_reserved() if started else None
    held["cuda_peak"] = cuda.max_memory_allocated() if started else None
    return held


def usage() -> "list[int] | None":
    """Minor and major page faults, bytes that were read and bytes that came from a disk; None where /proc is absent."""
    try:
        with open("/proc/self/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        with open("/proc/self/io", "rb") as file:
            counts = dict(line.split(b": ") for line in file.read().splitlines())
        return [int(fields[7]), int(fields[9]), int(counts[b"rchar"]), int(counts[b"read_bytes"])]
    except (OSError, ValueError, KeyError, IndexError):
        return None

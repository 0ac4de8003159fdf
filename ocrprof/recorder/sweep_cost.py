"""What a loader takes from the machine while it is measured, by the kernel's own counters, and what one batch is."""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any  # batches are whatever a program collates

_MAX_DEPTH = 8
_OF_WORKERS = ("cpu_workers", "read_bytes", "read_chars")


def snapshot(pids: "list[int]") -> "dict[str, Any]":
    """Counters that only grow: of this process and of the workers `pids`, in ns and bytes; None where not readable."""
    workers = [_cpu_ns(pid) for pid in pids]
    counts = [_io("self"), *(_io(pid) for pid in pids)]
    readable = all(one is not None for one in counts)
    throttled = _throttled()
    return {
        "pids": pids,
        "cpu_main": _cpu_ns("self"),
        "cpu_workers": None if None in workers else sum(one or 0 for one in workers),
        "read_bytes": sum(one[1] for one in counts if one) if readable else None,
        "read_chars": sum(one[0] for one in counts if one) if readable else None,
        "throttled": throttled[0],
        "num_throttled": throttled[1],
    }


def between(before: "dict[str, Any]", after: "dict[str, Any]") -> "dict[str, int | None]":
    """What each counter has grown by; None for those of workers where others have taken their place."""
    unknown = _OF_WORKERS if before["pids"] != after["pids"] else ()
    return {name: None if name in unknown else _less(after[name], before[name]) for name in before if name != "pids"}


def added(one: "dict[str, int | None]", other: "dict[str, int | None]") -> "dict[str, int | None]":
    """The sum of two growths."""
    return {name: None if _none(one[name], other[name]) else one[name] + other[name] for name in one}  # type: ignore[operator]


def pss_bytes(pids: "list[int]") -> "int | None":
    """Resident bytes of this process and of `pids`, pages that they share counted once (`Pss`, proc(5)).

    Reading it takes a lock of the process that is read: never while a batch is timed.
    """
    total = 0
    for pid in ("self", *pids):
        try:
            with open("/proc/%s/smaps_rollup" % pid, "rb") as file:
                total += next(int(line.split()[1]) for line in file if line.startswith(b"Pss:")) * 1024
        except (OSError, StopIteration):
            return None
    return total


def shm_bytes() -> "tuple[int, int] | None":
    """Used and free bytes of /dev/shm; None where there is none."""
    try:
        state = os.statvfs("/dev/shm")
    except OSError:
        return None
    return (state.f_blocks - state.f_bfree) * state.f_frsize, state.f_bavail * state.f_frsize


def descriptors() -> "tuple[int, int] | None":
    """File descriptors that this process has open, and how many it may have."""
    try:
        import resource

        return len(os.listdir("/proc/self/fd")), resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    except (ImportError, OSError):
        return None


def tensors(batch: object) -> "list[Any]":
    """The tensors in a batch: in lists, tuples, dictionaries and the attributes of plain objects."""
    found: list[Any] = []
    _gather(batch, found, 0)
    return found


def size_of(batch: object) -> "tuple[int, int]":
    """Bytes of the storages of a batch's tensors, shared ones once, and the number of its tensors."""
    storages: dict[int, int] = {}
    found = tensors(batch)
    for tensor in found:
        try:
            storage = tensor.untyped_storage()
            storages[storage.data_ptr()] = int(storage.nbytes())
        except (AttributeError, RuntimeError, NotImplementedError):
            storages[id(tensor)] = int(tensor.numel() * tensor.element_size())
    return sum(storages.values()), len(found)


def clone(batch: "Any", depth: int = 0) -> "Any":
    """The batch with tensors of its own, pinned where they were; what is no tensor is the same object."""
    tensor = sys.modules["torch"].Tensor
    if isinstance(batch, tensor):
        copied = batch.clone()
        return copied.pin_memory() if batch.device.type == "cpu" and batch.is_pinned() else copied
    if depth >= _MAX_DEPTH:
        return batch
    if isinstance(batch, dict):
        copied = {name: clone(value, depth + 1) for name, value in batch.items()}
        return copied if type(batch) is dict else _as_type(batch, copied)
    if isinstance(batch, tuple):
        items = [clone(value, depth + 1) for value in batch]
        return type(batch)(*items) if hasattr(batch, "_fields") else tuple(items)
    if type(batch) is list:
        return [clone(value, depth + 1) for value in batch]
    if hasattr(batch, "__dict__"):
        copied = sys.modules["copy"].copy(batch)
        for name, value in vars(batch).items():
            object.__setattr__(copied, name, clone(value, depth + 1))
        return copied
    return batch


def _as_type(batch: "Any", copied: "dict[object, object]") -> "Any":
    same = sys.modules["copy"].copy(batch)
    same.update(copied)
    return same


def _gather(value: object, found: "list[Any]", depth: int) -> None:
    if isinstance(value, sys.modules["torch"].Tensor):
        found.append(value)
    elif depth < _MAX_DEPTH:
        if isinstance(value, dict):
            values: Any = value.values()
        elif isinstance(value, (list, tuple)):
            values = value
        elif hasattr(value, "__dict__") and not isinstance(value, type):
            values = vars(value).values()
        else:
            return
        for one in list(values):
            _gather(one, found, depth + 1)


def _cpu_ns(pid: object) -> "int | None":
    """User and system time of a process, its threads included."""
    try:
        with open("/proc/%s/stat" % pid, "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) * (1_000_000_000 // os.sysconf("SC_CLK_TCK"))


def _io(pid: object) -> "tuple[int, int] | None":
    """Bytes that read calls returned, and those of them that came from storage (proc(5), /proc/pid/io)."""
    try:
        with open("/proc/%s/io" % pid, "rb") as file:
            counts = dict(line.split(b": ") for line in file.read().splitlines())
        return int(counts[b"rchar"]), int(counts[b"read_bytes"])
    except (OSError, ValueError, KeyError):
        return None


def _throttled() -> "tuple[int | None, int | None]":
    """ns in which a quota held the processes back, and how often: of the control group that did so most.

    The parent has told which files those of our groups are.
    """
    worst: tuple[int | None, int | None] = (None, None)
    for path in os.environ.get("OCRPROF_CPU_STATS", "").split(os.pathsep):
        try:
            with open(path, "rb") as file:
                counts = dict(line.split() for line in file.read().splitlines())
            held = (
                int(counts[b"throttled_usec"]) * 1000 if b"throttled_usec" in counts else int(counts[b"throttled_time"])
            )
            if worst[0] is None or held > worst[0]:
                worst = held, int(counts[b"nr_throttled"])
        except (OSError, ValueError, KeyError):
            continue
    return worst


def _less(after: "int | None", before: "int | None") -> "int | None":
    return None if after is None or before is None else after - before


def _none(*values: object) -> bool:
    return any(value is None for value in values)

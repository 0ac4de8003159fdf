"""The file systems under a run's folders: what they are, and how long looking up and reading files takes there."""

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ocrprof.results.doctor import Mount, MountRole

_NUM_STATS = 200
_NUM_READS = 50
_NUM_OF_A_FOLDER = 10
_READ_BYTES = 64 * 2**10
_BULK_BYTES = 64 * 2**20
_BULK_BLOCK = 2**20
_NUM_PAGES_ASKED_FOR = 16
# Each bounds one step on one folder, so that a slow file system makes few measurements and not a long wait.
_LIST_SECONDS = 0.2
_STAT_SECONDS = 0.2
_READ_SECONDS = 0.2
_BULK_SECONDS = 0.3
_MOUNT_TABLE = Path("/proc/self/mountinfo")
_ESCAPES = (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\"))


@dataclass(frozen=True)
class MountEntry:
    """A line of the kernel's mount table."""

    point: str
    kind: str
    source: str
    read_only: bool


def parse_mount_table(text: str) -> list[MountEntry]:
    """The entries of /proc/self/mountinfo (proc(5)), in the order in which they were mounted."""
    entries = []
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        fields, (kind, source, *super_options) = before.split(), after.split()
        options = {*fields[5].split(","), *(super_options[0].split(",") if super_options else ())}
        entries.append(MountEntry(_unescape(fields[4]), kind, _unescape(source), "ro" in options))
    return entries


def mount_of(path: Path, table: list[MountEntry]) -> MountEntry | None:
    """The mount that holds `path`: the longest mount point above it, the last one mounted there."""
    resolved = str(path.resolve())
    found = None
    for entry in table:
        inside = entry.point == "/" or resolved == entry.point or resolved.startswith(entry.point + "/")
        if inside and (found is None or len(entry.point) >= len(found.point)):
            found = entry
    return found


def read_mount_table() -> list[MountEntry]:
    """The mount table of this process; empty where the kernel shows none."""
    try:
        return parse_mount_table(_MOUNT_TABLE.read_text(encoding="utf-8", errors="surrogateescape"))
    except (OSError, ValueError):
        return []


def measure_mount(role: MountRole, path: Path, *, table: list[MountEntry]) -> Mount:
    """Looks up to 200 files below `path` up, twice, reads some of them, twice, and the beginning of the largest."""
    entry = mount_of(path, table)
    facts = Mount(
        role=role,
        path=str(path),
        file_system=entry.kind if entry else "unknown",
        mount_point=entry.point if entry else None,
        source=entry.source if entry else None,
        read_only=entry.read_only if entry else False,
    )
    try:
        files = _some_files(path)
    except OSError as error:
        return facts.model_copy(update={"error": error.strerror or str(error)})
    stat_first = _stat_all(files or [str(path)])
    stat_again = _stat_all(files or [str(path)])
    small = files[:_NUM_READS]
    return facts.model_copy(
        update={
            "num_files": len(files),
            "stat_first_seconds": stat_first,
            "stat_again_seconds": stat_again,
            "read_first_seconds": _read_all(small),
            "read_again_seconds": _read_all(small),
            **_read_bulk(files),
        }
    )


def _some_files(folder: Path) -> list[str]:
    """Up to 200 regular files of ours to read, spread over the folders met in the time allowed."""
    found: list[str] = []
    spare: list[str] = []
    for group in _by_folder(folder, deadline=time.monotonic() + _LIST_SECONDS):
        # Few of each folder, so that one folder of thousands is not all that is seen.
        found += group[:_NUM_OF_A_FOLDER]
        spare += group[_NUM_OF_A_FOLDER:]
        if len(found) >= _NUM_STATS:
            break
    return [*found, *spare][:_NUM_STATS]


def _by_folder(folder: Path, *, deadline: float) -> Iterator[list[str]]:
    """The readable files of each folder, nearest first; an OSError only where `folder` itself cannot be listed."""
    waiting = [str(folder)]
    is_first = True
    while waiting and time.monotonic() < deadline:
        files, below = [], []
        try:
            with os.scandir(waiting.pop(0)) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        if not entry.name.startswith("."):
                            below.append(entry.path)
                    # Never a pipe or a socket: opening one can hang.
                    elif entry.is_file(follow_symlinks=False) and os.access(entry.path, os.R_OK):
                        files.append(entry.path)
                    if len(files) > _NUM_STATS or time.monotonic() > deadline:
                        break
        except OSError:
            if is_first:
                raise
        is_first = False
        waiting += below
        yield files


def _stat_all(files: list[str]) -> list[float]:
    """Seconds of each look-up, `_NUM_STATS` of them: where there are fewer files, by turns."""
    seconds: list[float] = []
    deadline = time.monotonic() + _STAT_SECONDS
    while len(seconds) < _NUM_STATS:
        for file in files[: _NUM_STATS - len(seconds)]:
            began = time.perf_counter()
            with contextlib.suppress(OSError):
                os.stat(file)  # noqa: PTH116 - pathlib's own work would be timed with it
            seconds.append(_since(began))
        if time.monotonic() > deadline:
            break
    return seconds


def _read_all(files: list[str]) -> list[float]:
    """Seconds of opening each file, reading up to 64 KiB of it, and closing it."""
    seconds = []
    deadline = time.monotonic() + _READ_SECONDS
    for file in files:
        if time.monotonic() > deadline:
            break
        began = time.perf_counter()
        try:
            descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            os.read(descriptor, _READ_BYTES)
        except OSError:
            continue
        finally:
            os.close(descriptor)
        seconds.append(_since(began))
    return seconds


def _read_bulk(files: list[str]) -> dict[str, object]:
    """Up to 64 MiB of the largest file, as far as the time goes, and how much of it the kernel held already."""
    sizes: dict[str, int] = {}
    for file in files:
        with contextlib.suppress(OSError):
            sizes[file] = Path(file).stat().st_size
    largest = max(sizes, key=sizes.__getitem__, default=None)
    if largest is None:
        return {}
    num_bytes = 0
    buffer = bytearray(_BULK_BLOCK)
    try:
        with Path(largest).open("rb", buffering=0) as opened:
            cached_share = _cached_share(opened.fileno(), num_bytes=min(sizes[largest], _BULK_BYTES))
            began = time.perf_counter()
            while num_bytes < _BULK_BYTES and time.perf_counter() - began < _BULK_SECONDS:
                count = opened.readinto(buffer)
                if not count:
                    break
                num_bytes += count
            seconds = _since(began)
    except OSError:
        return {}
    return {"bulk_bytes": num_bytes, "bulk_seconds": seconds, "bulk_cached_share": cached_share}


def _cached_share(descriptor: int, *, num_bytes: int) -> float | None:
    """How many of 16 places can be read without waiting (RWF_NOWAIT, preadv2(2)); None where it cannot be told."""
    num_cached = 0
    for number in range(_NUM_PAGES_ASKED_FOR):
        try:
            os.preadv(descriptor, [bytearray(1)], number * num_bytes // _NUM_PAGES_ASKED_FOR, os.RWF_NOWAIT)
            num_cached += 1
        except BlockingIOError:
            pass
        except (OSError, AttributeError, NotImplementedError):
            return None
    return num_cached / _NUM_PAGES_ASKED_FOR


def _since(began: float) -> float:
    return round(time.perf_counter() - began, 9)


def _unescape(text: str) -> str:
    for escape, character in _ESCAPES:
        text = text.replace(escape, character)
    return text

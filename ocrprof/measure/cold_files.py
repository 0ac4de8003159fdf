"""The files that a target reads at its start: evicted from the page cache, looked for there, and who holds them."""

import os
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path

from ocrprof.measure.page_cache import evict, resident_bytes
from ocrprof.results.cold import MAX_RESIDENT_SHARE
from ocrprof.results.mask import mask_argv
from ocrprof.results.model import FileHolder, FileSize

_NUM_ATTEMPTS = 3


class ColdFiles:
    """What one run of the target has listed, and `more` files; what is known of their pages.

    No process of the target may live.
    """

    def __init__(self, directory: Path, *, more: Iterable[Path] = ()) -> None:
        self._sizes = _files_of(directory, more=more)
        self._stayed: dict[Path, int] = {}
        self._read: dict[Path, int] = {}
        self._holders: list[FileHolder] = []

    @property
    def sizes(self) -> list[FileSize]:
        """All of them."""
        return _as_list(self._sizes)

    @property
    def resident(self) -> list[FileSize]:
        """What the last eviction left in the page cache."""
        return _as_list(self._stayed)

    @property
    def read(self) -> list[FileSize]:
        """What the last cold run has brought back into it: the bytes that it read, and what the kernel read ahead."""
        return _as_list(self._read)

    @property
    def holders(self) -> list[FileHolder]:
        """Processes that kept files from being evicted, where too much stayed."""
        return self._holders

    def evict(self) -> bool:
        """Whether so little of the files stays in the page cache that the next start is a cold one."""
        self._holders = []
        for _ in range(_NUM_ATTEMPTS):
            evict(self._sizes)
            self._stayed = _resident(self._sizes)
            if sum(self._stayed.values()) <= MAX_RESIDENT_SHARE * sum(self._sizes.values()):
                return True
        self._holders = holders_of(self._stayed)
        return False

    def look(self) -> None:
        """Sees what the cold run that has just ended brought back."""
        self._read = {path: size - self._stayed.get(path, 0) for path, size in _resident(self._sizes).items()}


def holders_of(resident: dict[Path, int]) -> list[FileHolder]:
    """The processes that have any of these files mapped, by how much of what is resident they hold.

    Of other users' processes only root may see it.
    """
    by_name = {str(path): size for path, size in resident.items()}
    holders = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            held = _mapped_by(folder, by_name)
            if held:
                argv = (folder / "cmdline").read_bytes().decode("utf-8", "replace").rstrip("\0").split("\0")
                holders.append(
                    FileHolder(
                        pid=int(folder.name),
                        argv=mask_argv(argv),
                        is_ocrprof=int(folder.name) == os.getpid(),
                        files=sorted(held, key=lambda name: -by_name[name]),
                        bytes=sum(by_name[name] for name in held),
                    )
                )
    return sorted(holders, key=lambda holder: -holder.bytes)


def _mapped_by(process: Path, names: Collection[str]) -> set[str]:
    held = set()
    for line in (process / "maps").read_bytes().splitlines():
        fields = line.split(None, 5)
        if len(fields) == 6 and (name := os.fsdecode(fields[5])) in names:
            held.add(name)
    return held


def _files_of(directory: Path, *, more: Iterable[Path]) -> dict[Path, int]:
    """What the processes of a run have listed, with sizes; links followed, so that no file counts twice."""
    listed = [line for listing in directory.glob("files-*.txt") for line in listing.read_bytes().splitlines()]
    paths = {path.resolve() for path in (*(Path(os.fsdecode(line)) for line in listed), *more)}
    return {path: path.stat().st_size for path in paths if path.is_file()}


def _resident(files: Collection[Path]) -> dict[Path, int]:
    return {path: size for path in files if path.is_file() and (size := resident_bytes(path))}


def _as_list(sizes: dict[Path, int]) -> list[FileSize]:
    return [FileSize(path=str(path), bytes=size) for path, size in sizes.items()]

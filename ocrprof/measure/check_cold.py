"""The cold launches of a check: before each, what the launches of both arms read is evicted from the page cache."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from ocrprof.errors import ExitCode, OcrprofError
from ocrprof.measure.cold_files import ColdFiles, holders_of
from ocrprof.records import ProcessRecords
from ocrprof.results.cold import MAX_RESIDENT_SHARE
from ocrprof.results.model import ArmName, FileHolder, FileSize
from ocrprof.units import format_bytes, format_percent

LISTING = {"OCRPROF_FILES": "1", "OCRPROF_DATA_FILES": "1"}
"""Settings of a launch that lists what it reads: modules, bytecode, shared objects, and data opened by Python."""

_NUM_NAMED = 3
_MAX_COMMAND = 40


class ColdArms:
    """The files that the arms read. All of them are evicted before a launch of either, so that none warms the other's.

    `note`: what never leaves the page cache, and who holds it, as the first eviction showed; None before it.
    """

    def __init__(self) -> None:
        self.note: str | None = None
        self._files: dict[ArmName, ColdFiles] = {}

    @property
    def sizes(self) -> list[FileSize]:
        """Every file once, also those that both arms read."""
        return _once(size for files in self._files.values() for size in files.sizes)

    def know(self, arm: ArmName, directory: Path, records: Sequence[ProcessRecords]) -> None:
        """Learns what a launch has read that ran with the settings `LISTING`, its files in `directory`."""
        images = {Path(process.cwd, path) for process in records for path in process.opened}
        self._files[arm] = ColdFiles(directory, more=images)

    def evict(self) -> int:
        """The bytes that stayed. Raises OcrprofError where so much of an arm's files stays that it would start warm."""
        for arm, files in self._files.items():
            if not files.sizes:
                raise OcrprofError(
                    f"no file is known that the {arm} reads, so none can be evicted",
                    hint="leave --cold out",
                    exit_code=ExitCode.NOT_COMPARABLE,
                )
        refused = [arm for arm, files in self._files.items() if not files.evict()]
        if refused:
            files = self._files[refused[0]]
            raise OcrprofError(
                f"a launch of the {refused[0]} would not be cold: {_what_stayed(files.resident, files.sizes)}, where "
                f"{format_percent(MAX_RESIDENT_SHARE)} may; {_whose(files.holders)}",
                hint="end what maps them; an ocrprof in a Python of its own (uv tool install, pipx) shares no file "
                "with the program; or leave --cold out",
                exit_code=ExitCode.NOT_COMPARABLE,
            )
        stayed = _once(size for files in self._files.values() for size in files.resident)
        if self.note is None:
            holders = holders_of({Path(one.path): one.bytes for one in stayed})
            self.note = f"{_what_stayed(stayed, self.sizes)}: {_largest(stayed)}; {_whose(holders)}" if stayed else ""
        return sum(one.bytes for one in stayed)


def _once(sizes: Iterable[FileSize]) -> list[FileSize]:
    return list({one.path: one for one in sizes}.values())


def _what_stayed(stayed: Sequence[FileSize], files: Sequence[FileSize]) -> str:
    """`41.2 MiB of the 812 MiB in the files that are read stay in the page cache (5.1 %)`."""
    num_bytes, total = sum(one.bytes for one in stayed), sum(one.bytes for one in files)
    return (
        f"{format_bytes(num_bytes)} of the {format_bytes(total)} in the files that are read stay in the page cache "
        f"({format_percent(num_bytes / total)})"
    )


def _largest(stayed: Sequence[FileSize]) -> str:
    largest = sorted(stayed, key=lambda one: -one.bytes)
    names = ", ".join(f"{Path(one.path).name} {format_bytes(one.bytes)}" for one in largest[:_NUM_NAMED])
    return f"{names}, …" if len(largest) > _NUM_NAMED else names


def _whose(holders: Sequence[FileHolder]) -> str:
    """`mapped are 769 MiB by pid 4711 (python train.py), 22.1 MiB by ocrprof itself`."""
    if not holders:
        return "no process that we may look at maps them: this file system may ignore the request"
    own = [one for one in holders if one.is_ocrprof]
    others = [one for one in holders if not one.is_ocrprof][: _NUM_NAMED - len(own)]
    told = ", ".join(f"{format_bytes(one.bytes)} by {_who(one)}" for one in (*others, *own))
    more = len(holders) - len(others) - len(own)
    return f"mapped are {told}" + (f" and some by {more} more processes" if more else "")


def _who(holder: FileHolder) -> str:
    if holder.is_ocrprof:
        return "ocrprof itself"
    command = " ".join(holder.argv)
    return f"pid {holder.pid} ({command if len(command) <= _MAX_COMMAND else f'{command[: _MAX_COMMAND - 1]}…'})"

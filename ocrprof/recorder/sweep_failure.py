"""Why a loader could not be measured: the facts of an exception that it raised, and what would not fit here.

What to call it is decided where the report is made, from these facts and those that the parent has.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any  # loaders and iterators of torch

    from ocrprof.recorder.core import Recorder

_NUM_LINES = 40
# A batch needs more than its tensors: headers, alignment, the pages that its collation still holds.
_BATCH_MARGIN = 1.2
_USABLE_SHARE = 0.8
# Of a worker: its sentinel, its index queue's two ends, and one to spare (Popen, Queue).
_DESCRIPTORS_OF_WORKER = 4
# A worker that dies while its batch is fetched breaks the connection before it has ended.
_BROKEN = (EOFError, OSError)
_END_SECONDS = 2.0


class NoRoom(Exception):
    """What the loader would hold does not fit; told before it is tried. `kind`: shm or fds."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def check_room(
    recorder: "Recorder",
    batch_bytes: "int | None",
    num_tensors: "int | None",
    num_workers: int,
    prefetch: int,
    before: "tuple[int, int] | None" = None,
) -> None:
    """Raises NoRoom where batches of this size cannot wait in /dev/shm, or under the limit of open files.

    `prefetch`: batches that all workers together load ahead. `before`: /dev/shm as it was without them.
    """
    if batch_bytes is None or num_workers == 0:
        return
    cost = recorder.load("sweep_cost")
    shm = before or cost.shm_bytes()
    needed = int(batch_bytes * prefetch * _BATCH_MARGIN)
    if shm is not None and needed > _USABLE_SHARE * shm[1]:
        raise NoRoom(
            "shm",
            "%d batches of %d bytes that wait in /dev/shm need %d bytes of it, and %d are free"
            % (prefetch, batch_bytes, needed, shm[1]),
        )
    files = cost.descriptors()
    # torch keeps a file open for each tensor that is under way; its strategy file_system does not.
    if num_tensors and files is not None and _keeps_files_open():
        needed = num_tensors * prefetch + _DESCRIPTORS_OF_WORKER * num_workers
        if before is not None:
            needed = num_tensors * prefetch
        if files[0] + needed > files[1]:
            raise NoRoom(
                "fds",
                "%d batches of %d tensors that are under way need %d open files; %d are open, and %d allowed"
                % (prefetch, num_tensors, needed, files[0], files[1]),
            )


def tell(recorder: "Recorder", error: BaseException, iterator: "Any", loader: "Any", *, phase: str) -> None:
    """Writes what is known. An exception of a worker has its traceback in its text."""
    # torch's handler of SIGCHLD raises wherever the main thread is, here too, and for each worker.
    recorder.load("signals").silence(recorder)
    cost = recorder.load("sweep_cost")
    facts: dict[str, object] = {
        "at": recorder.now(),
        "phase": phase,
        "type": type(error).__name__,
        "message": str(error),
        "kind": getattr(error, "kind", None) if isinstance(error, NoRoom) else None,
        "errno": getattr(error, "errno", None),
    }
    for name, function in (
        ("text", lambda: _lines(error)),
        ("loc", lambda: own_line(error.__traceback__)),
        ("exits", lambda: _exits(list(getattr(iterator, "_workers", ())), error)),
        ("num_workers", lambda: loader.num_workers),
        ("method", lambda: (loader.multiprocessing_context or sys.modules["torch"].multiprocessing).get_start_method()),
        ("shm", cost.shm_bytes),
        ("fds", cost.descriptors),
    ):
        facts[name] = recorder.ask(function, (), {})
    recorder.write({"k": "totals", "of": "sweep.failure", "a": facts})
    recorder.flush()


def _exits(workers: "list[Any]", error: BaseException) -> "list[list[int | None]]":
    """[pid, exit code or None where it runs on] of each worker."""
    time = sys.modules["time"]
    until = time.monotonic() + (_END_SECONDS if workers and isinstance(error, _BROKEN) else 0.0)
    while time.monotonic() < until and all(worker.exitcode is None for worker in workers):
        time.sleep(0.01)
    return [[worker.pid, worker.exitcode] for worker in workers]


def own_line(traceback: "TracebackType | None") -> "list[object] | None":
    """[file, line] of the innermost frame that is the program's own; None where all are libraries'."""
    place: list[object] | None = None
    while traceback is not None:
        code, names = traceback.tb_frame.f_code, traceback.tb_frame.f_globals
        if str(names.get("__name__", "")).partition(".")[0] != "ocrprof" and not _is_installed(code.co_filename):
            place = [code.co_filename, traceback.tb_lineno]
        traceback = traceback.tb_next
    return place


def _is_installed(file: str) -> bool:
    return "site-packages" in file or "dist-packages" in file or file.startswith((sys.prefix, sys.base_prefix, "<"))


def _keeps_files_open() -> bool:
    return bool(sys.modules["torch"].multiprocessing.get_sharing_strategy() == "file_descriptor")


def _lines(error: BaseException) -> "list[str]":
    formatted = sys.modules["traceback"].format_exception(type(error), error, error.__traceback__)
    return [line for line in "".join(formatted).splitlines() if line.strip()][-_NUM_LINES:]

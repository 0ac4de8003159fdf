"""Files opened and folders listed, connections and name look-ups, counted by span and by folder or host: level full.

By audit events, of which only the beginning is told: what a C library opens by itself is not among them, and only the
calls of `socket.socket.connect` and `socket.getaddrinfo` are timed. Counted up to the first step, written at marks.
Of a program that opens or lists one file after another it is also told from when to when: a scan.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any  # the arguments of audit events

    from ocrprof.recorder.core import Recorder

# What the counts are kept by: the innermost of these that is open. As `PHASE_OF_SPAN` has them, and two more.
SPANS = frozenset((
    "hydra.main", "hydra.compose", "hydra.plugins", "omegaconf", "dataset.init", "datamodule.init", "data.prepare",
    "data.setup", "dataloader.init", "model.init", "configure_optimizers", "compile", "logger.init", "wandb.init",
    "trainer.init", "trainer.run", "workers.start", "sanity_check", "program", "fetch",
))  # fmt: skip
_MAX_PLACES = 2000
# A scan goes on while the next access follows within this; so many are told of, of so many accesses or more.
_PAUSE_NS = 100_000_000
_MAX_SCANS = 200
_MIN_OF_SCAN = 50
_OTHERS = "…"

# Fields of a folder's counts, and of a host's.
_OPENED, _LISTED, _BY_IMPORTS = range(3)
_CONNECTED, _LOOKED_UP, _NANOSECONDS = range(3)
# Fields of a scan.
_DURING, _FOLDER, _START, _LAST, _NUMBER, _BY = range(6)

_watches: "dict[int, _Access]" = {}


def install(recorder: "Recorder") -> None:
    """Starts counting in this process. An audit hook cannot be taken out again: it rests after the first step."""
    watch = _watches[id(recorder)] = _Access(recorder)
    recorder.at_marks.append(watch.write)
    sys.addaudithook(watch.hook)


def patch_socket(recorder: "Recorder", module: "ModuleType") -> None:
    """Times connections and look-ups, where they are counted."""
    watch = _watches.get(id(recorder))
    if watch is None:
        return
    # The method of the C base class: this one takes its place in the Python class alone.
    module.socket.connect = watch.timed(module.socket.connect, lambda args: args[1])
    module.getaddrinfo = watch.timed(module.getaddrinfo, lambda args: args[0])  # type: ignore[attr-defined]


class _Access:
    """Counts by span; of a folder [opened, listed, either by imports], of a host [connected, looked up, ns]."""

    def __init__(self, recorder: "Recorder") -> None:
        self._recorder = recorder
        self._core = recorder.load("core")
        self._files: dict[str, dict[str, list[int]]] = {}
        self._hosts: dict[str, dict[str, list[int]]] = {}
        self._scans: list[list[Any]] = []
        self._scan: list[Any] | None = None

    def hook(self, event: str, args: "tuple[Any, ...]") -> None:
        """Counts one event. An exception here would make the audited call fail: there is none."""
        if event == "open":
            field = _OPENED
        elif event in ("os.listdir", "os.scandir"):
            field = _LISTED
        elif event in ("socket.connect", "socket.getaddrinfo"):
            try:
                host = _host(args[1] if event == "socket.connect" else args[0])
                self._count(self._hosts, host)[_CONNECTED if event == "socket.connect" else _LOOKED_UP] += 1
            except Exception as error:
                self._recorder.forgive(error)
            return
        else:
            return
        if "first-step" in self._recorder.marks:
            return
        try:
            path = "." if args[0] is None else args[0]
            if not isinstance(path, (str, bytes)):
                path = path.__fspath__() if hasattr(path, "__fspath__") else None
            if path is None:
                # A descriptor that is open already.
                return
            name = path if isinstance(path, str) else path.decode("utf-8", "replace")
            if field == _OPENED:
                name = name.rpartition("/")[0] or ("/" if name[:1] == "/" else ".")
            if self._recorder.loads():
                # The import system lists the folders of its path, too.
                field = _BY_IMPORTS
            self._count(self._files, name)[field] += 1
            if field != _BY_IMPORTS and self._recorder.thread() == 0:
                self._follow(name)
        except Exception as error:
            self._recorder.forgive(error)

    def _follow(self, folder: str) -> None:
        """One more access of the scan that goes on, or the first one of the next."""
        at, during, scan = self._recorder.now(), self._span(), self._scan
        if scan is None or scan[_DURING] != during or at - scan[_LAST] > _PAUSE_NS:
            self._scan = [during, folder, at, at, 1, None]
            return
        scan[_LAST] = at
        scan[_NUMBER] += 1
        if scan[_NUMBER] == _MIN_OF_SCAN and len(self._scans) < _MAX_SCANS:
            scan[_BY] = _program_line(sys._getframe(2))
            self._scans.append(scan)

    def timed(
        self, function: "Callable[..., object]", place_of: "Callable[[tuple[Any, ...]], Any]"
    ) -> "Callable[..., object]":
        """`function`, whose time is added to that of its host."""
        recorder = self._recorder

        def wrapper(*args: "Any", **kwargs: object) -> object:
            start = recorder.now()
            try:
                result = function(*args, **kwargs)
            except BaseException as error:
                self._core.hide_frame(error)
                self._add_time(place_of, args, start)
                raise
            self._add_time(place_of, args, start)
            return result

        return self._core.look_like(wrapper, function)  # type: ignore[no-any-return]

    def _add_time(self, place_of: "Callable[[tuple[Any, ...]], Any]", args: "tuple[Any, ...]", start: int) -> None:
        end = self._recorder.now()
        host = self._recorder.ask(lambda: _host(place_of(args)), (), {}) or "?"
        self._count(self._hosts, host)[_NANOSECONDS] += end - start

    def _count(self, counts: "dict[str, dict[str, list[int]]]", place: str) -> "list[int]":
        of_span = counts.setdefault(self._span(), {})
        if place not in of_span and len(of_span) >= _MAX_PLACES:
            place = _OTHERS
        return of_span.setdefault(place, [0, 0, 0])

    def _span(self) -> str:
        spans = self._recorder.spans()
        for name in reversed(spans):
            if name in SPANS and not (name == "fetch" and "sanity_check" in spans):
                return name
        return ""

    def write(self) -> None:
        """All counts so far."""
        at = self._recorder.now()
        counts = {"files": self._files, "hosts": self._hosts, "scans": self._scans}
        self._recorder.write({"k": "totals", "of": "access", "at": at, "a": counts})


def _program_line(frame: "Any") -> "list[object] | None":
    """[file, line] of the innermost code that is neither the standard library's nor installed nor ours."""
    stdlib = os.path.dirname(os.__file__) + os.sep
    while frame is not None:
        file = frame.f_code.co_filename
        foreign = file.startswith(("<", stdlib)) or "site-packages" in file or "dist-packages" in file
        if not foreign and frame.f_globals.get("__name__", "").partition(".")[0] != "ocrprof":
            return [file, frame.f_lineno]
        frame = frame.f_back
    return None


def _host(address: "Any") -> str:
    if isinstance(address, tuple):
        address = address[0]
    if isinstance(address, bytes):
        address = address.decode("utf-8", "replace")
    return "local socket" if isinstance(address, str) and address[:1] in ("/", "\0") else str(address)

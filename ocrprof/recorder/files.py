"""The files that this process has read to get where it is: of its modules, their bytecode, its shared objects.

Written to a file of its own, one path a line, where the parent asked for it: it evicts them before a cold start. Data
that the program opens to be read are listed too where that was asked for, as they are opened.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any  # the arguments of audit events

    from ocrprof.recorder.core import Recorder

_ACCESS = os.O_WRONLY | os.O_RDWR
_SYSTEM = ("/proc/", "/sys/", "/dev/")
_OWN = os.path.dirname(os.path.abspath(__file__)) + "/"


def write(run_dir: str) -> None:
    """Leaves the list in `run_dir`/files-<pid>.txt."""
    paths = sorted({*_of_modules(), *_mapped()})
    with open("%s/files-%d.txt" % (run_dir, os.getpid()), "wb") as file:
        file.write(b"".join(os.fsencode(path) + b"\n" for path in paths if "\n" not in path))


def list_opened(recorder: "Recorder") -> None:
    """From now on adds what is opened to be read, here and in forked children, to files-opened.txt in the run's folder.

    At once, because workers are often killed. Told by Python's audit event: what a C library opens is not seen.
    """
    listing = "%s/files-opened.txt" % recorder.run_dir
    seen: set[str] = set()

    def hear(event: str, args: "tuple[Any, ...]") -> None:
        if event != "open":
            return
        # An exception here would make the audited call fail: there is none.
        try:
            path, flags = args[0], args[2]
            if path is None or isinstance(path, int) or flags & _ACCESS == os.O_WRONLY or flags & os.O_TRUNC:
                return
            name = os.path.abspath(os.fsdecode(path))
            if name not in seen and not name.startswith((*_SYSTEM, _OWN)) and "\n" not in name:
                seen.add(name)
                _append(listing, os.fsencode(name) + b"\n")
        except Exception as error:
            recorder.forgive(error)

    sys.addaudithook(hear)


def _append(path: str, line: bytes) -> None:
    """Of all processes, each line in one write. The file is not kept open: its number could become one of the target's.

    To open it is heard too, and left out as what is opened to be written.
    """
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(file, line)
    finally:
        os.close(file)


def _of_modules() -> "Iterator[str]":
    # A script's own module has lost its `__file__` by the time that the program ends.
    script = sys.argv[0] if getattr(sys, "argv", None) else ""
    if script.endswith(".py") and os.path.isfile(script):
        yield os.path.abspath(script)
    for module in list(sys.modules.values()):
        try:
            names = type(sys).__getattribute__(module, "__dict__")
        except (AttributeError, TypeError):
            continue
        spec = names.get("__spec__")
        for path in (names.get("__file__"), names.get("__cached__"), getattr(spec, "cached", None)):
            if type(path) is str and os.path.isfile(path):
                yield os.path.abspath(path)


def _mapped() -> "Iterator[str]":
    """Files of which a part is mapped to be executed; data that a program maps are not among them."""
    try:
        with open("/proc/self/maps", "rb") as file:
            lines = file.read().splitlines()
    except OSError:
        return
    for line in lines:
        fields = line.split(None, 5)
        if len(fields) == 6 and b"x" in fields[1] and fields[5].startswith(b"/"):
            path = os.fsdecode(fields[5])
            if os.path.isfile(path):
                yield path

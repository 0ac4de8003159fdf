"""Functions compiled by numba beside plain ones, and when to change from the plain to the compiled.

Importing numba and linking a kernel from its cache takes about half a second of processor time, as much as the plain
functions need for dozens of images. So nothing is loaded on the way to the first step: the plain function works until
it has cost as much as the kernel would, which at worst doubles the cost of either choice. Where the kernel has to be
compiled first, once a machine, that is much more. The two give equal results, bit by bit, so that it does not matter
when the change comes.
"""

from __future__ import annotations

import importlib
import logging
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, get_args

Kernels = Literal["auto", "compiled", "plain"]

# What importing numba and linking cached kernels costs: 0.4 to 0.6 s on the machine where this was written.
LOAD_SECONDS = 0.5
# What compiling the kernels of a stage costs where no cache has them: 5 to 19 s there.
COMPILE_SECONDS = 15.0

_log = logging.getLogger(__name__)


class LazyKernels:
    """The compiled functions of the module named `module`, or None while (or where) the plain ones are to be used.

    One account a process and module: of forked workers each goes on from what its parent had spent.
    """

    def __init__(self, module: str) -> None:
        self.module = module
        self._loaded: ModuleType | None = None
        self._is_missing = False
        self._is_compiled = False
        self._spent_seconds = 0.0

    def take(self, kernels: Kernels) -> ModuleType | None:
        """What to use now: "compiled" loads at the first call, "auto" once loading or compiling pays, "plain" never.

        Where numba cannot be imported the plain functions are used, and a warning says so once.
        """
        if kernels == "plain" or self._is_missing:
            return None
        if self._loaded is None and (kernels == "compiled" or self._spent_seconds >= LOAD_SECONDS):
            self._load()
        pays = kernels == "compiled" or self._is_compiled or self._spent_seconds >= COMPILE_SECONDS
        return self._loaded if pays else None

    def spend(self, seconds: float) -> None:
        """Add what a call of a plain function took."""
        self._spent_seconds += seconds

    def _load(self) -> None:
        start = time.perf_counter()
        try:
            self._loaded = importlib.import_module(self.module)
        except ImportError as error:
            self._is_missing = True
            _log.warning("numba cannot be imported (%s): %s works without compiled code, slower", error, self.module)
            return
        self._is_compiled = is_compiled(self._loaded)
        _log.info("%s loaded in %.2f s", self.module, time.perf_counter() - start)


def is_compiled(module: ModuleType) -> bool:
    """Whether code of the functions that `compiled` made in `module` is kept on disk, or there are none to compile.

    By the names and dates of numba's index files; that they fit this processor and these arguments is found out by
    loading them.
    """
    source = getattr(module, "__file__", None)
    folders = {
        folder
        for function in vars(module).values()
        if getattr(function, "__module__", None) == module.__name__
        if (folder := getattr(getattr(function, "stats", None), "cache_path", None)) is not None
    }
    if not folders or source is None:
        return True
    written_ns = Path(source).stat().st_mtime_ns
    pattern = f"{module.__name__.rpartition('.')[2]}.*.nbi"
    return any(index.stat().st_mtime_ns >= written_ns for folder in folders for index in Path(folder).glob(pattern))


def checked_kernels(kernels: Kernels) -> Kernels:
    """`kernels`, if it is one of the three; ValueError if not."""
    if kernels not in get_args(Kernels):
        raise ValueError(f"kernels {kernels!r}: must be one of {', '.join(get_args(Kernels))}")
    return kernels


def compiled(function: Callable[..., Any]) -> Any:  # numba's dispatcher, which it gives no type
    """`function` compiled at its first call, without the GIL, and kept on disk for the next process.

    numba keeps it in NUMBA_CACHE_DIR, beside the source or in the user's cache folder, whichever it may write to first.
    Where none can be written to, every process compiles anew, and a warning says so. No threads of numba's own are
    used, so that the result is safe to call in forked workers.
    """
    import numba

    try:
        return numba.njit(cache=True, nogil=True)(function)
    except RuntimeError as error:
        _log.warning("no folder to keep compiled code in, it is compiled anew (set NUMBA_CACHE_DIR): %s", error)
        return numba.njit(nogil=True)(function)

"""Ways to load packages that take seconds to load."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def kept_from_collector() -> Iterator[None]:
    """While this is open no garbage is collected; what is alive at its end is never looked at again, nor is it freed.

    For imports: what they make stays, but every pass of the collector goes through all of it once more, 1.0 of 4.3 s of
    `import torch, timm, lightning.pytorch` (processor time, Python 3.11). Frozen objects also remain shared with forked
    loading processes (https://docs.python.org/3/library/gc.html#gc.freeze). Only the first use in a process freezes: a
    later one would keep what the jobs of a sweep left behind.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
        if not gc.get_freeze_count():
            gc.freeze()
    finally:
        gc.enable()


@contextmanager
def left_out(name: str) -> Iterator[None]:
    """While this is open, importing `name` fails as where it is not installed; one that is loaded already stays.

    For a package that another one imports where it is there, for functions of its own that are not called here. None in
    sys.modules is Python's own way to say so (reference, section 5.3.1). Outside, `name` can be imported.
    """
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]

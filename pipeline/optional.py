"""Packages that another one imports where they are installed, for functions of its own that are not called here."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def left_out(name: str) -> Iterator[None]:
    """While this is open, importing `name` fails as where it is not installed; one that is loaded already stays.

    None in sys.modules is Python's own way to say so (reference, section 5.3.1). Outside, `name` can be imported.
    """
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]

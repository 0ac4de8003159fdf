"""Loads a made-up module once, through what has just been patched: are the loads of this Python seen at all?"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any  # private parts of importlib


def run(watch: "Any", name: str) -> None:
    """What was not seen of the load of `name` becomes a note in the report; nothing of the module stays."""
    bootstrap: Any = sys.modules["_frozen_importlib"]
    external: Any = sys.modules["_frozen_importlib_external"]

    class Loader(external.SourceLoader):  # type: ignore[misc]  # known at run time
        def get_filename(self, fullname: str) -> str:
            return "<%s>" % fullname

        def get_data(self, path: str) -> bytes:
            if path != "<%s>" % name:
                raise OSError(path)
            return b"0"

    class Finder:
        @staticmethod
        def find_spec(wanted: str, path: object = None, target: object = None) -> object:
            return bootstrap.ModuleSpec(wanted, Loader()) if wanted == name else None

    watch.tested = None
    sys.meta_path.insert(0, Finder)  # type: ignore[arg-type]
    try:
        __import__(name)
    finally:
        sys.meta_path.remove(Finder)  # type: ignore[arg-type]
        sys.modules.pop(name, None)
    for text in _unseen(watch.tested):
        watch.recorder.note(text)


def _unseen(tested: "tuple[str, dict[str, int]] | None") -> "list[str]":
    """What a load that should have been seen in full was not seen doing."""
    if tested is None:
        return ["module loads are not recorded: this Python uses nothing of what was patched in importlib"]
    route, parts = tested
    if route != "statement":
        return ["this Python does not call importlib's _find_and_load: loads are seen by their loaders alone, and not "
                "how they are found, nor those of other loaders"]  # fmt: skip
    missing = [name for name, nanoseconds in parts.items() if not nanoseconds]
    return ["parts of a load that cannot be told on this Python: %s" % ", ".join(missing)] if missing else []

"""Which line of the target called."""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType


def caller_line(*libraries: str) -> "list[object] | None":
    """[file, line] of the innermost code that is neither ours nor of one of these packages."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if str(frame.f_globals.get("__name__", "")).partition(".")[0] not in ("ocrprof", *libraries):
            return [frame.f_code.co_filename, frame.f_lineno]
        frame = frame.f_back
    return None

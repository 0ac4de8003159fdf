"""Holds a process up at its start until the sampler that looks into it is ready, so that it misses nothing."""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ocrprof.recorder.core import Recorder

_LIMIT_NS = 10_000_000_000
_LOOK_EVERY_SECONDS = 0.002


def await_sampler(recorder: "Recorder", role: str, sampled: str, run_dir: str) -> None:
    """Returns at once, but in the process that `sampled` describes when the sampler has written its first line."""
    if sampled != "\x1f".join([role, str(recorder.rank), *getattr(sys, "orig_argv", sys.argv)]):
        return
    deadline = recorder.now() + _LIMIT_NS
    while recorder.now() < deadline and not _has_begun(run_dir + "/sampler.txt"):
        sys.modules["time"].sleep(_LOOK_EVERY_SECONDS)
    recorder.mark("sampler")


def _has_begun(path: str) -> bool:
    try:
        return os.stat(path).st_size > 0
    except OSError:
        return False

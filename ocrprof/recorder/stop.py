"""How a run ends: at the milestone it was asked for, or by itself."""

import _thread
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from ocrprof.recorder.core import Recorder

_LOGGER_GRACE_SECONDS = 3.0
_PARENT_GRACE_SECONDS = 30.0


def stop_at_milestone(recorder: "Recorder", name: str, at: int) -> None:
    """Never returns in the main thread: the measured data are on disk, so the way of dying cannot change them."""
    recorder.write({"k": "milestone", "name": name, "at": at})
    recorder.flush()
    recorder.finish("stop")
    for function in recorder.before_stop:
        _run_with_limit(function, _LOGGER_GRACE_SECONDS)
    _tell_parent(recorder.notify_path)
    recorder.load("core").pause_until_killed(_PARENT_GRACE_SECONDS)


def patch_threading(recorder: "Recorder", module: "ModuleType") -> None:
    """`threading._shutdown` is the first thing that finalisation calls: the program's last line is behind it."""
    original = module._shutdown

    def _shutdown() -> object:
        _ended(recorder)
        return original()

    module._shutdown = recorder.load("core").look_like(_shutdown, original)  # type: ignore[attr-defined]


def patch_argparse(recorder: "Recorder", module: "ModuleType") -> None:
    """The first parsing of arguments: what was imported before it delays `--help` and every usage error."""
    core = recorder.load("core")
    original = module.ArgumentParser.parse_known_args

    def parse_known_args(*args: object, **kwargs: object) -> object:
        recorder.mark("arguments")
        try:
            return original(*args, **kwargs)
        except BaseException as error:
            core.hide_frame(error)
            raise

    module.ArgumentParser.parse_known_args = core.look_like(parse_known_args, original)


def _ended(recorder: "Recorder") -> None:
    if "exit.begin" not in recorder.marks:
        recorder.mark("exit.begin")
        recorder.finish("exit")


def _run_with_limit(function: "Callable[[], None]", seconds: float) -> None:
    """Runs `function` beside us and waits so long: a slow network must not hold the measurement."""
    done = _thread.allocate_lock()
    done.acquire()

    def run() -> None:
        try:
            function()
        finally:
            done.release()

    _thread.start_new_thread(run, ())
    done.acquire(timeout=seconds)


def _tell_parent(notify_path: "str | None") -> None:
    if notify_path is None:
        return
    try:
        descriptor = os.open(notify_path, os.O_WRONLY | os.O_NONBLOCK)
        os.write(descriptor, b"%d\n" % os.getpid())
        os.close(descriptor)
    except OSError as error:
        # Nobody listens: the parent is gone, and nothing is left to be measured.
        sys.exit("ocrprof: the parent does not listen any more (%s)" % error)


def register_exit(recorder: "Recorder") -> None:
    """For programs that never load `threading`: the last of the atexit functions marks the end.

    The module is made without `sys.modules`, where a program that does not load it must not find it.
    """
    atexit = sys.modules.get("atexit")
    if atexit is None:
        spec = sys.modules["_frozen_importlib"].BuiltinImporter.find_spec("atexit")
        atexit = sys.modules["_imp"].create_builtin(spec)
        sys.modules["_imp"].exec_builtin(atexit)
    atexit.register(lambda: _ended(recorder))

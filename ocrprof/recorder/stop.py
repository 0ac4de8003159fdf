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
_kept: "list[ModuleType]" = []


def stop_at_milestone(recorder: "Recorder", name: str, at: int) -> None:
    """Never returns: the measured data are on disk, so the way of dying cannot change them.

    A rank waits here for the others: the parent ends the run when the last of them has told that it stands here too.
    Whatever a hook of ours meets here: the target does not go on.
    """
    recorder.load("signals").silence(recorder)
    recorder.write({"k": "milestone", "name": name, "at": at})
    recorder.flush()
    for step in (lambda: recorder.finish("stop"), *(_limited(function) for function in recorder.before_stop)):
        try:
            step()
        except BaseException as error:
            recorder.note("at the milestone: %s: %s" % (type(error).__name__, error))
    is_told = _tell_parent(recorder)
    # Nothing happens after the milestone; a process that nobody waits for any more leaves by itself.
    while is_told and _is_awaited(recorder.notify_path):
        sys.modules["time"].sleep(0.5)
    os._exit(0 if is_told else 1)


def _limited(function: "Callable[[], None]") -> "Callable[[], None]":
    return lambda: _run_with_limit(function, _LOGGER_GRACE_SECONDS)


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
        recorder.ask(recorder.mark, ("exit.begin",), {})
        recorder.ask(recorder.finish, ("exit",), {})


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


def _is_awaited(notify_path: "str | None") -> bool:
    """Whether the parent still listens: without a reader the pipe cannot be opened, and without a parent it is gone."""
    try:
        os.close(os.open(notify_path or "", os.O_WRONLY | os.O_NONBLOCK))
    except OSError:
        return False
    return True


def _tell_parent(recorder: "Recorder") -> bool:
    """Whether it could be told that this process stands at its milestone; if not, the parent is gone, says stderr."""
    try:
        recorder.flush()
        recorder.leave_file()  # where the target has opened all files that it may, ours makes room
        number = recorder.load("ranks").num_local_ranks(recorder)
        descriptor = os.open(recorder.notify_path or os.devnull, os.O_WRONLY | os.O_NONBLOCK)
        os.write(descriptor, b"%d %d %d\n" % (os.getpid(), recorder.rank or 0, number))
        os.close(descriptor)
    except OSError as error:
        _say("ocrprof: the parent does not listen any more (%s)\n" % error)
        return False
    return True


def _say(text: str) -> None:
    try:
        os.write(2, text.encode())
    except OSError:
        return


def register_exit(recorder: "Recorder") -> None:
    """For programs that never load `threading`: the last of the atexit functions marks the end.

    The module is made without `sys.modules`, where a program that does not load it must not find it.
    """
    atexit = sys.modules.get("atexit")
    if atexit is None:
        spec = sys.modules["_frozen_importlib"].BuiltinImporter.find_spec("atexit")
        atexit = sys.modules["_imp"].create_builtin(spec)
        sys.modules["_imp"].exec_builtin(atexit)
    # Python 3.9 calls into the module at exit without a reference of its own.
    _kept.append(atexit)
    atexit.register(lambda: _ended(recorder))

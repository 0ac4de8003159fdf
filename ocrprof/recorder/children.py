"""Hooks on multiprocessing: children started, what they run again of the program, the DataLoader workers among them."""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from ocrprof.recorder.core import Recorder


def patch_process(recorder: "Recorder", module: "ModuleType") -> None:
    """`Process.start` in the parent, with the child's pid; in the child the moment at which its own work begins."""
    recorder.wrap(
        module.BaseProcess, "start", "process.start", attributes=_describe_child, after=recorder.flush, announce=False
    )
    original = module.BaseProcess._bootstrap

    def _bootstrap(*args: object, **kwargs: object) -> object:
        # A forked child has the marks of its parent, which may itself be a child.
        recorder.marks.discard("process.begin")
        recorder.mark("process.begin")
        return original(*args, **kwargs)

    module.BaseProcess._bootstrap = recorder.load("core").look_like(_bootstrap, original)


def patch_spawn(recorder: "Recorder", module: "ModuleType") -> None:
    """What a child of spawn or forkserver does before it unpickles its task: it runs the main module once more."""
    recorder.wrap(module, "prepare", "main_module", attributes=_describe_main_module)


def patch_worker(recorder: "Recorder", module: "ModuleType") -> None:
    """The worker's own loop: ready, its `worker_init_fn`, its first batch; its last record comes before it exits."""
    core = recorder.load("core")
    original = module._worker_loop

    def _worker_loop(*args: object, **kwargs: object) -> object:
        # No milestone of the run is a worker's to reach.
        recorder.until = "exit"
        given = recorder.ask(_arguments_of, (original, args, kwargs), {}) or {}
        recorder.mark("worker.ready", worker=given.get("worker_id"), num_workers=given.get("num_workers"))
        recorder.ask(_watch_first_batch, (recorder,), {})
        if given.get("init_fn") is not None:
            args, kwargs = _with_timed_init(recorder, given["init_fn"], args, kwargs)
        try:
            return original(*args, **kwargs)
        finally:
            recorder.ask(recorder.finish, ("exit",), {})

    module._worker_loop = core.look_like(_worker_loop, original)  # type: ignore[attr-defined]


def _describe_child(process: object) -> "dict[str, object]":
    started = getattr(process, "_popen", None)
    return {"pid": getattr(started, "pid", None), "method": getattr(started, "method", None)}


def _describe_main_module(data: "dict[str, object]") -> "dict[str, object]":
    return {"path": data.get("init_main_from_path"), "module": data.get("init_main_from_name")}


def _arguments_of(
    function: "Callable[..., object]", args: "tuple[object, ...]", kwargs: "dict[str, object]"
) -> "dict[str, object]":
    """Arguments by the names that the function has for them: their order differs between versions of torch."""
    code = function.__code__
    return {**dict(zip(code.co_varnames[: code.co_argcount], args)), **kwargs}  # noqa: B905 - not in Python 3.9


def _with_timed_init(
    recorder: "Recorder", init_fn: "object", args: "tuple[object, ...]", kwargs: "dict[str, object]"
) -> "tuple[tuple[object, ...], dict[str, object]]":
    """The arguments of the worker's loop with `init_fn` inside a span."""
    location = recorder.load("core").line_of(getattr(init_fn, "func", init_fn))
    timed = recorder.timed(init_fn, "worker.init", location=lambda *_, **__: location)  # type: ignore[arg-type]
    replaced = tuple(timed if value is init_fn else value for value in args)
    return replaced, {name: timed if value is init_fn else value for name, value in kwargs.items()}


def _watch_first_batch(recorder: "Recorder") -> None:
    """Times the first fetch of this process; later ones run the original."""
    fetch = sys.modules["torch.utils.data._utils.fetch"]
    for name in ("_MapDatasetFetcher", "_IterableDatasetFetcher"):
        _watch_first_fetch(recorder, getattr(fetch, name))


def _watch_first_fetch(recorder: "Recorder", fetcher: type) -> None:
    original = fetcher.fetch  # type: ignore[attr-defined]

    def fetch(*args: object, **kwargs: object) -> object:
        fetcher.fetch = original  # type: ignore[attr-defined]
        start = recorder.begin("worker.first_batch", announce=True)
        try:
            batch = original(*args, **kwargs)
        except BaseException as error:
            recorder.load("core").hide_frame(error)
            recorder.end("worker.first_batch", start, error=error)
            raise
        recorder.end("worker.first_batch", start)
        recorder.flush()
        return batch

    fetcher.fetch = recorder.load("core").look_like(fetch, original)  # type: ignore[attr-defined]

"""Inside the process that loads a batch, a worker or the main one: how long it takes, and which sample failed."""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any  # data sets and what they return

    from ocrprof.recorder.core import Recorder

_MAX_PARTS = 64
_MAX_BATCHES = 100_000
_WATCHED = "_ocrprof_watched"


def patch_fetch(recorder: "Recorder", module: "ModuleType") -> None:
    """Each fetch of a batch; the data set's own methods once a process, when it has them."""
    core = recorder.load("core")
    base: Any = module._BaseDatasetFetcher
    watch = _Watch(recorder)
    init = base.__init__

    def __init__(self: "Any", *args: object, **kwargs: object) -> None:
        init(self, *args, **kwargs)
        recorder.ask(watch.prepare, (self,), {})

    base.__init__ = core.look_like(__init__, init)
    for name in ("_MapDatasetFetcher", "_IterableDatasetFetcher"):
        kind: Any = getattr(module, name)
        kind.fetch = core.look_like(_watched(recorder, watch, kind.fetch), kind.fetch)


def _watched(recorder: "Recorder", watch: "_Watch", original: "Callable[..., object]") -> "Callable[..., object]":
    hide_frame = recorder.load("core").hide_frame

    def fetch(self: object, index: object) -> object:
        if not hasattr(self, _WATCHED):
            return original(self, index)
        watch.begins()
        try:
            batch = original(self, index)
        except BaseException as error:
            hide_frame(error)
            if not isinstance(error, StopIteration):
                recorder.ask(watch.failed, (self, error), {})
            raise
        watch.ends()
        return batch

    return fetch


class _Watch:
    """One of a process; a forked one begins anew."""

    def __init__(self, recorder: "Recorder") -> None:
        self._recorder = recorder
        self._pid = 0
        self._rows: list[list[int]] = []
        self._failed: list[tuple[object, object]] = []
        self._patched: set[type] = set()
        self._clock: Any = None
        self._start = 0
        if "per_stage=true" in os.environ["OCRPROF_SWEEP"]:
            self._clock = recorder.load("sweep_stages").clock_of(recorder)

    def prepare(self, fetcher: "Any") -> None:
        """Before the first batch of a loader in this process, where it is the one that is measured, or any worker's."""
        sweep = getattr(self._recorder, "sweep", None)
        is_worker = "worker.ready" in self._recorder.marks
        if not is_worker and (sweep is None or sweep.dataset is not fetcher.dataset):
            return
        setattr(fetcher, _WATCHED, True)
        if self._pid != os.getpid():
            self._pid, self._rows, self._failed = os.getpid(), [], []
            self._recorder.at_end.append(self._write)
            if "lists_files=true" in os.environ["OCRPROF_SWEEP"]:
                self._recorder.load("sweep_files").begin(self._recorder)
        parts = _parts(fetcher.dataset)
        for part in parts:
            self._recorder.ask(self._patch, (type(part),), {})
        if self._clock is not None:
            stages = self._recorder.load("sweep_stages")
            fetcher.collate_fn = stages.timed(self._recorder, fetcher.collate_fn, "collate")
            for part in parts:
                self._recorder.ask(stages.watch_transforms, (self._recorder, part), {})

    def begins(self) -> None:
        """A batch is asked for."""
        if self._failed:  # by a sample in whose place the data set has given another one
            self._failed = []
        self._start = self._recorder.now()
        if self._clock is not None:
            self._clock.start(self._start)

    def ends(self) -> None:
        """It is there."""
        end = self._recorder.now()
        if len(self._rows) < _MAX_BATCHES:
            spent = self._clock.stop(end) if self._clock is not None else []
            self._rows.append([self._start, end - self._start, *spent])

    def failed(self, fetcher: "Any", error: BaseException) -> None:
        """Writes which sample it was, where a data set was asked for one."""
        dataset, index = self._failed[-1] if self._failed else (None, None)
        number = index if isinstance(index, int) else None
        facts = {
            "index": number,
            "path": _path_of(self._failed, error),
            "dataset": type(dataset or fetcher.dataset).__qualname__,
            "type": type(error).__name__,
            "message": str(error),
            "loc": self._recorder.load("sweep_failure").own_line(error.__traceback__),
        }
        self._recorder.write({"k": "totals", "of": "sweep.error", "a": facts})
        self._recorder.flush()

    def _patch(self, kind: "Any") -> None:
        """Notes the index with which a data set fails, and passes the exception on."""
        original = kind.__dict__.get("__getitem__")
        if original is None or kind in self._patched or not hasattr(original, "__get__"):
            return
        self._patched.add(kind)
        failed, hide_frame = self._failed_here, self._recorder.load("core").hide_frame

        def __getitem__(self: object, index: object) -> object:
            try:
                return original(self, index)
            except BaseException as error:
                hide_frame(error)
                failed(self, index)
                raise

        kind.__getitem__ = self._recorder.load("core").look_like(__getitem__, original)

    def _failed_here(self, dataset: object, index: object) -> None:
        self._failed.append((dataset, index))

    def _write(self) -> None:
        if self._rows and self._pid == os.getpid():
            self._recorder.write({"k": "totals", "of": "sweep.batches", "a": {"rows": self._rows}})


def _parts(dataset: object) -> "list[object]":
    """A data set, and those that it draws from."""
    base = sys.modules["torch.utils.data.dataset"].Dataset
    parts = [dataset]
    for part in parts:
        for value in list(getattr(part, "__dict__", {}).values()):
            values = value if isinstance(value, (list, tuple)) and len(value) <= _MAX_PARTS else [value]
            parts += [one for one in values if isinstance(one, base) and all(one is not known for known in parts)]
        if len(parts) > _MAX_PARTS:
            break
    return parts


def _path_of(failed: "list[tuple[Any, Any]]", error: BaseException) -> "str | None":
    """The file of the sample: as the exception has it, or a list of the data set with an entry for each sample."""
    named = getattr(error, "filename", None)
    if isinstance(named, str):
        return named
    for dataset, index in failed:
        if not isinstance(index, int):
            continue
        for values in list(getattr(dataset, "__dict__", {}).values()):
            try:
                if isinstance(values, (str, bytes, dict)) or len(values) != len(dataset):
                    continue
                found = _path_in(values[index])
            except (TypeError, IndexError, KeyError, NotImplementedError):
                continue
            if found is not None:
                return found
    return None


def _path_in(entry: "Any") -> "str | None":
    """The first of an entry's values that names a file."""
    values = [entry]
    if isinstance(entry, (list, tuple)):
        values = list(entry)
    elif isinstance(entry, dict):
        values = list(entry.values())
    elif hasattr(entry, "__dict__") and not hasattr(entry, "__fspath__"):
        values = list(vars(entry).values())
    for value in values:
        if hasattr(value, "__fspath__"):
            return str(value)
        if isinstance(value, str) and (os.sep in value or os.path.exists(value)):
            return str(value)
    return None

"""Hooks on torch's data classes: data sets and loaders built, workers started, each batch fetched."""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

    from ocrprof.recorder.core import Recorder

_MAX_PARTS = 64


def patch_dataset(recorder: "Recorder", module: "ModuleType") -> None:
    """Construction of data sets, each with its number."""
    datasets = recorder.datasets = _Datasets(module.Dataset)  # type: ignore[attr-defined]  # the loaders' hook asks it
    recorder.load("construction").watch_construction(
        recorder,
        module.Dataset,
        "dataset.init",
        attributes=lambda dataset: {"number": datasets.enter(dataset), **_length(dataset)},
        unless_inside=("dataset.init",),
    )


def patch_dataloader(recorder: "Recorder", module: "ModuleType") -> None:
    """Loaders built, their workers started, and every `next()` on them, with the line that built its loader."""
    core = recorder.load("core")
    loaders = _Loaders()
    recorder.wrap(
        module.DataLoader,
        "__init__",
        "dataloader.init",
        attributes=lambda loader, *_, **__: _describe_loader(recorder, loader),
        location=lambda loader, *_, **__: loaders.enter(
            loader, recorder.load("frames").caller_line("torch", "lightning", "pytorch_lightning")
        ),
        announce=False,
    )
    recorder.wrap(
        module._MultiProcessingDataLoaderIter,
        "__init__",
        "workers.start",
        attributes=lambda self, loader, *_, **__: _describe_workers(recorder, loader),
        location=lambda *_, **__: recorder.load("frames").caller_line("torch", "lightning", "pytorch_lightning"),
    )
    iterators = _Iterators(recorder, loaders)
    base = module._BaseDataLoaderIter
    original = base.__next__

    def __next__(self: object) -> object:
        start = recorder.begin("fetch", announce="first-step" not in recorder.marks)
        try:
            batch = original(self)
        except BaseException as error:
            core.hide_frame(error)
            attributes = iterators.describe(self)
            if isinstance(error, StopIteration):
                # The end of an epoch is no failure, and no batch.
                iterators.exhausted(self)
                recorder.end("fetch", start, attributes={**attributes, "stop": True})
            else:
                recorder.end("fetch", start, location=iterators.line(self), attributes=attributes, error=error)
            raise
        attributes = iterators.describe(self)
        # A batch is whatever the program collates: one of nested tensors raises where it is asked for its shape.
        attributes["batch_size"] = recorder.ask(batch_size, (batch,), {})
        attributes["shape"] = recorder.ask(batch_shape, (batch,), {})
        iterators.fetched(self)
        recorder.last_fetch_start = start  # type: ignore[attr-defined]  # the evaluation loop's batch begins here
        recorder.end("fetch", start, location=iterators.line(self), attributes=attributes)
        spans = recorder.spans()
        if "train.batch" in spans or ("trainer.run" not in spans and attributes["grad"]):
            recorder.mark("first-batch")
        return batch

    base.__next__ = core.look_like(__next__, original)


class _Datasets:
    """Numbers data sets in the order of their construction, so that a loader can tell which it draws from.

    What a data set holds when it is made has its number, unless it has one of its own (a `Subset` holds another).
    """

    def __init__(self, base: type) -> None:
        self._base = base
        self._entries: dict[int, tuple[object, int]] = {}
        self._next_number = 0

    def enter(self, dataset: object) -> int:
        """The number of a data set that was just made."""
        number = self._next_number
        self._next_number += 1
        for part in self._parts(dataset):
            if self._number(part) is None:
                self._entries[id(part)] = (_reference(part), number)
        return number

    def numbers(self, dataset: object) -> "list[int]":
        """The numbers of what a loader draws from: a data set, and those that it holds; none where it is unknown."""
        return sorted({number for part in self._parts(dataset) if (number := self._number(part)) is not None})

    def _number(self, dataset: object) -> "int | None":
        entry = self._entries.get(id(dataset))
        # Another object may have come to the address of a dead one.
        return None if entry is None or entry[0]() is not dataset else entry[1]  # type: ignore[operator]

    def _parts(self, dataset: object) -> "list[object]":
        """It, and the data sets that it holds in attributes or in short lists and dictionaries."""
        parts = [dataset]
        for part in parts:
            for value in _held(part):
                if isinstance(value, self._base) and all(value is not known for known in parts):
                    parts.append(value)
            if len(parts) > _MAX_PARTS:
                break
        return parts


def _held(part: object) -> "list[object]":
    values: list[object] = []
    for value in list(getattr(part, "__dict__", {}).values()):
        if isinstance(value, dict) and len(value) <= _MAX_PARTS:
            values += value.values()
        elif isinstance(value, (list, tuple)) and len(value) <= _MAX_PARTS:
            values += value
        else:
            values.append(value)
    return values


def _reference(part: object) -> object:
    """A weak reference; a strong one, of the same form, to what allows none."""
    try:
        return sys.modules["_weakref"].ref(part)
    except TypeError:
        return lambda: part


class _Loaders:
    """Knows the line that built a loader, for the iterators that draw from it."""

    def __init__(self) -> None:
        self._entries: list[tuple[object, list[object] | None]] = []

    def enter(self, loader: object, line: "list[object] | None") -> "list[object] | None":
        """Keeps, and gives back, the `line` of a loader that was just made."""
        self._entries = [entry for entry in self._entries if entry[0]() is not None]  # type: ignore[operator]
        self._entries.append((_reference(loader), line))
        return line

    def line(self, iterator: object) -> "list[object] | None":
        """Of the loader whose sampler the iterator has; None where it was made before us, or is gone."""
        sampler = getattr(iterator, "_index_sampler", None)
        for reference, line in self._entries if sampler is not None else ():
            if getattr(reference(), "_index_sampler", None) is sampler:  # type: ignore[operator]
                return line
        return None


class _Iterators:
    """Numbers iterators and their batches; an iterator between whose batches no optimizer stepped was an evaluation."""

    def __init__(self, recorder: "Recorder", loaders: _Loaders) -> None:
        self._recorder = recorder
        self._loaders = loaders
        self._numbers: dict[int, tuple[int, int]] = {}
        self._lines: dict[int, list[object] | None] = {}
        self._next_number = 0

    def describe(self, iterator: object) -> "dict[str, object]":
        number, count = self._numbers.get(id(iterator), (None, 0))
        if number is None or count > getattr(iterator, "_num_yielded", count):
            # A new iterator, or one at the address of a dead one.
            number, count = self._next_number, 0
            self._next_number += 1
            self._numbers[id(iterator)] = (number, 0)
            # The sampler is a property, of any live loader: one that fails must not end the batches of another.
            self._lines[id(iterator)] = self._recorder.ask(self._loaders.line, (iterator,), {})
        torch = sys.modules["torch"]
        return {
            "loader": number,
            "n": count,
            "grad": torch.is_grad_enabled(),
            "num_workers": getattr(iterator, "_num_workers", 0),
        }

    def line(self, iterator: object) -> "list[object] | None":
        """Where the loader of an iterator that was described was built."""
        return self._lines.get(id(iterator))

    def fetched(self, iterator: object) -> None:
        number, count = self._numbers[id(iterator)]
        self._numbers[id(iterator)] = (number, count + 1)

    def exhausted(self, iterator: object) -> None:
        self._numbers.pop(id(iterator), None)
        self._lines.pop(id(iterator), None)
        recorder = self._recorder
        if "first-step" in recorder.marks and not sys.modules["torch"].is_grad_enabled():
            recorder.mark("evaluated")


def batch_size(batch: object) -> "int | None":
    """Samples in a batch: the first dimension of its first tensor, or the length of its first list; None if neither."""
    for value in _values(batch):
        shape = getattr(value, "shape", None)
        if shape is not None and len(shape):
            return int(shape[0])
        if isinstance(value, (list, tuple)) and value:
            return len(value)
    return None


def batch_shape(batch: object) -> "list[int] | None":
    """Of the first tensor in a batch; None where there is none."""
    shapes = (getattr(value, "shape", None) for value in _values(batch))
    found = next((shape for shape in shapes if shape is not None and len(shape)), None)
    return None if found is None else [int(side) for side in found]


def _values(batch: object) -> "list[object]":
    if isinstance(batch, dict):
        return list(batch.values())
    if isinstance(batch, (list, tuple)):
        return list(batch)
    if hasattr(batch, "__dict__") and not hasattr(batch, "shape"):
        return list(vars(batch).values())
    return [batch]


def _length(dataset: object) -> "dict[str, object]":
    try:
        return {"length": len(dataset)}  # type: ignore[arg-type]  # not every data set has a length
    except (TypeError, NotImplementedError, AttributeError):
        return {}


def _describe_loader(recorder: "Recorder", loader: object) -> "dict[str, object]":
    dataset = getattr(loader, "dataset", None)
    datasets: _Datasets | None = getattr(recorder, "datasets", None)
    return {
        "num_workers": getattr(loader, "num_workers", None),
        "batch_size": getattr(loader, "batch_size", None),
        "dataset": type(dataset).__qualname__,
        "datasets": datasets.numbers(dataset) if datasets else [],
    }


def _describe_workers(recorder: "Recorder", loader: object) -> "dict[str, object]":
    context = getattr(loader, "multiprocessing_context", None) or sys.modules["torch"].multiprocessing
    return {
        **_describe_loader(recorder, loader),
        "start_method": context.get_start_method(),
        "persistent": bool(getattr(loader, "persistent_workers", False)),
    }

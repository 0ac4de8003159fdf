"""What recording has cost this process: timed where little is done at once, counted and calibrated where it is much."""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any  # the recorder's own parts, loaded by path

    from ocrprof.recorder.core import Recorder

_ROUNDS = 60


def describe(recorder: "Recorder") -> "dict[str, int]":
    """Timed: ns to start, to put in hooks, to write. Calibrated now: ns of one load, and of any other record."""
    stage = _Stage(recorder)
    return {
        "start": recorder.start_ns,
        "hooks": recorder.hooks_ns,
        "writes": recorder.writing_ns(),
        "loads": recorder.num_loads,
        "load": 0 if recorder.watch is None else _one_of(_load_pass(stage)),
        "others": recorder.num_records() - recorder.num_loads,
        "other": _one_of(stage.recorder.timed(lambda: None, "calibration", announce=False)),
    }


class _Stage:
    """The recorder's own code on records that go nowhere, out of the way of threads that still record."""

    def __init__(self, recorder: "Recorder") -> None:
        self.recorder: Any = object.__new__(type(recorder))
        self.recorder.__dict__.update(recorder.__dict__)
        self.recorder.__dict__.update(
            _writer=_Nowhere(recorder.load("writer").encode),
            _local=sys.modules["_thread"]._local(),
            loaded_names=set(),
        )
        self.imports: Any = recorder.load("imports")


class _Nowhere:
    """Encodes and throws away."""

    def __init__(self, encode: "Callable[[object], str]") -> None:
        self._encode = encode
        self._pending: list[str] = []

    def add(self, record: "dict[str, object]") -> None:
        self.add_encoded(self._encode(record))

    def add_encoded(self, record: str) -> None:
        self._pending.append(record)

    def flush(self) -> None:
        self._pending.clear()


def _one_of(function: "Callable[[], object]") -> int:
    """Nanoseconds of a call, the median of some: a pass that was interrupted does not count."""
    now = sys.modules["time"].monotonic_ns
    times = []
    for _ in range(_ROUNDS):
        start = now()
        function()
        times.append(now() - start)
    return int(sorted(times)[_ROUNDS // 2])


def _load_pass(stage: _Stage) -> "Callable[[], object]":
    """Every wrapper that a load of a source module goes through, around nothing."""
    imports, recorder = stage.imports, stage.recorder
    watch = imports._Watch(recorder, {})
    module = type(sys)("ocrprof_calibration")
    loader = object()
    stats = imports._watch_reading(watch, _nothing, imports._READ)
    data = imports._watch_reading(watch, _nothing, imports._READ)
    unmarshal = imports._watch_reading(watch, _nothing, imports._UNMARSHAL)
    code = imports._watch_get_code(watch, lambda self, name: (stats(), data(), unmarshal()))
    body = imports._watch_exec(watch, lambda self, module: code(self, module.__name__))
    find = imports._watch_find_spec(watch, lambda name: _Spec)
    whole = imports._watch_find_and_load(watch, lambda name, import_: (find(name), body(loader, module)))
    recorder.loads().append(imports.new_entry("ocrprof_calibrations"))
    return lambda: whole("ocrprof_calibration", None)


class _Spec:
    """Of a module that lies as deep as most."""

    origin = "/home/user/project/.venv/lib/python3.11/site-packages/package/subpackage/module_of_it.py"


def _nothing(*_: object) -> None:
    return None

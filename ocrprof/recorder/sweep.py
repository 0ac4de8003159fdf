"""Sweeps of a loader's settings: finds the loader that was asked for, where the target starts to iterate it.

There it gets the settings of the trial, in place: its class, data set, samplers and functions stay the target's own.
Then it is taken over and measured (`sweep_measure`), or the target trains with it (`sweep_train`).
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any  # objects of torch, asked by name

    from ocrprof.recorder.core import Recorder

MILESTONE = "sweep"
_LIBRARIES = ("torch", "lightning", "pytorch_lightning", "lightning_fabric", "accelerate", "transformers")
_EVALUATES = ("sanity_check", "val.epoch")
# Functions of Hugging Face's Trainer that iterate a loader with gradients on, and switch them off a step at a time.
_EVALUATION_LOOPS = ("evaluation_loop", "prediction_loop")
# What an epoch is cut to where the loader that is waited for is evaluated behind it.
_NUM_BATCHES_BEFORE = 2


def hooks(settings: str) -> "dict[str, tuple[str, str]]":
    """As in `boot`, to stand in the place of the hooks that time each batch of every loader."""
    chosen = {
        "torch.utils.data.dataloader": ("sweep", "patch_dataloader"),
        "torch.utils.data._utils.fetch": ("sweep_worker", "patch_fetch"),
    }
    asked = parse(settings)
    if asked.get("per_stage") or asked.get("lists_files"):
        decoders = ("cv2", "PIL.Image", "PIL.ImageFile", "simplejpeg", "torchvision.io", "torchvision.io.image")
        chosen.update(dict.fromkeys(decoders, ("sweep_stages", "patch")))
    return chosen


def parse(text: str) -> "dict[str, Any]":
    """`name=value` pairs, apart by spaces: numbers, `true`, `false` and words; what is not asked for is left out."""
    return {name: _value(value) for name, _, value in (pair.partition("=") for pair in text.split())}


def patch_dataloader(recorder: "Recorder", module: "ModuleType") -> None:
    """Where each loader is built, and where it is first iterated."""
    core = recorder.load("core")
    sweep = Sweep(recorder)
    recorder.sweep = sweep  # type: ignore[attr-defined]  # the data sets' hooks ask it
    loader: Any = module.DataLoader
    init, iterate = loader.__init__, loader.__iter__

    def __init__(self: object, *args: object, **kwargs: object) -> None:
        try:
            init(self, *args, **kwargs)
        except BaseException as error:
            core.hide_frame(error)
            raise
        recorder.ask(sweep.built, (self,), {})

    def __iter__(self: object) -> object:
        recorder.ask(sweep.started, (self, iterate), {})
        try:
            iterator = iterate(self)
        except BaseException as error:
            core.hide_frame(error)
            recorder.ask(sweep.failed, (self, error), {})
            raise
        recorder.ask(sweep.iterates, (self, iterator), {})
        return iterator

    loader.__init__ = core.look_like(__init__, init)
    loader.__iter__ = core.look_like(__iter__, iterate)
    base: Any = module._BaseDataLoaderIter
    if sweep.asked["mode"] == "train":
        recorder.load("sweep_train").patch_next(recorder, base)
    elif sweep.asked["loader"] == "val":
        _cut_epochs(recorder, sweep, base)


class Sweep:
    """The loaders that this process has built and iterated, and the one that was asked for."""

    def __init__(self, recorder: "Recorder") -> None:
        self.asked = parse(sys.modules["os"].environ["OCRPROF_SWEEP"])
        self.is_taken = False
        self.dataset: Any = None
        self.training: Any = None
        self._recorder = recorder
        self._places: dict[int, tuple[object, list[object] | None]] = {}
        self._numbers: dict[int, tuple[object, int]] = {}
        self._roles: list[str] = []
        self._cut: Any = lambda: None

    def built(self, loader: "Any") -> None:
        """Keeps the line. A loader that a framework builds again around the same data has that of the first."""
        reference = self._recorder.load("loader")._reference
        dataset = getattr(loader, "dataset", None)
        known = self._places.get(id(dataset))
        if known is not None and known[0]() is dataset and _is_built_by_library():  # type: ignore[operator]
            place = known[1]
        else:
            place = _line_that_builds(loader)
            self._places[id(dataset)] = (reference(dataset), place)
        self._places[id(loader)] = (reference(loader), place)

    def started(self, loader: "Any", iterate: "Any") -> None:
        """A loader is about to be iterated. Never returns where it is the one that is taken over."""
        if self._recorder.until != MILESTONE or "main_module" in self._recorder.spans():
            return  # a worker; or one to be, which runs the program again for want of a guard
        if self.training is not None and self.training.loader is loader:
            self.training.starts()
            return
        entry = self._numbers.get(id(loader))
        if entry is not None and entry[0]() is loader:  # type: ignore[operator]
            return
        number = len(self._roles)
        role = self._role()
        is_first_of_role = role not in self._roles
        self._roles.append(role)
        self._numbers[id(loader)] = (self._recorder.load("loader")._reference(loader), number)
        wanted = self.asked["loader"]
        chosen = not self.is_taken and (number == wanted or (role == wanted and is_first_of_role))
        about = describe(loader, number=number, role=role if is_first_of_role else "other")
        about["loc"] = self._places.get(id(loader), (None, None))[1]
        self._recorder.write({"k": "totals", "of": "sweep.loader.%d" % number, "a": {**about, "chosen": chosen}})
        self._recorder.flush()
        if not chosen:
            return
        self.is_taken, self.dataset = True, loader.dataset
        if self.asked["mode"] == "given":
            # The record above says what the program gave it, and that was the question.
            self._recorder.mark(MILESTONE)
        elif self.asked["mode"] == "epochs":
            self._recorder.load("sweep_epochs").take_over(self._recorder, self.asked, loader, iterate)
        elif self.asked["mode"] == "train":
            self.training = self._recorder.load("sweep_train").training_with(self._recorder, self.asked, loader)
            self.training.starts()
        else:
            self._recorder.load("sweep_measure").take_over(self._recorder, self.asked, loader, iterate)

    def iterates(self, loader: object, iterator: object) -> None:
        """An iteration has begun: of the loader that the target trains with, or of another one in between."""
        if self.training is not None:
            self.training.began(loader, iterator)
        entry = self._numbers.get(id(loader))
        if entry is not None and self._roles[entry[1]] == "train" and self._recorder.until == MILESTONE:
            # Held by nobody but the target: its workers end with it.
            self._cut = sys.modules["_weakref"].ref(iterator)

    def failed(self, loader: object, error: BaseException) -> None:
        """The loader that the target trains with could not even be started."""
        if self.training is not None and self.training.loader is loader:
            self.training.failed(error)

    def is_over(self, iterator: "Any") -> bool:
        """Whether this is an epoch of training that has gone on long enough before an evaluation that is waited for."""
        return not self.is_taken and self._cut() is iterator and iterator._num_yielded >= _NUM_BATCHES_BEFORE

    def _role(self) -> str:
        if not sys.modules["torch"].is_grad_enabled():
            return "val"
        if any(name in self._recorder.spans() for name in _EVALUATES) or _is_in_evaluation_loop():
            return "val"
        return "train"


def rebuild(loader: "Any", asked: "dict[str, Any]") -> "list[str]":
    """Gives the loader the settings of the trial, in place; what a reader must know of that comes back."""
    values, notes = loader.__dict__, []
    num_workers = asked["num_workers"]
    own_iterator, values["_iterator"] = values.get("_iterator"), None
    del own_iterator  # Persistent workers of an earlier iteration end here.
    values["num_workers"] = num_workers
    values["prefetch_factor"] = (asked.get("prefetch_factor") or loader.prefetch_factor or 2) if num_workers else None
    values["persistent_workers"] = bool(num_workers and asked.get("persistent_workers", loader.persistent_workers))
    if "pin_memory" in asked:
        values["pin_memory"] = asked["pin_memory"]
        if asked["pin_memory"] and not _has_accelerator():
            notes.append("no accelerator: torch ignores pin_memory here")
    if "in_order" in asked:
        if "in_order" in values:
            values["in_order"] = asked["in_order"]
        else:
            notes.append("in_order was not set: this version of torch always delivers in order")
    context = "_DataLoader__multiprocessing_context"
    if num_workers == 0:
        # Neither of them goes with a loader that has no workers; torch refuses to iterate it.
        values[context], values["timeout"] = None, 0
    elif "start_method" in asked:
        values[context] = sys.modules["torch"].multiprocessing.get_context(asked["start_method"])
    if loader.num_workers != num_workers:
        notes.append("%s does not let num_workers be set" % type(loader).__qualname__)
    base = sys.modules["torch.utils.data.dataloader"].DataLoader
    if type(loader).__iter__ is not base.__iter__:
        notes.append(
            "%s has an __iter__ of its own: what that does with a batch is not in these figures"
            % type(loader).__qualname__
        )
    return notes


def describe(loader: "Any", *, number: int, role: str) -> "dict[str, object]":
    """What a loader is, for the report."""
    sampler = loader.batch_sampler if type(loader.batch_sampler).__module__ != "torch.utils.data.sampler" else None
    dataset = loader.dataset
    context = loader.multiprocessing_context or sys.modules["torch"].multiprocessing
    return {
        "number": number,
        "role": role,
        "dataset": type(dataset).__qualname__,
        "sampler": type(sampler or loader.sampler).__qualname__,
        "num_samples": _length(dataset),
        "num_batches": _length(loader),
        "batch_size": loader.batch_size,
        "num_workers": loader.num_workers,
        "prefetch_factor": loader.prefetch_factor,
        "persistent_workers": bool(loader.persistent_workers),
        "pin_memory": bool(loader.pin_memory),
        "in_order": getattr(loader, "in_order", None),
        "start_method": context.get_start_method(),
    }


def _cut_epochs(recorder: "Recorder", sweep: Sweep, base: "Any") -> None:
    """Ends each epoch of training after two batches: the loader that is waited for comes behind it."""
    core = recorder.load("core")
    original = base.__next__

    def __next__(self: object) -> object:
        if sweep.is_over(self):
            raise StopIteration
        try:
            return original(self)
        except BaseException as error:
            core.hide_frame(error)
            raise

    base.__next__ = core.look_like(__next__, original)


def _value(text: str) -> "Any":
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text


def _length(value: "Any") -> "int | None":
    try:
        return len(value)
    except Exception:  # whatever a data set of the program's raises that knows none
        return None


def _has_accelerator() -> bool:
    torch: Any = sys.modules["torch"]
    accelerator = getattr(torch, "accelerator", None)
    return bool(torch.cuda.is_available() if accelerator is None else accelerator.is_available())


def _is_built_by_library() -> bool:
    """Whether the code that called the constructor is a framework's."""
    frame = sys._getframe(1)
    while frame is not None:
        tree = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if tree not in ("ocrprof", "torch"):
            return tree in _LIBRARIES
        frame = frame.f_back  # type: ignore[assignment]
    return False


def _line_that_builds(loader: object) -> "list[object] | None":
    """[file, line] of the innermost code that is no library's, and not a constructor of the loader's own class."""
    frame = sys._getframe(1)
    while frame is not None:
        tree = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        is_constructor = frame.f_code.co_name == "__init__" and frame.f_locals.get("self") is loader
        if tree not in ("ocrprof", *_LIBRARIES) and not is_constructor:
            return [frame.f_code.co_filename, frame.f_lineno]
        frame = frame.f_back  # type: ignore[assignment]
    return None


def _is_in_evaluation_loop() -> bool:
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name in _EVALUATION_LOOPS and frame.f_globals.get("__name__") == "transformers.trainer":
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False

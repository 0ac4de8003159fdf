"""Hooks on Lightning, under both of its names: the Trainer's phases, each batch of its loops, what is in a batch."""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any  # what a pickle is made of

    from ocrprof.recorder.core import Recorder

_STRATEGY_SPANS = {
    "training_step": "training_step",
    "validation_step": "validation_step",
    "batch_to_device": "transfer",
    "backward": "backward",
}
_MODULE_SPANS = {"configure_optimizers": "configure_optimizers"}
_DATA_SPANS = {
    "prepare_data": "data.prepare",
    "setup": "data.setup",
    "train_dataloader": "data.setup",
    "val_dataloader": "data.setup",
}
# Written when they begin too, so that a killed process tells where it stood.
_ANNOUNCED = ("data.prepare", "data.setup", "configure_optimizers")
# Not the target's own code: classes from here are never taken for its components.
_LIBRARIES = ("builtins", "functools", "torch", "torchmetrics", "lightning", "lightning_fabric", "pytorch_lightning",
              "omegaconf", "hydra", "collections", "typing", "numpy")  # fmt: skip


def patch_datamodule(recorder: "Recorder", module: "ModuleType") -> None:
    """Construction of data modules."""
    recorder.load("construction").watch_construction(recorder, module.LightningDataModule, "datamodule.init")


def patch_logger(recorder: "Recorder", module: "ModuleType") -> None:
    """Construction of loggers."""
    recorder.load("construction").watch_construction(
        recorder, module.Logger, "logger.init", unless_inside=("logger.init",)
    )


def patch_call(recorder: "Recorder", module: "ModuleType") -> None:
    """The three functions through which the Trainer calls every hook, by the hook's name."""
    _patch_hooks(recorder, module, "_call_strategy_hook", _STRATEGY_SPANS)
    _patch_hooks(recorder, module, "_call_lightning_module_hook", _MODULE_SPANS)
    _patch_hooks(recorder, module, "_call_lightning_datamodule_hook", _DATA_SPANS)


def patch_trainer(recorder: "Recorder", module: "ModuleType") -> None:
    """The Trainer's construction, its run, and the sanity check; and the limits that a measurement asks for."""
    core = recorder.load("core")
    trainer = module.Trainer
    init = trainer.__init__

    def __init__(self: object, *args: object, **kwargs: object) -> None:
        start = recorder.begin("trainer.init", announce=True)
        try:
            init(self, *args, **kwargs)
        except BaseException as error:
            core.hide_frame(error)
            recorder.end("trainer.init", start, error=error)
            raise
        recorder.end("trainer.init", start, location=core.line_of(init))
        recorder.ask(_limit_batches, (recorder, self), {})
        recorder.at_end.append(lambda: _write_metrics(recorder, self))

    trainer.__init__ = core.look_like(__init__, init)
    recorder.wrap(trainer, "_run", "trainer.run")
    recorder.wrap(trainer, "_run_sanity_check", "sanity_check")


def patch_training_epoch_loop(recorder: "Recorder", module: "ModuleType") -> None:
    """One training batch: fetch, transfer, step. The first one is the first step of the program."""
    loop = module._TrainingEpochLoop
    core, synchronize = recorder.load("core"), recorder.load("torch").synchronize
    original = loop.advance

    def advance(self: object, *args: object, **kwargs: object) -> object:
        parts = _Parts.of(recorder, self)
        start = recorder.begin("train.batch", announce="first-step" not in recorder.marks)
        try:
            result = original(self, *args, **kwargs)
        except BaseException as error:
            core.hide_frame(error)
            recorder.end("train.batch", start, error=None if isinstance(error, StopIteration) else error)
            raise
        if recorder.wants_parts or "first-step" not in recorder.marks:
            synchronize()
        parts.finish()
        recorder.end("train.batch", start, attributes={"i": getattr(self, "batch_idx", None)})
        recorder.mark("first-step")
        return result

    loop.advance = core.look_like(advance, original)


def patch_evaluation_loop(recorder: "Recorder", module: "ModuleType") -> None:
    """One evaluation, and each batch of it from the start of its fetch to the end of its hooks."""
    loop = module._EvaluationLoop
    core, synchronize = recorder.load("core"), recorder.load("torch").synchronize
    original = loop._evaluation_step

    def _evaluation_step(self: object, batch: object, batch_idx: int, *args: object, **kwargs: object) -> object:
        parts = _Parts.of(recorder, self)
        recorder.begin("val.batch")
        start = getattr(recorder, "last_fetch_start", None) or recorder.now()
        try:
            result = original(self, batch, batch_idx, *args, **kwargs)
        except BaseException as error:
            core.hide_frame(error)
            recorder.end("val.batch", start, attributes=_in_sanity_check(self, batch_idx), error=error)
            raise
        if recorder.wants_parts:
            synchronize()
        parts.finish()
        recorder.end("val.batch", start, attributes=_in_sanity_check(self, batch_idx))
        return result

    loop._evaluation_step = core.look_like(_evaluation_step, original)
    recorder.wrap(loop, "run", "val.epoch", attributes=_in_sanity_check, announce=False)


def patch_fit_loop(recorder: "Recorder", module: "ModuleType") -> None:
    """The loaders' set-up; and the end of the first epoch, its validation included, where a baseline stops."""
    loop = module._FitLoop
    recorder.wrap(loop, "setup_data", "data.setup")
    core = recorder.load("core")
    original = loop.advance

    def advance(self: object, *args: object, **kwargs: object) -> object:
        try:
            result = original(self, *args, **kwargs)
        except BaseException as error:
            core.hide_frame(error)
            raise
        if recorder.until == "steady":
            recorder.mark("steady")
        return result

    loop.advance = core.look_like(advance, original)


def _patch_hooks(recorder: "Recorder", module: "ModuleType", function: str, spans: "dict[str, str]") -> None:
    original = getattr(module, function)
    core = recorder.load("core")

    def call(trainer: object, hook_name: str, *args: object, **kwargs: object) -> object:
        span = spans.get(hook_name)
        start = 0 if span is None else recorder.begin(span, announce=span in _ANNOUNCED)
        try:
            result = original(trainer, hook_name, *args, **kwargs)
        except BaseException as error:
            core.hide_frame(error)
            if span is not None:
                recorder.end(span, start, location=_overridden(recorder, trainer, hook_name), error=error)
            raise
        if span is not None:
            recorder.end(span, start, location=_overridden(recorder, trainer, hook_name))
        return result

    setattr(module, function, core.look_like(call, original))


def _overridden(recorder: "Recorder", trainer: object, hook_name: str) -> "list[object] | None":
    """Where the user's own hook stands."""
    owner = getattr(trainer, "lightning_module", None)
    if hook_name in _DATA_SPANS:
        owner = getattr(trainer, "datamodule", None) or owner
    location: list[object] | None = recorder.load("core").line_of(getattr(type(owner), hook_name, None))
    return location


def _in_sanity_check(loop: object, *index: object) -> "dict[str, object]":
    trainer = getattr(loop, "trainer", None)
    attributes: dict[str, object] = {"sanity": bool(getattr(trainer, "sanity_checking", False))}
    if index:
        attributes["i"] = index[0]
    return attributes


def _limit_batches(recorder: "Recorder", trainer: object) -> None:
    """Fewer batches where the measurement asks for them, by the Trainer's own limits; the report says so."""
    if recorder.num_train_batches and _lowered(trainer, "limit_train_batches", recorder.num_train_batches):
        # The validation belongs to the measurement: after the limited epoch, not after so many batches or epochs.
        trainer.val_check_interval = 1.0  # type: ignore[attr-defined]
        trainer.check_val_every_n_epoch = 1  # type: ignore[attr-defined]
    if recorder.num_epochs:
        own = trainer.fit_loop.max_epochs  # type: ignore[attr-defined]
        if own is None or own < 0 or own > recorder.num_epochs:
            trainer.fit_loop.max_epochs = recorder.num_epochs  # type: ignore[attr-defined]
    if recorder.num_val_batches:
        _lowered(trainer, "limit_val_batches", recorder.num_val_batches)


def _lowered(trainer: object, name: str, limit: int) -> bool:
    """Sets the limit, where the target's own is not already lower: a number of batches; a share cannot be compared."""
    own = getattr(trainer, name)
    if isinstance(own, int) and not isinstance(own, bool) and own <= limit:
        return False
    setattr(trainer, name, limit)
    return True


def _write_metrics(recorder: "Recorder", trainer: object) -> None:
    """What the target logged itself, last values."""
    metrics: dict[str, float] = {}
    for source in ("logged_metrics", "callback_metrics"):
        for name, value in getattr(trainer, source, {}).items():
            try:
                metrics[str(name)] = float(value)
            except (TypeError, ValueError):
                continue
    if metrics:
        recorder.write({"k": "metrics", "metrics": metrics})


class _Hook:
    """A forward hook that is in the way of no copy of the model, as weight averaging makes one, and of no pickle."""

    def __init__(self, function: "Callable[..., None]") -> None:
        self._function = function

    def __call__(self, *args: object) -> None:
        self._function(*args)

    def __deepcopy__(self, memo: object) -> "_Hook":
        return self

    def __reduce__(self) -> "tuple[Any, ...]":
        # Where the pickle is read we need not be: what comes out takes all arguments, and does nothing.
        return getattr, (sys.modules["contextlib"].nullcontext(), "__exit__")


class _Parts:
    """What happens inside a batch: the forward passes of the module's children, and calls of its own components."""

    def __init__(self, recorder: "Recorder") -> None:
        self._recorder = recorder
        self._hooked: set[int] = set()
        self._patched: set[type] = set()
        self._open: list[tuple[int, object]] = []
        self._waiting: list[tuple[dict[str, object], object, object]] = []

    @classmethod
    def of(cls, recorder: "Recorder", loop: object) -> "_Parts":
        """The one of this process; on the way it hooks what the module has gained since the last batch."""
        parts: _Parts | None = getattr(recorder, "parts", None)
        if parts is None:
            parts = recorder.parts = cls(recorder)  # type: ignore[attr-defined]
        if recorder.wants_parts:
            recorder.ask(parts.hook, (getattr(getattr(loop, "trainer", None), "lightning_module", None),), {})
        return parts

    def hook(self, module: object) -> None:
        """Public forward hooks on the children; a span around `__call__` of the user's own callable attributes."""
        torch = sys.modules["torch"]
        metric = getattr(sys.modules.get("torchmetrics"), "Metric", ())
        for child in module.children():  # type: ignore[attr-defined]
            if id(child) not in self._hooked and not isinstance(child, metric):
                self._hooked.add(id(child))
                child.register_forward_pre_hook(_Hook(self._before_forward))
                child.register_forward_hook(_Hook(self._after_forward), always_call=True)
        for value in list(vars(module).values()):
            kind = type(value)
            if kind in self._patched or isinstance(value, (torch.nn.Module, type)) or not callable(value):
                continue
            if kind.__module__.partition(".")[0] in _LIBRARIES or "__call__" not in kind.__dict__:
                continue
            self._patched.add(kind)
            self._time_calls(kind)

    def finish(self) -> None:
        """Writes the forward passes whose GPU time was waiting for the end of the batch."""
        waiting, self._waiting = self._waiting, []
        for attributes, begun, ended in waiting:
            attributes["device"] = int(begun.elapsed_time(ended) * 1e6)  # type: ignore[attr-defined]
            self._recorder.write({"k": "device", "name": "forward", **attributes})

    def _time_calls(self, kind: type) -> None:
        core = self._recorder.load("core")
        name = core.name_of(kind)
        location = core.line_of(kind.__call__)
        self._recorder.wrap(
            kind,
            "__call__",
            "component",
            attributes=lambda *_, **__: {"class": name},
            location=lambda *_, **__: location,
            announce=False,
        )

    def _before_forward(self, *_: object) -> None:
        self._open.append((self._recorder.begin("forward"), _cuda_event()))

    def _after_forward(self, child: object, *_: object) -> None:
        if not self._open:
            return  # a pre-hook of the target has raised before ours was called
        start, begun = self._open.pop()
        ended = _cuda_event()
        core = self._recorder.load("core")
        attributes: dict[str, object] = {"class": core.name_of(child)}
        location = core.line_of(getattr(type(child), "forward", None))
        self._recorder.end("forward", start, attributes=attributes, location=location)
        if begun is not None and ended is not None:
            self._waiting.append(({**attributes, "start": start}, begun, ended))


def _cuda_event() -> object:
    """A recorded timing event on the current stream, where the target has started CUDA."""
    cuda = sys.modules["torch"].cuda
    if not cuda.is_initialized():
        return None
    event = cuda.Event(enable_timing=True)
    event.record()
    return event

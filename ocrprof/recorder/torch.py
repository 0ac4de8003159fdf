"""Hooks on torch: modules built, `torch.compile`, the CUDA context, the optimizer steps of all kinds of loops."""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, ModuleType
    from typing import Any  # torch's own objects, which are not imported here

    from ocrprof.recorder.core import Recorder


def patch_module(recorder: "Recorder", module: "ModuleType") -> None:
    """The outermost construction of an `nn.Module`, with the outermost modules that it builds in it."""
    nested: list[dict[str, object]] = []

    def describe(model: object) -> "dict[str, object]":
        own, nested[:] = list(nested), []
        return {"lightning": _is_lightning(model), "nested": own}

    recorder.load("construction").watch_construction(
        recorder,
        module.Module,
        "model.init",
        attributes=describe,
        after=lambda model: recorder.mark("model") if _is_lightning(model) else None,
        unless_inside=("model.init", "metric.update", "training_step", "validation_step"),
        nested=nested,
    )


def _is_lightning(model: object) -> bool:
    return any(parent.__name__ == "LightningModule" for parent in type(model).__mro__)


def patch_optimizer(recorder: "Recorder", module: "ModuleType") -> None:
    """Optimizer steps by the public global hooks; the first one is the first step of a program without Lightning."""
    optimizer = module.Optimizer
    starts: list[int] = []
    state = {"steps": 0, "first_ns": 0}

    def before(*_: object) -> None:
        starts.append(recorder.begin("optimizer.step"))

    def after(stepped: object, *_: object) -> None:
        recorder.end("optimizer.step", starts.pop(), attributes={"class": type(stepped).__name__})
        if "train.batch" in recorder.spans():
            return
        state["steps"] += 1
        if "first-step" not in recorder.marks:
            synchronize()
            state["first_ns"] = recorder.now()
            recorder.mark("first-step")
        if recorder.until == "steady" and recorder.num_train_batches and _has_enough(recorder, state):
            recorder.mark("steady")

    module.register_optimizer_step_pre_hook(before)
    module.register_optimizer_step_post_hook(after)
    init = optimizer.__init__

    def __init__(self: object, *args: object, **kwargs: object) -> None:
        try:
            init(self, *args, **kwargs)
        except BaseException as error:
            recorder.load("core").hide_frame(error)
            raise
        recorder.ask(_count_parameters, (recorder, self), {})
        if "trainer.run" not in recorder.spans():
            recorder.mark("model")

    optimizer.__init__ = recorder.load("core").look_like(__init__, init)


def patch_compile(recorder: "Recorder", module: "ModuleType") -> None:
    """`torch.compile`: what it wraps, and the line that calls it; Lightning puts a function of its own around it.

    The compilation itself comes with the first call of what it returns.
    """
    core = recorder.load("core")
    recorder.wrap(
        module,
        "compile",
        "compile",
        attributes=lambda model=None, *_, **__: {"class": "torch.compile", "of": core.name_of(model)},
        location=lambda *_, **__: recorder.load("frames").caller_line("torch", "lightning", "pytorch_lightning"),
    )


def patch_cuda(recorder: "Recorder", module: "ModuleType") -> None:
    """The first use of CUDA, which makes the context and loads the libraries of the driver; later ones are not timed.

    Modules of torch.cuda that took the function before us are given ours, so that all ways lead through it.
    """
    original = getattr(module, "_lazy_init", None)
    if original is None:
        recorder.note("torch.cuda has no _lazy_init: the making of the CUDA context is not timed")
        return
    core = recorder.load("core")

    def _lazy_init() -> object:
        if module.is_initialized():
            return original()
        start = recorder.begin("cuda.init")
        place = recorder.load("frames").caller_line("torch", "lightning", "pytorch_lightning")
        try:
            result = original()
        except BaseException as error:
            core.hide_frame(error)
            recorder.end("cuda.init", start, location=place, attributes={"class": "CUDA context"}, error=error)
            raise
        recorder.end("cuda.init", start, location=place, attributes={"class": "CUDA context"})
        return result

    replacement = core.look_like(_lazy_init, original)
    for name, other in list(sys.modules.items()):
        if name.startswith("torch.cuda") and getattr(other, "_lazy_init", None) is original:
            other._lazy_init = replacement  # type: ignore[attr-defined]


def patch_dynamo(recorder: "Recorder", module: "ModuleType") -> None:
    """Each compilation of a function by Dynamo and what is behind it, which the first call of it waits for."""
    original = getattr(module, "_compile", None)
    if original is None:
        recorder.note("torch._dynamo.convert_frame has no _compile: what the first calls compile is not timed")
        return
    core = recorder.load("core")

    def _compile(code: "CodeType", *args: object, **kwargs: object) -> object:
        place: list[object] = [code.co_filename, code.co_firstlineno]
        attributes: dict[str, object] = {"class": str(getattr(code, "co_qualname", code.co_name))}
        start = recorder.begin("compile.graph")
        try:
            result = original(code, *args, **kwargs)
        except BaseException as error:
            core.hide_frame(error)
            recorder.end("compile.graph", start, location=place, attributes=attributes, error=error)
            raise
        recorder.end("compile.graph", start, location=place, attributes=attributes)
        return result

    module._compile = core.look_like(_compile, original)  # type: ignore[attr-defined]


def _count_parameters(recorder: "Any", optimizer: "Any") -> None:
    """How many numbers the optimizers of this process move, each of them counted once an optimizer."""
    number = sum(int(one.numel()) for group in optimizer.param_groups for one in group["params"])
    recorder.num_parameters = getattr(recorder, "num_parameters", 0) + number
    recorder.write({"k": "totals", "of": "parameters", "a": {"optimized": recorder.num_parameters}})


def _has_enough(recorder: "Recorder", state: "dict[str, int]") -> bool:
    """Enough steps, and an evaluation seen or waited for long enough: a plain loop does not say when one will come."""
    if state["steps"] < recorder.num_train_batches:
        return False
    return "evaluated" in recorder.marks or recorder.now() - state["first_ns"] > recorder.patience_ns


def synchronize() -> None:
    """Waits for the GPU, where the target has started one: its work must be done before a clock is read."""
    cuda = getattr(sys.modules.get("torch"), "cuda", None)
    if cuda is not None and cuda.is_initialized():
        cuda.synchronize()

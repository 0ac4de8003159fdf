"""The recorder of level bare: the marks of milestones, and no record of loads or spans. What recording costs is the
difference of a start to a start of this kind."""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any  # importlib's own classes have no stubs

    from ocrprof.recorder.core import Recorder

# Milestone → the modules whose hooks lead to its mark; for the imports any of them may. Names without their tree are
# Lightning's, under both of its names.
_LEAD_TO = {
    "config": ("hydra._internal.utils", "hydra.core.utils", "hydra._internal.config_loader_impl"),
    "model": ("torch.nn.modules.module", "torch.optim.optimizer", ".trainer.trainer"),
    "data": (
        "torch.utils.data.dataset",
        "torch.utils.data.dataloader",
        ".core.datamodule",
        ".trainer.call",
        ".loops.fit_loop",
    ),
    "first-batch": ("torch.utils.data.dataloader", ".trainer.trainer", ".loops.training_epoch_loop"),
    "first-step": ("torch.optim.optimizer", ".loops.training_epoch_loop"),
}


def hooks_for(until: str, hooks: "dict[str, tuple[str, str]]") -> "dict[str, tuple[str, str]]":
    """Those of `hooks` that the mark of `until` needs, and the one that sees the program's end."""
    if until == "imports":
        return hooks
    wanted = ["threading", "torch.distributed.distributed_c10d"]
    wanted += [tree + ".strategies.launchers.subprocess_script" for tree in ("lightning.pytorch", "pytorch_lightning")]
    for name in _LEAD_TO.get(until, ()):
        wanted += ["lightning.pytorch" + name, "pytorch_lightning" + name] if name.startswith(".") else [name]
    return {name: hooks[name] for name in wanted if name in hooks}


def install(recorder: "Recorder", hooks: "dict[str, tuple[str, str]]") -> None:
    """Runs `hooks` when their modules have loaded; loads are counted as being in progress, and not recorded."""
    imports = recorder.load("imports")
    basics: Any = sys.modules["_frozen_importlib_external"]._LoaderBasics
    watch = imports._Watch(recorder, hooks)
    for name in list(hooks):
        if name in sys.modules:
            watch.loaded(sys.modules[name])
    wrapper: Any = _watch_exec(recorder, watch, basics.exec_module)
    # Under importlib's own file name the frame is trimmed from tracebacks.
    wrapper.__code__ = wrapper.__code__.replace(co_filename="<frozen importlib._bootstrap>")
    basics.exec_module = wrapper


def _watch_exec(recorder: "Recorder", watch: "Any", original: "Callable[..., object]") -> "Callable[..., object]":
    def exec_module(self: object, module: "ModuleType") -> object:
        loads = recorder.loads()
        loads.append([getattr(module, "__name__", "?")])
        try:
            result = original(self, module)
        except BaseException as error:
            watch.hide_frame(error)
            raise
        finally:
            loads.pop()
        watch.loaded(module)
        return result

    return exec_module

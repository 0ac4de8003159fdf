"""Hooks on several ranks: who joins a process group, and where ranks wait for one another before the first step."""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any  # torch's own objects, which are not imported here

    from ocrprof.recorder.core import Recorder

_COLLECTIVES = (
    "init_process_group",
    "barrier",
    "monitored_barrier",
    "all_reduce",
    "broadcast",
    "all_gather",
    "broadcast_object_list",
    "all_gather_object",
)
_NUM_LOCAL = "OCRPROF_LOCAL_RANKS"
_APART = "OCRPROF_RANKS_APART"
"""Set where each rank of this machine is a run of its own, which waits for no other rank's milestone."""


def patch_collectives(recorder: "Recorder", module: "ModuleType") -> None:
    """Each collective up to the first step, numbered by its kind; the first of them makes the process a rank."""
    for name in _COLLECTIVES:
        _patch_collective(recorder, module, name)


def patch_ddp(recorder: "Recorder", module: "ModuleType") -> None:
    """Where DDP's construction compares and sends parameters; the end of the first forward pass of training.

    What follows that is the first exchange of gradients.
    """
    for name in ("_verify_param_shape_across_processes", "_sync_module_states"):
        _patch_collective(recorder, module, name)
    ddp = module.DistributedDataParallel
    core = recorder.load("core")
    original = ddp.forward

    def forward(self: object, *args: object, **kwargs: object) -> object:
        if "forward" in recorder.marks:
            return original(self, *args, **kwargs)
        try:
            result = original(self, *args, **kwargs)
        except BaseException as error:
            core.hide_frame(error)
            raise
        if getattr(self, "training", False) and getattr(self, "require_backward_grad_sync", False):
            recorder.load("torch").synchronize()
            recorder.mark("forward")
        return result

    ddp.forward = core.look_like(forward, original)


def patch_launcher(recorder: "Recorder", module: "ModuleType") -> None:
    """Lightning's launcher that starts the script again for each further rank: they hear how many there are here."""
    launcher: Any = module._SubprocessScriptLauncher
    original = launcher._call_children_scripts

    def _call_children_scripts(self: object) -> object:
        os.environ[_NUM_LOCAL] = str(getattr(self, "num_processes", 1))
        return original(self)

    launcher._call_children_scripts = recorder.load("core").look_like(_call_children_scripts, original)


def num_local_ranks(recorder: "Recorder") -> int:
    """How many ranks must reach a milestone on this machine; 1 for a process that is not known to be one of several."""
    if recorder.rank is None or os.environ.get(_APART):
        return 1
    for name in ("LOCAL_WORLD_SIZE", _NUM_LOCAL):
        number = os.environ.get(name, "")
        if number.isdigit():
            return int(number)
    return recorder.world_size if os.environ.get("SLURM_NNODES", "1") == "1" else 1


def _patch_collective(recorder: "Recorder", module: "ModuleType", name: str) -> None:
    original = getattr(module, name, None)
    if original is None:
        return
    core = recorder.load("core")
    state = {"number": 0}

    def collective(*args: object, **kwargs: object) -> object:
        if "first-step" in recorder.marks:
            return original(*args, **kwargs)
        number, state["number"] = state["number"], state["number"] + 1
        start = recorder.begin("collective", announce=True)
        try:
            result = original(*args, **kwargs)
        except BaseException as error:
            core.hide_frame(error)
            recorder.end("collective", start, attributes={"op": name, "n": number}, error=error)
            raise
        recorder.end("collective", start, attributes={"op": name, "n": number})
        if name == "init_process_group":
            recorder.ask(_join, (recorder, module), {})
        return result

    setattr(module, name, core.look_like(collective, original))


def _join(recorder: "Recorder", module: "Any") -> None:
    if module.is_initialized():
        recorder.become_rank(module.get_rank(), module.get_world_size())

"""Hooks on W&B: `wandb.init`, and an end to the open run before the process is stopped at a milestone."""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

    from ocrprof.recorder.core import Recorder


def patch_wandb(recorder: "Recorder", module: "ModuleType") -> None:
    """Times `wandb.init`; a run must not stay "running" on the server because we stopped its process."""
    recorder.wrap(
        module,
        "init",
        "wandb.init",
        attributes=lambda *_, **__: {"mode": str(getattr(getattr(module.run, "settings", None), "mode", None))},
        location=lambda *_, **__: recorder.load("frames").caller_line("wandb"),
    )
    recorder.before_stop.append(_finish_run)


def _finish_run() -> None:
    wandb = sys.modules.get("wandb")
    if wandb is not None and getattr(wandb, "run", None) is not None:
        wandb.finish(exit_code=0, quiet=True)

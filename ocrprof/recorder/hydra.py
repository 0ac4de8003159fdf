"""Hooks on Hydra's entry: from `hydra.main` to the task function, the plugin scan, the set-up of logging."""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from ocrprof.recorder.core import Recorder


def patch_main(recorder: "Recorder", module: "ModuleType") -> None:
    """`hydra.main`, from its call until the task function starts (see `patch_run_job`) and after it has ended."""
    recorder.wrap(module, "_run_hydra", "hydra.main")


def patch_run_job(recorder: "Recorder", module: "ModuleType") -> None:
    """The task function, where configuration ends and the program begins; the set-up of logging before it."""
    core = recorder.load("core")
    run_job = module.run_job
    recorder.wrap(module, "configure_log", "hydra.logging", announce=False)

    def wrapper(task_function: "Callable[..., object]", *args: object, **kwargs: object) -> object:
        timed = recorder.timed(
            _started(recorder, task_function),
            "program",
            location=lambda *_: core.line_of(task_function),
        )
        try:
            return run_job(timed, *args, **kwargs)
        except BaseException as error:
            core.hide_frame(error)
            raise

    module.run_job = core.look_like(wrapper, run_job)  # type: ignore[attr-defined]


def _started(recorder: "Recorder", task_function: "Callable[..., object]") -> "Callable[..., object]":
    """`task_function`, after the milestone that the configuration is there."""
    core = recorder.load("core")

    def with_config(*args: object, **kwargs: object) -> object:
        if args:
            _remember_config(recorder, args[0])
        recorder.mark("config")
        try:
            return task_function(*args, **kwargs)
        except BaseException as error:
            core.hide_frame(error)
            raise

    return core.look_like(with_config, task_function)  # type: ignore[no-any-return]


def patch_plugins(recorder: "Recorder", module: "ModuleType") -> None:
    """The plugin scan, which imports every module of `hydra_plugins` and of Hydra's own."""
    recorder.wrap(module.Plugins, "_initialize", "hydra.plugins")


def _remember_config(recorder: "Recorder", config: object) -> None:
    """Keeps the configuration until the end, where turning it into plain values costs the measurement nothing."""
    omegaconf = sys.modules.get("omegaconf")
    if omegaconf is None or not omegaconf.OmegaConf.is_config(config):
        return

    def write() -> None:
        to_container = omegaconf.OmegaConf.to_container
        # Ours is no call of the program's.
        to_container = getattr(to_container, "__wrapped__", to_container)
        try:
            plain = to_container(config, resolve=True)
        except Exception:
            # An interpolation that cannot be resolved outside its program: as written, then.
            plain = to_container(config, resolve=False)
        recorder.write({"k": "config", "config": plain})

    recorder.at_end.append(write)

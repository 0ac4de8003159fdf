"""Puts the recorder together: which library gets which hook, and what each process says of itself."""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from ocrprof.recorder.core import Recorder

# module of the target → (recorder file, function). The function runs once, when the target has just loaded that module.
HOOKS = {
    "threading": ("stop", "patch_threading"),
    "warnings": ("deprecations", "patch_warnings"),
    "ctypes": ("libraries", "patch_ctypes"),
    "socket": ("access", "patch_socket"),
    "argparse": ("stop", "patch_argparse"),
    "hydra._internal.utils": ("hydra", "patch_main"),
    "hydra.core.utils": ("hydra", "patch_run_job"),
    "hydra._internal.config_loader_impl": ("compose", "patch_config_loader"),
    "hydra._internal.config_repository": ("compose", "patch_repository"),
    "hydra.core.override_parser.overrides_parser": ("compose", "patch_overrides_parser"),
    "hydra.core.plugins": ("hydra", "patch_plugins"),
    "hydra._internal.instantiate._instantiate2": ("instantiate", "patch_instantiate"),
    "omegaconf.base": ("omegaconf", "patch_base"),
    "omegaconf.omegaconf": ("omegaconf", "patch_omegaconf"),
    "torch": ("torch", "patch_compile"),
    "torch.cuda": ("torch", "patch_cuda"),
    "torch._dynamo.convert_frame": ("torch", "patch_dynamo"),
    "torch.nn.modules.module": ("torch", "patch_module"),
    "torch.optim.optimizer": ("torch", "patch_optimizer"),
    "torch.utils.data.dataset": ("loader", "patch_dataset"),
    "torch.utils.data.dataloader": ("loader", "patch_dataloader"),
    "torch.utils.data._utils.worker": ("children", "patch_worker"),
    "multiprocessing.process": ("children", "patch_process"),
    "multiprocessing.spawn": ("children", "patch_spawn"),
    "torch.distributed.distributed_c10d": ("ranks", "patch_collectives"),
    "torch.nn.parallel.distributed": ("ranks", "patch_ddp"),
    "torchmetrics.metric": ("torchmetrics", "patch_metric"),
    "wandb": ("wandb", "patch_wandb"),
    "cv2": ("work", "patch_cv2"),
}
for _tree in ("lightning.pytorch", "pytorch_lightning"):
    HOOKS[_tree + ".core.datamodule"] = ("lightning", "patch_datamodule")
    HOOKS[_tree + ".loggers.logger"] = ("lightning", "patch_logger")
    HOOKS[_tree + ".trainer.call"] = ("lightning", "patch_call")
    HOOKS[_tree + ".trainer.trainer"] = ("lightning", "patch_trainer")
    HOOKS[_tree + ".loops.training_epoch_loop"] = ("lightning", "patch_training_epoch_loop")
    HOOKS[_tree + ".loops.evaluation_loop"] = ("lightning", "patch_evaluation_loop")
    HOOKS[_tree + ".strategies.launchers.subprocess_script"] = ("ranks", "patch_launcher")
    HOOKS[_tree + ".loops.fit_loop"] = ("lightning", "patch_fit_loop")

_HELPERS = ("multiprocessing.resource_tracker", "multiprocessing.forkserver", "torch._inductor.compile_worker")


def start(run_dir: str, load: "Callable[[str], ModuleType]", began: int) -> "Recorder":
    """The recorder of this process, its hooks installed and its first record on disk; it began at `began`, in ns."""
    core = load("core")
    modules_at_start = frozenset(sys.modules) - {"sitecustomize"}
    writer = load("writer").Writer(run_dir + "/records", core.now())
    recorder: Recorder = core.Recorder(writer, load, modules_at_start, dict(os.environ))
    recorder.started = began
    _describe(recorder, role=_role())
    if "OCRPROF_CONFIG_SOURCES" in os.environ:
        HOOKS.update(load("config_source").HOOKS)
    if "OCRPROF_SWEEP" in os.environ:
        HOOKS.update(load("sweep").hooks(os.environ["OCRPROF_SWEEP"]))
    if recorder.is_bare:
        load("marks").install(recorder, load("marks").hooks_for(recorder.until, HOOKS))
    else:
        load("imports").install(recorder, HOOKS)
    if "OCRPROF_LAZY" in os.environ:
        load("lazy").install(recorder, os.environ["OCRPROF_LAZY"])
    if "OCRPROF_COUNT_CALLS" in os.environ:
        load("call_counts").install(recorder)
    if "OCRPROF_TIME_CALLS" in os.environ:
        load("calls").install(recorder, os.environ["OCRPROF_TIME_CALLS"])
    if os.environ.get("OCRPROF_LEVEL") == "full":
        load("access").install(recorder)
    if "OCRPROF_DATA_FILES" in os.environ:
        load("files").list_opened(recorder)
    if "OCRPROF_SAMPLED" in os.environ:
        role = "rank" if _role() == "main" and recorder.rank is not None else _role()
        load("sampling").await_sampler(recorder, role, os.environ["OCRPROF_SAMPLED"], run_dir)
    for name in ("signals", "last_records"):
        load(name)  # where the target has opened all files that it may, they are there
    load("stop").register_exit(recorder)
    load("exits").install(recorder)
    os.register_at_fork(after_in_child=lambda: _after_fork(recorder, load, run_dir))
    if "OCRPROF_WORK" in os.environ:
        # Behind the line above: what it does after a fork comes after that.
        load("work").install(recorder, os.environ["OCRPROF_WORK"])
    recorder.start_ns = recorder.now() - began
    return recorder


def _after_fork(recorder: "Recorder", load: "Callable[[str], ModuleType]", run_dir: str) -> None:
    """Gives a forked child its own file; what the parent had not yet written stays the parent's.

    The parent's file is closed first: the program may have opened as many as it may.
    """
    recorder.leave_file()
    writer = load("writer")
    try:
        own = writer.Writer(run_dir + "/records", recorder.now())
    except OSError:
        own = writer.Nowhere()  # an exception here would be told on the target's stderr
    recorder.restart_in_child(own)
    _describe(recorder, role="worker")


def _describe(recorder: "Recorder", *, role: str) -> None:
    recorder.write(
        {
            "k": "process",
            "v": 1,
            "pid": os.getpid(),
            "ppid": os.getppid(),
            "start": recorder.started,
            "born": _born_ns(),
            "argv": [str(argument) for argument in getattr(sys, "orig_argv", sys.argv)],
            "executable": sys.executable,
            "python": "%d.%d.%d" % sys.version_info[:3],
            "role": "rank" if role == "main" and recorder.rank is not None else role,
            "rank": recorder.rank,
            "world_size": recorder.world_size,
            "cwd": _working_folder(),
            "writes_bytecode": not sys.dont_write_bytecode,
            "bytecode_folder": getattr(sys, "pycache_prefix", None),
            "modules": sorted(recorder.modules_at_start) if role != "worker" else [],
        }
    )
    recorder.flush()


def _working_folder() -> str:
    try:
        return os.getcwd()
    except OSError:  # it has been removed
        return ""


def _role() -> str:
    command = " ".join(getattr(sys, "orig_argv", []))
    if "multiprocessing.spawn" in command:
        return "worker"
    return "helper" if any(name in command for name in _HELPERS) else "main"


def _born_ns() -> "int | None":
    """Start of this process by the kernel, CLOCK_MONOTONIC ns in steps of 10 ms; None where /proc is absent."""
    try:
        with open("/proc/self/stat", "rb") as file:
            ticks = int(file.read().rpartition(b")")[2].split()[19])
        time = sys.modules["time"]
        boot_offset = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        return int(ticks * (1_000_000_000 // os.sysconf("SC_CLK_TCK")) - boot_offset)
    except (OSError, ValueError, AttributeError, IndexError):
        return None

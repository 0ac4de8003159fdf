"""Examines an environment: reads and times what a run in it would meet, and starts nothing but empty programs."""

import os
import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from ocrprof.measure.caches import read_caches, read_wandb
from ocrprof.measure.environment import describe_environment, describe_tool
from ocrprof.measure.gpus import read_gpus
from ocrprof.measure.interpreter import examine, time_starts
from ocrprof.measure.mounts import measure_mount, read_mount_table
from ocrprof.measure.processors import Watch
from ocrprof.plan import DoctorPlan
from ocrprof.results.doctor import Interpreter, MountRole, Resources
from ocrprof.results.model import DoctorReport, TargetInfo

Progress = Callable[[str], None]


def measure_doctor(plan: DoctorPlan, *, progress: Progress) -> DoctorReport:
    """The report, not yet judged. What cannot be read here is named in it, and ends nothing."""
    began = time.monotonic()
    watch = Watch()
    not_read: list[str] = []
    progress(f"examining {plan.python} and this machine, some seconds")
    interpreter, bytecode = examine(plan.python, cwd=plan.cwd)
    starts = time_starts(plan.python, executable=interpreter.executable, cwd=plan.cwd)
    gpus, gpu_start_seconds = read_gpus(not_read=not_read)
    table = read_mount_table()
    if not table:
        not_read.append("types of file systems: /proc/self/mountinfo is not there or not readable")
    processors = watch.processors(interpreter, cwd=plan.cwd, not_read=not_read)
    environment = describe_environment(cwd=plan.cwd, python=interpreter.version, libraries=interpreter.libraries)
    return DoctorReport(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        tool=describe_tool(),
        target=TargetInfo(argv=[plan.python], cwd=str(plan.cwd)),
        environment=environment.model_copy(update={"num_cores_usable": processors.num_usable}),
        interpreter=interpreter,
        starts=starts,
        mounts=[measure_mount(role, path, table=table) for role, path in _folders(plan, interpreter)],
        bytecode=bytecode,
        processors=processors,
        resources=_resources(not_read=not_read),
        gpus=gpus,
        gpu_start_seconds=gpu_start_seconds,
        caches=read_caches(os.environ, table=table),
        wandb=read_wandb(os.environ, version=interpreter.libraries.get("wandb"), cwd=plan.cwd),
        not_read=not_read,
        seconds=time.monotonic() - began,
    )


def _folders(plan: DoctorPlan, interpreter: Interpreter) -> list[tuple[MountRole, Path]]:
    folders: list[tuple[MountRole, Path]] = [("interpreter", Path(interpreter.standard_library))]
    folders += [("site-packages", Path(folder)) for folder in interpreter.site_packages]
    folders.append(("project", plan.cwd))
    if plan.data is not None:
        folders.append(("data", plan.data))
    return [*folders, ("temporary", Path(tempfile.gettempdir()))]


def _resources(*, not_read: list[str]) -> Resources:
    total = free = None
    try:
        total, _, free = shutil.disk_usage("/dev/shm")
    except OSError as error:
        not_read.append(f"shared memory: /dev/shm: {error.strerror or error}")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return Resources(
        shared_memory_bytes=total,
        shared_memory_free_bytes=free,
        max_open_files=soft,
        max_open_files_hard=None if hard == resource.RLIM_INFINITY else hard,
    )

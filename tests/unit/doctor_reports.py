"""Examinations made by hand: a healthy environment, and one in which nearly everything costs time."""

from typing import Any

from reports_fixture import CWD, ENVIRONMENT, PACKAGES, TOOL

from ocrprof.results.doctor import (
    BusyProcess,
    BytecodeTree,
    Cache,
    Distribution,
    Finder,
    GpuProcess,
    GpuState,
    Interpreter,
    InterpreterStarts,
    Mount,
    Package,
    ParallelLoop,
    PathEntry,
    Processors,
    Resources,
    SiteLine,
    WandbState,
)
from ocrprof.results.model import DoctorReport, TargetInfo

PYTHON = f"{CWD}/.venv/bin/python"
LIBRARY = "/usr/lib/python3.11"
US, MS = 1e-6, 1e-3


def doctor_report(**changes: Any) -> DoctorReport:
    """An environment in which nothing costs time."""
    fields: dict[str, Any] = {
        "created": "2026-03-02T09:41:00+00:00",
        "tool": TOOL,
        "target": TargetInfo(argv=[PYTHON], cwd=CWD),
        "environment": ENVIRONMENT.model_copy(update={"notes": []}),
        "seconds": 2.31,
        "interpreter": interpreter(),
        "starts": starts(),
        "mounts": [
            mount("interpreter", path=LIBRARY),
            mount("site-packages", path=PACKAGES),
            mount("project", path=CWD),
            mount("temporary", path="/tmp", file_system="tmpfs", mount_point="/tmp"),
        ],
        "bytecode": [tree("project", num_sources=84), tree("site-packages"), tree("standard library", path=LIBRARY)],
        "processors": processors(),
        "resources": resources(),
        "caches": [
            Cache(
                name="Inductor kernels",
                path="/tmp/torchinductor_ana",
                chosen_by="default",
                exists=True,
                num_files=312,
                num_bytes=48 * 2**20,
                file_system="tmpfs",
            ),
            Cache(name="Hugging Face hub", path="/data/hf/hub", chosen_by="HF_HOME", exists=False),
        ],
        "wandb": WandbState(version="0.31.0", mode="offline", mode_from="WANDB_MODE"),
        "not_read": ["GPUs: no NVIDIA driver answers (NVML Shared Library Not Found)"],
    }
    return DoctorReport(**{**fields, **changes})


def sick_report() -> DoctorReport:
    """Windows mount, no bytecode, a slow .pth line, many threads on a busy machine, small limits, a hot GPU."""
    windows = {"file_system": "9p", "mount_point": "/mnt/c", "source": "C:\\"}
    return doctor_report(
        interpreter=interpreter(
            dont_write_bytecode=True,
            duplicates=[distribution("numpy", "1.26.4"), distribution("numpy", "2.1.0")],
            clashing=[distribution("opencv-python", "4.10.0.84"), distribution("opencv-python-headless", "4.11.0.86")],
        ),
        starts=starts(
            plain=412 * MS,
            site_lines=[SiteLine(file=f"{PACKAGES}/slow.pth", line=3, text="import ocr_hooks", seconds=[0.36, 0.37])],
        ),
        mounts=[
            mount("site-packages", path="/mnt/c/env", look_up=410 * US, **windows),
            mount("project", path="/mnt/c/ocr", look_up=390 * US, **windows),
            mount("data", path="/data", file_system="nfs4", mount_point="/data", read=2.1 * MS),
        ],
        bytecode=[cold_tree("site-packages", num_cold=1204)],
        processors=processors(
            num_openmp_threads=64,
            thread_variables={"OMP_NUM_THREADS": "64"},
            parallel_loop=parallel_loop(threads=64, slow=427 * US, fast=94 * US),
            loop_wall_seconds=[0.06] * 5,
            others_busy_cores=5.2,
            busiest=[BusyProcess(pid=4711, name="python", cores=4.9)],
            load_average=9.1,
            pressure={"cpu": 0.62, "memory": 0.0, "io": 0.31},
        ),
        resources=resources(shared_memory_bytes=64 * 2**20, shared_memory_free_bytes=64 * 2**20, max_open_files=64),
        gpus=[gpu(clock_mhz=990, throttle_reasons=["thermal (hardware)"])],
        gpu_start_seconds=0.02,
        not_read=[],
    )


def interpreter(**changes: Any) -> Interpreter:
    fields: dict[str, Any] = {
        "executable": PYTHON,
        "version": "3.11.9",
        "prefix": f"{CWD}/.venv",
        "standard_library": LIBRARY,
        "site_packages": [PACKAGES],
        "dont_write_bytecode": False,
        "optimize": 0,
        "path": [
            PathEntry(path="/usr/lib/python311.zip", exists=False, expected_absent=True),
            PathEntry(path=LIBRARY, exists=True),
            PathEntry(path=PACKAGES, exists=True),
        ],
        "lookup_seconds": [180 * US, 22 * US, 21 * US],
        "finders": [Finder(name="_distutils_hack.DistutilsMetaFinder", lookup_seconds=[1.2 * US] * 3)],
        "num_distributions": 131,
    }
    return Interpreter(**{**fields, **changes})


def starts(*, bare: float = 15 * MS, plain: float = 21 * MS, **changes: Any) -> InterpreterStarts:
    return InterpreterStarts(**{"bare_seconds": [bare] * 5, "plain_seconds": [plain] * 5, **changes})


def mount(
    role: str,
    *,
    path: str = "/work",
    file_system: str = "ext4",
    mount_point: str = "/",
    look_up: float = 2.5 * US,
    read: float = 6 * US,
    first: float = 1.5,
    **changes: Any,
) -> Mount:
    """A folder whose first touch takes `first` times as long as the next one."""
    return Mount(
        **{
            "role": role,
            "path": path,
            "file_system": file_system,
            "mount_point": mount_point,
            "num_files": 200,
            "stat_first_seconds": [look_up * first] * 3,
            "stat_again_seconds": [look_up] * 3,
            "read_first_seconds": [read * first] * 3,
            "read_again_seconds": [read] * 3,
            "bulk_bytes": 64 * 2**20,
            "bulk_seconds": 0.03,
            "bulk_cached_share": 1.0,
            **changes,
        }
    )


def tree(role: str, *, path: str = PACKAGES, num_sources: int = 11828, **changes: Any) -> BytecodeTree:
    """A tree of which every source has its bytecode."""
    fields: dict[str, Any] = {
        "role": role,
        "path": path,
        "num_sources": num_sources,
        "num_missing": 0,
        "num_checked": num_sources,
        "num_stale": 0,
    }
    return BytecodeTree(**{**fields, **changes})


def cold_tree(role: str, *, num_cold: int, num_sources: int = 11828, **changes: Any) -> BytecodeTree:
    """A tree of which `num_cold` sources, of packages that nothing has loaded, take 4 ms each to compile."""
    fields: dict[str, Any] = {
        "num_missing": num_cold,
        "num_cold_sources": num_cold,
        "cold_packages": [Package(name="lightning", num_sources=num_cold)],
        "compile_seconds": [3.9 * MS, 4.3 * MS, 4.4 * MS],
        "load_seconds": [0.2 * MS] * 3,
    }
    return tree(role, num_sources=num_sources, **{**fields, **changes})


def processors(**changes: Any) -> Processors:
    fields: dict[str, Any] = {
        "num_present": 64,
        "num_affinity": 8,
        "num_usable": 8.0,
        "num_openmp_threads": 8,
        "loop_wall_seconds": [0.0305] * 5,
        "loop_cpu_seconds": [0.03] * 5,
        "others_busy_cores": 0.12,
        "load_average": 0.4,
        "pressure": {"cpu": 0.01, "memory": 0.0, "io": 0.0},
    }
    return Processors(**{**fields, **changes})


def parallel_loop(*, threads: int, slow: float, fast: float) -> ParallelLoop:
    return ParallelLoop(
        runtime=f"{PACKAGES}/torch/lib/libgomp.so.1",
        num_threads=threads,
        num_fitting=8,
        threads_seconds=[slow] * 3,
        fitting_seconds=[fast] * 3,
    )


def resources(**changes: Any) -> Resources:
    fields: dict[str, Any] = {
        "shared_memory_bytes": 16 * 2**30,
        "shared_memory_free_bytes": 15 * 2**30,
        "max_open_files": 1024,
        "max_open_files_hard": 1048576,
    }
    return Resources(**{**fields, **changes})


def gpu(**changes: Any) -> GpuState:
    fields: dict[str, Any] = {
        "index": 0,
        "name": "NVIDIA H100 80GB HBM3",
        "driver": "570.86.15",
        "persistence": True,
        "util_percent": 0.0,
        "memory_bytes": 80 * 2**30,
        "memory_used_bytes": 600 * 2**20,
        "clock_mhz": 1980.0,
        "max_clock_mhz": 1980.0,
        "temperature_celsius": 84.0,
    }
    return GpuState(**{**fields, **changes})


def gpu_process(**changes: Any) -> GpuProcess:
    return GpuProcess(**{"pid": 8123, "name": "python", "memory_bytes": 30 * 2**30, **changes})


def distribution(name: str, version: str) -> Distribution:
    return Distribution(name=name, version=version, path=f"{PACKAGES}/{name.replace('-', '_')}-{version}.dist-info")

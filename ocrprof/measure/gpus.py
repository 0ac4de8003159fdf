"""The state of the GPUs as NVML tells it: what runs on them already, and whether their clocks are held down."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import psutil

from ocrprof.results.doctor import GpuProcess, GpuState

_Value = TypeVar("_Value")
# Names of the bits as NVML's header gives them; the idle clock and the clocks a user has set are no fault.
_REASONS = {
    "SwPowerCap": "power cap",
    "HwSlowdown": "hardware slow-down",
    "SwThermalSlowdown": "thermal (driver)",
    "HwThermalSlowdown": "thermal (hardware)",
    "HwPowerBrakeSlowdown": "power brake",
}


def read_gpus(*, not_read: list[str]) -> tuple[list[GpuState], float | None]:
    """The devices, and the seconds of opening the driver; why there are none is added to `not_read`."""
    import pynvml

    began = time.perf_counter()
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        not_read.append(f"GPUs: no NVIDIA driver answers ({error})")
        return [], None
    opened = time.perf_counter() - began
    try:
        driver = _text(pynvml.nvmlSystemGetDriverVersion())
        return [_gpu(pynvml, index, driver) for index in range(pynvml.nvmlDeviceGetCount())], opened
    except pynvml.NVMLError as error:
        not_read.append(f"GPUs: {error}")
        return [], opened
    finally:
        pynvml.nvmlShutdown()


def _gpu(nvml: Any, index: int, driver: str) -> GpuState:  # Any: a module without types
    def told(read: Callable[[], _Value]) -> _Value | None:
        # What a device does not support, or does not show to this user, is None.
        try:
            return read()
        except nvml.NVMLError:
            return None

    device = nvml.nvmlDeviceGetHandleByIndex(index)
    memory = nvml.nvmlDeviceGetMemoryInfo(device)
    return GpuState(
        index=index,
        name=_text(nvml.nvmlDeviceGetName(device)),
        driver=driver,
        persistence=told(lambda: bool(nvml.nvmlDeviceGetPersistenceMode(device))),
        util_percent=told(lambda: float(nvml.nvmlDeviceGetUtilizationRates(device).gpu)),
        memory_bytes=int(memory.total),
        memory_used_bytes=int(memory.used),
        clock_mhz=told(lambda: float(nvml.nvmlDeviceGetClockInfo(device, nvml.NVML_CLOCK_SM))),
        max_clock_mhz=told(lambda: float(nvml.nvmlDeviceGetMaxClockInfo(device, nvml.NVML_CLOCK_SM))),
        temperature_celsius=told(lambda: float(nvml.nvmlDeviceGetTemperature(device, nvml.NVML_TEMPERATURE_GPU))),
        throttle_reasons=told(lambda: _reasons(nvml, device)) or [],
        processes=told(lambda: _processes(nvml, device)) or [],
    )


def _reasons(nvml: Any, device: Any) -> list[str]:  # Any: a module without types and its handle
    bits = nvml.nvmlDeviceGetCurrentClocksThrottleReasons(device)
    return [text for name, text in _REASONS.items() if bits & getattr(nvml, f"nvmlClocksThrottleReason{name}")]


def _processes(nvml: Any, device: Any) -> list[GpuProcess]:  # Any: a module without types and its handle
    found = []
    for process in nvml.nvmlDeviceGetComputeRunningProcesses(device):
        name = None
        # One of another container has a number here, but no name.
        with suppress(psutil.Error):
            name = psutil.Process(process.pid).name()
        memory = process.usedGpuMemory
        found.append(GpuProcess(pid=process.pid, name=name, memory_bytes=int(memory) if memory else None))
    return found


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value

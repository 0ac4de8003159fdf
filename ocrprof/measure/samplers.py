"""Memory and GPU of the target's process tree, once a second, while a training run is measured."""

import contextlib
import threading
import time
from types import TracebackType

import psutil

from ocrprof.results.model import MemorySample

_PERIOD_SECONDS = 1.0


class TreeSampler:
    """A context in which the tree of `pid` is sampled; `samples` holds what was seen.

    Once a second and no faster: reading a process's memory maps takes a lock of that process.
    """

    def __init__(self, pid: int) -> None:
        self.samples: list[MemorySample] = []
        self._pid = pid
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ocrprof-sampler", daemon=True)
        self._started = time.monotonic()

    def __enter__(self) -> "TreeSampler":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(timeout=5 * _PERIOD_SECONDS)

    def _run(self) -> None:
        with _nvml() as nvml:
            while not self._stop.wait(_PERIOD_SECONDS):
                sample = self._sample(nvml)
                if sample is not None:
                    self.samples.append(sample)

    def _sample(self, nvml: "_Nvml | None") -> MemorySample | None:
        resident, proportional, pids = 0, 0, []
        try:
            root = psutil.Process(self._pid)
            members = [root, *root.children(recursive=True)]
        except psutil.Error:
            return None
        exact = True
        for member in members:
            with contextlib.suppress(psutil.Error):
                resident += member.memory_info().rss
                pids.append(member.pid)
                try:
                    proportional += member.memory_full_info().pss
                except (psutil.Error, AttributeError):
                    exact = False
        if not pids:
            return None
        return MemorySample(
            at_seconds=time.monotonic() - self._started,
            rss_bytes=resident,
            pss_bytes=proportional if exact else None,
            num_processes=len(pids),
            gpu_bytes=nvml.bytes_of(pids) if nvml is not None else None,
            gpu_util_percent=nvml.utilisation() if nvml is not None else None,
        )


class _Nvml:
    """NVML's view of the devices that processes of the target use."""

    def __init__(self) -> None:
        import pynvml

        self._nvml = pynvml
        self._handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]

    def bytes_of(self, pids: list[int]) -> int:
        """Device bytes held by these processes, over all devices."""
        wanted = set(pids)
        return sum(
            int(process.usedGpuMemory or 0)
            for handle in self._handles
            for process in self._nvml.nvmlDeviceGetComputeRunningProcesses(handle)
            if process.pid in wanted
        )

    def utilisation(self) -> float:
        """Share of the last sampling period in which any kernel ran, percent, mean over the devices."""
        rates = [self._nvml.nvmlDeviceGetUtilizationRates(handle).gpu for handle in self._handles]
        return float(sum(rates) / len(rates)) if rates else 0.0


@contextlib.contextmanager
def _nvml():  # type: ignore[no-untyped-def]  # a context of _Nvml, or of None without a device
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        yield None
        return
    try:
        yield _Nvml()
    finally:
        pynvml.nvmlShutdown()

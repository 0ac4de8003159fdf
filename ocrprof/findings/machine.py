"""What a machine costs a run at this moment: other processes, cores that are not there, limits, the state of GPUs.

What slows down everything while it lasts is weighed against what was timed; what would end a run costs all of it.
"""

from statistics import median
from typing import Any

from ocrprof.findings.environment import REFERENCE_START_SECONDS
from ocrprof.findings.judging import finding, priority_of
from ocrprof.results.model import DoctorReport, Finding
from ocrprof.units import format_bytes, format_percent, format_seconds

_MIN_WAIT_SHARE = 0.1
_MIN_BUSY_SHARE = 0.25
_MIN_THROTTLED_SHARE = 0.05
_MIN_PRESSURE = {"memory": 0.05, "io": 0.2}
_MIN_SLOWDOWN = 1.5
# Eight pages of 1024 x 1024, float32: the batch that a worker has to put somewhere.
BATCH_BYTES = 8 * 3 * 1024 * 1024 * 4
_FEW_FILES, _TOO_FEW_FILES = 1024, 256
_MIN_GPU_UTIL_PERCENT = 5.0
_MIN_GPU_MEMORY_SHARE = 0.1
_MIN_GPU_START_SECONDS = 0.5


def threads_exceed_cores(report: DoctorReport) -> list[Finding]:
    """A finding where OpenMP starts more threads than there are cores, unless that was measured to cost little."""
    processors = report.processors
    threads, loop = processors.num_openmp_threads, processors.parallel_loop
    fitting = max(1, int(-(-processors.num_usable // 1)))
    if threads is None or threads <= fitting:
        return []
    slow = median(loop.threads_seconds) if loop else 0.0
    fast = median(loop.fitting_seconds) if loop else 0.0
    if loop and slow < _MIN_SLOWDOWN * fast:
        return []
    measured = f"a parallel loop takes {format_seconds(slow)}, not {format_seconds(fast)}" if loop else "not measured"
    told = processors.thread_variables.get("OMP_NUM_THREADS")
    return [
        finding(
            "threads-exceed-cores",
            f"{threads} OpenMP threads on {processors.num_usable:g} usable cores: {measured}",
            seconds=max(0.0, slow - fast),
            of_seconds=slow,
            evidence={
                "omp_num_threads": told or f"not set, so the {threads} cores that the quota does not count",
                "loop": "4 MiB shared among the threads" if loop else None,
            },
            advice=f"Set OMP_NUM_THREADS={fitting}.",
        )
    ]


def busy_machine(report: DoctorReport) -> list[Finding]:
    """A finding where other processes hold cores that a measurement would need."""
    processors = report.processors
    wall, cpu = sum(processors.loop_wall_seconds), sum(processors.loop_cpu_seconds)
    waited = max(0.0, wall - cpu)
    others = processors.others_busy_cores or 0.0
    if waited < _MIN_WAIT_SHARE * wall and others < _MIN_BUSY_SHARE * processors.num_usable:
        return []
    names = [f"{one.name} (pid {one.pid}): {one.cores:.2f} cores" for one in processors.busiest]
    return [
        finding(
            "busy-machine",
            f"Other processes keep {others:.1f} of {processors.num_usable:g} cores busy: a loop that computes for"
            f" {format_seconds(cpu)} takes {format_seconds(wall)}",
            seconds=waited,
            of_seconds=wall,
            evidence={
                "load_average": processors.load_average,
                "cpu_pressure_share": processors.pressure.get("cpu"),
                "busiest": names or ["not to be seen from here"],
            },
            advice="Every time that is measured now is too long, by an amount that changes. Stop them, or measure when"
            " they are done; until then compare runs only by turns.",
        )
    ]


def throttled(report: DoctorReport) -> list[Finding]:
    """A finding where the cgroup's quota has stopped this process's cores often."""
    share = report.processors.throttled_share
    if share is None or share < _MIN_THROTTLED_SHARE:
        return []
    return [
        finding(
            "cpu-throttled",
            f"The CPU quota of {report.processors.quota_cores:g} cores stopped this container in"
            f" {format_percent(share)} of its periods so far",
            seconds=share,
            of_seconds=1.0,
            evidence={"num_cores_present": report.processors.num_present},
            advice="Ask for more CPU, or start no more threads and workers than the quota has cores: os.cpu_count()"
            " does not know of it.",
        )
    ]


def under_pressure(report: DoctorReport) -> list[Finding]:
    """A finding for memory, and one for disks, where tasks had been waiting for it when the examination began."""
    waits = {"memory": ("memory", "memory to be freed"), "io": ("the disk", "a disk")}
    return [
        finding(
            f"{resource}-pressure",
            f"Some process waited for {waited_for} in {format_percent(share)} of the last 10 s",
            seconds=10 * share,
            of_seconds=10.0,
            advice=f"What is measured now includes such waits: find who uses {used}, or wait until it is over.",
        )
        for resource, at_least in _MIN_PRESSURE.items()
        for share, (used, waited_for) in [(report.processors.pressure.get(resource, 0.0), waits[resource])]
        if share >= at_least
    ]


def small_limits(report: DoctorReport) -> list[Finding]:
    """Findings for limits that end a run whose DataLoader has workers."""
    found = []
    resources = report.resources
    free = resources.shared_memory_free_bytes
    if free is not None and resources.shared_memory_bytes is not None and free < BATCH_BYTES:
        found.append(
            _ends_the_run(
                "small-shared-memory",
                f"/dev/shm has {format_bytes(free)} free: a worker that hands over a larger batch dies of a bus error",
                evidence={"size_bytes": resources.shared_memory_bytes, "batch_of_8_pages_bytes": BATCH_BYTES},
                advice="Give the container more: docker run --shm-size=8g, or --ipc=host; in Kubernetes an emptyDir of"
                " medium Memory at /dev/shm.",
            )
        )
    soft, hard = resources.max_open_files, resources.max_open_files_hard
    if soft < _FEW_FILES:
        to = "1048576" if hard is None else str(hard)
        advice = (
            f"`ulimit -n {to}` before the run: each worker holds pipes, and each tensor on its way a descriptor."
            if hard is None or hard > soft
            else "The hard limit is as low: raise it in limits.conf, or in the container's settings."
        )
        title = f"A process may open {soft} files: workers that hand over tensors run out of them"
        if soft < _TOO_FEW_FILES:
            found.append(_ends_the_run("few-file-descriptors", title, evidence={"hard_limit": hard}, advice=advice))
        else:
            found.append(
                finding(
                    "few-file-descriptors",
                    title,
                    seconds=0.0,
                    of_seconds=REFERENCE_START_SECONDS,
                    evidence={"hard_limit": hard},
                    advice=advice,
                )
            )
    return found


def gpu_states(report: DoctorReport) -> list[Finding]:
    """Findings for GPUs that are held down, used by others, or slow to open."""
    found = []
    for gpu in report.gpus:
        name = f"GPU {gpu.index} ({gpu.name})"
        reasons = [reason for reason in gpu.throttle_reasons if reason != "power cap"]
        if reasons and gpu.clock_mhz and gpu.max_clock_mhz:
            found.append(
                finding(
                    "gpu-throttled",
                    f"{name} runs at {gpu.clock_mhz:.0f} of {gpu.max_clock_mhz:.0f} MHz: {', '.join(reasons)}",
                    seconds=1 - gpu.clock_mhz / gpu.max_clock_mhz,
                    of_seconds=1.0,
                    evidence={"temperature_celsius": gpu.temperature_celsius},
                    advice="Let it cool, or see to its air flow and power: what is measured now is this state.",
                )
            )
        util = gpu.util_percent or 0.0
        memory_share = gpu.memory_used_bytes / gpu.memory_bytes
        if gpu.processes and (util >= _MIN_GPU_UTIL_PERCENT or memory_share >= _MIN_GPU_MEMORY_SHARE):
            found.append(
                finding(
                    "gpu-shared",
                    f"{name} is in use: {util:.0f} % of the time, {format_bytes(gpu.memory_used_bytes)} of its memory",
                    seconds=util / 100,
                    of_seconds=1.0,
                    evidence={"processes": [f"{one.name or 'unseen'} (pid {one.pid})" for one in gpu.processes]},
                    advice="Choose another device (CUDA_VISIBLE_DEVICES), or wait: two programs share its time.",
                )
            )
    if (
        report.gpu_start_seconds is not None
        and report.gpu_start_seconds >= _MIN_GPU_START_SECONDS
        and any(gpu.persistence is False for gpu in report.gpus)
    ):
        found.append(
            finding(
                "gpu-slow-open",
                f"Opening the GPU driver takes {format_seconds(report.gpu_start_seconds)}: persistence mode is off",
                seconds=report.gpu_start_seconds,
                of_seconds=REFERENCE_START_SECONDS,
                advice="Turn it on, as root: nvidia-smi -pm 1. Else the driver starts anew when no process holds it.",
            )
        )
    return found


def _ends_the_run(code: str, title: str, *, evidence: dict[str, Any], advice: str) -> Finding:  # Any: JSON values
    """No seconds can be named, and the share is all of the run."""
    return finding(code, title, seconds=0.0, of_seconds=1.0, evidence=evidence, advice=advice).model_copy(
        update={"share": 1.0, "priority": priority_of(1.0)}
    )

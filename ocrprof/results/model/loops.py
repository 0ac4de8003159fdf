"""Batch times and memory of a measured training run."""

from typing import Literal

from pydantic import Field

from ocrprof.results.model.values import Location, Part, Value


class LoopStatistics(Value):
    """Batch times of one loop, every one in order; the statistics leave out the first `num_warmup`."""

    name: Literal["train", "validation"]
    num_batches: int
    num_warmup: int
    total_seconds: float
    mean_seconds: float | None
    median_seconds: float | None
    p95_seconds: float | None
    p99_seconds: float | None
    std_seconds: float | None
    samples_per_sec: float | None = None
    batch_size: int | None = None
    num_workers: int | None = None
    batch_seconds: list[float] = []
    parts: dict[str, list[float]] = Field(
        default={}, description="exclusive seconds of each part of each batch: fetch, transfer, forward, …"
    )
    part_locations: dict[str, Location] = {}
    outside_batches: list[Part] = Field(
        default=[], description="the rest of `total_seconds`, before, between and after the batches, the longest first"
    )


class MemorySample(Value):
    """The target's process tree at one moment. PSS counts shared pages once; GPU bytes are the tree's own."""

    at_seconds: float
    rss_bytes: int
    pss_bytes: int | None = None
    num_processes: int
    gpu_bytes: int | None = None
    gpu_util_percent: float | None = None


class Memory(Value):
    """Peaks of the process tree, and the CUDA allocator's own peaks where there is one."""

    peak_rss_bytes: int
    peak_pss_bytes: int | None = None
    share_of_machine: float
    gpu_allocated_bytes: int | None = None
    gpu_reserved_bytes: int | None = None
    gpu_peak_bytes: int | None = None
    samples: list[MemorySample] = []

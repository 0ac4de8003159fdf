"""What the target itself knew at the end: its composed configuration, its logged metrics, its CUDA memory."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from ocrprof.records import Memory, ProcessRecords
from ocrprof.results.mask import mask_config
from ocrprof.results.phases import main_process


def composed_config(records: Sequence[ProcessRecords]) -> dict[str, Any] | None:  # Any: JSON values
    """The main process's composed configuration, credentials masked; None for a program without Hydra."""
    main = main_process(records)
    return None if main is None or main.config is None else mask_config(main.config)


def config_hash(config: Mapping[str, Any]) -> str:  # Any: JSON values
    """`sha256:…`, equal for configurations that hold the same values, in whatever order."""
    text = json.dumps(config, sort_keys=True, separators=(",", ":"), default=str)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def logged_metrics(records: Sequence[ProcessRecords]) -> dict[str, float]:
    """The last values of what the target's Trainer logged; empty without one."""
    main = main_process(records)
    return {} if main is None else dict(main.metrics)


def cuda_memory(records: Sequence[ProcessRecords]) -> Memory | None:
    """The main process's own memory figures; None where it did not get to write them or never used CUDA."""
    main = main_process(records)
    if main is None or main.memory is None or main.memory.cuda_peak_bytes is None:
        return None
    return main.memory

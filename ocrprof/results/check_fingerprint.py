"""Fingerprints of machines and workloads: their identity, and field by field where two of them differ."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, Literal

from ocrprof.results.model import Environment, Fingerprint, FingerprintField

Tier = Literal["refuse", "treatment", "warn"]
_TIERS: tuple[Tier, ...] = ("refuse", "treatment", "warn")
_MACHINE = ("cpu", "cpu_model", "cores_usable", "smt", "gpus", "gpu_driver", "cuda", "threads", "arch")
"""What times depend on, and sets of modules do not."""
_CONDITIONS = ("cold", "duet")
"""Of a launch: how it was timed, on which sets of modules do not depend either."""


def make_fingerprint(
    *,
    refuse: Mapping[str, Any],  # Any: JSON values, in all four
    treatment: Mapping[str, Any],
    warn: Mapping[str, Any],
    record: Mapping[str, Any],
) -> Fingerprint:
    """The fingerprint of these fields; those that are None are not known, and left out."""
    known = [
        {name: value for name, value in fields.items() if value is not None} for fields in (refuse, treatment, warn)
    ]
    text = json.dumps(known[0], sort_keys=True, separators=(",", ":"), default=str)
    return Fingerprint(
        id=hashlib.sha256(text.encode()).hexdigest()[:12],
        refuse=known[0],
        treatment=known[1],
        warn=known[2],
        record={name: value for name, value in record.items() if value is not None},
    )


def fingerprint_of_environment(
    environment: Environment,
    *,
    config: Mapping[str, Any] | None,  # Any: JSON values
    launch: Mapping[str, Any],
) -> Fingerprint:
    """What a report tells that holds no fingerprint of its own: a start's, or a baseline's. Fewer fields than those."""
    system, _, rest = environment.os.partition(" ")
    kernel, _, arch = rest.rpartition(" ")
    return make_fingerprint(
        refuse={
            "schema": 1,
            "launch": dict(launch),
            "config": workload_hash(config) if config is not None else None,
            "os": system,
            "arch": arch,
            "cpu": environment.cpu,
            "cores_usable": environment.num_cores_usable,
            "gpus": [gpu.name for gpu in environment.gpus],
        },
        treatment={"python": minor_version(environment.python), **environment.libraries},
        warn={"kernel": kernel, "memory_gib": round(environment.memory_bytes / 2**30)},
        record={"load_average": environment.load_average},
    )


def differences(
    base: Fingerprint, candidate: Fingerprint, *, exact_only: bool = False, deps_under_test: bool = False
) -> list[FingerprintField]:
    """The fields in which two fingerprints differ, by tier; fields that only one has are not compared.

    `exact_only`: no times are judged, so another machine is only to be told. `deps_under_test`: other versions of
    libraries are what is being tested, and to be told.
    """
    found = []
    for tier in _TIERS:
        before, after = getattr(base, tier), getattr(candidate, tier)
        for name in before:
            if name not in after or before[name] == after[name]:
                continue
            told: Tier = "warn" if exact_only and name in (*_MACHINE, "config") else tier
            if exact_only and name == "launch" and _unconditional(before[name]) == _unconditional(after[name]):
                told = "warn"
            # The refusing tier of a comparison with a stored baseline: libraries belong to it unless they are tested.
            if tier == "treatment" and not deps_under_test:
                told = "refuse"
            found.append(FingerprintField(tier=told, name=name, base=_text(before[name]), candidate=_text(after[name])))
    return found


def workload_hash(config: Mapping[str, Any]) -> str:  # Any: a composed configuration
    """Equal for configurations that differ in paths, and in what Hydra says of itself, alone."""
    text = json.dumps(_without_paths({**config, "hydra": None}), sort_keys=True, separators=(",", ":"), default=str)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def minor_version(version: str) -> str:
    """`3.11` of `3.11.7`."""
    return ".".join(re.findall(r"\d+", version)[:2])


def _unconditional(launch: Mapping[str, Any]) -> dict[str, Any]:  # Any: JSON values
    return {name: value for name, value in launch.items() if name not in _CONDITIONS}


def _without_paths(value: Any) -> Any:  # Any: JSON values
    if isinstance(value, dict):
        return {name: _without_paths(one) for name, one in value.items() if name != "paths"}
    if isinstance(value, list):
        return [_without_paths(one) for one in value]
    return "…" if isinstance(value, str) and "/" in value else value


def _text(value: Any) -> str:  # Any: a JSON value
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)

"""What differs between the machines, the software and the commands of two reports, field by field."""

from collections.abc import Mapping

from ocrprof.results.check_fingerprint import differences
from ocrprof.results.model import AnyReport, BaselineReport, CheckReport, Environment, FingerprintField, StartupReport
from ocrprof.units import format_bytes

_ARGUMENTS_SHOWN = 400


def environment_mismatches(base: AnyReport, candidate: AnyReport) -> list[FingerprintField]:
    """`refuse`: times of the two cannot be compared; `treatment`: a cause that may be meant; `warn`: may shift them."""
    before, after = base.environment, candidate.environment
    fields = [
        *_fields("refuse", _machine(before), _machine(after)),
        *_fields("refuse", _conditions(base), _conditions(candidate)),
        *_fingerprints(base, candidate),
        *_fields("treatment", _treatment(base), _treatment(candidate)),
        *_fields("warn", _surroundings(base), _surroundings(candidate)),
    ]
    # A fingerprint may tell of what the environment tells of as well.
    unique: dict[str, FingerprintField] = {}
    for field in fields:
        unique.setdefault(field.name, field)
    return list(unique.values())


def _machine(environment: Environment) -> dict[str, str]:
    return {
        "processor": environment.cpu,
        "usable cores": f"{environment.num_cores_usable:g}",
        "GPUs": ", ".join(f"{gpu.name} (driver {gpu.driver})" for gpu in environment.gpus) or "none",
        "system": environment.os.partition(" ")[0],
    }


def _conditions(report: AnyReport) -> dict[str, str]:
    if isinstance(report, StartupReport):
        return {"page cache": report.cache}
    if isinstance(report, BaselineReport):
        return {"limits imposed": ", ".join(f"{name} {value}" for name, value in report.limits.items()) or "none"}
    return {}


def _treatment(report: AnyReport) -> dict[str, str]:
    """What may well be what the two are compared for: the command, the configuration, versions."""
    environment = report.environment
    return {
        "arguments": " ".join(report.target.argv[1:])[:_ARGUMENTS_SHOWN],
        **({"configuration": report.target.config_hash} if report.target.config_hash else {}),
        "Python": environment.python,
        **environment.libraries,
    }


def _surroundings(report: AnyReport) -> dict[str, str]:
    environment = report.environment
    return {
        "kernel": environment.os,
        "memory": format_bytes(environment.memory_bytes),
        "interpreter": report.target.argv[0] if report.target.argv else "",
        "folder": report.target.cwd,
        "ocrprof": report.tool.version,
        **{f"file system of {name}": kind for name, kind in environment.file_systems.items()},
    }


def _fingerprints(base: AnyReport, candidate: AnyReport) -> list[FingerprintField]:
    if not isinstance(base, CheckReport) or not isinstance(candidate, CheckReport):
        return []
    if base.fingerprint is None or candidate.fingerprint is None:
        return []
    return differences(base.fingerprint, candidate.fingerprint, deps_under_test=True)


def _fields(tier: str, base: Mapping[str, str], candidate: Mapping[str, str]) -> list[FingerprintField]:
    return [
        FingerprintField.model_validate(
            {"tier": tier, "name": name, "base": base.get(name, "none"), "candidate": candidate.get(name, "none")}
        )
        for name in dict.fromkeys([*base, *candidate])
        if base.get(name) != candidate.get(name)
    ]

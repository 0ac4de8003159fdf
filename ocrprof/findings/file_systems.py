"""`slow-filesystem` of a start: modules looked up and read where each file asks another machine, or another process.

The seconds are those that the loads themselves spent on it, not a probe's. On a local disk they belong to the imports:
which mounts are slow whatever their type, and the latency of each, is what `ocrprof doctor` measures.
"""

from ocrprof.findings.environment import is_remote
from ocrprof.findings.judging import finding, start_seconds
from ocrprof.results.model import Finding, LoadedFrom, StartupReport
from ocrprof.units import format_seconds

_MIN_SECONDS = 0.3
_MIN_SHARE = 0.03


def slow_module_files(report: StartupReport) -> list[Finding]:
    """One finding for each tree of modules on such a file system that takes long."""
    of_seconds = start_seconds(report)
    return [
        _finding(one, of_seconds)
        for one in report.loaded_from
        if is_remote(one.file_system) and _seconds(one) >= max(_MIN_SECONDS, _MIN_SHARE * of_seconds)
    ]


def _seconds(one: LoadedFrom) -> float:
    return one.find_seconds + one.read_seconds


def _finding(one: LoadedFrom, of_seconds: float) -> Finding:
    each = format_seconds(_seconds(one) / one.num_modules)
    return finding(
        "slow-filesystem",
        f"{one.num_modules} modules are looked up and read on {one.file_system}, {each} each",
        seconds=_seconds(one),
        of_seconds=of_seconds,
        evidence={
            "folder": one.folder,
            "find_seconds": one.find_seconds,
            "read_seconds": one.read_seconds,
            "claims": "all of looking up and reading; a local disk takes a small part of it",
        },
        advice=f"Keep {one.folder} on a local disk (under WSL, inside its own file system and not below /mnt; on a"
        " cluster, an image or archive that is unpacked on the node). `ocrprof doctor` measures the latency.",
    )

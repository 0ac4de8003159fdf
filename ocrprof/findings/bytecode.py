"""`no-bytecode-cache` of a start: modules that were compiled from their source, as they will be in the next start.

Judged only where an earlier run of the same measurement had reached its milestone: what the very first start after an
installation compiles is there for the second one.
"""

from typing import Any

from ocrprof.findings.judging import finding, start_seconds
from ocrprof.results.model import Compilation, Finding, StartupReport
from ocrprof.results.startup import representative
from ocrprof.units import format_seconds

_MIN_SECONDS = 0.1
_MIN_SHARE = 0.005


def compiled_modules(report: StartupReport) -> list[Finding]:
    """At most one finding: what every start compiles, why, and where."""
    compilation, of_seconds = report.compilation, start_seconds(report)
    if compilation is None or compilation.seconds < max(_MIN_SECONDS, _MIN_SHARE * of_seconds):
        return []
    index = representative(report.runs)
    if not any(run.reached for run in report.runs[:index]):
        return []
    reason, advice = _why(compilation)
    return [
        finding(
            "no-bytecode-cache",
            f"{compilation.num_modules} modules are compiled from source in every start: {reason}",
            seconds=compilation.seconds,
            of_seconds=of_seconds,
            evidence=_evidence(compilation),
            intervals=_while_compiling(report),
            advice=advice,
        )
    ]


def _why(compilation: Compilation) -> tuple[str, str]:
    folder = compilation.folders[0].name
    if not compilation.writes:
        return (
            "nothing may be written (PYTHONDONTWRITEBYTECODE, or -B)",
            "Unset PYTHONDONTWRITEBYTECODE (in a container image: after the installation, or run"
            f" `python -m compileall {folder}` in it), so that the next start reads what this one compiled.",
        )
    if compilation.prefix is not None and compilation.num_unwritable:
        return (
            f"PYTHONPYCACHEPREFIX names {compilation.prefix}, which cannot be written",
            f"Make {compilation.prefix} writable, or unset PYTHONPYCACHEPREFIX.",
        )
    if compilation.num_unwritable > compilation.num_modules / 2:
        return (
            "their folders cannot be written",
            f"Compile once where they can be written, when the image or environment is made: `python -m compileall"
            f" {folder}` (`uv sync --compile-bytecode`); or let PYTHONPYCACHEPREFIX name a folder that can be.",
        )
    if compilation.prefix is not None:
        return (
            f"PYTHONPYCACHEPREFIX names {compilation.prefix}, which loses them between starts",
            f"Let PYTHONPYCACHEPREFIX name a folder that outlives the start, not {compilation.prefix}; or unset it.",
        )
    return (
        "bytecode that is written does not serve the next start",
        f"See what touches the sources in {folder} between starts (a checkout or copy that renews their times, a"
        " clock that is off): `python -m compileall --invalidation-mode checked-hash` makes bytecode that survives it.",
    )


def _evidence(compilation: Compilation) -> dict[str, Any]:  # Any: JSON values
    return {
        "num_modules": compilation.num_modules,
        "folders": [f"{part.name} {format_seconds(part.seconds)}" for part in compilation.folders[:4]],
        "claims": "compiling and writing; reading the bytecode instead takes a small part of it",
    }


def _while_compiling(report: StartupReport) -> list[tuple[float, float]]:
    """The beginning of each load that compiled: a body runs when its code is there."""
    return [
        (row.start_seconds, row.start_seconds + row.parts.compile_seconds + row.parts.write_seconds)
        for row in report.imports
        if row.compiled and row.thread == 0
    ]

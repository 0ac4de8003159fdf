"""What every rule shares: how a finding gets its priority, and how it names a line."""

from collections.abc import Iterable, Sequence
from pathlib import PurePath
from typing import Any

from ocrprof.results.model import Finding, Location, Priority, StartupReport
from ocrprof.results.summary import milestone_key

_PRIORITIES: tuple[tuple[float, Priority], ...] = ((0.20, "P0"), (0.10, "P1"), (0.03, "P2"))


def priority_of(share: float) -> Priority:
    """P0 from 20 % of the measured time, P1 from 10 %, P2 from 3 %, P3 below: by the seconds, whatever the rule."""
    return next((priority for at_least, priority in _PRIORITIES if share >= at_least), "P3")


def finding(
    code: str,
    title: str,
    *,
    seconds: float,
    of_seconds: float,
    advice: str,
    location: Location | None = None,
    evidence: dict[str, Any] | None = None,  # Any: JSON values
) -> Finding:
    """A finding that costs `seconds` of the `of_seconds` that were measured."""
    share = seconds / of_seconds if of_seconds > 0 else 0.0
    return Finding(
        code=code,
        title=title,
        priority=priority_of(share),
        seconds=seconds,
        share=share,
        location=location,
        evidence=evidence or {},
        advice=advice,
    )


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """By priority, then by seconds."""
    return sorted(findings, key=lambda one: (one.priority, -one.seconds))


def start_seconds(report: StartupReport) -> float:
    """The median time to the milestone; of a start that never reached it, the time until it broke off."""
    summary = report.summary.get(milestone_key(report.until))
    if summary:
        return float(summary["median"])
    return max((run.wall_seconds for run in report.runs), default=0.0)


def reached(report: StartupReport) -> bool:
    """Whether the milestone was reached in a run that counts."""
    return milestone_key(report.until) in report.summary


def place(location: Location, *, cwd: str) -> str:
    """`ocr/train.py:12` as seen from `cwd`, `torch/nn/functional.py:9` for what is installed."""
    path = PurePath(location.file)
    parts = path.parts
    for folder in ("site-packages", "dist-packages"):
        if folder in parts:
            return f"{PurePath(*parts[len(parts) - parts[::-1].index(folder) :])}:{location.line}"
    return f"{path.relative_to(cwd) if path.is_relative_to(cwd) else path}:{location.line}"


def places(locations: Sequence[Location], *, cwd: str) -> str:
    """`a.py:1, b.py:2 and c.py:3`."""
    names = [place(location, cwd=cwd) for location in locations]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def bare(name: str) -> str:
    """The last part of a dotted name: `DBNet` for `pipeline.detection.dbnet.DBNet`."""
    return name.rpartition(".")[2]

"""What every rule shares: how a finding gets its priority, and how it names a line."""

from collections.abc import Iterable, Sequence
from pathlib import PurePath
from typing import Any, Literal

from ocrprof.results.model import (
    Composition,
    Construction,
    FileScan,
    Finding,
    ImportRow,
    Location,
    Priority,
    StartupReport,
)
from ocrprof.results.summary import milestone_key

Effect = Literal["saves", "moves", "tells"]

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
    effect: Effect = "saves",
    intervals: Iterable[tuple[float, float]] = (),
) -> Finding:
    """A finding that costs `seconds` of the `of_seconds` that were measured.

    `effect` is that of mending it on the time to the milestone, `intervals` are when it was paid.
    """
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
        effect=effect,
        intervals=list(intervals),
    )


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """By priority, then by seconds; last what is only to be known, which never stands above what is to be changed."""
    found = list(findings)
    highest = min((one.priority for one in found if one.effect != "tells"), default="P3")
    ranked = [
        one.model_copy(update={"priority": max(one.priority, highest)}) if one.effect == "tells" else one
        for one in found
    ]
    return sorted(ranked, key=lambda one: (one.effect == "tells", one.priority, -one.seconds))


def loading(rows: Iterable[ImportRow]) -> list[tuple[float, float]]:
    """When these loads went on, with what was loaded inside them."""
    return [(row.start_seconds, row.start_seconds + row.inclusive_seconds) for row in rows if row.thread == 0]


def working(rows: Iterable[Construction | Composition | FileScan]) -> list[tuple[float, float]]:
    """When these were built, called, composed or read."""
    return [(row.start_seconds, row.start_seconds + row.seconds) for row in rows]


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

"""`slow-module-init` and `eager-evaluator`: a LightningModule's `__init__` does other work than building its network.

Judged is the time in `__init__` less the construction of `nn.Module`s and less module loads: its own code, and what
else it builds (evaluators, data sets, loggers). Metrics of torchmetrics are known as such, and are `eager-evaluator`;
`torch.compile` is judged elsewhere. Reading weights in `__init__` is such work too, and may well be needed:
the seconds are measured, that they can be saved is not claimed. A network that takes long to build is no finding.
"""

from typing import Any

from ocrprof.findings.judging import bare, finding, place, start_seconds, working
from ocrprof.results.constructions import COMPILE, IMPORTS, METRICS, NETWORK, OWN_CODE
from ocrprof.results.model import Construction, Finding, Part, StartupReport
from ocrprof.units import format_seconds

_MIN_SECONDS = 0.2
_MIN_SHARE = 0.005


def slow_module_inits(report: StartupReport) -> list[Finding]:
    """One finding for each LightningModule whose `__init__` spends long on other work."""
    of_seconds = start_seconds(report)
    found = []
    for row in report.constructions:
        other = [part for part in row.parts if part.name not in (NETWORK, IMPORTS, METRICS, COMPILE)]
        seconds = sum(part.seconds for part in other)
        if row.kind == "model.init" and seconds >= max(_MIN_SECONDS, _MIN_SHARE * of_seconds):
            found.append(_finding(row, other, seconds, report, of_seconds))
    return found


def eager_evaluators(report: StartupReport) -> list[Finding]:
    """One finding for each LightningModule whose `__init__` spends long on metrics, which validation alone uses."""
    of_seconds = start_seconds(report)
    return [
        _metrics(row, part, report, of_seconds)
        for row in report.constructions
        for part in row.parts
        if row.kind == "model.init" and part.name == METRICS
        if part.seconds >= max(_MIN_SECONDS, _MIN_SHARE * of_seconds)
    ]


def _metrics(row: Construction, part: Part, report: StartupReport, of_seconds: float) -> Finding:
    at = f" ({place(part.location, cwd=report.target.cwd)})" if part.location else ""
    return finding(
        "eager-evaluator",
        f"{bare(row.name)}.__init__ spends {format_seconds(part.seconds)} on building metrics",
        seconds=part.seconds,
        of_seconds=of_seconds,
        location=part.location or row.location,
        evidence={
            "init_seconds": row.seconds,
            "module": row.name,
            "claims": "the time to the first step where no sanity check runs before it; runs that never validate",
        },
        effect="moves" if any(one.kind == "sanity_check" for one in report.constructions) else "saves",
        advice=f"Build them{at} at the first validation (`on_validation_epoch_start`, on the module's device): training"
        " steps need none of them.",
    )


def _finding(row: Construction, other: list[Part], seconds: float, report: StartupReport, of_seconds: float) -> Finding:
    longest = max(other, key=lambda part: part.seconds)
    return finding(
        "slow-module-init",
        f"{bare(row.name)}.__init__ spends {format_seconds(seconds)} on other work than building its network",
        seconds=seconds,
        of_seconds=of_seconds,
        location=row.location,
        evidence=_evidence(row),
        intervals=working([row]),
        advice=_advice(row, longest, report.target.cwd),
    )


def _evidence(row: Construction) -> dict[str, Any]:  # Any: JSON values
    return {"init_seconds": row.seconds} | {f"{part.name}_seconds": part.seconds for part in row.parts[:5]}


def _advice(row: Construction, longest: Part, cwd: str) -> str:
    if longest.name == OWN_CODE:
        at = f" ({place(row.location, cwd=cwd)})" if row.location else ""
        return (
            f"The body of `__init__`{at} takes {format_seconds(longest.seconds)} of it: do in `setup()`, or at first"
            f" use, what the network is not made of, so that {bare(row.name)} costs its network alone."
        )
    at = f" ({place(longest.location, cwd=cwd)})" if longest.location else ""
    return (
        f"`{longest.name}`{at} takes {format_seconds(longest.seconds)} of it: make it at its first use (a metric or an"
        f" evaluator in `on_validation_start`), or outside and hand it in."
    )

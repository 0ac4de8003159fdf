"""`instantiate-overhead`: what `hydra.utils.instantiate` itself does around the targets that it calls.

Judged is the time in `instantiate` that is neither a target's nor an import's: copying configurations, resolving
them, turning plain containers into configuration nodes.
"""

from ocrprof.findings.judging import finding, start_seconds
from ocrprof.results.model import Finding, StartupReport
from ocrprof.units import format_seconds

_MIN_SECONDS = 0.2
_MIN_SHARE = 0.03


def instantiate_overhead(report: StartupReport) -> list[Finding]:
    """At most one finding: Hydra's own work in `instantiate`, and the containers that it turned into configurations."""
    figures, of_seconds = report.hydra, start_seconds(report)
    if figures is None or figures.instantiate_overhead_seconds < max(_MIN_SECONDS, _MIN_SHARE * of_seconds):
        return []
    seconds = figures.instantiate_overhead_seconds
    largest = max(figures.conversions, key=lambda one: one.seconds, default=None)
    costly = max(report.instantiations, key=lambda row: row.overhead_seconds or 0.0, default=None)
    if largest is not None:
        advice = (
            f"A call of `instantiate` turns {largest.num_elements} elements of plain lists and dicts into configuration"
            f" nodes ({format_seconds(largest.seconds)}): give it `_partial_: true` and call what it returns with them."
        )
    else:
        path = f" (`{costly.config_path}`)" if costly is not None and costly.config_path else ""
        advice = (
            f"{figures.instantiate_calls} calls copy and resolve their configuration before they build anything: move"
            f" large lists and tables out of the nodes that are instantiated{path}, into files that the target reads."
        )
    return [
        finding(
            "instantiate-overhead",
            f"Hydra's own work in `instantiate` takes {format_seconds(seconds)}",
            seconds=seconds,
            of_seconds=of_seconds,
            location=largest.location if largest is not None else (costly.location if costly is not None else None),
            evidence={
                "calls": figures.instantiate_calls,
                "elements_converted": [one.num_elements for one in figures.conversions],
            },
            advice=advice,
        )
    ]

"""`slow-compose`: Hydra and OmegaConf take long over the configuration, by cause.

**A resolver** that is called more than a hundred times: an interpolation is resolved anew at each access, and once more
in `OmegaConf.resolve` and `to_container`. **The plugin scan**, which imports whatever `hydra_plugins` holds.
**Composition**: the list of defaults, its files, overrides and merging; `hydra.main` does it twice. Seconds of
resolvers are exclusive; a composition resolves nothing but what the list of defaults refers to.
"""

from ocrprof.findings.judging import finding, start_seconds, working
from ocrprof.results.model import Calls, Finding, HydraFigures, StartupReport
from ocrprof.units import format_seconds

_MIN_CALLS = 100
_MIN_RESOLVER_SECONDS, _MIN_RESOLVER_SHARE = 0.1, 0.005
_MIN_PLUGINS_SECONDS, _MIN_PLUGINS_SHARE = 0.3, 0.01
_MIN_COMPOSE_SECONDS, _MIN_COMPOSE_SHARE = 0.5, 0.03


def slow_compose(report: StartupReport) -> list[Finding]:
    """A finding for each costly resolver, one for the plugin scan, and one for composition, where they take long."""
    figures = report.hydra
    if figures is None:
        return []
    of_seconds = start_seconds(report)
    found = [
        _resolver(calls, of_seconds)
        for calls in figures.resolvers
        if calls.count > _MIN_CALLS and calls.seconds >= max(_MIN_RESOLVER_SECONDS, _MIN_RESOLVER_SHARE * of_seconds)
    ]
    if figures.plugins_seconds >= max(_MIN_PLUGINS_SECONDS, _MIN_PLUGINS_SHARE * of_seconds):
        found.append(_plugins(figures, of_seconds))
    compose_seconds = sum(one.seconds for one in figures.compositions)
    if compose_seconds >= max(_MIN_COMPOSE_SECONDS, _MIN_COMPOSE_SHARE * of_seconds):
        found.append(_composition(figures, compose_seconds, of_seconds))
    return found


def _resolver(calls: Calls, of_seconds: float) -> Finding:
    return finding(
        "slow-compose",
        f"The resolver `{calls.name}` is called {calls.count} times, {format_seconds(calls.seconds)} together",
        seconds=calls.seconds,
        of_seconds=of_seconds,
        location=calls.location,
        evidence={"resolver": calls.name, "calls": calls.count, "each_seconds": calls.seconds / calls.count},
        advice=f"Register it with `use_cache=True` if equal arguments give equal values, or write `${{{calls.name}:…}}`"
        " once and refer to that value.",
    )


def _plugins(figures: HydraFigures, of_seconds: float) -> Finding:
    slowest = [f"{part.name} {format_seconds(part.seconds)}" for part in figures.plugins[:5]]
    return finding(
        "slow-compose",
        f"Hydra's plugin scan takes {format_seconds(figures.plugins_seconds)}",
        seconds=figures.plugins_seconds,
        of_seconds=of_seconds,
        location=figures.plugins[0].location if figures.plugins else None,
        evidence={"slowest": slowest},
        advice="Uninstall the plugins that this program does not use: each is imported on every start, and for --help.",
    )


def _composition(figures: HydraFigures, seconds: float, of_seconds: float) -> Finding:
    longest = max(figures.compositions, key=lambda one: one.seconds)
    parts = {
        "defaults": longest.defaults_seconds,
        "reading files": longest.read_seconds,
        "merging": longest.merge_seconds,
        "overrides": longest.overrides_seconds,
    }
    slowest = max(parts, key=lambda name: parts[name])
    return finding(
        "slow-compose",
        f"Hydra composes the configuration {len(figures.compositions)} times, {format_seconds(seconds)} together",
        seconds=seconds,
        of_seconds=of_seconds,
        location=longest.location,
        intervals=working(figures.compositions),
        evidence={
            "num_configs": longest.num_configs,
            "depth": longest.depth,
            "num_files": longest.num_files,
            "num_deepcopies": longest.num_deepcopies,
        }
        | {f"{name.replace(' ', '_')}_seconds": value for name, value in parts.items()},
        advice=f"Of the longest, {slowest} takes {format_seconds(parts[slowest])}: {longest.num_files} files in a list"
        f" of defaults {longest.depth} deep. Fewer and flatter files make it shorter, and no group that this run does"
        " not use.",
    )

"""Configuration by Hydra: compositions and what they are made of, files, resolvers, OmegaConf, plugins."""

from collections.abc import Sequence

from ocrprof.renderers import figures
from ocrprof.renderers.charts import Bar, legend, stack
from ocrprof.renderers.html_parts import bar_cell
from ocrprof.renderers.markup import Html, code, join, more, paragraph, section, table, tag
from ocrprof.renderers.places import place, short_path
from ocrprof.results.model import Calls, Composition, ConfigFile, HydraFigures, Part, StartupReport
from ocrprof.units import format_percent, format_seconds

_NUM_FILES, _NUM_CALLS, _NUM_PLUGINS = 12, 12, 12
_COLORS = {
    "overrides": "pink",
    "defaults tree": "teal",
    "files": "blue",
    "merge": "orange",
    "rest of composing": "gray",
    "plugin scan": "brown",
    "logging": "olive",
    "resolvers and OmegaConf": "violet",
}


def html_section(report: StartupReport) -> Html | None:
    """What configuration cost, from the whole to its parts; None for a program that composed nothing."""
    hydra = report.hydra
    if hydra is None or not hydra.compositions:
        return None
    cwd = report.target.cwd
    bars = _bars(hydra)
    return section(
        "Configuration by Hydra",
        paragraph(tag("b", format_seconds(hydra.seconds)), f" in Hydra and OmegaConf. {_instantiate(hydra)}"),
        stack(bars, label="what configuration is made of"),
        legend(bars),
        _compositions(hydra.compositions, cwd=cwd),
        _files(hydra.files, cwd=cwd) if hydra.files else None,
        _calls("resolver", hydra.resolvers, cwd=cwd) if hydra.resolvers else None,
        _calls("OmegaConf", hydra.omegaconf, cwd=cwd) if hydra.omegaconf else None,
        _conversions(hydra, cwd=cwd),
        _plugins(hydra) if hydra.plugins else None,
        anchor="hydra",
    )


def _instantiate(hydra: HydraFigures) -> str:
    if not hydra.instantiate_calls:
        return ""
    own = format_seconds(hydra.instantiate_overhead_seconds)
    return f"{hydra.instantiate_calls} calls of instantiate: {own} of Hydra’s own in them, beside targets and imports."


def _parts(one: Composition) -> dict[str, float]:
    """Exclusive seconds by part; the last holds what the others do not."""
    parts = {
        "overrides": one.overrides_seconds,
        "defaults tree": one.defaults_seconds,
        "files": one.read_seconds,
        "merge": one.merge_seconds,
    }
    return {**parts, "rest of composing": max(0.0, one.seconds - sum(parts.values()))}


def _bars(hydra: HydraFigures) -> list[Bar]:
    """All compositions together, and what else Hydra and OmegaConf did."""
    sums: dict[str, float] = {}
    for one in hydra.compositions:
        for name, seconds in _parts(one).items():
            sums[name] = sums.get(name, 0.0) + seconds
    sums |= {"plugin scan": hydra.plugins_seconds, "logging": hydra.logging_seconds}
    # Resolvers and conversions run inside each other, and in compositions too: what is left is told as one.
    sums["resolvers and OmegaConf"] = max(0.0, hydra.seconds - sum(sums.values()))
    total = sum(sums.values()) or 1.0
    return [_bar(name, seconds, seconds / total) for name, seconds in sums.items() if seconds > 0]


def _bar(name: str, seconds: float, share: float) -> Bar:
    hint = f"{name}: {format_seconds(seconds)}, {format_percent(share)}"
    return Bar(0, share, _COLORS[name], name, hint, figure=format_seconds(seconds))


def _compositions(compositions: Sequence[Composition], *, cwd: str) -> Html:
    scale = figures.column_scale(max(one.seconds for one in compositions))
    rows = [
        [
            join(code(one.config or "(none)"), tag("small", one.purpose)),
            format_seconds(one.start_seconds),
            scale.text(one.seconds),
            *(scale.text(seconds) for seconds in _parts(one).values()),
            str(one.num_files),
            _count(one.num_configs),
            _count(one.depth),
            _count(one.num_deepcopies),
            code(place(one.location, cwd=cwd)),
        ]
        for one in compositions
    ]
    unit = scale.unit
    titles = ["composition", "at", f"all {unit}", f"overrides {unit}", f"defaults {unit}", f"files {unit}"]
    titles += [f"merge {unit}", f"rest {unit}", "files", "entries", "depth", "deep copies", "asked for by"]
    return table(titles, rows, align="lrrrrrrrrrrrl", class_="dense")


def _count(number: int | None) -> str:
    return "" if number is None else str(number)


def _files(files: Sequence[ConfigFile], *, cwd: str) -> Html:
    scale = figures.column_scale(files[0].seconds)
    rows = [
        [
            code(short_path(one.path, cwd=cwd)),
            "the program’s" if one.own else "Hydra’s or a plugin’s",
            str(one.count),
            scale.text(one.seconds),
            bar_cell(one.seconds / files[0].seconds if files[0].seconds else 0.0, "blue"),
        ]
        for one in files[:_NUM_FILES]
    ]
    left_out = len(files) - _NUM_FILES
    rest = format_seconds(sum(one.seconds for one in files[_NUM_FILES:]))
    note = paragraph(f"{left_out} more files, {rest} together.", class_="note") if left_out > 0 else None
    return join(table(["slowest files", "whose", "reads", scale.unit, ""], rows, align="llrrl"), note)


def _calls(title: str, calls: Sequence[Calls], *, cwd: str) -> Html:
    longest = max(one.seconds for one in calls)
    scale = figures.column_scale(longest)
    rows = [
        [
            code(one.name),
            str(one.count),
            scale.text(one.seconds),
            bar_cell(one.seconds / longest if longest else 0.0, "violet"),
            code(place(one.location, cwd=cwd)) if one.location else "",
        ]
        for one in calls[:_NUM_CALLS]
    ]
    where = "where" if any(one.location for one in calls) else ""
    return table([title, "calls", f"together {scale.unit}", "", where], rows, align="lrrll")


def _conversions(hydra: HydraFigures, *, cwd: str) -> Html | None:
    if not hydra.conversions:
        return None
    rows = [
        [code(place(one.location, cwd=cwd)), str(one.num_elements), format_seconds(one.seconds)]
        for one in hydra.conversions
    ]
    return table(["plain containers turned into nodes at", "elements", "seconds"], rows, align="lrr", class_="compact")


def _plugins(hydra: HydraFigures) -> Html:
    return more(
        f"Modules that the plugin scan loaded: {len(hydra.plugins)}, {format_seconds(hydra.plugins_seconds)} in all",
        _plugin_table(hydra.plugins[:_NUM_PLUGINS]),
    )


def _plugin_table(plugins: Sequence[Part]) -> Html:
    rows = [[code(one.name), format_seconds(one.seconds)] for one in plugins]
    return table(["module", "seconds"], rows, align="lr", class_="compact")

"""What configuration by Hydra cost, as sentences."""

from ocrprof.renderers.places import plain, short_path
from ocrprof.results.model import StartupReport
from ocrprof.units import format_seconds


def hydra_facts(report: StartupReport) -> list[str]:
    """What configuration cost, one fact a line; nothing for a program that composed nothing."""
    hydra = report.hydra
    if hydra is None or not hydra.compositions:
        return []
    first = hydra.compositions[0]
    composed = " + ".join(f"{format_seconds(one.seconds)} ({one.purpose})" for one in hydra.compositions)
    copies = sum(one.num_deepcopies or 0 for one in hydra.compositions)
    facts = [
        f"{format_seconds(hydra.seconds)} in all: composing {composed}, plugin scan "
        f"{format_seconds(hydra.plugins_seconds)} ({len(hydra.plugins)} modules), "
        f"logging {format_seconds(hydra.logging_seconds)}",
        f"a composition reads {first.num_files} files {format_seconds(first.read_seconds)}, "
        f"defaults {format_seconds(first.defaults_seconds)} ({first.num_configs} entries, {first.depth} deep), "
        f"merge {format_seconds(first.merge_seconds)}, overrides {format_seconds(first.overrides_seconds)}; "
        f"{copies} deep copies in all",
    ]
    if hydra.files:
        slowest = hydra.files[0]
        file = short_path(slowest.path, cwd=report.target.cwd)
        facts.append(f"slowest file {file}: {format_seconds(slowest.seconds)} in {slowest.count} reads")
    for label, rows in (("resolvers", hydra.resolvers), ("OmegaConf", hydra.omegaconf)):
        if rows:
            shown = "; ".join(f"{row.name} {row.count}, {format_seconds(row.seconds)}" for row in rows[:4])
            facts.append(f"{label} (calls, seconds together): {shown}")
    if hydra.instantiate_calls:
        facts.append(
            f"instantiate: {hydra.instantiate_calls} calls, {format_seconds(hydra.instantiate_overhead_seconds)} of"
            " Hydra's own, without targets and imports"
        )
    facts += [
        f"instantiate turned {one.num_elements} elements of plain containers into nodes: {format_seconds(one.seconds)}"
        for one in hydra.conversions
    ]
    return [plain(fact) for fact in facts]

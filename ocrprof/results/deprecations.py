"""Modules that warned of their own deprecation while they were loaded, with what they cost and who imports them."""

from collections.abc import Sequence

from ocrprof.records import ProcessRecords
from ocrprof.results.import_graph import ROOT, owners_of, top_level
from ocrprof.results.model import DeprecatedModule, Hop, ImportRow
from ocrprof.results.module_graph import ModuleGraph


def deprecated_modules(
    main: ProcessRecords, rows: Sequence[ImportRow], *, graph: ModuleGraph | None
) -> list[DeprecatedModule]:
    """One entry a module, the costliest first; only of those loaded before the milestone (they have a row).

    Without `graph` (sources not read) a module's cost is its own body's, and of its importers the first is known.
    """
    first = {row.module: row for row in reversed(rows)}
    owners = owners_of(rows)
    found = {}
    for warning in main.deprecations:
        row = first.get(warning.name)
        if row is None or warning.name in found:
            continue
        importers = _importers(row, graph)
        lost = graph.dominated(row.module) if graph is not None else [row.module]
        found[warning.name] = DeprecatedModule(
            module=row.module,
            text=warning.text,
            category=warning.category,
            seconds=graph.seconds_of(lost) if graph is not None else row.self_seconds,
            num_modules=len(lost),
            phase=row.phase,
            importers=importers,
            by_program=any(hop.module == ROOT or owners.get(top_level(hop.module)) == "program" for hop in importers),
        )
    return sorted(found.values(), key=lambda one: -one.seconds)


def _importers(row: ImportRow, graph: ModuleGraph | None) -> list[Hop]:
    """The line that loaded it, then every other line that would have."""
    hops = [Hop(module=row.importer_module or "?", location=row.importer)]
    if graph is not None:
        inside = set(graph.dominated(row.module))
        hops += [
            Hop(module=edge.caller or edge.importer, location=edge.location)
            for edge in graph.pulling[row.module]
            if edge.importer not in inside
        ]
    # A line is one importer, whatever statements of it were found.
    return list({(hop.module, str(hop.location)): hop for hop in reversed(hops)}.values())[::-1]

"""What deferring an import would save: predicted from the graph of all imports, and held against what was then used.

A prediction is the self time of everything that would not be loaded, with full collections of garbage charged to those
who bring them about. It cannot know what the program does later: where the records show that the module was used before
the milestone, its load would only move there.
"""

import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import median

from ocrprof.records import ProcessRecords, Span
from ocrprof.results.constructions import location_of
from ocrprof.results.garbage import shifts_of
from ocrprof.results.import_graph import ROOT, Owner, enclosing, owners_of, top_level
from ocrprof.results.import_statements import FileImports, Use
from ocrprof.results.model import Hop, ImportRow, Location, Part, Saving, Touch, WhatIf, Why
from ocrprof.results.module_graph import Edge, ModuleGraph, build_graph, names_asked
from ocrprof.results.phases import Timeline

_MAX_SAVINGS = 10
_MAX_PACKAGES = 8
_MAX_OTHER_CHAINS = 2
_MIN_SECONDS = 0.02
_MIN_SHARE = 0.005

_LIGHTNING = ("lightning", "lightning.pytorch", "pytorch_lightning", "torch")
_HYDRA = ("hydra", "omegaconf")
_NEEDED_BY_SPAN: dict[str, tuple[str, ...]] = {
    "hydra.main": _HYDRA,
    "hydra.compose": _HYDRA,
    "instantiate": _HYDRA,
    "omegaconf": ("omegaconf",),
    "model.init": ("torch",),
    "dataset.init": ("torch",),
    "dataloader.init": ("torch",),
    "workers.start": ("torch",),
    "fetch": ("torch",),
    "optimizer.step": ("torch",),
    "datamodule.init": _LIGHTNING,
    "trainer.init": _LIGHTNING,
    "trainer.run": _LIGHTNING,
    "train.batch": _LIGHTNING,
    "val.batch": _LIGHTNING,
    "sanity_check": _LIGHTNING,
    "wandb.init": ("wandb",),
    "metric.update": ("torchmetrics",),
    "metric.compute": ("torchmetrics",),
}
"""Whose hooks write which spans: a span proves that the library was used."""


@dataclass(frozen=True)
class Start:
    """One recorded start up to its milestone, with the imports of its source files, by file."""

    rows: Sequence[ImportRow]
    main: ProcessRecords
    timeline: Timeline
    sources: Mapping[str, FileImports]
    uses: Mapping[str, Mapping[int, Use]]
    """Of the program's own files: by line of each import, where its names are read."""

    @cached_property
    def graph(self) -> ModuleGraph:
        """Of all import edges."""
        return build_graph(self.rows, self.sources, shifts=shifts_of(self.main))

    @cached_property
    def owners(self) -> dict[str, Owner]:
        """Whose each package is."""
        return owners_of(self.rows)

    @cached_property
    def spans(self) -> list[Span]:
        """What was timed before the milestone, in the order of its start."""
        return sorted((one for one in self.main.spans if one.start_ns < self.timeline.end_ns), key=_start)

    @cached_property
    def names_asked(self) -> set[tuple[str, str]]:
        """What modules import from one another by name."""
        return names_asked(self.rows, self.sources)

    def is_program(self, module: str) -> bool:
        """Whether a module is the program's own."""
        return module == ROOT or self.owners.get(top_level(module)) == "program"

    def touch(self, at_ns: int, location: Location | None, how: str) -> Touch:
        """A use at that moment."""
        seconds = (at_ns - self.timeline.spawn_ns) / 1e9
        return Touch(phase=self.timeline.phase_at(at_ns), start_seconds=seconds, location=location, how=how)


def unknown_module(name: str, rows: Iterable[ImportRow], *, inserted: Collection[str]) -> tuple[str, str]:
    """What to say of a module that has no load record, and what to try."""
    if name in inserted:
        return f"{name} was put into sys.modules without being loaded", "ask for the module that makes it"
    loaded = list(dict.fromkeys(row.module for row in rows))
    close = [one for one in loaded if one.endswith(f".{name}") or one.startswith(f"{name}.")][:3]
    close += difflib.get_close_matches(name, loaded, n=5, cutoff=0.6)
    names = ", ".join(dict.fromkeys(close))
    return (
        f"{name} was not loaded by the program before the milestone",
        f"loaded, and close to it: {names}" if names else "`imports` in report.json names every module that was",
    )


def why(module: str, start: Start) -> Why:
    """How `module` came to be loaded, and who else would have loaded it."""
    graph = start.graph
    chain = graph.first_chain(module)
    dominated = graph.dominated(module)
    inside = set(dominated)
    first = chain[-1] if chain else None
    others = _by_importer(
        edge
        for edge in graph.pulling[module]
        if edge.importer not in inside and (first is None or edge.importer != first.importer)
    )
    deferred = _by_importer(
        edge
        for edge in graph.edges
        if edge.imported == module and edge.kind == "deferred" and edge.importer not in inside
    )
    row = next(row for row in start.rows if row.module == module)
    return Why(
        module=module,
        phase=row.phase,
        self_seconds=graph.seconds[module],
        dominated_seconds=graph.seconds_of(dominated),
        num_dominated=len(dominated),
        chain=_hops(chain, module),
        importers=[_importer(edge) for edge in others],
        other_chains=[
            _hops([*graph.shortest_chain(edge.importer), edge], module) for edge in others[:_MAX_OTHER_CHAINS]
        ],
        deferred=[_importer(edge) for edge in deferred],
    )


def what_if(module: str, start: Start, *, runs: Sequence[ProcessRecords]) -> WhatIf:
    """What a start without `module` would be predicted to save, by self times in `runs` (their main processes)."""
    modules = start.graph.dominated(module)
    inside = set(modules)
    first = next(row for row in start.rows if row.module == module)
    seconds = [
        sum(load.self_ns for load in run.loads if load.thread == 0 and load.name in inside) / 1e9
        + sum(shift for name, shift in shifts_of(run).items() if name in inside)
        for run in runs
    ]
    return WhatIf(
        module=module,
        phase=first.phase,
        predicted_seconds=median(seconds) if seconds else start.graph.seconds_of(modules),
        num_modules=len(modules),
        modules=modules,
        packages=_packages(modules, start.graph),
        held_by=_holders(module, inside, start),
        used=first_use(module, start),
    )


def best_savings(start: Start, *, of_seconds: float) -> list[Saving]:
    """Heavy imports by predicted seconds: those that lines of the program could defer, then those in others' hands.

    `of_seconds`, the time to the milestone, says what is worth telling.
    """
    enough = max(_MIN_SECONDS, _MIN_SHARE * of_seconds)
    own = _deferrable_savings(start, enough)
    named = {saving.module for saving in own}
    held = [
        _held_saving(module, start)
        for module, seconds in start.graph.dominated_seconds.items()
        if seconds >= enough and module not in named and start.owners.get(module) == "installed"
    ]
    held.sort(key=lambda one: (one.used is not None, -one.seconds))
    return own + held[:_MAX_SAVINGS]


def _held_saving(module: str, start: Start) -> Saving:
    """Of a package of which no line of the program alone decides whether it is loaded."""
    lost = start.graph.dominated(module)
    inside = set(lost)
    return Saving(
        module=module,
        owner="installed",
        seconds=start.graph.seconds_of(lost),
        num_modules=len(lost),
        packages=_packages(lost, start.graph),
        held_by=_holders(module, inside, start),
        used=first_use(module, start),
    )


def _holders(module: str, dominated: Collection[str], start: Start) -> list[Hop]:
    """Who loads a module from outside of what it dominates, each importer once, the program's own files first."""
    holders = _by_importer(edge for edge in start.graph.pulling[module] if edge.importer not in dominated)
    return [_importer(edge) for edge in sorted(holders, key=lambda edge: not start.is_program(edge.importer))]


def _deferrable_savings(start: Start, enough: float) -> list[Saving]:
    """What the program's own lines could defer, those without a known use first.

    A line can be deferred where nothing reads its names while its file is loaded, and no other module imports them from
    there.
    """
    found: list[tuple[Saving, set[str]]] = []
    for target, edges in _program_edges(start).items():
        if start.graph.dominated_seconds[target] < enough:
            continue
        lines = _deferrable(edges, start)
        gone = [edge for edge in edges if edge.location in lines]
        lost = set(start.graph.lost_without(gone)) if gone else set()
        if start.graph.seconds_of(lost) >= enough:
            found.append((_saving(target, lines, lost, start), lost))
    found.sort(key=lambda one: (one[0].used is not None, -one[0].seconds))
    return [saving for saving, lost in found if _adds(saving, lost, found, start, enough)][:_MAX_SAVINGS]


def first_use(module: str, start: Start, *, functions: Collection[tuple[str, int, int]] = ()) -> Touch | None:
    """The first moment at which the records show code of `module` at work, its own load apart.

    `functions` (file, first and last line) are those that would load it; None where nothing recorded tells of a use.
    """
    uses = [
        (span.start_ns, location_of(span.loc), _how(span)) for span in start.spans if _needs(span, module, functions)
    ]
    for row, around in zip(start.rows, enclosing(start.rows), strict=True):
        if around is None and _is_in(row.importer_module or "", module):
            at_ns = start.timeline.spawn_ns + round(row.start_seconds * 1e9)
            uses.append((at_ns, row.importer, f"loads {row.module}"))
    if not uses:
        return None
    return start.touch(*min(uses, key=lambda use: use[0]))


@dataclass(frozen=True)
class LazyRun:
    """What a run tells of the module that it was to load lazily: why it could not, or what loaded it after all."""

    refused: str | None = None
    touch: Touch | None = None
    loaded: frozenset[str] = frozenset()
    """All that it did load before the milestone; a module whose body did not run is not loaded."""


def lazy_run(module: str, main: ProcessRecords | None, timeline: Timeline) -> LazyRun:
    """Of the main process of a run, up to its milestone."""
    events = [one for one in main.lazy if one.name == module and one.at_ns < timeline.end_ns] if main else []
    refused = next((one.reason for one in events if one.event == "refused"), None)
    if not events:
        refused = "it was not imported in that run"
    loads = [load for load in main.loads if load.start_ns < timeline.end_ns] if main else []
    touched = next((one for one in events if one.event == "touched"), None)
    if touched is None:
        return LazyRun(refused=refused, loaded=frozenset(load.name for load in loads) - {module})
    # The phase is that of the load which the touch began, not of the moment just before it.
    later = (load.start_ns for load in loads if load.name == module and load.start_ns >= touched.at_ns)
    phase = timeline.phase_at(min(later, default=touched.at_ns))
    how = {"from": "`from` import", "submodule": "import of a submodule"}.get(touched.how or "", f".{touched.how}")
    at_seconds = (touched.at_ns - timeline.spawn_ns) / 1e9
    return LazyRun(
        refused=refused,
        touch=Touch(phase=phase, start_seconds=at_seconds, location=location_of(touched.by), how=how),
        loaded=frozenset(load.name for load in loads),
    )


def _needs(span: Span, module: str, functions: Collection[tuple[str, int, int]]) -> bool:
    if module in _NEEDED_BY_SPAN.get(span.name, ()):
        return True
    if any(_is_in(str(span.attributes.get(key, "")), module) for key in ("class", "target")):
        return True
    if span.loc is None:
        return False
    file, line = span.loc
    return any(file == of_file and first <= line <= last for of_file, first, last in functions)


def _how(span: Span) -> str:
    name = span.attributes.get("class") or span.attributes.get("target")
    return f"{span.name} of {name}" if name else span.name


def _program_edges(start: Start) -> dict[str, list[Edge]]:
    """What the program's files import while they load, by what is imported: a foreign package, or an own module."""
    groups: dict[str, list[Edge]] = {}
    for edge in start.graph.edges:
        if edge.kind != "load" or not start.is_program(edge.importer):
            continue
        package = top_level(edge.imported)
        target = edge.imported if start.is_program(edge.imported) else package
        if target in start.graph.seconds and start.owners.get(package) != "stdlib":
            groups.setdefault(target, []).append(edge)
    return groups


def _deferrable(edges: Sequence[Edge], start: Start) -> list[Location]:
    """The lines among those of `edges` whose names nothing needs while the file is loaded."""
    lines = {}
    for edge in edges:
        location = edge.location
        use = start.uses.get(location.file, {}).get(location.line) if location else None
        if location is None or use is None or use.at_load is not None or "*" in use.names:
            continue
        asked = any((edge.importer, name) in start.names_asked for name in (*use.names, "*"))
        # What nothing reads was imported for what its load does: only the program's author knows whether that can wait.
        if not asked and (use.inside or not start.is_program(edge.imported)):
            lines[location] = True
    return list(lines)


def _saving(target: str, lines: Sequence[Location], lost: set[str], start: Start) -> Saving:
    functions = [(line.file, first, last) for line in lines for first, last in start.uses[line.file][line.line].inside]
    return Saving(
        module=target,
        owner=start.owners.get(top_level(target), "installed"),
        seconds=start.graph.seconds_of(lost),
        num_modules=len(lost),
        packages=_packages(lost, start.graph),
        lines=list(lines),
        used=first_use(target, start, functions=functions),
    )


def _adds(
    saving: Saving, lost: set[str], found: Sequence[tuple[Saving, set[str]]], start: Start, enough: float
) -> bool:
    """Whether an own module saves more than the packages that it imports, which are told for themselves."""
    if saving.owner != "program":
        return True
    told: set[str] = set()
    for other, others_lost in found:
        if other is not saving and (other.owner != "program" or others_lost < lost):
            told |= others_lost
    return start.graph.seconds_of(lost - told) >= enough


def _packages(modules: Collection[str], graph: ModuleGraph) -> list[Part]:
    """Self time by package, the longest first."""
    seconds: dict[str, float] = {}
    for name in modules:
        seconds[top_level(name)] = seconds.get(top_level(name), 0.0) + graph.seconds[name]
    longest = sorted(seconds, key=lambda name: -seconds[name])[:_MAX_PACKAGES]
    return [Part(name=name, seconds=seconds[name]) for name in longest]


def _by_importer(edges: Iterable[Edge]) -> list[Edge]:
    """The first edge of each importer."""
    first: dict[str, Edge] = {}
    for edge in edges:
        first.setdefault(edge.importer, edge)
    return list(first.values())


def _importer(edge: Edge) -> Hop:
    return Hop(module=edge.caller or edge.importer, location=edge.location)


def _hops(chain: Sequence[Edge], module: str) -> list[Hop]:
    """Each module of a chain with its line that leads on; where a function was called, that line is the function's."""
    hops = []
    for edge in chain:
        if edge.caller is not None:
            hops.append(Hop(module=edge.importer))
        hops.append(_importer(edge))
    return [*hops, Hop(module=module)]


def _is_in(name: str, module: str) -> bool:
    return name == module or name.startswith(f"{module}.")


def _start(span: Span) -> int:
    return span.start_ns

"""What Hydra and OmegaConf cost: the plugin scan, each composition with its parts, files, resolvers, `instantiate`."""

from collections.abc import Iterable, Sequence
from typing import Any

from ocrprof.records import Load, ProcessRecords, Span
from ocrprof.results.constructions import location_of
from ocrprof.results.intervals import Interval, innermost, union_ns
from ocrprof.results.model import Calls, Composition, ConfigFile, Conversion, HydraFigures, Part

_CONFIGURATION = ("hydra.plugins", "hydra.compose", "hydra.logging", "omegaconf")
_PARTS = ("hydra.overrides", "hydra.read", "hydra.defaults", "hydra.merge")
_TARGET, _HYDRA, _IMPORTS = "target", "hydra", "imports"


def build_hydra(process: ProcessRecords, *, spawn_ns: int, end_ns: int) -> HydraFigures | None:
    """The figures of what began on the main thread before `end_ns`; None where nothing was composed."""
    spans = sorted(
        (span for span in process.spans if span.thread == 0 and span.start_ns < end_ns),
        key=lambda span: (span.start_ns, -span.end_ns),
    )
    compositions = [span for span in spans if span.name == "hydra.compose"]
    totals = process.totals.get("omegaconf", {})
    if not compositions and not totals:
        return None
    calls = [span for span in spans if span.name == "instantiate.call"]
    configuration = [
        Interval(span.start_ns, span.end_ns, None)
        for span in spans
        if span.name in _CONFIGURATION
        and not any(call.start_ns <= span.start_ns and span.end_ns <= call.end_ns for call in calls)
    ]
    return HydraFigures(
        seconds=union_ns(configuration, start_ns=spawn_ns, end_ns=end_ns) / 1e9,
        plugins_seconds=_total_seconds(spans, "hydra.plugins"),
        plugins=_plugins(spans, process.loads),
        logging_seconds=_total_seconds(spans, "hydra.logging"),
        compositions=[_composition(span, spans, spawn_ns=spawn_ns) for span in compositions],
        files=_files(spans),
        omegaconf=_calls(totals.get("functions", {})),
        resolvers=_calls(totals.get("resolvers", {})),
        instantiate_calls=len(calls),
        instantiate_overhead_seconds=_overhead_ns(spans, process.loads, spawn_ns=spawn_ns, end_ns=end_ns) / 1e9,
        conversions=[
            Conversion(
                num_elements=span.attributes["converted"],
                seconds=(span.end_ns - span.start_ns) / 1e9,
                location=location_of(span.attributes.get("by")),
            )
            for span in calls
            if span.attributes.get("converted")
        ],
    )


def _total_seconds(spans: Iterable[Span], name: str) -> float:
    return sum(span.end_ns - span.start_ns for span in spans if span.name == name) / 1e9


def _plugins(spans: Iterable[Span], loads: Sequence[Load]) -> list[Part]:
    """The outermost loads of the scan, each with what it loaded in turn."""
    scans = [span for span in spans if span.name == "hydra.plugins"]
    inside = [
        load
        for load in loads
        if load.thread == 0 and any(scan.start_ns <= load.start_ns < scan.end_ns for scan in scans)
    ]
    depth = min((load.depth for load in inside), default=0)
    found = [
        Part(name=load.name, seconds=(load.end_ns - load.start_ns) / 1e9) for load in inside if load.depth == depth
    ]
    return sorted(found, key=lambda part: -part.seconds)


def _composition(span: Span, spans: Sequence[Span], *, spawn_ns: int) -> Composition:
    inside = [one for one in spans if span.start_ns <= one.start_ns and one.end_ns <= span.end_ns]
    pieces = innermost(
        (Interval(one.start_ns, one.end_ns, one.name) for one in inside if one.name in _PARTS),
        start_ns=span.start_ns,
        end_ns=span.end_ns,
    )
    seconds = dict.fromkeys(_PARTS, 0.0)
    for piece in pieces:
        if piece.label is not None:
            seconds[piece.label] += (piece.end_ns - piece.start_ns) / 1e9
    tree = next((one.attributes for one in inside if one.name == "hydra.defaults"), {})
    attributes = span.attributes
    return Composition(
        config=attributes.get("config"),
        purpose=str(attributes.get("for", "?")),
        location=location_of(attributes.get("by")),
        start_seconds=(span.start_ns - spawn_ns) / 1e9,
        seconds=(span.end_ns - span.start_ns) / 1e9,
        num_configs=tree.get("configs"),
        depth=tree.get("depth"),
        num_files=sum(1 for one in inside if one.name == "hydra.read" and _is_file(one)),
        num_overrides=attributes.get("overrides"),
        num_deepcopies=attributes.get("deepcopies"),
        overrides_seconds=seconds["hydra.overrides"],
        read_seconds=seconds["hydra.read"],
        defaults_seconds=seconds["hydra.defaults"],
        merge_seconds=seconds["hydra.merge"],
    )


def _is_file(span: Span) -> bool:
    """Whether it came from a file or a package's data; not from ConfigStore, and not looked for in vain."""
    return not str(span.attributes.get("source") or "structured:").startswith("structured:")


def _files(spans: Iterable[Span]) -> list[ConfigFile]:
    found: dict[tuple[str, str], list[Span]] = {}
    for span in spans:
        if span.name == "hydra.read" and _is_file(span):
            config = span.attributes["config"]
            # Of the primary configuration @hydra.main takes the name with its ending too.
            file = config if config.endswith((".yaml", ".yml")) else f"{config}.yaml"
            found.setdefault((span.attributes["source"], file), []).append(span)
    files = [
        ConfigFile(
            path=f"{source.removeprefix('file://')}/{file}",
            own=not source.startswith(("pkg://hydra.", "pkg://hydra_plugins.")),
            count=len(reads),
            seconds=sum(read.end_ns - read.start_ns for read in reads) / 1e9,
        )
        for (source, file), reads in found.items()
    ]
    return sorted(files, key=lambda file: -file.seconds)


def _calls(totals: dict[str, Any]) -> list[Calls]:  # Any: [calls, ns] or [calls, ns, [file, line]] by name
    rows = [
        Calls(name=name, count=count, seconds=total_ns / 1e9, location=location_of(where[0] if where else None))
        for name, (count, total_ns, *where) in totals.items()
    ]
    return sorted(rows, key=lambda row: -row.seconds)


def _overhead_ns(spans: Iterable[Span], loads: Iterable[Load], *, spawn_ns: int, end_ns: int) -> int:
    """Time in which `instantiate` was the innermost of itself, the targets it calls, and imports."""
    labels = {"instantiate.call": _HYDRA, "instantiate": _TARGET}
    intervals = [Interval(span.start_ns, span.end_ns, labels[span.name]) for span in spans if span.name in labels]
    if not intervals:
        return 0
    intervals += [Interval(load.start_ns, load.end_ns, _IMPORTS) for load in loads if load.thread == 0]
    pieces = innermost(intervals, start_ns=spawn_ns, end_ns=end_ns)
    return sum(piece.end_ns - piece.start_ns for piece in pieces if piece.label == _HYDRA)

"""What was built or called once during the start, and how long each took: models, data sets, loggers, the Trainer."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ocrprof.records import Line, Load, ProcessRecords, Span
from ocrprof.results.intervals import Interval, innermost, union_ns
from ocrprof.results.model import Construction, Location, Part
from ocrprof.results.phases import PHASE_OF_SPAN

NETWORK = "network"
"""The part of a LightningModule's `__init__` that builds its `nn.Module`s."""

METRICS = "metrics"
"""The part that builds torchmetrics' metrics."""

COMPILE = "torch.compile"
"""The part that `torch.compile` takes."""

IMPORTS = "imports"
"""The part that loads modules."""

OWN_CODE = "own code"
"""What no nested record explains."""

GRAPH = "compile.graph"
"""The kind of a compilation that the first call of a compiled function waited for."""

CUDA_CONTEXT = "cuda.init"
"""The kind of the first use of CUDA, which makes its context."""

_KINDS = frozenset(PHASE_OF_SPAN) - {"trainer.run"} | {GRAPH, CUDA_CONTEXT}
_PART_OF_CHECK = {
    "fetch": "loading its batches",
    "workers.start": "starting workers",
    "validation_step": "validation_step",
    "metric.update": "metrics",
    "metric.compute": "metrics",
    "dataset.init": "building data sets",
    CUDA_CONTEXT: "CUDA context",
    "data.setup": "setting up data",
    GRAPH: "compiling",
}
_BUILT_INSIDE = (
    "instantiate",
    "dataset.init",
    "datamodule.init",
    "dataloader.init",
    "logger.init",
    "wandb.init",
    "compile",
)


def build_constructions(
    process: ProcessRecords, *, spawn_ns: int, end_ns: int, phase_at: Callable[[int], str]
) -> list[Construction]:
    """One entry for each that began on the main thread before `end_ns`, in the order in which they began."""
    spans = sorted(
        (span for span in process.spans if span.thread == 0 and span.start_ns < end_ns),
        key=lambda span: (span.start_ns, -span.end_ns),
    )
    program_ns = min((span.start_ns for span in spans if span.name == "program"), default=end_ns)
    timed = [_up_to_the_program(span, program_ns) for span in spans if span.name in _KINDS]
    nodes = [span for span in spans if span.name == "instantiate"]
    nested = _Nested([*timed, *nodes], process.loads)
    return [
        Construction(
            kind=span.name,
            name=str(span.attributes.get("class", span.name)),
            seconds=(span.end_ns - span.start_ns) / 1e9,
            self_seconds=nested.self_ns(span) / 1e9,
            start_seconds=(span.start_ns - spawn_ns) / 1e9,
            phase=phase_at(span.start_ns),
            location=location_of(span.loc),
            attributes=_attributes(span, nodes),
            parts=(
                nested.parts(span)
                if span.attributes.get("lightning")
                else _sanity_parts(span, spans, process.loads)
                if span.name == "sanity_check"
                else []
            ),
        )
        for span in [*_arguments(process, end_ns), *timed]
    ]


def _sanity_parts(check: Span, spans: Iterable[Span], loads: Iterable[Load]) -> list[Part]:
    """What a sanity check spent its time on, exclusive, the longest first."""
    intervals = [Interval(load.start_ns, load.end_ns, IMPORTS) for load in loads if load.thread == 0]
    locations: dict[str, Location | None] = {}
    for span in spans:
        label = _PART_OF_CHECK.get(span.name)
        if label is not None and check.start_ns <= span.start_ns and span.end_ns <= check.end_ns:
            intervals.append(Interval(span.start_ns, span.end_ns, label))
            locations.setdefault(label, location_of(span.loc))
    totals: dict[str, int] = {}
    for piece in innermost(intervals, start_ns=check.start_ns, end_ns=check.end_ns):
        name = piece.label or OWN_CODE
        totals[name] = totals.get(name, 0) + piece.end_ns - piece.start_ns
    return [
        Part(name=name, seconds=total_ns / 1e9, location=locations.get(name))
        for name, total_ns in sorted(totals.items(), key=lambda item: -item[1])
    ]


def location_of(line: Line | None) -> Location | None:
    """The recorded file and line as a report has them."""
    return None if line is None else Location(file=line[0], line=line[1])


def _attributes(span: Span, nodes: Iterable[Span]) -> dict[str, Any]:  # Any: JSON values
    """What the hook said, and for what Hydra built: its configuration path, and the line that asked for it (`by`)."""
    attributes = {key: value for key, value in span.attributes.items() if key not in ("class", "nested")}
    for node in nodes:
        around = node.start_ns <= span.start_ns and span.end_ns <= node.end_ns
        if around and node.attributes.get("target") == span.attributes.get("class"):
            attributes |= {key: node.attributes[key] for key in ("config_path", "by") if node.attributes.get(key)}
    return attributes


def _arguments(process: ProcessRecords, end_ns: int) -> Iterator[Span]:
    """The moment at which the command line was first parsed, as an entry without duration."""
    at_ns = process.mark("arguments")
    if at_ns is not None and at_ns < end_ns:
        yield Span("arguments", at_ns, at_ns, 0, None, {"class": "argparse.ArgumentParser.parse_known_args"})


def _up_to_the_program(span: Span, program_ns: int) -> Span:
    """`hydra.main` without the task function that it calls."""
    if span.name != "hydra.main" or not span.start_ns <= program_ns < span.end_ns:
        return span
    return Span(span.name, span.start_ns, program_ns, span.thread, span.loc, span.attributes)


class _Nested:
    """Answers what lies inside a span: other constructions, instantiations, loads."""

    def __init__(self, spans: Iterable[Span], loads: Iterable[Load]) -> None:
        self._locations: dict[str, Location | None] = {}
        self._intervals = [Interval(load.start_ns, load.end_ns, IMPORTS) for load in loads if load.thread == 0]
        for span in spans:
            label = _label(span)
            self._intervals.append(Interval(span.start_ns, span.end_ns, label))
            if label is not None:
                self._locations.setdefault(label, location_of(span.loc))
        self._intervals.sort(key=_start)

    def self_ns(self, span: Span) -> int:
        """Its time less all that was recorded inside it."""
        return span.end_ns - span.start_ns - union_ns(self._inside(span), start_ns=span.start_ns, end_ns=span.end_ns)

    def parts(self, span: Span) -> list[Part]:
        """What a LightningModule's `__init__` spent its time on, exclusive, the longest first."""
        intervals = self._inside(span)
        for module in span.attributes.get("nested", ()):
            if isinstance(module, dict):
                label = METRICS if module.get("metric") else NETWORK
                intervals.append(Interval(module["start"], module["end"], label))
        built = [one for one in intervals if one.label == NETWORK]
        intervals = [_as_network(one, built) for one in intervals]
        totals: dict[str, int] = {}
        for piece in innermost(intervals, start_ns=span.start_ns, end_ns=span.end_ns):
            name = piece.label or OWN_CODE
            totals[name] = totals.get(name, 0) + piece.end_ns - piece.start_ns
        locations = {**self._locations, OWN_CODE: location_of(span.loc), METRICS: _longest_metric(span)}
        return [
            Part(name=name, seconds=total_ns / 1e9, location=locations.get(name))
            for name, total_ns in sorted(totals.items(), key=lambda item: -item[1])
        ]

    def _inside(self, span: Span) -> list[Interval]:
        first = bisect_left(self._intervals, span.start_ns, key=_start)
        last = bisect_left(self._intervals, span.end_ns, key=_start)
        own = (span.start_ns, span.end_ns)
        return [
            one
            for one in self._intervals[first:last]
            if one.end_ns <= span.end_ns and (one.start_ns, one.end_ns) != own
        ]


def _longest_metric(span: Span) -> Location | None:
    """Where the metric that took longest is defined, of those that a LightningModule's `__init__` built."""
    metrics = [one for one in span.attributes.get("nested", ()) if isinstance(one, dict) and one.get("metric")]
    longest = max(metrics, key=lambda one: one["end"] - one["start"], default=None)
    return location_of(longest["loc"]) if longest else None


def _as_network(interval: Interval, built: Iterable[Interval]) -> Interval:
    """A function that builds modules (`timm.create_model`) is network altogether: it also reads their weights."""
    is_function = interval.label is not None and interval.label.rpartition(".")[2][:1].islower()
    if is_function and any(interval.start_ns <= one.start_ns < interval.end_ns for one in built):
        return Interval(interval.start_ns, interval.end_ns, NETWORK)
    return interval


def _label(span: Span) -> str | None:
    """What a part is called by; None for spans that are no part of their own."""
    if span.name not in _BUILT_INSIDE:
        return None
    return str(span.attributes.get("target") or span.attributes.get("class") or span.name)


def _start(interval: Interval) -> int:
    return interval.start_ns

"""What `hydra.utils.instantiate` built, gathered by target and arguments: the same work done twice shows as one row."""

from collections.abc import Sequence

from ocrprof.records import ProcessRecords, Span
from ocrprof.results.constructions import location_of
from ocrprof.results.intervals import Interval, union_ns
from ocrprof.results.model import Instantiation, Location


def build_instantiations(process: ProcessRecords, *, spawn_ns: int, end_ns: int) -> list[Instantiation]:
    """One row for each target with one set of arguments, the longest first. Partials build nothing and are left out."""
    groups: dict[object, list[Span]] = {}
    for span in sorted(process.spans, key=lambda span: span.start_ns):
        if span.name != "instantiate" or span.start_ns >= end_ns or span.attributes.get("partial"):
            continue
        if not span.attributes.get("ok", True):
            continue
        identity = span.attributes.get("identity")
        key = (span.attributes.get("target"), identity) if identity is not None else (span.start_ns, span.end_ns)
        groups.setdefault(key, []).append(span)
    nodes = _Nodes(process)
    rows = [_row(spans, nodes, spawn_ns) for spans in groups.values()]
    return sorted(rows, key=lambda row: -row.seconds)


class _Nodes:
    """Answers what a node cost around its target, and what was loaded meanwhile."""

    def __init__(self, process: ProcessRecords) -> None:
        self._loads = [Interval(load.start_ns, load.end_ns, None) for load in process.loads if load.depth == 0]
        self._nodes = [span for span in process.spans if span.name == "instantiate" and "node" in span.attributes]

    def locating_ns(self, span: Span) -> int:
        """Loads in the node before its target is called, without those of the nodes inside it."""
        node_ns = span.attributes["node"]
        children = [
            Interval(one.attributes["node"], one.end_ns, None)
            for one in self._nodes
            if one.thread == span.thread and node_ns < one.attributes["node"] and one.end_ns <= span.start_ns
        ]
        inside = [load for load in self._loads if node_ns <= load.start_ns < span.start_ns]
        own = [load for load in inside if not any(child.start_ns <= load.start_ns < child.end_ns for child in children)]
        return union_ns(own, start_ns=node_ns, end_ns=span.start_ns)

    def imports_ns(self, span: Span) -> int:
        """Loads to find the target and inside its call."""
        inside = union_ns(self._loads, start_ns=span.start_ns, end_ns=span.end_ns)
        return inside + (self.locating_ns(span) if "node" in span.attributes else 0)

    def overhead_ns(self, span: Span) -> int:
        """Hydra's own work on the node: its time before the call, without the nodes inside it and without loads."""
        return max(0, int(span.attributes["overhead"]) - self.locating_ns(span))


def _row(spans: Sequence[Span], nodes: _Nodes, spawn_ns: int) -> Instantiation:
    paths = list(dict.fromkeys(str(span.attributes.get("config_path") or "") for span in spans))
    each_seconds = [(span.end_ns - span.start_ns) / 1e9 for span in spans]
    return Instantiation(
        target=str(spans[0].attributes.get("target", "?")),
        config_path=paths[0],
        config_paths=paths,
        count=len(spans),
        seconds=sum(each_seconds),
        each_seconds=each_seconds,
        each_start_seconds=[(span.start_ns - spawn_ns) / 1e9 for span in spans],
        duplicate=len(spans) > 1,
        location=location_of(spans[0].loc),
        callers=_callers(spans),
        overhead_seconds=(
            sum(nodes.overhead_ns(span) for span in spans) / 1e9
            if all("overhead" in span.attributes for span in spans)
            else None
        ),
        imports_seconds=sum(nodes.imports_ns(span) for span in spans) / 1e9,
    )


def _callers(spans: Sequence[Span]) -> list[Location]:
    callers = [location_of(span.attributes.get("by")) for span in spans]
    return list({(one.file, one.line): one for one in callers if one is not None}.values())

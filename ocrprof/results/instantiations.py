"""What `hydra.utils.instantiate` built, gathered by target and arguments: the same work done twice shows as one row."""

from collections.abc import Sequence

from ocrprof.records import ProcessRecords, Span
from ocrprof.results.constructions import location_of
from ocrprof.results.model import Instantiation, Location


def build_instantiations(process: ProcessRecords, *, end_ns: int) -> list[Instantiation]:
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
    rows = [_row(spans) for spans in groups.values()]
    return sorted(rows, key=lambda row: -row.seconds)


def _row(spans: Sequence[Span]) -> Instantiation:
    paths = list(dict.fromkeys(str(span.attributes.get("config_path") or "") for span in spans))
    each_seconds = [(span.end_ns - span.start_ns) / 1e9 for span in spans]
    return Instantiation(
        target=str(spans[0].attributes.get("target", "?")),
        config_path=paths[0],
        config_paths=paths,
        count=len(spans),
        seconds=sum(each_seconds),
        each_seconds=each_seconds,
        duplicate=len(spans) > 1,
        location=location_of(spans[0].loc),
        callers=_callers(spans),
    )


def _callers(spans: Sequence[Span]) -> list[Location]:
    callers = [location_of(span.attributes.get("by")) for span in spans]
    return list({(one.file, one.line): one for one in callers if one is not None}.values())

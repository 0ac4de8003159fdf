"""Which line takes the seconds of a finding: sampled evidence for those on slow constructions, where there is any.

The seconds of a finding stay those that were measured; a line's are of another run, and are told with their error.
"""

from collections.abc import Iterable, Sequence

from ocrprof.findings.judging import place
from ocrprof.results.model import Finding, HotLine, Location, SampledPiece, StartupReport
from ocrprof.units import format_percent, format_seconds

_BUILDS_DATA = ("dataset.init", "datamodule.init", "data.prepare", "data.setup")
_KINDS: dict[str, tuple[str, ...]] = {
    "slow-module-init": ("model.init",),
    "eager-evaluator": ("model.init",),
    "dataset-scan": _BUILDS_DATA,
    "eager-dataset": ("dataset.init",),
}
_MOST = 0.5
_NUM_LINES = 3


def with_hot_lines(findings: Iterable[Finding], report: StartupReport) -> list[Finding]:
    """The findings, those on slow constructions with the lines that take the time; one that takes half is named."""
    return [_with_hot_lines(finding, report) for finding in findings]


def _with_hot_lines(finding: Finding, report: StartupReport) -> Finding:
    piece = _piece_of(finding, report)
    lines = _lines_of(finding, piece) if piece is not None else []
    if piece is None or not lines:
        return finding
    cwd = report.target.cwd
    told = [
        f"{_path(line, cwd=cwd)} {format_seconds(line.seconds)} ± {format_seconds(line.error_seconds)}"
        for line in lines
    ]
    evidence = {**finding.evidence, "hot_lines": told[:_NUM_LINES]}
    advice = f"{finding.advice}{_advice(piece, lines, cwd=cwd)}"
    return finding.model_copy(update={"evidence": evidence, "advice": advice})


def _piece_of(finding: Finding, report: StartupReport) -> SampledPiece | None:
    """What was sampled of the construction that a finding is about; only where lines begin at its own function."""
    pieces = [
        piece
        for piece in (report.samples.pieces if report.samples else ())
        if piece.kind in _KINDS.get(finding.code, ()) and piece.location is not None
    ]
    name = finding.evidence.get("class", finding.evidence.get("module"))
    named = [piece for piece in pieces if piece.name == name or piece.location == finding.location]
    passed = [piece for piece in pieces if name is None and _constructor_at(finding.location, piece.hot_lines)]
    return next(iter([*named, *passed]), None)


def _lines_of(finding: Finding, piece: SampledPiece) -> list[HotLine]:
    """Its lines; of metrics, those that lead to the constructor that the finding is about."""
    if finding.code != "eager-evaluator":
        return piece.hot_lines
    found = _constructor_at(finding.location, piece.hot_lines)
    return [line for line in piece.hot_lines if found in {one.function for one in line.lines}]


def _constructor_at(location: Location | None, lines: Iterable[HotLine]) -> str | None:
    """The first constructor of that file that was seen at or behind that line, where one is defined."""
    seen = [
        (one.location.line, one.function)
        for line in lines
        for one in line.lines
        if location is not None and one.location.file == location.file and one.location.line >= location.line
        if one.function.endswith("__init__")
    ]
    return min(seen)[1] if seen else None


def _advice(piece: SampledPiece, lines: Sequence[HotLine], *, cwd: str) -> str:
    """Names the constructor's line that took most of it, and where it leads; nothing where no line did."""
    by_line: dict[str, list[HotLine]] = {}
    for line in lines:
        by_line.setdefault(place(line.lines[0].location, cwd=cwd), []).append(line)
    longest = max(by_line.values(), key=lambda of_line: sum(line.seconds for line in of_line))
    seconds = sum(line.seconds for line in longest)
    if seconds < _MOST * piece.seconds:
        return ""
    first = longest[0]
    return (
        f" Sampled, its line `{place(first.lines[0].location, cwd=cwd)}` takes {format_seconds(seconds)}"
        f" ({format_percent(seconds / piece.seconds)} of the time without imports)"
        f"{_where_to(first, cwd=cwd) if len(longest) == 1 else ''}."
    )


def _where_to(line: HotLine, *, cwd: str) -> str:
    if len(line.lines) > 1:
        return f", at `{place(line.lines[-1].location, cwd=cwd)}` in `{line.lines[-1].function}`"
    return f", in `{line.mostly_in.function}`" if line.mostly_in else ""


def _path(line: HotLine, *, cwd: str) -> str:
    places = [place(one.location, cwd=cwd) for one in line.lines]
    return " → ".join(places if len(places) <= 2 else [places[0], "…", places[-1]])

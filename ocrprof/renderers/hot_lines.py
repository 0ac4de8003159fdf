"""The hot lines of a sampled start as text: on a terminal, in Markdown, on a page."""

from ocrprof.renderers import figures
from ocrprof.renderers.console_lines import paragraph, section
from ocrprof.renderers.html_parts import bar_cell, phase_color, swatch
from ocrprof.renderers.markdown_text import code as markdown_code
from ocrprof.renderers.markdown_text import left_out, table_block, where, words
from ocrprof.renderers.markup import Html, code, join, more, table, tag
from ocrprof.renderers.markup import paragraph as html_paragraph
from ocrprof.renderers.markup import section as html_part
from ocrprof.renderers.places import place, plain
from ocrprof.renderers.terminal import Line
from ocrprof.results.hot_lines import PHASE
from ocrprof.results.model import HotLine, SampledPiece, Samples, StartupReport
from ocrprof.results.phases import PHASE_OF_SPAN
from ocrprof.units import format_percent, format_seconds

_NUM_PIECES, _NUM_LINES, _NUM_PLACES = 7, 3, 3
_MIN_SHARE_OF_RUN, _MIN_SECONDS = 0.01, 0.05
# Told by line and class; other kinds say no more than the phase that they are in.
_KINDS = ("model.init", "dataset.init", "datamodule.init", "logger.init", "data.setup", "data.prepare", "sanity_check")
_HIDDEN_PHASES = ("config",)
HEADING = "Hot lines"
_NOTHING = "no line of the program holds the start up for long outside imports"


def console_lines(report: StartupReport, *, width: int) -> list[Line]:
    """The section of a terminal's summary; nothing on level light."""
    samples = report.samples
    if samples is None:
        return []
    if samples.failure:
        return section(HEADING, paragraph(f"not sampled: {samples.failure}", width=width, indent="    ", first="  "))
    lines: list[Line] = [] if _shown(samples) else paragraph(_NOTHING, width=width, indent="  ")
    for piece in _shown(samples)[:_NUM_PIECES]:
        lines.append((f"  {plain(_title(piece))}: {format_seconds(piece.seconds)}", ""))
        for line in _long_enough(piece, samples)[:_NUM_LINES]:
            label = f"    {_with_error(line)}"
            lines += paragraph(_path(line, cwd=report.target.cwd), width=width, first=f"{label:<22}", indent=" " * 22)
    for note in (_how(samples), *samples.notes):
        lines += paragraph(note, width=width, indent="  ", style="dim")
    return section(_heading(samples), lines)


def markdown_lines(report: StartupReport, *, num_rows: int) -> list[str]:
    """One table of the longest lines of all pieces; nothing on level light."""
    samples = report.samples
    if samples is None:
        return []
    if samples.failure:
        return [f"Hot lines: not sampled: {words(samples.failure)}."]
    cwd = report.target.cwd
    found = [(line, piece) for piece in _shown(samples) for line in _long_enough(piece, samples)]
    found.sort(key=lambda pair: -pair[0].seconds)
    rows = [
        [
            words(_title(piece)),
            _with_error(line),
            " → ".join(where(one) for one in _places(line, cwd=cwd)),
            f"`{markdown_code(line.lines[-1].function)}`",
            where(_mostly_in(line, cwd=cwd)),
        ]
        for line, piece in found[:num_rows]
    ]
    if not rows:
        return []
    titles = [f"hot lines, sampled every {_period(samples)}", "seconds", "line", "function", "mostly in"]
    return table_block(titles, rows, align="lrlll") + left_out(len(found) - num_rows, "hot lines")


def html_section(report: StartupReport) -> Html | None:
    """Every piece with its lines; None on level light."""
    samples = report.samples
    if samples is None:
        return None
    if samples.failure:
        return html_part(HEADING, html_paragraph(f"Not sampled: {samples.failure}."), anchor="hot-lines")
    cwd = report.target.cwd
    parts: list[Html | None] = [html_paragraph("; ".join([_how(samples), *samples.notes]) + ".", class_="note")]
    shown = _shown(samples)
    if not shown:
        parts.append(html_paragraph(f"{_NOTHING}."))
    parts += [_drawn(piece, cwd=cwd) for piece in shown]
    others = [piece for piece in samples.pieces if piece.hot_lines and piece not in shown]
    if others:
        parts.append(more("All other phases and constructions", *(_drawn(piece, cwd=cwd) for piece in others)))
    return html_part(_heading(samples), *parts, anchor="hot-lines")


def _drawn(piece: SampledPiece, *, cwd: str) -> Html:
    phase = piece.name if piece.kind == PHASE else PHASE_OF_SPAN.get(piece.kind, "unattributed")
    heading = tag("h3", swatch(_title(piece), phase_color(phase)), f": {format_seconds(piece.seconds)}")
    rows = [
        [
            _with_error(line),
            format_percent(line.share),
            bar_cell(line.share, phase_color(phase)),
            _linked(line, cwd=cwd),
            code(line.lines[-1].function),
            code(_mostly_in(line, cwd=cwd)),
        ]
        for line in piece.hot_lines
    ]
    return join(heading, table(["seconds", "share", "", "line", "function", "mostly in"], rows, align="rrllll"))


def _linked(line: HotLine, *, cwd: str) -> Html:
    """The places as code, with arrows between them."""
    before = "… → " if len(line.lines) > _NUM_PLACES else None
    return tag("span", before, join(*(code(one) for one in _places(line, cwd=cwd)), by=" → "))


def _shown(samples: Samples) -> list[SampledPiece]:
    """What a short text tells: constructions, and the phases that these are not; each with a line worth telling."""
    built = [piece for piece in samples.pieces if piece.kind in _KINDS]
    covered = {PHASE_OF_SPAN[piece.kind] for piece in built if piece.kind in PHASE_OF_SPAN}
    phases = [
        piece for piece in samples.pieces if piece.kind == PHASE and piece.name not in (*covered, *_HIDDEN_PHASES)
    ]
    told = [piece for piece in (*built, *phases) if _long_enough(piece, samples)]
    return sorted(told, key=lambda piece: -piece.seconds)


def _long_enough(piece: SampledPiece, samples: Samples) -> list[HotLine]:
    least_seconds = min(_MIN_SECONDS, _MIN_SHARE_OF_RUN * (samples.run_seconds or 0.0))
    return [line for line in piece.hot_lines if line.seconds >= max(least_seconds, 2 * line.error_seconds)]


def _heading(samples: Samples) -> str:
    return f"{HEADING}, sampled every {_period(samples)} in a run of its own"


def _period(samples: Samples) -> str:
    return f"{1e3 * samples.period_seconds:.0f} ms"


def _title(piece: SampledPiece) -> str:
    if piece.kind == PHASE:
        return f"phase {figures.phase_name(piece.name)}"
    times = f" × {piece.count}" if piece.count > 1 else ""
    name = "" if piece.name == piece.kind else f" {piece.name.rpartition('.')[2]}"
    return f"{piece.kind}{name}{times}"


def _with_error(line: HotLine) -> str:
    """`1.33 ± 0.01 s`, `937 ± 91 ms`."""
    if line.seconds >= 1:
        return f"{line.seconds:.2f} ± {line.error_seconds:.2f} s"
    return f"{1e3 * line.seconds:.0f} ± {1e3 * line.error_seconds:.0f} ms"


def _path(line: HotLine, *, cwd: str) -> str:
    """`core/module.py:44 → core/evaluation.py:32 Evaluator.__init__, mostly in torch/nn/init.py:12 uniform_`."""
    mostly_in = _mostly_in(line, cwd=cwd)
    beneath = f", mostly in {mostly_in} {line.mostly_in.function}" if line.mostly_in else ""
    return f"{' → '.join(_places(line, cwd=cwd))} {line.lines[-1].function}{beneath}"


def _places(line: HotLine, *, cwd: str) -> list[str]:
    """The last few of its lines: what leads there from the program's first line is the same for most."""
    return [place(one.location, cwd=cwd) for one in line.lines[-_NUM_PLACES:]]


def _mostly_in(line: HotLine, *, cwd: str) -> str:
    return place(line.mostly_in.location, cwd=cwd) if line.mostly_in else ""


def _how(samples: Samples) -> str:
    """Which run this is, from when on it was sampled, and how well the clocks agree."""
    facts = [f"by {samples.sampler or 'py-spy'}, without imports"]
    if samples.run_seconds is not None and samples.waited_seconds is not None:
        run = format_seconds(samples.run_seconds)
        facts.append(
            f"the sampled run took {run}, {format_seconds(samples.waited_seconds)} of it for py-spy to get ready"
        )
    if samples.first_seconds is not None:
        facts.append(f"seen from {format_seconds(samples.first_seconds)} on")
    if samples.residual_seconds is not None:
        agree = format_seconds(samples.residual_seconds)
        facts.append(f"its clock and the recorder's agree to {agree} ({samples.num_anchors} moments)")
    if samples.num_errors:
        facts.append(f"{samples.num_errors} samples failed")
    facts.append("every stack, for ui.perfetto.dev: runs/sampled/samples.json")
    return "; ".join(facts)

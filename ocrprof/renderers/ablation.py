"""What the features of a program are worth, as lines for a terminal, a Markdown page and an HTML page."""

import statistics
from typing import TextIO

from ocrprof.renderers import figures
from ocrprof.renderers.charts import Point, StripRow, strip
from ocrprof.renderers.console_lines import paragraph, section, table_lines
from ocrprof.renderers.html_page import document, environment, header
from ocrprof.renderers.markdown_text import code, table_block, words
from ocrprof.renderers.markup import Html, Section, contents
from ocrprof.renderers.markup import paragraph as html_paragraph
from ocrprof.renderers.markup import section as html_section
from ocrprof.renderers.markup import table as html_table
from ocrprof.renderers.places import num_cells
from ocrprof.renderers.terminal import Line, write_lines
from ocrprof.results.last_words import last_words
from ocrprof.results.model import AblationReport, Arm, Effect, Statistic
from ocrprof.units import format_bytes, format_seconds

_HEADINGS = {
    "cumulative": "One after another",
    "alone": "Each alone, against none",
    "left-out": "All but one: what leaving it out would lose",
    "on": "All of them, against none",
}
# load: loading and evaluation alone. in all: against none. start: added to the time until the first training step.
_SHORT_TITLES = ("later", "speed-up", "first", "load", "in all", "start", "memory", "feature")
_LEFT_OUT_FIRST = ("load", "start", "first", "memory")
"""Columns that make room where the names of the features need it, in this order."""
_EPOCHS = {
    ("program", "validation"): "validation epoch",
    ("program", "train"): "training epoch",
    ("loader", "validation"): "epoch of the validation loader alone",
    ("loader", "train"): "epoch of the training loader alone",
}


def render_ablation(report: AblationReport, *, stream: TextIO, color: bool, width: int = 80) -> None:
    """Writes the tables and, last, the one line to remember, in at most `width` columns (80 to 120)."""
    width = min(max(width, 80), 120)
    lines: list[Line] = [
        *paragraph(f"ocrprof ablate · {figures.command(report.target)}", width=width, style="title"),
        *paragraph(_what_was_run(report), width=width),
    ]
    for design in report.designs or ["on"]:
        rows = [_short_cells(one) for one in _of(report, design)]
        if rows:
            lines += section(_HEADINGS[design], _table(rows, width=width))
    lines += section("Together against one by one", [(f"  {text}", "") for text in _interactions(report)])
    for note in notes(report):
        lines += [("", ""), *paragraph(note, width=width)]
    lines += [("", ""), *paragraph(_last_line(report), width=width, style="title")]
    write_lines(lines, stream=stream, color=color)


def _table(rows: list[list[str]], *, width: int) -> list[Line]:
    """The rows without the columns that are empty in all of them, and without others while the names need the room."""
    columns = [column for column in zip(_SHORT_TITLES, *rows, strict=True) if any(column[1:])]
    left_out = []
    for title in _LEFT_OUT_FIRST:
        if sum(2 + max(num_cells(cell) for cell in column) for column in columns) <= width:
            break
        left_out += [title for column in columns if column[0] == title]
        columns = [column for column in columns if column[0] != title]
    lines = table_lines(list(zip(*columns, strict=True)), align=">" * (len(columns) - 1) + "<", width=width)
    if left_out:
        lines.append((f"  {', '.join(left_out)}: in report.md, or on a wider terminal", "dim"))
    return lines


def ablation_markdown(report: AblationReport) -> str:
    """The audits' table, measured; ends with a newline."""
    blocks = [[f"`{code(_last_line(report))}`"], [f"`{code(figures.command(report.target))}`"]]
    blocks.append([words(_what_was_run(report))])
    for design in (*report.designs, "on"):
        rows = [[words(cell) for cell in _cells(one)] for one in _of(report, design)]
        if rows:
            titles = _titles(design)
            table = table_block(titles, rows, align="l" + "r" * (len(titles) - 1))
            blocks.append([f"### {_HEADINGS[design]}", "", *table])
    if report.interactions:
        blocks.append(["### Together against one by one", "", *(f"- {words(text)}" for text in _interactions(report))])
    blocks += [[words(note)] for note in notes(report)]
    blocks.append([words(figures.environment_line(report.environment))])
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def ablation_html(report: AblationReport) -> str:
    """The page: what all are worth, then each, as a picture and as tables."""
    body: list[Html | None] = [_picture(report)]
    for design in (*report.designs, "on"):
        rows = [_cells(one) for one in _of(report, design)]
        titles = _titles(design)
        body.append(
            html_section(
                _HEADINGS[design], html_table(titles, rows, align="l" + "r" * (len(titles) - 1)), anchor=design
            )
        )
    if report.interactions:
        told = [html_paragraph(text) for text in _interactions(report)]
        body.append(html_section("Together against one by one", *told, anchor="interactions"))
    if notes(report):
        body.append(html_section("Notes", *(html_paragraph(note) for note in notes(report)), anchor="notes"))
    body.append(environment(report))
    top = [header(report, _what_was_run(report)), html_paragraph(_last_line(report), class_="verdict")]
    return document(report, [*top, contents(body), *body])


def notes(report: AblationReport) -> list[str]:
    """What a reader must know before believing a figure: changed metrics, failed settings, rounds not made."""
    found = []
    exact = {feature.name: feature.exact for feature in report.features}
    for effect in report.effects:
        if effect.same_metrics is False and exact.get(effect.feature, False):
            names = ", ".join(effect.different_metrics)
            found.append(f"{effect.feature} changes what must not change ({effect.design}): {names}")
    idle = sorted({one.feature for one in report.effects if one.does_nothing and one.design != "on"})
    idle = [name for name in idle if all(one.does_nothing for one in report.effects if one.feature == name)]
    if idle:
        found.append(f"Nothing that the rounds agree on: {', '.join(idle)}. Is the switch still wired?")
    for arm in report.arms:
        failed = [trial for trial in arm.trials if trial.status != "reached"]
        if failed:
            said = last_words(failed[-1].stderr_tail)
            tail = f": {said}" if said else ""
            found.append(
                f"{setting(arm)} ended {failed[-1].status.replace('_', ' ')} in round {failed[-1].round}{tail}"
            )
    if report.stopped:
        found.append(f"{report.stopped.capitalize()}: fewer rounds than the {report.num_rounds} that were asked for.")
    return found


def setting(arm: Arm) -> str:
    """The features of a setting that are on."""
    return " + ".join(arm.on) if arm.on else "all off"


def _short_setting(report: AblationReport, arm: Arm) -> str:
    """As `setting`, by what sets it apart from the others: the feature added last, or the one that is left out."""
    names = [feature.name for feature in report.features]
    if len(arm.on) < 2:
        return setting(arm)
    if len(arm.on) == len(names):
        return "all on"
    if arm.on == names[: len(arm.on)] and "cumulative" in report.designs:
        return f"+ {arm.on[-1]}"
    missing = [name for name in names if name not in arm.on]
    return f"all but {missing[0]}" if len(missing) == 1 else setting(arm)


def _what_was_run(report: AblationReport) -> str:
    rounds = len({trial.round for arm in report.arms for trial in arm.trials})
    epochs = max((sum(one.loop == report.loop for one in t.epochs) for a in report.arms for t in a.trials), default=0)
    return (
        f"{len(report.arms)} settings in {rounds} rounds of random order (seed {report.seed}), a fresh process each, "
        f"{epochs} epochs a process, the first apart from the later ones; "
        "speed-ups are medians of the ratios within the rounds [95 % interval]"
    )


def _epoch(report: AblationReport) -> str:
    return _EPOCHS[report.level, report.loop]


def _of(report: AblationReport, design: str) -> list[Effect]:
    return [effect for effect in report.effects if effect.design == design]


def _titles(design: str) -> list[str]:
    titles = ["feature", "later epoch", "speed-up", "first epoch", "loading and evaluation"]
    if design == "cumulative":
        titles.append("in all")
    return [*titles, "start", "peak memory", "metrics"]


def _cells(effect: Effect) -> list[str]:
    cells = [
        effect.feature,
        format_seconds(effect.seconds.median) if effect.seconds else "",
        _ratio(effect.later_epochs),
        _ratio(effect.first_epoch, with_interval=False),
        _ratio(effect.later_parts, with_interval=False),
    ]
    if effect.design == "cumulative":
        cells.append(_ratio(effect.cumulative, with_interval=False))
    return [*cells, _start(effect), _memory(effect), {True: "equal", False: "differ", None: ""}[effect.same_metrics]]


def _short_cells(effect: Effect) -> list[str]:
    """As `_cells`, for a terminal of 80 columns; metrics that differ are told below the tables."""
    seconds = format_seconds(effect.seconds.median) if effect.seconds else ""
    ratios = [effect.first_epoch, effect.later_parts, effect.cumulative]
    return [
        seconds,
        _ratio(effect.later_epochs),
        *(_ratio(one, with_interval=False) for one in ratios),
        _start(effect),
        _memory(effect),
        effect.feature,
    ]


def _start(effect: Effect) -> str:
    """What the feature adds to the time until the first training step."""
    if effect.start_saved_seconds is None:
        return ""
    saved = effect.start_saved_seconds.median
    return f"{'−' if saved > 0 else '+'}{format_seconds(abs(saved))}"


def _memory(effect: Effect) -> str:
    if effect.memory_bytes is None:
        return ""
    median = effect.memory_bytes.median
    return f"{'+' if median >= 0 else '−'}{format_bytes(abs(median))}"


def _ratio(statistic: Statistic | None, *, with_interval: bool = True) -> str:
    if statistic is None:
        return ""
    interval = statistic.ci95 if with_interval else None
    return f"{statistic.median:.2f} ×" + (f" [{interval[0]:.2f}, {interval[1]:.2f}]" if interval else "")


def _interactions(report: AblationReport) -> list[str]:
    return [
        f"{one.features[0]} × {one.features[1]}: {_ratio(one.ratio)} the product of each alone"
        for one in report.interactions
    ]


def _last_line(report: AblationReport) -> str:
    whole = next((effect for effect in report.effects if effect.design == "on"), None)
    if whole is None or whole.later_epochs is None:
        return f"ablate: no {_epoch(report)} after the first was measured with all features on and with none"
    text = f"all features: a later {_epoch(report)} {_ratio(whole.later_epochs)}"
    if whole.later_parts and report.level == "program":
        text += f" · loading and evaluation {_ratio(whole.later_parts, with_interval=False)}"
    if whole.first_epoch:
        text += f" · first epoch {_ratio(whole.first_epoch, with_interval=False)}"
    return text


def _picture(report: AblationReport) -> Section | None:
    """Seconds of a later epoch of each setting, a dot an epoch; the fewest features first."""
    rows = []
    for arm in sorted(report.arms, key=lambda one: len(one.on)):
        seconds = [
            (trial, [epoch.seconds for epoch in trial.epochs if epoch.loop == report.loop][1:]) for trial in arm.trials
        ]
        points = [
            Point(value, format_seconds(value), f"{setting(arm)}, round {trial.round}: {format_seconds(value)}")
            for trial, later in seconds
            for value in later
        ]
        if points:
            median = statistics.median(point.value for point in points)
            rows.append(StripRow(_short_setting(report, arm), points, [("median", median)]))
    if not rows:
        return None
    # A little more, for the dot of the slowest to lie inside.
    limit = 1.02 * max(point.value for row in rows for point in row.points)
    picture = strip(rows, limit=limit, tick_text=format_seconds)
    return html_section(f"{_epoch(report).capitalize()}, each but the first, by setting", picture, anchor="settings")

"""A history on the terminal and in Markdown: where it changed, and the newest session against two references."""

from typing import TextIO

from ocrprof.renderers import figures
from ocrprof.renderers import figures_history as facts
from ocrprof.renderers.console_lines import paragraph, section, table_lines
from ocrprof.renderers.figures_check import metric_name
from ocrprof.renderers.markdown_text import code, table_block, words
from ocrprof.renderers.places import keep_head, plain
from ocrprof.renderers.terminal import Line, write_lines
from ocrprof.results.model import HistoryReport

_NUM_GROUPS, _NUM_CHANGES, _NUM_COMMITS = 4, 6, 5
_NUM_MARKDOWN_GROUPS, _NUM_MARKDOWN_COMMITS = 12, 30
_REFERENCE_TITLES = ("newest", "rolling", "frozen", "noise", "metric")


def render_history(report: HistoryReport, *, stream: TextIO, color: bool, width: int = 80) -> None:
    """Writes what changed, the references, and last the line to remember, in at most `width` columns (80 to 120)."""
    width = min(max(width, 80), 120)
    lines: list[Line] = [
        *paragraph(f"ocrprof history · {figures.command(report.target)}", width=width, style="title"),
        *paragraph(facts.sessions_line(report), width=width),
        *paragraph(facts.machine_line(report), width=width, style="dim"),
        *section("Where it changed, the newest first", _changes(report, width=width)),
        *section("The newest session against two references", _references(report, width=width)),
        *section("Notes", _bullets(report.notes, width=width)),
        ("", ""),
        *paragraph(facts.last_line(report), width=width, style="bad" if facts.got_worse(report) else "title"),
    ]
    write_lines(lines, stream=stream, color=color)


def history_markdown(report: HistoryReport) -> str:
    """The whole of it; ends with a newline."""
    blocks = [
        [f"## {words(facts.last_line(report))}"],
        [f"`{code(figures.command(report.target))}`", "", words(facts.sessions_line(report))],
        *_markdown_changes(report),
        _markdown_references(report),
        ["### Notes", "", *(f"- {words(note)}" for note in report.notes)] if report.notes else [],
        [words(facts.how_line(report)), "", words(facts.machine_line(report))],
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _bullets(sentences: list[str], *, width: int) -> list[Line]:
    return [line for one in sentences for line in paragraph(one, width=width, first="  ", indent="    ")]


def _changes(report: HistoryReport, *, width: int) -> list[Line]:
    groups = facts.change_groups(report)
    lines: list[Line] = []
    for group in groups[:_NUM_GROUPS]:
        lines += [("", "")] if lines else []
        lines += paragraph(facts.group_text(group, report), width=width, first="  ", indent="    ")
        rows = [facts.change_cells(series, change) for series, change in group.changes[:_NUM_CHANGES]]
        table = table_lines([("", "worse by", "", "p", "metric"), *rows], align="<>>><", width=width - 2)
        lines += [(f"  {text}", style) for text, style in table]
        if len(group.changes) > _NUM_CHANGES:
            lines.append((f"    … {len(group.changes) - _NUM_CHANGES} more metrics, in the report", "dim"))
        lines += _causes(group, report, width=width)
    if len(groups) > _NUM_GROUPS:
        lines += [("", ""), (f"  … {len(groups) - _NUM_GROUPS} earlier changes, in the report", "dim")]
    return lines


def _causes(group: facts.ChangeGroup, report: HistoryReport, *, width: int) -> list[Line]:
    """The commits that may be behind a change, what else changed, and how to find the one."""
    lines = paragraph(facts.commits_line(group, report), width=width, indent="    ")
    commits = group.tightest.commits
    lines += [(f"      {keep_head(plain(commit), width - 6)}", "") for commit in commits[:_NUM_COMMITS]]
    if len(commits) > _NUM_COMMITS:
        lines.append((f"      … {(group.tightest.num_commits or 0) - _NUM_COMMITS} more", "dim"))
    if group.tightest.also:
        lines += paragraph(f"changed too: {'; '.join(group.tightest.also)}", width=width, first="    ", indent="      ")
    metric = facts.hint_metric(group)
    if metric is not None:
        lines += paragraph(f"find it: ocrprof history bisect-hint {metric}", width=width, indent="    ")
    return lines


def _references(report: HistoryReport, *, width: int) -> list[Line]:
    series, num_others = facts.told_series(report)
    if not series:
        return []
    rows = [(*facts.reference_cells(one), metric_name(one.info.name)) for one in series]
    lines = table_lines([_REFERENCE_TITLES, *rows], align=">>>><", width=width)
    if num_others:
        lines.append((f"  … {num_others} more, in the report", "dim"))
    return [*lines, *paragraph(facts.references_line(series), width=width, indent="  ", style="dim")]


def _markdown_changes(report: HistoryReport) -> list[list[str]]:
    blocks: list[list[str]] = []
    groups = facts.change_groups(report)
    for group in groups[:_NUM_MARKDOWN_GROUPS]:
        cells = [facts.change_cells(series, change) for series, change in group.changes]
        rows = [[f"**{word}**" if word.isupper() else word, *rest, f"`{code(name)}`"] for word, *rest, name in cells]
        block = [f"### {words(facts.group_text(group, report))}", ""]
        block += table_block(("", "worse by", "before → after", "p", "metric"), rows, align="lrrrl")
        block += ["", words(facts.commits_line(group, report)), ""]
        commits = group.tightest.commits[:_NUM_MARKDOWN_COMMITS]
        block += [f"- `{code(sha)}` {words(subject)}" for sha, _, subject in (one.partition(" ") for one in commits)]
        if (group.tightest.num_commits or 0) > len(commits):
            block.append(f"- {(group.tightest.num_commits or 0) - len(commits)} more")
        block += ["", f"Changed too: {words('; '.join(group.tightest.also))}"] if group.tightest.also else []
        metric = facts.hint_metric(group)
        block += ["", f"Find it: `ocrprof history bisect-hint {code(metric)}`"] if metric else []
        blocks.append(block)
    if len(groups) > _NUM_MARKDOWN_GROUPS:
        blocks.append([f"{len(groups) - _NUM_MARKDOWN_GROUPS} earlier changes stand in report.json."])
    return blocks


def _markdown_references(report: HistoryReport) -> list[str]:
    series, _ = facts.told_series(report)
    if not series:
        return []
    rows = [[f"`{code(metric_name(one.info.name))}`", *facts.reference_cells(one)] for one in series]
    table = table_block(("metric", "newest", "rolling", "frozen", "noise"), rows, align="lrrrr")
    return ["### The newest session against two references", "", *table, "", words(facts.references_line(series))]

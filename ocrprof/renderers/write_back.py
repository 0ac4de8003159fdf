"""Where a recommendation belongs in the target's configuration: the diff, or why there is none, as lines of text."""

import os
from pathlib import Path
from typing import TextIO

from ocrprof.renderers.console_lines import keep_place, paragraph, table_lines
from ocrprof.renderers.markdown_text import table_block, words
from ocrprof.renderers.markup import Section, lines, table, tag
from ocrprof.renderers.markup import paragraph as html_paragraph
from ocrprof.renderers.markup import section as html_section
from ocrprof.renderers.terminal import Line, write_lines
from ocrprof.results.model import ConfigKey, ProvenKey, WriteBack

_STATUS = {
    "proposed": "where the value belongs",
    "written": "written",
    "already": "nothing to write",
    "refused": "not written",
    "restored": "written, then put back",
}
_ORIGINS = {
    "file": "the file",
    "package": "a file of an installed package",
    "interpolation": "an interpolation",
    "environment": "the environment",
    "resolver": "an interpolation that computes it",
    "command_line": "the command line",
    "program": "an override of the program's own",
    "structured": "a structured configuration",
    "missing": "nothing: DataLoader's default",
    "unknown": "something else than the last file that sets it",
}
_TITLES = ("other keys, untouched", "value", "decided by")


def render_write_back(result: WriteBack, *, cwd: str, stream: TextIO, color: bool, width: int = 80) -> None:
    """Writes the proof, the diff, whose lines are not wrapped, the other keys, what to do; files as seen from `cwd`."""
    width = min(max(width, 80), 120)
    text: list[Line] = [("", ""), (_heading(result), "heading")]
    for fact in (*_proofs(result, cwd), *_facts(result, cwd)):
        text += paragraph(fact, width=width, first="  ", indent="  ")
    for edit in result.edits:
        text += [("", ""), *((line, _style(line)) for line in edit.diff.splitlines())]
    if result.others:
        rows = [_row(one, cwd) for one in result.others]
        text += [("", ""), *table_lines([_TITLES, *rows], align="<><", width=width, shorten=keep_place)]
    write_lines(text, stream=stream, color=color)


def render_written(result: WriteBack, *, cwd: str, stream: TextIO, color: bool, width: int = 80) -> None:
    """Writes what became of files whose diff was shown before."""
    width = min(max(width, 80), 120)
    text: list[Line] = [("", ""), (_heading(result), "heading")]
    for fact in _facts(result, cwd):
        text += paragraph(fact, width=width, first="  ", indent="  ")
    write_lines(text, stream=stream, color=color)


def write_back_markdown(result: WriteBack, *, cwd: str) -> list[str]:
    """The blocks of a Markdown page, apart by empty lines, the heading first."""
    facts = (*_proofs(result, cwd), *_facts(result, cwd))
    blocks = [f"## {_heading(result)}", "\n".join(f"- {words(fact)}" for fact in facts)]
    blocks += [f"```diff\n{edit.diff.rstrip()}\n```" for edit in result.edits]
    if result.others:
        rows = [[words(cell) for cell in _row(one, cwd)] for one in result.others]
        blocks.append("\n".join(table_block(_TITLES, rows, align="lrl")))
    return [block for block in blocks if block]


def write_back_html(result: WriteBack, *, cwd: str) -> Section:
    """The section of an HTML page."""
    facts = [html_paragraph(fact) for fact in (*_proofs(result, cwd), *_facts(result, cwd))]
    edits = [tag("pre", lines(edit.diff.splitlines())) for edit in result.edits]
    others = [table(_TITLES, [_row(one, cwd) for one in result.others], align="lrl")] if result.others else []
    return html_section(_heading(result), *facts, *edits, *others, anchor="configuration")


def _heading(result: WriteBack) -> str:
    return f"Configuration: {_STATUS[result.status]}"


def _proofs(result: WriteBack, cwd: str) -> list[str]:
    tense = "was" if result.status == "written" else "now"
    return [_proof(one, cwd, tense=tense) for one in result.keys]


def _proof(proven: ProvenKey, cwd: str, *, tense: str) -> str:
    key = proven.config_key
    plus = "+" if proven.adds else ""
    value = "" if key.value is None else f", {tense} {_text(key.value)}"
    place = "" if key.location is None else f" {_place(key, cwd)}" if key.origin == "file" else f", {_place(key, cwd)}"
    return (
        f"{key.key}{value}: decided by {_ORIGINS[key.origin]}{place}. "
        f"Proven: with {plus}{key.key}={_text(proven.tried)} the measured loader was given {_text(proven.tried)}."
    )


def _facts(result: WriteBack, cwd: str) -> list[str]:
    facts = []
    if result.reason is not None:
        facts.append(f"Not written: {_seen_from(cwd, result.reason)}.")
    if result.advice is not None:
        facts.append(f"Instead: {_seen_from(cwd, result.advice)}.")
    if result.following:
        facts.append(f"Refer to it, and have its value: {', '.join(result.following)}.")
    for edit in result.edits:
        if edit.uncommitted:
            facts.append(f"{_relative(edit.file, cwd)} had changes that Git has not been given; they are kept.")
        if edit.backup is not None:
            facts.append(f"{_relative(edit.file, cwd)} as it was: {_relative(edit.backup, str(Path.cwd()))}")
    return [*facts, *(f"{_seen_from(cwd, note)}." for note in result.notes)]


def _row(key: ConfigKey, cwd: str) -> tuple[str, str, str]:
    decided = _place(key, cwd) if key.origin == "file" else _ORIGINS[key.origin]
    if key.source_key is not None:
        decided = f"${{{key.source_key}}}"
    elif key.source is not None:
        decided += f" ({key.source})"
    return key.key, _text(key.value), decided


def _place(key: ConfigKey, cwd: str) -> str:
    if key.location is None:
        return _ORIGINS[key.origin]
    file = _relative(key.location.file, cwd)
    return f"{file}:{key.location.line}" if key.location.line else file


def _relative(file: str, folder: str) -> str:
    """The path from `folder` where it lies inside, else as it is."""
    return os.path.relpath(file, folder) if Path(file).is_relative_to(folder) else file


def _seen_from(cwd: str, sentence: str) -> str:
    return sentence.replace(f"{cwd.rstrip('/')}/", "")


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)


def _style(line: str) -> str:
    if line.startswith("+") and not line.startswith("+++"):
        return "title"
    return "bad" if line.startswith("-") and not line.startswith("---") else "dim"

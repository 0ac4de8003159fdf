"""Markdown as text: tables, code, and words of which Markdown reads none as its own signs."""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from ocrprof.renderers.places import keep_head, plain

_NUM_STDERR_LINES = 8

# Underscores inside a word are no emphasis in GitHub's Markdown: create_model stays as people write it.
_SIGNS = re.compile(r"[\\`*<>\[\]]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")


def stderr_block(lines: list[str]) -> list[str]:
    """The last lines that a target printed, fenced; nothing for none."""
    tail = [plain(line).rstrip() for line in lines[-_NUM_STDERR_LINES:]]
    # A fence that the program's own output cannot close.
    fence = "```" if not any("```" in line for line in tail) else "~~~~~~~~"
    return ["", fence + "text", *tail, fence] if tail else []


def json_block(value: Any) -> list[str]:  # Any: a configuration or metrics, JSON values
    """A value as indented JSON, fenced."""
    return ["```json", json.dumps(value, indent=2, ensure_ascii=False), "```"]


def table_block(titles: Sequence[str], rows: Iterable[Sequence[str]], *, align: str | None = None) -> list[str]:
    """A value as indented JSON, fenced."""
    rules = ["---:" if side == "r" else "---" for side in align or "l" * len(titles)]
    return [_row(titles), _row(rules), *(_row(row) for row in rows)]


def _row(cells: Sequence[str]) -> str:
    """A table; `align` says l or r for each column."""
    # A bar would end the cell, inside a code span too: GitHub reads the escape in both.
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def left_out(number: int, what: str) -> list[str]:
    """The row that counts what a table does not show; nothing where it shows all."""
    # A row may be short: Markdown fills it up.
    return [f"| | {number} more {what} in report.json |"] if number > 0 else []


def words(text: str) -> str:
    """Words of the target or of a rule, so that Markdown reads none of them as its own signs."""
    return keep_head(_SIGNS.sub(r"\\\g<0>", plain(text)), 600)


def prose(text: str) -> str:
    """Sentences of a rule, in which `backticks` stand around code."""
    pieces = plain(text).split("`")
    if len(pieces) % 2 == 0:
        return words(text)
    return "`".join(piece if number % 2 else words(piece) for number, piece in enumerate(pieces))


def code(text: str) -> str:
    """Text that may stand between backticks."""
    return plain(text).replace("`", "'")


def where(place_text: str) -> str:
    """A place as code; nothing for none."""
    return f"`{code(place_text)}`" if place_text else ""

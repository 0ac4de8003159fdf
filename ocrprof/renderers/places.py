"""Paths, module names and lines of output as short text: where a thing is, told in the width there is."""

import os.path
import re
import unicodedata

from ocrprof.results.model import Location

_INSTALLED = re.compile(r"^.*/(?:site|dist)-packages/")
_STANDARD_LIBRARY = re.compile(r"^.*/lib(?:64)?/(?=python3\.\d+/)")
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def plain(text: str) -> str:
    """One line without terminal control sequences: what a target printed must not steer the reader's terminal."""
    return _CONTROL.sub("", text.replace("\n", " ").expandtabs(4))


def short_path(file: str, *, cwd: str) -> str:
    """`torch/nn/modules/module.py`, `python3.11/json/decoder.py`, `ocr/train.py` from `cwd`; otherwise as it is."""
    for prefix in (_INSTALLED, _STANDARD_LIBRARY):
        if prefix.match(file):
            return plain(prefix.sub("", file))
    # A common root alone relates nothing: ../../home/x reads worse than /home/x.
    if file.startswith("/") and cwd.startswith("/") and os.path.commonpath((file, cwd)) != "/":
        relative = os.path.relpath(file, cwd)
        if relative.count("../") <= 2:
            return plain(relative)
    return plain(file)


def place(location: Location | None, *, cwd: str) -> str:
    """`ocr/train.py:12`, or an empty text."""
    return f"{short_path(location.file, cwd=cwd)}:{location.line}" if location else ""


def chain_text(chain: list[str], *, cwd: str) -> str:
    """`train.py:7 → lightning → torch` from `module (file:line)` items; the first one is told by its place."""
    names = [item.partition(" (")[0] for item in chain]
    first = re.match(r"^.* \((.+):(\d+)\)$", chain[0]) if chain else None
    if first:
        names[0] = f"{short_path(first[1], cwd=cwd)}:{first[2]}"
    return " → ".join(plain(name) for name in names)


def num_cells(text: str) -> int:
    """Terminal columns that the text takes: wide East Asian characters take two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )


def keep_head(text: str, cells: int) -> str:
    """The beginning of the text, with an ellipsis where it was cut."""
    if num_cells(text) <= cells:
        return text
    text = text[:cells]
    while text and num_cells(text) > cells - 1:
        text = text[:-1]
    return f"{text.rstrip()}…"


def keep_tail(text: str, cells: int, *, separator: str = "/") -> str:
    """The end of a path or a dotted name, whole parts where they fit: `…/modules/module.py:12`."""
    if num_cells(text) <= cells:
        return text
    parts = text.split(separator)
    for start in range(1, len(parts)):
        shorter = "…" + separator + separator.join(parts[start:])
        if num_cells(shorter) <= cells:
            return shorter
    text = text[-cells:]
    while text and num_cells(text) > cells - 1:
        text = text[1:]
    return f"…{text}"


def keep_tail_of_name(text: str, cells: int) -> str:
    """The end of a dotted name: `….modules.Linear`."""
    return keep_tail(text, cells, separator=".")


def wrap(text: str, cells: int, *, first: str = "", indent: str = "") -> list[str]:
    """Lines of at most `cells` columns; `textwrap` counts letters, which wide characters are not."""
    lines: list[str] = []
    line, empty = first, True
    for word in text.split():
        while True:
            longer = line + ("" if empty else " ") + word
            if num_cells(longer) <= cells:
                line, empty = longer, False
                break
            if empty:  # No line can hold the word: it is broken where the line ends.
                room = cells - num_cells(line)
                length = next(
                    n for n in range(min(len(word), max(room, 1)), 0, -1) if n == 1 or num_cells(word[:n]) <= room
                )
                line, word = line + word[:length], word[length:]
            lines.append(line)
            line, empty = indent, True
            if not word:
                break
    return lines if empty else [*lines, line]

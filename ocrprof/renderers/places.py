"""Paths, module names and lines of output as short text: where a thing is, told in the width there is."""

import os.path
import re
import unicodedata
from itertools import groupby, pairwise

from ocrprof.results.model import Construction, Location

_INSTALLED = re.compile(r"^.*/(?:site|dist)-packages/")
_STANDARD_LIBRARY = re.compile(r"^.*/lib(?:64)?/(?=python3\.\d+/)")
_WORKTREE = re.compile(r"^(?:.*/)?\.ocrprof/wt/[^/]+/")
_HOP = re.compile(r"^(?P<module>.+) \((?P<file>.+):(?P<line>\d+)\)$")
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


def repository_path(file: str, *, cwd: str) -> str | None:
    """The path of a file below `cwd`, or in a work tree that a check made of it; None for files elsewhere."""
    if "site-packages" in file or "dist-packages" in file:
        return None
    inside = _WORKTREE.sub("", file)
    if inside.startswith("/"):
        inside = os.path.relpath(inside, cwd)
    return None if inside.startswith("..") else inside


def built_at(one: Construction) -> Location | None:
    """The line of what was built, or that of its caller where its hook tells no other; None where neither is known."""
    match one.attributes.get("by"):
        case [str(file), int(line)] if one.location is None:
            return Location(file=file, line=line)
    return one.location


def chain_text(chain: list[str], *, cwd: str) -> str:
    """`train.py:7 → lightning:19 → … → torch.fx:3 → sympy` from `module (file:line)` items.

    The program's own line is told by its file; of many modules of one package only the first and the last are told.
    """
    hops = [_HOP.match(item) for item in chain]
    told = [f"{hop['module']}:{hop['line']}" if hop else item for hop, item in zip(hops, chain, strict=True)]
    if hops and hops[0]:
        told[0] = f"{short_path(hops[0]['file'], cwd=cwd)}:{hops[0]['line']}"
    kept: list[str] = []
    start = 0
    for _, group in groupby(item.split(" ")[0].split(".")[0] for item in chain):
        length = len(list(group))
        names = told[start : start + length]
        kept += names if length <= 3 else [names[0], "…", names[-1]]
        start += length
    return " → ".join(plain(name) for name in kept)


def chain_steps(chain: list[str], *, cwd: str) -> list[tuple[str, str]]:
    """Each hop of a chain of `module (file:line)` items: the line, and the module that it loads."""
    steps = []
    for item, after in pairwise(chain):
        hop, target = _HOP.match(item), _HOP.match(after)
        where = f"{short_path(hop['file'], cwd=cwd)}:{hop['line']}" if hop else plain(item)
        steps.append((where, plain(target["module"] if target else after)))
    return steps


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


def keep_parts(text: str, cells: int) -> str:
    """As many of the parts between ` · ` as fit, the first one cut where even that does not."""
    parts = text.split(" · ")
    while len(parts) > 1 and num_cells(" · ".join(parts)) > cells:
        parts.pop()
    return keep_head(" · ".join(parts), cells)


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

"""Changes one value in the text of a YAML file and nothing else: no byte outside the line of the value differs.

ruamel.yaml tells where the value stands, and proves afterwards that every other value is what it was. The text itself
is cut at that place, not written anew: a dump would bring its own indentation, line width and empty lines.
"""

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any


class CannotEditError(Exception):
    """Why the value cannot be changed where it stands: a sentence that begins with "it"."""


@dataclass(frozen=True)
class Edited:
    """The new text; `line`, counted from 1, is the one that differs. `noted`: it carries the comment."""

    text: str
    line: int
    noted: bool


def line_of_value(text: str, path: Sequence[str]) -> int:
    """The line of the value at `path`, counted from 1. Raises CannotEditError where there is none."""
    return text.count("\n", 0, _place(text, path)[0]) + 1


def value_at(text: str, path: Sequence[str]) -> Any:  # Any: a plain value
    """The value at `path`. Raises CannotEditError where there is none."""
    _place(text, path)
    node = _load(text)
    for part in path:
        node = node[int(part)] if isinstance(node, list) else _by_name(node)[part]
    return node


def set_value(text: str, path: Sequence[str], value: int | bool, *, note: str) -> Edited:
    """`text` with `value` at `path`, and `note` as a comment at the end of its line, in place of our last one.

    Raises CannotEditError where the value cannot be changed alone.
    """
    start, end = _place(text, path)
    written = str(value).lower()
    line = text.count("\n", 0, start) + 1
    stop = re.compile(r"\r?\n|\Z").search(text, end)
    rest_end = stop.start() if stop is not None else len(text)
    rest = text[end:rest_end]
    gap = " " if start == end else ""  # after a colon that nothing followed
    head, tail = text[:start] + gap + written, text[rest_end:]
    rest = _aligned(rest, by=len(gap + written) - (end - start))
    noted = f"{_OWN_NOTE.sub('', rest).rstrip()}{_before_comment(rest)}# {written}: {note}"
    before = dict(_leaves(_load(text)))
    others: set[tuple[str, ...]] = set()
    for candidate, is_noted in ((head + noted + tail, True), (head + rest + tail, False)):
        changed = _changed(before, candidate)
        if changed is not None and changed <= {tuple(path)}:
            return Edited(text=candidate, line=line, noted=is_noted)
        others = (changed or set()) - {tuple(path)}
    if others:
        names = ", ".join(".".join(one) for one in sorted(others)[:4])
        raise CannotEditError(f"it is shared by an anchor: {names} would change with it")
    raise CannotEditError("it stands in a form that cannot be changed by its line alone")


def unified_diff(before: str, after: str, *, name: str) -> str:
    """The diff, three lines of context, as `diff -u` and Git print it."""
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), f"a/{name}", f"b/{name}"
    )
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
    ).replace("\r\n", "\n")


_OWN_NOTE = re.compile(r"\s*# (?:\d+|true|false): ocrprof sweep-workers, .*$")


def _place(text: str, path: Sequence[str]) -> tuple[int, int]:
    """Where the value's text begins and ends; equal where a key has no value behind its colon."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError
    from ruamel.yaml.tokens import AliasToken, AnchorToken, ScalarToken, TagToken, ValueToken

    try:
        node = YAML(typ="safe", pure=True).compose(text)
        tokens = list(YAML(typ="safe", pure=True).scan(text))
    except YAMLError as error:
        raise CannotEditError(f"it stands in a file that is not YAML: {str(error).splitlines()[0]}") from error
    key_end = _key_end(node, path)
    index = next(
        number
        for number, token in enumerate(tokens)
        if isinstance(token, ValueToken) and token.start_mark.index >= key_end
    )
    after = tokens[index].end_mark.index
    for token in tokens[index + 1 :]:
        if isinstance(token, AnchorToken | TagToken):
            after = token.end_mark.index
        elif isinstance(token, ScalarToken | AliasToken):
            return token.start_mark.index, token.end_mark.index
        else:
            return after, after
    return after, after


def _key_end(node: Any, path: Sequence[str]) -> int:  # Any: nodes of ruamel.yaml
    """Where the last key of `path` ends; its value must be a single one."""
    from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

    end = -1
    for depth, part in enumerate(path):
        if isinstance(node, SequenceNode) and part.isdigit() and int(part) < len(node.value):
            end, node = -1, node.value[int(part)]
            continue
        pairs = node.value if isinstance(node, MappingNode) else []
        pair = next((one for one in reversed(pairs) if isinstance(one[0], ScalarNode) and one[0].value == part), None)
        if pair is None:
            merged = any(key.tag.endswith(":merge") for key, _ in pairs)
            raise CannotEditError(
                f"it comes from an anchor, by `<<` in {'.'.join(path[:depth]) or 'the file'}"
                if merged
                else f"it is not in the file: {'.'.join(path[: depth + 1])} is no key there"
            )
        end, node = pair[0].end_mark.index, pair[1]
    if end < 0 or not isinstance(node, ScalarNode):
        raise CannotEditError("it is no single value of a key")
    return end


def _aligned(rest: str, *, by: int) -> str:
    """What follows the value on its line, a comment of its own kept in its column where there is room."""
    spaces = len(rest) - len(rest.lstrip(" "))
    if not rest.lstrip(" ").startswith("#") or spaces < 2:
        return rest
    return " " * max(spaces - by, 1) + rest.lstrip(" ")


def _before_comment(rest: str) -> str:
    """One space behind a comment that is there already, two behind the value."""
    return " " if _OWN_NOTE.sub("", rest).lstrip().startswith("#") else "  "


def _changed(before: dict[tuple[str, ...], Any], text: str) -> set[tuple[str, ...]] | None:
    """Paths whose value differs; None where the text is no YAML."""
    from ruamel.yaml.error import YAMLError

    try:
        after = dict(_leaves(_load(text)))
    except YAMLError:
        return None
    missing = object()
    keys = before.keys() | after.keys()
    return {
        key
        for key in keys
        if (type(before.get(key, missing)), before.get(key, missing))
        != (type(after.get(key, missing)), after.get(key, missing))
    }


def _load(text: str) -> Any:  # Any: plain values
    from ruamel.yaml import YAML

    return YAML(typ="safe", pure=True).load(text)


def _leaves(node: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    items = _by_name(node).items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else None
    if items is None or not node:
        yield path, node
        return
    for key, value in items:
        yield from _leaves(value, (*path, str(key)))


def _by_name(node: dict[Any, Any]) -> dict[str, Any]:
    return {str(key): value for key, value in node.items()}

"""HTML as values: whatever is not `Html` already is text and is escaped, so that no figure can become markup."""

import html
import re
from collections.abc import Iterable, Sequence

from ocrprof.renderers.places import plain

_VOID = frozenset({"br", "input", "meta", "wbr"})
_AFTER_FOLDER, _AFTER_DOT = re.compile(r"(?<=/)(?=\w)"), re.compile(r"(?<=\.)(?=\w)")


class Html(str):
    """Markup that may stand in a page as it is."""

    __slots__ = ()


def text(words: str) -> Html:
    """Words of a target or of ours, one line, without control characters; escaped."""
    # A file name that is no UTF-8 comes as lone surrogates, which no page can hold.
    return Html(html.escape(plain(words).encode("utf-8", "backslashreplace").decode(), quote=True))


def prose(words: str) -> Html:
    """Sentences of a rule, in which `backticks` stand around code."""
    pieces = words.split("`")
    if len(pieces) % 2 == 0:
        return text(words)
    return join(*(tag("code", piece) if number % 2 else text(piece) for number, piece in enumerate(pieces)))


def tag(name: str, /, *children: str | None, **attributes: str | float | None) -> Html:
    """An element. `class_` is `class`, `aria_label` is `aria-label`; what is None is left out."""
    pairs = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID:
        return Html(f"<{name}{pairs}>")
    return Html(f"<{name}{pairs}>{join(*children)}</{name}>")


def code(words: str, *, class_: str | None = None) -> Html:
    """A path, which may be broken behind its slashes, or a dotted name, behind its dots."""
    pieces = (_AFTER_FOLDER if "/" in words else _AFTER_DOT).split(words)
    return tag("code", join(*pieces, by=tag("wbr")), class_=class_)


def join(*children: str | None, by: str = "") -> Html:
    """Children one behind the other; text among them is escaped."""
    return Html(by.join(child if isinstance(child, Html) else text(child) for child in children if child is not None))


def lines(rows: Iterable[str]) -> Html:
    """Lines of text for a `pre`."""
    return join(*rows, by="\n")


class Section(Html):
    """A part of a page, with what a table of contents says of it."""

    heading: str
    anchor: str


def section(heading: str, *children: Html | None, anchor: str) -> Section:
    """A part of a page under a heading, which a link can point to."""
    part = Section(tag("section", tag("h2", heading), *children, id=anchor))
    part.heading, part.anchor = heading, anchor
    return part


def contents(parts: Iterable[Html | None]) -> Html:
    """Links to the sections among the parts."""
    links = [tag("a", part.heading, href=f"#{part.anchor}") for part in parts if isinstance(part, Section)]
    return tag("nav", *links, aria_label="sections of this page")


def table(titles: Sequence[str], rows: Iterable[Sequence[str]], *, align: str, class_: str | None = None) -> Html:
    """A table; `align` says l or r for each column, and r is a column of numbers."""
    sides = ["n" if side == "r" else None for side in align]
    head = [tag("th", title, class_=side, scope="col") for title, side in zip(titles, sides, strict=True)]
    body = [tag("tr", *(tag("td", cell, class_=side) for cell, side in zip(row, sides, strict=True))) for row in rows]
    whole = tag("table", tag("thead", tag("tr", *head)), tag("tbody", *body), class_=class_)
    return tag("div", whole, class_="scroll")


def paragraph(*children: str | None, class_: str | None = None) -> Html:
    """A paragraph; a `note` is small print."""
    return tag("p", *children, class_=class_)


def more(summary: str, *children: Html) -> Html:
    """What is shown only when asked for."""
    return tag("details", tag("summary", summary), *children)

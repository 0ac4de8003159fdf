"""Styled lines to a terminal, or to whatever stands in its place."""

from collections.abc import Iterable
from typing import TextIO

Line = tuple[str, str]
_STYLES = {
    "": "",
    "title": "1",
    "heading": "1;36",
    "P0": "1;31",
    "P1": "1;33",
    "P2": "1",
    "P3": "",
    "dim": "2",
    "bad": "31",
}
_ASCII = str.maketrans("·×…█▏±µ→–°", "|x~#|+u>- ")


def write_lines(lines: Iterable[Line], *, stream: TextIO, color: bool) -> None:
    """Writes each line in its style; on a stream that cannot encode a sign, in ASCII."""
    text = "".join(
        f"\x1b[{_STYLES[style]}m{line}\x1b[0m\n" if color and _STYLES[style] and line else f"{line}\n"
        for line, style in lines
    )
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = text.translate(_ASCII).encode(encoding, "replace").decode(encoding)
    stream.write(text)

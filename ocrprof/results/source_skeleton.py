"""A source file without the function bodies that import nothing: what is left parses several times as fast.

Found by indentation alone, not by Python's grammar. What looks like a function inside a string is emptied too, which
changes no statement; where a cut would fall into a string, an odd number of triple quotes tells, and none is made.
"""

import re
from functools import cache

# All begin with a line's end: a search for a fixed first byte is several times as fast as one for `^`.
_HEADER = re.compile(rb"\n( *)(?:async +)?def [^\n]*")
_IMPORT = re.compile(rb"[\n;:][ \t\f]*(?:import|from)\b")


def without_bodies(source: bytes) -> bytes:
    """The same lines, in which every function whose body holds no import is an empty one."""
    if b"\n\t" in source:
        return source
    kept: list[bytes] = []
    position = 0
    while (header := _HEADER.search(source, position)) is not None:
        start = header.start()
        following = _end_of_body(len(header[1])).search(source, header.end())
        end = following.start() if following else len(source)
        body = source[start:end]
        if body.count(b'"""') % 2 or body.count(b"'''") % 2 or _imports(body):
            # Functions inside this one may still be emptied.
            end = header.end()
            kept.append(source[position:end])
        else:
            kept += source[position:start], b"\n", header[1], b"def _(): pass", b"\n" * (body.count(b"\n") - 1)
        position = end
    return b"".join([*kept, source[position:]])


def _imports(body: bytes) -> bool:
    return b"import" in body and _IMPORT.search(body) is not None


@cache
def _end_of_body(indent: int) -> re.Pattern[bytes]:
    """Finds the first line that stands no deeper: not a comment, nor what closes the arguments of the function."""
    return re.compile(rb"\n {0,%d}[^\s#)\]}]" % indent)

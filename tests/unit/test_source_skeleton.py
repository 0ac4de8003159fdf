"""A source without the function bodies that import nothing has the same imports, on the same lines."""

import ast
import os
from pathlib import Path

import pytest

from ocrprof.results.import_statements import read_imports
from ocrprof.results.source_skeleton import without_bodies

PLAIN = '''
import a


def f(
    x,
) -> int:
    """Text."""
    return x


class C:
    import b

    async def g(self):
        text = """
no indent
"""
        return text

    def h(self):
        import c

        def inner():
            return c

        if self:
            from d import (
                e,
            )


if TYPE_CHECKING:
    def k(): return 1
else:
    def k():
        import i
try:
    def m(): pass
except ImportError:
    import n
def p(): import q; return q
def r():
    pass  # comment
# dedented comment
    return 1
import s
__all__ = ["f"]
'''


def test_bodies_without_an_import_are_emptied_and_lines_kept():
    reduced = without_bodies(PLAIN.encode()).decode()
    assert reduced.count("\n") == PLAIN.count("\n")
    assert read_imports(ast.parse(reduced)) == read_imports(ast.parse(PLAIN))
    assert "return x" not in reduced
    assert "inner" not in reduced
    assert "import c" in reduced


@pytest.mark.parametrize(
    "source",
    [
        'TEXT = """\ndef f():\n    import a\n"""\nimport b\n',
        'TEXT = """\ndef f():\n    text"""\nimport b\n',
        'def f():\n    text = """\nimport a\n"""\n    return text\nimport b\n',
        "if x:\n\tdef f():\n\t\treturn 1\n\timport a\n",
        "def f():\r\n    return 1\r\nimport a\r\n",
    ],
)
def test_strings_and_tabs_do_not_hide_an_import(source):
    reduced = without_bodies(source.encode())
    assert read_imports(ast.parse(reduced)) == read_imports(ast.parse(source))


def test_the_imports_of_the_standard_library_are_those_of_its_whole_sources():
    files = sorted(Path(os.__file__).parent.glob("*.py"))[::3]
    assert len(files) > 30
    for file in files:
        source = file.read_bytes()
        try:
            reduced = ast.parse(without_bodies(source))
        except SyntaxError:
            continue  # Then the file is parsed as a whole.
        assert read_imports(reduced) == read_imports(ast.parse(source)), file

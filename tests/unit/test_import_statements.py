"""Import statements from syntax trees: what they ask for and when they run, and where their names are read."""

import ast
import textwrap

import pytest

from ocrprof.results.import_statements import FileImports, read_imports, read_uses


def imports_of(source: str) -> FileImports:
    return read_imports(ast.parse(textwrap.dedent(source)))


def told(source: str) -> list[tuple]:
    return [(one.line, one.when, "." * one.level + one.module, one.names) for one in imports_of(source).statements]


def uses_of(source: str, *, is_main: bool = False):
    return read_uses(ast.parse(textwrap.dedent(source)), is_main=is_main)


def test_plain_relative_and_star_imports_are_read_as_written():
    assert told("import a.b, c as d\nfrom . import e\nfrom ..f.g import h as i, j\nfrom k import *\n") == [
        (1, "load", "a.b", ()),
        (1, "load", "c", ()),
        (2, "load", ".", ("e",)),
        (3, "load", "..f.g", ("h", "j")),
        (4, "load", "k", ("*",)),
    ]


def test_a_statement_over_several_lines_knows_its_last():
    (statement,) = imports_of("from a import (\n    b,\n    c,\n)\n").statements
    assert (statement.line, statement.last_line) == (1, 4)


def test_imports_inside_functions_are_deferred_and_those_in_class_bodies_are_not():
    source = """
        class A:
            import now
            def method(self):
                import later
                class Inner:
                    import later_too
        async def f():
            with x:
                import later_still
    """
    assert [(name, when) for _, when, name, _ in told(source)] == [
        ("now", "load"),
        ("later", "deferred"),
        ("later_too", "deferred"),
        ("later_still", "deferred"),
    ]


@pytest.mark.parametrize(
    "test", ["TYPE_CHECKING", "typing.TYPE_CHECKING", "t.TYPE_CHECKING", "False", "0", "TYPE_CHECKING and other"]
)
def test_what_only_a_type_checker_reads_is_no_import(test):
    assert told(f"if {test}:\n    import a\nelse:\n    import b\n") == [(4, "load", "b", ())]


@pytest.mark.parametrize("test", ["not TYPE_CHECKING", "True"])
def test_what_a_type_checker_alone_does_not_read_is_an_import(test):
    assert told(f"if {test}:\n    import a\nelse:\n    import b\n") == [(2, "load", "a", ())]


def test_the_main_block_runs_in_the_programs_own_file_alone():
    assert told("if __name__ == '__main__':\n    import a\nimport b\n") == [(2, "main", "a", ()), (3, "load", "b", ())]


def test_a_handler_of_a_failed_import_names_what_it_stands_in_for():
    statements = imports_of(
        """
        try:
            import fast.part
            from .quick import thing
        except ImportError:
            import slow
        else:
            import after
        finally:
            import always
        """
    ).statements
    assert {one.module: one.instead_of for one in statements} == {
        "fast.part": (),
        "quick": (),
        "slow": ("fast.part", ".quick"),
        "after": (),
        "always": (),
    }


def test_imports_in_loops_matches_and_with_blocks_run_at_load():
    source = """
        for x in y:
            import a
        while x:
            import b
        else:
            import c
        with z:
            import d
        match x:
            case 1:
                import e
    """
    assert [name for _, when, name, _ in told(source) if when == "load"] == ["a", "b", "c", "d", "e"]


def test_literal_exports_are_what_a_star_import_asks_for():
    assert imports_of("__all__ = ['a', 'b']\n__all__ += ('c',)\n__all__.extend(d)\nother = ['e']\n").exports == (
        "a",
        "b",
        "c",
    )


@pytest.mark.parametrize(
    "reading",
    [
        "class A(m.Base): ...",
        "@m.decorate\ndef f(): ...",
        "def f(x=m.X): ...",
        "def f(x: m.X): ...",
        "def f() -> m.X: ...",
        "x: m.X = None",
        "y = m.f()",
        "class A:\n    y = m.X",
        "def f():\n    return m.X\nf()",
        "def g():\n    return m.X\ndef f():\n    return g()\nf()",
        "class A:\n    def __init__(self):\n        m.f()\nA()",
    ],
)
def test_names_read_while_the_file_loads(reading):
    assert uses_of(f"import m\n{reading}\n")[1].at_load is not None


@pytest.mark.parametrize(
    "reading",
    [
        "def f():\n    return m.X",
        "class A:\n    def f(self):\n        return m.X",
        "f = lambda: m.X",
        "def f(x: 'm.X'): ...",
        "if __name__ == '__main__':\n    m.f()",
    ],
)
def test_names_read_only_later(reading):
    assert uses_of(f"import m\n{reading}\n")[1].at_load is None


def test_annotations_are_not_read_where_the_future_says_so():
    source = "from __future__ import annotations\nimport m\nx: m.X = None\ndef f(x: m.X) -> m.X: ...\n"
    assert uses_of(source)[2].at_load is None


def test_the_main_block_of_the_programs_own_file_is_read_while_it_loads():
    source = "import m\ndef main():\n    m.f()\nif __name__ == '__main__':\n    main()\n"
    assert uses_of(source, is_main=True)[1].at_load == 3
    assert uses_of(source, is_main=False)[1].at_load is None


def test_reads_tell_the_function_that_they_stand_in():
    source = """\
        from a import b as c
        import d.e

        @decorate
        def f():
            def inner():
                return c
            return d.e
    """
    uses = uses_of(source)
    assert (uses[1].names, uses[1].inside) == (("c",), ((4, 8),))
    assert (uses[2].names, uses[2].inside) == (("d",), ((4, 8),))

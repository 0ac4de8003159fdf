"""The import statements of one source file, from its syntax tree: what each one asks for, and when it does.

Expressions are not searched: an import is a statement, and descending into statements alone takes a tenth of the time
of walking the tree.
"""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

When = Literal["load", "main", "deferred"]
"""`load`: while the file loads; `main`: only in the program's own file; `deferred`: when a function is called."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One `import module`, or `from module import names` with `level` leading dots; lines of `file` are 1-based.

    `names` is empty for a plain import. `instead_of`: it stands in the handler of a `try`, and runs only where one of
    these (as written, leading dots included) could not be imported.
    """

    line: int
    last_line: int
    when: When
    level: int
    module: str
    names: tuple[str, ...] = ()
    instead_of: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FileImports:
    """What one file imports, and the names that a star import of it asks for (of a literal `__all__`)."""

    statements: tuple[Statement, ...] = ()
    exports: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Use:
    """Where the names that one import statement binds are read: while the file loads, or inside functions (lines)."""

    names: tuple[str, ...] = ()
    at_load: int | None = None
    inside: tuple[tuple[int, int], ...] = ()


def read_imports(tree: ast.Module) -> FileImports:
    """Every import of a file but those that only a type checker reads."""
    return FileImports(tuple(_statements(tree.body, "load")), tuple(_exports(tree.body)))


def read_uses(tree: ast.Module, *, is_main: bool) -> dict[int, Use]:
    """For the first line of each import that runs at load, where its names are read; `is_main`: of the program's file.

    A function or class that load-time code calls by its name is taken to run with it. Shadowing is not looked into.
    """
    reader = _Reader(tree, is_main=is_main)
    reader.read(tree.body)
    running = reader.running()
    uses: dict[int, Use] = {}
    for node in _load_time_imports(tree.body):
        names = tuple(_bound_name(alias, node) for alias in node.names)
        use = uses.get(node.lineno, Use())
        reads = [read for read in reader.reads if read.name in names]
        at_load = [read.line for read in reads if read.function is None or read.definition in running]
        uses[node.lineno] = Use(
            names=use.names + names,
            at_load=min([*at_load, *([use.at_load] if use.at_load else [])], default=None),
            inside=use.inside + tuple({read.function: None for read in reads if read.function is not None}),
        )
    return uses


def _statements(body: Sequence[ast.stmt], when: When, instead_of: tuple[str, ...] = ()) -> Iterator[Statement]:
    for node in body:
        match node:
            case ast.Import(names=names):
                for alias in names:
                    yield Statement(node.lineno, _last(node), when, 0, alias.name, (), instead_of)
            case ast.ImportFrom(module=module, names=names, level=level):
                asked = tuple(alias.name for alias in names)
                yield Statement(node.lineno, _last(node), when, level, module or "", asked, instead_of)
            case ast.If(test=test, body=then, orelse=otherwise):
                yield from _statements(then, _when_true(test, when), instead_of) if not _never(test) else ()
                yield from _statements(otherwise, when, instead_of) if not _always(test) else ()
            case ast.Try() | ast.TryStar():
                yield from _statements([*node.body, *node.orelse, *node.finalbody], when, instead_of)
                tried = tuple(_as_written(one) for one in _statements(node.body, when))
                for handler in node.handlers:
                    yield from _statements(handler.body, when, tried or instead_of)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield from _statements(node.body, "deferred", instead_of)
            case _:
                for inner in _blocks(node):
                    yield from _statements(inner, when, instead_of)


def _blocks(node: ast.stmt) -> Iterator[list[ast.stmt]]:
    """The statement lists of a compound statement but for its handlers; none for a simple statement."""
    for field in ("body", "orelse", "finalbody"):
        inner = getattr(node, field, None)
        if isinstance(inner, list):
            yield inner
    for case in getattr(node, "cases", ()):
        yield case.body


def _last(node: ast.stmt) -> int:
    return node.end_lineno or node.lineno


def _as_written(statement: Statement) -> str:
    return "." * statement.level + statement.module


def _when_true(test: ast.expr, when: When) -> When:
    """`if __name__ == "__main__":` runs in the program's own file alone."""
    is_main = isinstance(test, ast.Compare) and isinstance(test.left, ast.Name) and test.left.id == "__name__"
    return "main" if is_main and when == "load" else when


def _never(test: ast.expr) -> bool:
    """`TYPE_CHECKING`, `typing.TYPE_CHECKING`, `False`, `0`, and anything that is true only with one of them."""
    match test:
        case ast.Constant(value=value):
            return not value
        case ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING"):
            return True
        case ast.BoolOp(op=ast.And(), values=values):
            return any(_never(one) for one in values)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return _always(operand)
    return False


def _always(test: ast.expr) -> bool:
    match test:
        case ast.Constant(value=value):
            return bool(value)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return _never(operand)
    return False


def _exports(body: Sequence[ast.stmt]) -> Iterator[str]:
    """The literal names of `__all__ = [...]` and `__all__ += [...]`."""
    for node in body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        value = getattr(node, "value", None)
        if isinstance(value, ast.List | ast.Tuple) and any(
            isinstance(target, ast.Name) and target.id == "__all__" for target in targets
        ):
            yield from (one.value for one in value.elts if isinstance(one, ast.Constant) and isinstance(one.value, str))


def _load_time_imports(body: Sequence[ast.stmt]) -> Iterator[ast.Import | ast.ImportFrom]:
    for node in body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif isinstance(node, ast.If) and _never(node.test):
            yield from _load_time_imports(node.orelse)
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for inner in [*_blocks(node), *(handler.body for handler in getattr(node, "handlers", ()))]:
                yield from _load_time_imports(inner)


def _bound_name(alias: ast.alias, node: ast.Import | ast.ImportFrom) -> str:
    """`a` for `import a.b`, `c` for `import a.b as c` and `from a import c`."""
    if alias.asname:
        return alias.asname
    return alias.name.partition(".")[0] if isinstance(node, ast.Import) else alias.name


@dataclass(frozen=True, slots=True)
class _Read:
    """One name that is read; `function`: lines of the outermost one around it, in the top-level `definition`."""

    name: str
    line: int
    function: tuple[int, int] | None
    definition: str | None


class _Reader(ast.NodeVisitor):
    """Gathers what a file reads, and which of its own functions and classes it calls, by the definition around."""

    def __init__(self, tree: ast.Module, *, is_main: bool) -> None:
        self.reads: list[_Read] = []
        self._is_main = is_main
        self._annotations_are_read = not any(
            isinstance(node, ast.ImportFrom)
            and node.module == "__future__"
            and any(alias.name == "annotations" for alias in node.names)
            for node in tree.body
        )
        self._function: tuple[int, int] | None = None
        self._definition: str | None = None
        self._calls: dict[str | None, set[str]] = {}

    def read(self, nodes: Sequence[ast.AST | None]) -> None:
        """Adds what these nodes read, in the place where the reader stands."""
        for node in nodes:
            if node is not None:
                self.visit(node)

    def running(self) -> set[str | None]:
        """The definitions that load-time code calls, and those that these call."""
        running: set[str | None] = set()
        waiting: list[str | None] = list(self._calls.get(None, ()))
        while waiting:
            name = waiting.pop()
            if name not in running:
                running.add(name)
                waiting += self._calls.get(name, ())
        return running

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self.reads.append(_Read(node.id, node.lineno, self._function, self._definition))

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Name):
            self._calls.setdefault(self._definition if self._function else None, set()).add(node.func.id)
        self.generic_visit(node)

    def visit_If(self, node: ast.If) -> None:
        if self._is_main or _when_true(node.test, "load") != "main":
            self.generic_visit(node)
        else:
            self.read(node.orelse)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._inside(node.name, None, [*node.decorator_list, *node.bases, *node.keywords, *node.body])

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        # Decorators, defaults and annotations run with the `def`, the body does not.
        arguments = node.args
        self.read([*node.decorator_list, *arguments.defaults, *arguments.kw_defaults])
        if self._annotations_are_read:
            every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
            self.read([node.returns, *(argument.annotation for argument in every if argument)])
        first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
        self._inside(node.name, (first, node.end_lineno or node.lineno), node.body)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self.read([*node.args.defaults, *node.args.kw_defaults])
        self._inside(None, (node.lineno, node.end_lineno or node.lineno), [node.body])

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.read([node.target, node.value, node.annotation if self._annotations_are_read else None])

    def _inside(self, name: str | None, function: tuple[int, int] | None, nodes: Sequence[ast.AST]) -> None:
        around = self._function, self._definition
        self._function = self._function or function
        self._definition = self._definition or name
        self.read(nodes)
        self._function, self._definition = around

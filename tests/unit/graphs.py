"""Hand-made starts for the tests of module graphs: sources by module, loads in the order in which they happened."""

import ast
import textwrap

from recorded import MS, SITE, SPAWN, load, ns, process

from ocrprof.records import Span
from ocrprof.results.deferral import Start
from ocrprof.results.import_graph import import_rows
from ocrprof.results.import_statements import read_imports, read_uses
from ocrprof.results.module_graph import ModuleGraph, build_graph
from ocrprof.results.phases import Timeline, attribute

HOME = "/home/ana"
MAIN = f"{HOME}/train.py"


def file_of(module: str, *, program: tuple[str, ...] = (), packages: tuple[str, ...] = ()) -> str:
    """Where a module lies: below the home of the program, or installed."""
    path = module.replace(".", "/")
    folder = HOME if module.partition(".")[0] in program else SITE
    return f"{folder}/{path}/__init__.py" if module in packages else f"{folder}/{path}.py"


class Tree:
    """A program that was started: its sources, and what each load took."""

    def __init__(self, main: str, *, program: tuple[str, ...] = ()) -> None:
        self.program = program
        self.sources = {MAIN: textwrap.dedent(main)}
        self._loads: list[dict] = []
        self._now = 100.0
        self._stack: list[dict] = []
        self._last: dict = {}

    def module(self, name: str, by: str, line: int, *, self_ms: float = 10, source: str = "", package: bool = False,
               ok: bool = True) -> None:  # fmt: skip
        """A load that began and ended now, asked for by `line` of the module `by` (`__main__`: the program's file)."""
        own = file_of(name, program=self.program, packages=(name,) if package else ())
        self.sources[own] = textwrap.dedent(source)
        asker = self.file(by)
        start, self._now = self._now, self._now + self_ms
        self._last = {
            "name": name, "start": start, "self_ms": self_ms, "by": (asker, line), "by_module": by, "ok": ok,
            "end": self._now, "file": own if ok else None,
        }  # fmt: skip
        self._loads.append(self._last)
        for outer in self._stack:
            outer["end"] = self._now

    def inside(self) -> "Tree":
        """What follows until `done` happened while the last module was being loaded."""
        self._stack.append(self._last)
        return self

    def done(self) -> None:
        """The load that was last entered has ended."""
        self._stack.pop()
        self._now += 1

    def file(self, module: str) -> str:
        """The file of a module that was loaded; of what was not, one outside the program."""
        if module == "__main__":
            return MAIN
        return next((one["file"] for one in self._loads if one["name"] == module), f"{SITE}/{module}.py")

    def rows(self):
        """The import rows of this start."""
        loads = [load(one.pop("name"), one.pop("start"), one.pop("end"), **one) for one in map(dict, self._loads)]
        return import_rows(loads, pid=1, spawn_ns=SPAWN * MS, end_ns=ns(self._now + 1), phase_at=lambda at: "imports")

    def graph(self) -> ModuleGraph:
        """Of all edges."""
        return build_graph(self.rows(), {file: read_imports(ast.parse(text)) for file, text in self.sources.items()})

    def start(self, *spans: Span) -> Start:
        """As the questions about imports want it; `spans` are what was timed."""
        timeline: Timeline = attribute(
            [process(spans=spans)], spawn_ns=SPAWN * MS, end_ns=ns(self._now + 1000), until="exit", status="reached"
        )
        trees = {file: ast.parse(text) for file, text in self.sources.items()}
        assert timeline.main is not None
        return Start(
            self.rows(),
            timeline.main,
            timeline,
            {file: read_imports(tree) for file, tree in trees.items()},
            {file: read_uses(tree, is_main=file == MAIN) for file, tree in trees.items() if file.startswith(HOME)},
        )

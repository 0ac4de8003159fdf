"""All import edges of a start, what each module dominates, and the ways that lead to one."""

import ast

from graphs import Tree

from ocrprof.results.import_statements import read_imports
from ocrprof.results.module_graph import build_graph


def edges_of(tree: Tree) -> set[tuple[str, str, str]]:
    return {(edge.importer, edge.imported, edge.kind) for edge in tree.graph().edges}


def names(chain) -> list[tuple[str, int | None]]:
    return [(edge.importer, edge.location and edge.location.line) for edge in chain]


def diamond(*, second: str = "import heavy") -> Tree:
    """train.py imports left and right; left imports heavy first, right imports it again, which leaves no record."""
    tree = Tree("import left\nimport right\n")
    tree.module("left", "__main__", 1, source="import heavy\n")
    tree.inside().module("heavy", "left", 1, self_ms=100, source="import below\n")
    tree.inside().module("below", "heavy", 1, self_ms=50)
    tree.done()
    tree.done()
    tree.module("right", "__main__", 2, source=second + "\n")
    return tree


def test_an_import_of_what_is_loaded_is_an_edge_although_nothing_recorded_it():
    assert ("right", "heavy", "load") in edges_of(diamond())


def test_what_two_routes_lead_to_is_dominated_by_neither_of_them():
    graph = diamond().graph()
    assert graph.dominated("left") == ["left"]
    assert graph.dominated("right") == ["right"]
    assert graph.dominated("heavy") == ["heavy", "below"]


def test_what_one_route_leads_to_is_dominated_by_every_module_on_it():
    graph = diamond(second="pass").graph()
    assert graph.dominated("left") == ["left", "heavy", "below"]
    assert graph.dominated_seconds["left"] == sum(graph.seconds[name] for name in ("left", "heavy", "below"))


def test_a_deferred_import_pulls_nothing():
    tree = diamond(second="def later():\n    import heavy")
    assert ("right", "heavy", "deferred") in edges_of(tree)
    assert tree.graph().dominated("left") == ["left", "heavy", "below"]


def test_modules_that_import_one_another_are_dominated_by_what_leads_into_the_ring():
    tree = Tree("import door\n")
    tree.module("door", "__main__", 1, source="import first\n")
    tree.inside().module("first", "door", 1, source="import second\n")
    tree.inside().module("second", "first", 1, source="import first\nimport door\n")
    tree.done()
    tree.done()
    graph = tree.graph()
    assert graph.dominated("door") == ["door", "first", "second"]
    assert graph.dominated("first") == ["first", "second"]
    assert graph.dominated("second") == ["second"]


def test_a_submodule_needs_its_package_whoever_asks_for_it():
    tree = Tree("import user\nimport package\n")
    tree.module("user", "__main__", 1, source="from package.part import x\n")
    tree.inside().module("package", "user", 1, package=True)
    tree.module("package.part", "user", 1)
    tree.done()
    graph = tree.graph()
    assert graph.dominated("package") == ["package", "package.part"]
    assert graph.dominated("user") == ["user", "package.part"]


def test_relative_imports_and_names_that_are_modules_are_resolved():
    tree = Tree("import package\n")
    tree.module("package", "__main__", 1, package=True, source="from . import part\nfrom .deep.leaf import x\n")
    tree.inside().module("package.part", "package", 1, source="from .deep import leaf\nfrom .. import nothing\n")
    tree.module("package.deep", "package", 2, package=True)
    tree.module("package.deep.leaf", "package", 2, source="from ... import other\nfrom ..part import y\n")
    tree.done()
    assert {edge for edge in edges_of(tree) if edge[0].startswith("package.")} == {
        ("package.part", "package", "load"),
        ("package.part", "package.deep", "load"),
        ("package.part", "package.deep.leaf", "load"),
        ("package.deep.leaf", "package", "load"),
        ("package.deep.leaf", "package.part", "load"),
    }


def test_a_star_import_asks_for_the_submodules_that_it_exports():
    tree = Tree("from package import *\n")
    tree.module("package", "__main__", 1, package=True, source="__all__ = ['part', 'name']\n")
    tree.module("package.part", "__main__", 1)
    assert ("__main__", "package.part", "load") in edges_of(tree)


def test_the_handler_of_a_guarded_import_is_an_edge_only_where_the_guarded_one_failed():
    source = "try:\n    import fast\nexcept ImportError:\n    import slow\n"
    went_well = Tree(source + "import slow\n")
    went_well.module("fast", "__main__", 2)
    went_well.module("slow", "__main__", 5)
    assert [edge.location.line for edge in went_well.graph().pulling["slow"]] == [5]
    failed = Tree(source + "import slow\n")
    failed.module("fast", "__main__", 2, ok=False)
    failed.module("slow", "__main__", 4)
    assert [edge.location.line for edge in failed.graph().pulling["slow"]] == [4, 5]


def test_a_call_at_load_is_charged_to_what_was_being_loaded_not_to_the_functions_module():
    tree = Tree("import tools\nimport user\n")
    tree.module("tools", "__main__", 1, source="def get():\n    import heavy\n")
    tree.module("user", "__main__", 2, source="import tools\ntools.get()\n")
    tree.inside().module("heavy", "tools", 2)
    tree.done()
    graph = tree.graph()
    assert graph.dominated("user") == ["user", "heavy"]
    (edge,) = graph.first_chain("heavy")[1:]
    assert (edge.importer, edge.kind, edge.caller, edge.location.line) == ("user", "call", "tools", 2)


def test_what_the_running_program_loads_is_dominated_by_nothing():
    tree = Tree("import tools\ntools.get()\n")
    tree.module("tools", "__main__", 1, source="def get():\n    import heavy.part\n")
    tree.module("heavy", "tools", 2, package=True)
    tree.module("heavy.part", "tools", 2)
    graph = tree.graph()
    assert graph.dominated("tools") == ["tools"]
    assert [edge.importer for edge in graph.pulling["heavy.part"]] == ["__main__"]


def test_a_module_without_source_still_leads_to_what_it_loaded():
    tree = Tree("import extension\n")
    tree.module("extension", "__main__", 1)
    tree.sources.pop(tree.file("extension"))
    tree.inside().module("heavy", "__main__", 1)
    tree.done()
    assert tree.graph().dominated("extension") == ["extension", "heavy"]


def test_without_some_edges_everything_is_lost_that_they_alone_lead_to():
    graph = diamond().graph()
    to_heavy = [edge for edge in graph.edges if edge.imported == "heavy"]
    assert graph.lost_without(to_heavy[:1]) == []
    assert graph.lost_without(to_heavy) == ["heavy", "below"]


def test_without_its_package_a_submodule_is_lost_although_others_ask_for_it():
    tree = Tree("import package\nimport user\n")
    tree.module("package", "__main__", 1, package=True)
    tree.module("user", "__main__", 2, source="import package.part\n")
    tree.inside().module("package.part", "user", 1)
    tree.done()
    graph = tree.graph()
    to_package = [edge for edge in graph.edges if edge.imported == "package"]
    assert graph.lost_without(to_package[:1]) == []
    assert graph.lost_without(to_package) == ["package", "package.part"]


def test_a_load_inside_one_of_the_same_name_is_no_edge_to_itself():
    tree = Tree("load('plugin')\n")
    tree.module("plugin", "loader", 1)
    tree.inside().module("plugin", "loader", 2)
    tree.done()
    graph = tree.graph()
    assert {edge.importer for edge in graph.pulling["plugin"]} == {"__main__"}


def test_any_line_of_a_statement_is_that_statement():
    tree = Tree("from package import (\n    part,\n)\n")
    tree.module("package", "__main__", 1, package=True)
    tree.module("package.part", "__main__", 2)
    assert {edge.kind for edge in tree.graph().pulling["package.part"]} == {"load"}


def test_the_first_chain_is_the_recorded_one_and_the_shortest_may_be_another():
    tree = Tree("import a\nimport heavy\n")
    tree.module("a", "__main__", 1, source="import b\n")
    tree.inside().module("b", "a", 1, source="import heavy\n")
    tree.inside().module("heavy", "b", 1)
    tree.done()
    tree.done()
    graph = tree.graph()
    assert names(graph.first_chain("heavy")) == [("__main__", 1), ("a", 1), ("b", 1)]
    assert names(graph.shortest_chain("heavy")) == [("__main__", 2)]


def test_a_program_run_as_a_module_of_a_package_resolves_its_relative_imports():
    tree = Tree("from . import part\nimport app.part\n", program=("app",))
    main = tree.sources.pop("/home/ana/train.py")
    tree.module("app", "__main__", 1, package=True)
    tree.module("app.part", "__main__", 1)
    rows = [
        row.model_copy(update={"importer": row.importer.model_copy(update={"file": "/home/ana/app/train.py"})})
        for row in tree.rows()
    ]
    graph = build_graph(rows, {"/home/ana/app/train.py": read_imports(ast.parse(main))})
    assert {edge.location.line for edge in graph.pulling["app.part"]} == {1, 2}
    assert {edge.kind for edge in graph.pulling["app.part"]} == {"load"}

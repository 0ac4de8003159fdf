"""What deferring an import would save: predictions on hand-made graphs, and what the records show was used."""

import pytest
from graphs import MAIN, Tree
from recorded import load, ns, process, span

from ocrprof.records import Lazy
from ocrprof.results.deferral import LazyRun, best_savings, first_use, lazy_run, unknown_module, what_if, why
from ocrprof.results.phases import attribute

USER = """\
import heavy

def later():
    return heavy.f()
"""


def program(*, user: str = USER, main: str = "import app\n", others: str = "") -> Tree:
    """train.py imports its own app, which imports the installed package heavy (200 ms with its part), and other."""
    tree = Tree(main, program=("app",))
    tree.module("app", "__main__", 1, source=user)
    tree.inside().module("heavy", "app", 1, self_ms=150, package=True, source="import heavy.part\n")
    tree.inside().module("heavy.part", "heavy", 1, self_ms=50, source="import heavy\n")
    tree.done()
    tree.done()
    tree.module("other", "app", 99, self_ms=5, source=others)
    return tree


def savings_of(tree: Tree, *spans):
    return {saving.module: saving for saving in best_savings(tree.start(*spans), of_seconds=1.0)}


def test_a_package_that_only_functions_use_is_a_saving_at_its_line():
    saving = savings_of(program())["heavy"]
    assert saving.seconds == pytest.approx(0.2)
    assert saving.num_modules == 2
    assert [(line.file, line.line) for line in saving.lines] == [("/home/ana/app.py", 1)]
    assert saving.used is None


@pytest.mark.parametrize(
    "user",
    [
        "import heavy\nclass A(heavy.Base): ...\n",
        "from heavy import *\n",
        "import heavy\nheavy.register()\n",
    ],
)
def test_what_the_file_needs_while_it_loads_is_held_by_it_and_not_deferrable(user):
    saving = savings_of(program(user=user))["heavy"]
    assert saving.lines == []
    assert [hop.module for hop in saving.held_by] == ["app"]


def test_a_name_that_others_import_from_the_file_cannot_be_deferred_there():
    user = "from heavy import f\n"
    assert savings_of(program(user=user))["heavy"].lines
    tree = program(user=user, main="import app\nfrom app import f\n")
    assert savings_of(tree)["heavy"].lines == []


def test_what_a_library_also_imports_is_not_saved_by_deferring_the_programs_line():
    tree = program(others="import heavy\n")
    tree.sources[MAIN] = "import app\nimport other\nother.f()\n"
    saving = savings_of(tree)["heavy"]
    assert saving.lines == []
    assert [hop.module for hop in saving.held_by] == ["app", "other"]


def test_both_lines_are_told_where_two_of_the_program_would_have_to_go():
    tree = program(main="import app\nimport heavy\ndef f():\n    heavy.g()\n")
    lines = [(line.file, line.line) for line in savings_of(tree)["heavy"].lines]
    assert sorted(lines) == [("/home/ana/app.py", 1), (MAIN, 2)]


def test_a_construction_of_one_of_its_classes_shows_that_it_is_needed():
    used = savings_of(program(), span("model.init", 900, 950, **{"class": "heavy.part.Net"}))["heavy"].used
    assert used is not None
    assert (used.phase, used.how) == ("model", "model.init of heavy.part.Net")


def test_a_timed_function_that_would_load_it_shows_that_it_is_needed():
    assert savings_of(program(), span("data.setup", 900, 950, loc=("/home/ana/app.py", 3)))["heavy"].used is not None
    assert savings_of(program(), span("data.setup", 900, 950, loc=("/home/ana/app.py", 9)))["heavy"].used is None


def test_a_span_of_a_librarys_hook_shows_that_the_library_is_needed():
    tree = Tree("import torch\n")
    tree.module("torch", "__main__", 1)
    assert first_use("torch", tree.start()) is None
    use = first_use("torch", tree.start(span("optimizer.step", 500, 501)))
    assert use is not None and use.how == "optimizer.step"


def test_code_of_the_package_that_loads_something_later_shows_that_it_is_needed():
    tree = program()
    tree.module("extra", "heavy.part", 7)
    use = first_use("heavy", tree.start())
    assert use is not None and use.location is not None
    assert (use.how, use.location.line) == ("loads extra", 7)


def test_what_the_running_program_loads_again_is_no_saving():
    tree = program()
    tree.module("heavy.late", "train", 50)
    assert savings_of(tree)["heavy"].lines == []


def test_own_modules_are_told_for_what_they_cost_beside_the_packages_that_they_import():
    tree = program(main="import app\ndef f():\n    app.later()\n")
    assert set(savings_of(tree)) == {"heavy"}
    slow = Tree("import app\ndef f():\n    app.later()\n", program=("app",))
    slow.module("app", "__main__", 1, self_ms=300)
    assert set(savings_of(slow)) == {"app"}


def test_an_own_module_that_nothing_reads_is_left_alone():
    tree = Tree("import app\n", program=("app",))
    tree.module("app", "__main__", 1, self_ms=300)
    assert savings_of(tree) == {}


def test_small_change_is_not_told():
    assert "other" not in savings_of(program(others="pass"))


def test_the_prediction_is_the_self_time_of_all_that_the_module_dominates():
    answer = what_if("heavy", program().start(), runs=[])
    assert answer.modules == ["heavy", "heavy.part"]
    assert answer.predicted_seconds == pytest.approx(0.2)
    assert [(part.name, pytest.approx(part.seconds)) for part in answer.packages] == [("heavy", 0.2)]


def test_a_what_if_names_all_who_load_the_module_and_not_those_that_depend_on_it():
    tree = Tree("import heavy\nimport other\n")
    tree.module("heavy", "__main__", 1, source="import heavy_part\n")
    tree.inside().module("heavy_part", "heavy", 1, source="import heavy\n")
    tree.done()
    tree.module("other", "__main__", 2, source="\nfrom heavy import f\n")
    held_by = what_if("heavy", tree.start(), runs=[]).held_by
    assert [(hop.module, hop.location.line) for hop in held_by] == [("__main__", 1), ("other", 2)]


def test_the_prediction_of_several_runs_is_their_median():
    runs = [process(loads=(load("heavy", 0, ms), load("other", 0, 99))) for ms in (10, 40, 20)]
    assert what_if("heavy", program().start(), runs=runs).predicted_seconds == pytest.approx(0.020)


def test_the_chain_tells_the_line_of_every_hop_and_who_else_would_have_loaded_it():
    tree = program(main="import app\nimport other\nother.f()\n", others="import heavy.part\n")
    answer = why("heavy.part", tree.start())
    assert [(hop.module, hop.location and hop.location.line) for hop in answer.chain] == [
        ("__main__", 1),
        ("app", 1),
        ("heavy", 1),
        ("heavy.part", None),
    ]
    assert [(hop.module, hop.location and hop.location.line) for hop in answer.importers] == [("other", 1)]
    assert [[hop.module for hop in chain] for chain in answer.other_chains] == [["__main__", "other", "heavy.part"]]
    assert answer.deferred == []


def test_importers_that_depend_on_the_module_would_not_have_loaded_it():
    assert why("heavy", program().start()).importers == []


def test_functions_that_import_it_are_told_apart():
    answer = why("heavy", program(others="def f():\n    import heavy\n").start())
    assert answer.importers == []
    assert [(hop.module, hop.location and hop.location.line) for hop in answer.deferred] == [("other", 2)]


def test_a_module_that_was_not_loaded_is_answered_by_close_names():
    rows = program().rows()
    message, hint = unknown_module("part", rows, inserted=[])
    assert message == "part was not loaded by the program before the milestone"
    assert hint.startswith("loaded, and close to it: heavy.part")
    assert "heavy" in unknown_module("heavvy", rows, inserted=[])[1]
    assert "report.json" in unknown_module("zzzzzz", rows, inserted=[])[1]
    assert "without being loaded" in unknown_module("six.moves", rows, inserted=["six.moves"])[0]


def lazy_events(*events: Lazy, loads=()) -> LazyRun:
    main = process(lazy=events, loads=loads, spans=(span("model.init", 300, 500),))
    timeline = attribute([main], spawn_ns=ns(0), end_ns=ns(1000), until="exit", status="reached")
    return lazy_run("heavy", main, timeline)


def test_the_first_touch_of_a_lazy_module_is_told_with_its_phase_and_line():
    seen = lazy_events(
        Lazy("heavy", "deferred", ns(100), (MAIN, 1), None, None),
        Lazy("heavy", "touched", ns(400), (MAIN, 30), "f", None),
    )
    assert seen.refused is None and seen.touch is not None and seen.touch.location is not None
    assert (seen.touch.phase, seen.touch.how, seen.touch.location.line) == ("model", ".f", 30)
    assert seen.touch.start_seconds == pytest.approx(0.4)


def test_a_touch_between_phases_belongs_to_that_of_the_load_that_it_begins():
    deferred = Lazy("heavy", "deferred", ns(100), (MAIN, 1), None, None)
    touched = Lazy("heavy", "touched", ns(150), (MAIN, 2), "from", None)
    loads = (load("heavy", 100, 101), load("heavy", 151, 250, route="exec_module"))
    seen = lazy_events(deferred, touched, loads=loads)
    assert seen.touch is not None and seen.touch.phase == "imports"
    assert seen.loaded == {"heavy"}


def test_a_touch_after_the_milestone_is_none():
    deferred = Lazy("heavy", "deferred", ns(100), (MAIN, 1), None, None)
    loads = (load("heavy", 100, 101), load("other", 101, 102), load("late", 1500, 1501))
    seen = lazy_events(deferred, Lazy("heavy", "touched", ns(1500), (MAIN, 30), "f", None), loads=loads)
    assert seen == LazyRun(loaded=frozenset({"other"}))


def test_a_module_that_cannot_be_lazy_or_is_not_imported_says_so():
    assert lazy_events(Lazy("heavy", "refused", ns(100), None, None, "it is a C extension")).refused == (
        "it is a C extension"
    )
    assert lazy_events().refused == "it was not imported in that run"

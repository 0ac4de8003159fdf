"""One module of a target loaded lazily: what touches it, what cannot be lazy, and that nothing else changes."""

import sys
import textwrap
from pathlib import Path

import pytest
from recording import PYTHON, Recorded, plain, record


@pytest.fixture
def target(tmp_path):
    """Runs a script beside these modules with one of them lazy; the first run of a test also writes the bytecode."""

    def run(script: str, files: dict[str, str], *, lazy: str) -> Recorded:
        for name, source in files.items():
            path = tmp_path / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(textwrap.dedent(source))
        (tmp_path / "script.py").write_text(textwrap.dedent(script))
        return record(tmp_path / "run", PYTHON, "script.py", cwd=tmp_path, settings={"OCRPROF_LAZY": lazy})

    return run


def events(recorded: Recorded) -> list[tuple]:
    return [
        (one["event"], one["how"], one["by"] and (Path(one["by"][0]).name, one["by"][1]))
        for one in recorded.of_kind("lazy")
    ]


HEAVY = "print('body')\nVALUE = 1\ndef f():\n    return VALUE\n"


def test_the_body_runs_at_the_first_use_and_the_record_tells_the_line(target):
    recorded = target(
        """\
        import heavy
        import heavy as same
        print('imported')
        def use():
            return same.f()
        print(use(), heavy.f())
        import sys
        print(type(heavy) is type(sys))
        """,
        {"heavy.py": HEAVY},
        lazy="heavy",
    )
    assert recorded.stdout.split() == ["imported", "body", "1", "1", "True"]
    assert events(recorded) == [("deferred", None, ("script.py", 1)), ("touched", "f", ("script.py", 5))]
    loads = [load for load in recorded.of_kind("load") if load["name"] == "heavy"]
    assert [(load["route"], load["by"][1]) for load in loads] == [("statement", 1), ("exec_module", 5)]


def test_a_module_that_nothing_uses_is_never_loaded(target):
    recorded = target("import heavy\nprint('done')\n", {"heavy.py": HEAVY}, lazy="heavy")
    assert recorded.stdout.split() == ["done"]
    assert [event for event, _, _ in events(recorded)] == ["deferred"]


def test_a_from_import_touches_at_once_with_its_line(target):
    recorded = target("x = 1\nfrom heavy import f\nprint(f())\n", {"heavy.py": HEAVY}, lazy="heavy")
    assert recorded.stdout.split() == ["body", "1"]
    assert events(recorded)[1] == ("touched", "from", ("script.py", 2))


def test_an_import_of_a_submodule_touches_its_package_at_once(target):
    recorded = target(
        "import package\nimport package.part\nprint(package.part.X, package.Y)\n",
        {"package/__init__.py": "Y = 2\n", "package/part.py": "X = 1\n"},
        lazy="package",
    )
    assert recorded.stdout.split() == ["1", "2"]
    assert events(recorded)[1] == ("touched", "submodule", ("script.py", 2))


def test_a_lazy_submodule_leaves_its_package_as_it_is(target):
    recorded = target(
        "import package.part\nprint(package.Y)\nprint(package.part.X)\n",
        {"package/__init__.py": "Y = 2\n", "package/part.py": "print('body')\nX = 1\n"},
        lazy="package.part",
    )
    assert recorded.stdout.split() == ["2", "body", "1"]


def test_looking_whether_it_can_be_found_or_is_a_module_is_no_use_of_it(target):
    recorded = target(
        """\
        import importlib.util, sys, types
        found = importlib.util.find_spec('heavy')
        import heavy
        print(found.name, importlib.util.find_spec('heavy').name, heavy.__name__, isinstance(heavy, types.ModuleType))
        print(type(heavy.__loader__).__name__, type(heavy.__spec__.loader).__name__)
        print(type(found.loader).__name__, repr(heavy) == repr(sys.modules['heavy']), heavy.__file__[-8:])
        """,
        {"heavy.py": HEAVY},
        lazy="heavy",
    )
    assert recorded.stdout.split() == ["heavy", "heavy", "heavy", "True", *["SourceFileLoader"] * 3, "True", "heavy.py"]
    assert [event for event, _, _ in events(recorded)] == ["deferred"]


def test_a_body_that_replaces_its_module_is_followed(target):
    recorded = target(
        "import heavy\nprint(heavy.X, heavy.X)\nimport heavy as again\nprint(again.X)\n",
        {"heavy.py": "import sys\nclass Instead:\n    X = 3\nsys.modules[__name__] = Instead()\n"},
        lazy="heavy",
    )
    assert recorded.stdout.split() == ["3", "3", "3"]


def test_a_body_that_fails_fails_at_the_use_and_the_module_is_gone(target):
    recorded = target(
        """\
        import sys
        try:
            import heavy
        except ValueError:
            print('guarded')
        try:
            heavy.f
        except ValueError as error:
            print(error, 'heavy' in sys.modules)
        """,
        {"heavy.py": "raise ValueError('broken')\n"},
        lazy="heavy",
    )
    assert recorded.stdout.split() == ["broken", "False"]


def test_writing_an_attribute_runs_the_body_first(target):
    recorded = target("import heavy\nheavy.VALUE = 5\nprint(heavy.f())\n", {"heavy.py": HEAVY}, lazy="heavy")
    assert recorded.stdout.split() == ["body", "5"]


def test_threads_that_use_it_at_once_all_find_it_whole_and_its_body_runs_once(target):
    recorded = target(
        """\
        import threading, heavy
        def use():
            gate.wait()
            results.append(heavy.LAST)
        results, gate = [], threading.Barrier(8)
        threads = [threading.Thread(target=use) for _ in range(8)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        print(results)
        """,
        {"heavy.py": "import time\nprint('body')\ntime.sleep(0.2)\nLAST = 1\n"},
        lazy="heavy",
    )
    assert recorded.stdout.splitlines() == ["body", str([1] * 8)]
    assert [event for event, _, _ in events(recorded)].count("touched") == 1


@pytest.mark.parametrize(
    ("script", "lazy", "reason"),
    [
        ("import _elementtree", "_elementtree", "C extension"),
        ("import _tracemalloc", "_tracemalloc", "built into the interpreter"),
        ("import os", "os", "before the program began"),
        ("import names", "names", "namespace package"),
    ],
)
def test_what_cannot_be_lazy_says_why_and_loads_as_always(target, script, lazy, reason):
    recorded = target(f"{script}\nprint('done')\n", {"names/inner.py": ""}, lazy=lazy)
    if lazy == "_elementtree" and "built into" in recorded.of_kind("lazy")[0]["reason"]:
        pytest.skip("this Python has _elementtree built in")
    assert recorded.stdout.split() == ["done"]
    (event,) = recorded.of_kind("lazy")
    assert event["event"] == "refused"
    assert reason in event["reason"]


def test_recording_itself_loads_no_lazy_library(target):
    recorded = target("import numpy\nprint('done')\n", {"numpy.py": "print('body')\n__version__ = '1'\n"}, lazy="numpy")
    assert recorded.stdout.split() == ["done"]
    assert recorded.of_kind("versions")[0]["versions"] == {}


def test_output_of_a_standard_library_program_is_that_of_a_plain_run(tmp_path):
    script = (
        "import decimal, json, email.message, logging.config, xml.dom.minidom\n"
        "message = email.message.EmailMessage(); message['To'] = 'a@b'; print(message.as_string())\n"
        "print(json.dumps({'a': 1}), xml.dom.minidom.parseString('<a/>').toxml(), sorted(vars(json))[:3])\n"
    )
    for number, lazy in enumerate(("json", "email.message", "xml.dom.minidom", "decimal", "re")):
        recorded = record(
            tmp_path / f"run-{number}", PYTHON, "-c", script, cwd=tmp_path, settings={"OCRPROF_LAZY": lazy}
        )
        assert (recorded.stdout, recorded.stderr) == (plain(sys.executable, "-c", script).stdout, ""), lazy

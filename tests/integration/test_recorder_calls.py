"""Counting and timing the calls of a program's own functions, in real processes without torch."""

import textwrap

import pytest
from recording import PYTHON, plain, record

REGISTRY = """
    import time
    from functools import lru_cache

    class Registry:
        def get(self, name, *more, kind="encoder", **options):
            time.sleep(0.004)
            return {"name": name, "kind": kind}

        @classmethod
        def make(cls, size):
            time.sleep(0.002)
            return size * 2

        @property
        def size(self):
            time.sleep(0.002)
            return 5

    def outer(name):
        time.sleep(0.003)
        return inner(name)

    def inner(name):
        time.sleep(0.004)
        return name.upper()

    def counter(state=[0]):
        time.sleep(0.002)
        state[0] += 1
        return state[0]

    def prints(text):
        time.sleep(0.002)

    def builds(size):
        time.sleep(0.002)
        return object()

    def takes(thing):
        time.sleep(0.002)
        return 1

    def fails(name):
        time.sleep(0.002)
        raise KeyError(name)

    @lru_cache
    def cached(name):
        time.sleep(0.004)
        return name

    TABLE = {"inner": inner}

    def run():
        registry = Registry()
        for _ in range(6):
            registry.get("crnn")
            registry.get(name="crnn", kind="decoder")
            Registry.make(3)
            registry.size
            outer("a")
            TABLE["inner"]("b")
            counter(), prints("x"), builds(3), takes(object()), cached("x")
            try:
                fails("x")
            except KeyError:
                pass
"""
MAIN = "import sys\nsys.path.insert(0, '.')\nimport registry\nregistry.run()\nprint('done')\n"


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    folder = tmp_path_factory.mktemp("program")
    (folder / "registry.py").write_text(textwrap.dedent(REGISTRY))
    (folder / "main.py").write_text(MAIN)
    return folder


def totals(recorded, name):
    (one,) = [record["a"] for record in recorded.of_kind("totals") if record["of"] == name]
    return one


@pytest.fixture(scope="module")
def counted(program, tmp_path_factory):
    folder = tmp_path_factory.mktemp("counted") / "run"
    return record(folder, PYTHON, "main.py", cwd=program, settings={"OCRPROF_COUNT_CALLS": "1"})


@pytest.fixture(scope="module")
def timed(program, counted, tmp_path_factory):
    rows = totals(counted, "call_counts")["rows"]
    wanted = "\n".join(f"{row['module']}:{row['line']}:{row['name']}" for row in rows)
    folder = tmp_path_factory.mktemp("timed") / "run"
    return record(folder, PYTHON, "main.py", cwd=program, settings={"OCRPROF_TIME_CALLS": wanted})


def test_functions_called_again_with_equal_arguments_and_equal_results_are_counted(counted):
    rows = {row["name"]: (row["calls"], row["again"]) for row in totals(counted, "call_counts")["rows"]}
    assert rows == {
        "get": (12, 10), "make": (6, 5), "size": (6, 5), "outer": (6, 5), "inner": (12, 10),
    }  # fmt: skip


def test_what_prints_builds_counts_fails_or_takes_objects_is_no_look_up(counted):
    names = {row["name"] for row in totals(counted, "call_counts")["rows"]}
    assert names.isdisjoint({"prints", "builds", "counter", "takes", "fails", "cached", "run"})


def test_every_repetition_is_timed_whoever_holds_the_function(timed):
    rows = {row["name"]: row for row in totals(timed, "timed_calls")}
    assert {name: row["again"] for name, row in rows.items()} == {
        "get": 10, "make": 5, "size": 5, "outer": 5, "inner": 10,
    }  # fmt: skip
    for name, each_ms in (("get", 4), ("make", 2), ("size", 2)):
        assert rows[name]["ns"] >= each_ms * 1e6 * rows[name]["again"]


def test_what_a_repetition_calls_is_told_as_inside_it(timed):
    rows = {row["name"]: row for row in totals(timed, "timed_calls")}
    assert rows["inner"]["inside"] == "outer"
    assert rows["inner"]["inside_ns"] >= 5 * 4e6
    assert rows["inner"]["ns"] >= 5 * 4e6
    assert rows["outer"]["inside"] is None


def test_neither_run_changes_what_the_program_prints(program, counted, timed):
    expected = plain(PYTHON, "main.py", cwd=program)
    for recorded in (counted, timed):
        assert (recorded.stdout, recorded.stderr) == (expected.stdout, expected.stderr)
        assert recorded.of_kind("note") == []


def test_a_profiler_of_the_program_itself_is_given_way_to(tmp_path):
    text = (
        "import sys\nseen = []\nsys.setprofile(lambda *event: seen.append(event[1]))\nlen('x')\nsys.setprofile(None)\n"
    )
    (tmp_path / "own.py").write_text(text + "print('c_call' in seen)\n")
    recorded = record(tmp_path / "run", PYTHON, "own.py", cwd=tmp_path, settings={"OCRPROF_COUNT_CALLS": "1"})
    assert (recorded.stdout, recorded.stderr) == ("True\n", "")

"""`startup --why`, `--what-if` and `--verify` on small programs whose expensive imports are sleeps of known length."""

import json
import os
import subprocess
import textwrap
from pathlib import Path

import pytest
from recording import PYTHON

SLEEP = 0.4
EXPENSIVE = f"import time\ntime.sleep({SLEEP})\nimport expensive_part\ndef f():\n    return 1\n"
PART = "import time\ntime.sleep(0.1)\n"
NEAR = {"abs": 0.15}
"""Of sleeps of 0.4 s on a machine that others use too."""


@pytest.fixture
def startup(tmp_path):
    """Writes a program and measures its start to its end; the exit code, the report and what was printed."""

    def run(main: str, *options: str, runs: int = 1, files: dict[str, str] | None = None):
        for name, source in {"expensive.py": EXPENSIVE, "expensive_part.py": PART, **(files or {})}.items():
            path = tmp_path / name
            path.parent.mkdir(exist_ok=True, parents=True)
            path.write_text(textwrap.dedent(source))
        (tmp_path / "main.py").write_text(textwrap.dedent(main))
        command = [PYTHON, "-m", "ocrprof", "startup", "--runs", str(runs), "--warmup", "0", "-o", "out", *options]
        environment = {**os.environ, "OCRPROF_CACHE": str(tmp_path / "cache"), "COLUMNS": "120"}
        done = subprocess.run(
            [*command, "--", PYTHON, "main.py"],
            cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        report = tmp_path / "out" / "report.json"
        return done, json.loads(report.read_text()) if report.exists() else {}

    return run


def flat(text: str) -> str:
    return " ".join(text.split())


def test_one_route_the_prediction_is_what_pairs_of_runs_measure(startup):
    done, report = startup(
        "import route\nprint('done')\n",
        "--what-if", "expensive", "--verify",
        runs=3,
        files={"route.py": "import expensive\ndef later():\n    return expensive.f()\n"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answer = report["what_if"]
    proof = answer["verification"]
    assert answer["predicted_seconds"] == pytest.approx(SLEEP + 0.1, **NEAR)
    assert len(proof["pairs"]) == 3
    assert {pair["lazy_first"] for pair in proof["pairs"]} == {True, False}
    assert proof["loading_saving"]["median"] == pytest.approx(answer["predicted_seconds"], **NEAR)
    # Of whole runs: what a busy machine does to three pairs is in the interval.
    low, high = proof["saving"]["ci95"]
    assert low <= proof["saving"]["median"] <= high
    assert low - NEAR["abs"] <= answer["predicted_seconds"] <= high + NEAR["abs"]
    assert (proof["num_not_loaded"], proof["loaded_anyway"]) == (2, [])
    assert (proof["touch"], proof["refused"], proof["failure"]) == (None, None, None)
    assert f"seed {proof['seed']}" in flat(done.stdout)
    (saving,) = [one for one in report["savings"] if one["module"] == "expensive"]
    assert [(Path(line["file"]).name, line["line"]) for line in saving["lines"]] == [("route.py", 1)]


def test_two_routes_are_both_told_and_neither_alone_would_save_anything(startup):
    done, report = startup(
        "import left\nimport right\n",
        "--why", "expensive", "--what-if", "left",
        files={
            "left.py": "import expensive\ndef f():\n    return expensive.f()\n",
            "right.py": "import expensive\nexpensive.f()\n",
        },
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    chain = [(hop["module"], hop["location"] and hop["location"]["line"]) for hop in report["why"]["chain"]]
    assert chain == [("__main__", 1), ("left", 1), ("expensive", None)]
    assert [hop["module"] for hop in report["why"]["importers"]] == ["right"]
    assert report["what_if"]["predicted_seconds"] < 0.1
    assert "1 other importer would have loaded it anyway: right:1" in flat(done.stdout)
    assert all(saving["lines"] == [] for saving in report["savings"])


def test_a_from_import_is_named_as_what_loads_it_after_all(startup):
    done, report = startup("from expensive import f\nprint(f())\n", "--what-if", "expensive", "--verify")
    assert done.returncode == 0, done.stderr
    touch = report["what_if"]["verification"]["touch"]
    assert (Path(touch["location"]["file"]).name, touch["location"]["line"]) == ("main.py", 1)
    assert "by `from` import at main.py:1" in flat(done.stdout)
    assert "nothing is saved" in flat(done.stdout)
    assert report["what_if"]["verification"]["loading_saving"]["median"] == pytest.approx(0, **NEAR)


def test_a_later_use_is_named_by_its_line_and_phase(startup):
    program = "import expensive\nimport time\ntime.sleep(0.1)\ndef work():\n    return expensive.f()\nwork()\n"
    done, report = startup(program, "--what-if", "expensive", "--verify")
    assert done.returncode == 0, done.stderr
    touch = report["what_if"]["verification"]["touch"]
    assert (touch["how"], touch["location"]["line"]) == (".f", 5)
    assert "by .f at main.py:5" in flat(done.stdout)


def test_a_target_that_fails_when_lazy_ends_with_5_its_error_and_a_saved_report(startup):
    program = "import sys\nimport expensive\nassert 'expensive_part' in sys.modules, 'it needs the side effect'\n"
    done, report = startup(program, "--what-if", "expensive", "--verify", runs=2)
    assert done.returncode == 5, done.stdout
    proof = report["what_if"]["verification"]
    assert proof["failure"].startswith("crashed")
    assert proof["stderr_tail"][-1] == "AssertionError: it needs the side effect"
    assert "it needs the side effect" in flat(done.stdout)
    assert [run["status"] for run in report["runs"]] == ["reached", "reached"]


def test_what_cannot_be_lazy_is_told_and_not_measured(startup):
    done, report = startup("import _tracemalloc\n", "--what-if", "_tracemalloc", "--verify", runs=2)
    assert done.returncode == 0, done.stderr
    assert report["what_if"]["verification"]["pairs"] == []
    assert "_tracemalloc could not be loaded lazily: it is built into the interpreter" in flat(done.stdout)


def test_a_program_without_a_file_is_explained_by_its_records(tmp_path):
    command = [PYTHON, "-m", "ocrprof", "startup", "--runs", "1", "--warmup", "0", "-o", "out", "--why", "wave"]
    done = subprocess.run(
        [*command, "--", PYTHON, "-c", "import wave"],
        cwd=tmp_path, env={**os.environ, "OCRPROF_CACHE": str(tmp_path)}, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "could not be parsed" not in done.stderr
    assert "<string>:1 wave" in flat(done.stdout)


@pytest.mark.parametrize("option", ["--why", "--what-if"])
def test_an_unknown_module_ends_with_2_names_close_ones_and_a_saved_report(startup, option):
    done, report = startup("import expensive\n", option, "expensiv_part")
    assert done.returncode == 2
    assert "expensiv_part was not loaded by the program before the milestone" in done.stderr
    assert "hint:  loaded, and close to it: expensive_part" in done.stderr
    assert report["kind"] == "startup"


def test_verify_without_a_module_is_a_usage_error(startup):
    done, report = startup("import expensive\n", "--verify")
    assert done.returncode == 2
    assert "--what-if MODULE --verify" in done.stderr
    assert report == {}


def test_an_import_by_name_is_in_the_chain_with_the_function_that_made_it(startup):
    done, report = startup(
        "import registry\nimport user\n",
        "--why", "expensive",
        files={
            "registry.py": "import importlib\ndef get(name):\n    return importlib.import_module(name)\n",
            "user.py": "import registry\nregistry.get('expensive')\n",
        },
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    chain = [(hop["module"], hop["location"] and hop["location"]["line"]) for hop in report["why"]["chain"]]
    assert chain == [("__main__", 2), ("user", None), ("registry", 3), ("expensive", None)]


def test_an_installed_package_is_explained_through_its_own_modules(startup):
    done, report = startup(
        "import pydantic\nclass A(pydantic.BaseModel):\n    x: int\nA(x=1)\n",
        "--why", "pydantic_core", "--what-if", "pydantic",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert report["why"]["chain"][0]["module"] == "__main__"
    assert report["why"]["chain"][-1]["module"] == "pydantic_core"
    assert all(hop["location"] for hop in report["why"]["chain"][:-1])
    assert report["what_if"]["num_modules"] > 10
    assert "pydantic_core" in {part["name"] for part in report["what_if"]["packages"]}
    assert report["sources"]["num_unreadable"] == 0
    pydantic = next(one for one in report["savings"] if one["module"] == "pydantic")
    assert pydantic["lines"] == []  # a base class needs it while the file loads


def test_a_target_that_hangs_when_lazy_ends_with_5_and_a_saved_report(startup):
    hanging = "import sys, time\nimport expensive\nif 'expensive_part' not in sys.modules:\n    time.sleep(600)\n"
    done, report = startup(hanging, "--what-if", "expensive", "--verify", "--timeout", "3", runs=2)
    assert done.returncode == 5, done.stdout
    assert report["what_if"]["verification"]["failure"].startswith("timed out")

"""The recorder sees every load, by whatever route, and changes nothing that the target can see."""

import json
import textwrap
from pathlib import Path

import pytest
from recording import PYTHON, TARGETS, plain, record

SCRIPT = str(TARGETS / "stdlib_script.py")


def line_of(text: str) -> int:
    """Number of the last line of the target that holds `text`."""
    lines = Path(SCRIPT).read_text().splitlines()
    return max(number for number, line in enumerate(lines, start=1) if text in line)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    return record(tmp_path_factory.mktemp("runs") / "run", PYTHON, SCRIPT, "3")


def test_recorded_loads_are_what_sys_modules_gained(recorded):
    at_start = set(recorded.of_kind("process")[0]["modules"])
    loaded = {load["name"] for load in recorded.of_kind("load") if load["ok"]}
    inserted = set(recorded.of_kind("inserted")[0]["names"])
    assert set(json.loads(recorded.stdout)) - at_start == loaded | inserted


def test_import_module_is_seen_where_importtime_is_silent(recorded):
    by_name = {load["name"]: load for load in recorded.of_kind("load")}
    importtime = plain(PYTHON, "-X", "importtime", SCRIPT).stderr
    assert by_name["wave"]["route"] == "import_module"
    assert not any(line.rstrip().endswith(" wave") for line in importtime.splitlines())


def test_a_loader_called_directly_is_seen(recorded):
    by_name = {load["name"]: load for load in recorded.of_kind("load")}
    assert by_name["colorsys_by_path"]["route"] == "exec_module"
    assert by_name["colorsys_by_path"]["by"] == [SCRIPT, line_of("exec_module")]


def test_a_failed_import_is_recorded_with_its_error_and_line(recorded):
    failed = {load["name"]: load for load in recorded.of_kind("load") if not load["ok"]}
    load = failed["no_such_module_anywhere"]
    assert (load["error"], load["by"]) == ("ModuleNotFoundError", [SCRIPT, line_of("import no_such")])


def test_self_times_of_a_subtree_add_up_to_the_inclusive_time_of_its_root(recorded):
    loads = recorded.of_kind("load")
    nested_ns = {}
    for load in loads:  # children before parents
        depth = load["depth"]
        duration = load["end"] - load["start"]
        assert load["self"] == duration - nested_ns.pop(depth + 1, 0)
        nested_ns[depth] = nested_ns.get(depth, 0) + duration
        if depth == 0:
            nested_ns.clear()


PARTS = ("find", "read", "unmarshal", "compile", "write", "create", "exec")


def test_the_parts_of_a_load_are_within_its_self_time(recorded):
    for load in recorded.of_kind("load"):
        parts = [load[part] for part in PARTS]
        assert min(parts) >= 0, load
        assert sum(parts) <= load["self"], load


@pytest.fixture(scope="module")
def in_parts(tmp_path_factory):
    """Two starts of one program: without bytecode, and with the bytecode that the first one wrote."""
    folder = tmp_path_factory.mktemp("parts")
    (folder / "inner.py").write_text("import time\ntime.sleep(0.05)\n")
    (folder / "outer.py").write_text(
        "import runpy\nimport inner\nlines = [str(i) for i in range(9)]\nrunpy.run_path(__file__[:-8] + 'other.py')\n"
    )
    (folder / "other.py").write_text("import time\ntime.sleep(0.05)\n" + "x = {1: (2, 3)}\n" * 20000)
    script = folder / "script.py"
    script.write_text("import outer, _ctypes\n")
    runs = []
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        for name in ("compiled", "cached"):
            runs.append(record(folder / name, PYTHON, "-X", "pycache_prefix=" + str(folder / "pycs"), str(script)))
    assert all(run.outcome.status == "reached" for run in runs), runs[0].stderr
    return [{load["name"]: load for load in run.of_kind("load")} for run in runs]


def test_the_body_of_a_module_is_exec_and_nothing_of_what_it_imports(in_parts):
    for loads in in_parts:
        assert loads["inner"]["exec"] >= 50e6
        # What a body does, the compiling of another file too, is its own running.
        assert (
            50e6 <= loads["outer"]["exec"] <= loads["outer"]["self"] < loads["outer"]["end"] - loads["outer"]["start"]
        )
        assert loads["outer"]["compile"] < 50e6


def test_a_module_without_bytecode_is_compiled_and_written_once(in_parts):
    first, second = (loads["outer"] for loads in in_parts)
    assert first["compiled"]
    assert not second["compiled"]
    assert first["compile"] > 0 and first["write"] > 0 and first["unmarshal"] == 0
    assert second["compile"] == second["write"] == 0 and second["unmarshal"] > 0
    assert min(one[part] for one in (first, second) for part in ("find", "read")) > 0


def test_opening_a_shared_object_is_told_from_running_it(in_parts):
    extension = in_parts[0]["_ctypes"]
    assert extension["kind"] == "extension"
    assert extension["create"] > 0 and extension["read"] == extension["compile"] == 0


def test_what_a_loader_of_another_kind_does_is_exec(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(
            """
            import importlib.machinery, sys, time

            class Own:
                def find_spec(name, path, target=None):
                    if name == "made_up":
                        time.sleep(0.03)
                        return importlib.machinery.ModuleSpec(name, Own, origin="made up")
                def create_module(spec):
                    return None
                def exec_module(module):
                    time.sleep(0.05)

            sys.meta_path.insert(0, Own)
            import made_up
            """
        )
    )
    recorded = record(tmp_path / "run", PYTHON, str(script))
    (load,) = [load for load in recorded.of_kind("load") if load["name"] == "made_up"]
    assert load["exec"] >= 50e6
    assert load["find"] >= 30e6
    assert load["exec"] + load["find"] <= load["self"]


def test_output_and_exit_code_are_those_of_a_plain_run(recorded):
    untouched = plain(PYTHON, SCRIPT, "3")
    assert recorded.outcome.exit_code == untouched.returncode == 3
    assert recorded.stderr == untouched.stderr
    assert recorded.stdout == untouched.stdout


@pytest.mark.parametrize(
    "body",
    [
        "import broken_module",
        "import importlib; importlib.import_module('broken_module')",
        "import missing_module",
        "import broken_syntax",
    ],
)
def test_tracebacks_of_failing_imports_are_those_of_a_plain_run(tmp_path, body):
    (tmp_path / "broken_module.py").write_text("def f():\n    raise ValueError('broken')\nf()\n")
    (tmp_path / "broken_syntax.py").write_text("def f(:\n")
    script = tmp_path / "script.py"
    script.write_text(body + "\n")
    recorded = record(tmp_path / "run", PYTHON, str(script))
    untouched = plain(PYTHON, str(script))
    assert recorded.outcome.status == "crashed"
    assert recorded.outcome.exit_code == untouched.returncode == 1
    assert recorded.stderr == untouched.stderr


def test_sys_modules_and_sys_path_at_the_first_line_are_those_of_a_plain_run(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("import sys\nprint(sorted(sys.modules))\nprint(sys.path)\n")
    assert record(tmp_path / "run", PYTHON, str(script)).stdout == plain(PYTHON, str(script)).stdout


def test_the_environments_own_sitecustomize_runs_once(tmp_path, monkeypatch):
    own = tmp_path / "own"
    own.mkdir()
    (own / "sitecustomize.py").write_text("print('own sitecustomize')\n")
    monkeypatch.setenv("PYTHONPATH", str(own))
    recorded = record(tmp_path / "run", PYTHON, "-c", "import sitecustomize; print(sitecustomize.__file__)")
    assert recorded.stdout.splitlines() == ["own sitecustomize", str(own / "sitecustomize.py")]


def test_modules_named_like_our_hooks_are_not_hidden(tmp_path):
    for name in ("hydra", "torch", "wandb", "loader", "stop"):
        (tmp_path / f"{name}.py").write_text(f"print('own {name}')\n")
    script = tmp_path / "script.py"
    script.write_text("import hydra, torch, wandb, loader, stop\n")
    recorded = record(tmp_path / "run", PYTHON, str(script))
    assert recorded.stdout.split() == ["own", "hydra", "own", "torch", "own", "wandb", "own", "loader", "own", "stop"]
    assert recorded.stderr == ""


def test_children_inherit_the_recorder_and_write_their_own_files(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(
            """
            import multiprocessing, os, subprocess, sys

            def work():
                import wave

            if __name__ == "__main__":
                subprocess.run([sys.executable, "-c", "import wave"], check=True)
                for method in ("fork", "spawn", "forkserver"):
                    child = multiprocessing.get_context(method).Process(target=work)
                    child.start(); child.join()
                    assert child.exitcode == 0
            """
        )
    )
    recorded = record(tmp_path / "run", PYTHON, str(script))
    assert recorded.outcome.status == "reached", recorded.stderr
    files = list((tmp_path / "run" / "records").iterdir())
    with_wave = [file for file in files if '"name":"wave"' in file.read_text()]
    assert len(with_wave) == 4  # the subprocess, and one child by each start method
    assert len({file.name.split("-")[0] for file in files}) == len(files)


def test_what_was_recorded_survives_os_exit(tmp_path):
    recorded = record(tmp_path / "run", PYTHON, "-c", "import wave, os; os._exit(7)")
    assert recorded.outcome.exit_code == 7
    assert recorded.records[0]["k"] == "process"


def test_every_python_is_told_apart_from_one_that_keeps_the_recorder_out(tmp_path):
    recorded = record(tmp_path / "run", "/bin/sh", "-c", f"exec {PYTHON} -I -c 'print(1)'")
    assert recorded.outcome.status == "not_recorded"
    assert recorded.stdout == "1\n"


def test_nothing_is_left_in_the_run_folder_but_records_and_output(recorded):
    names = sorted(file.name for file in recorded.outcome.directory.iterdir())
    assert names == ["records", "stderr.txt", "stdout.txt"]


def test_a_recorder_that_fails_leaves_the_target_alone_and_says_why(tmp_path):
    recorded = record(tmp_path / "run", PYTHON, "-c", "print('ran')", settings={"OCRPROF_TRAIN_BATCHES": "many"})
    assert (recorded.stdout, recorded.stderr, recorded.outcome.exit_code) == ("ran\n", "", 0)
    assert recorded.outcome.status == "not_recorded"
    (error,) = recorded.outcome.recorder_errors
    assert "ValueError" in error

"""Programs that are hard on a recorder: what it saw of them is complete, and they run as they do without it."""

import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from recording import PYTHON, TARGETS, plain, record
from test_cli import ocrprof, report_in

from ocrprof.records import read_records

PARTS = ("find", "read", "unmarshal", "compile", "write", "create", "exec")


def script_in(folder, text, name="script.py"):
    path = folder / name
    path.write_text(textwrap.dedent(text))
    return str(path)


def loads_of(recorded, name):
    return [load for load in recorded.of_kind("load") if load["name"] == name]


def other_pythons():
    """One interpreter of each other minor version that this machine has, by version."""
    found = {}
    for minor in range(9, 16):
        named = shutil.which(f"python3.{minor}")
        paths = [*Path(sys.base_prefix).parent.glob(f"3.{minor}.*/bin/python3"), *([Path(named)] if named else [])]
        able = [str(path) for path in paths if _is_python(path, minor)]
        if able and minor != sys.version_info.minor:
            found[f"3.{minor}"] = able[0]
    return found


def _is_python(path, minor):
    version = subprocess.run([path, "-c", "import sys; print(sys.version_info[1])"], capture_output=True, text=True)
    return version.stdout.strip() == str(minor)


OTHER_PYTHONS = other_pythons()


@pytest.mark.parametrize("python", OTHER_PYTHONS.values(), ids=OTHER_PYTHONS.keys())
def test_other_pythons_are_recorded_in_full(tmp_path, python):
    target = str(TARGETS / "stdlib_script.py")
    recorded = record(tmp_path / "run", python, target, "3")
    untouched = plain(python, target, "3")
    assert (recorded.outcome.exit_code, recorded.stderr) == (untouched.returncode, untouched.stderr)
    loaded = {load["name"] for load in recorded.of_kind("load") if load["ok"]}
    inserted = set(recorded.of_kind("inserted")[0]["names"])
    at_start = set(recorded.of_kind("process")[0]["modules"])
    assert set(json.loads(recorded.stdout)) - at_start == loaded | inserted
    assert [note for note in recorded.of_kind("note") if "collections of garbage" not in note["text"]] == []
    for load in recorded.of_kind("load"):
        assert sum(load[part] for part in PARTS) <= load["self"]
    (wave,) = loads_of(recorded, "wave")
    assert wave["exec"] > 0 and wave["find"] > 0 and wave["read"] > 0


def test_threads_that_import_at_once_load_each_module_once_and_their_waits_are_no_self_time(tmp_path):
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(0.3)\n")
    for number in range(8):
        (tmp_path / f"own{number}.py").write_text("import slow\nimport time\ntime.sleep(0.02)\n")
    recorded = record(tmp_path / "run", PYTHON, script_in(tmp_path, """
        import threading
        threads = [threading.Thread(target=__import__, args=(f"own{n}",)) for n in range(8)]
        threads += [threading.Thread(target=__import__, args=("slow",)) for n in range(2)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        """))  # fmt: skip
    assert recorded.outcome.status == "reached", recorded.stderr
    (slow,) = loads_of(recorded, "slow")
    assert slow["self"] >= 300e6
    waits = recorded.of_kind("wait")
    assert waits and {wait["name"] for wait in waits} == {"slow"}
    assert sum(wait["end"] - wait["start"] for wait in waits) > 300e6
    for number in range(8):
        (own,) = loads_of(recorded, f"own{number}")
        assert own["self"] < 300e6
        assert own["thread"] != 0
        waited = sum(wait["end"] - wait["start"] for wait in waits if wait["thread"] == own["thread"])
        assert own["blocked"] >= 0.99 * waited
    assert recorded.of_kind("end")[0]["dropped"] == 0
    (process,) = read_records(tmp_path / "run" / "records")
    assert process.open == ()


def test_failing_imports_of_every_kind_are_recorded_with_their_error(tmp_path):
    (tmp_path / "broken_syntax.py").write_text("def f(:\n")
    (tmp_path / "broken_body.py").write_text("import wave\nraise ValueError('body')\n")
    (tmp_path / "around.py").write_text("import back\nvalue = 1\n")
    (tmp_path / "back.py").write_text("from around import value\n")
    (tmp_path / "exits.py").write_text("raise SystemExit(3)\n")
    recorded = record(tmp_path / "run", PYTHON, script_in(tmp_path, """
        for name in ("broken_syntax", "broken_body", "around", "absent.sub", "exits"):
            try:
                __import__(name)
            except BaseException as error:
                print(type(error).__name__)
        """))  # fmt: skip
    failed = {load["name"]: load for load in recorded.of_kind("load") if not load["ok"]}
    assert {name: load["error"] for name, load in failed.items()} == {
        "broken_syntax": "SyntaxError", "broken_body": "ValueError", "around": "ImportError", "back": "ImportError",
        "absent.sub": "ModuleNotFoundError", "absent": "ModuleNotFoundError", "exits": "SystemExit",
    }  # fmt: skip
    assert failed["broken_syntax"]["compile"] > 0 and failed["broken_body"]["exec"] > 0
    assert recorded.stdout.split() == ["SyntaxError", "ValueError", "ImportError", "ModuleNotFoundError", "SystemExit"]


def test_a_process_that_is_killed_in_an_import_has_named_it_and_kept_what_was_loaded(tmp_path):
    (tmp_path / "fatal.py").write_text("import wave\nimport os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    recorded = record(tmp_path / "run", PYTHON, script_in(tmp_path, "import colorsys\nimport fatal\n"))
    assert recorded.outcome.exit_code == -9
    assert loads_of(recorded, "colorsys") and not loads_of(recorded, "fatal")
    begun = [one["name"] for one in recorded.of_kind("begin") if one["of"] == "load"]
    assert begun[-1] == "fatal"


def test_os_exit_comes_after_the_last_record(tmp_path):
    recorded = record(tmp_path / "run", PYTHON, "-c", "import wave, os; os._exit(7)")
    assert recorded.outcome.exit_code == 7
    assert loads_of(recorded, "wave")
    assert recorded.of_kind("end")[0]["reason"] == "_exit"


@pytest.mark.parametrize("other", [PYTHON, *list(OTHER_PYTHONS.values())[:1]])
def test_another_program_in_the_process_is_recorded_after_what_the_first_one_did(tmp_path, other):
    second = script_in(tmp_path, "import wave\n", "second.py")
    first = script_in(tmp_path, f"import colorsys, os\nos.execvp({other!r}, [{other!r}, {second!r}])\n", "first.py")
    recorded = record(tmp_path / "run", PYTHON, first)
    assert recorded.outcome.status == "reached", recorded.stderr
    before, after = sorted(recorded.of_kind("process"), key=lambda process: process["start"])
    assert before["pid"] == after["pid"]
    assert loads_of(recorded, "colorsys") and loads_of(recorded, "wave")


def test_a_usercustomize_of_the_target_runs_once_and_is_recorded(tmp_path, monkeypatch):
    (tmp_path / "usercustomize.py").write_text("import wave\nprint('own usercustomize')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    python = str(Path(sys.base_prefix) / "bin" / "python3")  # a virtual environment leaves usercustomize out
    recorded = record(tmp_path / "run", python, "-c", "import site; assert site.ENABLE_USER_SITE")
    if recorded.outcome.exit_code:
        pytest.skip("this Python starts without the user's site-packages")
    assert recorded.stdout == "own usercustomize\n"
    assert loads_of(recorded, "wave")[0]["by_module"] == "usercustomize"


def test_a_module_in_a_folder_whose_name_is_no_text_stands_in_the_report(tmp_path):
    folder = tmp_path / os.fsdecode(b"caf\xff")
    folder.mkdir()
    (folder / "odd.py").write_text("import wave\n")
    script = script_in(
        tmp_path, "import os, sys\nsys.path.append(os.fsdecode(sys.argv[1]) + 'caf\\udcff')\nimport odd\n"
    )
    result = ocrprof("startup", "--runs", "1", "--warmup", "0", "-o", "out", "--", PYTHON, script, f"{tmp_path}/",
                     cwd=tmp_path)  # fmt: skip
    assert result.returncode == 0, result.stderr
    rows = {row["module"]: row for row in report_in(tmp_path / "out")["imports"]}
    assert rows["odd"]["file"].endswith("/caf\\xff/odd.py")
    assert rows["wave"]["importer"]["file"].endswith("/caf\\xff/odd.py")


def test_an_import_chain_of_a_hundred_modules_loads_at_the_usual_recursion_limit(tmp_path):
    for number in range(100):
        (tmp_path / f"deep{number}.py").write_text(f"import deep{number + 1}\n")
    (tmp_path / "deep100.py").write_text("bottom = True\n")
    recorded = record(
        tmp_path / "run", PYTHON, script_in(tmp_path, "import deep0\nimport sys\nprint(sys.getrecursionlimit())")
    )
    assert (recorded.stdout, recorded.stderr) == ("1000\n", "")
    assert max(load["depth"] for load in recorded.of_kind("load")) == 100


def test_a_target_that_changes_everything_under_us_is_recorded_to_its_end(tmp_path):
    recorded = record(tmp_path / "run", PYTHON, script_in(tmp_path, """
        import builtins, importlib._bootstrap, os, sys
        import wave
        os.environ.clear()
        os.chdir("/")
        original = builtins.__import__
        builtins.__import__ = lambda *args, **kwargs: original(*args, **kwargs)
        import colorsys
        find = importlib._bootstrap._find_and_load
        importlib._bootstrap._find_and_load = lambda name, import_: find(name, import_)
        import calendar
        sys.stdout = sys.stderr = None
        os.closerange(0, 4096)
        mine = os.open("/tmp", os.O_RDONLY)
        for number in range(4, 300):
            os.dup2(mine, number)
        import tabnanny
        """))  # fmt: skip
    assert recorded.outcome.exit_code == 0
    for name in ("wave", "colorsys", "calendar", "tabnanny"):
        assert len(loads_of(recorded, name)) == 1, name
    assert recorded.of_kind("end")[0]["dropped"] == 0
    assert (recorded.stdout, recorded.stderr) == ("", "")


def test_a_file_that_the_target_opens_under_the_number_of_ours_is_left_alone(tmp_path):
    script = script_in(tmp_path, """
        import os, sys
        os.closerange(3, 4096)
        files = [os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT) for _ in range(300)]
        import wave
        """)  # fmt: skip
    recorded = record(tmp_path / "run", PYTHON, script, str(tmp_path / "own.txt"))
    assert (tmp_path / "own.txt").read_bytes() == b""
    assert loads_of(recorded, "wave") and recorded.of_kind("end")


def test_the_listing_of_opened_files_takes_no_number_of_the_target(tmp_path):
    script = script_in(tmp_path, """
        import os, sys
        print(os.open(sys.argv[1], os.O_RDONLY))
        os.closerange(3, 4096)
        own = [os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT) for _ in range(300)]
        open(sys.argv[3]).read()
        """)  # fmt: skip
    for name in ("early.txt", "late.txt"):
        (tmp_path / name).write_text("page")
    arguments = (script, *(str(tmp_path / name) for name in ("early.txt", "own.txt", "late.txt")))
    recorded = record(tmp_path / "run", PYTHON, *arguments, settings={"OCRPROF_FILES": "1", "OCRPROF_DATA_FILES": "1"})
    listed = (tmp_path / "run" / "files-opened.txt").read_text().splitlines()
    assert {str(tmp_path / "early.txt"), str(tmp_path / "late.txt")} <= set(listed)
    assert (tmp_path / "own.txt").read_bytes() == b""
    assert recorded.stdout == plain(PYTHON, *arguments).stdout


def test_the_first_file_of_the_target_has_the_number_it_has_in_a_plain_run(tmp_path):
    code = "import os; print(os.open('/dev/null', os.O_RDONLY))"
    assert record(tmp_path / "run", PYTHON, "-c", code).stdout == plain(PYTHON, "-c", code).stdout


def test_a_fork_in_a_thread_records_in_the_child_and_goes_on_in_the_parent(tmp_path):
    recorded = record(tmp_path / "run", PYTHON, "-W", "ignore", script_in(tmp_path, """
        import os, threading
        def work():
            pid = os.fork()
            if pid == 0:
                import colorsys
                os._exit(0)
            os.waitpid(pid, 0)
            import wave
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        """))  # fmt: skip
    assert recorded.outcome.status == "reached", recorded.stderr
    assert sorted(end["reason"] for end in recorded.of_kind("end")) == ["_exit", "exit"]
    assert [load["thread"] for load in loads_of(recorded, "colorsys")] == [0]
    assert loads_of(recorded, "wave")[0]["thread"] != 0


def test_garbage_collection_inside_imports_is_timed_without_a_module_more(tmp_path):
    (tmp_path / "litter.py").write_text("x = []\nfor _ in range(50000):\n    x = [x]\n")
    recorded = record(tmp_path / "run", PYTHON, script_in(tmp_path, "import litter, sys\nprint('gc' in sys.modules)\n"))
    assert recorded.stdout == "False\n"
    garbage = [one["a"] for one in recorded.of_kind("totals") if one["of"] == "garbage"][-1]
    (litter,) = loads_of(recorded, "litter")
    assert garbage["collections"] > 10
    assert 0 < garbage["ns"] < litter["self"]


def test_a_library_opened_by_ctypes_is_a_load_inside_the_module_that_asked(tmp_path):
    library = next(path for path in Path("/proc/self/maps").read_text().split() if "/libc.so" in path)
    (tmp_path / "opens.py").write_text(
        f"import ctypes\nctypes.CDLL({library!r})\nctypes.cdll.LoadLibrary({library!r})\n"
    )
    recorded = record(tmp_path / "run", PYTHON, script_in(tmp_path, """
        import ctypes, opens
        ctypes.CDLL(None)
        try:
            ctypes.CDLL("/no/such/library.so")
        except OSError:
            pass
        """))  # fmt: skip
    libraries = [load for load in recorded.of_kind("load") if load["kind"] == "library"]
    assert [(one["name"], one["file"], one["ok"]) for one in libraries] == [
        ("opens.libc", library, True), ("opens.libc", library, True),
        ("__main__.library", "/no/such/library.so", False),
    ]  # fmt: skip
    assert [one["by"][1] for one in libraries[:2]] == [2, 3]
    assert libraries[0]["depth"] == 1 and 0 < libraries[0]["create"] <= libraries[0]["self"]


def test_page_faults_and_bytes_read_are_counted_at_the_milestones(tmp_path):
    recorded = record(tmp_path / "run", PYTHON, "-c", "import wave")
    (ending,) = [mark for mark in recorded.of_kind("mark") if mark["name"] == "exit.begin"]
    minor, _, read, _ = ending["a"]["usage"]
    assert minor > 100 and read > 1000
    assert ending["a"]["cpu"] > 1_000_000


@pytest.fixture(scope="module")
def environment_without_layer_a(tmp_path_factory):
    """A Python whose importlib, as far as one can reach it, is not the one that it imports with."""
    folder = tmp_path_factory.mktemp("venv") / "venv"
    subprocess.run([PYTHON, "-m", "venv", "--without-pip", str(folder)], check=True)
    (site_packages,) = folder.glob("lib/python*/site-packages")
    (site_packages / "other.pth").write_text(
        "import sys; m = sys.modules['_frozen_importlib']; c = type(sys)('_frozen_importlib'); "
        "c.__dict__.update(m.__dict__); sys.modules['_frozen_importlib'] = c\n"
    )
    return str(folder / "bin" / "python")


def test_without_its_private_function_loads_are_seen_by_their_loaders_and_that_is_said(
    tmp_path, environment_without_layer_a
):
    recorded = record(tmp_path / "run", environment_without_layer_a, "-c", "import wave")
    assert recorded.outcome.status == "reached", recorded.stderr
    (wave,) = loads_of(recorded, "wave")
    assert wave["route"] == "exec_module" and wave["exec"] > 0
    assert any("loads are seen by their loaders alone" in note["text"] for note in recorded.of_kind("note"))


def test_two_hundred_thousand_loads_are_recorded_without_loss(tmp_path):
    (tmp_path / "many.py").write_text("for number in range(200_000):\n    __import__(f'made_{number}')\n")
    script = script_in(tmp_path, """
        import importlib.machinery, sys

        class Maker:
            def find_spec(name, path=None, target=None):
                return importlib.machinery.ModuleSpec(name, Maker) if name[:5] == "made_" else None
            def create_module(spec):
                return None
            def exec_module(module):
                pass

        sys.meta_path.insert(0, Maker)
        import many
        print(sum(name[:5] == "made_" for name in sys.modules))
        """)  # fmt: skip
    recorded = record(tmp_path / "run", PYTHON, script, timeout_seconds=300)
    assert recorded.outcome.status == "reached", recorded.stderr
    assert recorded.stdout == "200000\n"
    made = [load["name"] for load in recorded.of_kind("load") if load["name"].startswith("made_")]
    assert len(made) == len(set(made)) == 200_000
    end = recorded.of_kind("end")[0]
    assert end["dropped"] == 0
    assert end["records"] == len(recorded.records) - 1

"""Signals, closed descriptors and forks in the middle of what the recorder does: the target does not notice."""

import pickle
import textwrap

import pytest
from recording import PYTHON, plain, record

SCRIPTS = {
    # A fork in a folder that is gone.
    "folder": """
        import os, sys, tempfile
        folder = tempfile.mkdtemp()
        os.chdir(folder)
        os.rmdir(folder)
        pid = os.fork()
        if pid == 0:
            import colorsys
            sys.exit(3)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        """,
    # Forked and ended with as many files open as may be; the last module that is loaded is the child's.
    "full": """
        import os, resource, sys
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
        own = []
        while True:
            try:
                own.append(os.open(os.devnull, os.O_RDONLY))
            except OSError:
                break
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            os.close(own.pop())
            import colorsys
            sys.exit(3)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        """,
    # As a daemon does it: the numbers of its standard streams are its own to give.
    "daemon": """
        import os
        os.closerange(0, 4096)
        import colorsys
        os._exit(os.open(os.devnull, os.O_RDWR) + 40)
        """,
    # By name, which must lead to what stands there.
    "pickled": """
        import os, pickle, warnings
        print(pickle.dumps([os._exit, os.execv, os.execve, warnings.warn]).hex())
        """,
    # A milestone that is reached with a handler that raises, over and over.
    "alarms": """
        import argparse, signal

        def too_late(*_):
            raise TimeoutError

        signal.signal(signal.SIGALRM, too_late)
        parser = argparse.ArgumentParser()
        for _ in range(100):
            try:
                signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
                parser.parse_args([])
            except TimeoutError:
                pass
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
        print("went on")
        """,
    # In a sweep the collector has no callback of ours, in which the exception would be lost.
    "collected": """
        import gc, signal

        def too_late(*_):
            raise TimeoutError

        signal.signal(signal.SIGALRM, too_late)
        litter = [[] for _ in range(2_000_000)]
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.005)
            gc.collect()
            gc.collect()
            print("too late")
        except TimeoutError:
            print("in time")
        """,
    # Batches that do not tell their shape, and classes whose constructor is not their own.
    "classes": """
        import inspect
        import torch
        from torch.utils.data import DataLoader, Dataset

        class Ragged(Dataset):
            def __len__(self):
                return 4
            def __getitem__(self, index):
                return torch.ones(index + 1)

        class Named(Ragged):
            def __init__(self, root, *, split="train"):
                pass

        class Derived(Named):
            pass

        class Root:
            def __init__(self, root):
                pass

        class Mixed(Dataset, Root):
            pass

        class Layer(torch.nn.Linear):
            pass

        for kind in (Ragged, Named, Derived, Mixed, Layer, torch.nn.Module):
            print(kind.__name__, inspect.signature(kind))
        for batch in DataLoader(Ragged(), batch_size=2, collate_fn=torch.nested.nested_tensor):
            print(batch.size(0))
        print(Mixed("here").__class__, Derived("there", split="val").__class__, Layer(1, 2))
        """,
    # More than is kept on disk.
    "loud": """
        import sys
        sys.stderr.write("first line\\n")
        for _ in range(80):
            sys.stderr.write("x" * 1_000_000 + "\\n")
        sys.stderr.write("last line\\n")
        """,
}


@pytest.fixture
def script(tmp_path):
    def write(name):
        path = tmp_path / f"{name}.py"
        path.write_text(textwrap.dedent(SCRIPTS[name]))
        return str(path)

    return write


@pytest.mark.parametrize("name", ["folder", "full"])
def test_a_forked_child_has_its_own_records_and_says_nothing_of_it(tmp_path, script, name):
    recorded, untouched = record(tmp_path / "run", PYTHON, script(name)), plain(PYTHON, script(name))
    assert (recorded.stdout, recorded.stderr) == (untouched.stdout, untouched.stderr) == ("3\n", "")
    assert recorded.outcome.status == "reached"
    assert len(list((tmp_path / "run" / "records").iterdir())) == 2
    child = next(process for process in recorded.of_kind("process") if process["role"] == "worker")
    (load,) = [load for load in recorded.of_kind("load") if load["name"] == "colorsys"]
    assert load["start"] > child["start"]
    assert len(recorded.of_kind("end")) == 2


def test_a_target_that_closes_everything_finds_the_numbers_of_its_streams_free(tmp_path, script):
    assert plain(PYTHON, script("daemon")).returncode == 40
    recorded = record(tmp_path / "run", PYTHON, script("daemon"))
    assert recorded.outcome.exit_code == 40
    assert [load["name"] for load in recorded.of_kind("load")][-1] == "colorsys"
    assert recorded.of_kind("end")[0]["dropped"] == 0


def test_functions_that_the_recorder_stands_in_for_can_be_pickled(tmp_path, script):
    recorded = record(tmp_path / "run", PYTHON, script("pickled"))
    assert recorded.stderr == ""
    assert len(pickle.loads(bytes.fromhex(recorded.stdout))) == 4


def test_a_milestone_is_reached_whatever_handlers_of_the_target_raise(tmp_path, script):
    recorded = record(tmp_path / "run", PYTHON, script("alarms"), until="arguments", timeout_seconds=30)
    assert recorded.outcome.status == "reached"
    assert recorded.stdout == ""
    assert [one["name"] for one in recorded.of_kind("milestone")] == ["arguments"]
    assert recorded.of_kind("end")[0]["reason"] == "stop"


def test_what_a_handler_raises_in_a_collection_of_garbage_reaches_the_target_of_a_sweep(tmp_path, script):
    settings = {"OCRPROF_SWEEP": "loader=train mode=loader num_workers=0"}
    recorded = record(tmp_path / "run", PYTHON, script("collected"), settings=settings)
    assert (recorded.stdout, recorded.stderr) == ("in time\n", "")


def test_batches_and_classes_are_what_they_are_without_the_recorder(tmp_path, script):
    recorded, untouched = record(tmp_path / "run", PYTHON, script("classes")), plain(PYTHON, script("classes"))
    assert (recorded.stdout, recorded.outcome.exit_code) == (untouched.stdout, 0), recorded.stderr
    assert [span["a"]["batch_size"] for span in recorded.spans("fetch") if "stop" not in span["a"]] == [None, None]
    assert any("Nested" in note["text"] or "nested" in note["text"] for note in recorded.of_kind("note"))


def test_output_without_end_is_kept_in_part_and_that_is_said(tmp_path, script):
    recorded = record(tmp_path / "run", PYTHON, script("loud"))
    assert (tmp_path / "run" / "stderr.txt").stat().st_size < 64 << 20
    assert recorded.stderr.startswith("first line\n")
    assert recorded.outcome.stderr_tail[-1] == "last line"
    assert recorded.outcome.output_notes

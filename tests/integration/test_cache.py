"""A cache gives what would be made, keeps to its budget, tells what it did, and survives damage and other processes."""

import logging
import multiprocessing
import os
import pickle
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import pipeline.data.cache as cache_module
from pipeline.data.cache import digest, open_cache
from pipeline.data.memory import available_memory_bytes

VALUE = {"pixels": np.arange(3000, dtype=np.uint8)}


@pytest.fixture(params=["memory", "disk"])
def cache(request, tmp_path):
    return open_cache("images", storage=request.param, root=str(tmp_path))


def never():
    raise AssertionError("made again")


def test_what_was_made_once_is_found_the_next_time(cache):
    made = cache.get_or_make(digest("a"), lambda: VALUE)
    found = cache.get_or_make(digest("a"), never)
    assert np.array_equal(made["pixels"], found["pixels"])
    counts = cache.statistics()
    assert (counts["hits"], counts["misses"], counts["stored"]) == (1, 1, 1)
    assert "1 hits of 2 (50.0%), 1 stored" in cache.describe()


def test_a_damaged_entry_is_named_and_made_again(cache, caplog):
    cache.get_or_make(digest("a"), lambda: VALUE)
    (entry,) = cache.folder.glob("*/*.arrays")
    entry.write_bytes(entry.read_bytes()[:-40])
    cache._checked.clear()  # as another process would find it
    found = cache.get_or_make(digest("a"), lambda: VALUE)
    assert np.array_equal(found["pixels"], VALUE["pixels"])
    assert cache.statistics()["rebuilt"] == 1
    assert str(entry) in caplog.text
    cache._checked.clear()
    cache.get_or_make(digest("a"), never)


def test_none_is_no_cache_and_another_word_is_an_error():
    assert open_cache("images", storage="none") is None
    with pytest.raises(ValueError, match="'none', 'memory' or 'disk'"):
        open_cache("images", storage="ram")


def test_entries_on_disk_are_found_by_the_next_run_and_those_in_memory_are_not(tmp_path):
    for storage, expected in (("disk", 1), ("memory", 0)):
        first = open_cache("images", storage=storage, root=str(tmp_path))
        first.get_or_make(digest("a"), lambda: VALUE)
        second = open_cache("images", storage=storage, root=str(tmp_path))
        second.get_or_make(digest("a"), lambda: VALUE)
        assert second.statistics()["hits"] == expected


def test_more_than_the_budget_is_refused_before_anything_is_stored(caplog):
    cache = open_cache("samples", memory_gib=1.0)
    assert not cache.reserve(num_entries=1000, bytes_each=2**21)
    assert "1000 entries of 2.0 MiB take 1.95 GiB" in caplog.text
    assert "the budget of all caches in memory" in caplog.text
    cache.get_or_make(digest("a"), lambda: VALUE)
    assert cache.statistics()["stored"] == 0
    assert cache.statistics()["refused"] == 1


def test_caches_in_memory_share_one_budget(monkeypatch):
    monkeypatch.setattr(cache_module, "_reserved_bytes", {})
    first, second = open_cache("images", memory_gib=0.01), open_cache("maps", memory_gib=0.01)
    assert first.reserve(num_entries=6, bytes_each=2**20)
    assert not second.reserve(num_entries=6, bytes_each=2**20)


def test_memory_that_the_machine_does_not_have_is_refused(monkeypatch, caplog):
    monkeypatch.setattr(cache_module, "_reserved_bytes", {})
    monkeypatch.setattr(cache_module, "available_memory_bytes", lambda: 2**24)
    cache = open_cache("images", memory_gib=4.0)
    assert not cache.reserve(num_entries=100, bytes_each=2**20)
    assert "without swapping" in caplog.text


def test_a_budget_that_is_used_up_stores_no_more_and_goes_on(tmp_path, caplog):
    cache = open_cache("images", storage="disk", disk_gib=5000 / 2**30, root=str(tmp_path))
    for name in "abc":
        assert np.array_equal(cache.get_or_make(digest(name), lambda: VALUE)["pixels"], VALUE["pixels"])
    assert cache.statistics()["stored"] == 1
    assert cache.statistics()["refused"] == 2
    assert caplog.text.count("nothing more is stored") == 1


def test_a_folder_on_disk_above_its_budget_loses_its_oldest_entries(tmp_path):
    first = open_cache("images", storage="disk", root=str(tmp_path))
    for age, name in enumerate("abcd"):
        first.get_or_make(digest(name), lambda: VALUE)
        entry = first.folder / digest(name)[:2] / f"{digest(name)}.arrays"
        os.utime(entry, (1000 + age, 1000 + age))
    second = open_cache("images", storage="disk", disk_gib=8000 / 2**30, root=str(tmp_path))
    second.get_or_make(digest("d"), never)
    kept = {path.stem for path in second.folder.glob("*/*.arrays")}
    assert kept == {digest("d")}


def test_statistics_are_logged_every_so_many_lookups(caplog):
    caplog.set_level(logging.INFO, logger="pipeline.data.cache")
    cache = open_cache("images", log_every=2)
    for _ in range(5):
        cache.get_or_make(digest("a"), lambda: VALUE)
    assert [record.message.split(",")[0] for record in caplog.records] == [
        "images cache: 1 hits of 2 (50.0%)",
        "images cache: 3 hits of 4 (75.0%)",
    ]


def _look_up(cache, names):
    for name in names:
        cache.get_or_make(digest(name), lambda: VALUE)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_workers_share_entries_and_counts_however_they_are_started(cache, method):
    context = multiprocessing.get_context(method)
    cache.get_or_make(digest("a"), lambda: VALUE)
    for _ in range(2):
        worker = context.Process(target=_look_up, args=(cache, "ab"))
        worker.start()
        worker.join()
        assert worker.exitcode == 0
    counts = cache.statistics()
    assert (counts["hits"], counts["misses"]) == (3, 2)
    cache.get_or_make(digest("b"), never)


def test_many_processes_that_store_the_same_entry_leave_one_whole_file(cache):
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_look_up, args=(cache, "abcdefgh" * 5)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(list(cache.folder.glob("*/*.arrays"))) == 8
    assert list(cache.folder.glob("**/.writing-*")) == []
    assert cache.statistics()["rebuilt"] == 0
    for name in "abcdefgh":
        cache.get_or_make(digest(name), never)


@pytest.mark.parametrize("end", ["pass", "os._exit(0)", "os.kill(os.getpid(), signal.SIGKILL)"])
def test_the_memory_of_a_run_is_given_back_however_it_ends(end):
    program = (
        "import os, signal, sys, numpy as np\n"
        "from pipeline.data.cache import digest, open_cache\n"
        "cache = open_cache('images')\n"
        "cache.get_or_make(digest('a'), lambda: {'x': np.zeros(9)})\n"
        "print(cache.folder.parent, os.path.exists(cache.folder.parent), flush=True)\n"
        f"{end}\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    folder, was_there = ended.stdout.split()
    assert was_there == "True"
    until = time.monotonic() + 20
    while Path(folder).exists() and time.monotonic() < until:
        time.sleep(0.01)
    assert not Path(folder).exists()


def test_what_a_killed_remover_left_is_removed_by_the_next_run(monkeypatch):
    left = cache_module._SHARED_MEMORY / f"pipeline-cache-{cache_module._pid_namespace()}-999999999-5-x"
    other = cache_module._SHARED_MEMORY / "pipeline-cache-1-999999999-5-x"  # of a container that we cannot look into
    for folder in (left, other):
        folder.mkdir(exist_ok=True)
    monkeypatch.setattr(cache_module, "_made_folder", None)
    open_cache("images")
    assert not left.exists()
    assert other.exists()
    other.rmdir()


def test_a_fork_that_ends_takes_nothing_with_it():
    cache = open_cache("images")
    cache.get_or_make(digest("a"), lambda: VALUE)
    pid = os.fork()
    if pid == 0:
        cache_module._remove(cache.folder.parent, os.getppid())
        os._exit(0)
    os.waitpid(pid, 0)
    cache.get_or_make(digest("a"), never)


def test_every_part_of_a_key_changes_it():
    array = np.arange(6, dtype=np.float32)
    keys = [
        digest("a", 1),
        digest("a", 1.0),
        digest("a", True),
        digest("a1"),
        digest("a", None),
        digest(["a", 1]),
        digest(array),
        digest(array.reshape(2, 3)),
        digest(array.astype(np.float64)),
        digest(array[:3], array[3:]),
        digest([array[:3]], array[3:]),
        digest(),
    ]
    assert len(set(keys)) == len(keys)
    assert digest("a", 1, array) == digest("a", 1, array.copy())
    with pytest.raises(TypeError, match="dict"):
        digest({})


def test_a_cache_goes_to_another_process_without_its_mappings(cache):
    cache.get_or_make(digest("a"), lambda: VALUE)
    assert len(pickle.dumps(cache)) < 4000
    pickle.loads(pickle.dumps(cache)).get_or_make(digest("a"), never)


def test_available_memory_is_the_smaller_of_the_machine_and_the_container(tmp_path):
    meminfo, cgroup = tmp_path / "meminfo", tmp_path / "cgroup"
    meminfo.write_text("MemTotal: 9000 kB\nMemAvailable:    8000 kB\n")
    assert available_memory_bytes(meminfo=meminfo, cgroup=cgroup) == 8000 * 1024
    cgroup.mkdir()
    (cgroup / "memory.max").write_text("max\n")
    (cgroup / "memory.current").write_text("1024000\n")
    (cgroup / "memory.stat").write_text("anon 5\ninactive_file 24000\n")
    assert available_memory_bytes(meminfo=meminfo, cgroup=cgroup) == 8000 * 1024
    (cgroup / "memory.max").write_text("3000000\n")
    assert available_memory_bytes(meminfo=meminfo, cgroup=cgroup) == 2_000_000
    assert available_memory_bytes(meminfo=tmp_path / "none", cgroup=cgroup) is None

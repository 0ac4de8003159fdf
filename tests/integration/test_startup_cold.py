"""`ocrprof startup --cache both`: the files that the target read are evicted, and no others; or no figure is given."""

import os
import subprocess

import pytest
from recording import PYTHON, TARGETS, record
from test_cli import ocrprof, report_in

from ocrprof.measure.cold_files import ColdFiles
from ocrprof.measure.page_cache import evict, resident_bytes

READS_A_LIBRARY = """
import mmap, os, sys
handle = os.open(sys.argv[1], os.O_RDONLY)
library = mmap.mmap(handle, 0, prot=mmap.PROT_READ | mmap.PROT_EXEC)
print(sum(library[::4096]))
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """So large beside the interpreter, which cannot be evicted while it runs, that a start without it is a cold one."""
    folder = tmp_path_factory.mktemp("library")
    path = folder / "library.so"
    path.write_bytes(os.urandom(2**20) * 300)
    file_system = subprocess.run(["stat", "-f", "-c", "%T", folder], capture_output=True, text=True).stdout.strip()
    if file_system in ("tmpfs", "ramfs", "overlayfs"):
        pytest.skip(f"the temporary folder is on {file_system}, whose pages cannot be evicted")
    return path


def test_only_the_given_files_are_evicted(library):
    other = library.with_name("other.bin")
    other.write_bytes(os.urandom(2**20))
    with library.open("rb") as file:
        while file.read(2**24):
            pass
    assert resident_bytes(library) == library.stat().st_size
    evict([library])
    assert resident_bytes(library) == 0
    assert resident_bytes(other) == other.stat().st_size


def test_a_process_lists_its_modules_bytecode_and_libraries_and_no_data(tmp_path):
    data = tmp_path / "data.bin"
    data.write_bytes(bytes(8192))
    script = tmp_path / "script.py"
    script.write_text("import mmap, wave, _json\nfile = open('data.bin', 'rb')\n"
                      "data = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)\n")  # fmt: skip
    record(tmp_path / "run", PYTHON, str(script), cwd=tmp_path, settings={"OCRPROF_FILES": "1"})
    (listing,) = (tmp_path / "run").glob("files-*.txt")
    paths = listing.read_text().splitlines()
    names = {path.rpartition("/")[2] for path in paths}
    assert "wave.py" in names
    assert any(name.startswith("wave.cpython") and name.endswith(".pyc") for name in names)
    assert any(name.startswith("libc.") for name in names)
    assert str(script) in paths
    assert str(data) not in paths


def test_cold_and_warm_starts_are_compared_by_pairs(tmp_path, library):
    script = tmp_path / "script.py"
    script.write_text(READS_A_LIBRARY)
    result = ocrprof("startup", "--runs", "2", "--cache", "both", "-o", "out", "--", PYTHON, str(script), str(library),
                     cwd=tmp_path)  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    cold = report_in(tmp_path / "out")["cold"]
    assert len(cold["pairs"]) == 2
    assert cold["resident_share"] <= 0.05
    assert cold["largest"][0] == {"path": str(library), "bytes": library.stat().st_size}
    assert "is file I/O" in " ".join(result.stdout.split())


def test_no_cold_figure_is_given_where_a_running_process_keeps_the_files(tmp_path):
    result = ocrprof("startup", "--runs", "1", "--cache", "both", "-o", "out", "--", PYTHON,
                     str(TARGETS / "stdlib_script.py"), cwd=tmp_path)  # fmt: skip
    assert result.returncode == 3, result.stderr
    cold = report_in(tmp_path / "out")["cold"]
    assert (cold["achieved"], cold["cold_seconds"]) == (False, None)
    assert "cold not achieved" in result.stdout
    # We hold the interpreter's libraries, and so does every other Python on the machine.
    assert cold["holders"]
    assert f"mapped by pid {cold['holders'][0]['pid']} (" in " ".join(result.stdout.split())


def test_another_process_that_keeps_a_file_is_named(library):
    holder = subprocess.Popen(
        [PYTHON, "-c", READS_A_LIBRARY + "print('mapped', flush=True)\nsys.stdin.read()\n", library],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert holder.stdout.readline()
        assert holder.stdout.readline() == "mapped\n"
        folder = library.parent / "run"
        folder.mkdir()
        (folder / "files-1.txt").write_text(f"{library}\n")
        files = ColdFiles(folder)
        assert not files.evict()
        (held,) = files.holders
        assert (held.pid, held.files, held.bytes) == (holder.pid, [str(library)], library.stat().st_size)
        assert held.argv[-1] == str(library)
    finally:
        holder.communicate("")
    assert files.evict()
    assert files.holders == []


def test_cold_runs_alone_are_counted_and_told_as_cold(tmp_path, library):
    script = tmp_path / "script.py"
    script.write_text(READS_A_LIBRARY)
    result = ocrprof("startup", "--runs", "2", "--cache", "cold", "-o", "out", "--", PYTHON, str(script), str(library),
                     cwd=tmp_path)  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    report = report_in(tmp_path / "out")
    assert (report["cache"], report["cold"]["cold_seconds"]["n"], report["cold"]["pairs"]) == ("cold", 2, [])
    assert report["cold"]["most_read"][0]["path"] == str(library)
    assert report["cold"]["read_bytes"] >= library.stat().st_size
    assert "2 cold runs after 1 to warm up" in result.stdout


def test_cold_runs_that_cannot_be_cold_are_not_made(tmp_path):
    result = ocrprof("startup", "--cache", "cold", "-o", "out", "--", PYTHON, str(TARGETS / "stdlib_script.py"),
                     cwd=tmp_path)  # fmt: skip
    assert result.returncode == 3, result.stdout + result.stderr
    report = report_in(tmp_path / "out")
    assert [run["warmup"] for run in report["runs"]] == [True]
    assert report["summary"] == {}
    assert "cold not achieved" in result.stdout

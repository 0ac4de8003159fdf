"""`ocrprof startup --cache both`: the files that the target read are evicted, and no others; or no figure is given."""

import os
import subprocess

import pytest
from recording import PYTHON, TARGETS, record
from test_cli import ocrprof, report_in

from ocrprof.measure.page_cache import evict, resident_bytes

READS_A_LIBRARY = """
import mmap, os, sys
handle = os.open(sys.argv[1], os.O_RDONLY)
library = mmap.mmap(handle, 0, prot=mmap.PROT_READ | mmap.PROT_EXEC)
print(sum(library[::4096]))
"""


@pytest.fixture
def library(tmp_path):
    """So large beside the interpreter, which cannot be evicted while it runs, that a start without it is a cold one."""
    path = tmp_path / "library.so"
    path.write_bytes(os.urandom(2**20) * 300)
    file_system = subprocess.run(["stat", "-f", "-c", "%T", tmp_path], capture_output=True, text=True).stdout.strip()
    if file_system in ("tmpfs", "ramfs", "overlayfs"):
        pytest.skip(f"the temporary folder is on {file_system}, whose pages cannot be evicted")
    return path


def test_only_the_given_files_are_evicted(library):
    other = library.with_name("other.bin")
    other.write_bytes(os.urandom(2**20))
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

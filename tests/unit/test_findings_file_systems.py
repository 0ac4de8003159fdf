"""`slow-filesystem` of a start: by the seconds that the loads themselves spent on looking up and reading files."""

from pathlib import Path

import pytest
from judged import one_of, start_of
from recorded import load, process

from ocrprof.findings.file_systems import slow_module_files
from ocrprof.measure.loaded_files import describe_loaded_files
from ocrprof.results.model import ImportParts, LoadedFrom

WALL = 10_000


def start(file_system, find=0.5, read=0.3):
    tree = LoadedFrom(
        folder="/mnt/d/site-packages", file_system=file_system, num_modules=400, find_seconds=find, read_seconds=read
    )
    report = start_of(process(marks={"first-step": WALL}), end=WALL)
    return slow_module_files(report.model_copy(update={"loaded_from": [tree]}))


@pytest.mark.parametrize("file_system", ["9p", "nfs4", "fuse.sshfs", "drvfs", "lustre"])
def test_modules_on_a_remote_file_system_cost_what_finding_and_reading_them_took(file_system):
    finding = one_of(start(file_system), "slow-filesystem")
    assert finding.seconds == pytest.approx(0.8)
    assert finding.title == f"400 modules are looked up and read on {file_system}, 2.00 ms each"
    assert "/mnt/d/site-packages" in finding.advice


def test_a_local_disk_or_quick_files_are_no_finding():
    assert start("ext4", find=3.0) == []
    assert start("9p", find=0.1, read=0.1) == []


def test_modules_are_gathered_by_the_tree_that_they_lie_in(tmp_path):
    loads = (
        load("torch", 0, 100),
        load("torch.nn", 100, 200),
        load("ocr.data", 200, 300, file=str(tmp_path / "ocr" / "data.py")),
        load("json", 300, 400, file="/usr/lib/python3.11/json/__init__.py"),
        load("late", 400, 500, thread=7),
    )
    rows = start_of(process(loads=loads, marks={"first-step": WALL}), end=WALL).imports
    rows = [row.model_copy(update={"parts": ImportParts(find_seconds=0.25, read_seconds=0.5)}) for row in rows]
    trees = describe_loaded_files(rows, cwd=tmp_path)
    assert {Path(one.folder).name: (one.num_modules, one.find_seconds) for one in trees} == {
        "site-packages": (2, 0.5), tmp_path.name: (1, 0.25), "python3.11": (1, 0.25),
    }  # fmt: skip
    assert all(one.file_system for one in trees)

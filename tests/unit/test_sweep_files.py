"""Which files a cold trial finds evicted: those that earlier trials beside it have opened."""

import os

from ocrprof.measure.page_cache import resident_bytes
from ocrprof.measure.sweep_files import DataFiles


def opened(folder, name, *paths):
    trial = folder / name
    trial.mkdir()
    (trial / "data-17.txt").write_bytes(b"".join(os.fsencode(path) + b"\n" for path in paths))
    return trial


def test_the_first_trial_knows_no_file_and_says_so(tmp_path):
    assert "found the page cache as it was" in DataFiles(tmp_path).evict()[0]


def test_files_of_earlier_trials_leave_the_page_cache(tmp_path):
    picture, other = tmp_path / "a.jpg", tmp_path / "b.jpg"
    for path in (picture, other):
        path.write_bytes(b"x" * 100_000)
    DataFiles(tmp_path).add(opened(tmp_path, "0-0", picture))
    DataFiles(tmp_path).add(opened(tmp_path, "1-0", picture, other, tmp_path / "gone.jpg"))
    (note,) = DataFiles(tmp_path).evict()
    assert note.startswith("cold: 2 data files, 195 KiB, were evicted")
    stayed = resident_bytes(picture) + resident_bytes(other)
    assert ("stayed" in note) == (stayed > 0)  # a memory file system has nothing to evict to

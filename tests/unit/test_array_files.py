"""Arrays come back from a file as they were, or the file is known to be damaged."""

import errno
import os

import numpy as np
import pytest

from pipeline.data.array_files import ArrayFileError, num_bytes, read_arrays, write_arrays
from pipeline.data.packing import pack_points, pack_texts, unpack_points, unpack_texts

ARRAYS = {
    "pixels": np.arange(24, dtype=np.uint8).reshape(2, 4, 3),
    "scalar": np.array(1.5),
    "empty": np.empty((0, 2), np.float32),
    "strided": np.arange(10, dtype=np.int64)[::2],
    "flags": np.array([True, False]),
}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "one.arrays"
    write_arrays(path, ARRAYS)
    return path


def test_arrays_come_back_with_their_types_shapes_and_bytes(file):
    found = read_arrays(file)
    assert list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype
        assert found[name].shape == array.shape
        assert found[name].tobytes() == array.tobytes()


def test_what_comes_back_cannot_be_written_to(file):
    with pytest.raises(ValueError, match="read-only"):
        read_arrays(file)["pixels"][0] = 1


def test_the_size_told_is_that_of_the_file_and_num_bytes_that_without_its_header(tmp_path):
    path = tmp_path / "one.arrays"
    size = write_arrays(path, ARRAYS)
    assert size == path.stat().st_size
    assert 0 < size - num_bytes(ARRAYS) < 1024


@pytest.mark.parametrize("keep", [0, 5, 16, 100, -1])
def test_a_file_cut_short_is_told(file, keep):
    data = file.read_bytes()
    file.write_bytes(data[:keep])
    with pytest.raises((ArrayFileError, ValueError)):
        read_arrays(file)


def test_one_altered_byte_is_told_wherever_it_is(file):
    data = file.read_bytes()
    for position in range(0, len(data), 7):
        file.write_bytes(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])
        with pytest.raises(ArrayFileError):
            read_arrays(file)


def test_python_objects_are_refused(tmp_path):
    with pytest.raises(TypeError, match="Python objects"):
        write_arrays(tmp_path / "one.arrays", {"objects": np.array([{}], dtype=object)})
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_full_leaves_no_file_behind(tmp_path, monkeypatch):
    def full(descriptor, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space"):
        write_arrays(tmp_path / "one.arrays", ARRAYS)
    assert list(tmp_path.iterdir()) == []


def test_polygons_and_texts_come_back_from_their_packing():
    polygons = [np.float32([(0, 0), (1, 0), (1, 1)]), np.empty((0, 2), np.float32), np.float32([(5, 6)])]
    unpacked = unpack_points(*pack_points(polygons))
    assert [one.tolist() for one in unpacked] == [one.tolist() for one in polygons]
    assert unpack_points(*pack_points([])) == []
    texts = ["TOTAL 12,50 €", "", "합계", "\udcff broken"]
    assert unpack_texts(*pack_texts(texts)) == texts
    assert unpack_texts(*pack_texts([])) == []

"""The output of a target that writes without end: its beginning and its end, and how much is missing between them."""

import pytest

from ocrprof.measure.output import KeptOutput


@pytest.fixture
def path(tmp_path):
    return tmp_path / "stderr.txt"


def test_output_within_the_bounds_is_left_as_it_is(path):
    path.write_bytes(b"a" * 100)
    kept = KeptOutput(path, max_bytes=100, end_bytes=10)
    kept.shorten()
    assert path.read_bytes() == b"a" * 100
    assert kept.notes() == []


def test_of_longer_output_beginning_and_end_are_kept_and_a_writer_goes_on_behind_them(path):
    kept = KeptOutput(path, max_bytes=100, end_bytes=10)
    with path.open("ab", buffering=0) as target:
        target.write(b"beginning:" + b"x" * 980 + b"the end 1\n")
        kept.shorten()
        assert path.read_bytes() == b"beginning:\n[ocrprof: 980 bytes were here, and are not kept]\nthe end 1\n"
        target.write(b"x" * 100 + b"the end 2\n")
        kept.shorten()
    assert path.read_bytes().startswith(b"beginning:\n[ocrprof: 1")
    assert path.read_bytes().endswith(b"not kept]\nthe end 2\n")
    assert path.stat().st_size < 100
    (note,) = kept.notes()
    assert note.startswith("the program wrote so much to stderr that 1.")

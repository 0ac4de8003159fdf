"""Histories on disk: appended to by several at once, never rewritten, readable though a writer was killed."""

import json
import threading

import pytest
from histories import REAL, line

from ocrprof.errors import OcrprofError
from ocrprof.results.history_file import append_session, history_path, read_histories, read_history


def test_what_was_added_is_read_again_and_the_machine_stands_in_the_first_line_alone(tmp_path):
    lines = [line(number) for number in range(3)]
    assert all(append_session(tmp_path, one) for one in lines)
    path = history_path(tmp_path, lines[0])
    history = read_history(path)
    assert history.lines == [lines[0], *(one.model_copy(update={"refuse": None}) for one in lines[1:])]
    assert history.refuse == lines[0].refuse
    assert history.notes == []
    assert [json.loads(row)["refuse"] is None for row in path.read_text().splitlines()] == [False, True, True]


def test_a_session_is_added_once_and_the_file_stays_byte_for_byte(tmp_path):
    append_session(tmp_path, line(1))
    path = history_path(tmp_path, line(1))
    before = path.read_bytes()
    assert append_session(tmp_path, line(1)) is False
    assert path.read_bytes() == before


def test_nothing_that_was_written_is_ever_changed(tmp_path):
    append_session(tmp_path, line(1))
    path = history_path(tmp_path, line(1))
    before = path.read_bytes()
    append_session(tmp_path, line(2))
    assert path.read_bytes().startswith(before)


def test_what_is_known_to_be_nothing_stays_so(tmp_path):
    """A null inside the fingerprint is compared with, so it has to come back."""
    append_session(tmp_path, line(1))
    assert read_history(history_path(tmp_path, line(1))).refuse["launch"] == {
        "until": "exit",
        "probe": None,
        "loop": None,
    }


@pytest.mark.parametrize("cut", [1, 40, 400])
def test_a_line_that_its_writer_did_not_finish_costs_itself_alone(tmp_path, cut):
    append_session(tmp_path, line(1))
    path = history_path(tmp_path, line(1))
    whole = path.read_bytes()
    path.write_bytes(whole + line(2).model_dump_json(by_alias=True).encode()[:-cut])
    assert append_session(tmp_path, line(3))
    history = read_history(path)
    assert [one.id for one in history.lines] == [line(1).id, line(3).id]
    assert history.notes == [f"line 2 of {path.name} is left out: it is cut off or damaged"]


def test_where_the_first_line_was_lost_the_next_one_tells_the_machine_again(tmp_path):
    path = history_path(tmp_path, line(1))
    path.write_text('{"schema":"ocrprof-history/1","id":')
    append_session(tmp_path, line(2))
    assert read_history(path).refuse == line(2).refuse


def test_many_writers_at_once_lose_nothing(tmp_path):
    started = threading.Barrier(8)

    def write(first: int) -> None:
        started.wait()
        for number in range(first, first + 5):
            append_session(tmp_path, line(number))
            append_session(tmp_path, line(100))

    writers = [threading.Thread(target=write, args=(5 * number,)) for number in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    rows = history_path(tmp_path, line(0)).read_text().splitlines()
    assert sorted(json.loads(row)["id"] for row in rows) == sorted(line(number).id for number in [*range(40), 100])
    assert sum(json.loads(row)["refuse"] is not None for row in rows) == 1


def test_a_line_that_two_caches_both_had_counts_once(tmp_path):
    append_session(tmp_path, line(1))
    path = history_path(tmp_path, line(1))
    path.write_bytes(path.read_bytes() * 2)
    assert len(read_history(path).lines) == 1


def test_a_line_of_a_newer_version_is_left_out_and_noted(tmp_path):
    append_session(tmp_path, line(1))
    path = history_path(tmp_path, line(1))
    newer = {**json.loads(REAL), "id": "f" * 12, "colour": "red"}
    path.write_text(path.read_text() + json.dumps(newer) + "\n")
    history = read_history(path)
    assert len(history.lines) == 1
    assert "line 2" in history.notes[0]


def test_another_file_is_no_history(tmp_path):
    for text in ('{"schema":"ocrprof/1","kind":"check"}\n', "one\ntwo\n"):
        (tmp_path / "other.jsonl").write_text(text)
        with pytest.raises(OcrprofError, match="is no history"):
            read_histories(tmp_path)


def test_the_history_with_the_latest_session_comes_first(tmp_path):
    append_session(tmp_path, line(5, fingerprint="a" * 12))
    append_session(tmp_path, line(7, fingerprint="b" * 12))
    append_session(tmp_path, line(1, fingerprint="c" * 12))
    assert [one.lines[0].fingerprint[0] for one in read_histories(tmp_path)] == ["b", "a", "c"]
    with pytest.raises(OcrprofError, match="no history at"):
        read_histories(tmp_path / "nowhere")

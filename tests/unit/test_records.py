"""Reading record files."""

import json
import logging

import pytest

from ocrprof.records import LoadParts, read_process, read_records

PROCESS = {"k": "process", "v": 1, "pid": 7, "ppid": 1, "start": 100, "born": None, "argv": ["python", "train.py"],
           "executable": "/usr/bin/python", "python": "3.11.7", "role": "main", "rank": None, "cwd": "/home",
           "modules": ["sys", "os"]}  # fmt: skip
LOAD = {"k": "load", "name": "torch.nn", "start": 200, "end": 900, "self": 500, "blocked": 7, "find": 1, "read": 2,
        "unmarshal": 3, "compile": 4, "write": 5, "create": 6, "exec": 400, "compiled": True,
        "route": "statement", "thread": 0, "depth": 1, "ok": True, "error": None, "file": "/s/torch/nn/__init__.py",
        "kind": "source", "by": ["/s/torch/__init__.py", 12], "by_module": "torch"}  # fmt: skip
SPAN = {"k": "span", "name": "hydra.compose", "start": 300, "end": 400, "thread": 0, "loc": ["/a.py", 3], "a": {"x": 1}}
MARK = {"k": "mark", "name": "config", "at": 410, "a": {}}
END = {"k": "end", "at": 2000, "reason": "exit", "records": 4, "dropped": 1, "cost": 33}


def write(folder, *records, name="7-100.jsonl", tail=""):
    path = folder / name
    path.write_text("".join(json.dumps(record) + "\n" for record in records) + tail)
    return path


def test_every_kind_of_record_becomes_a_value(tmp_path):
    others = [
        {"k": "milestone", "name": "config", "at": 411},
        {"k": "inserted", "names": ["alias"]},
        {"k": "config", "config": {"model": {"k": 50}}},
        {"k": "memory", "rss": 1, "peak_rss": 2, "cuda_allocated": None, "cuda_reserved": None, "cuda_peak": None},
        {"k": "metrics", "metrics": {"val/loss": 1}},
        {"k": "versions", "versions": {"torch": "2.14.1"}},
        {"k": "note", "text": "no hook for wandb"},
    ]
    one = read_process(write(tmp_path, PROCESS, LOAD, SPAN, MARK, *others, END))
    assert one is not None
    assert (one.pid, one.parent_pid, one.role, one.argv) == (7, 1, "main", ("python", "train.py"))
    assert one.modules_at_start == {"sys", "os"}
    assert (one.loads[0].name, one.loads[0].self_ns, one.loads[0].by) == ("torch.nn", 500, ("/s/torch/__init__.py", 12))
    assert (one.spans[0].loc, one.spans[0].attributes) == (("/a.py", 3), {"x": 1})
    assert one.mark("config") == 410 and one.mark("model") is None
    assert one.milestones[0].at_ns == 411
    assert one.inserted == ("alias",)
    assert one.config == {"model": {"k": 50}}
    assert one.memory is not None and one.memory.peak_rss_bytes == 2 and one.memory.cuda_peak_bytes is None
    assert one.metrics == {"val/loss": 1.0}
    assert one.versions == {"torch": "2.14.1"}
    assert one.notes == ("no hook for wandb",)
    assert one.end is not None and (one.end.dropped, one.end.cost_ns) == (1, 33)
    assert (one.num_records, one.num_unreadable) == (12, 0)


def test_a_torn_last_line_costs_that_line_alone(tmp_path, caplog):
    one = read_process(write(tmp_path, PROCESS, LOAD, tail='{"k":"load","name":"torch.opt'))
    assert one is not None
    assert [load.name for load in one.loads] == ["torch.nn"]
    assert one.num_unreadable == 1
    assert not caplog.records  # a process that was killed in a write is ordinary


def test_a_line_torn_within_a_character_is_torn_like_any_other(tmp_path):
    path = write(tmp_path, PROCESS, LOAD)
    path.write_bytes(path.read_bytes() + '{"k":"note","text":"é'.encode()[:-1])
    one = read_process(path)
    assert one is not None and len(one.loads) == 1 and one.num_unreadable == 1


def test_a_broken_line_in_the_middle_is_told(tmp_path, caplog):
    path = write(tmp_path, PROCESS, tail="garbage\n" + json.dumps(LOAD) + "\n")
    with caplog.at_level(logging.WARNING):
        one = read_process(path)
    assert one is not None and len(one.loads) == 1
    assert "1 of 3 lines are unreadable" in caplog.text


@pytest.mark.parametrize("record", [{"k": "load", "name": "half"}, {"k": "memory", "rss": 1}, {"k": "end"}])
def test_a_record_that_lacks_what_it_should_hold_is_left_out_and_told(tmp_path, caplog, record):
    with caplog.at_level(logging.WARNING):
        one = read_process(write(tmp_path, PROCESS, record, LOAD))
    assert one is not None and len(one.loads) == 1 and one.num_unreadable == 1
    assert f"a {record['k']} record" in caplog.text


def test_kinds_that_a_later_recorder_adds_are_passed_over(tmp_path):
    one = read_process(write(tmp_path, PROCESS, {"k": "energy", "joules": 3}, LOAD))
    assert one is not None and one.num_unreadable == 0 and len(one.loads) == 1


@pytest.mark.parametrize("records", [(), (LOAD,), ({**PROCESS, "v": 2}, LOAD)])
def test_a_file_without_a_process_of_this_format_is_left_out_and_told(tmp_path, caplog, records):
    with caplog.at_level(logging.WARNING):
        assert read_process(write(tmp_path, *records)) is None
    assert "is left out" in caplog.text


def test_processes_come_in_the_order_in_which_they_started(tmp_path):
    write(tmp_path, {**PROCESS, "pid": 9, "start": 300}, name="1-300.jsonl")
    write(tmp_path, PROCESS, name="9-100.jsonl")
    (tmp_path / "notes.txt").write_text("not a record file")
    assert [one.pid for one in read_records(tmp_path)] == [7, 9]


def test_a_missing_folder_holds_no_processes(tmp_path):
    assert read_records(tmp_path / "absent") == []


def test_what_began_and_did_not_end_is_open(tmp_path):
    begin = {"k": "begin", "of": "span", "thread": 0, "loc": None}
    one = read_process(
        write(
            tmp_path,
            PROCESS,
            {**begin, "name": "hydra.compose", "start": 300},
            {**begin, "name": "data.setup", "start": 500},
            SPAN,
        )
    )
    assert one is not None
    assert [(still.name, still.start_ns) for still in one.open] == [("data.setup", 500)]


def test_gpu_times_stand_in_the_attributes_of_their_span(tmp_path):
    forward = {"k": "span", "name": "forward", "start": 300, "end": 400, "thread": 0, "loc": None, "a": {"class": "M"}}
    device = {"k": "device", "name": "forward", "class": "M", "start": 300, "device": 77}
    one = read_process(write(tmp_path, PROCESS, forward, {**forward, "start": 500, "end": 600}, device))
    assert one is not None
    assert [span.attributes for span in one.spans] == [{"class": "M", "device": 77}, {"class": "M"}]


def test_bytes_of_a_path_that_are_no_text_are_told_as_escapes(tmp_path):
    odd = {**LOAD, "file": "/caf\udcff/a\U0001f600.py", "by": ["/half\ud800.py", 3]}
    one = read_process(write(tmp_path, PROCESS, odd))
    assert one is not None
    assert (one.loads[0].file, one.loads[0].by) == ("/caf\\xff/a\U0001f600.py", ("/half?.py", 3))


def test_the_parts_of_a_load_are_read_and_an_older_record_has_none(tmp_path):
    older = {key: value for key, value in LOAD.items() if key not in ("find", "read", "compiled", "blocked")}
    new, old = read_process(write(tmp_path, PROCESS, LOAD, older)).loads
    assert (new.parts.create_ns, new.parts.exec_ns, new.blocked_ns, new.compiled) == (6, 400, 7, True)
    assert (old.parts, old.blocked_ns, old.compiled) == (LoadParts(), 0, False)

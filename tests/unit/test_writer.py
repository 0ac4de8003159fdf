"""The recorder's file, whatever runs or is raised in the middle of a write: each record once, in its order, whole.

Loaded by path, as in a target.
"""

import dis
import json
import os
import resource
import sys

import pytest
from by_path import load

MANY = 10_000


writers = load("writer")


class Raised(Exception):
    """What a signal handler raises."""


class Handler:
    """Runs `handle` at one of the points where Python runs signal handlers: after a call, and where a function begins.

    A function of the writer's, that is; `ran` tells whether it came to that point.
    """

    def __init__(self, point, handle):
        self.ran = False
        self._left, self._handle = point, handle
        self._called: dict[object, bool] = {}

    def around(self, function):
        sys.settrace(self._trace)
        try:
            function()
        finally:
            sys.settrace(None)

    def _trace(self, frame, event, _):
        if frame.f_code.co_filename != writers.__file__:
            return None
        frame.f_trace_opcodes = True
        if event == "call":
            self._reach()
        elif event == "opcode":
            after_call = self._called.get(frame, False)
            self._called[frame] = dis.opname[frame.f_code.co_code[frame.f_lasti]].startswith("CALL")
            if after_call:
                self._reach()
        return self._trace

    def _reach(self):
        self._left -= 1
        if self._left == -1:
            self.ran = True
            sys.settrace(None)
            self._handle()


def lines(folder):
    (file,) = folder.iterdir()
    return [json.loads(line)["n"] for line in file.read_text().splitlines()]


def points(folder, handle_with):
    """A writer of three records that was flushed with a handler at each point in turn; until there is none any more."""
    for point in range(MANY):
        (folder / str(point)).mkdir()
        writer = writers.Writer(str(folder / str(point)), 1)
        for number in range(3):
            writer.add({"n": number})
        handler = Handler(point, handle_with(writer))
        try:
            handler.around(writer.flush)
        except Raised:
            pass
        if not handler.ran:
            assert point > 10
            return
        yield writer, folder / str(point)


def raising(writer):
    def handle():
        raise Raised

    return handle


def recording(writer):
    def handle():
        writer.add({"n": "handler"})
        writer.flush()

    return handle


def recording_and_raising(writer):
    def handle():
        recording(writer)()
        raise Raised

    return handle


def test_what_a_signal_handler_raises_loses_no_record_and_writes_none_twice(tmp_path):
    for writer, folder in points(tmp_path, raising):
        writer.add({"n": 3})
        writer.flush()
        assert lines(folder) == [0, 1, 2, 3]
        assert writer.num_records == 4


@pytest.mark.parametrize("handle_with", [recording, recording_and_raising])
def test_a_signal_handler_that_records_neither_waits_for_ever_nor_loses_anything(tmp_path, handle_with):
    for writer, folder in points(tmp_path, handle_with):
        writer.add({"n": 3})
        writer.flush()
        found = lines(folder)
        assert [one for one in found if one != "handler"] == [0, 1, 2, 3]
        assert found.count("handler") == 1
        assert writer.num_dropped == 0


def test_of_a_batch_that_does_not_fit_on_the_disk_no_half_stays(tmp_path):
    writer = writers.Writer(str(tmp_path), 1)
    writer.add({"n": 0})
    writer.flush()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, before[1]))
    try:
        writer.add({"n": 1})
        writer.add({"n": 2})
        writer.flush()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    writer.add({"n": 3})
    writer.flush()
    assert lines(tmp_path) == [0, 3]
    assert writer.num_dropped == 2


def test_a_process_that_was_forked_without_pythons_knowledge_leaves_the_file_alone(tmp_path, monkeypatch):
    writer = writers.Writer(str(tmp_path), 1)
    writer.add({"n": 0})
    own = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: own + 1)
    writer.flush()
    monkeypatch.undo()
    writer.add({"n": 1})
    writer.flush()
    assert lines(tmp_path) == [1]

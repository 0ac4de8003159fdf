"""What a viewer needs of a trace file: slices that nest, events in order, everything closed. Raises AssertionError."""

from collections import defaultdict
from typing import Any


def check_chrome(trace: dict[str, Any]) -> dict[tuple[int, int], list[dict[str, Any]]]:
    """The complete events of each lane (pid, tid), after checking that those of one lane nest."""
    lanes: dict[tuple[int, int], list[dict[str, Any]]] = defaultdict(list)
    named = {(event["pid"], event["tid"]) for event in trace["traceEvents"] if event["name"] == "thread_name"}
    for event in trace["traceEvents"]:
        assert event["ph"] in ("X", "M", "i")
        if event["ph"] == "X":
            assert isinstance(event["ts"], int) and isinstance(event["dur"], int)
            assert event["dur"] >= 0, event
            lanes[event["pid"], event["tid"]].append(event)
    assert set(lanes) <= named
    for events in lanes.values():
        ends: list[int] = []
        last = events[0]["ts"]
        for event in events:
            assert event["ts"] >= last, f"{event} begins before the one in front of it"
            last, end = event["ts"], event["ts"] + event["dur"]
            while ends and ends[-1] <= last:
                ends.pop()
            assert not ends or end <= ends[-1], f"{event} crosses the end of the slice that it lies in"
            ends.append(end)
    return dict(lanes)


def check_speedscope(file: dict[str, Any]) -> list[dict[str, Any]]:
    """The profiles, after checking that each closes what it opens, in order and within its limits."""
    assert file["$schema"] == "https://www.speedscope.app/file-format-schema.json"
    assert 0 <= file["activeProfileIndex"] < len(file["profiles"])
    num_frames = len(file["shared"]["frames"])
    for profile in file["profiles"]:
        assert profile["type"] == "evented"
        opened: list[int] = []
        last = profile["startValue"]
        for event in profile["events"]:
            assert event["at"] >= last, f"{event} goes back in time"
            last = event["at"]
            assert 0 <= event["frame"] < num_frames
            if event["type"] == "O":
                opened.append(event["frame"])
            else:
                assert opened and opened.pop() == event["frame"], f"{event} closes what is not on top"
        assert not opened
        assert last <= profile["endValue"]
    return file["profiles"]

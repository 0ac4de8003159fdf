"""The last records of a process: what it held, what hooks kept for the end, and what observing it cost."""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ocrprof.recorder.core import Recorder
    from ocrprof.recorder.writer import Writer


def write(recorder: "Recorder", writer: "Writer", reason: str) -> None:
    """All of them. What a signal handler of the target raises costs what comes behind it, never the very last one."""
    costs: dict[str, int] = {}
    try:
        if not recorder.is_bare:
            _write_state(recorder)
            costs = recorder.ask(lambda: recorder.load("cost").describe(recorder), (), {}) or {}
    finally:
        recorder.write(
            {
                "k": "end",
                "at": recorder.now(),
                "reason": reason,
                "records": writer.num_records,
                "dropped": writer.num_dropped,
                "cost": sum(costs.get(name, 0) for name in ("start", "hooks", "writes"))
                + costs.get("loads", 0) * costs.get("load", 0)
                + costs.get("others", 0) * costs.get("other", 0),
                "costs": costs,
            }
        )
        recorder.flush()


def _write_state(recorder: "Recorder") -> None:
    for function in (*recorder.at_marks, *recorder.at_end):
        recorder.ask(function, (), {})
    if recorder.lists_files:
        recorder.ask(lambda: recorder.load("files").write(recorder.run_dir), (), {})
    gained = set(sys.modules) - recorder.modules_at_start - recorder.loaded_names
    recorder.write({"k": "inserted", "names": sorted(name for name in gained if type(name) is str)})
    # A process that may open no more files cannot look, and its own end goes on.
    recorder.ask(lambda: recorder.write({"k": "memory", **recorder.load("state").memory()}), (), {})
    recorder.ask(lambda: recorder.write({"k": "versions", "versions": recorder.load("state").versions()}), (), {})

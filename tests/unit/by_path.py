"""Files of the recorder, loaded by path as in a target, and a recorder that writes nowhere."""

import functools
import importlib.util
from pathlib import Path

from ocrprof.recorder import __file__ as package


@functools.cache
def load(name):
    """The recorder's file of that name, as a module."""
    spec = importlib.util.spec_from_file_location(name, Path(package).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Kept:
    """In the place of a file: what was written."""

    num_records = num_dropped = writing_ns = 0

    def __init__(self):
        self.records = []

    def add(self, record):
        self.records.append(record)

    def flush(self):
        pass


def made_recorder():
    """A recorder of no process; what it writes is in `_writer.records`."""
    return load("core").Recorder(Kept(), load, frozenset(), {})

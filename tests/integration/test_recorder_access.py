"""Level full: files, folders and connections, counted in a small real program."""

import textwrap
from itertools import pairwise

import pytest
from recording import PYTHON, plain, record

SCRIPT = """
import os, socket
from torch.utils.data import Dataset

class Pages(Dataset):
    def __init__(self, folder):
        self.names = [entry.name for entry in os.scandir(folder)]
        for name in self.names:
            with open(os.path.join(folder, name)) as file:
                file.read()
        os.listdir()

os.makedirs("pages")
for index in range(30):
    with open(f"pages/{index}.txt", "w"):
        pass
print(len(Pages("pages").names))
server = socket.create_server(("127.0.0.1", 0))
socket.create_connection(server.getsockname()).close()
try:
    open("pages/absent.txt")
except FileNotFoundError as error:
    print(error)
try:
    socket.socket().connect(("127.0.0.1", 1))
except ConnectionRefusedError:
    import traceback
    traceback.print_exc()
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    path = tmp_path_factory.mktemp("script") / "script.py"
    path.write_text(textwrap.dedent(SCRIPT))
    return path


@pytest.fixture(scope="module")
def watched(script, tmp_path_factory):
    """The script's run at level full."""
    return at_level("full", script, tmp_path_factory.mktemp("runs") / "full")


def at_level(level, script, folder):
    folder.mkdir()
    return record(folder / "run", PYTHON, str(script), cwd=folder, settings={"OCRPROF_LEVEL": level})


def accesses(recorded):
    """All counts of accesses, as they stood each time that they were written."""
    return [one["a"] for one in recorded.of_kind("totals") if one["of"] == "access"]


def test_files_folders_and_hosts_are_counted_by_span(watched):
    totals = accesses(watched)[-1]
    assert totals["files"]["dataset.init"] == {"pages": [30, 1, 0], ".": [0, 1, 0]}
    assert totals["files"][""]["pages"] == [31, 0, 0]
    assert sum(by_imports for _, _, by_imports in totals["files"][""].values()) > 100
    num_connections, _, waited_ns = totals["hosts"][""]["127.0.0.1"]
    assert num_connections == 2
    assert waited_ns > 0


def test_the_program_says_what_it_says_unwatched(watched, script, tmp_path):
    untouched = plain(PYTHON, str(script), cwd=tmp_path)
    assert "ConnectionRefusedError" in untouched.stderr
    assert (watched.stdout, watched.stderr) == (untouched.stdout, untouched.stderr)


READER = """
import os, time

def read(path):
    with open(path) as file:
        return file.read()

os.makedirs("labels")
for index in range(80):
    open(f"labels/{index}.txt", "w").close()
time.sleep(0.2)
times = []
for index in range(60):
    times.append(time.monotonic_ns())
    read(f"labels/{index}.txt")
    time.sleep(0.002)
print(*times)
time.sleep(0.2)
for index in range(40):
    read(f"labels/{index}.txt")
"""


def test_files_read_one_after_another_are_a_scan_from_the_first_to_the_last(tmp_path):
    script = tmp_path / "reader.py"
    script.write_text(READER)
    recorded = at_level("full", script, tmp_path / "full")
    line = [str(script), 1 + READER.splitlines().index("    with open(path) as file:")]
    # The files written before are a scan of another line; forty accesses after a pause are none. Of the sixty between
    # them, those before and after a tenth of a second in which a busy machine did not run the program are two.
    parts = [part for part in without_pauses([int(one) for one in recorded.stdout.split()]) if len(part) >= 50]
    scans = [one for one in accesses(recorded)[-1]["scans"] if one[5] == line]
    assert [(during, folder, number) for during, folder, _, _, number, _ in scans] == [
        ("", "labels", len(part)) for part in parts
    ]
    for (_, _, start_ns, last_ns, _, _), part in zip(scans, parts, strict=True):
        assert part[0] <= start_ns < part[1]
        assert part[-1] <= last_ns


def without_pauses(times):
    """The times cut where more than a tenth of a second lies between two of them."""
    parts = [times[:1]]
    for before, time in pairwise(times):
        if time - before > 100_000_000:
            parts.append([])
        parts[-1].append(time)
    return parts


def test_level_light_counts_none_of_it(tmp_path):
    script = tmp_path / "reader.py"
    script.write_text(READER)
    recorded = at_level("light", script, tmp_path / "light")
    assert recorded.outcome.exit_code == 0
    assert accesses(recorded) == []

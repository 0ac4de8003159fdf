"""Level full: files, folders and connections, counted in a small real program."""

import textwrap

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


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "script.py"
    path.write_text(textwrap.dedent(SCRIPT))
    return path


def at_level(level, script, folder):
    folder.mkdir()
    return record(folder / "run", PYTHON, str(script), cwd=folder, settings={"OCRPROF_LEVEL": level})


def test_files_folders_and_hosts_are_counted_by_span(script, tmp_path):
    recorded = at_level("full", script, tmp_path / "full")
    (totals,) = [one["a"] for one in recorded.of_kind("totals")[-1:]]
    assert totals["files"]["dataset.init"] == {"pages": [30, 1, 0], ".": [0, 1, 0]}
    assert totals["files"][""]["pages"] == [31, 0, 0]
    assert sum(by_imports for _, _, by_imports in totals["files"][""].values()) > 100
    num_connections, _, waited_ns = totals["hosts"][""]["127.0.0.1"]
    assert num_connections == 2
    assert waited_ns > 0


def test_the_program_says_what_it_says_unwatched(script, tmp_path):
    (tmp_path / "plain").mkdir()
    untouched = plain(PYTHON, str(script), cwd=tmp_path / "plain")
    recorded = at_level("full", script, tmp_path / "full")
    assert "ConnectionRefusedError" in untouched.stderr
    assert (recorded.stdout, recorded.stderr) == (untouched.stdout, untouched.stderr)


def test_level_light_counts_none_of_it(script, tmp_path):
    assert at_level("light", script, tmp_path / "light").of_kind("totals") == []

"""Warnings of a module's own deprecation, told from warnings of calls; the program sees nothing of the hook."""

import pytest
from recording import PYTHON, plain, record

FILES = {
    "main.py": "import old\nimport uses\nimport helped\nimport quiet\nimport renamed\n",
    "old.py": "import warnings\nwarnings.warn('old has moved to new', DeprecationWarning, stacklevel=2)\n",
    "library.py": (
        "from warnings import warn\n"
        "def call():\n    warn('call of uses is deprecated', FutureWarning, stacklevel=2)\n"
        "def module():\n    warn('this module is deprecated', PendingDeprecationWarning, stacklevel=3)\n"
    ),
    "uses.py": "import library\nlibrary.call()\n",
    "helped.py": "import library\nlibrary.module()\n",
    "quiet.py": "import warnings\nwarnings.warn('Python 3.9 is deprecated', DeprecationWarning)\n",
    "renamed.py": "import warnings\nwarnings.warn('renamed: deprecated, use new', UserWarning)\n",
}


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    folder = tmp_path_factory.mktemp("program")
    for name, text in FILES.items():
        (folder / name).write_text(text)
    return folder


def test_only_a_modules_own_deprecation_is_recorded(program, tmp_path):
    recorded = record(tmp_path / "run", PYTHON, "main.py", cwd=program)
    told = {one["name"]: (one["category"], one["text"]) for one in recorded.of_kind("deprecation")}
    assert told == {
        "old": ("DeprecationWarning", "old has moved to new"),
        "helped": ("PendingDeprecationWarning", "this module is deprecated"),
        "renamed": ("UserWarning", "renamed: deprecated, use new"),
    }


@pytest.mark.parametrize("filters", ["always", "error", "default"])
def test_warnings_name_the_lines_that_they_name_without_us(program, tmp_path, filters):
    recorded = record(tmp_path / "run", PYTHON, "-W", filters, "main.py", cwd=program)
    expected = plain(PYTHON, "-W", filters, "main.py", cwd=program)
    assert recorded.stderr == expected.stderr
    assert recorded.outcome.exit_code == expected.returncode

"""What `--help` says fits a terminal of 80 columns, and is whole."""

import pytest
from typer.testing import CliRunner

from ocrprof.cli import app


def help_of(*verb: str) -> str:
    result = CliRunner().invoke(app, [*verb, "--help"], env={"COLUMNS": "80"}, terminal_width=80)
    assert result.exit_code == 0
    return result.output


@pytest.mark.parametrize("verb", [(), ("history",)])
def test_the_list_of_commands_says_all_of_each_in_a_line(verb):
    listed = help_of(*verb).partition("Commands:\n")[2].splitlines()
    assert len(listed) > 2
    assert all(line.endswith(".") and not line.endswith("...") for line in listed)


@pytest.mark.parametrize("verb", [("startup",), ("check",), ("history", "add"), ("history", "bisect-hint")])
def test_the_usage_brackets_nothing_twice(verb):
    text = help_of(*verb)
    assert "[[" not in text
    assert "]...]" not in text
    assert max(map(len, text.splitlines())) <= 80

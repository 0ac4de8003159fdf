"""README.md: its links lead somewhere, its commands take the options that they name, and its blocks fit a page."""

import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from ocrprof.cli import app

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
_BLOCK = re.compile(r"^```.*?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = _BLOCK.findall(TEXT)
PROSE = _BLOCK.sub("", TEXT)
OTHERS = {"--help", "--cfg", "--exclusive"}
"""Options of click, Hydra and SLURM."""


def options_by_verb() -> dict[str, set[str]]:
    """The options of every verb, of `history add` under both of its words."""
    found = {}
    for name, verb in get_command(app).commands.items():
        for part, command in getattr(verb, "commands", {"": verb}).items():
            taken = {option for one in command.params for option in (*one.opts, *one.secondary_opts)}
            found[f"{name} {part}".strip()] = taken
    return found


def commands() -> list[str]:
    """What README.md has people type, from `ocrprof` to the target's own command; comments left out."""
    lines = [line for block in BLOCKS for line in block.replace("\\\n", " ").splitlines()]
    typed = [found[1] for line in lines if (found := re.search(r"(?:^|[:$&-] )(ocrprof [a-z-]+(?: .*|$))", line))]
    typed += re.findall(r"`(ocrprof [a-z][^`]*)`", PROSE)
    return [re.split(r"\s#\s|\s\[?--\s|\s·\s|\s&&\s", text)[0] for text in typed]


@pytest.mark.parametrize("text", sorted(set(commands())))
def test_a_command_names_a_verb_and_options_that_it_takes(text):
    _, verb, *words = shlex.split(text)
    options = options_by_verb()
    if verb == "history" and not words:
        return
    name = verb if verb in options else f"{verb} {words[0]}"
    assert {word.partition("=")[0] for word in words if word.startswith("-") and word != "--"} <= options[name]


def test_every_option_in_the_text_is_one_of_some_verb():
    named = set(re.findall(r"`(--[a-z][a-z-]*)", PROSE)) - OTHERS
    assert len(named) > 50
    assert named <= set().union(*options_by_verb().values())


def test_links_lead_to_files_and_to_headings():
    headings = re.findall(r"^#+ (.*)$", PROSE, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    links = re.findall(r"\]\(([^)]+)\)", PROSE)
    assert links
    for link in links:
        assert link[1:] in anchors if link.startswith("#") else (ROOT / link).is_file(), link


def test_blocks_fit_a_hundred_columns():
    assert [line for block in BLOCKS for line in block.splitlines() if len(line) > 100] == []

"""Paths and names made short: relative where that helps, whole parts behind an ellipsis where it must."""

import pytest

from ocrprof.renderers.places import (
    built_at,
    chain_text,
    keep_head,
    keep_tail,
    keep_tail_of_name,
    num_cells,
    short_path,
    wrap,
)
from ocrprof.results.model import Construction, Location

CWD = "/home/ana/ocr"


@pytest.mark.parametrize(
    ("file", "short"),
    [
        ("/home/ana/ocr/train.py", "train.py"),
        ("/home/ana/ocr/.venv/lib/python3.11/site-packages/torch/nn/modules/module.py", "torch/nn/modules/module.py"),
        ("/usr/lib/python3/dist-packages/yaml/__init__.py", "yaml/__init__.py"),
        ("/usr/lib/python3.11/json/decoder.py", "python3.11/json/decoder.py"),
        ("/home/ana/shared/ocr/models.py", "../shared/ocr/models.py"),
        ("/opt/elsewhere/ocr/models.py", "/opt/elsewhere/ocr/models.py"),
        ("<frozen runpy>", "<frozen runpy>"),
        ("train.py", "train.py"),
    ],
)
def test_short_path_is_relative_to_the_package_or_the_folder(file: str, short: str) -> None:
    assert short_path(file, cwd=CWD) == short


@pytest.mark.parametrize(
    ("cells", "kept"),
    [
        (40, "ocr/core/models/backbone.py:41"),
        (27, "…/models/backbone.py:41"),
        (16, "…/backbone.py:41"),
        (12, "…kbone.py:41"),
    ],
)
def test_keep_tail_drops_whole_folders_before_letters(cells: int, kept: str) -> None:
    assert keep_tail("ocr/core/models/backbone.py:41", cells) == kept


def test_wrap_counts_columns_and_loses_nothing() -> None:
    text = "영수증 " * 9 + "a" * 50 + " end"
    lines = wrap(text, 20, first="P0  ", indent="    ")
    assert max(map(num_cells, lines)) <= 20
    assert "".join(lines).removeprefix("P0").replace(" ", "") == text.replace(" ", "")
    assert lines[0].startswith("P0  영수증 ")
    assert wrap("", 20) == []


def test_dotted_names_keep_their_class() -> None:
    assert keep_tail_of_name("ocr.core.models.encoder.TimmBackbone", 20) == "….TimmBackbone"


def test_wide_characters_count_twice() -> None:
    assert num_cells("영수증") == 6
    assert keep_head("영수증영수증", 7) == "영수증…"


def test_a_chain_begins_with_the_line_of_the_program() -> None:
    chain = ["__main__ (/home/ana/ocr/train.py:7)", "lightning (/x/lightning/__init__.py:19)", "torch (/x/a.py:3)"]
    assert chain_text(chain, cwd=CWD) == "train.py:7 → lightning:19 → torch:3"
    assert chain_text([], cwd=CWD) == ""


def test_a_chain_through_many_modules_of_one_package_tells_the_first_and_the_last() -> None:
    inside = [f"torch.part{index} (/x/torch/part{index}.py:{index})" for index in range(1, 8)]
    chain = ["__main__ (/home/ana/ocr/train.py:7)", "torch (/x/torch/__init__.py:2643)", *inside, "sympy"]
    assert chain_text(chain, cwd=CWD) == "train.py:7 → torch:2643 → … → torch.part7:7 → sympy"


def test_what_has_no_line_of_its_own_stands_at_its_caller():
    def built(**changes: object) -> Construction:
        return Construction(
            kind="hydra.compose", name="hydra.compose", seconds=1, self_seconds=1, start_seconds=0, phase="config",
            **changes,
        )  # fmt: skip

    caller = {"by": ["/home/ana/train.py", 36], "config": "train"}
    assert built_at(built(attributes=caller)) == Location(file="/home/ana/train.py", line=36)
    own = Location(file="/home/ana/model.py", line=3)
    assert built_at(built(attributes=caller, location=own)) == own
    assert built_at(built(attributes={"by": None})) is None

"""Changing one value of a YAML file: the diff touches its line alone."""

import pytest

from ocrprof.measure.yaml_edit import CannotEditError, line_of_value, set_value, unified_diff, value_at

NOTE = "ocrprof sweep-workers, AMD EPYC, 2 cores, 2026-11-22"
TREE = """\
# @package _global_
workers: &all 2   # for all


dataloaders:
    train:   {batch_size: 8,   num_workers: 4, pin_memory: no}
    val:
        shuffle:    false
        num_workers: 4          # hardcoded
        "num_workers_max":   '8'
    test:
      - num_workers: 1
      -   num_workers: 2
    alias: {num_workers: *all}
    empty:
        num_workers:
        batch_size: 1
    other: &other {num_workers: 6}
    merged:
        <<: *other
    same: *other
text: |
    num_workers: 4
"""


def edited(path: str, value: int | bool = 12, text: str = TREE) -> tuple[str, str]:
    """The line before and after; every other one must be what it was."""
    after = set_value(text, path.split("."), value, note=NOTE)
    old, new = text.splitlines(keepends=True), after.text.splitlines(keepends=True)
    assert len(old) == len(new)
    assert [number for number, pair in enumerate(zip(old, new, strict=True), 1) if pair[0] != pair[1]] == [after.line]
    return old[after.line - 1], new[after.line - 1]


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (
            "dataloaders.train.num_workers",
            f"    train:   {{batch_size: 8,   num_workers: 12, pin_memory: no}}  # 12: {NOTE}\n",
        ),
        ("dataloaders.val.num_workers", f"        num_workers: 12         # hardcoded # 12: {NOTE}\n"),
        ("dataloaders.val.num_workers_max", f'        "num_workers_max":   12  # 12: {NOTE}\n'),
        ("dataloaders.test.1.num_workers", f"      -   num_workers: 12  # 12: {NOTE}\n"),
        ("dataloaders.alias.num_workers", f"    alias: {{num_workers: 12}}  # 12: {NOTE}\n"),
        ("dataloaders.empty.num_workers", f"        num_workers: 12  # 12: {NOTE}\n"),
    ],
)
def test_only_the_line_of_the_value_changes(path, line):
    assert edited(path)[1] == line


def test_a_switch_is_written_as_yaml_writes_it():
    assert "pin_memory: true}" in edited("dataloaders.train.pin_memory", value=True)[1]


def test_an_earlier_note_of_ours_gives_way_and_a_comment_of_the_user_s_stays():
    once = set_value(TREE, ["dataloaders", "val", "num_workers"], 12, note="ocrprof sweep-workers, old, 2025-01-01")
    line = edited("dataloaders.val.num_workers", value=3, text=once.text)[1]
    assert line == f"        num_workers: 3          # hardcoded # 3: {NOTE}\n"


def test_line_ends_and_a_missing_last_one_are_kept():
    assert edited("a.num_workers", text="a:\r\n  num_workers: 2 # c\r\n  b: 1\r\n")[1].endswith(f"# 12: {NOTE}\r\n")
    assert edited("num_workers", text="b: 1\nnum_workers: 2")[1] == f"num_workers: 12  # 12: {NOTE}"


def test_there_is_no_note_where_a_comment_would_become_text():
    after = set_value('a: {num_workers: 2, name: "x\n  y"}\n', ["a", "num_workers"], 12, note=NOTE)
    assert not after.noted
    assert after.text == 'a: {num_workers: 12, name: "x\n  y"}\n'


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("workers", "shared by an anchor: dataloaders.alias.num_workers would change with it"),
        ("dataloaders.other.num_workers", "shared by an anchor: dataloaders.merged.num_workers"),
        ("dataloaders.same.num_workers", "shared by an anchor"),
        ("dataloaders.merged.num_workers", "by `<<` in dataloaders.merged"),
        ("dataloaders.predict.num_workers", "dataloaders.predict is no key there"),
        ("dataloaders.val", "no single value"),
        ("dataloaders.test.0", "no single value"),
    ],
)
def test_what_cannot_be_changed_alone_is_refused(path, reason):
    with pytest.raises(CannotEditError, match=reason.replace("<", "[<]")):
        set_value(TREE, path.split("."), 12, note=NOTE)


def test_what_is_no_yaml_is_refused():
    with pytest.raises(CannotEditError, match="not YAML"):
        line_of_value("a: [1\nb: }", ["a"])


def test_line_and_value_are_those_of_the_file():
    assert line_of_value(TREE, ["dataloaders", "val", "num_workers"]) == 9
    assert value_at(TREE, ["dataloaders", "test", "1", "num_workers"]) == 2


def test_the_diff_says_where_a_file_ends_without_a_line_end():
    diff = unified_diff("a: 1\nb: 2", "a: 1\nb: 3", name="conf/a.yaml")
    assert diff == (
        "--- a/conf/a.yaml\n+++ b/conf/a.yaml\n@@ -1,2 +1,2 @@\n a: 1\n"
        "-b: 2\n\\ No newline at end of file\n+b: 3\n\\ No newline at end of file\n"
    )

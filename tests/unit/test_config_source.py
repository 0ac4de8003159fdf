"""What decides a key: from hand-made records of what Hydra merged."""

from pathlib import Path

import pytest

from ocrprof.results.config_source import (
    Composition,
    Entry,
    Override,
    at_the_end_of,
    decide,
    keys_named,
    sections_without,
    sibling,
)

CONF = "/home/ana/conf"
DEFAULT = {
    "workers": 4,
    "data": {"train": {"num_workers": 4, "batch_size": 8}, "val": {"num_workers": 1}},
    "loaders": [{"num_workers": 3}],
}


def entry(config, tree, *, package="", file=None, source=f"file://{CONF}") -> Entry:
    return Entry(config, package, source, f"{CONF}/{config}.yaml" if file is None else file or None, tree)


def composition(*entries, overrides=(), tree=None, values=None) -> Composition:
    return Composition(
        entries=(entry("global/default", DEFAULT), *entries),
        overrides=tuple(overrides),
        tree=DEFAULT if tree is None else tree,
        values=values or {"data.train.num_workers": 4, "data.train.batch_size": 8, "data.val.num_workers": 1},
    )


def with_train(value) -> dict:
    return {**DEFAULT, "data": {**DEFAULT["data"], "train": {"num_workers": value}}}


def decided(made: Composition, key="data.train.num_workers", argv=()):
    return decide(made, key, setting="num_workers", argv=argv)


def test_the_last_file_that_says_something_of_the_key_decides():
    overlay = entry("hardware/server", {"data": {"train": {"num_workers": 6}, "test": {"num_workers": 9}}})
    found = decided(composition(overlay, entry("train", {"use": "train"}), tree=with_train(6)))
    assert found.origin == "file"
    assert found.location.file == f"{CONF}/hardware/server.yaml"
    assert found.written == 6
    assert decided(composition(overlay), "data.val.num_workers").location.file == f"{CONF}/global/default.yaml"


def test_the_key_inside_the_file_lies_below_its_package():
    overlay = entry("dataloader/fast", {"data": {"train": {"num_workers": 6}}}, package="data.train")
    assert decided(composition(overlay, tree=with_train(6))).file_key == "num_workers"


def test_a_missing_value_leaves_the_one_from_before():
    schema = entry("schema", {"data": {"train": {"num_workers": "???"}}})
    assert decided(composition(schema)).location.file == f"{CONF}/global/default.yaml"


def test_an_item_of_a_list_has_its_key_too():
    found = decided(composition(), "loaders.0.num_workers")
    assert (found.origin, found.written, found.file_key) == ("file", 3, "loaders.0.num_workers")
    assert decided(composition(), "loaders.1.num_workers").origin == "unknown"


@pytest.mark.parametrize(
    ("made", "origin"),
    [
        (entry("base", with_train(2), source="structured://", file=""), "structured"),
        (entry("base", with_train(2), file="/venv/lib/python3.11/site-packages/kit/conf/base.yaml"), "package"),
        (entry("base", with_train(2), source="pkg://kit.conf", file=""), "package"),
        (entry("base", with_train(2), source="pkg://app.conf", file="/home/ana/app/conf/base.yaml"), "file"),
    ],
)
def test_python_and_installed_packages_are_no_files_of_the_program(made, origin):
    assert decided(composition(made, tree=with_train(2))).origin == origin


@pytest.mark.parametrize(
    ("written", "origin", "leads_to"),
    [
        ("${workers}", "interpolation", "workers"),
        ("${data.val.num_workers}", "interpolation", "data.val.num_workers"),
        ("${data[val].num_workers}", "interpolation", "data.val.num_workers"),
        ("${.batch_size}", "interpolation", "data.train.batch_size"),
        ("${..val.num_workers}", "interpolation", "data.val.num_workers"),
        ("${oc.env:NUM_WORKERS}", "environment", "NUM_WORKERS"),
        ("${oc.decode:${oc.env:NUM_WORKERS,4}}", "environment", "NUM_WORKERS"),
        ("${eval:'${workers} * 2'}", "resolver", "eval"),
        ("${workers}${workers}", "resolver", "${workers}${workers}"),
    ],
)
def test_an_interpolation_is_told_by_what_it_leads_to(written, origin, leads_to):
    found = decided(composition(entry("overlay", with_train(written)), tree=with_train(written)))
    assert found.origin == origin
    assert leads_to in (found.source_key, found.source)


def test_a_section_that_refers_to_another_leads_to_the_key_there():
    tree = {**DEFAULT, "data": {"train": "${data.val}", "val": {"num_workers": 1}}}
    found = decided(composition(entry("overlay", {"data": {"train": "${data.val}"}}), tree=tree))
    assert found.source_key == "data.val.num_workers"
    relative = composition(entry("overlay", {"data": {"train": "${.val}"}}), tree=tree)
    assert decided(relative).source_key == "data.val.num_workers"


def test_a_chain_of_interpolations_is_followed_to_a_file():
    chain = {"a": "${b}", "b": "${workers}"}
    made = composition(entry("chain", chain), tree={**DEFAULT, **chain})
    end = at_the_end_of(made, decided(made, "a"))
    assert (end.key, end.origin, end.value) == ("workers", "file", 4)


def test_a_circle_of_interpolations_ends():
    circle = {"a": "${b}", "b": "${a}"}
    made = composition(entry("circle", circle), tree={**DEFAULT, **circle})
    assert at_the_end_of(made, decided(made, "a")).origin == "interpolation"


@pytest.mark.parametrize(
    ("override", "origin"),
    [
        (Override("data.train.num_workers", "data.train.num_workers=7", 7, False), "command_line"),
        (Override("data.train", "data.train={num_workers: 7}", {"num_workers": 7}, False), "command_line"),
        (Override("data.train", "data.train={batch_size: 7}", {"batch_size": 7}, False), "file"),
        (Override("data.train.num_workers", "~data.train.num_workers", None, True), "command_line"),
        (Override("data.val.num_workers", "data.val.num_workers=7", 7, False), "file"),
    ],
)
def test_an_override_that_holds_the_key_decides_it(override, origin):
    assert decided(composition(overrides=[override]), argv=["train.py", override.line]).origin == origin


def test_an_override_that_is_not_in_the_command_is_the_program_s_own():
    override = Override("data.train.num_workers", "data.train.num_workers=7", 7, False)
    assert decided(composition(overrides=[override]), argv=["train.py"]).origin == "program"


def test_a_composed_value_that_no_file_has_is_unknown():
    assert decided(composition(tree=with_train(11))).origin == "unknown"


def test_a_key_that_nothing_sets_is_missing():
    assert decided(composition(), "data.test.num_workers").origin == "missing"


def test_keys_and_sections_of_loaders_are_found_by_name():
    made = composition(values={"data.train.num_workers": 4, "data.train.batch_size": 8, "plain.batch_size": 8})
    assert keys_named(made, "num_workers") == ["data.train.num_workers"]
    assert sections_without(made, "num_workers") == ["plain"]
    assert sibling("data.train.num_workers", "pin_memory") == "data.train.pin_memory"
    assert sibling("num_workers", "pin_memory") == "pin_memory"
    assert Path(decided(made).location.file).suffix == ".yaml"

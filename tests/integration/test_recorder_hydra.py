"""Hooks on Hydra's composition, OmegaConf and `instantiate`: on the tabular program, and on small ones of their own."""

import textwrap

import pytest
from recording import PYTHON, TARGETS, plain, record

TABULAR = TARGETS / "tabular"

APP = """
import time
import hydra
from omegaconf import OmegaConf

def slow(name):
    time.sleep(0.1)
    return name

OmegaConf.register_new_resolver("slow", slow)
OmegaConf.register_new_resolver("outer", lambda *, _root_: _root_.first + "!")

class Fails:
    def __init__(self, **_):
        raise ValueError("no such thing")

@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def main(cfg):
    print(OmegaConf.to_yaml(cfg, resolve=True))
    print(hydra.utils.instantiate(cfg.counter, big=list(range(12_000))) is not None)
    hydra.utils.instantiate(cfg.broken)

if __name__ == "__main__":
    main()
"""
CONFIG = """
defaults: [part: deep, _self_]
first: ${slow:a}
second: ${slow:b}
third: ${outer:}
counter: {_target_: collections.Counter, _args_: []}
broken: {_target_: __main__.Fails, child: {_target_: fractions.Fraction, numerator: 1}}
hydra: {run: {dir: .}, output_subdir: null, job_logging: {handlers: {}, root: {handlers: []}}}
"""
FILES = {"part/deep": "defaults: [/part/deeper]", "part/deeper": "value: 1"}


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    """The program above with a tree of defaults three files deep, recorded to its failing end, and plain."""
    folder = tmp_path_factory.mktemp("app")
    (folder / "app.py").write_text(textwrap.dedent(APP))
    for name, text in {"config": CONFIG, **FILES}.items():
        file = folder / "conf" / f"{name}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return record(folder / "run", PYTHON, "app.py", "+extra=1", cwd=folder), plain(
        PYTHON, "app.py", "+extra=1", cwd=folder
    )


def totals(recorded):
    return [record["a"] for record in recorded.of_kind("totals") if record["of"] == "omegaconf"][-1]


def test_output_and_traceback_of_a_failing_target_are_those_of_a_plain_run(app):
    recorded, untouched = app
    assert "ValueError('no such thing')" in untouched.stderr
    assert (recorded.stdout, recorded.stderr) == (untouched.stdout, untouched.stderr)
    assert recorded.outcome.exit_code == untouched.returncode == 1
    assert recorded.of_kind("note") == []


def test_each_composition_tells_its_purpose_its_tree_and_its_deep_copies(app):
    spans = [span["a"] for span in app[0].spans("hydra.compose")]
    assert [(one["for"], one["run_mode"]) for one in spans] == [("get_mode", "MULTIRUN"), ("run", "RUN")]
    assert all(one["deepcopies"] > 100 and one["config"] == "config" for one in spans)
    assert [span["a"]["depth"] for span in app[0].spans("hydra.defaults")] == [3, 3]
    assert next(span["a"]["n"] for span in app[0].spans("hydra.overrides")) == 1


def test_every_file_is_read_again_by_every_composition(app):
    own = [span["a"]["config"] for span in app[0].spans("hydra.read") if "file://" in (span["a"]["source"] or "")]
    assert sorted(own) == sorted(["config", "part/deep", "part/deeper"] * 2)


def test_deepcopy_is_itself_again_after_a_composition(tmp_path):
    code = (
        "import copy; before = copy.deepcopy\n"
        "from hydra import compose, initialize_config_dir\n"
        f"with initialize_config_dir({str(TABULAR / 'conf')!r}, version_base='1.3'): compose('config')\n"
        "print(copy.deepcopy is before)"
    )
    recorded = record(tmp_path / "run", PYTHON, "-c", code)
    assert recorded.stdout == "True\n", recorded.stderr
    (span,) = recorded.spans("hydra.compose")
    assert span["a"]["for"] == "compose"
    assert span["a"]["by"] == ["<string>", 3]


def test_resolvers_are_counted_by_name_with_their_own_time_and_line(app):
    resolvers = totals(app[0])["resolvers"]
    num_calls, own_ns, where = resolvers["slow"]
    assert num_calls == 3  # first, second, and first again for third
    assert own_ns >= 300e6
    assert where[0].endswith("app.py") and where[1] == 6
    assert resolvers["outer"][0] == 1
    assert resolvers["outer"][1] < 100e6, "holds the time of the resolver that it caused to run"


def test_conversions_have_a_span_and_exclusive_totals(app):
    (span,) = [span for span in app[0].spans("omegaconf") if span["a"]["function"] == "to_yaml"]
    assert span["end"] - span["start"] >= 300e6
    num_calls, own_ns = totals(app[0])["functions"]["to_yaml"]
    assert num_calls == 1
    assert own_ns <= span["end"] - span["start"] - 300e6


def test_a_call_that_converts_large_containers_says_how_many_elements(app):
    converted = [span for span in app[0].spans("instantiate.call") if "converted" in span["a"]]
    assert [span["a"]["converted"] for span in converted] == [12_000]
    assert converted[0]["a"]["by"][0].endswith("app.py")


def test_the_overhead_of_a_node_is_its_time_before_the_call_without_its_children(app):
    nodes = {span["a"]["config_path"]: span for span in app[0].spans("instantiate")}
    parent, child = nodes["broken"], nodes["broken.child"]
    before_ns = parent["start"] - parent["a"]["node"]
    child_ns = child["end"] - child["a"]["node"]
    assert 0 < parent["a"]["overhead"] <= before_ns - child_ns
    assert not parent["a"]["ok"] and child["a"]["ok"]

"""A change of each exact metric that needs no torch: `ocrprof check --exact` fails on it, and names it."""

import pytest
from test_check import QUICK, Repository

READING = """
import sys
from pathlib import Path

{imports}
for number in range({num_texts}):
    Path(f"texts/{{number}}.txt").read_text()
for number in range({num_images}):
    Path(f"pages/{{number}}.png").read_bytes()
print("train data: sample cache: {hits} hits of 80", file=sys.stderr)
print("ocrprof: pages={num_images}")
"""
BUILDING = """
import hydra
from hydra.utils import instantiate


@hydra.main(version_base=None, config_path="conf", config_name="train")
def main(cfg):
    for _ in range(cfg.times):
        for one in cfg.parts.values():
            instantiate(one)


main()
"""
PARTS = "hydra: {run: {dir: .}, output_subdir: null}\ntimes: 1\nparts:\n  a: {_target_: collections.Counter, x: 1}\n"


def verdicts(report):
    return {one.name: one.verdict for one in report.exact}


@pytest.fixture
def repository(tmp_path) -> Repository:
    return Repository(tmp_path / "repository", **{".gitignore": "__pycache__/\n*.log\n"})


def test_packages_files_images_hits_and_declared_figures_fail_and_are_named(repository):
    files = {f"texts/{number}.txt": "a" for number in range(40)} | {f"pages/{number}.png": "." for number in range(8)}
    before = READING.format(imports="", num_texts=2, num_images=4, hits=80)
    after = READING.format(imports="import typing_extensions", num_texts=40, num_images=8, hits=0)
    repository.commit("before", **{"main.py": before, **files})
    repository.commit("after", **{"main.py": after})
    options = ("--until", "exit", "--min-effect", "declared.pages=0%")
    done, report = repository.check("--against", "HEAD~1", *options, *QUICK)
    assert done.returncode == 1, done.stdout + done.stderr
    failing = {name for name, verdict in verdicts(report).items() if verdict == "regressed"}
    assert failing >= {"eager_packages", "files_opened", "images_opened", "cache_hits", "declared.pages", "modules"}
    told = " ".join(done.stdout.split())
    for named in ("+1 eager package: typing_extensions, first imported at main.py:5", "images opened 4 → 8"):
        assert named in told
    assert "−80 cache hits: train data: sample" in told
    assert "declared.pages 4 → 8" in told


def test_a_loss_that_is_no_number_any_more_is_no_result(repository):
    repository.commit("before", **{"main.py": "import work\nprint('ocrprof: loss=0.5')\n"})
    repository.commit("after", **{"main.py": "import work\nprint('ocrprof: loss=nan')\n"})
    done, report = repository.check("--against", "HEAD~1", *QUICK)
    assert done.returncode == 5
    assert "declared.loss is nan in the candidate and 0.5 in the base" in report.headline


def test_what_hydra_builds_again_and_another_configuration_are_named(repository):
    pytest.importorskip("hydra")
    repository.commit("before", **{"main.py": BUILDING, "conf/train.yaml": PARTS})
    again = PARTS.replace("times: 1", "times: 2") + "  b: {_target_: collections.Counter, x: 1}\n"
    repository.commit("after", **{"conf/train.yaml": again})
    options = ("--until", "exit", "--min-effect", "config=0%")
    done, report = repository.check("--against", "HEAD~1", *options, *QUICK)
    assert done.returncode == 1, done.stdout + done.stderr
    found = verdicts(report)
    assert {found[name] for name in ("instantiations", "duplicates", "config")} == {"regressed"}
    told = " ".join(done.stdout.split())
    assert "duplicate: collections.Counter" in told
    assert "instantiations: collections.Counter" in told

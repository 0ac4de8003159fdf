"""`ocrprof ablate` on a program whose features are worth a known time."""

import json
import statistics
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from recording import TARGETS

from ocrprof.features import BUNDLED_FEATURES, read_features
from ocrprof.results.model import AblationReport, Arm
from ocrprof.results.store import read_report
from pipeline.config import check_config, config_dir
from pipeline.schema import Train

SCRIPT = str(TARGETS / "features_script.py")
CACHE = "cache: --cache |"
SCORE = "fast score: --fast-score |"


def ablate(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ocrprof", "ablate", "-o", str(folder), "--seed", "1", *options]
    return subprocess.run(
        [*command, "--", sys.executable, SCRIPT], capture_output=True, text=True, timeout=200, check=False
    )


@dataclass(frozen=True)
class Ablation:
    """What a finished ablation printed, and its folder."""

    done: subprocess.CompletedProcess[str]
    folder: Path


def ablation(folder: Path, *options: str) -> Ablation:
    return Ablation(ablate(folder, *options), folder)


RUNS = {
    "measured": ("--rounds", "2", "--budget", "10m", "--design", "cumulative", "--feature", CACHE, "--feature", SCORE),
    "failing": ("--rounds", "2", "--design", "alone", "--feature", CACHE, "--feature", "broken: --broken |"),
    "loader": ("--level", "loader", "--loader", "0", "--epochs", "2", "--rounds", "1", "--feature", CACHE,
               "--feature", "shift: --shifted |", "--feature", "unreadable: --unreadable |"),
}  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> dict[str, Future[Ablation]]:
    """All that start the program, two at once: what it does is asleep, and its starts are not looked at."""
    folder = tmp_path_factory.mktemp("ablation")
    with ThreadPoolExecutor(2) as pool:
        return {name: pool.submit(ablation, folder / name, *options) for name, options in RUNS.items()}


@pytest.fixture(scope="module")
def measured(runs) -> AblationReport:
    done, folder = runs["measured"].result().done, runs["measured"].result().folder
    assert done.returncode == 0, done.stderr
    assert "One after another" in done.stdout
    assert "all features: a later validation epoch" in done.stdout
    assert (folder / "report.md").exists()
    assert (folder / "report.html").exists()
    return read_report(folder)


def test_every_setting_is_run_once_a_round_in_an_order_of_its_own(measured):
    assert [arm.on for arm in measured.arms] == [[], ["cache", "fast score"], ["cache"]]
    assert [arm.arguments for arm in measured.arms] == [[], ["--cache", "--fast-score"], ["--cache"]]
    for number in (1, 2):
        positions = [trial.position for arm in measured.arms for trial in arm.trials if trial.round == number]
        assert sorted(positions) == [0, 1, 2]
    assert len(measured.warmup) == 1


def test_the_first_epoch_is_told_apart_from_later_ones(measured):
    """A cache saves nothing in the first: 24 reads of 5 ms and 3 batches of 20 ms; then the batches alone."""
    cached = next(arm for arm in measured.arms if arm.on == ["cache"])
    first, *later = cached.trials[0].epochs
    assert [epoch.num_batches for epoch in cached.trials[0].epochs] == [3, 3, 3]
    assert first.num_samples == 24
    assert first.parts["fetch"] > 0.12
    assert min(epoch.parts["fetch"] for epoch in later) < 0.06


def test_speed_ups_are_those_that_the_program_was_written_to_have(measured):
    """180 ms an epoch without, 60 with the cache, 15 with both: asleep, so never less. More is the machine's."""

    def seconds(arm: Arm, epochs: slice) -> dict[int, float]:
        return {one.round: statistics.median(epoch.seconds for epoch in one.epochs[epochs]) for one in arm.trials}

    def ratio(without: dict[int, float], with_: dict[int, float]):
        return pytest.approx(statistics.median(without[number] / with_[number] for number in (1, 2)))

    arms = {tuple(arm.on): arm for arm in measured.arms}
    off, cached, both = (seconds(arms[on], slice(1, None)) for on in ((), ("cache",), ("cache", "fast score")))
    for later, least in ((off, 0.18), (cached, 0.06), (both, 0.015)):
        assert min(later.values()) >= least
    # What is off sleeps longer than all of this: the quickest epoch tells that it is on.
    for on, less in ((("cache",), 0.18), (("cache", "fast score"), 0.06)):
        assert min(epoch.seconds for trial in arms[on].trials for epoch in trial.epochs[1:]) < less
    firsts = [seconds(arms[on], slice(1)) for on in ((), ("cache",))]
    assert all(min(first.values()) >= 0.18 for first in firsts)
    cache, score = (effect for effect in measured.effects if effect.design == "cumulative")
    assert cache.first_epoch.median == ratio(*firsts)
    assert cache.later_epochs.median == ratio(off, cached)
    assert score.later_epochs.median == ratio(cached, both)
    assert score.cumulative.median == ratio(off, both)
    assert score.same_metrics is None


def test_a_loader_alone_is_measured_without_the_rest_of_the_program(runs):
    """24 reads of 5 ms an epoch, or none from the second on: the 20 ms that the program takes a batch are not in it."""
    done = runs["loader"].result().done
    assert done.returncode == 5
    report = read_report(runs["loader"].result().folder)
    off, _, cached, shifted = report.arms
    assert (off.on, cached.on, shifted.on) == ([], ["cache"], ["cache", "shift"])
    (trial,) = off.trials
    assert [(one.num_batches, one.num_samples, list(one.parts)) for one in trial.epochs] == [(3, 24, ["fetch"])] * 2
    assert all(one.seconds > 0.12 for one in trial.epochs)
    (trial,) = cached.trials
    assert trial.epochs[0].seconds > 0.12 > trial.epochs[1].seconds
    cache, shift = report.effects[:2]
    assert cache.same_metrics is True
    assert shift.different_metrics == ["batches (crc32)"]
    assert "shift changes what must not change (cumulative): batches (crc32)" in " ".join(done.stdout.split())
    assert "OSError: this page cannot be read" in " ".join(done.stdout.split())


def test_a_setting_that_fails_is_told_and_the_others_go_on(runs):
    done = runs["failing"].result().done
    assert done.returncode == 5
    report = json.loads((runs["failing"].result().folder / "report.json").read_text())
    trials = {"+".join(arm["on"]): [trial["status"] for trial in arm["trials"]] for arm in report["arms"]}
    assert trials == {"": ["reached"] * 2, "cache": ["reached"] * 2, "broken": ["crashed"], "cache+broken": ["crashed"]}
    assert "broken ended crashed in round 1: RuntimeError: this feature does not work" in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "no features to switch"),
        (("--feature", "cache"), "has no colon"),
        (("--feature", "cache: --a | --a"), "is the same on and off"),
        (("--feature", CACHE, "--feature", CACHE), "is given twice"),
        (("--feature", CACHE, "--only", "tensor"), "no feature is called 'tensor'"),
        (("--feature", CACHE, "--pair", "cache"), "is not two features"),
        (("--feature", CACHE, "--pair", "cache,tensor"), "no feature is called 'tensor'"),
        (("--feature", CACHE, "--rounds", "0"), "at least one"),
        (("--feature", CACHE, "--budget", "5 apples"), "--budget 5 apples: not a time"),
        (("--features", "nowhere.toml"), "cannot read nowhere.toml"),
        (("--feature", CACHE, "--loader", "last"), "no such loader"),
        (("--feature", CACHE, "--level", "loader", "--epochs", "1"), "give 2 or more"),
    ],
)
def test_what_cannot_be_measured_is_said_before_anything_is(tmp_path, options, message):
    done = ablate(tmp_path / "report", *options)
    assert done.returncode == 2
    assert message in done.stderr
    assert "hint:" in done.stderr or "--rounds" in options
    assert not (tmp_path / "report" / "runs").exists()


@pytest.mark.parametrize("side", ["on", "off"])
def test_every_switch_of_the_bundled_features_is_one_that_the_pipeline_takes(side):
    read = read_features(BUNDLED_FEATURES)
    switches = [word for feature in read.features for word in getattr(feature, side)]
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        cfg = compose("train", overrides=["paths.output_dir=out", *read.arguments, *switches])
    check_config(cfg, Train)

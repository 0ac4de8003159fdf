"""Rules on what Hydra spends: resolvers, the plugin scan, composition."""

import pytest
from judged import one_of, start_of
from recorded import process

from ocrprof.findings.compose import slow_compose
from ocrprof.results.model import Calls, Composition, HydraFigures, Location, Part

WALL = 10_000


def start(**figures):
    report = start_of(process(marks={"first-step": WALL}), end=WALL)
    return slow_compose(report.model_copy(update={"hydra": HydraFigures(seconds=1.0, **figures)}))


def resolver(count, seconds):
    return Calls(name="charset_size", count=count, seconds=seconds, location=Location(file="/home/ana/run.py", line=18))


def composition(seconds):
    return Composition(
        config="train",
        purpose="run",
        location=Location(file="/home/ana/run.py", line=36),
        start_seconds=1.0,
        seconds=seconds,
        num_configs=21,
        depth=8,
        num_files=18,
        overrides_seconds=0.01,
        read_seconds=seconds * 0.6,
        defaults_seconds=seconds * 0.2,
        merge_seconds=seconds * 0.1,
    )


def test_a_resolver_that_is_called_often_and_costs():
    finding = one_of(start(resolvers=[resolver(120, 0.25)]), "slow-compose")
    assert finding.title == "The resolver `charset_size` is called 120 times, 250 ms together"
    assert (finding.location.line, finding.seconds) == (18, pytest.approx(0.25))
    assert "`${charset_size:…}`" in finding.advice


def test_a_resolver_called_seldom_or_cheaply_is_no_finding():
    assert start(resolvers=[resolver(100, 0.25)]) == []
    assert start(resolvers=[resolver(5000, 0.09)]) == []


def test_a_slow_plugin_scan_names_the_slowest_plugin():
    finding = one_of(start(plugins_seconds=0.9, plugins=[Part(name="hydra_plugins.ax", seconds=0.8)]), "slow-compose")
    assert finding.evidence["slowest"] == ["hydra_plugins.ax 800 ms"]
    assert start(plugins_seconds=0.29) == []


def test_long_composition_tells_its_depth_its_files_and_its_longest_part():
    finding = one_of(start(compositions=[composition(0.4), composition(0.5)]), "slow-compose")
    assert finding.seconds == pytest.approx(0.9)
    assert (finding.evidence["depth"], finding.evidence["num_files"]) == (8, 18)
    assert "reading files takes 300 ms: 18 files in a list of defaults 8 deep" in finding.advice


def test_quick_composition_and_a_program_without_hydra_are_no_findings():
    assert start(compositions=[composition(0.2), composition(0.2)]) == []
    assert slow_compose(start_of(process(marks={"first-step": WALL}), end=WALL)) == []

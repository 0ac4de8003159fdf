"""Every bottleneck planted in the audited project is named, at its line, with its seconds; mended, none is."""

import importlib.util
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from recording import TARGETS

from ocrprof.findings import judge
from ocrprof.measure.sampling import with_samples
from ocrprof.measure.startup import measure_startup
from ocrprof.plan import StartupPlan
from ocrprof.results.model import Finding, StartupReport
from ocrprof.target import Target

PROJECT = TARGETS / "audited"
PACKAGE = PROJECT / "audited"


def _costs() -> dict[str, float]:
    spec = importlib.util.spec_from_file_location("audited_costs", PACKAGE / "costs.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.SECONDS


COST = _costs()
PLANTED = {
    "eager-heavy-import", "duplicate-instantiation", "slow-module-init", "eager-evaluator", "compile-at-init",
    "eager-logger", "eager-dataset", "dataset-scan", "repeated-lookup", "late-import", "duplicate-module",
    "deprecated-module", "slow-compose",
}  # fmt: skip
"""The codes that the switches are about; missing bytecode is planted in test_startup_bytecode.py."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("audited")


def plan_of(folder: Path, plant: str) -> StartupPlan:
    """One run of the project with everything planted, or mended, at level full."""
    return StartupPlan(
        target=Target(argv=(sys.executable, "-m", "audited.runners.train", f"plant={plant}"), cwd=PROJECT),
        output=folder / plant,
        runs=1,
        warmup=0,
        until="first-step",
        timeout_seconds=200,
        level="full",
    )


def start(plan: StartupPlan, *, counted: StartupReport | None = None) -> StartupReport:
    """The judged start of the project, with what it says of its own costs in a file beside the output folder.

    With a report of counted runs, that report with the lines of one further, sampled run.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUDITED_DATA", str(plan.output.with_name("pages")))
        patch.setenv("AUDITED_TRUTH", str(plan.output.with_suffix(".jsonl")))
        patch.setenv("OMP_NUM_THREADS", "1")
        if counted is None:
            report = judge(measure_startup(plan, progress=lambda _: None))
        else:
            report = judge(with_samples(counted, plan, progress=lambda _: None))
    assert report.runs[0].reached, report.runs[0].stderr_tail
    return report


@pytest.fixture(scope="module")
def mended(folder):
    return start(plan_of(folder, "none"))


@pytest.fixture(scope="module")
def plan(folder):
    return plan_of(folder, "all")


@pytest.fixture(scope="module")
def planted(plan):
    return start(plan)


@pytest.fixture(scope="module")
def sampled(plan, planted):
    return start(plan, counted=planted)


Truth = dict[str, list[float]]


@pytest.fixture(scope="module")
def truth(folder, planted) -> Truth:
    """What the planted run measured itself, by name in order: on a busy machine more than the table says.

    The counted run is the first one; those that count calls and sample lines come after it.
    """
    return told_by_runs(folder / "all.jsonl")[0]


@pytest.fixture(scope="module")
def sampled_truth(folder, sampled) -> Truth:
    """The same of the sampled run, which is the last one."""
    return told_by_runs(folder / "all.jsonl")[-1]


def told_by_runs(file: Path) -> list[Truth]:
    """What each run said of its own costs; an empty line of JSON is where it began."""
    runs: list[Truth] = []
    for line in map(json.loads, file.read_text().splitlines()):
        if not line:
            runs.append({})
        for name, seconds in line.items():
            runs[-1].setdefault(name, []).append(seconds)
    return runs


def of_code(report: StartupReport, code: str) -> list[Finding]:
    return [finding for finding in report.findings if finding.code == code]


def about(findings: Sequence[Finding], text: str) -> Finding:
    """The only one whose title tells of `text`."""
    (finding,) = [finding for finding in findings if text in finding.title]
    return finding


def line_of(file: str, text: str) -> tuple[str, int]:
    """The one line of the project that holds `text`."""
    lines = (PACKAGE / file).read_text().splitlines()
    (number,) = [number for number, line in enumerate(lines, start=1) if text in line]
    return str(PACKAGE / file), number


def at(finding: Finding) -> tuple[str, int]:
    return finding.location.file, finding.location.line


def near(seconds: float):
    """Equal within 15 %, or 30 ms."""
    return pytest.approx(seconds, rel=0.15, abs=0.03)


def test_eager_imports_are_named_by_their_lines_and_seconds(planted, truth):
    findings = of_code(planted, "eager-heavy-import")
    assert at(about(findings, "torch is imported")) == line_of("pipelines/eager.py", "import torch  #")
    assert at(about(findings, "torchmetrics is imported")) == line_of("pipelines/eager.py", "import torchmetrics.text")
    assert sum(finding.seconds for finding in findings) == near(truth["eager_imports"][0])


def test_the_tokenizer_built_three_times_and_the_collate_built_four_times(planted, truth):
    findings = of_code(planted, "duplicate-instantiation")
    tokenizer = about(findings, "audited.data.tokenizer.Tokenizer is built 3 times")
    assert at(tokenizer) == line_of("pipelines/orchestrator.py", "plant.tokenizer_thrice, second")
    assert len(truth["tokenizer"]) == 3
    assert tokenizer.seconds == near(sum(truth["tokenizer"][1:]))
    collate = about(findings, "audited.data.collate.LineCollate is built 4 times")
    assert at(collate) == line_of("data/datamodule.py", "plant.collate_four_times")
    assert len(truth["collate"]) == 4
    assert collate.seconds == near(sum(truth["collate"][1:]))
    assert len(findings) == 2


def test_evaluators_made_in_init_are_work_beside_the_network(planted, truth):
    finding = about(of_code(planted, "slow-module-init"), "OCRModule.__init__")
    assert at(finding) == line_of("core/module.py", "def __init__(self, config")
    assert len(truth["evaluator"]) == 2
    assert finding.seconds == near(sum(truth["evaluator"]))


def test_metrics_made_in_init_are_named_by_their_own_line(planted, truth):
    finding = about(of_code(planted, "eager-evaluator"), "OCRModule.__init__")
    assert at(finding) == line_of("core/evaluation.py", "def __init__(self) -> None")
    assert finding.seconds == near(*truth["metric"])


def test_torch_compile_in_init_is_named_by_its_line(planted, truth):
    finding = about(of_code(planted, "compile-at-init"), "OCRModule.__init__")
    assert at(finding) == line_of("core/module.py", "# plant.compile_at_init")
    assert finding.seconds == near(*truth["compile_at_init"])


def test_a_logger_that_connects_when_it_is_made_is_named_by_the_line_that_asks_for_it(planted, truth):
    finding = about(of_code(planted, "eager-logger"), "OfflineRunLogger")
    assert at(finding) == line_of("pipelines/orchestrator.py", "self.config.logger")
    assert finding.seconds == near(*truth["logger"])
    assert finding.evidence["built_after_it"] == ["OCRModule"]


def test_of_three_splits_the_one_that_no_loader_uses_is_named(planted, truth):
    finding = about(of_code(planted, "eager-dataset"), "PageDataset (data.datasets.test)")
    assert at(finding) == line_of("pipelines/orchestrator.py", "hydra.utils.instantiate(nodes[split])")
    assert len(truth["dataset"]) == len(truth["dataset_scan"]) == 3
    assert finding.seconds == near(truth["dataset"][2] + truth["dataset_scan"][2])


def test_data_sets_that_open_every_label_file_are_a_scan_from_the_first_file_to_the_last(planted, truth):
    finding = about(of_code(planted, "dataset-scan"), "PageDataset opens 903 files")
    assert at(finding) == line_of("data/pages.py", "# plant.dataset_scan")
    assert finding.seconds == near(sum(truth["dataset_scan"]))


def test_registry_look_ups_with_the_same_name_cost_all_but_the_first(planted):
    finding = about(of_code(planted, "repeated-lookup"), "audited.core.registry.get_architecture is called 12 times")
    assert at(finding) == line_of("core/registry.py", "def get_architecture")
    assert finding.seconds == near(11 * COST["registry_lookup"])
    caller = line_of("core/registry.py", "look_up(architecture)")[1]
    assert finding.evidence["called_at"] == [f"audited/core/registry.py:{caller}"]


def test_a_deprecated_module_is_named_by_the_line_that_still_imports_it(planted, truth):
    finding = about(of_code(planted, "deprecated-module"), "audited.core.ocr_pl")
    assert at(finding) == line_of("pipelines/orchestrator.py", "# plant.deprecated_module")
    assert finding.seconds == near(*truth["deprecated_module"])
    assert "has moved to audited.core.module" in finding.evidence["warning"]


def test_an_import_in_a_validation_hook_is_late(planted, truth):
    finding = about(of_code(planted, "late-import"), "audited.core.text_rendering")
    assert at(finding) == line_of("core/module.py", "# plant.late_import")
    assert finding.seconds == near(*truth["text_rendering"])


def test_a_file_loaded_under_two_names_is_named_by_the_second_way_in(planted, truth):
    finding = about(of_code(planted, "duplicate-module"), "`audited.data.charset` and `charset`")
    assert at(finding) == line_of("pipelines/orchestrator.py", "import charset  #")
    assert len(truth["charset"]) == 2
    assert finding.seconds == near(truth["charset"][1])


def test_a_resolver_that_the_deep_configuration_calls_again_and_again(planted):
    finding = about(of_code(planted, "slow-compose"), "`charset_size` is called 120 times")
    assert at(finding) == line_of("runners/train.py", "def charset_size")
    assert finding.seconds == near(120 * COST["interpolation"])


def test_every_switch_is_read_somewhere_and_all_of_them_are_planted_together():
    files = {name: (PROJECT / "conf" / "plant" / f"{name}.yaml").read_text() for name in ("none", "all")}
    switches = {name: re.findall(r"^(\w+): (true|false)", text, flags=re.MULTILINE) for name, text in files.items()}
    assert switches["all"] == [(switch, "true") for switch, _ in switches["none"]]
    used = "".join(path.read_text() for path in (*PACKAGE.rglob("*.py"), *PROJECT.glob("conf/data/*.yaml")))
    assert [switch for switch, _ in switches["none"] if f"plant.{switch}" not in used.replace("# plant.", "")] == []


def test_mended_the_project_has_none_of_these_findings(planted, mended):
    assert {finding.code for finding in planted.findings} >= PLANTED
    # A busy machine composes the flat configuration slowly, too: the deep one is told by its depth.
    found = [one for one in mended.findings if one.code in PLANTED and one.evidence.get("depth", 9) > 4]
    assert [finding.title for finding in found] == []


def test_the_plan_wins_what_the_plants_cost_and_no_second_twice(planted, truth):
    plan = planted.plan
    steps = [action.code for action in plan.actions]
    won = {"dataset-scan", "duplicate-instantiation", "eager-logger", "deprecated-module", "repeated-lookup"}
    assert won <= {*steps}
    assert {action.code for action in plan.moves} >= {"eager-heavy-import", "compile-at-init", "late-import"}
    # The test split is scanned too, and nobody uses it: what the scan won there is not won again.
    unused = next(action for action in plan.actions if action.code == "eager-dataset")
    assert unused.shared_with == ["dataset-scan"]
    assert unused.seconds == near(truth["dataset"][2])
    assert plan.configuration_then_seconds < plan.configuration_now_seconds
    assert plan.now_seconds - plan.then_seconds == pytest.approx(sum(action.seconds for action in plan.actions))


def lines_of(report: StartupReport, kind: str) -> dict[tuple[str, int], float]:
    """Seconds of the hot lines of a kind of construction, by each line that leads there."""
    found: dict[tuple[str, int], float] = {}
    for piece in report.samples.pieces:
        for line in piece.hot_lines if piece.kind == kind else ():
            for one in line.lines:
                key = (one.location.file, one.location.line)
                found[key] = found.get(key, 0.0) + line.seconds
    return found


def test_lines_that_hold_constructions_up_are_told_with_their_seconds(sampled, sampled_truth):
    assert sampled.samples.failure is None
    init = lines_of(sampled, "model.init")
    assert init[line_of("core/module.py", "self.evaluators = {split")] == around(sum(sampled_truth["evaluator"]))
    assert init[line_of("core/module.py", "self.metric = CharErrors()  # plant")] == around(*sampled_truth["metric"])
    assert lines_of(sampled, "dataset.init")[line_of("data/pages.py", 'with costing("dataset")')] == around(
        sum(sampled_truth["dataset"])
    )
    assert lines_of(sampled, "logger.init")[line_of("core/loggers.py", "plant.eager_logger")] == around(
        *sampled_truth["logger"]
    )


def around(seconds: float):
    """What a sampled line may take for it: a fifth of it, or 60 ms."""
    return pytest.approx(seconds, rel=0.2, abs=0.06)


def test_findings_name_the_line_that_was_sampled(sampled):
    (finding,) = of_code(sampled, "slow-module-init")
    file, number = line_of("core/module.py", "self.evaluators = {split")
    assert f"`{Path(file).relative_to(PROJECT)}:{number}`" in finding.advice
    assert any(f":{number} " in text for text in finding.evidence["hot_lines"])
    (finding,) = of_code(sampled, "eager-evaluator")
    _, number = line_of("core/module.py", "self.metric = CharErrors()  # plant")
    # More than one where a busy machine makes what the line leads to long enough to be told apart.
    assert {f"module.py:{number} " in text for text in finding.evidence["hot_lines"]} == {True}

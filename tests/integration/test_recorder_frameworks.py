"""Hooks on Hydra, Lightning and torch, seen on small real programs; and the stop at a milestone."""

import subprocess
import textwrap
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from recording import PYTHON, TARGETS, Recorded, plain, record

TABULAR = TARGETS / "tabular"
TABULAR_APP = (PYTHON, "-m", "tabular.app")
TORCH_SCRIPT = str(TARGETS / "torch_script.py")
HYPERPARAMETERS = (
    "from tabular.parts import Model; model = Model(16, 100, lr=0.5, sleep_seconds=0.0);"
    "print(dict(model.hparams)); print(Model.__init__.__code__.co_name, '__wrapped__' in vars(Model.__init__))"
)
SCRIPTS = {
    # As pip writes the entry point of tests/targets/tabular/pyproject.toml.
    "tabular-train": f"""
        #!{PYTHON}
        import sys
        from tabular.app import main
        if __name__ == '__main__':
            sys.exit(main())
        """,
    "exceptions.py": """
        import torch
        from torch.utils.data import DataLoader, Dataset

        class Broken(Dataset):
            def __init__(self, fail):
                if fail:
                    raise ValueError("no data")
            def __len__(self):
                return 4
            def __getitem__(self, index):
                raise KeyError(index)

        try:
            Broken(True)
        except ValueError:
            import traceback
            traceback.print_exc()
        next(iter(DataLoader(Broken(False))))
        """,
    "dies.py": """
        import os, signal, torch
        from torch.utils.data import Dataset

        class Killed(Dataset):
            def __init__(self):
                os.kill(os.getpid(), signal.SIGKILL)

        Killed()
        """,
    "table.py": """
        import torch
        layer = torch.nn.Linear(2, 2)
        """,
    "main.py": """
        import table
        import wave
        layer = table.torch.nn.Linear(2, 2)
        """,
    "cuda.py": """
        import torch
        for _ in range(2):
            try:
                print(torch.zeros(1, device='cuda').device)
            except Exception as error:
                print(type(error).__name__, len(str(error)))
        """,
}


@pytest.fixture(scope="module")
def scripts(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("scripts")
    for name, text in SCRIPTS.items():
        (folder / name).write_text(textwrap.dedent(text).lstrip())
    (folder / "tabular-train").chmod(0o755)
    return folder


Runs = dict[str, Future[Recorded]]


@pytest.fixture(scope="module")
def pool(scripts) -> Iterator[ThreadPoolExecutor]:
    """Two runs at once: how long they take is not looked at, and most of each is the imports of one process."""
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(2) as pool:
        patch.setenv("PYTHONPATH", str(TABULAR))
        yield pool


@pytest.fixture(scope="module")
def runs(pool, scripts, tmp_path_factory) -> Runs:
    """Every recorded run that the tests below look at."""
    folder = tmp_path_factory.mktemp("runs")
    steady = {"OCRPROF_TRAIN_BATCHES": "3", "OCRPROF_VAL_BATCHES": "4", "OCRPROF_PARTS": "1"}

    def run(name: str, *argv: str, cwd: Path = TARGETS, **options) -> Future[Recorded]:
        return pool.submit(record, folder / name.replace(" ", "-"), *argv, cwd=cwd, **options)

    def tabular(name: str, *overrides: str, **options) -> Future[Recorded]:
        return run(name, *TABULAR_APP, *overrides, cwd=TABULAR, **options)

    return {
        "whole": tabular("whole", "data.num_workers=1"),
        "hyperparameters": run("hyperparameters", PYTHON, "-c", HYPERPARAMETERS, cwd=TABULAR),
        "first step": tabular("first step", "data.num_workers=2", until="first-step"),
        "module": run("module", *TABULAR_APP, until="first-step", cwd=scripts),
        "path": run("path", PYTHON, str(TABULAR / "tabular" / "app.py"), until="first-step", cwd=scripts),
        "console script": run("console script", str(scripts / "tabular-train"), until="first-step", cwd=scripts),
        "steady": tabular("steady", until="steady", settings=steady),
        **{until: tabular(until, until=until) for until in ("imports", "config", "data", "model")},
        "torch first step": run("torch first step", PYTHON, TORCH_SCRIPT, "2", until="first-step"),
        "torch steady": run(
            "torch steady", PYTHON, TORCH_SCRIPT, until="steady", settings={"OCRPROF_TRAIN_BATCHES": "5"}
        ),
        "torch imports": run("torch imports", PYTHON, TORCH_SCRIPT, until="imports"),
        "torch data": run("torch data", PYTHON, TORCH_SCRIPT, until="data"),
        "exceptions": run("exceptions", PYTHON, str(scripts / "exceptions.py")),
        "dies": run("dies", PYTHON, str(scripts / "dies.py")),
        "work in an import": run("work in an import", PYTHON, str(scripts / "main.py"), until="imports"),
        "cuda": run("cuda", PYTHON, str(scripts / "cuda.py")),
    }


@pytest.fixture(scope="module")
def untouched(pool, scripts, runs) -> dict[str, Future[subprocess.CompletedProcess[str]]]:
    """The same without the recorder, where a test compares."""
    return {
        "whole": pool.submit(plain, *TABULAR_APP, "data.num_workers=1", cwd=TABULAR),
        "hyperparameters": pool.submit(plain, PYTHON, "-c", HYPERPARAMETERS, cwd=TABULAR),
        "exceptions": pool.submit(plain, PYTHON, str(scripts / "exceptions.py")),
        "cuda": pool.submit(plain, PYTHON, str(scripts / "cuda.py")),
    }


@pytest.fixture
def hydra_lightning(runs) -> Recorded:
    """A whole run of the Hydra + Lightning program, to its own end."""
    return runs["whole"].result()


def seconds(span):
    return (span["end"] - span["start"]) / 1e9


def test_the_target_ends_as_without_the_recorder(hydra_lightning, untouched):
    without = untouched["whole"].result()
    assert hydra_lightning.outcome.exit_code == without.returncode == 0
    assert hydra_lightning.stdout == without.stdout == "trained 20\n"
    assert hydra_lightning.stderr == without.stderr


def test_instantiations_have_config_path_target_identity_and_line(hydra_lightning):
    nodes = [span["a"] for span in hydra_lightning.spans("instantiate")]
    vocabulary = [node for node in nodes if node["target"] == "tabular.parts.Vocabulary"]
    assert [node["config_path"] for node in vocabulary] == ["vocabulary", "vocabulary", "data.vocabulary"]
    assert len({node["identity"] for node in vocabulary}) == 1
    assert vocabulary[0]["by"][0].endswith("tabular/app.py")
    assert len({node["identity"] for node in nodes}) == 3  # vocabulary, data, model


def test_the_lightning_module_is_one_span_with_its_line_and_what_it_built(hydra_lightning):
    (model,) = [span for span in hydra_lightning.spans("model.init") if span["a"]["lightning"]]
    assert model["a"]["class"] == "tabular.parts.Model"
    assert model["loc"][0].endswith("tabular/parts.py")
    assert seconds(model) >= 0.25  # it sleeps that long
    built = [entry["class"].rpartition(".")[2] for entry in model["a"]["nested"]]
    assert built == ["Linear", "ReLU", "Sequential", "Linear", "MeanSquaredError"]


def test_save_hyperparameters_still_sees_the_arguments_of_the_whole_hierarchy(runs, untouched):
    assert runs["hyperparameters"].result().stdout == untouched["hyperparameters"].result().stdout


def test_every_phase_of_a_fit_has_its_span(hydra_lightning):
    names = {span["name"] for span in hydra_lightning.of_kind("span")}
    assert names >= {
        "hydra.main", "hydra.plugins", "hydra.compose", "program", "instantiate", "datamodule.init", "dataset.init",
        "dataloader.init", "data.setup", "model.init", "configure_optimizers", "trainer.init", "trainer.run",
        "sanity_check", "workers.start", "fetch", "train.batch", "training_step", "backward", "optimizer.step",
        "val.batch", "validation_step", "metric.update", "metric.compute", "val.epoch",
    }  # fmt: skip
    assert {"config", "model", "first-batch", "first-step", "exit.begin"} <= hydra_lightning.marks()


def test_batches_are_counted_apart_for_training_validation_and_the_sanity_check(hydra_lightning):
    assert len(hydra_lightning.spans("train.batch")) == 20  # 2 epochs of 40 samples by 4
    sanity = [span["a"]["sanity"] for span in hydra_lightning.spans("val.batch")]
    assert (sanity.count(True), sanity.count(False)) == (2, 20)


def test_a_batch_is_fetched_for_the_line_that_built_its_loader(hydra_lightning):
    built = [tuple(span["loc"]) for span in hydra_lightning.spans("dataloader.init")]
    fetched = {tuple(span["loc"]) for span in hydra_lightning.spans("fetch") if not span["a"].get("stop")}
    assert len(set(built)) == 2  # training and validation
    assert fetched == set(built)


def test_spans_of_a_thread_nest_properly(hydra_lightning):
    spans = sorted(
        (span for span in hydra_lightning.of_kind("span") if span["thread"] == 0),
        key=lambda span: (span["start"], -span["end"]),
    )
    ends = []
    for span in spans:
        while ends and ends[-1] <= span["start"]:
            ends.pop()
        assert not ends or span["end"] <= ends[-1], span
        ends.append(span["end"])


def test_the_composed_configuration_and_the_logged_metrics_are_recorded(hydra_lightning):
    (config,) = hydra_lightning.of_kind("config")
    assert config["config"]["data"]["vocabulary"]["size"] == 100
    assert "val/mse" in hydra_lightning.of_kind("metrics")[0]["metrics"]


def test_the_first_step_ends_the_run_and_its_process_tree(runs):
    first_step = runs["first step"].result()
    assert first_step.outcome.status == "reached"
    assert first_step.outcome.exit_code is None
    assert "trained" not in first_step.stdout
    assert len(first_step.spans("train.batch")) == 1
    pids = {process["pid"] for process in first_step.of_kind("process")}
    assert len(pids) == 3  # two workers
    assert not any(psutil.pid_exists(pid) for pid in pids)


@pytest.mark.parametrize("started_by", ["module", "path", "console script"])
def test_the_way_of_starting_makes_no_difference(runs, started_by):
    recorded = runs[started_by].result()
    assert recorded.outcome.status == "reached", recorded.stderr
    assert [span["a"]["config_path"] for span in recorded.spans("instantiate")][:2] == ["vocabulary", "vocabulary"]


@pytest.mark.parametrize(("until", "absent"), [("config", "model.init"), ("model", "trainer.init")])
def test_earlier_milestones_stop_earlier(runs, until, absent):
    recorded = runs[until].result()
    assert recorded.outcome.status == "reached"
    assert recorded.spans(absent) == []


def test_a_plain_torch_loop_reaches_its_first_step(runs):
    recorded = runs["torch first step"].result()
    assert recorded.outcome.status == "reached"
    assert len(recorded.spans("optimizer.step")) == 1
    (workers,) = recorded.spans("workers.start")
    assert workers["a"]["num_workers"] == 2
    assert recorded.spans("dataset.init")[0]["a"]["length"] == 64


def test_a_steady_run_of_a_plain_loop_ends_after_steps_and_evaluation(runs):
    recorded = runs["torch steady"].result()
    assert len(recorded.spans("optimizer.step")) == 16
    assert "evaluated" in recorded.marks()
    by_loader = {}
    for fetch in recorded.spans("fetch"):
        by_loader.setdefault(fetch["a"]["loader"], []).append(fetch["a"].get("stop", False))
    # Two epochs of training and an evaluation, each an iterator of its own: eight batches, then the end.
    assert list(by_loader.values())[:2] == [[False] * 8 + [True]] * 2
    assert list(by_loader.values())[2][:8] == [False] * 8


def test_a_steady_run_limits_the_training_batches_and_times_the_parts(runs):
    recorded = runs["steady"].result()
    assert recorded.outcome.status == "reached", recorded.stderr
    assert len(recorded.spans("train.batch")) == 3
    validated = [span for span in recorded.spans("val.batch") if not span["a"]["sanity"]]
    assert len(validated) == 4
    components = recorded.spans("component")
    assert {span["a"]["class"] for span in components} == {"tabular.parts.Rounder"}
    assert all(seconds(span) >= 0.02 for span in components)
    assert {span["a"]["class"].rpartition(".")[2] for span in recorded.spans("forward")} == {"Sequential", "Linear"}


def test_exceptions_pass_through_with_the_tracebacks_of_a_plain_run(runs, untouched):
    recorded = runs["exceptions"].result()
    assert recorded.outcome.status == "crashed"
    assert recorded.stderr == untouched["exceptions"].result().stderr
    (failed,) = [span for span in recorded.spans("dataset.init") if "error" in span["a"]]
    assert failed["a"]["error"] == "ValueError"


def test_a_hanging_target_is_ended_with_its_tree_and_tells_where_it_stood(tmp_path):
    """It hangs in an import, where it is within a tenth of a second: the limit comes behind that on any machine."""
    (tmp_path / "stuck.py").write_text(
        "import subprocess, sys, time\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "time.sleep(600)\n"
    )
    before = time.monotonic()
    recorded = record(tmp_path / "run", PYTHON, "-c", "import stuck", timeout_seconds=5, cwd=tmp_path)
    assert recorded.outcome.status == "timed_out"
    assert time.monotonic() - before < 20
    begun = [entry["name"] for entry in recorded.of_kind("begin")]
    assert begun[-1] == "stuck"
    assert len(recorded.of_kind("process")) == 2
    assert not any(psutil.pid_exists(process["pid"]) for process in recorded.of_kind("process"))


def test_a_target_that_ends_without_a_word_has_told_the_span_it_was_in(runs):
    recorded = runs["dies"].result()
    assert recorded.outcome.exit_code == -9
    assert [entry["name"] for entry in recorded.of_kind("begin")][-1] == "dataset.init"


def test_the_imports_end_where_hydra_begins(runs):
    recorded = runs["imports"].result()
    assert recorded.outcome.status == "reached"
    (milestone,) = recorded.of_kind("milestone")
    loads = [load for load in recorded.of_kind("load") if load["name"] == "lightning.pytorch"]
    assert loads
    assert all(load["end"] <= milestone["at"] for load in loads)
    assert "config" not in recorded.marks()


def test_the_imports_of_a_plain_loop_end_where_its_data_set_begins(runs):
    recorded = runs["torch imports"].result()
    assert recorded.outcome.status == "reached"
    assert not recorded.spans("dataset.init")


def test_work_inside_an_import_does_not_end_the_imports(runs):
    recorded = runs["work in an import"].result()
    assert recorded.outcome.status == "reached"
    assert "wave" in {load["name"] for load in recorded.of_kind("load")}


def test_a_program_that_only_imports_has_no_end_of_the_imports_but_its_own(tmp_path):
    recorded = record(tmp_path / "run", PYTHON, str(TARGETS / "stdlib_script.py"), until="imports")
    assert recorded.outcome.status == "ended_early"


def test_data_are_set_up_when_the_data_module_says_so(runs):
    recorded = runs["data"].result()
    assert recorded.outcome.status == "reached"
    (setup,) = recorded.spans("data.setup")
    (milestone,) = recorded.of_kind("milestone")
    assert setup["end"] <= milestone["at"]
    assert setup["loc"][0].endswith("tabular/parts.py")


def test_data_of_a_plain_loop_are_set_up_with_its_first_loader(runs):
    recorded = runs["torch data"].result()
    assert recorded.outcome.status == "reached"
    assert len(recorded.spans("dataset.init")) == len(recorded.spans("dataloader.init")) == 1


def test_the_first_use_of_cuda_is_timed_at_its_line_and_ends_as_without_us(runs, untouched, scripts):
    recorded, without = runs["cuda"].result(), untouched["cuda"].result().stdout
    assert recorded.stdout == without
    spans = recorded.spans("cuda.init")
    # Where there is no device, each try fails anew.
    assert len(spans) == (1 if without.startswith("cuda") else 2)
    assert {tuple(span["loc"]) for span in spans} == {(str(scripts / "cuda.py"), 4)}

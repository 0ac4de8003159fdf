"""`ocrprof startup --probe`: the time to an answer, and what is said of a program that gives none."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from recording import PYTHON, TARGETS
from test_cli import ocrprof, report_in


def probe(name, *command, cwd, output):
    return ocrprof(
        "startup", "--probe", name, "--runs", "1", "--warmup", "0", "-o", str(output), "--", *command, cwd=cwd
    )


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """The folder of the reports on programs that load torch, and what was printed; two at once: no figure is read."""
    folder = tmp_path_factory.mktemp("asked")
    programs = {
        "error": ((PYTHON, "-m", "tabular.app"), TARGETS / "tabular"),
        "config": ((PYTHON, "-m", "tabular.app"), TARGETS / "tabular"),
        "help": ((PYTHON, str(TARGETS / "torch_script.py"), "0"), folder),
    }
    with ThreadPoolExecutor(2) as pool:
        return folder, {
            name: pool.submit(probe, name, *command, cwd=cwd, output=folder / name)
            for name, (command, cwd) in programs.items()
        }


def test_an_error_message_is_an_answer_although_the_exit_code_is_not_zero(asked):
    folder, results = asked
    result = results["error"].result()
    assert result.returncode == 0, result.stderr
    report = report_in(folder / "error")
    (run,) = report["runs"]
    assert (report["probe"], run["status"], run["exit_code"]) == ("error", "reached", 1)
    assert report["target"]["argv"][-1] == "ocrprof_probe_no_such_key=1"
    assert {"imports", "config"} <= {phase["name"] for phase in run["phases"]}
    assert "another error?" not in result.stdout
    assert "time to an error message" in result.stdout


def test_the_configuration_is_printed_by_hydra_itself(asked):
    folder, results = asked
    result = results["config"].result()
    assert result.returncode == 0, result.stderr
    assert "_target_: tabular.parts.Vocabulary" in (folder / "config" / "runs" / "1" / "stdout.txt").read_text()
    assert "time to the end of --cfg job" in result.stdout


def test_a_program_that_does_not_object_is_told_of_and_ends_with_5(tmp_path):
    result = probe("error", PYTHON, "-c", "pass", cwd=tmp_path, output=tmp_path / "out")
    assert result.returncode == 5
    assert report_in(tmp_path / "out")["runs"][0]["status"] == "probe_ignored"
    assert "did not object" in " ".join(result.stdout.split())


def test_a_program_that_trains_in_place_of_answering_is_stopped_at_its_first_step(asked):
    folder, results = asked
    result = results["help"].result()
    assert result.returncode == 5
    (run,) = report_in(folder / "help")["runs"]
    assert (run["status"], run["exit_code"]) == ("probe_ignored", None)
    assert "came to its first training step" in " ".join(result.stdout.split())


def test_an_error_that_does_not_name_the_override_is_doubted(tmp_path):
    result = probe("error", PYTHON, "-c", "raise SystemExit('no data')", cwd=tmp_path, output=tmp_path / "out")
    assert result.returncode == 0
    assert "does not name" in " ".join(result.stdout.split())


def test_help_that_fails_is_a_crash(tmp_path):
    result = probe("help", PYTHON, "-c", "raise SystemExit(3)", cwd=tmp_path, output=tmp_path / "out")
    assert result.returncode == 5
    assert report_in(tmp_path / "out")["runs"][0]["status"] == "crashed"

"""The steps of action.yml, run by bash as a runner would, in a repository whose last commit imports one module more."""

import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from ruamel.yaml import YAML

from ocrprof.results.model import CheckReport
from ocrprof.results.store import read_report

ROOT = Path(__file__).parents[2]
ACTION = YAML(typ="safe").load((ROOT / "action.yml").read_text(encoding="utf-8"))
STEPS = {step["name"]: step for step in ACTION["runs"]["steps"]}
_INPUT = re.compile(r"\$\{\{ *(inputs|runner|steps\.check\.outputs)\.([a-z_-]+) *\}\}")


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program of two commits; the second one loads `sqlite3`."""
    folder = tmp_path_factory.mktemp("repository")
    program = folder / "my program.py"  # a name that has to be quoted
    for number, text in enumerate(("import json\n", "import json\nimport sqlite3\n")):
        program.write_text(text)
        if number == 0:
            git(folder, "init", "--quiet", "--initial-branch=main")
        git(folder, "add", "--all")
        git(folder, "-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "--quiet", "-m", f"Commit {number}")
    return folder


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True, timeout=60)
    return done.stdout.strip()


class Runner:
    """Runs steps as `shell: bash` does, with the inputs' defaults where the caller gives none."""

    def __init__(self, folder: Path, *, at: Path, **inputs: str) -> None:
        self.folder, self.at = folder, at
        defaults = {name: str(one.get("default", "")) for name, one in ACTION["inputs"].items()}
        self.values = {"inputs": {**defaults, **inputs}, "runner": {"temp": str(folder)}}
        for name in ("output", "summary"):
            (folder / name).touch()
        self.environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "GITHUB_ACTIONS": "true",
            "GITHUB_OUTPUT": str(folder / "output"),
            "GITHUB_STEP_SUMMARY": str(folder / "summary"),
            "RUNNER_TEMP": str(folder),
        }

    def run(self, name: str) -> subprocess.CompletedProcess[str]:
        step = STEPS[name]
        assert step["shell"] == "bash"
        script = self.folder / "step.sh"
        script.write_text(step["run"], encoding="utf-8")
        given = {key: self.resolve(value) for key, value in step["env"].items()}
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)]
        return subprocess.run(
            command, cwd=self.at, env=self.environment | given, capture_output=True, text=True, timeout=200, check=False
        )

    def resolve(self, text: str) -> str:
        found = _INPUT.sub(lambda match: self.values[match[1]][match[2]], text)
        assert "${{" not in found, f"{text} is not known here"
        return found

    def outputs(self) -> dict[str, str]:
        return dict(line.split("=", 1) for line in (self.folder / "output").read_text().splitlines())


def runner(folder: Path, repository: Path, **inputs: str) -> Runner:
    command = f"{sys.executable} 'my program.py'"
    options = {"command": command, "against": "HEAD~1", "install": "none", "python": sys.executable}
    return Runner(folder, at=repository, **{**options, "report": str(folder / "report"), **inputs})


@pytest.fixture(scope="module")
def failed(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Runner, subprocess.CompletedProcess]:
    """A check of the second commit that forbids the new import."""
    folder = tmp_path_factory.mktemp("failed")
    one = runner(folder, repository, args="--exact --until exit --forbid-import sqlite3")
    installed = one.run("Install ocrprof")
    assert installed.returncode == 0, installed.stderr
    assert installed.stdout.startswith("ocrprof ")
    return one, one.run("Check")


def test_a_forbidden_import_fails_the_step_and_all_is_written_before(failed):
    one, done = failed
    assert done.returncode == 1, done.stderr
    report = read_report(one.folder / "report")
    assert isinstance(report, CheckReport)
    assert report.verdict == "regressed"
    assert one.outputs() == {"exit-code": "1", "report": str(one.folder / "report")}
    summary = (one.folder / "summary").read_text(encoding="utf-8")
    assert summary.startswith("## REGRESSED")
    assert "sqlite3" in summary
    assert any(line.startswith("::error ") and "sqlite3" in line for line in done.stdout.splitlines())
    suite = ElementTree.parse(one.folder / "report" / "junit.xml").getroot().find("testsuite")
    assert suite.findall("testcase/failure")


def test_a_change_that_is_allowed_passes(repository, tmp_path):
    one = runner(tmp_path, repository, args="--exact --until exit")
    assert one.run("Install ocrprof").returncode == 0
    done = one.run("Check")
    assert done.returncode == 0, done.stderr
    assert one.outputs()["exit-code"] == "0"
    assert not any(line.startswith("::error") for line in done.stdout.splitlines())


def test_the_first_push_of_a_branch_is_compared_with_the_commit_before(repository, tmp_path):
    """A shallow clone too: the missing commit is fetched. Nothing in an input is run."""
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", "--depth=1", repository.as_uri(), str(clone))
    one = runner(tmp_path, clone, against="0" * 40, args="--exact --until exit --forbid-import '$(touch ran)' --seed 1")
    assert one.run("Install ocrprof").returncode == 0
    done = one.run("Check")
    assert git(clone, "rev-list", "--count", "HEAD") == "2"
    assert done.returncode == 0, done.stderr
    assert not (clone / "ran").exists()


def test_a_command_that_is_unknown_ends_with_its_exit_code_and_what_to_do(repository, tmp_path):
    one = runner(tmp_path, repository, against="no-such-commit", args="--exact")
    assert one.run("Install ocrprof").returncode == 0
    done = one.run("Check")
    assert done.returncode == 2
    assert "no-such-commit" in done.stderr
    assert one.outputs()["exit-code"] == "2"


def test_a_second_attempt_counts_the_pairs_of_the_first(repository, tmp_path):
    """What the cache step would bring back lies where it put it."""
    one = runner(tmp_path, repository, args="--until exit --pairs 10:12 --time-budget 1s")
    assert one.run("Install ocrprof").returncode == 0
    one.run("Check")
    kept = tmp_path / "ocrprof-attempts" / "report.json"
    assert kept.read_bytes() == (tmp_path / "report" / "report.json").read_bytes()
    one.environment["GITHUB_RUN_ATTEMPT"] = "2"
    one.values["inputs"]["report"] = str(tmp_path / "again")
    done = one.run("Check")
    assert done.returncode in (0, 1), done.stderr
    report = read_report(tmp_path / "again")
    assert report.design.attempt == 2
    assert any("an earlier attempt" in note or "do not count" in note for note in report.notes)
    one.values["inputs"] |= {"report": str(tmp_path / "exact"), "args": "--until exit --exact"}
    assert one.run("Check").returncode == 0, "what needs no statistics has no pairs to count"


def test_the_attempt_is_cached_by_run_and_attempt_and_comes_back_by_run():
    fetch, keep = STEPS["Fetch the earlier attempt"], STEPS["Keep the attempt"]
    assert fetch["with"]["path"] == keep["with"]["path"] == "${{ runner.temp }}/ocrprof-attempts"
    assert STEPS["Check"]["env"]["OCRPROF_ATTEMPTS"] == keep["with"]["path"]
    assert fetch["with"]["key"] == keep["with"]["key"]
    assert keep["with"]["key"].startswith(fetch["with"]["restore-keys"])
    assert "github.run_attempt > 1" in fetch["if"]
    assert "always()" in keep["if"]
    assert "exit-code != '4'" in keep["if"]
    assert fetch["continue-on-error"] and keep["continue-on-error"]
    names = [step["name"] for step in ACTION["runs"]["steps"]]
    assert names.index("Fetch the earlier attempt") < names.index("Check") < names.index("Keep the attempt")


def test_the_report_is_kept_also_where_the_check_failed():
    step = STEPS["Keep the report"]
    assert "always()" in step["if"]
    assert step["uses"].startswith("actions/upload-artifact@v")
    assert step["with"]["path"].split() == ["${{", "inputs.report", "}}", "!${{", "inputs.report", "}}/runs"]


def test_every_input_that_a_step_names_is_declared():
    text = (ROOT / "action.yml").read_text(encoding="utf-8")
    named = set(re.findall(r"inputs\.([a-z_-]+)", text))
    assert named == set(ACTION["inputs"])
    assert all(one.get("required") or "default" in one for one in ACTION["inputs"].values())
    assert set(ACTION["outputs"]) == {"exit-code", "report"}


def test_words_that_cannot_be_told_apart_end_the_step_and_are_not_left_out(repository, tmp_path):
    one = runner(tmp_path, repository, args="--exact --until exit --forbid-import 'sqlite3")
    assert one.run("Install ocrprof").returncode == 0
    done = one.run("Check")
    assert done.returncode == 2
    assert "::error title=ocrprof::args is no list of words: --exact" in done.stdout
    assert not (tmp_path / "report").exists()

"""`ocrprof check` in repositories out of the ordinary: links, submodules, odd names, shallow clones, baselines."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from test_check import QUICK, Repository

from ocrprof.check_plan import CheckPlan
from ocrprof.measure.check_session import CheckSession
from ocrprof.results.model import MetricSummary
from ocrprof.results.store import read_report
from ocrprof.target import Target

READER = 'print("ocrprof: length=%d" % len(open("data/words.txt").read()))\n'


@pytest.fixture
def repository(tmp_path) -> Repository:
    return Repository(tmp_path / "repository")


def run_check(repository: Repository, *options: str, command, **variables: str):
    """As `Repository.check`, of any command."""
    output = repository.folder.parent / f"report-{time.monotonic_ns()}"
    done = subprocess.run(
        [sys.executable, "-m", "ocrprof", "check", "-o", str(output), *options, "--", *command],
        cwd=repository.folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, **variables},
    )
    return done, read_report(output) if (output / "report.json").exists() else None


def test_an_interpreter_that_is_named_from_the_working_folder_on(repository):
    """As `.venv/bin/python`, which git ignores and no worktree holds."""
    repository.commit("csv", **{"work.py": "import csv\n", ".gitignore": ".venv/\n"})
    (repository.folder / ".venv" / "bin").mkdir(parents=True)
    (repository.folder / ".venv" / "bin" / "python").symlink_to(sys.executable)
    done, report = run_check(repository, "--against", "HEAD~1", *QUICK, command=(".venv/bin/python", "main.py"))
    assert done.returncode in (0, 1), done.stderr
    assert "csv" in [one.name for change in report.exact for one in change.added]


def test_a_module_path_that_comes_by_a_link_is_each_arm_s_own(repository, tmp_path):
    """What it leads to is the checkout, under another name: both arms would load that, and nothing would differ."""
    repository.commit("src", **{"main.py": "import tool\n", "src/tool.py": ""})
    repository.commit("csv", **{"src/tool.py": "import csv\n"})
    (tmp_path / "link").symlink_to(repository.folder)
    source = str(tmp_path / "link" / "src")
    command = (sys.executable, "main.py")
    done, report = run_check(repository, "--against", "HEAD~1", *QUICK, command=command, PYTHONPATH=source)
    assert done.returncode == 1, done.stdout + done.stderr
    assert report.base.sha != report.candidate.sha
    assert "csv" in report.headline


def test_a_program_that_insists_on_a_link_to_the_checkout_is_not_comparable(repository, tmp_path):
    (tmp_path / "link").symlink_to(repository.folder)
    insists = f"import sys\nsys.path.insert(0, {str(tmp_path / 'link' / 'src')!r})\nimport tool\n"
    repository.commit("insists", **{"main.py": insists, "src/tool.py": ""})
    done, report = repository.check("--against", "HEAD", *QUICK)
    assert done.returncode == 4, done.stdout
    assert "from your checkout instead of its own tree: tool (src/tool.py)" in report.headline


def test_nothing_is_written_behind_a_link_that_a_folder_has_replaced(repository, tmp_path):
    """Git has a link to data elsewhere; here a folder of the same name stands in its place, not committed."""
    theirs, data = tmp_path / "theirs", repository.folder / "data"
    theirs.mkdir()
    (theirs / "words.txt").write_text("precious")
    data.symlink_to(theirs)
    repository.commit("link", **{"work.py": READER})
    data.unlink()
    repository.write(**{"data/words.txt": "mine"})
    done, report = repository.check("--against", "HEAD", *QUICK)
    assert (theirs / "words.txt").read_text() == "precious"
    assert done.returncode == 0, done.stdout + done.stderr
    assert report.facts.values["declared.length"] == 4
    change = next(one for one in report.exact if one.name == "declared.length")
    assert (change.base, change.candidate) == (8, 4)


def test_a_folder_where_a_file_was_and_a_file_where_a_folder_was(repository):
    repository.commit("both", **{"data": "abc", "extra/words.txt": "abcdef"})
    (repository.folder / "data").unlink()
    (repository.folder / "extra" / "words.txt").unlink()
    (repository.folder / "extra").rmdir()
    repository.write(**{"data/words.txt": "ab", "extra": "x", "work.py": READER + 'open("extra").read()\n'})
    done, _ = repository.check("--aa", *QUICK)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_link_to_data_on_another_disk_is_linked_as_it_is(repository, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    (disk / "words.txt").write_text("abc")
    repository.commit("data", **{"work.py": READER, ".gitignore": "/data\n"})
    (repository.folder / "data").symlink_to(disk)
    done, report = repository.check("--against", "HEAD", "--link", "data", *QUICK)
    assert done.returncode == 0, done.stdout + done.stderr
    assert report.facts.values["declared.length"] == 3


def test_a_submodule_can_be_linked_as_the_note_says(repository, tmp_path):
    Repository(tmp_path / "library", **{"words.txt": "abcde"})
    repository.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(tmp_path / "library"), "data")
    repository.commit("submodule", **{"work.py": READER})
    done, report = repository.check("--against", "HEAD", *QUICK)
    assert done.returncode == 5
    assert any("submodules are not checked out" in note and "--link PATH" in note for note in report.notes)
    done, report = repository.check("--against", "HEAD", "--link", "data", *QUICK)
    assert done.returncode == 0, done.stdout + done.stderr
    assert report.facts.values["declared.length"] == 5
    assert (repository.folder / "data" / "words.txt").exists()


def test_a_shallow_clone_of_both_commits_tells_nothing_of_what_lies_between(repository, tmp_path):
    """Git counts the base as a commit that the branch has not, where it does not know that it is the parent."""
    repository.git("switch", "-qc", "change")
    repository.commit("change", **{"work.py": "VALUE = 2\n"})
    clone = ["git", "clone", "-q", "--depth", "1", "--branch", "change", repository.folder.as_uri(), "clone"]
    subprocess.run(clone, cwd=tmp_path, check=True)
    repository.folder = tmp_path / "clone"
    repository.git("fetch", "-q", "--depth", "1", "origin", "main:refs/remotes/origin/main")
    done, report = repository.check("--against", "origin/main", *QUICK)
    assert done.returncode == 0, done.stderr
    assert not any("this branch has not" in note for note in report.notes)


def test_a_base_that_has_gone_on_is_told_with_where_the_branch_began(repository):
    repository.git("switch", "-qc", "change")
    repository.git("switch", "-q", "main")
    repository.commit("later", **{"work.py": "VALUE = 2\n"})
    repository.git("switch", "-q", "change")
    began = repository.git("rev-parse", "HEAD")[:12]
    _, report = repository.check("--against", "main", *QUICK)
    (note,) = [note for note in report.notes if "this branch has not" in note]
    assert note.startswith("main has 1 commit that this branch has not: what it gained")
    assert f"--against {began} " in note


def test_git_s_own_list_of_ignored_files_keeps_its_last_line(repository):
    exclude = repository.folder / ".git" / "info" / "exclude"
    exclude.write_text("*.log")
    repository.write(**{"a.log": ""})
    done, report = repository.check("--against", "HEAD", *QUICK)
    assert done.returncode == 0, done.stderr
    assert exclude.read_text() == "*.log\n/.ocrprof/\n"
    assert repository.git("status", "--porcelain") == ""
    assert any("two copies of one state are compared" in note for note in report.notes)


def test_names_that_are_no_utf_8(repository):
    Path(os.fsdecode(os.fsencode(repository.folder) + b"/caf\xe9.txt")).write_text("")
    done, report = repository.check("--against", "HEAD", *QUICK)
    assert done.returncode == 0, done.stderr
    assert any("in 1 file: caf\ufffd.txt" in note for note in report.notes)


def test_a_repository_of_another_user_is_told_as_such_and_how_git_trusts_it(repository):
    done, _ = repository.check("--against", "HEAD", *QUICK, GIT_TEST_ASSUME_DIFFERENT_OWNER="1")
    assert done.returncode == 2
    assert "git does not trust the repository" in done.stderr
    assert f"git config --global --add safe.directory {repository.folder}" in done.stderr


def test_a_repository_without_a_working_tree_is_told_as_such(repository, tmp_path):
    subprocess.run(["git", "clone", "-q", "--bare", str(repository.folder), "bare"], cwd=tmp_path, check=True)
    repository.folder = tmp_path / "bare"
    done, _ = repository.check("--against", "HEAD", *QUICK)
    assert done.returncode == 2
    assert f"{tmp_path / 'bare'} is not in the working tree of a git repository" in done.stderr


def test_a_program_that_the_base_has_not_is_not_the_checkout_s(repository):
    repository.write(**{"run.sh": f"#!/bin/sh\nexec {sys.executable} main.py\n"})
    (repository.folder / "run.sh").chmod(0o755)
    repository.commit("script")
    done, report = run_check(repository, "--against", "HEAD~1", *QUICK, command=("./run.sh",))
    assert done.returncode == 4, done.stderr
    assert report.headline == "the base (HEAD~1) has no run.sh"
    named = str(repository.folder / "run.sh")
    repository.commit("csv", **{"work.py": "import csv\n"})
    done, report = run_check(repository, "--against", "HEAD~1", *QUICK, command=(named,))
    assert done.returncode == 1, done.stdout + done.stderr
    assert "csv" in report.headline


def test_a_baseline_in_the_repository_is_no_change_of_the_program(repository):
    stored = repository.folder / "expected.json"
    options = ("--baseline", "expected.json", "--update-baseline", *QUICK)
    for _ in range(2):
        done, report = repository.check(*options)
        assert done.returncode == 0, done.stderr
        assert report.candidate.dirty is False
    assert "note: --seed has no effect here" in done.stderr
    before = stored.read_bytes()
    done, report = repository.check(*options, "--budget", "nothing<3")
    assert done.returncode == 4
    assert "baseline not written" in done.stderr
    assert stored.read_bytes() == before
    done, _ = repository.check(*options, "--remeasure")
    assert done.returncode == 2
    assert "--remeasure and --update-baseline exclude each other" in done.stderr


def test_an_exact_metric_that_decides_is_one_of_a_new_baseline_too(repository):
    stored = repository.folder.parent / "expected.json"
    options = ("--baseline", str(stored), "--runs", "1", "--metrics", "time_to_*,modules")
    done, _ = repository.check(*options, "--update-baseline")
    assert done.returncode == 0, done.stderr
    repository.commit("csv", **{"work.py": "import csv\n"})
    done, _ = repository.check(*options)
    assert done.returncode == 1, done.stderr


def test_an_exact_metric_that_decides_and_that_the_baseline_lacks_is_missing(repository):
    stored = repository.folder.parent / "expected.json"
    repository.check("--baseline", str(stored), "--update-baseline", *QUICK)
    fields = json.loads(stored.read_text())
    del fields["facts"]["counts"]["instantiations"]
    stored.write_text(json.dumps(fields))
    done, _ = repository.check("--baseline", str(stored), *QUICK)
    assert done.returncode == 0, done.stdout
    done, report = repository.check("--baseline", str(stored), "--metrics", "modules,instantiations", *QUICK)
    assert done.returncode == 4, done.stdout
    assert report.headline == "instantiations: not measured in the base"


def test_a_history_without_a_whole_line_is_told_as_such(repository, tmp_path):
    torn = tmp_path / "torn.jsonl"
    torn.write_text('{"schema": "ocrprof-history/1", "created": "20')
    done, _ = repository.check("--baseline", str(torn))
    assert done.returncode == 2
    assert "holds no session: line 1 of torn.jsonl is left out: it is cut off or damaged" in done.stderr


def test_a_repeated_job_that_needs_no_statistics_is_asked_for_no_earlier_report(repository):
    _, report = repository.check("--against", "HEAD", *QUICK, GITHUB_RUN_ATTEMPT="2")
    assert not any("--attempt" in note for note in report.notes)


def test_what_could_not_be_told_of_one_metric_hides_no_gain_of_another(repository):
    plan = CheckPlan(
        target=Target(argv=(sys.executable, "main.py"), cwd=repository.folder), output=repository.folder / "out",
        mode="against", ref="HEAD", min_effects={}, seed=1, timeout_seconds=10.0,
        fail_on=frozenset(("regression", "improvement")),
    )  # fmt: skip
    session = CheckSession(plan, progress=lambda text: None)
    verdicts = {"imports": "improved", "teardown": "inconclusive"}
    session.metrics = [MetricSummary(name=name, n=20, verdict=verdict) for name, verdict in verdicts.items()]
    report = session.report(seconds=1.0)
    assert (report.verdict, report.exit_code) == ("inconclusive", 1)


def test_a_worktree_of_the_user_s_on_a_disk_that_is_away_is_not_forgotten(repository, tmp_path):
    mine, away = tmp_path / "mine", tmp_path / "away"
    repository.git("worktree", "add", "-q", "--detach", str(mine))
    mine.rename(away)
    done, _ = repository.check("--against", "HEAD", *QUICK)
    assert done.returncode == 0, done.stderr
    away.rename(mine)
    assert subprocess.run(["git", "status"], cwd=mine, capture_output=True, check=False).returncode == 0


def test_a_worktree_that_git_does_not_take_for_one_any_more_is_removed(repository):
    place = repository.folder / ".ocrprof" / "wt" / "a"
    repository.git("worktree", "add", "-q", "--detach", str(place))
    repository.git("worktree", "lock", str(place))
    (place / ".git").write_text("gitdir: /nowhere\n")
    done, _ = repository.check("--against", "HEAD", *QUICK)
    assert done.returncode == 0, done.stderr
    assert repository.git("worktree", "list").count("\n") == 0

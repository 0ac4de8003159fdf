"""`ocrprof history` on a small program in a repository of its own: real reports, real commits, a real bisection."""

import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from ocrprof.results.bisect_hint import BisectHint
from ocrprof.results.history_file import read_histories
from ocrprof.results.model import ChangePoint, SessionRef
from ocrprof.results.store import read_report

NUM_COMMITS, PLANTED, DIRTY = 6, 4, 2
SCRIPTS = Path(sys.executable).parent


@dataclass(frozen=True)
class Project:
    """A repository of six commits, the fourth of which imports more, with reports of the first, second and last."""

    folder: Path
    reports: dict[str, Path]
    shas: list[str]

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PATH": f"{SCRIPTS}:{os.environ['PATH']}", "GIT_CONFIG_GLOBAL": "/dev/null"}
        return subprocess.run(
            argv, cwd=self.folder, capture_output=True, text=True, timeout=120, check=False, env=environment
        )

    def git(self, *arguments: str) -> str:
        identity = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")
        done = self.run("git", *identity, *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def history(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run("ocrprof", "history", *arguments)


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Project:
    root = tmp_path_factory.mktemp("history")
    made = Project(root / "project", {}, [])
    made.folder.mkdir()
    made.git("init", "-q", "-b", "main")
    (made.folder / "main.py").write_text('import work\nprint("ocrprof: samples=3")\n')
    for number in range(1, NUM_COMMITS + 1):
        more = "import csv, json\n" if number >= PLANTED else ""
        (made.folder / "work.py").write_text(f"{more}VALUE = {number}\n")
        made.git("add", "-A")
        made.git("commit", "-qm", f"Read {number} pages")
        made.shas.append(made.git("rev-parse", "HEAD"))
        if number == DIRTY:
            (made.folder / "work.py").write_text("VALUE = 22\n")
        if number in (1, DIRTY, NUM_COMMITS):
            output = made.reports[f"check {number}"] = root / f"check-{number}"
            stored = ("--baseline", str(root / "stored.json"), "--update-baseline", "--runs", "2")
            done = made.run("ocrprof", "check", *stored, "-q", "-o", str(output), "--", "python", "main.py")
            assert done.returncode == 0, done.stderr
    made.git("checkout", "-q", ".")
    output = made.reports["start"] = root / "start"
    start = ("startup", "--runs", "1", "--warmup", "0", "-q", "-o", str(output), "--", "python", "main.py")
    assert made.run("ocrprof", *start).returncode == 0
    return made


@pytest.fixture(scope="module")
def added(project) -> subprocess.CompletedProcess[str]:
    """All reports added, and one that is none in between."""
    (project.folder.parent / "other.json").write_text("{}")
    other = [project.folder.parent / "other.json"]
    first, *rest = project.reports.values()
    return project.history("add", *map(str, [first, *other, *rest]))


def test_each_report_goes_to_the_history_of_its_machine_and_workload_and_is_told_why(project, added):
    histories = read_histories(project.folder / ".ocrprof" / "history")
    kinds = {history.lines[0].kind: [line.git.sha for line in history.lines] for history in histories}
    first, dirty, last = (project.shas[number - 1] for number in (1, DIRTY, NUM_COMMITS))
    assert kinds == {"check": [first, dirty, last], "startup": [last]}
    assert "a history of its own, beside" in added.stdout
    assert "check there, startup here" in added.stdout
    assert "flagged dirty: kept, and never compared with" in added.stdout
    assert "(2 sessions, 1 to compare with)" in added.stdout


def test_what_cannot_be_read_is_said_and_keeps_nothing_out(added):
    assert added.returncode == 2
    assert "other.json is not a report of ocrprof" in added.stderr
    assert added.stdout.count("added: ") == 4


def test_adding_again_does_nothing_and_says_so(project, added):
    files = {path: path.read_bytes() for path in (project.folder / ".ocrprof/history").iterdir()}
    again = project.history("add", *map(str, project.reports.values()))
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("already there: ") == 4
    assert {path: path.read_bytes() for path in (project.folder / ".ocrprof/history").iterdir()} == files


def test_a_check_that_crashed_before_it_knew_the_machine_fails_no_later_step(project, tmp_path):
    failed = ("check", "--exact", "--forbid-import", "torch", "-q", "-o", str(tmp_path / "failed"), "--", "python")
    assert project.run("ocrprof", *failed, "-c", "raise SystemExit(3)").returncode == 5
    done = project.history("add", "--folder", str(tmp_path / "home"), str(tmp_path / "failed"))
    assert done.returncode == 0
    assert "not added: " in done.stdout
    assert not (tmp_path / "home").exists()


def test_git_overlooks_the_histories(project, added):
    assert project.git("status", "--porcelain") == ""


def checks_of(project: Project) -> Path:
    """The history that the checks went to."""
    histories = read_histories(project.folder / ".ocrprof" / "history")
    return next(one.path for one in histories if one.lines[0].kind == "check")


@pytest.fixture(scope="module")
def report(project, added):
    """The report of the checks, and its folder."""
    fingerprint = checks_of(project).stem
    output = project.folder.parent / "told"
    done = project.history("report", "--fingerprint", fingerprint[:12], "-o", str(output))
    assert done.returncode == 0, done.stderr
    return done, read_report(output), output


def test_the_change_lies_between_the_measured_commits_and_the_dirty_session_is_none_of_them(project, report):
    done, told, _ = report
    assert told.ordered_by == "commit"
    assert [session.flags for session in told.sessions] == [[], ["dirty"], []]
    (change,) = next(one for one in told.series if one.info.name == "modules").changes
    assert (change.kind, change.last_before, change.first_after) == ("regression", 0, 2)
    assert change.num_commits == NUM_COMMITS - 1
    assert [one.split(" ", 1)[1] for one in change.commits] == [f"Read {n} pages" for n in range(NUM_COMMITS, 1, -1)]
    assert "find it: ocrprof history bisect-hint modules" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_all_pages_are_written_and_a_saved_report_is_drawn_again(project, report):
    done, _, output = report
    assert {"report.json", "report.md", "report.html"} <= {one.name for one in output.iterdir()}
    again = project.run("ocrprof", "report", str(output), "-o", str(output.parent / "again"))
    assert again.returncode == 0, again.stderr
    assert again.stdout == done.stdout
    assert (output.parent / "again" / "report.md").read_text() == (output / "report.md").read_text()


def test_the_frozen_reference_is_the_last_tag_or_what_was_asked_for(project, added):
    def label(*options: str) -> str:
        output = project.folder.parent / f"frozen-{len(list(project.folder.parent.iterdir()))}"
        done = project.history("report", "imports", "-q", "-o", str(output), *options)
        assert done.returncode == 0, done.stderr
        return next(one.label for one in read_report(output).series[0].references if one.name == "frozen")

    checks = ("--fingerprint", checks_of(project).stem)
    first, last = project.shas[0][:9], project.shas[-1][:9]
    assert label(*checks) == f"the oldest ({first})"
    # Of a commit that was not measured, the last session before it.
    assert label(*checks, "--frozen", project.shas[2]) == f"{project.shas[2][:9]} ({first})"
    assert label(*checks, "--frozen", project.shas[0]) == first
    project.git("tag", "v1.0")
    assert label(*checks) == f"v1.0 ({last})"
    project.git("tag", "-d", "v1.0")
    unknown = project.history("report", *checks, "--frozen", "v9", "-o", str(project.folder.parent / "unknown"))
    assert unknown.returncode == 2
    assert "--frozen v9: no session" in unknown.stderr


def test_the_printed_commands_find_the_planted_commit(project, report):
    hint = project.history("bisect-hint", "modules", "-q", "--fingerprint", report[1].fingerprint)
    assert hint.returncode == 0, hint.stderr
    start, run, reset = hint.stdout.splitlines()
    assert start == f"git bisect start {project.shas[-1]} {project.shas[0]}"
    assert project.run("sh", "-c", start).returncode == 0
    found = project.run("sh", "-c", run)
    assert project.run("sh", "-c", reset).returncode == 0
    assert f"{project.shas[PLANTED - 1]} is the first bad commit" in found.stdout, found.stdout + found.stderr
    assert project.git("status", "--porcelain") == ""


def test_a_check_compares_with_the_last_sessions_of_a_history_that_are_not_flagged(project, report):
    path = checks_of(project)
    output = project.folder.parent / "against-history"
    options = ("--baseline", str(path), "--runs", "1", "-o", str(output))
    done = project.run("ocrprof", "check", *options, "--", "python", "main.py")
    assert done.returncode == 0, done.stderr
    checked = read_report(output)
    assert [one.sha for one in checked.sessions] == [project.shas[0], project.shas[-1]]
    assert f"the last 2 of 3 sessions of {path.name}" in checked.notes
    assert {one.name for one in checked.metrics} >= {"time_to_exit", "imports"}
    kept = path.read_bytes()
    refused = project.run("ocrprof", "check", *options[:2], "--update-baseline", "--", "python", "main.py")
    assert refused.returncode == 2
    assert "would write over a history" in refused.stderr
    assert path.read_bytes() == kept


def test_a_history_of_another_machine_is_told_as_such(project, report, tmp_path):
    path = checks_of(project)
    (tmp_path / path.name).write_text(path.read_text().replace('"cores_usable":', '"cores_usable":1000'))
    done = project.history("report", "--folder", str(tmp_path), "-o", str(tmp_path / "told"))
    assert done.returncode == 0, done.stderr
    assert "no session is of this machine (cores_usable: 1000" in done.stdout
    assert project.history("report", "--folder", str(tmp_path / "empty")).returncode == 2


def test_in_another_repository_the_order_is_that_of_time_and_only_shas_are_named(report, project, tmp_path):
    other = Project(tmp_path / "other", {}, [])
    other.folder.mkdir()
    other.git("init", "-q")
    home = str(project.folder / ".ocrprof/history")
    output = tmp_path / "told"
    done = other.history(
        "report", "modules", "--folder", home, "--fingerprint", report[1].fingerprint, "-o", str(output)
    )
    assert done.returncode == 0, done.stderr
    told = read_report(output)
    assert told.ordered_by == "time"
    assert "git does not know all of these commits" in " ".join(told.notes)
    assert f"between {project.shas[0][:9]} and {project.shas[-1][:9]}" in done.stdout


def hint(folder: str = ".", argv: tuple[str, ...] = ("python", "main.py")) -> list[str]:
    """The words of the command that bisect runs, of a hint for two commits."""
    change = ChangePoint(
        kind="regression", ratio=None, before=1, after=2, num_before=1, num_after=1, last_before=0, first_after=1,
        surely_before=0, surely_after=1,
    )  # fmt: skip
    good, bad = (SessionRef(id=sha, created="", sha=sha) for sha in ("c0ffee", "beef00"))
    made = BisectHint(metric="modules", good=good, bad=bad, change=change, options=("--exact",), num_pairs=None, why="")
    return shlex.split(made.commands(argv, folder=folder)[1])[3:]


def stand_in(folder: Path, script: str) -> dict[str, str]:
    """An environment in which `ocrprof` is this script: what bisect makes of a check is looked at, not the check."""
    program = folder / "ocrprof"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return {"PATH": f"{folder}:/usr/bin:/bin", "TMPDIR": str(folder)}


@pytest.mark.parametrize(
    ("code", "told"), [(0, 0), (1, 1), (3, 125), (4, 125), (5, 125), (124, 125), (2, 255), (130, 255)]
)
def test_the_exit_codes_of_a_check_become_those_of_bisect(code, told, tmp_path):
    done = subprocess.run(hint(), env=stand_in(tmp_path, f"exit {code}"), check=False)
    assert done.returncode == told


def test_arguments_arrive_as_they_were_and_in_their_folder(tmp_path):
    (tmp_path / "sub folder").mkdir()
    environment = stand_in(tmp_path, 'pwd > told\nfor one in "$@"; do echo "$one" >> told; done')
    command = hint("sub folder", ("python", "it's a 'name'.py"))
    assert subprocess.run(command, cwd=tmp_path, env=environment, check=False).returncode == 0
    told = (tmp_path / "sub folder" / "told").read_text().splitlines()
    assert told[0] == str(tmp_path / "sub folder")
    assert told[-2:] == ["python", "it's a 'name'.py"]

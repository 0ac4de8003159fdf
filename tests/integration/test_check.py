"""`ocrprof check` on small programs in git repositories of their own: the standard library only, no torch."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ocrprof.results.model import CheckReport
from ocrprof.results.store import read_report

MAIN = 'import work\nprint("ocrprof: samples=3")\n'
BUSY = "import time\nend = time.process_time() + {seconds}\nwhile time.process_time() < end:\n    pass\n"
QUICK = ("--exact", "--seed", "1")


class Repository:
    """A git repository in a temporary folder."""

    def __init__(self, folder: Path, **files: str) -> None:
        self.folder = folder
        folder.mkdir()
        self.git("init", "-q", "-b", "main")
        self.commit("first", **{"main.py": MAIN, "work.py": "VALUE = 1\n", **files})

    def git(self, *arguments: str) -> str:
        identity = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")
        done = subprocess.run(
            ["git", *identity, *arguments], cwd=self.folder, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def write(self, **files: str) -> None:
        for name, text in files.items():
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_text(text)

    def commit(self, subject: str, **files: str) -> None:
        self.write(**files)
        self.git("add", "-A")
        self.git("commit", "-qm", subject)

    def check(self, *options: str, command=("main.py",), timeout=120, **variables: str):
        """The finished process, and its report where there is one."""
        output = self.folder.parent / f"report-{time.monotonic_ns()}"
        argv = [sys.executable, "-m", "ocrprof", "check", "-o", str(output), *options, "--", sys.executable, *command]
        done = subprocess.run(
            argv,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            env={**os.environ, **variables},
        )
        report = read_report(output) if (output / "report.json").exists() else None
        return done, report


@pytest.fixture
def repository(tmp_path) -> Repository:
    return Repository(tmp_path / "repository")


@pytest.fixture(scope="module")
def slower(tmp_path_factory) -> tuple[subprocess.CompletedProcess[str], CheckReport, Repository]:
    """A busy loop that takes 200 ms instead of 30 in an import, and one more module of the standard library.

    So much that a machine which holds up a launch or two by a tenth of a second does not hide it.
    """
    repository = Repository(tmp_path_factory.mktemp("slower") / "repository", **{"work.py": BUSY.format(seconds=0.03)})
    repository.git("switch", "-qc", "change")
    repository.commit("slower", **{"work.py": "import csv\n" + BUSY.format(seconds=0.2)})
    done, report = repository.check("--against", "main", "--pairs", "10:10", "--seed", "7")
    return done, report, repository


def test_a_slower_import_is_a_regression_and_named(slower):
    done, report, _ = slower
    assert done.returncode == 1, done.stderr
    assert report.verdict == "regressed"
    # One module more is torn down, too: a millisecond, and more than the floor of 5 where the machine is held up.
    regressed = {one.name for one in report.metrics if one.verdict == "regressed"}
    assert regressed - {"teardown"} == {"imports", "time_to_exit"}
    slowdown = next(one for one in report.metrics if one.name == "imports")
    assert slowdown.ratio > 1.3
    assert slowdown.p_fw <= 0.01
    assert "REGRESSED" in done.stdout
    assert report.headline.startswith("time_to_exit +")


def test_pairs_are_balanced_and_every_launch_is_kept(slower):
    _, report, _ = slower
    timed = [one for one in report.launches if one.pair]
    assert len(timed) == 20
    assert sorted(report.design.order) == [-1] * 5 + [1] * 5
    for pair, sign in enumerate(report.design.order, start=1):
        both = sorted((one for one in timed if one.pair == pair), key=lambda one: one.position)
        assert [one.arm for one in both] == (["base", "candidate"] if sign > 0 else ["candidate", "base"])
    assert all("involuntary_switches" in one.covariates for one in timed)


def test_modules_gained_are_told_as_a_set_with_the_line_of_the_program_behind_them(slower):
    _, report, _ = slower
    modules = next(one for one in report.exact if one.name == "modules")
    assert modules.verdict == "regressed"
    assert "csv" in [one.name for one in modules.added]
    assert {(one.location.file, one.location.line) for one in modules.added} == {("work.py", 1)}
    assert report.facts.values["declared.samples"] == 3


def test_the_worktrees_are_gone_and_git_overlooks_what_is_left(slower):
    _, _, repository = slower
    assert repository.git("worktree", "list").count("\n") == 0
    assert repository.git("status", "--porcelain") == ""
    assert not (repository.folder / ".gitignore").exists()


def test_every_file_is_there_although_the_check_failed(slower):
    done, report, repository = slower
    folder = next(one for one in repository.folder.parent.glob("report-*"))
    assert {"report.json", "report.md", "report.html", "junit.xml"} <= {one.name for one in folder.iterdir()}
    assert json.loads((folder / "report.json").read_text())["exit_code"] == done.returncode == report.exit_code


def test_equal_code_passes(repository):
    """All that is promised of noise is that it fails no more than alpha of all checks, so alpha is one in 2000 here."""
    repository.commit("a comment", **{"work.py": "VALUE = 1  # one\n"})
    rare = ("--pairs", "14:14", "--alpha", "0.0005")
    done, report = repository.check("--against", "HEAD~1", *rare, "--seed", "3")
    assert done.returncode == 0, done.stdout
    assert report.verdict in ("ok", "inconclusive", "improved")
    assert all(one.verdict == "ok" for one in report.exact)


def test_an_arm_is_never_measured_on_the_files_of_the_checkout(repository):
    """As by an editable install: something else than PYTHONPATH puts the checkout's `src` on the module path."""
    repository.commit("src", **{"main.py": "import package\n", "src/package.py": "VALUE = 1\n"})
    repository.commit("csv", **{"src/package.py": "import csv\nVALUE = 2\n"})
    site = repository.folder.parent / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(f"import sys\nsys.path.append({str(repository.folder / 'src')!r})\n")
    done, report = repository.check("--against", "HEAD~1", *QUICK, PYTHONPATH=str(site))
    assert done.returncode == 1, done.stdout + done.stderr
    assert "src of each worktree was put on PYTHONPATH" in " ".join(report.notes)
    modules = next(one for one in report.exact if one.name == "modules")
    assert {one.location.file for one in modules.added} == {"src/package.py"}


def test_a_program_that_insists_on_the_checkout_is_not_comparable(repository):
    path = str(repository.folder / "src")
    repository.commit(
        "src",
        **{"main.py": f"import sys\nsys.path.insert(0, {path!r})\nimport package\n", "src/package.py": "VALUE = 1\n"},
    )
    done, report = repository.check("--against", "HEAD", *QUICK)
    assert done.returncode == 4
    assert report.verdict == "not_comparable"
    assert "loads 1 files from your checkout instead of its own tree: package (src/package.py)" in report.headline


def test_a_program_from_elsewhere_is_not_comparable(repository):
    done, report = repository.check("--against", "HEAD", *QUICK, command=("-c", "import json"))
    assert done.returncode == 4
    assert "loads no file of" in report.headline


def test_uncommitted_changes_are_measured_and_told(repository):
    repository.write(**{"work.py": "import more\n", "more.py": "import csv\n"})
    repository.write(**{"reports/check_20260101T120000Z/report.json": "{}"})
    done, report = repository.check("--against", "HEAD", *QUICK)
    assert done.returncode == 1, done.stdout
    assert report.candidate.dirty
    assert not report.base.dirty
    assert "the working tree differs from its commit in 2 files: more.py, work.py" in report.notes
    own = next(one for one in report.exact if one.name == "own_modules")
    assert [one.name for one in own.added] == ["more"]


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        (("--forbid-import", "csv"), 1, "no csv before exit"),
        (("--forbid-import", "sqlite3"), 0, "no sqlite3 before exit"),
        (("--budget", "modules<=3"), 1, "modules<=3"),
        (("--budget", "modules<=900", "--budget", "declared.samples<=3"), 0, "modules<=900"),
        (("--budget", "nothing<1s"), 4, "nothing called nothing was measured"),
    ],
)
def test_limits_need_nothing_to_compare_with(repository, options, code, told):
    repository.commit("csv", **{"work.py": "import csv\n"})
    done, report = repository.check(*QUICK, *options)
    assert done.returncode == code, done.stdout + done.stderr
    assert any(told in f"{one.text} {one.reason}" for one in report.budgets)
    assert not report.launches[0].values


def test_a_budget_may_be_a_multiple_of_a_bare_import(repository):
    repository.commit("csv", **{"work.py": "import csv\n" + BUSY.format(seconds=0.2)})
    stored = repository.folder.parent / "stored.json"
    options = ("--baseline", str(stored), "--update-baseline", "--runs", "1", "--budget", "imports<=1.2*import:csv")
    done, report = repository.check(*options)
    budget = report.budgets[0]
    assert done.returncode == 1
    assert budget.kept is False
    assert 0 < budget.limit < budget.value
    assert "of a bare import csv" in budget.reason


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--against", "nowhere"), "git knows no commit nowhere"),
        (("--against", "HEAD", "--aa"), "exclude each other"),
        (("--against", "HEAD", "--pairs", "8:28"), "8 pairs can never"),
        (("--against", "HEAD", "--budget", "what"), "is not METRIC<LIMIT"),
        (("--against", "HEAD", "--probe", "error", "--loop"), "exclude each other"),
        (("--against", "HEAD", "--link", "nothing"), "no such path"),
        (("--baseline", "nowhere.json"), "cannot read nowhere.json"),
        ((), "nothing to compare with"),
    ],
)
def test_what_cannot_be_checked_is_said_before_anything_is_measured(repository, options, message):
    done, report = repository.check(*options)
    assert done.returncode == 2
    assert message in done.stderr
    assert report is None


@pytest.mark.parametrize("more", [("--exact",), ("--pairs", "10:10")])
def test_a_gate_that_names_no_metric_is_no_gate(repository, more):
    done, _ = repository.check("--against", "HEAD", "--metrics", "time_to_*,eager_package", *more)
    assert done.returncode == 2
    assert "no metric is called" in done.stderr
    assert "eager_packages" in done.stderr
    assert "pair 2 of" not in done.stderr


def test_a_shallow_clone_is_told_how_to_get_the_commit(repository, tmp_path):
    repository.commit("second", **{"work.py": "VALUE = 2\n"})
    old = repository.git("rev-parse", "HEAD~1")
    subprocess.run(
        ["git", "clone", "-q", "--depth", "1", repository.folder.as_uri(), "clone"], cwd=tmp_path, check=True
    )
    repository.folder = tmp_path / "clone"
    done, _ = repository.check("--against", old, *QUICK)
    assert done.returncode == 2
    assert "which is shallow" in done.stderr
    assert "fetch-depth: 0" in done.stderr


def test_what_a_killed_check_left_behind_is_removed(repository):
    home = repository.folder / ".ocrprof"
    for name in ("a", "b"):
        repository.git("worktree", "add", "-q", "--detach", str(home / "wt" / name))
    (home / "wt" / "a" / "work.py").write_text("raise SystemExit(3)\n")
    (home / "lock").write_text("999999999")
    done, _ = repository.check("--against", "HEAD", *QUICK)
    assert done.returncode == 0, done.stderr
    assert repository.git("worktree", "list").count("\n") == 0


def test_a_second_check_in_the_same_repository_is_refused(repository):
    (repository.folder / ".ocrprof").mkdir()
    with (repository.folder / ".ocrprof" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("4711")
        lock.flush()
        done, _ = repository.check("--against", "HEAD", *QUICK)
    assert done.returncode == 2
    assert "another check (process 4711) is at work" in done.stderr


def test_the_arm_that_crashes_is_named_with_its_last_words(repository):
    repository.commit("broken", **{"work.py": "raise RuntimeError('this does not work')\n"})
    done, report = repository.check("--against", "HEAD~1", *QUICK)
    assert done.returncode == report.exit_code == 5
    assert report.verdict == "failed"
    assert "the candidate (HEAD) crashed in launch 2, exit code 1" in report.headline
    assert "this does not work" in report.headline
    assert "this does not work" in " ".join(report.launches[-1].stderr_tail)


def test_a_launch_that_takes_too_long_ends_the_check(repository):
    repository.commit("slow", **{"work.py": "import time\ntime.sleep(60)\n"})
    done, report = repository.check("--against", "HEAD", "--timeout", "2", *QUICK)
    assert done.returncode == report.exit_code == 124
    assert "the base (HEAD) did not come to an end within the time limit in launch 1" in report.headline


def test_an_arm_that_does_less_work_is_no_improvement(repository):
    repository.commit("less", **{"main.py": MAIN.replace("samples=3", "samples=2")})
    done, report = repository.check("--against", "HEAD~1", *QUICK)
    assert done.returncode == 5
    assert "the two do not do the same work: samples, as the program declares: 2 in the candidate, 3" in report.headline


def test_ignored_data_are_linked_into_both_worktrees(repository):
    repository.commit("data", **{"work.py": "open('data/words.txt').read()\n", ".gitignore": "data/\n"})
    repository.write(**{"data/words.txt": "a"})
    done, report = repository.check("--against", "HEAD", *QUICK)
    assert done.returncode == 5
    assert any("so data is not there: --link PATH links yours into both" in note for note in report.notes)
    done, _ = repository.check("--against", "HEAD", "--link", "data", *QUICK)
    assert done.returncode == 0, done.stdout


def test_of_a_folder_that_git_has_a_part_of_the_rest_is_linked(repository):
    repository.write(**{"data/.gitkeep": ""})
    repository.commit(
        "data", **{"work.py": "open('data/words.txt').read()\n", ".gitignore": "data/*\n!data/.gitkeep\n"}
    )
    repository.write(**{"data/words.txt": "a"})
    done, _ = repository.check("--against", "HEAD", "--link", "data", *QUICK)
    assert done.returncode == 0, done.stdout


def test_a_stored_report_holds_modules_to_what_they_were(repository):
    stored = repository.folder.parent / "expected.json"
    options = ("--baseline", str(stored), *QUICK)
    done, _ = repository.check(*options, "--update-baseline")
    assert done.returncode == 0, done.stderr
    assert f"baseline written: {stored}" in done.stderr
    done, report = repository.check(*options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert report.design.mode == "exact"
    repository.commit("csv", **{"work.py": "import csv\n"})
    done, report = repository.check(*options)
    assert done.returncode == 1
    assert report.base.sha == repository.git("rev-parse", "HEAD~1")
    assert "--update-baseline" in done.stderr
    done, report = repository.check(*options, "--remeasure")
    assert done.returncode == 1
    assert report.design.mode == "exact"
    assert report.candidate.sha == repository.git("rev-parse", "HEAD")


def test_another_machine_and_another_python_are_refused_field_by_field(repository):
    stored = repository.folder.parent / "expected.json"
    repository.check("--baseline", str(stored), "--update-baseline", "--runs", "2")
    fields = json.loads(stored.read_text())
    fields["fingerprint"]["refuse"]["cpu"] = "Another CPU"
    fields["fingerprint"]["treatment"]["python"] = "2.7"
    stored.write_text(json.dumps(fields))
    done, report = repository.check("--baseline", str(stored), "--runs", "2")
    assert done.returncode == 4
    assert {one.name for one in report.mismatches if one.tier == "refuse"} == {"cpu", "python"}
    assert "cpu: Another CPU there" in report.headline
    assert "python: 2.7 there" in report.headline
    done, report = repository.check("--baseline", str(stored), *QUICK, "--deps-under-test")
    assert done.returncode == 0, done.stdout
    assert {one.tier for one in report.mismatches} == {"warn", "treatment"}


def test_one_stored_session_says_what_it_cannot_see(repository):
    stored = repository.folder.parent / "expected.json"
    repository.check("--baseline", str(stored), "--update-baseline", "--runs", "2")
    done, report = repository.check("--baseline", str(stored), "--runs", "3")
    assert done.returncode == 0, done.stdout
    assert {one.verdict for one in report.metrics} == {"reported"}
    assert "times are only told" in " ".join(report.notes)
    assert report.fingerprint.record["reference_seconds"]["loop"] > 0


def test_a_check_of_a_commit_with_itself_never_fails(repository):
    repository.commit("busy", **{"work.py": BUSY.format(seconds=0.02)})
    done, report = repository.check("--aa", "--pairs", "10:10", "--min-effect", "0.1%", "--seed", "5")
    assert done.returncode == 0
    assert report.design.mode == "aa"
    assert "identical code: pairs differ by" in report.headline
    assert report.base.sha == report.candidate.sha


def test_an_interrupt_keeps_what_was_measured(repository):
    repository.commit("busy", **{"work.py": BUSY.format(seconds=0.05)})
    output = repository.folder.parent / "interrupted"
    argv = [sys.executable, "-m", "ocrprof", "check", "-o", str(output), "--against", "HEAD", "--", sys.executable]
    with subprocess.Popen(
        [*argv, "main.py"], cwd=repository.folder, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as process:
        for line in process.stderr:
            if "pair 2 of" in line:
                process.send_signal(signal.SIGINT)
                break
        process.stderr.read()
    assert process.returncode == 130
    report = read_report(output)
    assert report.interrupted
    assert [one.pair for one in report.launches if one.pair][:2] == [1, 1]
    assert repository.git("worktree", "list").count("\n") == 0


READING = """
from pathlib import Path

KEEP = True
KEPT = {}


def read(path):
    return path.read_bytes()


def page(path):
    if not KEEP or path not in KEPT:
        KEPT[path] = read(path)
    return KEPT[path]


for _ in range(2):
    for path in sorted(Path("pages").glob("*.png")):
        page(path)
"""
TRAINING = """
import torch
from torch.utils.data import DataLoader


class Descent(torch.optim.Optimizer):
    # torch's own methods of these names load its compiler, half of a start.
    def add_param_group(self, group):
        self.param_groups.append({"params": list(group["params"])})

    @torch.no_grad()
    def step(self):
        for weight in self.param_groups[0]["params"]:
            weight -= 0.1 * weight.grad
            weight.grad = None


model = torch.nn.Linear(8, 1)
optimizer = Descent(model.parameters(), {})
for _ in range(2):
    for pages in DataLoader(torch.ones(8, 3, 8, 8), batch_size=4):
        model(pages).mean().backward()
        optimizer.step()
"""


def test_a_cache_that_is_no_longer_asked_shows_by_images_opened_again_and_calls(repository):
    pages = {f"pages/{index}.png": "." for index in range(8)}
    repository.commit("pages", **{"main.py": READING, **pages})
    repository.commit("tidy up", **{"main.py": READING.replace("KEEP = True", "KEEP = False")})
    done, report = repository.check("--against", "HEAD~1", "--until", "exit", *QUICK)
    assert done.returncode == 1, done.stdout + done.stderr
    changes = {one.name: one for one in report.exact}
    again = changes["images_opened_again"]
    assert (again.verdict, again.base, again.candidate) == ("regressed", 0, 8)
    assert [one.name for one in again.added] == ["pages"]
    assert changes["calls"].verdict == "changed"
    assert [(one.name, one.detail) for one in changes["calls"].added] == [("main.py:read", "8 → 16")]


def test_what_varies_by_itself_is_told_and_the_rest_still_judged(repository):
    varying = """
from pathlib import Path
if Path("seen").exists():
    import wave
Path("seen").touch()
"""
    repository.commit("varying", **{"work.py": varying})
    repository.commit("asyncio", **{"work.py": varying + "import asyncio\n"})
    done, report = repository.check("--against", "HEAD~1", *QUICK)
    assert done.returncode == 1, done.stdout + done.stderr
    modules = next(one for one in report.exact if one.name == "modules")
    assert modules.verdict == "regressed"
    assert "asyncio" in [one.name for one in modules.added]
    assert "modules/wave" in report.facts.unsteady
    assert any("two launches of one state differ" in note and "modules/wave" in note for note in report.notes)


FORKING = """
import multiprocessing
from pathlib import Path


def read(path):
    return path.read_bytes()


child = multiprocessing.get_context("fork").Process(target=read, args=(Path("pages/0.png"),))
child.start()
child.join()
read(Path("pages/0.png"))
"""


def test_what_forked_workers_open_and_call_counts_too(repository):
    repository.commit("workers", **{"main.py": FORKING, "pages/0.png": "."})
    done, report = repository.check("--against", "HEAD", "--until", "exit", *QUICK)
    assert done.returncode == 0, done.stdout + done.stderr
    assert report.facts.values["images_opened"] == 2
    assert report.facts.counts["images_opened_again"] == {"pages": 1}
    assert report.facts.counts["calls"] == {"main.py:read": 2}


def test_loader_steps_and_memory_are_metrics_of_a_loop(repository):
    repository.commit("training", **{"main.py": TRAINING})
    stored = repository.folder.parent / "loop.json"
    options = ("--baseline", str(stored), "--update-baseline", "--loop", "--runs", "1")
    done, report = repository.check(*options, timeout=250, OMP_NUM_THREADS="1")
    assert done.returncode == 0, done.stderr
    values = report.launches[-1].values
    assert {"time_to_exit", "time_to_first_step", "imports", "teardown", "peak_rss"} <= values.keys()
    assert 0 < values["train.fetch"] < values["train.batch"] < values["time_to_first_step"] < values["time_to_exit"]
    assert len(report.launches[-1].within["train.batch"]) == 3
    assert report.facts.values["parameters"] == 9
    assert report.facts.values["train_samples"] == 16
    assert report.facts.sets["batch_shapes"] == {"train 3×8×8": None}


def test_pairs_end_where_the_time_budget_does(repository):
    """It is over before the first pair, on the quickest machine, and two pairs are run all the same."""
    done, report = repository.check("--against", "HEAD", "--time-budget", "100ms", "--drop-steal", "90%")
    assert done.returncode == 0, done.stdout
    assert len(report.design.order) == 2
    assert report.design.stopped_because == "two more pairs would not fit into the 100 ms of --time-budget"
    assert report.verdict == "inconclusive"
    done, report = repository.check(
        "--against", "HEAD", "--time-budget", "100ms", "--fail-on", "inconclusive", "--metrics", "time_to_*"
    )
    assert done.returncode == 3
    assert {one.name for one in report.metric_infos if one.gated} == {"time_to_exit"}

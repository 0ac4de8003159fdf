"""`ocrprof compare` on two measured starts of a program, of which the second one imports one package more."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from recording import TARGETS

from ocrprof.results.model import ComparisonReport
from ocrprof.results.store import read_report

SCRIPT = TARGETS / "stdlib_script.py"


def ocrprof(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ocrprof", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=200, check=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`old` and `new`, reports of the same file before and after it grew a line."""
    folder = tmp_path_factory.mktemp("compare")
    program = folder / "program.py"
    text = SCRIPT.read_text(encoding="utf-8")
    for name, source in (("old", text), ("new", text.replace("import json\n", "import json\nimport sqlite3\n"))):
        program.write_text(source, encoding="utf-8")
        done = ocrprof("startup", "-q", "--runs", "3", "-o", str(folder / name), "--", sys.executable, str(program))
        assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def compared(folder: Path) -> tuple[ComparisonReport, str]:
    done = ocrprof("compare", "old", "new", "-o", "compared", cwd=folder)
    assert done.returncode == 0, done.stderr
    return read_report(folder / "compared"), done.stdout


def test_the_new_import_is_a_cause_with_its_line_and_all_that_came_with_it(folder, compared):
    report, _ = compared
    cause = next(one for one in report.breakdowns[0].causes if one.name == "sqlite3")
    assert cause.kind == "gained"
    assert cause.phase == "imports"
    assert cause.seconds > 0
    line = (folder / "program.py").read_text(encoding="utf-8").splitlines().index("import sqlite3") + 1
    assert (Path(cause.location.file).name, cause.location.line) == ("program.py", line)
    assert {"sqlite3", "_sqlite3", "datetime"} <= {part.name for part in cause.parts}


def test_the_causes_add_up_to_the_difference_of_the_medians(compared):
    breakdown = compared[0].breakdowns[0]
    total = round(breakdown.candidate_seconds * 1e9) - round(breakdown.base_seconds * 1e9)
    assert sum(round(cause.seconds * 1e9) for cause in breakdown.causes) == total
    assert (breakdown.num_base, breakdown.num_candidate) == (3, 3)
    assert breakdown.difference_ci95 is not None


def test_only_what_was_added_came(compared):
    report, _ = compared
    assert {"sqlite3", "sqlite3.dbapi2", "_sqlite3"} <= {item.name for item in report.added["modules"]}
    assert "modules" not in report.removed
    assert report.mismatches == []


def test_the_terminal_leads_with_the_difference_and_names_the_import(compared):
    _, text = compared
    assert text.startswith("ocrprof compare · startup\ntime to exit ")
    assert "new import: sqlite3" in text
    assert "program.py:" in text
    assert max(map(len, text.splitlines())) <= 80


def test_a_comparison_is_drawn_again_as_it_was(folder, compared):
    again = ocrprof("report", "compared", "-o", "again", cwd=folder)
    assert again.returncode == 0, again.stderr
    assert again.stdout == compared[1]
    for name in ("report.json", "report.md", "report.html"):
        assert (folder / "again" / name).read_bytes() == (folder / "compared" / name).read_bytes()


def test_three_runs_can_never_fail_the_gate(folder):
    done = ocrprof("compare", "old", "new", "--gate", "-o", "gated", cwd=folder)
    assert done.returncode == 0, done.stderr
    report = read_report(folder / "gated")
    assert report.judged[0].p_fw >= 1 / 20
    assert report.verdict in ("ok", "inconclusive")
    assert "exact one-sided rank-sum test" in " ".join(done.stdout.split())


def test_the_least_effect_is_a_share_as_in_a_check(folder, tmp_path):
    done = ocrprof("compare", "old", "new", "--gate", "--min-effect", "20%", "-o", str(tmp_path / "gated"), cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "20 %" in read_report(tmp_path / "gated").test
    for given, message, hint in (
        ("500%", "--min-effect 500%: has to lie between 0 and 1", "5% or 0.05, say"),
        ("5", "--min-effect 5: is that 5 % or as many times?", "--min-effect 5%"),
    ):
        refused = ocrprof("compare", "old", "new", "--gate", "--min-effect", given, "-o", "refused", cwd=folder)
        assert refused.returncode == 2
        assert message in refused.stderr
        assert f"hint:  {hint}" in refused.stderr
    assert not (folder / "refused").exists()


@pytest.mark.parametrize("options", [("--min-effect", "5%"), ("--allow-mismatch",)])
def test_what_the_judgement_alone_would_use_is_refused_without_one(folder, tmp_path, options):
    done = ocrprof("compare", "old", "new", *options, "-o", str(tmp_path / "compared"), cwd=folder)
    assert done.returncode == 2
    assert f"{options[0]}: without --gate nothing is judged" in " ".join(done.stderr.split())
    assert not (tmp_path / "compared").exists()


def test_what_is_no_report_of_the_same_kind_is_refused(folder, tmp_path):
    (tmp_path / "other.json").write_text("{}")
    fields = json.loads((folder / "old" / "report.json").read_text(encoding="utf-8"))
    (tmp_path / "older.json").write_text(json.dumps({**fields, "schema": "ocrprof/0"}))
    saved = Path(__file__).parents[1] / "golden" / "saved" / "first_doctor.json"
    for other, exit_code, message in (
        (tmp_path / "other.json", 2, "is not a report of ocrprof"),
        (tmp_path / "older.json", 2, "is of schema ocrprof/0"),
        (tmp_path / "nowhere", 2, "cannot read"),
        (saved, 4, "kind startup cannot be compared with one of kind doctor"),
    ):
        done = ocrprof("compare", "old", str(other), "-o", str(tmp_path / "out"), cwd=folder)
        assert done.returncode == exit_code
        assert message in done.stderr
        assert "hint:" in done.stderr
    assert not (tmp_path / "out").exists()

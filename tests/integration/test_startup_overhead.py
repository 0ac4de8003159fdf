"""`ocrprof startup --check-overhead`: pairs of runs, of which one records nothing but its milestones."""

import json
from concurrent.futures import ThreadPoolExecutor

from recording import PYTHON, TARGETS, Recorded, record
from test_cli import ocrprof, report_in


def test_the_overhead_is_measured_by_pairs_of_further_runs(tmp_path):
    result = ocrprof("startup", "--runs", "3", "--check-overhead", "-o", "out", "--", PYTHON,
                     str(TARGETS / "stdlib_script.py"), cwd=tmp_path)  # fmt: skip
    assert result.returncode == 0, result.stderr
    report = report_in(tmp_path / "out")
    overhead = report["overhead"]
    assert len(overhead["pairs"]) == overhead["difference_seconds"]["n"] == 3
    assert overhead["stopped_by"] is None
    assert len(report["runs"]) == 4
    assert f"seed {overhead['seed']}" in " ".join(result.stdout.split())


def test_the_check_ends_at_a_run_that_fails_and_so_does_the_exit_code(tmp_path):
    script = "import os, sys; sys.exit(os.environ.get('OCRPROF_LEVEL') == 'bare')"
    result = ocrprof("startup", "--runs", "2", "--check-overhead", "-o", "out", "--", PYTHON, "-c", script,
                     cwd=tmp_path)  # fmt: skip
    assert result.returncode == 5
    assert report_in(tmp_path / "out")["overhead"]["stopped_by"] == "crashed"
    assert "overhead not measured" in " ".join(result.stdout.split())


def test_a_bare_run_reaches_its_milestone_without_a_record_of_loads_or_spans(tmp_path):
    def bare(until: str) -> Recorded:
        return record(tmp_path / until, PYTHON, "-m", "tabular.app", until=until, cwd=TARGETS / "tabular",
                      settings={"OCRPROF_LEVEL": "bare"})  # fmt: skip

    milestones = ("imports", "config", "model", "data", "first-batch", "first-step")
    with ThreadPoolExecutor(2) as pool:  # they import, and nothing of it is timed
        for until, recorded in zip(milestones, pool.map(bare, milestones), strict=True):
            assert recorded.outcome.status == "reached", until
            assert {one["k"] for one in recorded.records} == {"process", "mark", "milestone", "end"}, until


def test_a_bare_run_leaves_the_program_as_it_is(tmp_path):
    recorded = record(tmp_path / "run", PYTHON, str(TARGETS / "stdlib_script.py"), settings={"OCRPROF_LEVEL": "bare"})
    assert recorded.outcome.status == "reached"
    assert "wave" in json.loads(recorded.stdout)

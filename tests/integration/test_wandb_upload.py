"""W&B upload: real and offline, absent, hanging, failing; never more than an outcome, never longer than its limit."""

import json
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

from ocrprof.renderers.markdown import baseline_markdown
from ocrprof.renderers.wandb import UploadOutcome, has_credentials, logged_values, upload
from ocrprof.results.store import write_report

sys.path.insert(0, str(Path(__file__).parent.parent / "unit"))
from reports_fixture import baseline_report, crashed_report, startup_report

ROOT = Path(__file__).parents[2]
KEY = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def report_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "report"
    folder.mkdir()
    write_report(baseline_report(), folder)
    (folder / "report.md").write_text(baseline_markdown(baseline_report()), encoding="utf-8")
    return folder


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The caller's, without its W&B settings and key; whatever W&B stores stays in the test's folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("WANDB", "NETRC"))}
    folders = {f"WANDB_{name}_DIR": str(tmp_path / name) for name in ("DATA", "CACHE", "CONFIG", "ARTIFACT")}
    return {**kept, **folders, "HOME": str(tmp_path)}


def fake_wandb(tmp_path: Path, environment: dict[str, str], code: str) -> dict[str, str]:
    folder = tmp_path / "fake"
    folder.mkdir()
    (folder / "wandb.py").write_text(textwrap.dedent(code), encoding="utf-8")
    return {**environment, "PYTHONPATH": str(folder)}


def is_running(pid: int) -> bool:
    """Whether it still works; one that has ended and that nobody has waited for does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_without_a_key_the_run_is_kept_offline(report_dir: Path, environment: dict[str, str]) -> None:
    outcome = upload(report_dir, project="receipts", timeout_seconds=120, environment=environment)
    assert outcome.status == "offline", outcome
    folder = Path(outcome.detail)
    assert folder.parent == report_dir / "wandb"
    (stored,) = folder.glob("run-*.wandb")
    content = stored.read_bytes()
    for expected in (b"performance/val_batch_mean", b"startup/time_to_first_step_seconds", b"report.md", b"receipts"):
        assert expected in content
    assert f"wandb sync {folder}" in str(outcome)


def test_the_caller_loads_no_wandb(report_dir: Path, environment: dict[str, str]) -> None:
    code = f"""
        import pathlib, sys
        from ocrprof.renderers.wandb import upload
        print(upload(pathlib.Path({str(report_dir)!r}), project="receipts", timeout_seconds=120))
        sys.exit("wandb" in sys.modules)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("W&B: kept offline; send it with: wandb sync ")
    assert done.stderr == ""


def test_wandb_mode_disabled_logs_nothing(report_dir: Path, environment: dict[str, str]) -> None:
    outcome = upload(report_dir, project="receipts", environment={**environment, "WANDB_MODE": "disabled"})
    assert outcome == UploadOutcome("skipped", "WANDB_MODE=disabled")
    assert not (report_dir / "wandb").exists()


def test_without_wandb_the_reason_names_the_package(
    tmp_path: Path, report_dir: Path, environment: dict[str, str]
) -> None:
    absent = fake_wandb(tmp_path, environment, "raise ModuleNotFoundError(\"No module named 'wandb'\", name='wandb')")
    outcome = upload(report_dir, project="receipts", environment=absent)
    assert outcome.status == "skipped"
    assert "pip install 'ocrprof[wandb]'" in outcome.detail


def test_a_hanging_wandb_is_ended_at_the_limit_with_all_it_started(
    tmp_path: Path, report_dir: Path, environment: dict[str, str]
) -> None:
    pids = tmp_path / "pids"
    hanging = fake_wandb(
        tmp_path,
        environment,
        f"""
        import os, subprocess, sys, time
        service = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
        with open({str(pids)!r} + ".part", "w") as file:
            file.write(f"{{os.getpid()}} {{service.pid}}")
        os.replace({str(pids)!r} + ".part", {str(pids)!r})
        time.sleep(600)
        """,
    )
    started = time.monotonic()
    outcome = upload(report_dir, project="receipts", timeout_seconds=5, environment=hanging)
    assert time.monotonic() - started < 60
    assert outcome.status == "skipped"
    assert outcome.detail.startswith("no answer within 5.00 s; try again with: ")
    assert not [pid for pid in map(int, pids.read_text().split()) if is_running(pid)]


def test_a_failing_wandb_is_a_reason_without_the_key(
    tmp_path: Path, report_dir: Path, environment: dict[str, str]
) -> None:
    failing = fake_wandb(tmp_path, environment, f"raise RuntimeError('the key {KEY} is not known here')")
    outcome = upload(report_dir, project="receipts", environment={**failing, "WANDB_API_KEY": KEY})
    assert outcome.status == "skipped"
    assert outcome.detail.startswith("RuntimeError: the key *** is not known here; try again with: ")


def test_a_server_that_cannot_be_reached_delays_no_longer_than_the_limit(
    report_dir: Path, environment: dict[str, str]
) -> None:
    nowhere = {**environment, "WANDB_API_KEY": KEY, "WANDB_BASE_URL": "http://127.0.0.1:9"}
    started = time.monotonic()
    outcome = upload(report_dir, project="receipts", timeout_seconds=5, environment=nowhere)
    assert time.monotonic() - started < 60
    assert outcome.status == "skipped"
    assert KEY not in outcome.detail


def test_a_folder_without_a_report_is_a_reason(tmp_path: Path, environment: dict[str, str]) -> None:
    outcome = upload(tmp_path, project="receipts", environment=environment)
    assert outcome.status == "skipped"
    assert "report.json" in outcome.detail


def test_values_are_the_audited_keys_and_the_start() -> None:
    values = logged_values(baseline_report())
    assert values["performance/val_batch_mean"] == 0.4362
    assert values["val/hmean"] == 0.956
    assert values["startup/imports_seconds"] == 21.9
    assert all(isinstance(value, float) for value in values.values())
    assert "startup/time_to_first_step_seconds" in logged_values(startup_report())
    assert logged_values(crashed_report()) == {}


def test_credentials_are_looked_for_where_wandb_does(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path)}
    assert not has_credentials(home)
    assert has_credentials({**home, "WANDB_API_KEY": KEY})
    (tmp_path / ".netrc").write_text(f"machine api.wandb.ai\n  login user\n  password {KEY}\n")
    (tmp_path / ".netrc").chmod(0o600)
    assert has_credentials(home)
    assert not has_credentials({**home, "WANDB_BASE_URL": "https://wandb.example.com"})
    assert not has_credentials({**home, "NETRC": str(tmp_path / "absent")})


def test_the_printed_outcome_is_one_json_line(report_dir: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ocrprof.renderers.wandb", str(report_dir), "--project", "receipts"],
        env={**environment, "WANDB_MODE": "disabled", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == {"status": "skipped", "detail": "WANDB_MODE=disabled"}

"""A saved report in Weights & Biases, sent by a process of its own that has a time limit.

Whatever W&B does (hang, fail, be absent) happens to that process: the caller gets an outcome, never an exception.
"""

import argparse
import json
import netrc
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Literal
from urllib.parse import urlsplit

from ocrprof.renderers import figures_startup
from ocrprof.results.mask import mask_text
from ocrprof.results.model import BaselineReport, Report, StartupReport
from ocrprof.results.summary import milestone_key
from ocrprof.units import format_seconds


@dataclass(frozen=True)
class UploadOutcome:
    """What became of it: `detail` is the run's URL, the folder that `wandb sync` can send, or the reason."""

    status: Literal["uploaded", "offline", "skipped"]
    detail: str

    def __str__(self) -> str:
        match self.status:
            case "uploaded":
                return f"W&B: {self.detail}"
            case "offline":
                return f"W&B: kept offline; send it with: wandb sync {self.detail}"
        return f"W&B: not logged: {self.detail}"


def upload(
    report_dir: Path, *, project: str, timeout_seconds: float = 60.0, environment: Mapping[str, str] | None = None
) -> UploadOutcome:
    """Logs metrics, `report.json` and `report.md` of the folder to a new W&B run; offline where there is no key.

    Takes at most `timeout_seconds`, and the moment it takes to end the process that does it.
    """
    variables = dict(os.environ if environment is None else environment)
    command = [sys.executable, "-m", __spec__.name, str(report_dir.absolute()), "--project", project]
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        # Files, not pipes: W&B's service inherits them and could keep a pipe open after the process has gone.
        process = subprocess.Popen(
            command,
            env={**variables, "PYTHONPATH": _python_path(variables), "WANDB_SILENT": "true"},
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
        try:
            exit_code = process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            reason = f"no answer within {format_seconds(timeout_seconds)}"
        else:
            outcome = _printed_outcome(stdout) if exit_code == 0 else None
            if outcome:
                return outcome
            reason = _masked(_last_line(stderr) or f"exit code {exit_code}", variables)
        finally:
            _end(process)
    return UploadOutcome("skipped", f"{reason}; try again with: {' '.join([Path(command[0]).name, *command[1:]])}")


def _python_path(variables: Mapping[str, str]) -> str:
    # Last, so that it hides nothing of the caller's: it only has to find ocrprof where that is not installed.
    root = str(Path(__file__).parents[2])
    return os.pathsep.join(filter(None, [variables.get("PYTHONPATH"), root]))


def _printed_outcome(stdout: IO[bytes]) -> UploadOutcome | None:
    try:
        return UploadOutcome(**json.loads(_last_line(stdout)))
    except (ValueError, TypeError):
        return None


def _last_line(stream: IO[bytes]) -> str:
    stream.seek(0)
    lines = [line for line in stream.read().decode("utf-8", "replace").splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""


def _masked(text: str, variables: Mapping[str, str]) -> str:
    key = variables.get("WANDB_API_KEY")
    return mask_text(text.replace(key, "***") if key else text)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kills the process and all it started; W&B's service runs in a session of its own, so the group is not enough."""
    import psutil

    if process.poll() is not None:
        return
    started = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    for child in started:
        try:
            child.kill()
        except psutil.NoSuchProcess:
            pass
    process.wait()
    psutil.wait_procs(started, timeout=2.0)


def log_report(report_dir: Path, *, project: str) -> UploadOutcome:
    """Logs the report from this process; raises whatever W&B raises."""
    from ocrprof.results.store import read_report

    if os.environ.get("WANDB_MODE") == "disabled":
        return UploadOutcome("skipped", "WANDB_MODE=disabled")
    try:
        import wandb
    except ImportError as error:
        return UploadOutcome(
            "skipped", f"wandb cannot be imported ({error}); it comes with: pip install 'ocrprof[wandb]'"
        )
    report = read_report(report_dir)
    if not isinstance(report, StartupReport | BaselineReport):
        return UploadOutcome("skipped", f"a report of kind {report.kind} tells of no single run")
    run = wandb.init(
        project=project,
        dir=report_dir,
        # The user's own WANDB_MODE wins; without it, no key means offline rather than a question at the terminal.
        mode=None if os.environ.get("WANDB_MODE") else "online" if has_credentials(os.environ) else "offline",
        job_type=f"ocrprof-{report.kind}",
        config=_run_config(report),
        # Only the report is sent: no console output, code, git diff or load curves of this helper process.
        settings=wandb.Settings(silent=True, console="off", disable_git=True, disable_code=True, x_disable_stats=True),
    )
    run.log(logged_values(report))
    startup = _startup_of(report)
    if startup:
        run.summary["startup"] = figures_startup.startup_line(startup)
    run.summary["findings"] = [f"{finding.priority} {finding.title}" for finding in report.findings]
    artifact = wandb.Artifact(f"{report.kind}-report", type="ocrprof-report")
    for name in ("report.json", "report.md"):
        artifact.add_file(str(report_dir / name), name=name)
    run.log_artifact(artifact)
    # The run's folder, not its files/: what `wandb sync` wants.
    folder, url = Path(run.dir).parent, run.url
    run.finish()
    return UploadOutcome("uploaded", url) if url else UploadOutcome("offline", str(folder))


def logged_values(report: Report) -> dict[str, float]:
    """The audited `performance/…` keys, the target's own last metrics, and `startup/…` medians in seconds."""
    values: dict[str, float] = {}
    if not isinstance(report, StartupReport):
        values = {**report.logged_metrics, **report.metrics}
    startup = _startup_of(report)
    total = figures_startup.time_to_milestone(startup) if startup else None
    if startup and total:
        values[f"startup/{milestone_key(startup.until)}"] = total.median
        values |= {f"startup/{row.name}_seconds": row.seconds.median for row in figures_startup.phase_rows(startup)}
    return values


def has_credentials(environment: Mapping[str, str]) -> bool:
    """Whether W&B would find a key for its server without asking: in the environment or in a netrc file."""
    if environment.get("WANDB_API_KEY") or environment.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    server = urlsplit(environment.get("WANDB_BASE_URL") or "https://api.wandb.ai").netloc
    home = Path(environment.get("HOME", "~")).expanduser()
    candidates = [Path(environment["NETRC"])] if environment.get("NETRC") else [home / ".netrc", home / "_netrc"]
    for path in candidates:
        try:
            if netrc.netrc(path).authenticators(server):
                return True
        except (OSError, netrc.NetrcParseError):
            continue
    return False


def _startup_of(report: Report) -> StartupReport | None:
    return report if isinstance(report, StartupReport) else report.startup


def _run_config(report: Report) -> dict[str, Any]:  # Any: configuration, JSON values, masked before it was stored
    config = {} if isinstance(report, StartupReport) else report.config
    measured = {name: getattr(report, name).model_dump(mode="json") for name in ("tool", "target", "environment")}
    return {**config, "ocrprof": {"kind": report.kind, "created": report.created, **measured}}


def main() -> None:
    """The process that `upload` starts: logs one folder, prints the outcome as one JSON line."""
    parser = argparse.ArgumentParser(description="Log the report in a folder to Weights & Biases.")
    parser.add_argument("report_dir", type=Path, help="folder that holds report.json and report.md")
    parser.add_argument("--project", required=True, help="W&B project to log to")
    arguments = parser.parse_args()
    print(json.dumps(asdict(log_report(arguments.report_dir, project=arguments.project))), flush=True)


if __name__ == "__main__":
    main()

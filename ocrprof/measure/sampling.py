"""Samples the stacks of one further start, by py-spy beside it: which lines of the program hold it up.

The samples come from a run of their own, and nothing that is timed exactly is taken from it.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ocrprof.measure.child import Outcome, run_target
from ocrprof.measure.startup import Progress
from ocrprof.plan import StartupPlan
from ocrprof.records import ProcessRecords, read_records
from ocrprof.results.model import Samples, StartupReport
from ocrprof.results.phases import main_process
from ocrprof.results.samples import build_samples
from ocrprof.results.startup import representative
from ocrprof.target import probe_target

RATE = 100
"""Samples a second, as py-spy has it by itself: where reading a deep stack takes milliseconds, it cannot do more."""

_STARTER = Path(__file__).with_name("start_and_sample.py")
_END_SECONDS = 20.0
_LOOK_EVERY_SECONDS = 0.01
_COUNTS = re.compile(r"Samples: \d+ Errors: (\d+)")
_BEHIND = re.compile(r"([\d.]+)s behind in sampling")
_REFUSED = re.compile(r"permission|operation not permitted|EPERM", re.IGNORECASE)
_DECORATION = re.compile(r"^(?:py-spy> |Error: |\d+: )+")
_GREETING = "Sampling process"


def with_samples(report: StartupReport, plan: StartupPlan, *, progress: Progress) -> StartupReport:
    """The report with what one further run, to its milestone, shows of its lines; else with why it shows nothing.

    Of a target that did not reach its milestone each time no further run is made.
    """
    chosen = representative(report.runs)
    if chosen is None or not all(run.reached for run in report.runs):
        return report
    progress(f"sampling: a run of its own, in which py-spy looks at the stack {RATE} times a second")
    samples = _samples(report, plan, read_records(plan.output / "runs" / str(chosen + 1) / "records"))
    return report.model_copy(update={"samples": samples})


def _samples(report: StartupReport, plan: StartupPlan, counted: Sequence[ProcessRecords]) -> Samples:
    sampler = find_py_spy()
    main = main_process(counted)
    if sampler is None or main is None:
        what = "py-spy is not installed beside ocrprof: pip install py-spy" if main else "no process was recorded"
        return Samples(period_seconds=1 / RATE, failure=what)
    nothing = Samples(period_seconds=1 / RATE, sampler=_version(sampler))
    folder = plan.output / "runs" / "sampled"
    outcome = _run(plan, folder, until=report.until, sampler=sampler, identity=_identity(main))
    if outcome.status in ("interrupted", "timed_out"):
        failure = f"the sampled run was {outcome.status.replace('_', ' ')}"
        return nothing.model_copy(update={"failure": failure, "stopped_by": outcome.status})
    said = _said(folder)
    events = _events(folder)
    if events is None:
        return nothing.model_copy(update={"failure": _failure(said, outcome)})
    errors = _COUNTS.search(said)
    samples = build_samples(
        events,
        read_records(folder / "records"),
        imports=report.imports,
        spawn_ns=outcome.spawn_ns,
        end_ns=outcome.end_ns,
        until=report.until,
        period_ns=round(1e9 / RATE),
        num_errors=int(errors[1]) if errors else 0,
    )
    return samples.model_copy(update={"sampler": nothing.sampler, "notes": _notes(said)})


def _run(plan: StartupPlan, folder: Path, *, until: str, sampler: str, identity: str) -> Outcome:
    """The sampled run. A probe is stopped at a first step, as in the report's own runs."""
    command = [sampler, "record", "--format", "chrometrace", "--output", str((folder / "samples.json").resolve())]
    # Idle is what a waiting start is. Not stopping the process for each sample leaves it its pace: stopped, a start of
    # the test bed took half as long again. For that, two samples in 100 fail (while stacks change), and are told.
    command += ["--idle", "--nonblocking", "--full-filenames", "--rate", str(RATE)]
    log, records = (folder / "sampler.txt").resolve(), (folder / "records").resolve()
    starter = [sys.executable, "-I", "-S", str(_STARTER), str(log), str(records), identity, str(len(command))]
    return run_target(
        probe_target(plan.target, plan.probe) if plan.probe else plan.target,
        directory=folder,
        until="first-step" if plan.probe else until,
        timeout_seconds=plan.timeout_seconds,
        settings={"OCRPROF_LEVEL": "light", "OCRPROF_SAMPLED": identity},
        beside=_ended_before_the_target,
        in_front=[*starter, *command],
    )


@contextlib.contextmanager
def _ended_before_the_target(pid: int) -> Iterator[None]:
    """Afterwards the sampler `pid` has written its file and ended, or is left to be killed; it is not reaped."""
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGINT)
        deadline = time.monotonic() + _END_SECONDS
        while time.monotonic() < deadline:
            if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
                break
            time.sleep(_LOOK_EVERY_SECONDS)


def find_py_spy() -> str | None:
    """The py-spy that came with ocrprof, else one on the PATH."""
    beside = Path(sys.executable).with_name("py-spy")
    return str(beside) if beside.is_file() else shutil.which("py-spy")


def _version(sampler: str) -> str | None:
    """`py-spy 0.4.1`; None where it does not say."""
    try:
        said = subprocess.run([sampler, "--version"], capture_output=True, text=True, timeout=10, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    return said.strip() or None


def _identity(process: ProcessRecords) -> str:
    """What tells a process of one run from the others of the next: role and rank at its start, and its argv."""
    with process.path.open(encoding="utf-8", errors="replace") as file:
        head = json.loads(file.readline())
    return "\x1f".join([head["role"], str(head["rank"]), *head["argv"]])


def _events(folder: Path) -> list[Any] | None:  # Any: JSON values, as py-spy wrote them
    """What the sampler wrote; None where it was not given the time, or not allowed, to write it."""
    try:
        events = json.loads((folder / "samples.json").read_bytes())
    except (OSError, ValueError):
        return None
    return events if isinstance(events, list) else None


def _said(folder: Path) -> str:
    try:
        return (folder / "sampler.txt").read_text(errors="replace")
    except OSError:
        return ""


def _notes(said: str) -> list[str]:
    """Where the machine could not keep the pace."""
    behind = [float(seconds) for seconds in _BEHIND.findall(said)]
    if not behind:
        return []
    return [f"py-spy fell behind by up to {max(behind):.1f} s: there it looked less often than {RATE} times a second"]


def _failure(said: str, outcome: Outcome) -> str:
    """Why there are no samples, and what to do about it."""
    lines = [_DECORATION.sub("", line.strip()) for line in said.splitlines() if line.strip()]
    refused = next((line for line in lines if _REFUSED.search(line)), None)
    if refused is not None:
        return (
            f"py-spy may not look into the process ({refused}): run as the user that owns it; a container needs"
            " `--cap-add SYS_PTRACE`, and a host with `kernel.yama.ptrace_scope` above 1 a lower one"
        )
    if outcome.status == "reached" and _GREETING in said:
        return f"py-spy did not write its samples within {_END_SECONDS:.0f} s of the start's end"
    if outcome.status == "reached":
        return "the start was over before py-spy could look into it"
    last = next((line for line in lines if not line.startswith(_GREETING)), "without a word")
    return f"py-spy ended before the start did ({last}); all that it said is in runs/sampled/sampler.txt"

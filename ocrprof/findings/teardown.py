"""`slow-exit`: a large share of the time passes after the program's last line.

Judged only where a run ended by itself. Measured from the start of the interpreter's finalisation to the moment at
which the parent saw the process gone; which module takes how much of that is not recorded.
"""

from ocrprof.findings.judging import finding, start_seconds
from ocrprof.results.model import BaselineReport, Finding, PackageRow, Process, Run, StartupReport
from ocrprof.results.startup import representative
from ocrprof.units import format_seconds

_MIN_SECONDS = 0.3
_MIN_SHARE = 0.03


def slow_exit(report: StartupReport) -> list[Finding]:
    """A finding where teardown takes a large share of a start that was measured to its end."""
    index = representative(report.runs)
    if index is None:
        return []
    median = report.summary.get("phases", {}).get("exit", {}).get("median")
    seconds = median if median is not None else exit_seconds(report.runs[index])
    return _judged(report.runs[index], seconds, start_seconds(report), report.packages)


def slow_exit_of_run(report: BaselineReport) -> list[Finding]:
    """The same of a measured training run."""
    if report.run is None:
        return []
    packages = report.startup.packages if report.startup else []
    return _judged(report.run, exit_seconds(report.run), report.run.wall_seconds, packages)


def exit_seconds(run: Run) -> float:
    """Teardown of one run; zero where it was stopped."""
    return sum(phase.seconds for phase in run.phases if phase.name == "exit")


def _judged(run: Run, seconds: float, of_seconds: float, packages: list[PackageRow]) -> list[Finding]:
    if seconds < max(_MIN_SECONDS, _MIN_SHARE * of_seconds):
        return []
    last_line_seconds = run.wall_seconds - exit_seconds(run)
    alive = [
        process
        for process in run.processes
        if process.role == "worker" and (process.end_seconds or 0.0) > last_line_seconds
    ]
    num_modules = sum(row.num_modules for row in packages)
    return [
        finding(
            "slow-exit",
            f"The process goes on for {format_seconds(seconds)} after the program's last line",
            seconds=seconds,
            of_seconds=of_seconds,
            evidence={"num_modules": num_modules, "workers_still_running": len(alive), "exit_code": run.exit_code},
            advice=_advice(run, seconds, alive, packages, last_line_seconds),
        )
    ]


def _advice(
    run: Run, seconds: float, alive: list[Process], packages: list[PackageRow], last_line_seconds: float
) -> str:
    if alive:
        last = max((process.end_seconds or 0.0) for process in alive) - last_line_seconds
        return (
            f"{len(alive)} DataLoader workers were still running then, the last for {format_seconds(last)} more:"
            f" `del` the loaders (or the Trainer that holds them) before the end, or set persistent_workers=False."
        )
    heaviest = sorted((row for row in packages if row.owner == "installed"), key=lambda row: -row.num_modules)[:3]
    loaded = ", ".join(f"{row.package} ({row.num_modules} modules)" for row in heaviest)
    taken_down = f" The interpreter takes down what was loaded: {loaded}." if loaded else ""
    if run.exit_code:
        return (
            f"The run ended with exit code {run.exit_code}: every such error costs these {format_seconds(seconds)} too."
            f"{taken_down} What is imported only behind the check that failed need not be taken down."
        )
    return (
        f"No code of the program runs in it.{taken_down} A program that has closed its files and loggers can end with"
        f" `os._exit(0)` and skip it."
    )

"""What to change, from what was measured. A rule is a function from a report to findings; one file a topic.

A rule fires on measured seconds, names the line to change, and keeps quiet where nothing is wrong. To add one: write
it, and put it in one of the tuples below.
"""

from collections.abc import Callable
from typing import overload

from ocrprof.findings.access import dataset_scans, network_waits
from ocrprof.findings.action_plan import action_plan
from ocrprof.findings.before_training import compiles_at_init, eager_datasets, eager_loggers
from ocrprof.findings.bytecode import compiled_modules
from ocrprof.findings.calls import repeated_lookups
from ocrprof.findings.compose import slow_compose
from ocrprof.findings.deprecations import deprecated_modules
from ocrprof.findings.environment import (
    broken_installs,
    debug_settings,
    missing_bytecode,
    slow_filesystems,
    slow_interpreter_start,
    slow_module_lookup,
)
from ocrprof.findings.file_systems import slow_module_files
from ocrprof.findings.first_step import cold_compilations, sanity_checks
from ocrprof.findings.garbage import collected_while_loading
from ocrprof.findings.hot_lines import with_hot_lines
from ocrprof.findings.imports import eager_heavy_imports
from ocrprof.findings.initialisation import eager_evaluators, slow_module_inits
from ocrprof.findings.instantiate_overhead import instantiate_overhead
from ocrprof.findings.instantiations import duplicate_instantiations
from ocrprof.findings.judging import worst_first
from ocrprof.findings.loader_sweep import (
    in_order_tail,
    knee,
    oversubscribed,
    pin_memory,
    starved_steps,
    turnover,
    worker_start,
)
from ocrprof.findings.machine import (
    busy_machine,
    gpu_states,
    small_limits,
    threads_exceed_cores,
    throttled,
    under_pressure,
)
from ocrprof.findings.modules import duplicate_modules, late_imports
from ocrprof.findings.spread import noisy
from ocrprof.findings.teardown import slow_exit, slow_exit_of_run
from ocrprof.findings.throughput import starved
from ocrprof.findings.validation import bottlenecks, slow_validation
from ocrprof.findings.workers import rank_skew, slow_workers
from ocrprof.results.ablation import judge_ablation
from ocrprof.results.model import (
    AblationReport,
    AnyReport,
    BaselineReport,
    CheckReport,
    ComparisonReport,
    DoctorReport,
    Finding,
    HistoryReport,
    StartupReport,
    SweepReport,
)

STARTUP_RULES: tuple[Callable[[StartupReport], list[Finding]], ...] = (
    eager_heavy_imports,
    slow_compose,
    duplicate_instantiations,
    instantiate_overhead,
    dataset_scans,
    network_waits,
    slow_module_inits,
    eager_evaluators,
    compiles_at_init,
    eager_loggers,
    eager_datasets,
    repeated_lookups,
    compiled_modules,
    collected_while_loading,
    slow_module_files,
    late_imports,
    sanity_checks,
    cold_compilations,
    duplicate_modules,
    deprecated_modules,
    slow_workers,
    rank_skew,
    slow_exit,
    noisy,
)
BASELINE_RULES: tuple[Callable[[BaselineReport], list[Finding]], ...] = (
    bottlenecks,
    slow_validation,
    starved,
    slow_exit_of_run,
)
DOCTOR_RULES: tuple[Callable[[DoctorReport], list[Finding]], ...] = (
    slow_filesystems,
    missing_bytecode,
    slow_interpreter_start,
    slow_module_lookup,
    debug_settings,
    broken_installs,
    threads_exceed_cores,
    busy_machine,
    throttled,
    under_pressure,
    small_limits,
    gpu_states,
)
SWEEP_RULES: tuple[Callable[[SweepReport], list[Finding]], ...] = (
    starved_steps,
    knee,
    oversubscribed,
    pin_memory,
    worker_start,
    turnover,
    in_order_tail,
)


@overload
def judge(report: StartupReport) -> StartupReport: ...


@overload
def judge(report: BaselineReport) -> BaselineReport: ...


@overload
def judge(report: DoctorReport) -> DoctorReport: ...


@overload
def judge(report: AblationReport) -> AblationReport: ...


@overload
def judge(report: CheckReport) -> CheckReport: ...


@overload
def judge(report: ComparisonReport) -> ComparisonReport: ...


@overload
def judge(report: SweepReport) -> SweepReport: ...


@overload
def judge(report: HistoryReport) -> HistoryReport: ...


def judge(report: AnyReport) -> AnyReport:
    """The report with its findings, a start with its plan, a baseline with those of its start too.

    What was found before is forgotten.
    """
    if isinstance(report, StartupReport):
        judged = report.model_copy(update={"findings": judge_startup(report)})
        return judged.model_copy(update={"plan": action_plan(judged)})
    if isinstance(report, DoctorReport):
        return report.model_copy(update={"findings": judge_doctor(report)})
    if isinstance(report, AblationReport):
        return judge_ablation(report)
    if isinstance(report, CheckReport | ComparisonReport | HistoryReport):
        return report  # its metrics, its causes or its changes are its verdict
    if isinstance(report, SweepReport):
        return report.model_copy(update={"findings": judge_sweep(report)})
    if report.startup is not None:
        report = report.model_copy(update={"startup": judge(report.startup)})
    return report.model_copy(update={"findings": judge_baseline(report)})


def judge_startup(report: StartupReport) -> list[Finding]:
    """What every rule on starts finds, the worst first."""
    return worst_first(with_hot_lines((one for rule in STARTUP_RULES for one in rule(report)), report))


def judge_baseline(report: BaselineReport) -> list[Finding]:
    """What every rule on the measured training run finds, the worst first; the start's findings stay the start's."""
    return worst_first(one for rule in BASELINE_RULES for one in rule(report))


def judge_doctor(report: DoctorReport) -> list[Finding]:
    """What every rule on environments finds, the worst first."""
    return worst_first(one for rule in DOCTOR_RULES for one in rule(report))


def judge_sweep(report: SweepReport) -> list[Finding]:
    """What every rule on sweeps of worker counts finds, the worst first."""
    return worst_first(one for rule in SWEEP_RULES for one in rule(report))

"""Measures a baseline: the start-up, then one training run with its validation epoch."""

from datetime import UTC, datetime

from ocrprof.measure.child import Outcome, run_target
from ocrprof.measure.environment import describe_environment, describe_tool
from ocrprof.measure.samplers import TreeSampler
from ocrprof.measure.startup import Progress, describe_target, libraries_of, measure_startup, observe_run, run_of
from ocrprof.plan import BaselinePlan, StartupPlan
from ocrprof.records import ProcessRecords, read_records
from ocrprof.results.configuration import composed_config, cuda_memory, logged_metrics
from ocrprof.results.loops import build_loops, performance_metrics
from ocrprof.results.model import BaselineReport, LoopStatistics, Memory, MemorySample, Observer, Run, StartupReport


def measure_baseline(plan: BaselinePlan, *, progress: Progress) -> BaselineReport:
    """The start-up report and the training run in one, not yet judged.

    A start-up that fails is reported without a training run.
    """
    startup = measure_startup(
        StartupPlan(
            target=plan.target,
            output=plan.output / "startup",
            runs=plan.runs,
            warmup=plan.warmup,
            until=None,
            timeout_seconds=plan.timeout_seconds,
        ),
        progress=lambda text: progress(f"start-up: {text}"),
    )
    if startup.until != "first-step" or not all(run.reached for run in startup.runs) or len(startup.runs) < plan.runs:
        return _report(plan, startup=startup, observer=startup.observer, run=None, records=[], samples=[])
    progress(f"training: {plan.num_train_batches} batches, then a validation epoch")
    sampler: list[TreeSampler] = []
    outcome = _train(plan, sampler)
    records = read_records(outcome.directory / "records")
    run = run_of(outcome, records, until="steady", warmup=False)
    return _report(
        plan,
        startup=startup,
        observer=observe_run(outcome, records),
        run=run,
        records=records,
        samples=sampler[0].samples if sampler else [],
    )


def _train(plan: BaselinePlan, sampler: list[TreeSampler]) -> Outcome:
    def sample(pid: int) -> TreeSampler:
        sampler.append(TreeSampler(pid))
        return sampler[-1]

    outcome = run_target(
        plan.target,
        directory=plan.output / "training",
        until="steady",
        timeout_seconds=plan.timeout_seconds,
        settings={
            "OCRPROF_PARTS": "1",
            "OCRPROF_TRAIN_BATCHES": str(plan.num_train_batches),
            "OCRPROF_VAL_BATCHES": str(plan.num_val_batches or 0),
            "OCRPROF_PATIENCE_SECONDS": str(plan.patience_seconds),
        },
        beside=sample,
    )
    # A program that ends by itself, well, has shown all it has.
    return outcome.reached_its_end() if outcome.status == "ended_early" else outcome


def _report(
    plan: BaselinePlan,
    *,
    startup: StartupReport,
    observer: Observer,
    run: Run | None,
    records: list[ProcessRecords],
    samples: list[MemorySample],
) -> BaselineReport:
    loops = build_loops(records)
    environment = describe_environment(
        cwd=plan.target.cwd,
        python=startup.environment.python,
        libraries=libraries_of(records) or startup.environment.libraries,
    )
    memory = _memory(records, samples, machine_bytes=environment.memory_bytes)
    return BaselineReport(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        tool=describe_tool(),
        target=describe_target(plan.target, records) if records else startup.target,
        environment=environment,
        observer=observer,
        startup=startup,
        run=run,
        loops=loops,
        memory=memory,
        limits=_limits(plan, loops),
        config=composed_config(records) or {},
        metrics=performance_metrics(loops, memory=memory),
        logged_metrics=logged_metrics(records),
    )


def _limits(plan: BaselinePlan, loops: list[LoopStatistics]) -> dict[str, object]:
    """What was imposed on the target and did bind: an epoch may be shorter, and a plain loop cannot be limited."""
    asked = {"train": plan.num_train_batches, "validation": plan.num_val_batches}
    names = {"train": "num_train_batches", "validation": "num_val_batches"}
    return {names[loop.name]: asked[loop.name] for loop in loops if loop.num_batches == asked[loop.name]}


def _memory(records: list[ProcessRecords], samples: list[MemorySample], *, machine_bytes: int) -> Memory | None:
    """Peaks over the samples of the tree; the CUDA allocator's own figures come from the target."""
    if not samples:
        return None
    cuda = cuda_memory(records)
    peak_rss = max(sample.rss_bytes for sample in samples)
    pss = [sample.pss_bytes for sample in samples if sample.pss_bytes is not None]
    gpu = [sample.gpu_bytes for sample in samples if sample.gpu_bytes is not None]
    return Memory(
        peak_rss_bytes=peak_rss,
        peak_pss_bytes=max(pss) if pss else None,
        share_of_machine=(max(pss) if pss else peak_rss) / machine_bytes,
        gpu_allocated_bytes=cuda.cuda_allocated_bytes if cuda is not None else None,
        gpu_reserved_bytes=cuda.cuda_reserved_bytes if cuda is not None else None,
        gpu_peak_bytes=max(gpu) if gpu else None,
        samples=samples,
    )

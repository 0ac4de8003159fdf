"""Hand-made sweeps of worker counts: the fixed input of the tests on their judgement and their pages."""

from reports_fixture import CWD, ENVIRONMENT, TARGET, TOOL

from ocrprof.findings import judge
from ocrprof.results.model import (
    Block,
    Cost,
    Failure,
    LoaderInfo,
    LoaderSetting,
    Location,
    StepWaits,
    SweepReport,
    SweepTrial,
    WorkerStages,
)
from ocrprof.results.sweep import conclude

LOADER = LoaderInfo(
    number=0,
    role="train",
    location=Location(file=f"{CWD}/ocr/data.py", line=41),
    dataset="ocr.data.Pages",
    sampler="RandomSampler",
    num_samples=8000,
    num_batches=500,
    batch_size=16,
    num_workers=0,
    persistent_workers=False,
    pin_memory=False,
)
SECONDS_A_BATCH = {0: 0.200, 1: 0.210, 2: 0.106, 4: 0.056, 8: 0.055}
"""Of a loader that 4 workers fill: the fifth to eighth bring nothing."""

SHM_FULL = Failure(
    message="RuntimeError: unable to allocate shared memory(shm) for file </torch_71_3>: No space left on device (28)",
    location=Location(file=f"{CWD}/ocr/data.py", line=77),
    sample_index=12,
    path="/data/receipts/0012.jpg",
    advice="Make /dev/shm larger (docker run --shm-size=8g), or prefetch less.",
    traceback_tail=[
        '  File "/home/ana/ocr/ocr/data.py", line 77, in __getitem__',
        "    return torch.empty(3, 4000, 4000)",
    ],
)


def setting(num_workers: int, **factors) -> LoaderSetting:
    return LoaderSetting(num_workers=num_workers, **factors)


def trial(
    one: LoaderSetting,
    number: int,
    position: int = 0,
    *,
    seconds: float | None = None,
    step: float | None = None,
    control: bool = False,
    stages: bool = False,
    host: str | None = None,
    num_samples: int = 16,
) -> SweepTrial:
    """A trial whose blocks scatter by a percent around `seconds` a batch, each round half a percent slower."""
    base = (SECONDS_A_BATCH[one.num_workers] if seconds is None else seconds) * (1 + 0.005 * number)
    num_batches = max(4 * one.num_workers, 8)
    spread = [0.99, 1.0, 1.01, 1.0, 0.995, 1.005, 0.99, 1.01, 1.0, 1.0]
    waits = None
    if step is not None:
        wait = max(0.0, base - step) + 0.0002
        waits = StepWaits(
            step_seconds=step,
            mode="sleep",
            wait_seconds=[num_batches * wait * factor for factor in spread],
            compute_seconds=[num_batches * step] * len(spread),
            num_batches=[num_batches] * len(spread),
        )
    return SweepTrial(
        setting=one,
        round=number,
        position=position,
        control=control,
        host=host,
        status="ok",
        exit_code=0,
        loader=LOADER,
        start_seconds=4.1,
        worker_ready_seconds=[0.08 + 0.05 * worker for worker in range(one.num_workers)],
        first_batch_seconds=0.21 + 0.05 * one.num_workers,
        num_discarded=20,
        blocks=[
            Block(seconds=num_batches * base * factor, num_batches=num_batches, num_samples=num_batches * num_samples)
            for factor in spread
        ],
        waits=waits,
        replay_seconds=[num_batches * step] * 3 if step else [],
        turnover_seconds=0.3 + 0.05 * one.num_workers,
        cost=Cost(
            cpu_seconds_main=1.2,
            cpu_seconds_workers=14.0 if one.num_workers else None,
            num_samples=10 * num_batches * num_samples,
            throttled_seconds=0.0,
            num_throttled=0,
            pss_peak_bytes=(600 + 210 * one.num_workers) * 2**20,
            shm_peak_bytes=12 * 2**20 * one.num_workers,
            read_bytes=0,
            read_chars=10 * num_batches * num_samples * 180_000,
            batch_bytes=9_437_184,
            num_tensors=3,
        ),
        stages=WorkerStages(
            seconds={"decode": 6.2, "transform": 2.9, "collate": 0.4},
            num_batches=10 * num_batches,
            service_seconds=[0.2, 0.21, 0.19, 0.2, 0.22, 0.18],
        )
        if stages
        else None,
        exit_seconds=0.4,
        wall_seconds=9.5,
    )


def sweep(
    settings: list[LoaderSetting],
    trials: list[SweepTrial],
    *,
    step_seconds: float | None = None,
    **fields,
) -> SweepReport:
    """The concluded and judged report of these trials."""
    report = SweepReport(
        created="2026-03-02T09:41:00+00:00",
        tool=TOOL,
        target=TARGET,
        environment=ENVIRONMENT,
        settings=settings,
        within=0.05,
        max_wait=0.02,
        step_seconds=step_seconds,
        step_source="--step-ms" if step_seconds else None,
        num_rounds=len({one.round for one in trials}),
        seed=7,
        trials=trials,
        seconds=183.0,
        **fields,
    )
    return judge(conclude(report))


def rounds(settings: list[LoaderSetting], *, num_rounds: int = 3, **how) -> list[SweepTrial]:
    """Each setting in each round, and the first one again as its control."""
    trials = []
    for number in range(1, num_rounds + 1):
        trials += [trial(one, number, position, **how) for position, one in enumerate(settings)]
        trials.append(trial(settings[0], number, len(settings), control=True, **how))
    return trials


def plain_sweep(**fields) -> SweepReport:
    """0 to 8 workers without a step: the loader alone."""
    settings = [setting(value) for value in (0, 1, 2, 4, 8)]
    return sweep(settings, rounds(settings), **fields)


def sweep_with_failure() -> SweepReport:
    """Steps of 100 ms, timed stages and simulations; with 8 workers shared memory does not suffice."""
    settings = [setting(value) for value in (0, 2, 4, 8)]
    failed = SweepTrial(
        setting=settings[3], round=1, position=3, status="shm", exit_code=1, failure=SHM_FULL, loader=LOADER
    )
    trials = [*rounds(settings[:3], step=0.1, stages=True), failed]
    warmup = [trial(settings[2], 0, step=0.1)]
    return sweep(
        settings, trials, step_seconds=0.1, warmup=warmup, what_if_values=[3, 6], stopped="all 3 rounds were made"
    )


def empty_sweep() -> SweepReport:
    """A program that never iterated a loader."""
    one = SweepTrial(setting=setting(2), round=0, position=0, status="no_loader", exit_code=0)
    return sweep([setting(0), setting(2)], [one], warmup=[one], stopped="every setting has failed")

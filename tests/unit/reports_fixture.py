"""Hand-made reports, as a measurement of a real program would give them: the fixed input of the golden tests."""

from ocrprof.results.model import (
    BaselineReport,
    Construction,
    Environment,
    Finding,
    Gpu,
    ImportRow,
    Instantiation,
    Location,
    LoopStatistics,
    Memory,
    MemorySample,
    Observer,
    PackageRow,
    Part,
    Phase,
    Process,
    Run,
    StartupReport,
    Statistic,
    TargetInfo,
    Tool,
)

CWD = "/home/ana/ocr"
PACKAGES = "/home/ana/ocr/.venv/lib/python3.11/site-packages"
TOOL = Tool(version="0.1.0", commit="4f2a9c1")
TARGET = TargetInfo(
    argv=["python", "train.py", "experiment=dbnet", "trainer.max_epochs=1"], cwd=CWD, config_hash="9b1c"
)
ENVIRONMENT = Environment(
    cpu="AMD EPYC 7763",
    num_cores_usable=8,
    num_cores_present=64,
    memory_bytes=32 * 2**30,
    os="Linux 6.8",
    python="3.11.9",
    libraries={"torch": "2.9.0", "lightning": "2.5.5", "hydra-core": "1.3.2"},
    file_systems={"project": "ext4", "site-packages": "9p"},
    git_commit="c0ffee1",
    load_average=1.25,
    notes=["site-packages is on 9p"],
)
OBSERVER = Observer(
    records=38_120,
    dropped=0,
    cost_seconds=0.66,
    num_loads=29_000,
    load_seconds=14.2e-6,
    other_seconds=5.5e-6,
    timed_seconds=0.2,
)

PHASE_MEDIANS = {
    "interpreter": 0.09,
    "site": 0.12,
    "imports": 21.9,
    "config": 1.4,
    "data": 12.6,
    "model": 18.4,
    "loggers": 2.1,
    "trainer": 0.3,
    "workers": 9.8,
    "sanity_check": 4.1,
    "first_batch": 1.5,
    "first_step": 1.9,
    "unattributed": 0.09,
}


def run(factor: float = 1.0, *, warmup: bool = False) -> Run:
    """One run to the first step, all phases `factor` times the median."""
    phases = [Phase(name=name, seconds=seconds * factor) for name, seconds in PHASE_MEDIANS.items()]
    return Run(
        wall_seconds=sum(phase.seconds for phase in phases),
        exit_code=None,
        until="first-step",
        status="reached",
        reached=True,
        warmup=warmup,
        phases=phases,
        processes=[
            Process(pid=100, parent_pid=99, role="main", argv=TARGET.argv, start_seconds=0.09, num_loads=5665),
            Process(pid=101, parent_pid=100, role="worker", argv=TARGET.argv, start_seconds=58.2, num_loads=12),
            Process(pid=102, parent_pid=100, role="worker", argv=TARGET.argv, start_seconds=60.1, num_loads=12),
        ],
        imports_anywhere_seconds=25.3 * factor,
        cpu_seconds=61.0 * factor,
    )


def statistic(median: float, *, n: int = 5) -> Statistic:
    """A spread of one percent around the median."""
    return Statistic(median=median, mad=0.01 * median, ci95=(0.98 * median, 1.02 * median) if n >= 3 else None, n=n)


def summary(*, n: int = 5) -> dict[str, object]:
    """The statistics of `n` runs, as they are stored."""
    return {
        "time_to_first_step_seconds": statistic(sum(PHASE_MEDIANS.values()), n=n).model_dump(),
        "phases": {name: statistic(seconds, n=n).model_dump() for name, seconds in PHASE_MEDIANS.items()},
    }


def package(
    name: str, self_seconds: float, inclusive_seconds: float, num_modules: int, file: str, line: int
) -> PackageRow:
    """One row of imports, reached from the program's own file."""
    return PackageRow(
        package=name,
        self_seconds=self_seconds,
        inclusive_seconds=inclusive_seconds,
        num_modules=num_modules,
        first_importer=Location(file=file, line=line),
        chain=[
            f"__main__ ({CWD}/train.py:7)",
            f"lightning ({PACKAGES}/lightning/__init__.py:19)",
            name,
        ],
    )


FINDINGS = [
    Finding(
        code="duplicate-instantiation",
        title="timm.create_model is built twice with the same arguments",
        priority="P1",
        seconds=9.2,
        share=9.2 / 74.3,
        location=Location(file=f"{CWD}/ocr/core/models/encoder/timm_backbone.py", line=41),
        evidence={"count": 2, "each_seconds": [9.2, 9.1], "config_paths": ["model.encoder", "callbacks.ema.model"]},
        advice="Build it once and hand the object on: the second one was equal to the first, argument by argument.",
    ),
    Finding(
        code="eager-heavy-import",
        title="torchmetrics is imported before the configuration is read",
        priority="P2",
        seconds=3.3,
        share=3.3 / 74.3,
        location=Location(file=f"{CWD}/ocr/core/lightning/base.py", line=12),
        evidence={"modules": 812, "self_seconds": 1.8},
        advice="Import it in the function that first needs it (validation_step, line 141).",
    ),
    Finding(
        code="slow-exit",
        title="Teardown after the last line of the program",
        priority="P3",
        seconds=0.7,
        share=0.7 / 74.3,
        evidence={},
        advice="Nothing holds it open but the interpreter itself; a configuration error pays it too.",
    ),
]


def startup_report(**changes: object) -> StartupReport:
    """Five runs to the first step and a warm-up: what a healthy measurement of an unhealthy program looks like."""
    report = StartupReport(
        created="2026-03-02T09:41:00Z",
        tool=TOOL,
        target=TARGET,
        environment=ENVIRONMENT,
        observer=OBSERVER,
        until="first-step",
        runs=[run(1.2, warmup=True), run(0.98), run(0.99), run(), run(1.01), run(1.02)],
        summary=summary(),
        imports=[
            ImportRow(
                module="torch._C",
                self_seconds=2.2,
                inclusive_seconds=2.2,
                start_seconds=1.0,
                route="statement",
                phase="imports",
                pid=100,
                depth=2,
            )
        ],
        packages=[
            package("torch", 9.81, 11.2, 1204, f"{PACKAGES}/lightning/fabric/utilities/types.py", 21),
            package("timm", 3.02, 4.4, 310, f"{CWD}/ocr/core/models/encoder/timm_backbone.py", 3),
            package("torchmetrics", 1.8, 3.3, 812, f"{CWD}/ocr/core/lightning/base.py", 12),
            package("sympy", 1.41, 1.41, 402, f"{PACKAGES}/torch/fx/experimental/symbolic_shapes.py", 98),
            package("json", 0.004, 0.006, 4, "/usr/lib/python3.11/json/__init__.py", 106),
            *(package(f"package_{index}", 0.002, 0.002, 3, f"{CWD}/ocr/a.py", index) for index in range(1, 9)),
        ],
        inserted_modules=["six.moves", "six.moves.urllib"],
        instantiations=[
            Instantiation(
                target="ocr.core.models.encoder.timm_backbone.TimmBackbone",
                config_path="model.encoder",
                config_paths=["model.encoder", "callbacks.ema.model"],
                count=2,
                seconds=18.3,
                each_seconds=[9.2, 9.1],
                duplicate=True,
                location=Location(file=f"{CWD}/ocr/core/models/encoder/timm_backbone.py", line=41),
                callers=[Location(file=f"{CWD}/train.py", line=31), Location(file=f"{CWD}/ocr/ema.py", line=12)],
            ),
            Instantiation(
                target="ocr.datasets.OCRDataset",
                config_path="datasets.train_dataset",
                config_paths=["datasets.train_dataset"],
                count=1,
                seconds=8.3,
                each_seconds=[8.3],
                duplicate=False,
                location=Location(file=f"{CWD}/ocr/datasets/base.py", line=30),
            ),
        ],
        constructions=[
            Construction(
                kind="dataset.init",
                name="ocr.datasets.OCRDataset",
                seconds=8.3,
                self_seconds=8.1,
                start_seconds=24.0,
                phase="data",
                location=Location(file=f"{CWD}/ocr/datasets/base.py", line=30),
            ),
            Construction(
                kind="model.init",
                name="ocr.core.lightning.base.OCRModule",
                seconds=18.2,
                self_seconds=0.4,
                start_seconds=30.0,
                phase="model",
                location=Location(file=f"{CWD}/ocr/core/lightning/base.py", line=40),
                parts=[Part(name="network", seconds=17.8), Part(name="own code", seconds=0.4)],
            ),
            Construction(
                kind="workers.start",
                name="train loader",
                seconds=9.8,
                self_seconds=9.8,
                start_seconds=58.0,
                phase="workers",
                attributes={"num_workers": 2},
            ),
        ],
        findings=FINDINGS,
    )
    return report.model_copy(update=changes)


def crashed_report() -> StartupReport:
    """The only run died while the model was built: no summary, a partial timeline, the traceback's end."""
    crashed = Run(
        wall_seconds=12.34,
        exit_code=1,
        until="first-step",
        status="crashed",
        reached=False,
        phases=[
            Phase(name="interpreter", seconds=0.08),
            Phase(name="site", seconds=0.1),
            Phase(name="imports", seconds=9.1),
            Phase(name="config", seconds=1.16),
            Phase(name="model", seconds=1.2),
            Phase(name="unattributed", seconds=0.0),
            Phase(name="exit", seconds=0.7),
        ],
        failing_phase="model",
        stderr_tail=[
            "Traceback (most recent call last):",
            '  File "/home/ana/ocr/ocr/core/models/encoder/timm_backbone.py", line 41, in __init__',
            "    self.body = timm.create_model(model_name, pretrained=pretrained, features_only=True)",
            "\x1b[31mRuntimeError: Unknown model (resnet81)\x1b[0m",
        ],
        imports_anywhere_seconds=9.4,
    )
    return startup_report(
        runs=[crashed], summary={}, packages=[], instantiations=[], constructions=[], findings=[], inserted_modules=[]
    )


def script_report() -> StartupReport:
    """One run of a script that uses only the standard library: milliseconds, no findings."""
    phases = {"interpreter": 0.0112, "site": 0.0031, "imports": 0.0094, "unattributed": 0.0021, "exit": 0.0046}
    only = Run(
        wall_seconds=sum(phases.values()),
        exit_code=0,
        until="exit",
        status="reached",
        reached=True,
        phases=[Phase(name=name, seconds=seconds) for name, seconds in phases.items()],
        imports_anywhere_seconds=0.0094,
    )
    return startup_report(
        target=TargetInfo(argv=["python", "hello.py"], cwd=CWD),
        until="exit",
        runs=[only],
        summary={
            "time_to_exit_seconds": Statistic(median=only.wall_seconds, mad=0.0, n=1).model_dump(),
            "phases": {name: Statistic(median=value, mad=0.0, n=1).model_dump() for name, value in phases.items()},
        },
        observer=Observer(records=71, dropped=0, cost_seconds=0.0002),
        packages=[package("json", 0.004, 0.006, 4, f"{CWD}/hello.py", 1)],
        instantiations=[],
        constructions=[],
        imports=[],
        findings=[],
        inserted_modules=[],
    )


def loop(name: str, *, batch_seconds: float, num_batches: int, parts: dict[str, float]) -> LoopStatistics:
    """A loop whose batches go up and down by two percent; `parts` are shares of a batch."""
    samples = [batch_seconds * (1.0 + 0.02 * (index % 3 - 1)) for index in range(num_batches)]
    samples[0] *= 4
    kept = samples[1:]
    return LoopStatistics(
        name="train" if name == "train" else "validation",
        num_batches=num_batches,
        num_warmup=1,
        total_seconds=sum(samples),
        mean_seconds=sum(kept) / len(kept),
        median_seconds=batch_seconds,
        p95_seconds=batch_seconds * 1.02,
        p99_seconds=batch_seconds * 1.02,
        std_seconds=batch_seconds * 0.0163,
        samples_per_sec=12 / batch_seconds,
        batch_size=12,
        batch_seconds=samples,
        parts={part: [share * sample for sample in samples] for part, share in parts.items()},
        part_locations={"postprocess": Location(file=f"{CWD}/ocr/models/head/db_postprocess.py", line=88)}
        if name == "validation"
        else {},
    )


BASELINE_FINDING = Finding(
    code="polygon-bottleneck",
    title="Post-processing takes most of a validation batch",
    priority="P0",
    seconds=9.1,
    share=0.61,
    location=Location(file=f"{CWD}/ocr/models/head/db_postprocess.py", line=88),
    evidence={"batch_seconds": 0.266, "share": 0.61},
    advice="Score candidates on the shrunk map and unclip only those above box_thresh.",
)


def baseline_report(**changes: object) -> BaselineReport:
    """A start and one measured training run on a machine with a GPU."""
    gpu = Gpu(name="NVIDIA RTX 4090", memory_bytes=24 * 2**30, driver="550.54")
    report = BaselineReport(
        created="2026-03-02T09:58:00Z",
        tool=TOOL,
        target=TARGET,
        environment=ENVIRONMENT.model_copy(update={"gpus": [gpu]}),
        observer=Observer(records=4120, dropped=0, cost_seconds=0.21),
        startup=startup_report(),
        run=run().model_copy(update={"until": "steady", "wall_seconds": 118.2}),
        loops=[
            loop(
                "train",
                batch_seconds=0.21,
                num_batches=20,
                parts={"fetch": 0.1, "forward": 0.3, "rest": 0.15, "backward": 0.45},
            ),
            loop(
                "validation",
                batch_seconds=0.436,
                num_batches=34,
                parts={"forward": 0.2, "postprocess": 0.61, "metric": 0.19},
            ),
        ],
        memory=Memory(
            peak_rss_bytes=int(6.2 * 2**30),
            peak_pss_bytes=int(4.1 * 2**30),
            share_of_machine=0.128,
            gpu_allocated_bytes=int(0.06 * 2**30),
            gpu_reserved_bytes=int(5.62 * 2**30),
            gpu_peak_bytes=int(4.9 * 2**30),
            samples=[MemorySample(at_seconds=1.0, rss_bytes=2**30, num_processes=5)],
        ),
        limits={"num_train_batches": 20},
        config={"data": {"batch_size": 12}, "seed": 42, "wandb": {"api_key": "***"}},
        metrics={"performance/val_batch_mean": 0.4362, "performance/val_num_batches": 34.0},
        logged_metrics={"val/hmean": 0.956},
        findings=[BASELINE_FINDING, FINDINGS[0]],
    )
    return report.model_copy(update=changes)


def bare_baseline_report() -> BaselineReport:
    """A plain training loop without validation on a machine without a GPU, nothing found."""
    return baseline_report(
        environment=ENVIRONMENT,
        startup=script_report(),
        loops=[loop("train", batch_seconds=0.021, num_batches=20, parts={})],
        memory=Memory(peak_rss_bytes=640 * 2**20, share_of_machine=0.02),
        limits={},
        config={},
        metrics={},
        logged_metrics={},
        findings=[],
    )

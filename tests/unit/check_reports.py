"""Hand-made results of checks, as pairs of a real program would give them: the fixed input of their golden tests."""

import random

from reports_fixture import CWD, ENVIRONMENT, TARGET, TOOL

from ocrprof.results.model import (
    Budget,
    CheckDesign,
    CheckReport,
    ExactChange,
    ExactItem,
    FingerprintField,
    GitState,
    Launch,
    Location,
    MetricInfo,
    MetricSummary,
)

INFOS = [
    MetricInfo(name="time_to_first_step_seconds", unit="seconds", direction="lower", kind="sampled"),
    MetricInfo(name="step_median_seconds", unit="seconds", direction="lower", kind="sampled"),
    MetricInfo(name="loader_samples_per_sec", unit="samples_per_sec", direction="higher", kind="sampled"),
    MetricInfo(name="peak_pss_bytes", unit="bytes", direction="lower", kind="bounded", min_effect=0.03),
    MetricInfo(name="phase.imports_seconds", unit="seconds", direction="lower", kind="sampled", gated=False),
]


def launches(*, num_pairs: int = 12, slower: float = 1.12) -> list[Launch]:
    """Pairs whose candidate starts `slower` times as long, with a few percent of noise, after two warm-ups."""
    generator = random.Random(7)
    found = []
    for pair in range(num_pairs + 1):
        for position, arm in enumerate(("base", "candidate") if pair % 2 else ("candidate", "base")):
            start = 4.2 * (slower if arm == "candidate" else 1.0) * generator.uniform(0.98, 1.02)
            found.append(
                Launch(
                    number=len(found),
                    arm=arm,
                    pair=pair,
                    position=position,
                    started=f"2026-03-02T10:{len(found):02d}:00Z",
                    status="reached",
                    exit_code=0,
                    wall_seconds=start + 1,
                    values={
                        "time_to_first_step_seconds": start,
                        "step_median_seconds": 0.21 * generator.uniform(0.9, 1.1),
                        "loader_samples_per_sec": 640 * generator.uniform(0.97, 1.03),
                        "peak_pss_bytes": 2**31 * generator.uniform(0.999, 1.001),
                        "phase.imports_seconds": 2.9 * (slower if arm == "candidate" else 1.0),
                    },
                )
            )
    return found


METRICS = [
    MetricSummary(
        name="step_median_seconds", n=12, ratio=1.021, ci95=(0.94, 1.11), p_fw=0.41, sd_pair=0.09, mde=0.185,
        pairs_needed=28, base_median=0.21, candidate_median=0.214, verdict="inconclusive",
        reason="could only have seen 18.5 % and more; 28 pairs would settle it",
    ),
    MetricSummary(
        name="time_to_first_step_seconds", n=12, ratio=1.118, ci95=(1.089, 1.146), ci_simultaneous=(1.08, 1.16),
        p_fw=0.0004, sd_pair=0.016, mde=0.06, base_median=4.21, candidate_median=4.71, verdict="regressed",
    ),
    MetricSummary(
        name="peak_pss_bytes", n=12, ratio=1.0004, ci95=(0.999, 1.002), p_fw=0.86, sd_pair=0.001, mde=0.03,
        base_median=2.0 * 2**30, candidate_median=2.0 * 2**30, verdict="ok",
    ),
    MetricSummary(
        name="loader_samples_per_sec", n=12, ratio=0.93, ci95=(0.91, 0.95), p_fw=1.0, p_fw_improved=0.0012,
        sd_pair=0.02, mde=0.062, base_median=640.0, candidate_median=688.0, verdict="improved",
    ),
    MetricSummary(
        name="phase.imports_seconds", n=12, ratio=1.12, ci95=(1.1, 1.14), base_median=2.9, candidate_median=3.25,
        sd_pair=0.01, verdict="reported",
    ),
]  # fmt: skip


def pandas_modules() -> list[ExactItem]:
    """What an eager `import pandas` brings in: many modules, all first asked for at one line."""
    line = Location(file="ocr/data/table.py", line=3)
    inside = Location(file=f"{CWD}/.venv/lib/python3.11/site-packages/pandas/core/api.py", line=7)
    names = [("pandas", 310), ("pytz", 60), ("dateutil", 40), ("tzdata", 2)]
    return [
        ExactItem(name=name if index == 0 else f"{name}.m{index}", location=line if name == "pandas" else inside)
        for name, count in names
        for index in range(count)
    ]


MODULES = ExactChange(
    name="modules", base=2104, candidate=2516, added=pandas_modules(), num_added=412, verdict="regressed",
    reason="loaded before the first step",
)  # fmt: skip


def check_report(**changes: object) -> CheckReport:
    """A start that became 12 % slower with an eager import, a loader that became faster, and a step that is unclear."""
    found = launches()
    report = CheckReport(
        created="2026-03-02T10:30:00Z",
        tool=TOOL,
        target=TARGET,
        environment=ENVIRONMENT,
        base=GitState(ref="main", sha="c0ffee1234567890", subject="Read pages by name"),
        candidate=GitState(sha="beef00dd12345678", dirty=True),
        design=CheckDesign(
            mode="against", seed=17, order=[1 if pair % 2 else -1 for pair in range(1, 13)], num_pairs_first=10,
            num_pairs_max=12, stopped_because="all pairs were run",
        ),
        metric_infos=INFOS,
        launches=found,
        metrics=METRICS,
        exact=[MODULES, ExactChange(name="parameters", base=1_234_567, candidate=1_234_567)],
        budgets=[
            Budget(text="time_to_first_step<4.5s", value=4.71, limit=4.5, kept=False, reason="4.71 s"),
            Budget(text="imports<=1.2*import:torch", value=1.1, limit=1.2, kept=True),
        ],
        mismatches=[FingerprintField(tier="warn", name="governor", base="performance", candidate="powersave")],
        verdict="regressed",
        exit_code=1,
        headline="time_to_first_step +11.8 % [8.9, 14.6] (12 pairs, p_fw 0.0004, MDE 6 %); +412 modules: pandas, pytz, "
        "dateutil, …, first imported at ocr/data/table.py:3",
        notes=["the work tree has uncommitted changes: they are what was measured"],
        seconds=131.0,
    )  # fmt: skip
    return report.model_copy(update=changes)


def failed_check() -> CheckReport:
    """The candidate crashed in its warm-up: nothing was compared."""
    crashed = launches(num_pairs=0)[0].model_copy(
        update={
            "status": "crashed",
            "exit_code": 1,
            "values": {},
            "wall_seconds": 2.31,
            "stderr_tail": [
                "Traceback (most recent call last):",
                "\x1b[31mImportError: no module named 'ocr.dta'\x1b[0m",
            ],
        }
    )
    return check_report(
        launches=[crashed], metrics=[], exact=[], budgets=[], mismatches=[], notes=[], verdict="failed", exit_code=5,
        headline="the candidate crashed before its first step",
    )  # fmt: skip


def incomparable_check() -> CheckReport:
    """A stored baseline of another machine."""
    fields = [
        FingerprintField(tier="refuse", name="cpu", base="Intel Xeon Platinum 8370C", candidate="AMD EPYC 7763"),
        FingerprintField(tier="treatment", name="torch", base="2.8.0", candidate="2.9.0"),
    ]
    return check_report(
        launches=[], metrics=[], exact=[], budgets=[], mismatches=fields, notes=[], verdict="not_comparable",
        exit_code=4, headline="the baseline was measured on another machine: cpu",
        design=CheckDesign(mode="baseline", seed=1),
    )  # fmt: skip


def quiet_check() -> CheckReport:
    """Nothing changed."""
    return check_report(
        launches=launches(slower=1.0), metrics=METRICS[2:3], metric_infos=INFOS[3:4], exact=[], budgets=[],
        mismatches=[], notes=[], verdict="ok", exit_code=0,
        headline="none of 1 metric is slower (12 pairs, sees 3 % to 3 % and more)",
    )  # fmt: skip

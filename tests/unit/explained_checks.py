"""Reports of checks whose figures follow from their launches, so that every step to a verdict can be made again."""

import math
import random

from check_reports import MODULES, check_report
from checked import design, info

from ocrprof.results.check_baseline import judge_sessions
from ocrprof.results.check_dropped import counted_launches
from ocrprof.results.check_session_explanation import session_figures
from ocrprof.results.check_statistics import judge_pairs
from ocrprof.results.model import (
    Budget,
    CheckReport,
    ExactChange,
    ExactFacts,
    ExactItem,
    Launch,
    Location,
    MetricInfo,
)

PHASES = {"startup.imports": 2.0, "startup.data": 1.5, "startup.first_step": 0.5}
INFOS = [
    info("time_to_first_step", floor=0.005),
    info("imports", floor=0.005),
    info("train.samples_per_sec", unit="samples_per_sec", direction="higher"),
    *(info(name, gated=False, floor=0.05) for name in PHASES),
]


def start(generator: random.Random, *, slower: float, sd: float = 0.01) -> dict[str, float]:
    """One launch's values: phases that add up, imports that take `slower` times as long."""
    values = {name: seconds * math.exp(generator.gauss(0, sd)) for name, seconds in PHASES.items()}
    values["startup.imports"] *= slower
    total = math.fsum(values.values())
    rate = 640 * math.exp(generator.gauss(0, sd))
    return {"time_to_first_step": total, "imports": values["startup.imports"], **values, "train.samples_per_sec": rate}


def paired_launches(order: list[int], *, slower: float, seed: int = 1, sd: float = 0.01) -> list[Launch]:
    """Pairs in this order; in the third the hypervisor took a quarter, in the fifth others kept a core busy."""
    generator, found = random.Random(seed), []
    for pair, sign in enumerate(order, start=1):
        for position, arm in enumerate(("base", "candidate") if sign > 0 else ("candidate", "base")):
            found.append(
                Launch(
                    number=len(found) + 1,
                    arm=arm,
                    pair=pair,
                    position=position,
                    started="2026-03-02T10:00:00Z",
                    status="reached",
                    exit_code=0,
                    wall_seconds=4.0,
                    values=start(generator, slower=slower if arm == "candidate" else 1.0, sd=sd),
                    covariates={
                        "stolen_seconds": 1.0 if pair == 3 else 0.0,
                        "others_busy_cores": 0.9 if pair == 5 else 0.02,
                    },
                )
            )
    return found


def explained_check(
    *, explained: tuple[str, ...] = ("time_to_*",), slower: float = 1.3, sd: float = 0.01, num_pairs: int = 10,
    most: int = 10, infos: list[MetricInfo] = INFOS, **options: object,
) -> CheckReport:  # fmt: skip
    """A check of two states by pairs, judged; `options` are of its design."""
    plan = design(10, most, **options)
    found = paired_launches(plan.order[:num_pairs], slower=slower, sd=sd)
    plan = plan.model_copy(update={"order": plan.order[:num_pairs], "stopped_because": f"{num_pairs} pairs were run"})
    counted = counted_launches(found, max_steal=plan.max_steal).launches
    return check_report(
        design=plan, launches=found, metric_infos=infos, metrics=judge_pairs(counted, infos, plan, True),
        exact=[MODULES, WORK], facts=FACTS, budgets=BUDGETS, mismatches=[], notes=[], explained=list(explained),
    )  # fmt: skip


def session_check(*, num_sessions: int = 9, slower: float = 1.3, explained: tuple[str, ...] = ("imports",)):
    """A check against stored sessions, judged."""
    generator = random.Random(5)
    stored = [
        [one for one in paired_launches([1, -1, 1], slower=1.0, seed=generator.randrange(10**6)) if one.arm == "base"]
        for _ in range(num_sessions)
    ]
    now = [one for one in paired_launches([1] * 5, slower=slower, seed=9) if one.arm == "candidate"]
    plan = design(10, 28).model_copy(update={"mode": "baseline", "order": []})
    figures = [
        session_figures(one, created=f"2026-03-{day:02d}T10:00:00Z", sha=f"{day:040x}")
        for day, one in enumerate(stored, start=1)
    ]
    return check_report(
        design=plan, launches=now, metric_infos=INFOS, metrics=judge_sessions(stored, now, INFOS, plan), exact=[],
        budgets=[], mismatches=[], notes=[], sessions=figures, explained=list(explained),
    )  # fmt: skip


FACTS = ExactFacts(
    values={"parameters": 1_234_567},
    sets={"modules": {"json": "train.py:1", **{one.name: "ocr/data/table.py:3" for one in MODULES.added[:4]}}},
    counts={"calls": {"ocr/data.py:read": 8, "ocr/data.py:crop": 3}},
    unsteady=["modules/wave"],
)
WORK = ExactChange(
    name="calls", base=7, candidate=11, num_added=4, verdict="changed",
    added=[ExactItem(name="ocr/data.py:read", location=Location(file="ocr/data.py", line=12), detail="4 → 8")],
)  # fmt: skip
BUDGETS = [
    Budget(text="time_to_first_step<4.2s", value=4.6, limit=4.2, kept=False, reason="4.6 of 4.2"),
    Budget(text="no pandas before first-step", value=310, limit=0, kept=False, reason="pandas is imported at a.py:3"),
]

"""Starts to compare: hand-made ones whose differences are known, and random ones."""

import random
from collections.abc import Sequence

from reports_fixture import ENVIRONMENT, OBSERVER, TOOL

from ocrprof.results.import_graph import package_rows
from ocrprof.results.model import (
    Construction,
    ImportRow,
    Instantiation,
    Location,
    Phase,
    Run,
    Segment,
    StartupReport,
    TargetInfo,
)
from ocrprof.results.summary import summarize

CWD = "/home/ana/ocr"
MAIN = f"{CWD}/train.py"


def load(module: str, start: float, seconds: float, *, inside: float = 0.0, line: int = 1, importer: str = "__main__",
         depth: int = 0, file: str = MAIN) -> ImportRow:  # fmt: skip
    """A load of `seconds`, of which `inside` went into loads nested in it."""
    return ImportRow(
        module=module,
        self_seconds=seconds - inside,
        inclusive_seconds=seconds,
        start_seconds=start,
        route="statement",
        importer=Location(file=file, line=line),
        importer_module=importer,
        file=f"/venv/lib/python3.11/site-packages/{module.replace('.', '/')}.py",
        phase="imports",
        pid=100,
        depth=depth,
    )


def start(
    walls: Sequence[float],
    segments: Sequence[tuple[str, float]],
    *,
    imports: Sequence[ImportRow] = (),
    constructions: Sequence[Construction] = (),
    instantiations: Sequence[Instantiation] = (),
    until: str = "first-step",
    **changes: object,
) -> StartupReport:
    """A start whose middle run consists of `segments`; the others take a little more or less in their first phase."""
    told = sum(seconds for _, seconds in segments)
    timeline, at = [], 0.0
    for phase, seconds in segments:
        timeline.append(Segment(pid=100, phase=phase, start_seconds=at, seconds=seconds))
        at += seconds
    runs = []
    for wall in walls:
        phases: dict[str, float] = {}
        for number, (phase, seconds) in enumerate(segments):
            phases[phase] = phases.get(phase, 0.0) + seconds + (wall - told if number == 0 else 0.0)
        runs.append(
            Run(
                wall_seconds=wall,
                exit_code=None,
                until=until,
                status="reached",
                reached=True,
                phases=[Phase(name=name, seconds=seconds) for name, seconds in phases.items()],
            )
        )
    report = StartupReport(
        created="2026-03-02T09:41:00Z",
        tool=TOOL,
        target=TargetInfo(argv=["python", "train.py"], cwd=CWD),
        environment=ENVIRONMENT,
        observer=OBSERVER,
        until=until,
        runs=runs,
        summary=summarize(runs, until=until),
        timeline=timeline,
        imports=list(imports),
        packages=package_rows(list(imports)),
        constructions=list(constructions),
        instantiations=list(instantiations),
    )
    return report.model_copy(update=changes)


def built(name: str, at: float, seconds: float) -> Construction:
    """A data set that took so long to build."""
    return Construction(
        kind="dataset.init", name=name, seconds=seconds, self_seconds=seconds, start_seconds=at, phase="data",
        location=Location(file=f"{CWD}/ocr/data/dataset.py", line=30),
    )  # fmt: skip


def before() -> StartupReport:
    """10 s: 4 s of imports (torch 3 s, json 1 s), 2 s of data (all in a data set), 4 s of the rest."""
    return start(
        [9.9, 9.95, 10.0, 10.05, 10.1],
        [("interpreter", 1.0), ("imports", 4.0), ("data", 2.0), ("first_step", 3.0)],
        imports=[load("torch", 1.0, 3.0, inside=1.0), load("torch.nn", 2.0, 1.0, importer="torch", depth=1),
                 load("simplejson", 4.0, 1.0, line=2)],
        constructions=[built("ocr.data.OCRDataset", 5.0, 2.0)],
    )  # fmt: skip


def after() -> StartupReport:
    """13 s: pandas came (2.5 s, 1 s of it numpy, 0.5 s pytz), simplejson went, torch.fx came, data is slower."""
    inside = f"{CWD}/ocr/data/table.py"
    return start(
        [12.9, 12.95, 13.0, 13.05, 13.1],
        [("interpreter", 1.0), ("imports", 6.0), ("data", 3.0), ("first_step", 3.0)],
        imports=[
            load("torch", 1.0, 3.5, inside=1.5),
            load("torch.nn", 2.0, 1.0, importer="torch", depth=1),
            load("torch.fx", 3.0, 0.5, importer="torch", depth=1),
            load("pandas", 4.5, 2.5, inside=1.5, line=3, file=inside),
            load("numpy", 4.6, 1.0, importer="pandas", depth=1),
            load("pytz", 5.8, 0.5, importer="pandas", depth=1),
        ],
        constructions=[built("ocr.data.OCRDataset", 7.0, 3.0)],
    )


def random_start(seed: int) -> StartupReport:
    """Phases, loads inside one another and across phases, things built inside loads and the other way round."""
    generator = random.Random(seed)
    names = ["imports", "config", "data", "model", "imports", "unattributed", "first_step"]
    segments = [(name, generator.uniform(0.001, 3.0)) for name in names]
    total = sum(seconds for _, seconds in segments)
    rows: list[ImportRow] = []
    _fill(rows, generator, 0.0, total, depth=0, importer="__main__")
    rows.sort(key=lambda row: (row.start_seconds, row.depth))
    things = []
    for number in range(generator.randrange(4)):
        at = generator.uniform(0, total)
        things.append(built(f"ocr.Thing{number}", at, generator.uniform(0, total - at)))
    at = generator.uniform(0, total / 2)
    node = Instantiation(
        target="ocr.Thing0", config_path="a", count=2, seconds=total / 4, duplicate=True,
        each_seconds=[total / 8] * 2, each_start_seconds=[at, at + total / 4],
    )  # fmt: skip
    walls = [total * generator.uniform(0.9, 1.1) for _ in range(generator.randrange(6))] + [total]
    return start(walls, segments, imports=rows, constructions=things, instantiations=[node])


def _fill(
    rows: list[ImportRow], generator: random.Random, begin: float, end: float, *, depth: int, importer: str
) -> float:
    """Adds loads one after another between two moments, some with others in them; their inclusive seconds."""
    total, at = 0.0, begin
    while at < end and len(rows) < 60:
        at += generator.uniform(0, (end - begin) / 4)
        stop = min(at + generator.uniform(0, (end - begin) / 3), end)
        if stop <= at:
            break
        name = f"p{generator.randrange(8)}" + (f".m{generator.randrange(6)}" if generator.random() < 0.6 else "")
        place = len(rows)
        rows.append(load(name, at, stop - at, importer=importer, depth=depth))
        inside = 0.0
        if depth < 4 and generator.random() < 0.6:
            inside = _fill(rows, generator, at, stop, depth=depth + 1, importer=name)
        rows[place] = load(name, at, stop - at, inside=min(inside, stop - at), importer=importer, depth=depth)
        total += stop - at
        at = stop
    return total

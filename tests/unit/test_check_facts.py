"""The facts of a launch, from recorded lines and a target's own words."""

from pathlib import Path

from ocrprof.records import ProcessRecords
from ocrprof.results.check_facts import build_facts
from ocrprof.results.model import ImportRow, Instantiation, Location
from ocrprof.results.startup import StartupTables

ROOT = Path("/r/.ocrprof/wt/a")
PACKAGES = "/r/.venv/lib/python3.11/site-packages"


def process(**more) -> ProcessRecords:
    fields = {"pid": 1, "parent_pid": 0, "start_ns": 0, "role": "main", "path": Path("x"), "cwd": str(ROOT)}
    return ProcessRecords(**fields | more)


def row(module: str, *, importer: str, line: int, file: str, start: float, seconds: float, by: str) -> ImportRow:
    return ImportRow(
        module=module,
        self_seconds=seconds,
        inclusive_seconds=seconds,
        start_seconds=start,
        route="statement",
        importer=Location(file=importer, line=line),
        importer_module=by,
        file=file,
        phase="imports",
        pid=1,
        depth=0,
    )


def facts(records=(), tables=None, stdout="", stderr=""):
    return build_facts(list(records), tables or StartupTables(), root=ROOT, stdout=stdout, stderr=stderr)


def test_images_are_counted_over_all_processes_and_by_folder_where_opened_again():
    shared = "/data/receipts/val/images/1.png"
    found = facts([process(opened=("pages/1.png", shared)), process(pid=2, role="worker", opened=(shared, shared))])
    assert found.values["images_opened"] == 4
    assert found.counts["images_opened_again"] == {"…/val/images": 2}


def test_calls_are_those_of_the_repository():
    calls = [[f"{ROOT}/a.py", 3, "A.run", 5], ["/elsewhere/b.py", 1, "b", 9]]
    found = facts([process(totals={"work_calls": calls}), process(pid=2, totals={"work_calls": calls})])
    assert found.counts["calls"] == {"a.py:A.run": 10}


def test_a_program_tells_figures_and_hits_of_its_caches():
    found = facts(
        stdout="noise\nocrprof: samples=3\nocrprof: hmean=0.5\nocrprof: words\n",
        stderr="val data: samples cache: 4 hits of 8\nINFO val data: samples cache: 16 hits of 24 (66.7%), 8 stored\n",
    )
    assert found.values["declared.samples"] == 3
    assert found.values["declared.hmean"] == 0.5
    assert found.counts["cache_hits"] == {"val data: samples": 16}


def test_packages_are_told_with_the_line_of_the_program_behind_them():
    rows = [
        row("data", importer=f"{ROOT}/main.py", line=1, file=f"{ROOT}/data.py", start=0, seconds=3, by="__main__"),
        row(
            "pandas",
            importer=f"{ROOT}/data.py",
            line=7,
            file=f"{PACKAGES}/pandas/__init__.py",
            start=0.5,
            seconds=2,
            by="data",
        ),
        row(
            "pytz",
            importer=f"{PACKAGES}/pandas/__init__.py",
            line=20,
            file=f"{PACKAGES}/pytz/__init__.py",
            start=1,
            seconds=0.5,
            by="pandas",
        ),
    ]
    found = facts(tables=StartupTables(imports=rows))
    assert found.sets["eager_packages"] == {"pandas": "data.py:7", "pytz": "data.py:7"}
    assert found.sets["own_modules"] == {"data": "main.py:1"}


def test_what_was_built_twice_is_told():
    built = Instantiation(
        target="ocr.Tokenizer",
        config_path="model.tokenizer",
        count=2,
        seconds=1.0,
        duplicate=True,
        location=Location(file=f"{ROOT}/ocr.py", line=4),
    )
    found = facts(tables=StartupTables(instantiations=[built]))
    assert found.counts["instantiations"] == {"ocr.Tokenizer (model.tokenizer)": 2}
    assert found.sets["duplicates"] == {"ocr.Tokenizer ×2": "ocr.py:4"}

"""Module loads as tables: owners, chains, dominated packages, and the program's line behind each load."""

import pytest
from recorded import MS, SITE, SPAWN, load, ns

from ocrprof.results.import_graph import import_rows, owners_of, package_rows, program_imports

HOME = "/home/ana"
STDLIB = "/usr/lib/python3.11"


def rows_of(*loads, end=10_000):
    return import_rows(loads, pid=1, spawn_ns=SPAWN * MS, end_ns=ns(end), phase_at=lambda at: "imports")


def packages_of(*loads):
    return {row.package: row for row in package_rows(rows_of(*loads))}


# train.py:3 → ocr.orchestrator:9 → lightning → torch → sympy; train.py:4 → numpy; torchmetrics needs torch too.
PROGRAM = (
    load("ocr", 0, 5, file=f"{HOME}/ocr/__init__.py", by=(f"{HOME}/train.py", 3)),
    load("ocr.orchestrator", 5, 905, file=f"{HOME}/ocr/orchestrator.py", by=(f"{HOME}/train.py", 3), self_ms=10),
    load(
        "lightning", 10, 800, depth=1, self_ms=90, by=(f"{HOME}/ocr/orchestrator.py", 9), by_module="ocr.orchestrator"
    ),
    load("torch", 20, 620, depth=2, self_ms=400, by=(f"{SITE}/lightning/__init__.py", 5), by_module="lightning"),
    load("sympy", 100, 300, depth=3, by=(f"{SITE}/torch/__init__.py", 77), by_module="torch"),
    load("torchmetrics", 620, 720, depth=2, self_ms=60, by=(f"{SITE}/lightning/m.py", 8), by_module="lightning"),
    load("torch.extra", 650, 690, depth=3, by=(f"{SITE}/torchmetrics/__init__.py", 2), by_module="torchmetrics"),
    load("numpy", 810, 900, depth=1, by=(f"{HOME}/ocr/orchestrator.py", 10), by_module="ocr.orchestrator"),
    load("json", 905, 915, file=f"{STDLIB}/json/__init__.py", by=(f"{HOME}/train.py", 4)),
)


def test_rows_come_in_the_order_of_their_start_whatever_the_order_of_the_records():
    rows = rows_of(*reversed(PROGRAM))
    assert [row.module for row in rows][:4] == ["ocr", "ocr.orchestrator", "lightning", "torch"]
    lightning = rows[2]
    assert lightning.start_seconds == pytest.approx(0.010)
    assert (lightning.self_seconds, lightning.inclusive_seconds) == pytest.approx((0.090, 0.790))
    assert lightning.importer is not None and lightning.importer.line == 9
    assert lightning.importer_module == "ocr.orchestrator"


def test_loads_after_the_milestone_are_left_out():
    assert [row.module for row in rows_of(*PROGRAM, end=7)] == ["ocr", "ocr.orchestrator"]


def test_self_times_of_a_subtree_are_the_inclusive_time_of_its_root():
    packages = packages_of(*PROGRAM)
    under = ["lightning", "torch", "sympy", "torchmetrics"]
    assert sum(packages[name].self_seconds for name in under) == pytest.approx(packages["lightning"].inclusive_seconds)


def test_packages_are_summed_over_their_modules_and_counted_once_where_they_overlap():
    torch = packages_of(*PROGRAM)["torch"]
    assert torch.self_seconds == pytest.approx(0.440)
    assert torch.inclusive_seconds == pytest.approx(0.640)
    assert torch.num_modules == 2


def test_the_longest_package_comes_first():
    packages = [row.package for row in package_rows(rows_of(*PROGRAM))]
    assert packages[:2] == ["torch", "sympy"]
    assert packages[-1] == "json"


def test_each_package_has_an_owner():
    packages = packages_of(*PROGRAM)
    assert {name: row.owner for name, row in packages.items()} == {
        "ocr": "program",
        "lightning": "installed",
        "torch": "installed",
        "sympy": "installed",
        "torchmetrics": "installed",
        "numpy": "installed",
        "json": "stdlib",
    }


def test_an_installed_program_is_known_by_its_main_file():
    main = f"{SITE}/tabular/app.py"
    rows = rows_of(load("tabular.parts", 0, 9, by=(main, 3)), load("torch", 10, 20, by=(main, 4)))
    assert owners_of(rows)["tabular"] == "program"
    assert owners_of(rows)["torch"] == "installed"


def test_an_installed_program_is_known_by_its_console_script():
    script = "/venv/bin/tabular-train"
    rows = rows_of(
        load("re", 0, 1, by=(script, 2), file=f"{STDLIB}/re/__init__.py"),
        load("tabular.app", 1, 9, by=(script, 4)),
        load("torch", 2, 8, depth=1, by=(f"{SITE}/tabular/app.py", 3), by_module="tabular.app"),
    )
    assert (owners_of(rows)["tabular"], owners_of(rows)["torch"]) == ("program", "installed")


def test_a_failed_import_is_nobodys_program():
    rows = rows_of(load("deepspeed", 0, 9, ok=False, error="ModuleNotFoundError", file=None))
    assert owners_of(rows)["deepspeed"] == "installed"
    assert package_rows(rows)[0].num_modules == 0


def test_the_chain_names_the_line_of_every_hop_from_the_programs_file():
    assert packages_of(*PROGRAM)["sympy"].chain == [
        f"__main__ ({HOME}/train.py:3)",
        f"ocr.orchestrator ({HOME}/ocr/orchestrator.py:9)",
        f"lightning ({SITE}/lightning/__init__.py:5)",
        f"torch ({SITE}/torch/__init__.py:77)",
        "sympy",
    ]


def test_a_chain_begins_at_the_library_whose_function_was_called():
    packages = packages_of(
        load("hydra", 0, 50, by=(f"{HOME}/train.py", 2)),
        load("hydra.utils", 10, 20, depth=1, by=(f"{SITE}/hydra/__init__.py", 5), by_module="hydra"),
        load("timm", 100, 190, by=(f"{SITE}/hydra/utils.py", 650), by_module="hydra.utils"),
        load("torch", 110, 180, depth=1, by=(f"{SITE}/timm/__init__.py", 3), by_module="timm"),
    )
    assert packages["torch"].chain == [
        f"hydra.utils ({SITE}/hydra/utils.py:650)",
        f"timm ({SITE}/timm/__init__.py:3)",
        "torch",
    ]


def test_a_chain_through_a_library_that_is_called_during_an_import_goes_through_that_import():
    packages = packages_of(
        load("lightning_utilities", 0, 9),
        load("lightning", 10, 190, by=(f"{HOME}/train.py", 2)),
        load(
            "torch", 20, 180, depth=1, by=(f"{SITE}/lightning_utilities/core.py", 78), by_module="lightning_utilities"
        ),
    )
    assert packages["torch"].chain == [
        f"__main__ ({HOME}/train.py:2)",
        "lightning",
        f"lightning_utilities ({SITE}/lightning_utilities/core.py:78)",
        "torch",
    ]
    assert packages["lightning"].dominated_packages == ["torch"]
    assert packages["lightning_utilities"].dominated_packages == []


def test_a_chain_through_a_function_of_the_program_goes_on_to_its_main_file():
    packages = packages_of(
        load("ocr", 0, 50, file=f"{HOME}/ocr.py", by=(f"{HOME}/train.py", 2)),
        load("torch", 100, 190, by=(f"{HOME}/ocr.py", 30), by_module="ocr"),
    )
    assert packages["torch"].chain == [f"__main__ ({HOME}/train.py:2)", f"ocr ({HOME}/ocr.py:30)", "torch"]


def test_a_chain_ends_where_importers_go_in_a_circle():
    rows = packages_of(
        load("a", 0, 10, by=("/b.py", 1), by_module="b"), load("b", 1, 9, depth=1, by=("/a.py", 1), by_module="a")
    )
    assert len(rows["a"].chain) <= 4


def test_a_package_dominates_what_comes_in_through_it_alone():
    packages = packages_of(*PROGRAM)
    assert set(packages["torch"].dominated_packages) == {"sympy"}
    assert packages["torch"].dominated_seconds == pytest.approx(0.640)
    # torch is loaded by lightning and by torchmetrics, which itself comes by lightning: both ways lead through it.
    assert set(packages["lightning"].dominated_packages) == {"torch", "sympy", "torchmetrics"}
    assert packages["torchmetrics"].dominated_packages == []


def test_what_two_independent_ways_lead_to_is_dominated_by_neither():
    packages = packages_of(
        load("timm", 0, 50, self_ms=10),
        load("torch", 5, 45, depth=1, by=(f"{SITE}/timm/__init__.py", 1), by_module="timm"),
        load("torch.utils.data", 60, 70),
    )
    assert packages["timm"].dominated_packages == []


def test_loads_of_other_threads_count_no_seconds():
    packages = packages_of(load("torch", 0, 50), load("requests", 5, 45, thread=77))
    assert packages["requests"].self_seconds == 0.0
    assert packages["requests"].num_modules == 1


def lines_of(*loads):
    rows = rows_of(*loads)
    found = program_imports(rows, owners=owners_of(rows))
    return {(one.package, one.line.file.rpartition("/")[2], one.line.line): one for one in found}


def test_each_load_is_charged_to_the_line_of_the_program_that_it_ran_under():
    found = lines_of(*PROGRAM)
    assert set(found) == {
        ("lightning", "orchestrator.py", 9),
        ("numpy", "orchestrator.py", 10),
        ("json", "train.py", 4),
    }
    assert found["lightning", "orchestrator.py", 9].seconds == pytest.approx(0.790)
    assert len(found["lightning", "orchestrator.py", 9].rows) == 5


def test_an_import_that_a_librarys_function_makes_while_it_is_imported_belongs_to_that_line():
    found = lines_of(
        load("torch", 0, 90, self_ms=40),
        load("torch._dynamo", 30, 80, depth=1, by=("/usr/lib/python3.11/functools.py", 9), by_module="functools"),
    )
    assert found["torch", "train.py", 1].seconds == pytest.approx(0.090)


def test_an_import_by_a_library_that_the_program_called_has_no_line():
    found = lines_of(
        load("timm", 0, 50),
        load("safetensors", 60, 90, by=(f"{SITE}/timm/hub.py", 5), by_module="timm.hub"),
    )
    assert set(found) == {("timm", "train.py", 1)}


def test_an_import_without_a_known_importer_belongs_to_what_it_ran_inside():
    found = lines_of(load("torch", 0, 90, self_ms=40), load("numpy", 30, 80, depth=1, by=None, by_module=None))
    assert found["torch", "train.py", 1].seconds == pytest.approx(0.090)


def test_loads_whose_own_parent_was_cut_off_by_the_stop_are_not_put_under_a_neighbour():
    # The program's module, still running at the stop, has no record: what it imported one after another is at depth 1.
    found = lines_of(
        load("torch", 10, 50, depth=1, by=(f"{HOME}/app.py", 1), by_module="app"),
        load("cv2", 60, 90, depth=1, by=(f"{HOME}/app.py", 2)),
        load("cv2.inner", 65, 70, depth=2, by=(f"{SITE}/cv2/__init__.py", 2), by_module="cv2"),
    )
    assert [row.module for row in found["cv2", "app.py", 2].rows] == ["cv2", "cv2.inner"]


def test_loads_of_other_threads_are_charged_to_no_line():
    assert set(lines_of(load("torch", 0, 50), load("requests", 5, 45, thread=77))) == {("torch", "train.py", 1)}

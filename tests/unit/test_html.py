"""HTML pages: well-formed, of one file, with the report's own figures, whatever a target's names hold."""

import re

import pytest
from golden import assert_golden
from html_checks import Element, fetched_by, read_page, text_of
from html_pages import IMPORTS, TIMELINE, full_startup, imported
from reports_fixture import (
    BASELINE_FINDING,
    FINDINGS,
    bare_baseline_report,
    baseline_report,
    crashed_report,
    loop,
    run,
    script_report,
    startup_report,
)

from ocrprof.renderers import figures, figures_loops, figures_startup
from ocrprof.renderers.charts import ticks
from ocrprof.renderers.html import baseline_html, startup_html
from ocrprof.renderers.icicle import by_importer, by_package
from ocrprof.renderers.pages import write_pages
from ocrprof.results.model import MemorySample, Process, StartupReport
from ocrprof.units import format_bytes, format_percent, format_seconds

STARTUPS = {"startup": startup_report, "startup_crashed": crashed_report, "startup_script": script_report}
BASELINES = {"baseline": baseline_report, "baseline_bare": bare_baseline_report}
HOSTILE = "<script>alert(\"x\")</script> & 'quotes' </title></style> \x1b[31m\udcff"


def page_of(report: object) -> Element:
    return read_page(startup_html(report) if isinstance(report, StartupReport) else baseline_html(report))


def share(value: str) -> float:
    """A coordinate in percent of the width."""
    return float(value.rstrip("%"))


def style(element: Element, name: str) -> float:
    return share(re.search(rf"(?:^|;){name}:([0-9.]+)", element.attributes["style"])[1])


@pytest.mark.parametrize("name", [*STARTUPS, *BASELINES])
def test_a_page_is_well_formed_and_fetches_nothing(name):
    root = page_of({**STARTUPS, **BASELINES}[name]())
    assert fetched_by(root) == []
    policy = next(meta for meta in root.all("meta") if "http-equiv" in meta.attributes)
    assert policy.attributes["content"].startswith("default-src 'none'")


@pytest.mark.parametrize("name", ["startup", "baseline"])
def test_the_text_of_a_page_is_the_committed_one(name):
    report = full_startup() if name == "startup" else baseline_report(startup=full_startup())
    assert_golden(f"{name}_html.txt", text_of(page_of(report)))


def test_style_and_script_stand_in_the_page_and_call_for_nothing():
    root = page_of(full_startup())
    for element in (root.one("style"), root.one("script")):
        assert element.text
        assert not re.search(r"https?:|@import|url\(|fetch|XMLHttp|import\s*\(", element.text)


def test_findings_lead():
    headings = [heading.text for heading in page_of(full_startup()).all("h2")]
    assert headings[0] == "What to change first"
    assert headings.index("Processes over time") < headings.index("Where the time goes") < headings.index("Imports")
    assert page_of(baseline_report()).all("h2")[0].text == "What to change first"


def test_what_is_only_to_be_known_stands_apart_from_what_to_change():
    told = FINDINGS[2].model_copy(update={"effect": "tells"})
    root = page_of(startup_report(findings=[FINDINGS[0], told]))
    to_change, to_know = root.all("ol", "findings")
    assert [card.one("h3").text for card in to_change.children] == [FINDINGS[0].title]
    assert [card.one("h3").text for card in to_know.children] == [told.title]
    assert [heading.text for heading in root.all("h2")][:2] == ["What to change first", "To know"]


def test_the_first_findings_are_shown_and_the_others_on_demand():
    root = page_of(startup_report(findings=FINDINGS * 4))
    shown, hidden = root.all("ol", "findings")
    assert (len(shown.children), len(hidden.children)) == (6, 6)
    assert "6 more, each of less weight" in [one.text for one in root.all("summary")]


def test_a_finding_tells_priority_seconds_place_and_advice():
    first = page_of(baseline_report()).one("ol", "findings").children[0]
    assert first.one("span", "badge").text == BASELINE_FINDING.priority
    assert first.one("span", "cost").text.split() == ["9.10", "s", "61.0", "%"]
    assert "ocr/models/head/db_postprocess.py:88" in first.text
    assert BASELINE_FINDING.advice in first.text


def test_code_in_advice_is_set_as_code():
    finding = FINDINGS[0].model_copy(update={"advice": "Call `setup()` later, not <here>."})
    item = page_of(startup_report(findings=[finding])).one("ol", "findings").children[0]
    assert "setup()" in [code.text for code in item.all("code")]
    assert "not <here>." in item.text


def test_nothing_of_a_target_becomes_markup():
    finding = FINDINGS[0].model_copy(update={"title": HOSTILE, "advice": HOSTILE, "evidence": {HOSTILE: HOSTILE}})
    start = full_startup()
    package = start.packages[0].model_copy(update={"package": HOSTILE, "chain": [HOSTILE] * 3})
    built = start.instantiations[0].model_copy(update={"target": HOSTILE, "config_paths": [HOSTILE]})
    made = start.constructions[0].model_copy(update={"name": HOSTILE, "kind": HOSTILE})
    module = IMPORTS[0].model_copy(update={"module": HOSTILE})
    crashed = crashed_report().runs[0].model_copy(update={"stderr_tail": [HOSTILE], "stack": [HOSTILE]})
    target = start.target.model_copy(update={"argv": [HOSTILE], "cwd": HOSTILE})
    start = start.model_copy(
        update={"findings": [finding], "packages": [package], "instantiations": [built], "constructions": [made],
                "imports": [module], "runs": [run(), crashed], "target": target}
    )  # fmt: skip
    parts = loop("train", batch_seconds=0.2, num_batches=8, parts={HOSTILE: 0.5})
    report = baseline_report(
        startup=start, findings=[finding], loops=[parts], target=target, config={HOSTILE: HOSTILE},
        metrics={HOSTILE: 1.0}, run=crashed, limits={HOSTILE: HOSTILE},
    )  # fmt: skip
    plain = page_of(baseline_report(startup=full_startup()))
    root = page_of(report)
    assert len(root.all("script")) == len(plain.all("script")) == 1
    assert fetched_by(root) == []
    assert 'alert("x")' in text_of(root)
    assert "\x1b" not in baseline_html(report)
    baseline_html(report).encode()


def numbers_in(value: object) -> set[float]:
    """Every number of a report, as it is stored."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return set()
    if isinstance(value, int | float):
        return {float(value)}
    items = value.values() if isinstance(value, dict) else value
    return set().union(*(numbers_in(item) for item in items))


def derived_numbers(report: object) -> set[float]:
    """What the page works out of the stored numbers: shares, sums and differences."""
    start = report if isinstance(report, StartupReport) else report.startup
    derived = {row.share for row in figures_startup.phase_rows(start)}
    derived |= {sum(row.self_seconds for row in start.packages), sum(row.self_seconds for row in start.packages[15:])}
    spans = [(one.start_seconds, one.seconds) for one in (*start.timeline, *start.constructions)]
    spans += [(one.start_seconds, one.inclusive_seconds) for one in start.imports]
    derived |= {start_seconds + seconds for start_seconds, seconds in spans}
    derived |= {one.wall_seconds - process.start_seconds for one in start.runs for process in one.processes}
    total = figures_startup.time_to_milestone(start)
    derived |= {(total.ci95[1] - total.ci95[0]) / total.median} if total and total.ci95 else set()
    derived |= {start.observer.cost_seconds / figures_startup.measured_seconds(start)}
    for one in getattr(report, "loops", ()):
        derived |= {value for row in figures_loops.part_rows(one) for value in (row.seconds, row.share)}
        derived |= {max(one.batch_seconds[one.num_warmup :])}
    if report is not start:
        derived |= {report.observer.cost_seconds / report.run.wall_seconds, figures_loops.ratio(report)}
    return derived


@pytest.mark.parametrize("report", [full_startup(), baseline_report(startup=full_startup())], ids=["start", "baseline"])
def test_every_figure_that_is_shown_comes_from_the_report(report):
    root = page_of(report)
    axes = {tick.text for svg in root.all("svg", "axis") for tick in svg.all("text")}
    values = numbers_in(report.model_dump(mode="json")) | derived_numbers(report)
    scales = [figures.column_scale(0.1), figures.column_scale(100.0), figures.line_scale(0.5), figures.line_scale(50.0)]
    allowed = {form(value) for value in values for form in (format_seconds, format_bytes, format_percent)}
    allowed |= {scale.text(value) for value in values for scale in scales}
    allowed |= {f"{value:{form}}" for value in values for form in (".4g", ".6g", "g", ".2f")}
    seen = set(re.findall(r"<?\d[\d.]*(?: min \d\d)? (?:ms|µs|s|%|[KMG]iB)(?![\w/])", text_of(root)))
    seen -= {"95 %"}
    assert len(seen) > 20
    assert {figure for figure in seen if figure not in allowed | axes} == set()
    cells = {cell.text.split(" to ")[0] for cell in root.all("td", "n")}
    assert {cell for cell in cells if re.fullmatch(r"<?[\d.]+", cell) and cell not in allowed} == set()


def test_a_start_without_a_finding_says_so_and_one_that_failed_does_not():
    assert figures.NO_FINDINGS in text_of(page_of(script_report()))
    assert figures.NO_FINDINGS not in text_of(page_of(crashed_report()))


def test_a_failure_is_told_first_with_the_last_lines():
    root = page_of(crashed_report())
    box = root.one("section", "failure")
    assert "exited 1 in phase model" in box.text
    assert box.one("pre").text.splitlines()[-1].strip() == "RuntimeError: Unknown model (resnet81)"
    assert root.one("p", "hero").text.startswith("12.3 s")


def test_where_a_hanging_target_stood_is_shown():
    hanging = crashed_report().runs[0].model_copy(update={"status": "timed_out", "stack": ["read (socket.py:718)"]})
    assert "read (socket.py:718)" in page_of(startup_report(runs=[hanging], summary={})).one("section", "failure").text


def test_a_run_that_was_not_recorded_has_a_page():
    silent = crashed_report().runs[0].model_copy(update={"status": "not_recorded", "phases": []})
    text = text_of(page_of(crashed_report().model_copy(update={"runs": [silent]})))
    assert "the recorder did not start" in text


def test_phases_of_the_bar_are_as_wide_as_their_shares():
    root = page_of(full_startup())
    spans = root.all("div", "stack")[0].children
    rows = [row for row in figures_startup.phase_rows(full_startup()) if row.share > 0]
    assert [style(span, "width") for span in spans] == pytest.approx([100 * row.share for row in rows], abs=0.001)


def lane(root: Element, label: str) -> Element:
    lanes = [svg for svg in root.one("div", "lanes").all("svg", "lane") if svg.attributes["aria-label"] == label]
    return lanes[0]


def test_each_process_has_a_lane_with_its_phases_where_they_were():
    report = full_startup(runs=[run()], constructions=[])
    root = page_of(report)
    wall = report.runs[0].wall_seconds
    main, worker = lane(root, "main"), lane(root, "worker")
    model = next(bar for bar in main.all("svg", "bar") if bar.attributes.get("data-k") == "model")
    assert share(model.attributes["x"]) == pytest.approx(100 * 22.99 / wall, abs=0.01)
    assert share(model.attributes["width"]) == pytest.approx(100 * 51.3 / wall, abs=0.01)
    assert model.one("title").text == "model: 51.3 s, from 23.0 s to 74.3 s"
    alive, imports = worker.all("svg", "bar")
    assert share(alive.attributes["x"]) == pytest.approx(100 * 58.2 / wall, abs=0.01)
    assert imports.attributes["data-k"] == "imports"


def test_what_was_built_stands_below_the_main_process_in_rows_without_overlap():
    lanes = page_of(full_startup(runs=[run()])).one("div", "lanes").all("svg", "lane")
    labels = [one.attributes["aria-label"] for one in lanes]
    assert labels == ["main", "built", "", "loaded", "worker", "worker"]
    built = [[bar.attributes["data-k"] for bar in row.all("svg", "bar")] for row in lanes[1:3]]
    assert built == [["OCRDataset", "train loader"], ["OCRModule"]]


def test_a_process_that_began_after_the_milestone_has_no_lane():
    late = Process(pid=103, parent_pid=100, role="helper", argv=[], start_seconds=1e4)
    runs = [run().model_copy(update={"processes": [*run().processes, late]})]
    assert "pid 103" not in text_of(page_of(full_startup(runs=runs)))


def test_a_report_of_before_the_timeline_has_a_page_without_lanes():
    assert page_of(startup_report()).all("div", "lanes") == page_of(startup_report()).all("div", "strip")


def boxes(root: Element, view: str) -> dict[str, tuple[float, float, float]]:
    """(left, width, row) of each box by its text."""
    return {
        box.text: (style(box, "left"), style(box, "width"), style(box, "top") / 20)
        for box in root.one("div", view).all("i")
    }


def test_boxes_by_package_are_as_wide_as_the_time_of_what_they_hold():
    found = boxes(page_of(full_startup()), "view0")
    assert found["all imports"] == (0, 100, 0)
    assert found["torch"] == (0, 80, 1)
    assert found["nn"] == (0, 50, 2)
    assert found["lightning"][1:] == (10, 1)


def test_boxes_by_importer_lie_in_who_asked_for_them():
    found = boxes(page_of(full_startup()), "view1")
    assert found["lightning"] == (0, 90, 1)
    assert found["torch"] == (0, 80, 2)
    assert found["torch.nn"] == (0, 50, 3)
    assert found["timm"] == (90, 10, 1)


def test_trees_of_imports_add_up_to_the_same_time():
    assert by_package(IMPORTS).seconds == pytest.approx(by_importer(IMPORTS).seconds) == pytest.approx(10.0)


def test_imports_of_other_threads_are_in_no_tree():
    rows = [row.model_copy(update={"thread": 7}) for row in IMPORTS]
    assert by_package(rows).seconds == by_importer(rows).seconds == 0
    page_of(full_startup().model_copy(update={"imports": rows}))


def test_a_page_of_thousands_of_modules_stays_small():
    rows = [
        imported(f"package{index % 200}.module{index % 1000}.part{index}", index, 1.0, self_seconds=0.5 + index % 7)
        for index in range(6000)
    ]
    segments = TIMELINE * 100
    page = baseline_html(baseline_report(startup=startup_report(imports=rows, timeline=segments)))
    assert len(page.encode()) < 300_000


def test_duplicates_are_named_in_the_tree_of_instantiations():
    root = page_of(full_startup())
    rows = [row for row in root.all("tr") if row.all("span", "duplicate")]
    assert [row.one("span", "path").text.strip() for row in rows] == ["model", "encoder"]
    assert ["also as callbacks.ema.model" in row.text for row in rows] == [False, True]
    assert "also as model.encoder" in rows[0].text


def circles(root: Element, label: str) -> list[Element]:
    (row,) = [svg for svg in root.all("svg", "lane") if svg.attributes["aria-label"] == f"{label}: samples"]
    return row.all("circle") + row.all("text", "beyond")


def test_every_batch_is_a_dot_and_warm_ups_past_the_axis_are_arrows_with_their_time():
    root = page_of(baseline_report())
    dots = circles(root, "training")
    assert len(dots) == 20
    (beyond,) = [dot for dot in dots if dot.name == "text"]
    assert beyond.text.split("▸")[0].split()[-2:] == format_seconds(baseline_report().loops[0].batch_seconds[0]).split()


def test_a_warm_up_within_the_axis_is_hollow():
    steady = loop("train", batch_seconds=0.2, num_batches=8, parts={})
    steady = steady.model_copy(update={"batch_seconds": [0.2] * 8})
    assert len([dot for dot in circles(page_of(baseline_report(loops=[steady])), "training")
                if dot.attributes.get("class") == "hollow"]) == 1  # fmt: skip


def test_median_and_p95_stand_on_the_strip():
    svg = next(
        one for one in page_of(baseline_report()).all("svg", "lane") if "validation" in one.attributes["aria-label"]
    )
    assert [text.text for text in svg.all("text", "stat")] == ["median 436 ms", "p95 445 ms"]


def test_columns_of_a_batch_are_as_high_as_its_parts():
    columns = page_of(baseline_report()).all("svg", "columns")[0]
    third = [rect for rect in columns.all("rect") if rect.one("title").text.startswith("batch 3,")]
    heights = {rect.attributes["data-k"]: share(rect.attributes["height"]) for rect in third}
    assert heights["backward"] == pytest.approx(3 * heights["rest: own code, framework"], rel=0.01)
    assert sum(heights.values()) <= 100.001


def test_many_batches_are_averaged_into_columns_that_can_be_seen():
    many = loop("train", batch_seconds=0.2, num_batches=1000, parts={"fetch": 0.5, "rest": 0.5})
    columns = page_of(baseline_report(loops=[many])).all("svg", "columns")[0]
    assert len(columns.all("rect")) <= 240
    assert "mean of 9 batches" in text_of(page_of(baseline_report(loops=[many])))


def test_memory_over_time_keeps_its_peak_when_thinned_out():
    memory = baseline_report().memory
    samples = [
        MemorySample(at_seconds=float(at), rss_bytes=2**30 * (4 if at == 777 else 1), num_processes=1)
        for at in range(1, 1201)
    ]
    root = page_of(baseline_report(memory=memory.model_copy(update={"samples": samples})))
    (curve,) = root.one("svg", "curves").all("polyline")
    points = [float(point.split(",")[1]) for point in curve.attributes["points"].split()]
    assert len(points) <= 300
    assert min(points) == 0


def test_one_sample_of_memory_draws_no_curve():
    assert page_of(baseline_report()).all("svg", "curves") == []


def test_what_was_not_measured_is_said():
    report = baseline_report(
        startup=None, run=None, loops=[], memory=None, findings=[], config={}, metrics={}, logged_metrics={}
    )
    text = text_of(page_of(report))
    for sentence in (
        "The training run was not measured.",
        "Training: not seen: the program ran no training batch.",
        "Validation: not seen: the program ran no validation batch.",
        "The start was not measured.",
        "No metric was recorded.",
        "The target composed no Hydra configuration.",
    ):
        assert sentence in text


@pytest.mark.parametrize("limit", [1e-5, 0.013, 0.9, 1.0, 74.3, 1234.0])
def test_ticks_are_round_few_and_within_the_axis(limit):
    found = ticks(limit)
    assert found[0] == 0
    assert 3 <= len(found) <= 8
    assert found[-1] <= limit * 1.001
    assert float(f"{found[1]:.0e}") == pytest.approx(found[1])


def test_the_pages_of_a_report_lie_beside_it(tmp_path):
    write_pages(startup_report(), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "report.json", "report.md"]
    read_page((tmp_path / "report.html").read_text(encoding="utf-8"))

"""The sections of a start's page that not every start has, and the links between them."""

import pytest
from html_checks import Element, fetched_by, read_page, text_of
from html_pages import full_startup
from reports_fixture import CWD, PACKAGES, startup_report, statistic

from ocrprof.renderers.html import startup_html
from ocrprof.renderers.html_links import package_anchor, shown_packages
from ocrprof.results.model import (
    Calls,
    ColdPair,
    ColdStarts,
    Composition,
    ConfigFile,
    Conversion,
    FileAccess,
    FileSize,
    Hop,
    HydraFigures,
    Instantiation,
    LazyPair,
    Location,
    NetworkWait,
    Overhead,
    OverheadPair,
    Part,
    Saving,
    Touch,
    Verification,
    WhatIf,
    Why,
)

TRAIN = Location(file=f"{CWD}/train.py", line=7)
HOPS = [
    Hop(module="__main__", location=TRAIN),
    Hop(module="torchmetrics", location=Location(file=f"{PACKAGES}/torchmetrics/__init__.py", line=37)),
    Hop(module="sympy"),
]


def composition(purpose: str, *, start_seconds: float) -> Composition:
    return Composition(
        config="train", purpose=purpose, location=TRAIN, start_seconds=start_seconds, seconds=0.7, num_configs=21,
        depth=8, num_files=18, num_deepcopies=1018, overrides_seconds=0.1, read_seconds=0.3, defaults_seconds=0.2,
        merge_seconds=0.05,
    )  # fmt: skip


HYDRA = HydraFigures(
    seconds=1.9,
    plugins_seconds=0.4,
    plugins=[Part(name="hydra_plugins.optuna", seconds=0.35)],
    logging_seconds=0.02,
    compositions=[composition("get_mode", start_seconds=4.6), composition("run", start_seconds=5.4)],
    files=[ConfigFile(path=f"{CWD}/conf/train.yaml", own=True, count=2, seconds=0.09)],
    omegaconf=[Calls(name="to_container", count=3, seconds=0.04)],
    resolvers=[Calls(name="charset_size", count=120, seconds=0.255, location=TRAIN)],
    instantiate_calls=11,
    instantiate_overhead_seconds=0.018,
    conversions=[Conversion(num_elements=20_000, seconds=1.25, location=TRAIN)],
)
SAVINGS = [
    Saving(module="sympy", seconds=1.41, num_modules=402, held_by=HOPS[1:2]),
    Saving(
        module="torch",
        seconds=9.9,
        num_modules=1204,
        lines=[TRAIN],
        used=Touch(phase="model", start_seconds=30.0, how="DBNet.__init__", location=TRAIN),
    ),
    Saving(module="torchmetrics", seconds=1.8, num_modules=812, lines=[TRAIN]),
]


def page_of(**changes: object) -> Element:
    return read_page(startup_html(full_startup(**changes)))


def section_of(root: Element, anchor: str) -> Element:
    (found,) = [one for one in root.all("section") if one.attributes.get("id") == anchor]
    return found


def test_sections_of_what_was_not_recorded_are_not_there():
    anchors = {one.attributes.get("id") for one in page_of().all("section")}
    assert anchors.isdisjoint({"savings", "hydra", "files", "pairs"})
    assert {"imports", "chains", "instantiated", "processes"} <= anchors


def test_the_contents_lead_to_every_section_in_order():
    root = page_of(hydra=HYDRA, savings=SAVINGS)
    links = [link.attributes["href"] for link in root.one("nav").all("a")]
    assert links == [f"#{one.attributes['id']}" for one in root.all("section") if "id" in one.attributes]


def test_a_package_leads_from_every_view_to_its_chain_with_the_line_of_each_hop():
    root = page_of(savings=SAVINGS)
    entry = next(one for one in root.all("details") if one.attributes.get("id") == package_anchor("torch"))
    assert [step.text.split() for step in entry.one("ol", "chain").all("li")] == [
        ["train.py:7", "loads", "lightning"],
        ["lightning/__init__.py:19", "loads", "torch"],
    ]
    for anchor in ("imports", "savings"):
        links = [link.attributes["href"] for link in section_of(root, anchor).all("a")]
        assert f"#{package_anchor('torch')}" in links


def test_what_belongs_to_a_package_is_marked_in_boxes_lanes_tables_and_chains():
    root = page_of(savings=SAVINGS)
    marked = [one for name in ("i", "svg", "a", "details") for one in root.all(name)]
    kinds = {one.name for one in marked if one.attributes.get("data-package") == "torch"}
    assert kinds == {"i", "svg", "a", "details"}


def test_names_that_no_id_can_hold_have_anchors_of_their_own():
    names = ["a b", "a.b", "a-b", "a_b", "ä", "<a>", "a.20.b"]
    anchors = [package_anchor(name) for name in names]
    assert len(set(anchors)) == len(names)
    assert all(" " not in anchor and "<" not in anchor for anchor in anchors)


def test_packages_that_could_be_saved_are_told_however_small():
    last = startup_report().packages[-1].package
    saving = Saving(module=f"{last}.part", seconds=0.1, num_modules=1)
    many = startup_report().packages
    padded = [many[0].model_copy(update={"package": f"filler_{index}"}) for index in range(40)]
    report = full_startup(packages=[*padded, *many], savings=[saving])
    assert last in [row.package for row in shown_packages(report)]
    assert many[-2].package not in [row.package for row in shown_packages(report)]


def test_savings_say_what_to_do_who_holds_it_or_where_it_would_move_the_best_first():
    rows = section_of(page_of(savings=SAVINGS), "savings").one("tbody").all("tr")
    assert [" ".join(row.text.split()) for row in rows] == [
        "torchmetrics 1.80 812 defer train.py:7",
        "torch 9.90 1204 only deferred to model: used by DBNet.__init__ at train.py:7",
        "sympy 1.41 402 held by torchmetrics at torchmetrics/__init__.py:37",
    ]


def test_the_proof_of_a_saving_shows_every_pair():
    pairs = [
        LazyPair(
            lazy_first=False,
            ordinary_seconds=20.0 + number,
            lazy_seconds=18.0 + number,
            ordinary_loading_seconds=5.0,
            lazy_loading_seconds=3.0,
        )
        for number in range(3)
    ]
    proof = Verification(seed=7, pairs=pairs, saving=statistic(2.0, n=3), loading_saving=statistic(2.0, n=3))
    answer = WhatIf(module="torchmetrics", phase="imports", predicted_seconds=1.8, num_modules=812, verification=proof)
    box = section_of(page_of(what_if=answer), "savings")
    assert "1.80 s, the self time of 812 modules" in " ".join(box.text.split())
    dots = {svg.attributes["aria-label"]: len(svg.all("circle")) for svg in box.all("svg", "lane")}
    assert dots == {"ordinary: samples": 3, "lazy: samples": 3}


def test_the_answer_to_why_stands_before_the_chains():
    answer = Why(
        module="sympy", phase="imports", self_seconds=0.3, dominated_seconds=1.4, num_dominated=402, chain=HOPS,
        importers=[HOPS[0]],
    )  # fmt: skip
    box = section_of(page_of(why=answer), "chains").one("div", "asked")
    steps = [" ".join(step.text.split()) for step in box.one("ol").all("li")]
    assert steps == ["train.py:7 loads torchmetrics", "torchmetrics/__init__.py:37 loads sympy"]
    assert "1 other importer would have loaded it anyway" in box.text


def test_a_composition_is_split_into_parts_that_add_up():
    box = section_of(page_of(hydra=HYDRA), "hydra")
    spans = box.one("div", "stack").children
    widths = {
        span.attributes["data-k"]: float(span.attributes["style"][len("width:") :].split("%")[0]) for span in spans
    }
    whole = HYDRA.seconds
    assert widths["files"] == pytest.approx(100 * 0.6 / whole, abs=0.01)
    assert widths["resolvers and OmegaConf"] == pytest.approx(100 * (whole - 1.4 - 0.4 - 0.02) / whole, abs=0.01)
    assert widths["rest of composing"] == pytest.approx(100 * 0.1 / whole, abs=0.01)
    assert sum(widths.values()) == pytest.approx(100, abs=0.05)


def test_configuration_names_files_resolvers_calls_conversions_and_plugins():
    told = text_of_section("hydra", hydra=HYDRA)
    for words in (
        "train get_mode 4.60 s 700.0 100.0 200.0 300.0 50.0 50.0 18 21 8 1018 train.py:7",
        "conf/train.yaml the program’s 2 90.0",
        "charset_size 120 255.0 train.py:7",
        "to_container 3 40.0",
        "train.py:7 20000 1.25 s",
        "hydra_plugins.optuna 350 ms",
        "11 calls of instantiate: 18.0 ms of Hydra’s own",
    ):
        assert words in told


def text_of_section(anchor: str, **changes: object) -> str:
    return " ".join(section_of(page_of(**changes), anchor).text.split())


def test_instantiations_lie_in_the_tree_of_their_config_paths():
    rows = [
        Instantiation(
            target="timm.create_model", config_path="model.encoder", count=1, seconds=9.2, duplicate=False,
            overhead_seconds=0.004, imports_seconds=4.4, callers=[TRAIN],
        ),
        Instantiation(target="ocr.Model", config_path="model", count=1, seconds=0.5, duplicate=False),
        Instantiation(target="ocr.Ema", config_path="callbacks.ema", count=1, seconds=0.1, duplicate=False),
    ]  # fmt: skip
    lines = section_of(page_of(instantiations=rows), "instantiated").one("tbody").all("tr")
    paths = [(line.one("span", "path").text.strip(), line.one("span", "path").attributes["style"]) for line in lines]
    assert [name for name, _ in paths] == ["callbacks", "ema", "model", "encoder"]
    indents = [float(style.removeprefix("padding-left:").removesuffix("em")) for _, style in paths]
    assert indents[0] == indents[2] < indents[1] == indents[3]
    assert " ".join(lines[3].text.split()) == "encoder timm.create_model 1 9.20 4.40 <0.01 train.py:7"


def test_cold_starts_show_their_pairs_and_the_largest_files():
    cold = ColdStarts(
        num_files=3912, bytes=4 * 2**30, largest=[FileSize(path="/lib/libtorch.so", bytes=2**30)], resident_share=0.0,
        achieved=True, pairs=[ColdPair(cold_seconds=61.2, warm_seconds=19.4)], cold_seconds=statistic(61.2, n=1),
        warm_seconds=statistic(19.4, n=1), difference_seconds=statistic(41.8, n=1),
    )  # fmt: skip
    told = text_of_section("pairs", cold=cold)
    assert "cold 61.2 s, warm 19.4 s" in told
    assert "libtorch.so /lib 1.00 GiB 25.0 %" in told


def test_a_cold_start_that_was_not_achieved_shows_what_stayed_and_no_dot():
    cold = ColdStarts(
        num_files=3, bytes=2**30, resident_share=0.5, achieved=False,
        resident=[FileSize(path="/lib/libtorch.so", bytes=2**29)],
    )  # fmt: skip
    box = section_of(page_of(cold=cold), "pairs")
    assert box.all("circle") == []
    assert "stayed in the page cache" in box.text
    assert "libtorch.so" in box.text


def test_the_overhead_check_shows_its_pairs():
    pairs = [OverheadPair(recorded_seconds=20.4, marks_only_seconds=20.0, recorded_first=True)] * 5
    overhead = Overhead(seed=3, pairs=pairs, difference_seconds=statistic(0.4), marks_only_seconds=statistic(20.0))
    box = section_of(page_of(overhead=overhead), "pairs")
    assert [len(svg.all("circle")) for svg in box.all("svg", "lane")] == [5, 5]
    assert "recording adds 400 ms" in box.text


def test_files_are_counted_by_phase_and_named_by_folder():
    access = [
        FileAccess(phase="data", during="dataset.init", folder=f"{CWD}/pages", num_opened=903, num_listed=3,
                   num_by_imports=0),
        FileAccess(phase="imports", folder=f"{PACKAGES}/torch", num_opened=0, num_listed=0, num_by_imports=52),
    ]  # fmt: skip
    waits = [NetworkWait(phase="loggers", host="api.wandb.ai", num_connections=2, num_lookups=1, seconds=1.25)]
    told = text_of_section("files", file_access=access, network=waits)
    assert "data 903 3" in told
    assert "pages data dataset.init 903 3" in told
    assert "Opened by imports: 52 files" in told
    assert "api.wandb.ai loggers 2 1 1.25 s" in told


def test_all_sections_together_fetch_nothing_and_close_all_they_open():
    root = page_of(hydra=HYDRA, savings=SAVINGS)
    assert fetched_by(root) == []
    assert "Who pulls it in" in text_of(root)

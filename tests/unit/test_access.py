"""Files and connections of level full, from hand-made records, and the rules that judge them."""

import pytest
from judged import one_of, start_of
from recorded import ns, process, span

from ocrprof.findings.access import dataset_scans, network_waits
from ocrprof.recorder.access import SPANS
from ocrprof.results.phases import PHASE_OF_SPAN

SCAN = {"dataset.init": {"/data/labels": [900, 2, 0], "conf": [3, 0, 0]}, "": {"/lib": [0, 0, 40]}}


def scan(*, during="dataset.init", begin=200, end=1000, number=900, by=("/home/ana/ocr/data.py", 12)):
    return [during, "/data/labels", ns(begin), ns(end), number, by and list(by)]


def start(*, files=None, hosts=None, scans=(), seconds=1.0, wall=4000):
    built = span("dataset.init", 100, 100 + 1000 * seconds, loc=("/home/ana/ocr/data.py", 8), **{"class": "ocr.Pages"})
    totals = {"access": {"files": files or {}, "hosts": hosts or {}, "scans": list(scans)}}
    return start_of(process(spans=(built,), marks={"first-step": wall}, totals=totals, cwd="/home/ana"), end=wall)


def test_spans_that_counts_are_kept_by_are_those_that_decide_phases():
    assert {*PHASE_OF_SPAN, "program", "fetch"} == SPANS


def test_folders_have_their_phase_and_their_place():
    rows = start(files=SCAN).file_access
    assert [(row.folder, row.phase, row.num_opened, row.num_by_imports) for row in rows] == [
        ("/data/labels", "data", 900, 0), ("/lib", "imports", 0, 40), ("/home/ana/conf", "data", 3, 0),
    ]  # fmt: skip


def test_files_opened_one_after_another_by_a_data_set_are_a_scan_from_the_first_to_the_last():
    finding = one_of(dataset_scans(start(files=SCAN, scans=[scan(), scan(begin=1050, end=1080)])), "dataset-scan")
    assert finding.title.startswith("Pages opens 903 files and lists 2 folders")
    assert finding.seconds == pytest.approx(0.83)
    assert finding.location.line == 12
    assert "`/data/labels`" in finding.advice
    assert finding.intervals == [(0.2, 1.0), (1.05, 1.08)]


def test_a_scan_whose_line_is_not_known_is_named_by_the_constructor():
    assert one_of(dataset_scans(start(files=SCAN, scans=[scan(by=None)])), "dataset-scan").location.line == 8


def test_few_files_or_little_time_are_no_scan():
    assert dataset_scans(start(files=SCAN, scans=[scan(number=99)])) == []
    assert dataset_scans(start(files=SCAN, scans=[scan(during="program")])) == []
    assert dataset_scans(start(files=SCAN, scans=[scan(end=390)])) == []
    assert dataset_scans(start(files=SCAN)) == []


def test_waiting_for_the_network_names_the_slowest_host():
    hosts = {"wandb.init": {"api.wandb.ai": [2, 1, 700_000_000], "local socket": [9, 0, 1_000_000]}}
    finding = one_of(network_waits(start(hosts=hosts)), "network-wait")
    assert finding.seconds == pytest.approx(0.701)
    assert finding.advice.startswith("`api.wandb.ai` takes 700 ms (phase loggers)")
    assert network_waits(start(hosts={"wandb.init": {"api.wandb.ai": [2, 1, 100_000_000]}})) == []

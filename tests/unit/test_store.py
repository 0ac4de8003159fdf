"""Writing and reading `report.json`."""

import json
import math

import pytest
from reports_fixture import baseline_report, startup_report

from ocrprof.errors import OcrprofError
from ocrprof.results.model import BaselineReport, StartupReport
from ocrprof.results.store import json_schema, read_report, write_report


def test_a_report_reads_back_as_it_was_written(tmp_path):
    for report in (startup_report(), baseline_report()):
        read = read_report(write_report(report, tmp_path))
        assert type(read) is type(report)
        assert read.model_dump(mode="json") == report.model_dump(mode="json")


def test_a_folder_stands_for_the_report_in_it(tmp_path):
    write_report(startup_report(), tmp_path / "new" / "folder")
    assert isinstance(read_report(tmp_path / "new" / "folder"), StartupReport)


def test_the_file_names_its_schema_and_kind_first_and_can_be_read_by_others(tmp_path):
    path = write_report(baseline_report(), tmp_path)
    fields = json.loads(path.read_text())
    assert list(fields)[:2] == ["schema", "kind"]
    assert (fields["schema"], fields["kind"]) == ("ocrprof/1", "baseline")
    assert path.stat().st_mode & 0o044 == 0o044


def test_a_loss_that_is_not_a_number_survives(tmp_path):
    report = baseline_report().model_copy(update={"logged_metrics": {"train/loss": math.nan, "lr": math.inf}})
    read = read_report(write_report(report, tmp_path))
    assert isinstance(read, BaselineReport)
    assert math.isnan(read.logged_metrics["train/loss"]) and read.logged_metrics["lr"] == math.inf
    json.loads((tmp_path / "report.json").read_text(), parse_constant=pytest.fail)


def test_a_failed_write_leaves_the_old_report_and_no_other_file(tmp_path, monkeypatch):
    write_report(startup_report(), tmp_path)
    before = (tmp_path / "report.json").read_bytes()
    monkeypatch.setattr("os.fsync", lambda descriptor: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OcrprofError, match="No space left on device"):
        write_report(baseline_report(), tmp_path)
    assert (tmp_path / "report.json").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("[1, 2]", "is not a report of ocrprof"),
        ('{"schema": "something/1"}', "is not a report of ocrprof"),
        ('{"schema": "ocrprof/2", "kind": "startup"}', "is of schema ocrprof/2, this ocrprof reads ocrprof/1"),
        ('{"schema": "ocrprof/1", "kind": "seance"}', "kind 'seance'"),
        ('{"schema": "ocrprof/1", "kind": "startup"}', "created: Field required"),
    ],
)
def test_what_is_not_a_report_is_said_to_be_none(tmp_path, text, message):
    (tmp_path / "report.json").write_text(text)
    with pytest.raises(OcrprofError, match=message) as caught:
        read_report(tmp_path)
    assert caught.value.hint


def test_an_unknown_key_is_named(tmp_path):
    path = write_report(startup_report(), tmp_path)
    path.write_text(json.dumps({**json.loads(path.read_text()), "flavour": "vanilla"}))
    with pytest.raises(OcrprofError, match="flavour"):
        read_report(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(OcrprofError, match=r"absent.json: No such file"):
        read_report(tmp_path / "absent.json")


def test_a_folder_that_cannot_be_made_is_a_users_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OcrprofError, match="cannot write") as caught:
        write_report(startup_report(), tmp_path / "file")
    assert caught.value.exit_code == 2


def test_a_report_without_what_was_added_later_stays_readable(tmp_path):
    path = write_report(startup_report(), tmp_path)
    fields = json.loads(path.read_text())
    for row in fields["imports"]:
        row.pop("importer_module"), row.pop("kind")
    for row in fields["packages"]:
        row.pop("owner"), row.pop("dominated_seconds"), row.pop("dominated_packages")
    path.write_text(json.dumps(fields))
    assert read_report(path).kind == "startup"


def test_the_schema_covers_both_kinds():
    schema = json_schema()
    assert schema["title"] == "ocrprof report, ocrprof/1"
    assert {"StartupReport", "BaselineReport", "HistoryReport", "Finding", "LoopStatistics"} <= set(schema["$defs"])
    assert schema["$defs"]["StartupReport"]["properties"]["schema"]["const"] == "ocrprof/1"

"""When a recommendation is written, what of it, and what is said where it is not."""

import io
import sys
from pathlib import Path

import pytest
from reports_fixture import CWD, ENVIRONMENT, TOOL

from ocrprof.cli.write_back import WriteBackOptions, conclude_sweep, saved_sweep
from ocrprof.errors import OcrprofError
from ocrprof.renderers.write_back import render_write_back, render_written, write_back_html, write_back_markdown
from ocrprof.results.model import (
    ConfigKey,
    Edit,
    LoaderInfo,
    LoaderSetting,
    Location,
    ProvenKey,
    Recommendation,
    SweepReport,
    TargetInfo,
    WriteBack,
)
from ocrprof.results.store import write_report
from ocrprof.results.write_back import override_of, settings_to_write, why_not_carried, why_not_written
from ocrprof.target import Target

LOADER = LoaderInfo(
    number=0,
    role="train",
    dataset="Pages",
    sampler="RandomSampler",
    num_workers=4,
    prefetch_factor=2,
    persistent_workers=True,
    pin_memory=False,
)
FILE = Location(file=f"{CWD}/conf/hardware/server.yaml", line=7)
DIFF = "--- a/conf/hardware/server.yaml\n+++ b/conf/hardware/server.yaml\n@@ -7 +7 @@\n-  workers: 4\n+  workers: 8\n"


def config_key(origin="file", key="data.num_workers", **changes) -> ConfigKey:
    fields = {"value": 4, "location": FILE, **changes}
    return ConfigKey(key=key, setting="num_workers", origin=origin, **fields)


def proven(origin="file", *, adds=False, **changes) -> ProvenKey:
    return ProvenKey(config_key=config_key(origin, **changes), tried=5, recommended=8, adds=adds)


def recommended(verdict, num_workers=8, ties=()) -> Recommendation:
    setting = None if num_workers is None else LoaderSetting(num_workers=num_workers)
    return Recommendation(num_workers=num_workers, setting=setting, verdict=verdict, reason="so", ties=list(ties))


@pytest.mark.parametrize(
    ("recommendation", "reason"),
    [
        (None, "came to no recommendation"),
        (recommended("inconclusive"), "inconclusive"),
        (recommended("flat"), "4 stays"),
        (recommended("loader_not_bottleneck"), "not the bottleneck"),
        (recommended("tie", ties=[4, 8]), "4, the present value, is among those that tie"),
        (recommended("clear", None), "recommends no change"),
    ],
)
def test_a_verdict_that_does_not_carry_a_change_is_not_written(recommendation, reason):
    assert reason in why_not_carried(recommendation, current=4)


@pytest.mark.parametrize("recommendation", [recommended("clear"), recommended("tie", ties=[8, 12])])
def test_a_clear_answer_is_written_and_so_is_a_tie_without_the_present_value(recommendation):
    assert why_not_carried(recommendation, current=4) is None


def test_only_what_was_swept_and_differs_is_written():
    setting = LoaderSetting(num_workers=8, prefetch_factor=2, persistent_workers=False, in_order=False)
    assert settings_to_write(setting, LOADER) == {"num_workers": 8, "persistent_workers": False}


def test_a_loader_without_workers_takes_none_of_their_settings():
    setting = LoaderSetting(num_workers=0, prefetch_factor=4, persistent_workers=False, pin_memory=True)
    assert settings_to_write(setting, LOADER) == {"num_workers": 0, "pin_memory": True}


def test_the_override_adds_a_key_that_is_not_there():
    switch = ProvenKey(
        config_key=ConfigKey(key="data.pin_memory", setting="pin_memory", origin="missing"),
        tried=True,
        recommended=True,
        adds=True,
    )
    assert override_of([proven(), switch]) == "data.num_workers=8 +data.pin_memory=true"
    assert override_of([]) is None


@pytest.mark.parametrize(
    ("key", "reason", "advice"),
    [
        (proven("environment", source="NW"), "environment variable NW", "set NW=8 in the environment"),
        (proven("resolver", source="eval"), "computes it (eval)", "override data.num_workers=8"),
        (proven("command_line", source="data.num_workers=4"), "command line", "replace it there"),
        (proven("program", source="data.num_workers=4"), "an override of the program's own", "in the program"),
        (proven("structured", location=None), "structured configuration in Python", "change the default there"),
        (proven("package"), "an installed package", "a file of your own that is merged after it"),
        (proven("missing", location=None, adds=True), "no file sets", "+data.num_workers=8"),
        (proven("unknown"), "something else decides it", "override data.num_workers=8"),
    ],
)
def test_each_source_that_is_no_file_of_the_program_is_refused_with_what_to_do(key, reason, advice):
    told = why_not_written(key, end=key.config_key)
    assert reason in told[0]
    assert advice in told[1]


def test_a_file_of_the_program_is_not_refused():
    assert why_not_written(proven(), end=config_key()) is None


def test_an_interpolation_offers_the_key_of_a_plain_file_value():
    key = proven("interpolation", source_key="hardware.workers")
    reason, advice = why_not_written(key, end=config_key(key="hardware.workers"))
    assert "${hardware.workers}" in reason
    assert f"--key hardware.workers writes it there, in {FILE.file}" in advice
    elsewhere = config_key("environment", key="hardware.workers", source="NW", location=None)
    assert "set NW in the environment" in why_not_written(key, end=elsewhere)[1]


def result(**changes) -> WriteBack:
    fields = {
        "status": "proposed",
        "override": "data.num_workers=8",
        "keys": [proven()],
        "others": [
            config_key(key="data.val.num_workers", value=2),
            config_key("environment", key="data.test.num_workers", source="NW"),
        ],
        "edits": [Edit(file=FILE.file, diff=DIFF, sha256_before="a", sha256_after="b")],
    }
    return WriteBack(**{**fields, **changes})


def shown(render, told: WriteBack) -> str:
    stream = io.StringIO()
    render(told, cwd=CWD, stream=stream, color=False)
    assert max(len(line) for line in stream.getvalue().splitlines()) <= 80
    return stream.getvalue()


def test_a_proposal_shows_the_proof_the_diff_and_the_other_keys():
    text = shown(render_write_back, result())
    assert "data.num_workers, now 4: decided by the file conf/hardware/server.yaml:7." in " ".join(text.split())
    assert "with data.num_workers=5 the measured loader was given 5." in " ".join(text.split())
    assert DIFF in text
    assert "  data.val.num_workers       2  conf/hardware/server.yaml:7\n" in text
    assert "the environment (NW)" in text


def test_a_refusal_says_why_and_what_to_do():
    told = result(status="refused", edits=[], reason=f"{CWD}/conf/a.yaml is not writable", advice="make it writable")
    text = shown(render_write_back, told)
    assert "Not written: conf/a.yaml is not writable.\n  Instead: make it writable.\n" in text


def test_what_was_written_is_told_with_its_backup():
    edit = result().edits[0].model_copy(update={"backup": "/tmp/backup/server.yaml", "uncommitted": True})
    text = shown(render_written, result(status="written", edits=[edit]))
    assert "Configuration: written" in text
    assert "conf/hardware/server.yaml as it was: /tmp/backup/server.yaml" in text
    assert "had changes that Git has not been given" in " ".join(text.split())
    assert DIFF not in text


def test_the_pages_hold_the_diff():
    assert f"```diff\n{DIFF}```" in "\n\n".join(write_back_markdown(result(), cwd=CWD))
    assert "+  workers: 8" in write_back_html(result(), cwd=CWD)


OPTIONS = {"prove": True, "apply": False, "confirmed": False, "key": None, "timeout_seconds": 1.0, "quiet": False}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"apply": True, "prove": False}, "--no-print-override excludes it"),
        ({"confirmed": True}, "--yes answers what --apply asks"),
        ({"key": "workers", "prove": False}, "--no-print-override excludes it"),
    ],
)
def test_options_that_do_not_go_together_are_refused(changes, message):
    with pytest.raises(OcrprofError, match=message):
        WriteBackOptions(**{**OPTIONS, **changes})


def saved(folder: Path, *, argv: list[str], cwd: Path) -> Path:
    report = SweepReport(
        created="2026-11-22T12:00:00+00:00",
        tool=TOOL,
        target=TargetInfo(argv=argv, cwd=str(cwd)),
        environment=ENVIRONMENT,
        settings=[LoaderSetting(num_workers=4)],
        within=0.05,
        max_wait=0.02,
        num_rounds=3,
        seed=1,
    )
    write_report(report, folder)
    return folder


def test_a_saved_sweep_is_of_its_own_command_in_its_own_folder(tmp_path):
    folder = saved(tmp_path / "report", argv=[sys.executable, "train.py"], cwd=tmp_path)
    assert saved_sweep(folder, None)[1] == Target(argv=(sys.executable, "train.py"), cwd=tmp_path)
    given = saved_sweep(folder, [sys.executable, "other.py"])[1]
    assert given == Target(argv=(sys.executable, "other.py"), cwd=tmp_path)


def test_a_saved_sweep_that_cannot_be_started_again_says_so(tmp_path):
    masked = saved(tmp_path / "masked", argv=[sys.executable, "train.py", "wandb.api_key=***"], cwd=tmp_path)
    with pytest.raises(OcrprofError, match="credentials masked"):
        saved_sweep(masked, None)
    gone = saved(tmp_path / "gone", argv=[sys.executable, "train.py"], cwd=tmp_path / "nowhere")
    with pytest.raises(OcrprofError, match="which is not here"):
        saved_sweep(gone, None)
    with pytest.raises(OcrprofError, match="a report of kind doctor recommends no number of workers"):
        saved_sweep(Path(__file__).parent.parent / "golden/saved/first_doctor.json", None)


def test_a_report_without_a_loader_or_a_change_is_shown_and_nothing_is_started(tmp_path, capsys):
    folder = saved(tmp_path / "report", argv=[sys.executable, "train.py"], cwd=tmp_path)
    report, target = saved_sweep(folder, None)
    options = WriteBackOptions(**{**OPTIONS, "apply": True})
    assert conclude_sweep(report, target=target, folder=folder, options=options, saved=True) == 0
    assert "nothing is written: no loader was reached" in capsys.readouterr().err
    assert not list(folder.glob("write_back*"))

"""The command line under measurement, and what is said of one that cannot be measured."""

import sys

import pytest

from ocrprof.errors import OcrprofError
from ocrprof.target import Target, parse_target, probe_target


def test_no_arguments_are_the_bundled_pipeline(tmp_path):
    target = parse_target([], cwd=tmp_path)
    assert target.argv == (sys.executable, "-m", "pipeline.train")
    assert target.bundled


def test_the_bundled_pipeline_without_its_libraries_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr("ocrprof.target.BUNDLED_NEEDS", ("sys", "no_such_library"))
    with pytest.raises(OcrprofError, match="needs no_such_library, not installed") as raised:
        parse_target([], cwd=tmp_path)
    assert "ocrprof[pipeline]" in raised.value.hint


def test_a_first_argument_with_an_equals_sign_is_an_override_of_the_bundled_pipeline(tmp_path):
    target = parse_target(["domain=recognition", "trainer.max_epochs=1"], cwd=tmp_path)
    assert target.argv[-2:] == ("domain=recognition", "trainer.max_epochs=1")
    assert target.bundled


def test_anything_else_is_a_command_taken_verbatim(tmp_path):
    argv = [sys.executable, "train.py", "lr=0.1", "--fast"]
    target = parse_target(argv, cwd=tmp_path)
    assert list(target.argv) == argv
    assert not target.bundled


def test_a_program_that_is_not_there_is_an_error_with_a_hint(tmp_path):
    with pytest.raises(OcrprofError, match="target not found: no-such-program") as raised:
        parse_target(["no-such-program", "x"], cwd=tmp_path)
    assert raised.value.hint
    assert raised.value.exit_code == 2


def test_a_script_without_its_interpreter_gets_told_so(tmp_path):
    (tmp_path / "train.py").write_text("")
    with pytest.raises(OcrprofError) as raised:
        parse_target(["train.py"], cwd=tmp_path)
    assert raised.value.hint == "run it by its interpreter: -- python train.py"


@pytest.mark.parametrize("options", [["-I"], ["-S"], ["-E"], ["-uI"], ["-W", "ignore", "-S"], ["-Xdev", "-E"]])
def test_interpreter_options_that_keep_the_recorder_out_are_refused(tmp_path, options):
    with pytest.raises(OcrprofError, match="ignores the environment") as raised:
        parse_target([sys.executable, *options, "train.py"], cwd=tmp_path)
    assert "leave" in raised.value.hint


@pytest.mark.parametrize(
    "argv", [["-m", "train", "-I"], ["train.py", "-S"], ["-u", "-c", "pass", "-E"], ["-X", "E", "t.py"]]
)
def test_the_programs_own_options_are_left_alone(tmp_path, argv):
    assert parse_target([sys.executable, *argv], cwd=tmp_path).argv[1:] == tuple(argv)


def test_a_probe_stands_behind_the_targets_own_arguments(tmp_path):
    target = Target(argv=(sys.executable, "train.py", "model=small"), cwd=tmp_path)
    assert probe_target(target, "config").argv == (sys.executable, "train.py", "model=small", "--cfg", "job")

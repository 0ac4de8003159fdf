"""When compiled functions are loaded, and what happens where they cannot be."""

import logging
import os
import subprocess
import sys

import pytest

from pipeline import compiled
from pipeline.compiled import COMPILE_SECONDS, LOAD_SECONDS, LazyKernels, checked_kernels

PRESENT = "json.decoder"  # stands in for a module of kernels: any module that can be imported
ABSENT = "pipeline.detection.no_such_kernels"


def test_plain_is_used_until_it_has_cost_as_much_as_loading():
    kernels = LazyKernels(PRESENT)
    assert kernels.take("auto") is None
    kernels.spend(0.9 * LOAD_SECONDS)
    assert kernels.take("auto") is None
    kernels.spend(0.2 * LOAD_SECONDS)
    assert kernels.take("auto") is sys.modules[PRESENT]


def test_plain_is_used_for_longer_where_the_kernel_would_have_to_be_compiled(tmp_path, monkeypatch):
    pytest.importorskip("numba")
    source = tmp_path / "kernels_of_a_test.py"
    source.write_text("from pipeline.compiled import compiled\n\n\n@compiled\ndef double(x):\n    return 2 * x\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("numba.core.config.CACHE_DIR", str(tmp_path / "numba"))

    def after(seconds):
        kernels = LazyKernels("kernels_of_a_test")
        kernels.spend(seconds)
        return kernels.take("auto")

    assert after(1.1 * LOAD_SECONDS) is None
    module = after(1.1 * COMPILE_SECONDS)
    assert module.double(21) == 42
    assert after(0.9 * LOAD_SECONDS) is None
    assert after(1.1 * LOAD_SECONDS) is module
    later = source.stat().st_mtime + 60
    os.utime(source, (later, later))
    assert after(1.1 * LOAD_SECONDS) is None
    monkeypatch.delitem(sys.modules, "kernels_of_a_test")


def test_compiled_loads_at_once_and_plain_never():
    kernels = LazyKernels(PRESENT)
    kernels.spend(10 * LOAD_SECONDS)
    assert kernels.take("plain") is None
    assert LazyKernels(PRESENT).take("compiled") is sys.modules[PRESENT]


def test_what_cannot_be_imported_is_done_plainly_and_said_once(caplog: pytest.LogCaptureFixture):
    kernels = LazyKernels(ABSENT)
    assert [kernels.take("compiled") for _ in range(3)] == [None] * 3
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "numba cannot be imported" in caplog.text


def test_other_names_are_refused():
    with pytest.raises(ValueError, match="'fast'"):
        checked_kernels("fast")


def test_what_cannot_be_kept_on_disk_is_compiled_anew_and_a_warning_says_so(caplog: pytest.LogCaptureFixture):
    pytest.importorskip("numba")
    functions = {}
    exec("def double(value):\n    return 2 * value\n", functions)  # no file, so no place for a cache beside it
    with caplog.at_level(logging.WARNING):
        double = compiled.compiled(functions["double"])
    assert double(21) == 42
    assert "NUMBA_CACHE_DIR" in caplog.text


def test_importing_the_stages_loads_no_numba():
    stages = ("cleval_core", "targets", "postprocess")
    script = (
        "import sys\n"
        + "".join(f"import pipeline.detection.{stage}\n" for stage in stages)
        + "print([name for name in ('numba', 'llvmlite') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

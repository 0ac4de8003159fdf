"""`no-bytecode-cache` on a real program: what every start compiles, against what the program measures itself."""

import sys

import pytest

from ocrprof.findings import judge
from ocrprof.measure.startup import measure_startup
from ocrprof.plan import StartupPlan
from ocrprof.target import Target

NUM_MODULES = 12
BODY = "\n".join(
    f"def function_{number}(a, b={number}, *rest, **more):\n"
    f"    values = [one * {number} + b for one in rest if one != a]\n"
    f"    return {{key: (value, values) for key, value in more.items()}}\n"
    for number in range(400)
)
# The program times the compilations themselves: done again later, they would take what the machine then gives them.
MAIN = """
import builtins, importlib, sys, time
sys.path.insert(0, ".")
compile_really, seconds = builtins.compile, 0.0

def compile(*args, **kwargs):
    global seconds
    start = time.perf_counter()
    try:
        return compile_really(*args, **kwargs)
    finally:
        seconds += time.perf_counter() - start

builtins.compile = compile
for number in range({num_modules}):
    importlib.import_module(f"heavy.part_{{number}}")
print(seconds)
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    folder = tmp_path_factory.mktemp("program")
    (folder / "heavy").mkdir()
    (folder / "heavy" / "__init__.py").write_text("")
    for number in range(NUM_MODULES):
        (folder / "heavy" / f"part_{number}.py").write_text(BODY)
    (folder / "main.py").write_text(MAIN.format(num_modules=NUM_MODULES))
    return folder


def start(program, output, *, writes, warmup=1):
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        if not writes:
            patch.setenv("PYTHONDONTWRITEBYTECODE", "1")
        target = Target(argv=(sys.executable, "main.py"), cwd=program)
        plan = StartupPlan(target=target, output=output, runs=1, warmup=warmup, until="exit", timeout_seconds=60)
        report = judge(measure_startup(plan, progress=lambda _: None))
    truth = float((output / "runs" / f"{1 + warmup}" / "stdout.txt").read_text())
    return [one for one in report.findings if one.code == "no-bytecode-cache"], truth


def test_modules_compiled_in_every_start_cost_what_compiling_them_costs(program, tmp_path):
    (finding,), truth = start(program, tmp_path / "run", writes=False)
    assert f"{NUM_MODULES + 1} modules are compiled from source in every start" in finding.title
    assert "PYTHONDONTWRITEBYTECODE" in finding.title
    assert finding.seconds == pytest.approx(truth, rel=0.15, abs=0.03)
    assert finding.evidence["folders"][0].startswith(str(program))


def test_a_single_start_does_not_say_what_the_next_one_compiles(program, tmp_path):
    assert start(program, tmp_path / "run", writes=False, warmup=0)[0] == []


def test_once_bytecode_is_written_nothing_is_compiled(program, tmp_path):
    assert start(program, tmp_path / "run", writes=True)[0] == []

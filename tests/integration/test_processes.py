"""DataLoader workers under each start method, and ranks: what a start report tells of them, on real programs."""

import gzip
import json
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from recording import PYTHON, TARGETS
from test_cli import ocrprof, report_in
from trace_checks import check_chrome

from ocrprof.measure.child import run_target
from ocrprof.records import read_records
from ocrprof.renderers.figures import run_failure
from ocrprof.renderers.processes import rank_facts
from ocrprof.results.startup import build_run, build_tables
from ocrprof.target import Target

MAIN = str(TARGETS / "workers_script.py")
RANKS = str(TARGETS / "ranks_script.py")


def torchrun(*arguments):
    """The command for two ranks that meet at a free port: that of torchrun is the same for all who use a machine."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    launcher = str(Path(PYTHON).with_name("torchrun"))
    return launcher, "--nproc-per-node", "2", "--master-port", str(port), RANKS, *arguments


def line_of(beginning, file=MAIN):
    """The number of the line that begins so."""
    return next(n for n, line in enumerate(Path(file).read_text().splitlines(), 1) if line.startswith(beginning))


def start(folder, *command, until):
    """The report of one start, and what stood on the terminal, in one line."""
    result = ocrprof("startup", "--runs", "1", "--warmup", "0", "--until", until, "--export", "chrome",
                     "-o", str(folder / "out"), "--", *command, cwd=TARGETS)  # fmt: skip
    assert result.returncode == 0, result.stderr + result.stdout
    return report_in(folder / "out"), " ".join(result.stdout.split())


@pytest.fixture(scope="module", params=["spawn", "forkserver", "fork"])
def workers(request, tmp_path_factory):
    """A start until the first batch of two workers: its method, its report, its text and its folder."""
    folder = tmp_path_factory.mktemp(request.param)
    report, text = start(folder, PYTHON, MAIN, request.param, until="first-batch")
    return request.param, report, text, folder / "out"


@pytest.fixture(scope="module")
def group(workers):
    (found,) = workers[1]["workers"]
    return found


def test_each_worker_is_followed_to_its_first_batch(workers, group):
    method, report, *_ = workers
    assert (group["start_method"], group["num_workers"], group["dataset"]) == (method, 2, "Slow")
    first = next(worker for worker in group["workers"] if worker["index"] == 0)
    assert first["start_seconds"] < first["ready_seconds"] < first["first_batch_seconds"]
    assert first["first_batch_seconds"] <= group["first_batch_seconds"] <= report["runs"][0]["wall_seconds"] + 1e-6
    assert 0.1 <= first["init_seconds"] < first["ready_seconds"] - first["start_seconds"]
    assert first["fetch_seconds"] >= 8 * 0.002
    assert 0 < group["starting_seconds"] <= group["first_batch_seconds"] - group["start_seconds"]


def test_the_parts_of_a_workers_start_fill_it(group):
    first = next(worker for worker in group["workers"] if worker["index"] == 0)
    parts = [first[f"{name}_seconds"] for name in ("interpreter", "imports", "main_module", "unpickle", "init")]
    whole = first["ready_seconds"] - first["start_seconds"]
    assert sum(parts) <= whole + 1e-6
    if group["start_method"] != "fork":  # A fork is over in milliseconds, of which a busy machine takes some away.
        assert sum(parts) > 0.8 * whole


def test_what_runs_again_in_each_worker_is_named(workers, group):
    method, *_ = workers
    first = next(worker for worker in group["workers"] if worker["index"] == 0)
    imports, sleep = line_of("import torch"), line_of("time.sleep(0.3)")
    if method == "fork":
        assert (group["main_file"], group["reruns"]) == (None, [])
        assert first["main_module_seconds"] == first["unpickle_seconds"] == 0
        return
    assert group["main_file"] == MAIN
    assert {line["location"]["line"] for line in group["reruns"]} == {imports, sleep}
    assert group["packages"][0]["name"] == "torch"
    assert first["main_module_seconds"] >= 0.3 and first["unpickle_seconds"] >= 0.2
    torch = next(line for line in group["reruns"] if line["location"]["line"] == imports)
    assert torch["imports_seconds"] > 0.5 * first["imports_seconds"]


def test_workers_that_import_again_are_a_finding_and_forked_ones_are_not_for_their_imports(workers):
    method, report, text, _ = workers
    found = [one for one in report["findings"] if one["code"] == "slow-workers"]
    assert f"2 {method} workers for Slow" in text
    if method == "fork":
        # 100 ms of worker_init_fn each, beside seconds of importing torch.
        assert all("worker_init_fn" in one["title"] or "interpreter" in one["title"] for one in found)
        return
    (finding,) = found
    assert f"2 {method} workers × " in finding["title"] and "of imports" in finding["title"]
    assert finding["location"]["file"] == MAIN
    assert finding["location"]["line"] == line_of("    data = DataLoader(")
    assert ("set_forkserver_preload" if method == "forkserver" else '"fork"') in finding["advice"]


def test_a_workers_lane_shows_its_parts_and_nests(workers):
    method, report, _, folder = workers
    phases = {
        segment["phase"]
        for segment in report["timeline"]
        if segment["pid"] == report["workers"][0]["workers"][0]["pid"]
    }
    expected = {"worker_init", "first_batch"} | (set() if method == "fork" else {"imports", "main_module", "unpickle"})
    assert expected <= phases
    trace = json.loads(gzip.decompress((folder / "trace.json.gz").read_bytes()))
    lanes = check_chrome(trace)
    names = {event["pid"]: event["args"]["name"] for event in trace["traceEvents"] if event["name"] == "process_name"}
    of_workers = {name for name in names.values() if name.startswith("worker ")}
    assert {name.split(" · ")[0] for name in of_workers} == {"worker 0", "worker 1"}
    drawn = {event["name"] for (pid, _), events in lanes.items() for event in events if names[pid] in of_workers}
    assert expected <= drawn


def test_a_page_says_when_each_workers_first_batch_was_ready(workers):
    page = (workers[3] / "report.html").read_text()
    assert "batch at" in page and "worker 0" in page


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    """A start of two ranks, of which one builds its data 1.5 s longer, to the first step."""
    folder = tmp_path_factory.mktemp("ranks")
    report, text = start(folder, *torchrun("slow"), until="first-step")
    return report, text, folder / "out"


def test_the_rank_that_is_slow_in_one_place_is_named_with_the_place(ranks):
    report, text, _ = ranks
    (skew,) = [one for one in report["ranks"]["skews"] if one["phase"] == "data"]
    in_data = {
        rank["rank"]: next(phase["seconds"] for phase in rank["phases"] if phase["name"] == "data")
        - sum(wait["seconds"] for wait in rank["waits"] if wait["phase"] == "data")
        for rank in report["ranks"]["ranks"]
    }
    # What each of the two took besides its sleep is the machine's.
    assert in_data[1] >= 1.5 and skew["seconds"] == pytest.approx(in_data[1] - in_data[0])
    assert (skew["slowest"], skew["fastest"], skew["cause"]) == (1, 0, "dataset.init Points")
    assert skew["location"]["line"] == line_of("    def __init__(self, rank)", RANKS)
    assert "phase, s rank 0 rank 1 skew slowest" in text


def test_the_phases_of_each_rank_add_up_and_the_others_wait(ranks):
    found = ranks[0]["ranks"]
    assert [rank["rank"] for rank in found["ranks"]] == [0, 1]
    for rank in found["ranks"]:
        assert rank["reached"]
        assert sum(phase["seconds"] for phase in rank["phases"]) == pytest.approx(rank["seconds"])
    work = [rank["seconds"] - sum(wait["seconds"] for wait in rank["waits"]) for rank in found["ranks"]]
    assert found["slowest"] == work.index(max(work))
    places = {wait["at"] for rank in found["ranks"] for wait in rank["waits"]}
    assert places & {"DDP", "init_process_group"}


def test_the_run_ends_when_its_last_rank_has_made_its_first_step(ranks):
    report = ranks[0]
    (run,) = report["runs"]
    assert run["wall_seconds"] == pytest.approx(max(rank["seconds"] for rank in report["ranks"]["ranks"]))
    assert sorted((one["role"], one["rank"]) for one in run["processes"] if one["role"] == "rank") == [
        ("rank", 0),
        ("rank", 1),
    ]


def test_every_rank_has_a_lane_with_its_phases(ranks):
    trace = json.loads(gzip.decompress((ranks[2] / "trace.json.gz").read_bytes()))
    lanes = check_chrome(trace)
    names = {event["pid"]: event["args"]["name"] for event in trace["traceEvents"] if event["name"] == "process_name"}
    for number in (0, 1):
        (pid,) = (pid for pid, name in names.items() if name.startswith(f"rank {number} ·"))
        drawn = {event["name"] for (lane, _), events in lanes.items() if lane == pid for event in events}
        assert {"imports", "data", "first_step", "collective init_process_group"} <= drawn


def recorded(folder, *command, until, cwd=TARGETS):
    """One run, as `ocrprof startup` has it, and its ranks; nothing is drawn."""
    outcome = run_target(Target(argv=command, cwd=cwd), directory=folder, until=until, timeout_seconds=150)
    records = read_records(folder / "records")
    when = {"spawn_ns": outcome.spawn_ns, "end_ns": outcome.end_ns, "until": until, "status": outcome.status}
    run = build_run(records, exit_code=outcome.exit_code, stderr_tail=outcome.stderr_tail, **when)
    return run, build_tables(records, **when).ranks


@pytest.fixture(scope="module")
def launched(tmp_path_factory):
    """The run and the ranks of three further starts, two at once: nothing is held against a clock."""
    folder = tmp_path_factory.mktemp("launched")
    with ThreadPoolExecutor(2) as pool:
        return {
            "lightning": pool.submit(
                recorded, folder / "lightning", PYTHON, "-m", "tabular.app", "+trainer.devices=2",
                "+trainer.strategy=ddp", f"hydra.run.dir={folder / 'hydra'}", until="first-step",
                cwd=TARGETS / "tabular",
            ),
            "spawn": pool.submit(recorded, folder / "spawn", PYTHON, RANKS, "spawn", "slow", until="data"),
            "die": pool.submit(recorded, folder / "die", *torchrun("die"), until="first-step"),
        }  # fmt: skip


def test_a_rank_that_dies_is_named_with_what_it_died_in(launched):
    run, ranks = launched["die"].result()
    assert (run.status, run.failing_rank, run.failing_phase) == ("crashed", 1, "data")
    assert "with rank 1 in phase data" in run_failure(run)
    assert "exit" not in {phase.name for phase in run.phases}
    assert [rank.reached for rank in ranks.ranks] == [False, False]
    # The other one is killed by the launcher, or ends by itself where it notices first that its peer has gone.
    assert ranks.ranks[1].ended_by_itself


def test_ranks_that_the_program_spawns_itself_all_have_to_arrive(launched):
    run, ranks = launched["spawn"].result()
    assert (ranks.world_size, [rank.reached for rank in ranks.ranks]) == (2, [True, True])
    assert run.wall_seconds == pytest.approx(max(rank.seconds for rank in ranks.ranks))
    (skew,) = [one for one in ranks.skews if one.phase == "data"]
    assert (skew.slowest, skew.cause) == (1, "dataset.init Points")


def test_a_rank_that_lightning_starts_again_from_the_top_is_told_so(launched, tmp_path):
    run, ranks = launched["lightning"].result()
    assert [(rank.launched_by, rank.reached) for rank in ranks.ranks] == [(None, True), (0, True)]
    assert (ranks.skews[0].phase, ranks.skews[0].slowest) == ("launch", 1)
    assert run.wall_seconds == pytest.approx(max(rank.seconds for rank in ranks.ranks))
    assert "rank 1 is started by rank 0 only" in " ".join(rank_facts(ranks, cwd=str(tmp_path)))

"""Rules on environments: each fires on the measured cost of its fault, and keeps quiet where nothing is wrong."""

import pytest
from doctor_reports import (
    MS,
    PACKAGES,
    US,
    cold_tree,
    distribution,
    doctor_report,
    gpu,
    gpu_process,
    interpreter,
    mount,
    parallel_loop,
    processors,
    resources,
    sick_report,
    starts,
    tree,
)
from judged import codes, one_of

from ocrprof.findings import judge, judge_doctor
from ocrprof.results.doctor import BusyProcess, Finder, PathEntry, SiteLine


def test_a_healthy_environment_has_no_finding():
    assert judge(doctor_report()).findings == []


def test_every_planted_fault_is_found_the_worst_first():
    found = judge(sick_report()).findings
    assert set(codes(found)) == {
        "slow-filesystem",
        "no-bytecode-cache",
        "slow-interpreter-start",
        "duplicate-distribution",
        "clashing-distributions",
        "threads-exceed-cores",
        "busy-machine",
        "io-pressure",
        "small-shared-memory",
        "few-file-descriptors",
        "gpu-throttled",
    }
    assert [one.priority for one in found] == sorted(one.priority for one in found)


# File systems


def test_a_slow_mount_is_told_once_for_the_folders_on_it_with_what_1000_modules_cost():
    slow = {"file_system": "9p", "mount_point": "/mnt/c", "source": "C:\\", "first": 1.0}
    report = doctor_report(
        mounts=[
            mount("site-packages", look_up=400 * US, read=800 * US, **slow),
            mount("project", path="/mnt/c/ocr", look_up=200 * US, read=500 * US, **slow),
        ]
    )
    found = one_of(judge_doctor(report), "slow-filesystem")
    assert found.seconds == pytest.approx(1000 * (3 * 400 + 800) * US)
    assert (found.priority, found.share) == ("P0", pytest.approx(0.2))
    assert found.title.startswith("Site-packages and project lie on 9p (/mnt/c): loading 1,000 modules takes 2.00 s")
    assert "WSL" in found.advice


def test_a_9p_mount_that_is_no_windows_drive_is_not_called_one():
    report = doctor_report(mounts=[mount("project", file_system="9p", source="hostshare", look_up=400 * US)])
    assert "WSL" not in one_of(judge_doctor(report), "slow-filesystem").advice


@pytest.mark.parametrize("file_system", ["nfs4", "9p", "fuse.sshfs", "overlay", "lustre"])
def test_a_network_type_that_is_fast_is_no_finding(file_system):
    assert judge_doctor(doctor_report(mounts=[mount("site-packages", file_system=file_system)])) == []


def test_a_local_disk_is_not_blamed_for_its_first_touch_but_a_network_mount_is():
    cold = {"look_up": 3 * US, "read": 6 * US, "first": 100}
    assert judge_doctor(doctor_report(mounts=[mount("project", **cold)])) == []
    assert codes(judge_doctor(doctor_report(mounts=[mount("project", file_system="nfs4", **cold)]))) == [
        "slow-filesystem"
    ]


def test_an_image_costs_one_look_up_and_one_read():
    report = doctor_report(mounts=[mount("data", file_system="nfs4", look_up=1 * MS, read=2 * MS, first=1)])
    found = one_of(judge_doctor(report), "slow-filesystem")
    assert found.seconds == pytest.approx(3.0)
    assert "reading 1,000 images" in found.title


def test_a_slow_bulk_read_counts_only_where_it_did_not_come_from_memory():
    slow = {"bulk_bytes": 16 * 2**20, "bulk_seconds": 0.8}
    on_disk = doctor_report(mounts=[mount("site-packages", bulk_cached_share=0.0, **slow)])
    found = one_of(judge_doctor(on_disk), "slow-filesystem")
    assert found.seconds == pytest.approx(1024 / 20)
    assert "20.0 MiB a second" in found.title
    assert judge_doctor(doctor_report(mounts=[mount("site-packages", bulk_cached_share=1.0, **slow)])) == []


def test_a_folder_that_could_not_be_listed_is_no_finding():
    unread = mount("data", error="Permission denied", stat_first_seconds=[], stat_again_seconds=[])
    assert judge_doctor(doctor_report(mounts=[unread])) == []


# Bytecode


def test_missing_bytecode_costs_a_measured_rate_times_a_counted_number_at_every_start_that_keeps_none():
    report = doctor_report(
        interpreter=interpreter(dont_write_bytecode=True), bytecode=[cold_tree("site-packages", num_cold=1000)]
    )
    found = one_of(judge_doctor(report), "no-bytecode-cache")
    assert found.seconds == pytest.approx(1000 * 4.0 * MS)
    assert found.priority == "P0"
    assert "1,000 source files of site-packages have no bytecode and none is kept" in found.title
    assert "PYTHONDONTWRITEBYTECODE" in found.advice and "3 files compiled, times a counted number" in found.advice


def test_a_folder_that_takes_no_bytecode_is_named():
    report = doctor_report(bytecode=[cold_tree("site-packages", num_cold=500, unwritable="/opt/env/lightning")])
    found = one_of(judge_doctor(report), "no-bytecode-cache")
    assert found.advice.startswith("/opt/env/lightning cannot be written: set PYTHONPYCACHEPREFIX")


def test_packages_that_no_start_has_asked_for_are_no_finding_where_bytecode_is_kept():
    report = doctor_report(bytecode=[cold_tree("site-packages", num_cold=5000)])
    assert judge_doctor(report) == []


def test_a_fresh_environment_compiles_in_its_first_start_and_that_weighs_little():
    report = doctor_report(bytecode=[cold_tree("site-packages", num_cold=11000, num_sources=11828)])
    found = one_of(judge_doctor(report), "no-bytecode-cache")
    assert "have no bytecode yet: the first start" in found.title
    assert (found.seconds, found.share) == (pytest.approx(44.0), pytest.approx(0.044))
    assert found.priority == "P2"


def test_stale_bytecode_counts_where_the_new_one_is_not_kept():
    stale = tree("project", num_sources=300, num_stale=50, compile_seconds=[5 * MS] * 3, load_seconds=[1 * MS] * 3)
    assert judge_doctor(doctor_report(bytecode=[stale])) == []
    report = doctor_report(bytecode=[stale], interpreter=interpreter(dont_write_bytecode=True))
    assert one_of(judge_doctor(report), "no-bytecode-cache").seconds == pytest.approx(0.2)


def test_the_flag_alone_costs_nothing_where_all_have_bytecode():
    assert judge_doctor(doctor_report(interpreter=interpreter(dont_write_bytecode=True))) == []


def test_optimised_bytecode_is_compiled_ahead_by_the_same_flag():
    report = doctor_report(interpreter=interpreter(optimize=2), bytecode=[cold_tree("site-packages", num_cold=11828)])
    assert "python -OO -m compileall" in one_of(judge_doctor(report), "no-bytecode-cache").advice


# Starts of the interpreter


def test_a_slow_pth_line_is_named_with_file_and_line():
    line = SiteLine(file=f"{PACKAGES}/slow.pth", line=3, text="import ocr_hooks", seconds=[0.29, 0.31, 0.30])
    report = doctor_report(starts=starts(bare=20 * MS, plain=340 * MS, site_lines=[line]))
    found = one_of(judge_doctor(report), "slow-interpreter-start")
    assert found.seconds == pytest.approx(0.32)
    assert (found.location.file, found.location.line) == (line.file, 3)
    assert "300 ms" in found.advice and "`import ocr_hooks`" in found.advice


def test_a_fast_line_is_not_blamed_for_a_slow_start():
    line = SiteLine(file=f"{PACKAGES}/fast.pth", line=1, text="import x", seconds=[1 * MS])
    found = one_of(
        judge_doctor(doctor_report(starts=starts(plain=400 * MS, site_lines=[line]))), "slow-interpreter-start"
    )
    assert found.location is None
    assert "fast.pth" not in found.advice


def test_a_launcher_is_told_apart_from_the_start_that_it_leads_to():
    report = doctor_report(starts=starts(launched_seconds=[180 * MS] * 5))
    found = one_of(judge_doctor(report), "slow-launcher")
    assert found.seconds == pytest.approx(0.159)
    assert judge_doctor(doctor_report(starts=starts(launched_seconds=[30 * MS] * 5))) == []


def test_a_slow_finder_is_named_and_a_fast_one_is_not():
    slow = interpreter(
        lookup_seconds=[400 * US] * 3,
        finders=[Finder(name="__editable___ocr.Finder", lookup_seconds=[350 * US] * 3)],
    )
    found = one_of(judge_doctor(doctor_report(interpreter=slow)), "slow-module-lookup")
    assert found.seconds == pytest.approx(0.4)
    assert "__editable___ocr.Finder" in found.advice
    long = interpreter(lookup_seconds=[400 * US] * 3, path=[PathEntry(path=f"/p{n}", exists=True) for n in range(90)])
    assert (
        "sys.path has 90 entries" in one_of(judge_doctor(doctor_report(interpreter=long)), "slow-module-lookup").advice
    )


def test_debugging_settings_cost_what_was_measured_with_and_without_them():
    debugged = starts(
        debug_variables={"PYTHONPROFILEIMPORTTIME": "1"},
        num_modules=200,
        with_variables_seconds=[0.16] * 3,
        without_variables_seconds=[0.14] * 3,
    )
    found = one_of(judge_doctor(doctor_report(starts=debugged)), "debug-settings")
    assert found.seconds == pytest.approx(0.1)
    assert found.title == "PYTHONPROFILEIMPORTTIME=1: loading 1,000 modules takes 100 ms longer"
    hidden = debugged.model_copy(update={"with_variables_seconds": [0.13] * 3})
    assert "no cost shows here" in one_of(judge_doctor(doctor_report(starts=hidden)), "debug-settings").title


def test_installs_that_break_each_other_are_named_with_their_versions():
    found = judge_doctor(sick_report())
    assert "1.26.4 and 2.1.0" in one_of(found, "duplicate-distribution").title
    assert "opencv-python and opencv-python-headless" in one_of(found, "clashing-distributions").title


def test_each_duplicate_is_a_finding_of_its_own():
    twice = [distribution(name, version) for name in ("numpy", "pillow") for version in ("1.0", "2.0")]
    found = judge_doctor(doctor_report(interpreter=interpreter(duplicates=twice)))
    assert codes(found) == ["duplicate-distribution"] * 2


# The machine


def test_threads_that_do_not_fit_cost_what_a_parallel_loop_takes_longer():
    many = processors(
        num_openmp_threads=64,
        thread_variables={"OMP_NUM_THREADS": "64"},
        parallel_loop=parallel_loop(threads=64, slow=500 * US, fast=100 * US),
    )
    found = one_of(judge_doctor(doctor_report(processors=many)), "threads-exceed-cores")
    assert (found.seconds, found.share) == (pytest.approx(400 * US), pytest.approx(0.8))
    assert found.advice == "Set OMP_NUM_THREADS=8."


def test_threads_that_were_measured_to_cost_little_are_no_finding():
    many = processors(num_openmp_threads=9, parallel_loop=parallel_loop(threads=9, slow=110 * US, fast=100 * US))
    assert judge_doctor(doctor_report(processors=many)) == []


def test_a_quota_below_the_cores_that_openmp_counts_is_found_without_any_variable():
    quota = processors(num_affinity=64, quota_cores=2.5, num_usable=2.5, num_openmp_threads=64)
    found = one_of(judge_doctor(doctor_report(processors=quota)), "threads-exceed-cores")
    assert found.advice == "Set OMP_NUM_THREADS=3."
    assert "not measured" in found.title and "quota" in found.evidence["omp_num_threads"]


def test_a_busy_machine_costs_what_a_loop_waited_for_its_core():
    busy = processors(
        loop_wall_seconds=[0.06] * 5,
        loop_cpu_seconds=[0.03] * 5,
        others_busy_cores=6.0,
        busiest=[BusyProcess(pid=7, name="python", cores=5.5)],
    )
    found = one_of(judge_doctor(doctor_report(processors=busy)), "busy-machine")
    assert (found.seconds, found.share, found.priority) == (pytest.approx(0.15), pytest.approx(0.5), "P0")
    assert found.evidence["busiest"] == ["python (pid 7): 5.50 cores"]


def test_busy_cores_that_held_up_nothing_weigh_little():
    found = judge_doctor(doctor_report(processors=processors(others_busy_cores=3.0)))
    assert [(one.code, one.priority) for one in found] == [("busy-machine", "P3")]


def test_a_quota_that_cut_off_often_is_told_with_its_share():
    found = one_of(
        judge_doctor(doctor_report(processors=processors(quota_cores=8.0, throttled_share=0.31))), "cpu-throttled"
    )
    assert (found.share, found.priority) == (pytest.approx(0.31), "P0")
    assert judge_doctor(doctor_report(processors=processors(quota_cores=8.0, throttled_share=0.01))) == []


def test_pressure_on_memory_and_disks_is_told_and_that_on_the_cores_left_to_the_loop():
    pressed = processors(pressure={"cpu": 0.9, "memory": 0.08, "io": 0.3})
    assert codes(judge_doctor(doctor_report(processors=pressed))) == ["io-pressure", "memory-pressure"]


def test_shared_memory_that_holds_no_batch_ends_a_run():
    docker = resources(shared_memory_bytes=64 * 2**20, shared_memory_free_bytes=64 * 2**20)
    found = one_of(judge_doctor(doctor_report(resources=docker)), "small-shared-memory")
    assert (found.priority, found.seconds, found.share) == ("P0", 0.0, 1.0)


@pytest.mark.parametrize(("limit", "priorities"), [(64, ["P0"]), (300, ["P3"]), (1024, [])])
def test_few_file_descriptors_end_a_run_or_may(limit, priorities):
    found = judge_doctor(doctor_report(resources=resources(max_open_files=limit)))
    assert [one.priority for one in found] == priorities


def test_a_limit_that_cannot_be_raised_is_said_to_be_none_of_the_users():
    found = judge_doctor(doctor_report(resources=resources(max_open_files=64, max_open_files_hard=64)))
    assert "hard limit" in one_of(found, "few-file-descriptors").advice


def test_a_gpu_held_down_by_heat_costs_its_lost_clock_and_one_at_its_power_cap_does_not():
    hot = gpu(clock_mhz=990.0, throttle_reasons=["thermal (hardware)"])
    assert one_of(judge_doctor(doctor_report(gpus=[hot])), "gpu-throttled").share == pytest.approx(0.5)
    assert judge_doctor(doctor_report(gpus=[gpu(clock_mhz=1200.0, throttle_reasons=["power cap"])])) == []


def test_a_gpu_that_others_work_on_is_told_and_a_desktop_is_not():
    shared = gpu(util_percent=96.0, memory_used_bytes=31 * 2**30, processes=[gpu_process()])
    found = one_of(judge_doctor(doctor_report(gpus=[shared])), "gpu-shared")
    assert (found.share, found.evidence["processes"]) == (pytest.approx(0.96), ["python (pid 8123)"])
    desktop = gpu(util_percent=2.0, memory_used_bytes=300 * 2**20, processes=[gpu_process(name="Xorg")])
    assert judge_doctor(doctor_report(gpus=[desktop])) == []


def test_a_driver_that_opens_slowly_without_persistence_is_told_by_its_seconds():
    slow = doctor_report(gpus=[gpu(persistence=False)], gpu_start_seconds=1.4)
    found = one_of(judge_doctor(slow), "gpu-slow-open")
    assert (found.seconds, found.priority) == (pytest.approx(1.4), "P1")
    assert judge_doctor(doctor_report(gpus=[gpu(persistence=False)], gpu_start_seconds=0.1)) == []


def test_what_could_not_be_read_breaks_no_rule():
    blind = processors(others_busy_cores=None, load_average=None, pressure={}, num_affinity=None)
    assert judge_doctor(doctor_report(processors=blind, mounts=[], bytecode=[], resources=resources(
        shared_memory_bytes=None, shared_memory_free_bytes=None
    ))) == []  # fmt: skip

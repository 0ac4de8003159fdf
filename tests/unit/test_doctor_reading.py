"""What is read of the machine: mount tables, quotas, cache folders and logins, from files made by hand."""

from pathlib import Path

import pytest

from ocrprof.errors import OcrprofError
from ocrprof.measure.caches import cache_folders, read_caches, read_wandb
from ocrprof.measure.interpreter import active_python, is_launcher
from ocrprof.measure.mounts import measure_mount, mount_of, parse_mount_table
from ocrprof.measure.processors import cpu_quota
from ocrprof.plan import DoctorPlan

# Lines of a WSL 2 machine with an NFS data set, as its kernel prints them.
TABLE = """\
27 1 8:32 / / rw,relatime - ext4 /dev/sdc rw,discard,errors=remount-ro
60 27 0:44 / /mnt/c rw,noatime - 9p C:\\134 rw,dirsync,aname=drvfs;path=C:\\;uid=1000
61 27 0:45 / /data\\040sets ro,relatime - nfs4 store:/ocr rw,vers=4.2
62 27 0:46 / /scratch rw - overlay overlay rw,lowerdir=/a,upperdir=/b
63 62 0:47 / /scratch rw - tmpfs tmpfs rw,size=1024k
"""


@pytest.mark.parametrize(
    ("path", "kind", "source", "read_only"),
    [
        ("/mnt/c/Users/ana/ocr", "9p", "C:\\", False),
        ("/mnt/cd", "ext4", "/dev/sdc", False),
        ("/data sets/train", "nfs4", "store:/ocr", True),
        ("/scratch/main", "tmpfs", "tmpfs", False),
        ("/", "ext4", "/dev/sdc", False),
    ],
)
def test_a_path_lies_on_the_longest_mount_above_it_the_last_one_mounted(path, kind, source, read_only):
    entry = mount_of(Path(path), parse_mount_table(TABLE))
    assert (entry.kind, entry.source, entry.read_only) == (kind, source, read_only)


def test_a_folder_is_timed_by_200_look_ups_and_a_bounded_read(tmp_path):
    (tmp_path / "below").mkdir()
    for number in range(30):
        (tmp_path / "below" / f"{number}.py").write_bytes(b"x" * 1000)
    (tmp_path / "large").write_bytes(b"x" * 2**21)
    (tmp_path / "below" / "dangling").symlink_to("nowhere")
    measured = measure_mount("project", tmp_path, table=parse_mount_table(TABLE))
    assert measured.num_files == 31
    assert len(measured.stat_first_seconds) == len(measured.stat_again_seconds) == 200
    assert len(measured.read_first_seconds) == len(measured.read_again_seconds) == 31
    assert (measured.bulk_bytes, measured.error) == (2**21, None)


def test_a_folder_that_is_not_there_is_an_error_in_the_facts(tmp_path):
    measured = measure_mount("data", tmp_path / "absent", table=[])
    assert (measured.error, measured.file_system) == ("No such file or directory", "unknown")


def test_a_pipe_is_never_opened(tmp_path):
    import os

    os.mkfifo(tmp_path / "pipe")
    assert measure_mount("temporary", tmp_path, table=[]).num_files == 0


def test_the_tightest_quota_above_us_counts_in_cgroup_2(tmp_path):
    job = tmp_path / "slurm" / "job"
    job.mkdir(parents=True)
    (job / "cpu.max").write_text("max 100000\n")
    (tmp_path / "slurm" / "cpu.max").write_text("250000 100000\n")
    (tmp_path / "cpu.max").write_text("800000 100000\n")
    (tmp_path / "slurm" / "cpu.stat").write_text("usage_usec 5\nnr_periods 200\nnr_throttled 50\nthrottled_usec 9\n")
    assert cpu_quota("0::/slurm/job\n", root=tmp_path) == (2.5, 0.25)


def test_a_quota_counts_in_cgroup_1_also_where_the_group_is_hidden(tmp_path):
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("150000\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    groups = "4:memory:/docker/1\n1:cpu:/docker/1\n0::/\n"
    assert cpu_quota(groups, root=tmp_path) == (1.5, None)


def test_no_quota_is_none(tmp_path):
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("-1\n")
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert cpu_quota("1:cpu:/\n0::/\n", root=tmp_path) == (None, None)


def test_caches_lie_where_the_variables_say_and_else_below_home():
    folders = {name: (str(path), chosen) for name, path, chosen in cache_folders({"HOME": "/home/ana"})}
    assert folders["Hugging Face hub"] == ("/home/ana/.cache/huggingface/hub", "default")
    assert folders["torch.hub"] == ("/home/ana/.cache/torch/hub/checkpoints", "default")
    chosen = {
        "HOME": "/home/ana",
        "TORCHINDUCTOR_CACHE_DIR": "/fast/kernels",
        "HF_HOME": "/data/hf",
        "TORCH_HOME": "/data/torch",
        "XDG_CACHE_HOME": "/unused",
    }
    folders = {name: (str(path), by) for name, path, by in cache_folders(chosen)}
    assert folders["Inductor kernels"] == ("/fast/kernels", "TORCHINDUCTOR_CACHE_DIR")
    assert folders["Hugging Face hub"] == ("/data/hf/hub", "HF_HOME")
    assert folders["torch.hub"] == ("/data/torch/hub/checkpoints", "TORCH_HOME")


def test_a_cache_is_counted_once_for_blobs_and_the_links_to_them(tmp_path):
    blobs = tmp_path / "blobs"
    blobs.mkdir()
    (blobs / "ab12").write_bytes(b"x" * 500)
    (tmp_path / "model.safetensors").symlink_to("blobs/ab12")
    environment = {"HOME": str(tmp_path / "home"), "HF_HUB_CACHE": str(tmp_path)}
    caches = {cache.name: cache for cache in read_caches(environment, table=[])}
    assert (caches["Hugging Face hub"].num_files, caches["Hugging Face hub"].num_bytes) == (1, 500)
    assert not caches["torch.hub"].exists


def test_a_login_is_told_by_where_it_stands_and_never_by_its_key(tmp_path):
    (tmp_path / ".netrc").write_text("machine api.wandb.ai\n  login user\n  password 0123456789abcdef\n")
    by_file = read_wandb({"HOME": str(tmp_path)}, version="0.31.0", cwd=tmp_path)
    assert by_file.login_from == str(tmp_path / ".netrc")
    assert "0123456789abcdef" not in by_file.model_dump_json()
    by_variable = read_wandb({"HOME": str(tmp_path), "WANDB_API_KEY": "secret"}, version="0.31.0", cwd=tmp_path)
    assert by_variable.login_from == "WANDB_API_KEY"
    assert "secret" not in by_variable.model_dump_json()
    other = {"HOME": str(tmp_path), "WANDB_BASE_URL": "https://wandb.example.org"}
    assert read_wandb(other, version="0.31.0", cwd=tmp_path).login_from is None


def test_the_mode_of_wandb_is_the_variables_then_the_settings_files(tmp_path):
    (tmp_path / "wandb").mkdir()
    (tmp_path / "wandb" / "settings").write_text("[default]\nmode = offline\n")
    home = {"HOME": str(tmp_path / "home")}
    assert read_wandb(home, version=None, cwd=tmp_path).mode == "offline"
    assert read_wandb({**home, "WANDB_MODE": "disabled"}, version=None, cwd=tmp_path).mode_from == "WANDB_MODE"
    assert read_wandb(home, version=None, cwd=tmp_path / "home").mode == "online"


def test_the_active_environment_is_examined_before_our_own(tmp_path, monkeypatch):
    import sys

    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    monkeypatch.delenv("CONDA_PREFIX", raising=False)
    assert active_python() == sys.executable
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").write_text("")
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path))
    assert active_python() == str(tmp_path / "bin" / "python")


def test_a_link_to_the_interpreter_is_no_launcher_and_a_shim_is(tmp_path):
    real, link, shim = tmp_path / "python3.11", tmp_path / "python", tmp_path / "shim"
    real.write_text("")
    link.symlink_to(real)
    shim.write_text("#!/bin/sh\nexec python3.11\n")
    assert not is_launcher(str(link), executable=str(real))
    assert is_launcher(str(shim), executable=str(real))


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"python": "no-such-python"}, "no such program"), ({"data": Path("absent")}, "no such folder")],
)
def test_a_plan_for_what_is_not_there_is_refused(tmp_path, changes, said):
    import sys

    values = {"python": sys.executable, "cwd": tmp_path, "data": None, "output": None, **changes}
    with pytest.raises(OcrprofError, match=said) as refused:
        DoctorPlan(**values)
    assert refused.value.exit_code == 2

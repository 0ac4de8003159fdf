"""Each performance feature is wired: with its switch on something happens that does not happen with it off.

Features were lost in refactors elsewhere because their code stayed and the configuration no longer reached it. So these
tests go by way of the configuration, as a run does.
"""

from pathlib import Path
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from runs import NUM_TRAIN, NUM_VAL, tiny

from pipeline.build import build_datamodule, build_module
from pipeline.config import config_dir
from pipeline.data.datamodule import OCRDataModule
from pipeline.detection import postprocess


def composed(folder: Path, *overrides: str) -> Any:
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        return compose("train", overrides=[f"paths.output_dir={folder}", *tiny(folder), *overrides])


def datamodule(folder: Path, *overrides: str) -> OCRDataModule:
    built = build_datamodule(composed(folder, *overrides))
    built.setup("fit")
    return built


def epochs(data: OCRDataModule, split: str) -> list[list[dict[str, Any]]]:
    loader = data.train_dataloader() if split == "train" else data.val_dataloader()
    return [list(loader) for _ in range(2)]


def lookups(cache: Any) -> tuple[int, int]:
    counts = cache.statistics()
    return counts["hits"], counts["misses"]


@pytest.mark.parametrize("storage", ["memory", "disk"])
def test_validation_samples_and_maps_come_from_their_caches_in_the_second_epoch(tmp_path, storage):
    data = datamodule(tmp_path, f"cache.samples={storage}", f"cache.maps={storage}", f"cache.root={tmp_path}")
    first, second = epochs(data, "val")
    (samples,) = data._datasets["val"].caches
    assert (samples.kind, samples.storage) == ("samples", storage)
    assert lookups(samples) == (NUM_VAL, NUM_VAL)
    assert lookups(data._collate.map_cache) == (NUM_VAL, NUM_VAL)
    for one, other in zip(first, second, strict=True):
        assert all(torch.equal(one[name], other[name]) for name in one if torch.is_tensor(one[name]))


def test_training_pictures_are_decoded_in_the_first_epoch_only(tmp_path):
    data = datamodule(tmp_path, "cache.images=memory")
    epochs(data, "train")
    (images,) = data._datasets["train"].caches
    assert lookups(images) == (NUM_TRAIN, NUM_TRAIN)


def test_training_samples_are_kept_where_nothing_is_drawn_at_random(tmp_path):
    data = datamodule(tmp_path, "transforms=none")
    epochs(data, "train")
    (samples,) = data._datasets["train"].caches
    assert samples.kind == "samples"
    assert lookups(samples) == (NUM_TRAIN, NUM_TRAIN)


def test_without_caches_nothing_is_looked_up(tmp_path):
    data = datamodule(tmp_path, "cache=none")
    assert data._datasets["train"].caches == data._datasets["val"].caches == []
    data.val_dataloader()
    assert data._collate.map_cache is None


def test_the_memory_budget_of_the_configuration_reaches_every_cache(tmp_path, caplog):
    data = datamodule(tmp_path, "cache.memory_gib=1e-6")
    epochs(data, "val")
    assert data._datasets["train"].caches == data._datasets["val"].caches == []
    assert data._collate.map_cache.statistics()["stored"] == 0
    assert caplog.text.count("the budget of all caches in memory") == 4


def test_prenormalised_samples_are_floats_and_give_the_same_batches(tmp_path):
    plain, floats = (datamodule(tmp_path, f"cache.prenormalise={value}") for value in ("false", "true"))
    assert plain._datasets["val"][0].image.dtype == "uint8"
    assert floats._datasets["val"][0].image.dtype == "float32"
    for one, other in zip(plain.val_dataloader(), floats.val_dataloader(), strict=True):
        assert torch.equal(one["images"], other["images"])


def test_hits_are_logged_every_so_many_lookups_and_at_the_end(tmp_path, caplog):
    caplog.set_level("INFO")
    data = datamodule(tmp_path, f"cache.log_every={NUM_VAL}")
    epochs(data, "val")
    data.teardown("fit")
    assert f"samples cache: {NUM_VAL} hits of {2 * NUM_VAL} (50.0%)" in caplog.text
    assert f"val data: samples cache: {NUM_VAL} hits of {2 * NUM_VAL} (50.0%)" in caplog.text


def test_channels_last_reaches_weights_and_images_and_changes_no_more_than_rounding(tmp_path):
    seen = []
    outputs = []
    for value in ("false", "true"):
        torch.manual_seed(0)
        module = build_module(composed(tmp_path, f"module.channels_last={value}")).eval()
        module.configure_model()
        module.model.encoder.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        with torch.no_grad():
            outputs.append(module(torch.linspace(-1, 1, 3 * 64 * 64).reshape(1, 3, 64, 64))["prob"])
    assert [images.is_contiguous(memory_format=torch.channels_last) for images in seen] == [False, True]
    weights = [one for one in module.parameters() if one.ndim == 4 and one.shape[1] > 1 and one.shape[2] > 1]
    assert weights
    assert all(one.is_contiguous(memory_format=torch.channels_last) for one in weights)
    assert torch.allclose(*outputs, atol=1e-5)


@pytest.mark.parametrize("prenormalise", ["false", "true"])
@pytest.mark.parametrize("workers", [0, 1])
def test_batches_come_in_the_layout_that_the_network_works_in(tmp_path, prenormalise, workers):
    """So that the network need not turn them: a copy of 59 MB for twelve pages at 640."""
    plain, turned = (
        datamodule(
            tmp_path,
            f"module.channels_last={value}",
            f"cache.prenormalise={prenormalise}",
            f"data.num_workers={workers}",
        )
        for value in ("false", "true")
    )
    for epoch, other_epoch in zip(epochs(plain, "val"), epochs(turned, "val"), strict=True):
        for one, other in zip(epoch, other_epoch, strict=True):
            assert one["images"].is_contiguous()
            assert other["images"].is_contiguous(memory_format=torch.channels_last)
            assert all(torch.equal(one[name], other[name]) for name in one if torch.is_tensor(one[name]))


class TellsWhereTensorsLie:
    """A collate that tells of each tensor whether it lay in shared memory when it was made."""

    def __init__(self, collate):
        self.collate = collate

    def __call__(self, samples):
        batch = self.collate(samples)
        return {name: value.is_shared() for name, value in batch.items() if torch.is_tensor(value)}


@pytest.mark.parametrize("prenormalise", ["false", "true"])
@pytest.mark.parametrize("channels_last", ["false", "true"])
def test_a_worker_makes_images_and_maps_in_the_memory_that_it_hands_over(tmp_path, prenormalise, channels_last):
    switches = (f"cache.prenormalise={prenormalise}", f"module.channels_last={channels_last}")
    for workers in (0, 1):
        loader = datamodule(tmp_path, f"data.num_workers={workers}", *switches).val_dataloader()
        loader.collate_fn = TellsWhereTensorsLie(loader.collate_fn)
        for shared in loader:
            assert {name for name in shared if shared[name]} == (
                {"images", "prob_map", "prob_mask", "thresh_map", "thresh_mask"} if workers else set()
            )


def test_the_network_is_compiled_when_training_starts_and_not_before(tmp_path, monkeypatch):
    compiled = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self, *_, **__: compiled.append(type(self).__name__))
    for value, expected in (("false", []), ("true", ["DBNet"])):
        module = build_module(composed(tmp_path, f"module.compile={value}"))
        module.configure_model()
        assert compiled == []
        keys = list(module.state_dict())
        module.on_fit_start()
        module.on_fit_start()
        assert compiled == expected
        assert list(module.state_dict()) == keys


def test_a_lazy_split_is_built_by_the_stage_that_needs_it_and_an_eager_one_at_once(tmp_path):
    lazy, eager = (build_datamodule(composed(tmp_path, f"data.lazy={value}")) for value in ("true", "false"))
    assert set(lazy._datasets) == set()
    assert set(eager._datasets) == {"train", "val"}
    lazy.setup("validate")
    assert set(lazy._datasets) == {"val"}


def test_evaluators_are_built_with_the_first_evaluation_or_with_the_model(tmp_path):
    lazy, eager = (build_module(composed(tmp_path, f"module.lazy_evaluation={value}")) for value in ("true", "false"))
    assert lazy.metric is None
    assert eager.metric is not None
    assert list(lazy.state_dict()) == list(eager.state_dict())
    lazy.on_validation_start()
    assert type(lazy.metric) is type(eager.metric)


@pytest.mark.parametrize(("shared", "num_built"), [("true", 1), ("false", 2)])
def test_loaders_share_one_collate_or_have_their_own(tmp_path, shared, num_built):
    data = datamodule(tmp_path, f"data.share_collate={shared}")
    assert len({id(loader.collate_fn) for loader in (data.train_dataloader(), data.val_dataloader())}) == num_built


def test_boxes_are_found_by_as_many_threads_as_are_asked_for_and_are_the_same(tmp_path, monkeypatch):
    started = []
    pool = postprocess.ThreadPoolExecutor

    def counting(num_threads: int) -> Any:
        started.append(num_threads)
        return pool(num_threads)

    monkeypatch.setattr(postprocess, "ThreadPoolExecutor", counting)
    maps = torch.zeros(3, 1, 64, 64)
    maps[:, :, 10:30, 8:50] = 0.9
    matrices = torch.eye(3).repeat(3, 1, 1)
    found = []
    for num_threads in (1, 3):
        module = build_module(composed(tmp_path, f"postprocess.num_threads={num_threads}"))
        module.on_validation_start()
        found.append(module.postprocess(maps, to_source=matrices, source_sizes=[(64, 64)] * 3))
    assert started == [3]
    for one, other in zip(*found, strict=True):
        assert len(one.boxes) == 1
        assert (one.boxes == other.boxes).all()


@pytest.mark.parametrize(("deferred", "started"), [("true", [False, False, True]), ("false", [False, True, True])])
def test_a_wandb_run_is_started_with_the_first_metric_or_before(tmp_path, monkeypatch, deferred, started):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    cfg = composed(tmp_path, "logger=wandb", f"logger.wandb.deferred={deferred}", "logger.wandb.offline=true")
    logger = instantiate(cfg.logger.wandb)
    seen = [logger._experiment is not None]
    logger.log_hyperparams({"lr": 0.5})
    seen.append(logger._experiment is not None)
    logger.log_metrics({"loss": 1.0}, step=0)
    seen.append(logger._experiment is not None)
    assert seen == started
    assert logger.experiment.config["lr"] == 0.5
    logger.experiment.finish()


def test_a_run_that_logs_nothing_is_started_at_its_end(tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    logger = instantiate(composed(tmp_path, "logger=wandb", "logger.wandb.offline=true").logger.wandb)
    logger.log_hyperparams({"lr": 0.5})
    logger.finalize("success")
    assert logger.experiment.config["lr"] == 0.5
    logger.experiment.finish()

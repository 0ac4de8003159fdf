"""The data of a run: which splits there are, and how they are loaded. A split is built when a stage first needs it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

import cv2
from lightning.pytorch import LightningDataModule
from lightning.pytorch.trainer.states import TrainerFn
from torch.utils.data import DataLoader, Dataset

_log = logging.getLogger(__name__)

# A data set, or the configuration (a mapping with `_target_`) that Hydra builds one from.
Part = Any


class OCRDataModule(LightningDataModule):
    """Loads `train`, `val` and `test`: data sets, or configurations of which each is built when its stage begins.

    From a configuration, instantiate it with `_recursive_: false`, so that the parts come in as configurations.
    Without `test`, testing and predicting use `val`, and say so. `collate` makes batches from samples, and may be a
    configuration too. `eval_batch_size` is that of validation and test (default: `batch_size`). `prefetch_factor` and
    `persistent_workers` are for worker processes: with `num_workers` 0 there are none, and they do not apply. With
    `lazy` False all splits are built at once; with `share_collate` False every loader gets a collate of its own.
    """

    def __init__(
        self,
        train: Part = None,
        val: Part = None,
        test: Part = None,
        *,
        collate: Part,
        batch_size: int = 4,
        eval_batch_size: int | None = None,
        num_workers: int = 0,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory: bool = False,
        drop_last: bool = False,
        lazy: bool = True,
        share_collate: bool = True,
    ) -> None:
        super().__init__()
        self._parts = {"train": train, "val": val, "test": test}
        self._collate = collate
        self._shares_collate = share_collate
        self._datasets: dict[str, Dataset[Any]] = {}
        self._reserved: set[str] = set()
        self.batch_size = batch_size
        self.eval_batch_size = batch_size if eval_batch_size is None else eval_batch_size
        self.drop_last = drop_last
        self._loader_settings: dict[str, Any] = {"num_workers": num_workers, "pin_memory": pin_memory}
        if num_workers > 0:
            self._loader_settings |= {"prefetch_factor": prefetch_factor, "persistent_workers": persistent_workers}
        if not lazy:
            self._build([split for split, part in self._parts.items() if part is not None])

    def setup(self, stage: str) -> None:
        """Builds the splits of `stage`: fit, validate, test or predict; a split that is there already stays."""
        # Lightning gives a member of TrainerFn, others its text.
        self._build(self._splits_of(TrainerFn(stage).value))

    def train_dataloader(self) -> DataLoader[Any]:
        return self._loader("train", batch_size=self.batch_size, shuffle=True, drop_last=self.drop_last)

    def val_dataloader(self) -> DataLoader[Any] | list[DataLoader[Any]]:
        # Lightning takes an empty list for "no validation".
        return self._loader("val", batch_size=self.eval_batch_size) if "val" in self._datasets else []

    def test_dataloader(self) -> DataLoader[Any]:
        return self._loader(self._test_split(), batch_size=self.eval_batch_size)

    def predict_dataloader(self) -> DataLoader[Any]:
        return self._loader(self._test_split(), batch_size=self.eval_batch_size)

    def teardown(self, stage: str) -> None:
        """Says how many samples of each split were stand-ins for unreadable images, and what its caches did."""
        for split, dataset in self._datasets.items():
            for cache in getattr(dataset, "caches", []):
                _log.info("%s data: %s", split, cache.describe())
            num_replaced = getattr(dataset, "num_replaced", 0)
            if num_replaced:
                _log.warning("%s data: %d samples stood in for images that could not be read", split, num_replaced)

    def _build(self, splits: Iterable[str]) -> None:
        for split in splits:
            if split not in self._datasets:
                self._datasets[split] = _built(self._parts[split])

    def _splits_of(self, stage: str) -> list[str]:
        if stage == "fit":
            splits = ["train"]
            if self._parts["val"] is not None and self._validates():
                splits.append("val")
        elif stage == "validate":
            splits = ["val"]
        else:
            splits = [self._test_split()]
            if splits != ["test"]:
                _log.warning("no test data is configured: the validation data is used to %s", stage)
        for split in splits:
            if self._parts[split] is None:
                raise ValueError(f"no {split} data is configured, which {stage} needs")
        return splits

    def _test_split(self) -> str:
        return "val" if self._parts["test"] is None else "test"

    def _validates(self) -> bool:
        """Whether fitting comes to a validation: not with `limit_val_batches` 0."""
        return self.trainer is None or bool(self.trainer.limit_val_batches)

    def _loader(
        self, split: str, *, batch_size: int, shuffle: bool = False, drop_last: bool = False
    ) -> DataLoader[Any]:
        collate = _built(self._collate)
        if self._shares_collate:
            self._collate = collate
        dataset = self._datasets[split]
        if split not in self._reserved and hasattr(collate, "reserve") and getattr(dataset, "repeats", False):
            self._reserved.add(split)
            collate.reserve(num_samples=len(dataset), size=dataset.transform.size)
        return DataLoader(
            dataset,
            batch_size=batch_size,
            shuffle=shuffle,
            drop_last=drop_last,
            collate_fn=collate,
            worker_init_fn=run_opencv_without_threads,
            **self._loader_settings,
        )


def run_opencv_without_threads(worker_id: int) -> None:
    """Keeps a worker to its core: OpenCV would else start as many threads in each as the machine has cores.

    0, not 1: 1 makes OpenCV stop its thread pool at once, and in a forked worker it then waits for ever for threads
    that only the parent had (seen with 5.0.0 on pthreads, where the parent had used the pool before the fork).
    """
    cv2.setNumThreads(0)


def _built(part: Part) -> Any:  # whatever its `_target_` makes
    if isinstance(part, Mapping) and "_target_" in part:
        from hydra.utils import instantiate

        return instantiate(part)
    return part

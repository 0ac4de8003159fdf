"""CLEval as a torchmetrics metric: batches, processes, Lightning."""

import copy
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.detection.cleval import CLEval
from pipeline.detection.cleval_core import Counters, count_image

ROOT = Path(__file__).resolve().parent.parent.parent


def rect(x0, y0, x1, y1):
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], dtype=np.float32)


LINE, BELOW = rect(0, 0, 50, 10), rect(0, 20, 50, 30)
# Five images: perfect, half found, a false box beside, only a false box, nothing.
BATCH = {
    "det_quads": [[LINE, BELOW], [LINE], [LINE, BELOW], [LINE], []],
    "gt_quads": [[LINE, BELOW], [LINE, BELOW], [LINE], [], []],
    "gt_texts": [["hello", "world"], ["hello", "world"], ["hello"], [], []],
    "gt_ignore": [np.zeros(n, dtype=bool) for n in (2, 2, 1, 0, 0)],
}
TOTAL = Counters(num_char_gt=25, num_char_det=22, num_char_tp=20, num_char_fp=2)


def images(first, last):
    return {name: values[first:last] for name, values in BATCH.items()}


def updated(metric, *batches):
    for batch in batches:
        metric.update(**batch)
    return metric


def as_floats(result):
    return {name: value.item() for name, value in result.items()}


def test_sums_over_images_are_divided_once():
    result = as_floats(updated(CLEval(), BATCH).compute())
    assert result == {
        "num_images": 5,
        "recall": 20 / 25,
        "precision": 20 / 22,
        "hmean": pytest.approx(2 * 20 / (25 + 22)),
        "num_char_gt": 25,
        "num_char_det": 22,
        "num_char_tp": 20,
        "num_char_fp": 2,
        "num_char_overlapped": 0,
        "recall_gran": 0,
        "precision_gran": 0,
        "num_split": 0,
        "num_merged": 0,
    }


def test_the_image_average_leaves_out_images_without_characters_only():
    result = as_floats(updated(CLEval(average="image"), BATCH).compute())
    assert result["recall"] == pytest.approx((1 + 0.5 + 1 + 0) / 4)
    assert result["precision"] == pytest.approx((1 + 1 + 5 / 6 + 0) / 4)
    assert result["hmean"] == pytest.approx((1 + 2 / 3 + 10 / 11 + 0) / 4)
    assert result["num_images"] == 5


def test_the_image_average_end_to_end_leaves_out_images_without_characters_too():
    metric = CLEval(average="image", end_to_end=True)
    metric.update(
        [[LINE], [LINE], []], [[LINE], [], []], gt_texts=[["hello"], [], []], det_texts=[["hallo"], ["x"], []]
    )
    assert metric.compute()["e2e_recall"].item() == pytest.approx((0.8 + 0) / 2)


def test_batches_add_up_and_reset_forgets_them():
    metric = updated(CLEval(average="image", keep_image_counters=True), images(0, 2), images(2, 5))
    whole = updated(CLEval(average="image", keep_image_counters=True), BATCH)
    assert as_floats(metric.compute()) == as_floats(whole.compute())
    assert metric.image_counters() == whole.image_counters()
    metric.reset()
    metric.update(**images(0, 1))
    assert as_floats(metric.compute())["num_char_gt"] == 10
    assert len(metric.image_counters()) == 1


@pytest.mark.parametrize("seed", range(5))
def test_neither_batching_nor_the_order_of_images_changes_a_score(seed):
    rng = np.random.default_rng(seed)
    gt = [np.stack([LINE + rng.integers(0, 80, 2) for _ in range(rng.integers(1, 6))]) for _ in range(12)]
    det = [quads + rng.normal(0, 4, quads.shape) * (rng.random(len(quads)) < 0.5)[:, None, None] for quads in gt]
    texts = [["".join(rng.choice(list("abc"), size=rng.integers(1, 7))) for _ in quads] for quads in gt]
    misread = [[text[::-1] for text in own] for own in texts]
    settings = {"average": ("micro", "image")[seed % 2], "end_to_end": True, "scale_wise": True}
    whole, shuffled = CLEval(**settings), CLEval(**settings)

    def update(metric, indices):
        det_part, gt_part, text_part, misread_part = ([part[i] for i in indices] for part in (det, gt, texts, misread))
        sizes = [(100 + i, 200 + 100 * i) for i in indices]
        metric.update(det_part, gt_part, gt_texts=text_part, det_texts=misread_part, source_sizes=sizes)

    update(whole, range(12))
    for indices in np.array_split(rng.permutation(12), rng.integers(2, 7)):
        update(shuffled, indices)
    result = as_floats(whole.compute())
    assert 0 < result["e2e_hmean"] < result["hmean"] < 1
    assert as_floats(shuffled.compute()) == pytest.approx(result, rel=1e-12)


def test_a_call_returns_the_batch_and_keeps_the_sum():
    metric = CLEval(average="image", keep_image_counters=True)
    metric.update(**images(0, 2))
    assert as_floats(metric(**images(2, 5)))["num_char_gt"] == 5
    assert as_floats(metric.compute()) == as_floats(updated(CLEval(average="image"), BATCH).compute())
    assert sum(metric.image_counters(), Counters()) == TOTAL


def test_states_of_two_metrics_merge():
    metric = updated(CLEval(), images(0, 1))
    metric.merge_state(updated(CLEval(), images(1, 5)))
    assert as_floats(metric.compute()) == as_floats(updated(CLEval(), BATCH).compute())


def test_copies_and_moves_keep_the_sum():
    metric = copy.deepcopy(updated(CLEval(keep_image_counters=True), BATCH)).to("cpu").double()
    assert as_floats(metric.compute())["num_char_gt"] == 25
    assert metric.counts.dtype == torch.int64


def test_tensors_of_any_float_type_count_like_arrays():
    batch = images(0, 2)
    batch["det_quads"] = [torch.tensor(np.array(quads)).bfloat16() for quads in batch["det_quads"]]
    batch["gt_quads"] = [[torch.tensor(quad) for quad in quads] for quads in batch["gt_quads"]]
    batch["gt_ignore"] = [torch.tensor(flags) for flags in batch["gt_ignore"]]
    assert as_floats(updated(CLEval(), batch).compute()) == as_floats(updated(CLEval(), images(0, 2)).compute())


def test_without_transcripts_lengths_follow_from_shapes():
    result = updated(CLEval(), {"det_quads": [[LINE]], "gt_quads": [[LINE]]}).compute()
    assert result["num_char_gt"].item() == 5


def test_image_counters_come_in_the_order_of_the_updates():
    metric = updated(CLEval(keep_image_counters=True), BATCH)
    expected = [count_image(det, gt, gt_texts=texts) for det, gt, texts, _ in zip(*BATCH.values(), strict=True)]
    assert metric.image_counters() == expected
    with pytest.raises(ValueError, match="keep_image_counters"):
        CLEval().image_counters()


def test_end_to_end_scores_come_beside_the_detection_s():
    metric = CLEval(end_to_end=True)
    metric.update([[LINE]], [[LINE]], gt_texts=[["hello"]], det_texts=[["hallo!"]])
    result = as_floats(metric.compute())
    assert (result["recall"], result["e2e_recall"]) == (1.0, 0.8)
    assert result["e2e_precision"] == pytest.approx(4 / 6)
    assert (result["e2e_num_char_tp"], result["e2e_num_char_fp"], result["e2e_num_char_det"]) == (4, 2, 6)
    assert not any(name.startswith("e2e_") for name in updated(CLEval(), BATCH).compute())


def test_scale_bins_come_beside_the_whole():
    metric = CLEval(scale_wise=True, scale_bins=(0.0, 0.1, 1.0))
    metric.update([[LINE, BELOW * 2]], [[LINE, BELOW * 2]], gt_texts=[["ab", "cde"]], source_sizes=[(80, 110)])
    result = as_floats(metric.compute())
    names = ("num_char_gt", "scale_0_0.1/num_char_gt", "scale_0.1_1/num_char_gt")
    assert [result[name] for name in names] == [5, 2, 3]
    assert result["scale_0.1_1/hmean"] == 1.0


@pytest.mark.parametrize(
    ("settings", "change", "message"),
    [
        ({}, {"gt_texts": [["hello"]]}, "gt_texts has entries for 1 images, gt_quads for 5"),
        ({}, {"det_texts": [[]] * 5}, "end_to_end=True"),
        ({"end_to_end": True}, {}, "needs gt_texts and det_texts"),
        ({"scale_wise": True}, {}, "needs source_sizes"),
        ({}, {"det_quads": [[], [LINE * np.nan], [], [], []]}, "image 1 of the batch: detected box 0"),
    ],
)
def test_what_does_not_fit_is_refused_and_counts_nothing(settings, change, message):
    metric = CLEval(**settings)
    with pytest.raises(ValueError, match=message):
        metric.update(**{**BATCH, **change})
    assert metric.num_images == 0
    assert not metric.counts.any()


@pytest.mark.parametrize(
    "wrong", [{"average": "macro"}, {"scale_bins": (0.5, 0.1)}, {"scale_bins": (1.0,)}, {"ap_constraint": 0}], ids=str
)
def test_wrong_settings_are_refused_at_construction(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        CLEval(**wrong)


# ---- processes


# Where the second process begins in the batch: both have images, one has none.
SPLITS = (2, 5)


def score_share(rank, folder):
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    results = []
    for split in SPLITS:
        metric = CLEval(average="image", keep_image_counters=True)
        metric.update(**BATCH)
        metric.reset()
        own = images(0, split) if rank == 0 else images(split, 5)
        if own["gt_quads"]:
            metric.update(**own)
        results.append((as_floats(metric.compute()), metric.image_counters(), metric.num_images.item()))
    torch.save(results, f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_two_processes_report_what_one_would(tmp_path):
    torch.multiprocessing.spawn(score_share, args=(str(tmp_path),), nprocs=2)
    alone = updated(CLEval(average="image", keep_image_counters=True), BATCH)
    for rank in range(2):
        for split, (result, counters, num_own) in zip(
            SPLITS, torch.load(tmp_path / f"{rank}.pt", weights_only=False), strict=True
        ):
            assert result == pytest.approx(as_floats(alone.compute()))
            assert counters == alone.image_counters()
            assert num_own == (split, 5 - split)[rank]  # a process keeps its own share


def test_lightning_logs_each_epoch_s_scores_anew(tmp_path):
    lightning = pytest.importorskip("lightning.pytorch")

    class Detector(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.metric = CLEval()

        def validation_step(self, batch, index):
            self.metric.update(**images(index, index + 1))

        def on_validation_epoch_end(self):
            scores = self.metric.compute()
            self.log("val/hmean", scores["hmean"])
            self.log_dict({f"val/{name}": scores[name] for name in ("recall", "precision")})
            self.metric.reset()

    trainer = lightning.Trainer(
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
    )
    detector = Detector()
    for _ in range(2):
        (logged,) = trainer.validate(detector, torch.utils.data.DataLoader(range(5)), verbose=False)
        expected = {"val/hmean": 40 / 47, "val/recall": 0.8, "val/precision": 20 / 22}
        assert {name: float(value) for name, value in logged.items()} == pytest.approx(expected)


def test_the_counting_core_loads_neither_torch_nor_shapely():
    script = (
        "import sys, numpy as np\n"
        "from pipeline.detection.cleval_core import count_image\n"
        "box = np.array([[[0, 0], [50, 0], [50, 10], [0, 10]]])\n"
        "assert count_image(box, box).num_char_tp == 5\n"
        "print([name for name in ('torch', 'shapely', 'cv2', 'torchmetrics') if name in sys.modules])\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

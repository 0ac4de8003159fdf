"""DBLoss against a slow NumPy rewrite of its definition, and where it must stay silent or finite."""

import numpy as np
import pytest
import torch

from pipeline.detection.loss import (
    DBLoss,
    _nth_largest_by_bisection,
    _nth_largest_by_partition,
    weights_of_largest,
)

SHAPE = (2, 1, 24, 32)


def make_case(seed=0, *, text=0.2, counted=0.9, border=0.4, shape=SHAPE):
    """(output, batch) of random maps; `text`, `counted`, `border` are the shares of ones in the three binary maps."""
    generator = torch.Generator().manual_seed(seed)

    def binary(share):
        return (torch.rand(shape, generator=generator) < share).to(torch.uint8)

    logits = 2 * torch.randn(shape, generator=generator)
    thresh = torch.rand(shape, generator=generator)
    batch = {
        "prob_map": binary(text),
        "prob_mask": binary(counted),
        "thresh_mask": binary(border),
        "thresh_map": 0.3 + 0.4 * torch.rand(shape, generator=generator),
    }
    return output_of(logits.requires_grad_(), thresh.requires_grad_()), batch


def output_of(logits, thresh):
    prob = torch.sigmoid(logits)
    return {"prob_logits": logits, "prob": prob, "thresh": thresh, "binary": torch.sigmoid(50 * (prob - thresh))}


def loss_by_definition(output, batch, *, negative_ratio=3, eps=1e-6):
    """(Lp, Lt, Lb) with a full sort, in float64."""
    output = {name: value.detach().double().numpy().ravel() for name, value in output.items()}
    batch = {name: value.double().numpy().ravel() for name, value in batch.items()}
    text = batch["prob_map"] * batch["prob_mask"]
    background = (1 - batch["prob_map"]) * batch["prob_mask"]
    prob = 1 / (1 + np.exp(-output["prob_logits"]))
    positives = -np.log(prob[text == 1])
    negatives = np.sort(-np.log(1 - prob[background == 1]))[::-1]
    negatives = negatives[: int(negative_ratio * len(positives))]
    prob_loss = (positives.sum() + negatives.sum()) / (len(positives) + len(negatives) + eps)
    error = np.abs(output["thresh"] - batch["thresh_map"])
    thresh_loss = (error * batch["thresh_mask"]).sum() / (batch["thresh_mask"].sum() + eps)
    binary = output["binary"]
    shared = (binary * text).sum()
    binary_loss = 1 - 2 * shared / ((binary * batch["prob_mask"]).sum() + text.sum() + eps)
    return prob_loss, thresh_loss, binary_loss


@pytest.mark.parametrize(
    ("seed", "shares"),
    [
        (0, {}),
        (1, {"text": 0.02}),
        (2, {"text": 0.6}),  # fewer negatives than three a positive
        (3, {"text": 1.0}),  # none at all
        (4, {"counted": 0.3}),
        (5, {"border": 0.0}),
        (6, {"counted": 0.0}),
        (7, {"text": 0.0}),
    ],
)
def test_loss_equals_its_definition_with_a_full_sort(seed, shares):
    output, batch = make_case(seed, **shares)
    losses = DBLoss()(output, batch)
    expected = loss_by_definition(output, batch)
    found = [losses[name].item() for name in ("prob_loss", "thresh_loss", "binary_loss")]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert losses["loss"].item() == pytest.approx(np.dot((5, 10, 1), expected), rel=1e-5)


def test_weights_and_ratio_are_used():
    output, batch = make_case()
    losses = DBLoss(prob_weight=2, thresh_weight=3, binary_weight=4, negative_ratio=1)(output, batch)
    parts = loss_by_definition(output, batch, negative_ratio=1)
    assert losses["loss"].item() == pytest.approx(np.dot((2, 3, 4), parts), rel=1e-5)


def test_gradient_reaches_the_chosen_pixels_and_no_other():
    output, batch = make_case(text=0.02, counted=1.0)
    DBLoss(thresh_weight=0, binary_weight=0)(output, batch)["loss"].backward()
    logits = output["prob_logits"].detach()
    text = batch["prob_map"].bool()
    num_chosen = 3 * int(text.sum())
    hardest = torch.topk(logits[~text], num_chosen).values.min()
    expected = text | (logits >= hardest)
    torch.testing.assert_close(output["prob_logits"].grad != 0, expected)
    residual = (torch.sigmoid(logits) - text.float())[expected] * 5 / (4 * int(text.sum()))
    torch.testing.assert_close(output["prob_logits"].grad[expected], residual, rtol=1e-4, atol=1e-7)


def test_masked_pixels_change_nothing():
    output, batch = make_case(counted=0.5)
    expected = DBLoss()(output, batch)
    hidden_text = batch["prob_mask"] == 0
    hidden_border = batch["thresh_mask"] == 0
    other = {
        "prob_logits": torch.where(hidden_text, 40.0, output["prob_logits"]),
        "thresh": torch.where(hidden_border, 0.99, output["thresh"]),
        "binary": torch.where(hidden_text, 1.0, output["binary"]),
    }
    losses = DBLoss()(other, batch)
    for name, value in expected.items():
        torch.testing.assert_close(losses[name], value)


def test_batch_without_text_is_finite_and_teaches_nothing():
    output, batch = make_case(text=0.0, border=0.0, counted=1.0)
    losses = DBLoss()(output, batch)
    assert [losses[name].item() for name in ("prob_loss", "thresh_loss", "binary_loss")] == [0, 0, 1]
    losses["loss"].backward()
    assert not output["prob_logits"].grad.any() and not output["thresh"].grad.any()


def test_saturated_maps_have_finite_loss_and_gradient():
    _, batch = make_case()
    logits = torch.where(batch["prob_map"] == 1, -300.0, 300.0).requires_grad_()
    thresh = torch.zeros(SHAPE, requires_grad=True)
    losses = DBLoss()(output_of(logits, thresh), batch)
    losses["loss"].backward()
    assert all(torch.isfinite(value) for value in losses.values())
    assert torch.isfinite(logits.grad).all() and torch.isfinite(thresh.grad).all()


def test_half_precision_maps_give_a_float32_loss():
    output, batch = make_case()
    expected = DBLoss()(output, batch)
    halved = {name: value.detach().bfloat16() for name, value in output.items()}
    losses = DBLoss()(halved, batch | {"thresh_map": batch["thresh_map"].half()})
    for name, value in expected.items():
        assert losses[name].dtype == torch.float32
        torch.testing.assert_close(losses[name], value, rtol=0.02, atol=0.02)


@pytest.mark.parametrize("count", [0, 1, 7, 399, 400, 1000])
@pytest.mark.parametrize("kind", ["random", "many equal", "mostly zero", "all equal"])
def test_largest_values_are_the_same_sorted_partitioned_or_bisected(kind, count):
    values = torch.rand(1000, generator=torch.Generator().manual_seed(count)) * 20
    if kind == "many equal":
        values = values.round()
    elif kind == "mostly zero":
        values[200:] = 0
    elif kind == "all equal":
        values[:] = 0.6931472
    expected = values.sort(descending=True).values[:count].sum()
    weights = weights_of_largest(values, count=torch.tensor(count))
    torch.testing.assert_close((values * weights).sum(), expected)
    assert weights.sum().item() == pytest.approx(count, rel=1e-5)
    if count:
        nth = values.sort(descending=True).values[count - 1]
        assert _nth_largest_by_partition(values, count=count) == nth
        assert _nth_largest_by_bisection(values, count=torch.tensor(count)) == nth


def test_loss_on_an_accelerator_never_waits_for_a_value():
    # A tensor on "meta" has a shape and no values: whatever would bring one back to the host raises.
    output, batch = make_case()
    on_meta = [{name: value.detach().to("meta") for name, value in maps.items()} for maps in (output, batch)]
    on_meta[0]["prob_logits"].requires_grad_()
    losses = DBLoss()(*on_meta)
    losses["loss"].backward()
    assert all(value.shape == () for value in losses.values())
    with pytest.raises(RuntimeError):
        losses["loss"].item()

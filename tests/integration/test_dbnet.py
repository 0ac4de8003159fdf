"""DBNet: shapes and strides of every preset, what its weights come from, and that the whole of it learns a page."""

import functools
import logging
import socket

import cv2
import huggingface_hub.constants
import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from pipeline.detection.dbnet import DBNet
from pipeline.detection.decoder import FPN, UNet
from pipeline.detection.encoder import TimmEncoder
from pipeline.detection.head import DBHead
from pipeline.detection.loss import DBLoss
from pipeline.detection.postprocess import DBPostprocess
from pipeline.detection.targets import DBTargets


@pytest.fixture(autouse=True)
def hold_torch_to_one_thread_and_one_seed():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def empty_hub_cache(tmp_path, monkeypatch):
    """A Hugging Face cache without any weights, on a machine whose network must not be asked."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))

    def refuse(*_arguments, **_settings):
        raise AssertionError("the encoder asked the network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    return tmp_path


def tiny(*, decoder=FPN, model_name="mobilenetv3_small_050"):
    return DBNet(
        TimmEncoder(model_name),
        decoder=functools.partial(decoder, inner_channels=64),
        head=functools.partial(DBHead, hidden_channels=16),
    )


@pytest.mark.parametrize(
    ("model_name", "channels"),
    [
        ("resnet18", (64, 128, 256, 512)),
        ("resnet10t", (64, 128, 256, 512)),
        ("mobilenetv3_small_050", (8, 16, 24, 288)),
        ("mobilenetv3_small_100", (16, 24, 48, 576)),
        ("convnext_atto", (40, 80, 160, 320)),
    ],
)
def test_encoder_gives_strides_4_8_16_32(model_name, channels):
    encoder = TimmEncoder(model_name)
    assert encoder.channels == channels
    features = encoder(torch.zeros(1, 3, 96, 64))
    expected = [(1, width, 96 // stride, 64 // stride) for width, stride in zip(channels, (4, 8, 16, 32), strict=True)]
    assert [tuple(feature.shape) for feature in features] == expected


@pytest.mark.parametrize(
    ("decoder", "out_channels"),
    [(functools.partial(FPN, inner_channels=64), 64), (functools.partial(UNet, inner_channels=64), 16)],
)
def test_decoder_gives_one_map_at_a_quarter_of_the_size(decoder, out_channels):
    widths = (8, 16, 24, 40)
    module = decoder(widths)
    features = [
        torch.randn(2, width, 96 // stride, 64 // stride) for width, stride in zip(widths, (4, 8, 16, 32), strict=True)
    ]
    merged = module(features)
    assert module.out_channels == out_channels
    assert merged.shape == (2, out_channels, 24, 16)
    for level in range(4):
        changed = [feature + (index == level) for index, feature in enumerate(features)]
        assert not torch.allclose(module(changed), merged), f"level {level} is not used"


def test_fpn_carries_coarse_features_down_to_the_finest_map():
    module = FPN((8, 16, 24, 40), inner_channels=32)
    features = [torch.randn(1, width, 64 // 2**level, 64 // 2**level) for level, width in enumerate((8, 16, 24, 40))]
    finest = slice(0, 8)  # the first quarter of the channels comes from stride 4
    before = module(features)[:, finest]
    features[3] = features[3] + 1
    assert not torch.allclose(module(features)[:, finest], before)


@pytest.mark.parametrize("decoder", [FPN, UNet])
def test_decoder_width_that_cannot_be_split_is_refused(decoder):
    with pytest.raises(ValueError, match="multiple of 4"):
        decoder((8, 16, 24, 40), inner_channels=30)


def test_fpn_of_256_has_the_layout_of_the_paper():
    module = FPN((64, 128, 256, 512))
    assert [tuple(lateral.weight.shape) for lateral in module.laterals] == [
        (256, width, 1, 1) for width in (64, 128, 256, 512)
    ]
    assert [tuple(smooth.weight.shape) for smooth in module.smooths] == [(64, 256, 3, 3)] * 4
    head = DBHead(module.out_channels)
    assert [tuple(layer.weight.shape) for layer in head.prob_branch if layer.__class__.__name__.startswith("Conv")] == [
        (64, 256, 3, 3),
        (64, 64, 2, 2),
        (64, 1, 2, 2),
    ]
    assert head.k == 50


@pytest.mark.parametrize("decoder", [FPN, UNet])
def test_maps_have_the_size_of_the_image_and_their_range(decoder):
    output = tiny(decoder=decoder)(torch.randn(2, 3, 96, 64))
    assert set(output) == {"prob_logits", "prob", "thresh", "binary"}
    for value in output.values():
        assert value.shape == (2, 1, 96, 64) and value.dtype == torch.float32
    torch.testing.assert_close(output["prob"], torch.sigmoid(output["prob_logits"]))
    torch.testing.assert_close(output["binary"], torch.sigmoid(50 * (output["prob"] - output["thresh"])))


def test_maps_start_at_their_priors():
    output = tiny().eval()(torch.randn(1, 3, 96, 96))
    assert output["prob"].mean().item() == pytest.approx(0.05, abs=0.02)
    assert output["thresh"].mean().item() == pytest.approx(0.5, abs=0.1)


def test_bfloat16_leaves_the_maps_in_float32():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = tiny()(torch.randn(1, 3, 64, 64))
    assert {value.dtype for value in output.values()} == {torch.float32}
    torch.testing.assert_close(output["binary"], torch.sigmoid(50 * (output["prob"] - output["thresh"])))


def test_size_that_is_no_multiple_of_the_coarsest_stride_is_refused():
    with pytest.raises(ValueError, match=r"100 x 64 px.*multiples of 32"):
        tiny()(torch.zeros(1, 3, 64, 100))


def test_every_parameter_learns():
    model = tiny()
    output = model(torch.randn(2, 3, 64, 64))
    sum(value.square().sum() for value in output.values()).backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []


def test_unknown_model_is_named():
    with pytest.raises(ValueError, match="no model 'resnet17'"):
        TimmEncoder("resnet17")


def test_model_without_the_strides_says_which_are_missing():
    with pytest.raises(ValueError, match=r"vit_tiny_patch16_224 .*\[4, 8, 32\]"):
        TimmEncoder("vit_tiny_patch16_224")


def test_pretrained_weights_that_are_not_there_are_reported_without_asking_the_network(empty_hub_cache, caplog):
    with caplog.at_level(logging.WARNING, logger="pipeline"):
        TimmEncoder("resnet10t", pretrained=True)
    assert "random weights" in caplog.text and "hf download timm/resnet10t.c3_in1k model.safetensors" in caplog.text


def test_no_word_about_weights_that_nobody_asked_for(empty_hub_cache, caplog):
    with caplog.at_level(logging.WARNING, logger="pipeline"):
        TimmEncoder("resnet10t")
    assert caplog.text == ""


def test_pretrained_weights_in_the_cache_are_used_without_asking_the_network(empty_hub_cache, caplog):
    published = timm.create_model("resnet10t")
    repository = empty_hub_cache / "models--timm--resnet10t.c3_in1k"
    snapshot = repository / "snapshots" / "0123"
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0123")
    save_file(published.state_dict(), snapshot / "model.safetensors")
    with caplog.at_level(logging.WARNING, logger="pipeline"):
        encoder = TimmEncoder("resnet10t", pretrained=True)
    assert caplog.text == ""
    assert_same_weights(encoder, published)


def assert_same_weights(encoder, classifier):
    expected = {name.replace(".", "_"): value for name, value in classifier.state_dict().items()}
    for name, value in encoder.body.state_dict().items():
        assert torch.equal(value, expected[name.replace(".", "_")]), name


@pytest.mark.parametrize("model_name", ["resnet10t", "mobilenetv3_small_050", "convnext_atto"])
@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_weights_from_a_file_are_used(model_name, suffix, tmp_path, empty_hub_cache, caplog):
    saved = timm.create_model(model_name)
    path = tmp_path / f"weights{suffix}"
    if suffix == ".pth":
        torch.save(saved.state_dict(), path)
    else:
        save_file(saved.state_dict(), path)
    with caplog.at_level(logging.WARNING, logger="pipeline"):
        encoder = TimmEncoder(model_name, weights_path=path)
    assert caplog.text == ""
    assert_same_weights(encoder, saved)


def test_weights_file_with_gaps_is_used_and_the_gaps_are_counted(tmp_path, caplog):
    state = timm.create_model("resnet10t").state_dict()
    del state["layer1.0.conv1.weight"]
    torch.save(state, tmp_path / "weights.pth")
    with caplog.at_level(logging.WARNING, logger="pipeline"):
        TimmEncoder("resnet10t", weights_path=tmp_path / "weights.pth")
    assert "lacks 1 of the" in caplog.text and "layer1.0.conv1.weight" in caplog.text


def test_weights_file_that_does_not_fit_is_refused_by_name(tmp_path):
    torch.save(timm.create_model("mobilenetv3_small_050").state_dict(), tmp_path / "other.pth")
    torch.save({"model.weight": torch.zeros(3)}, tmp_path / "unrelated.pth")
    (tmp_path / "junk.pth").write_bytes(b"not weights")
    (tmp_path / "junk.safetensors").write_bytes(b"not weights")
    for name, message in (
        ("absent.pth", "no such file"),
        ("other.pth", "there and .* in resnet10t"),
        ("unrelated.pth", "holds no tensor of resnet10t"),
        ("junk.pth", "not a readable state dict"),
        ("junk.safetensors", "not a readable state dict"),
    ):
        with pytest.raises(ValueError, match=f"{name}.*{message}"):
            TimmEncoder("resnet10t", weights_path=tmp_path / name)


def test_boxes_from_a_tensor_are_those_from_its_array():
    prob = torch.zeros(1, 1, 64, 96, dtype=torch.bfloat16)
    prob[..., 10:40, 10:80] = 0.9
    arguments = {"to_source": torch.eye(3, dtype=torch.float64)[None], "source_sizes": [(96, 64)]}
    found = DBPostprocess()(prob.requires_grad_(), **arguments)[0]
    expected = DBPostprocess()(prob.detach().float().numpy(), **arguments)[0]
    assert len(found.boxes) == 1
    np.testing.assert_array_equal(found.boxes, expected.boxes)


def page_of_text(size=160):
    """(image float32 (1, 3, S, S), line quads) of a white page with four lines."""
    page = np.full((size, size, 3), 255, dtype=np.uint8)
    quads = []
    for row, text in enumerate(("TOTAL 12.50", "CASH", "CHANGE 7.5", "VISA 0042")):
        (width, height), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.6, 2)
        left, bottom = 10 + 3 * row, 34 + 36 * row
        cv2.putText(page, text, (left, bottom), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (20, 20, 20), 2)
        top, right, bottom = bottom - height - 3, left + width + 2, bottom + below
        quads.append(np.array([[left, top], [right, top], [right, bottom], [left, bottom]], dtype=np.float32))
    images = torch.from_numpy(page.transpose(2, 0, 1)[None].astype(np.float32) / 255)
    return (images - 0.45) / 0.225, quads


@pytest.mark.parametrize("decoder", [FPN, UNet])
def test_model_learns_a_page_and_finds_its_lines_again(decoder):
    images, quads = page_of_text()
    size = tuple(images.shape[-2:])
    maps = DBTargets()(quads, ignore=[False] * len(quads), size=size)
    names = ("prob_map", "prob_mask", "thresh_map", "thresh_mask")
    batch = {name: torch.from_numpy(getattr(maps, name))[None, None] for name in names}
    model, criterion = tiny(decoder=decoder), DBLoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    # Two copies, so that no batch norm sees a single value.
    batch = {name: value.repeat(2, 1, 1, 1) for name, value in batch.items()}
    for _ in range(80):
        losses = criterion(model(images.repeat(2, 1, 1, 1)), batch)
        optimizer.zero_grad()
        losses["loss"].backward()
        optimizer.step()
    assert losses["prob_loss"].item() < 0.15
    with torch.no_grad():
        prob = model(images)["prob"]
    boxes = DBPostprocess(min_size=2)(prob, to_source=np.eye(3)[None], source_sizes=[size[::-1]])[0].boxes
    assert len(boxes) == len(quads)
    for quad in quads:
        assert np.abs(boxes.mean(axis=1) - quad.mean(axis=0)).max(axis=1).min() < 3

"""The configuration tree, and what is said of a configuration that cannot be run."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf import DictConfig

from pipeline.config import ConfigError, check_config, check_file, check_records, config_dir
from pipeline.data.errors import DataError
from pipeline.data.split import split_records
from pipeline.failures import explain
from pipeline.schema import PARTS, Evaluate, Train

CONFIGS = config_dir()
NOT_A_RUN = {"hydra", "domain", "paths"}
OPTIONS = [
    f"{folder.name}={option.stem}"
    for folder in sorted(CONFIGS.iterdir())
    if folder.is_dir() and folder.name not in NOT_A_RUN
    for option in sorted(folder.glob("*.yaml"))
]


@pytest.fixture(scope="module", autouse=True)
def _tree() -> Iterator[None]:
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        yield


def composed(*overrides: str, name: str = "train") -> DictConfig:
    return compose(name, overrides=["paths.output_dir=out", *overrides])


def refused(*overrides: str) -> str:
    """What is said of the training configuration with these overrides."""
    try:
        check_config(composed(*overrides), Train)
    except (ConfigError, HydraException, ValueError) as error:
        return explain(error) or pytest.fail(f"not explained: {error!r}")
    return pytest.fail("accepted")


def uncommented(text: str) -> list[str]:
    """Lines of YAML that hold a key or a default, with no comment behind them or on the line above."""
    found, above = [], ""
    for line in text.splitlines():
        names_something = re.match(r"\s*(- )?[\w/@. ]+:(\s|$)|\s*- [\w/]+(\s|$)", line)
        explained_above = re.match(r"\s*# (?!@package)", above)
        if names_something and not re.search(r"\s# \S", line) and not explained_above:
            found.append(line.strip())
        above = line
    return found


@pytest.mark.parametrize("path", sorted(CONFIGS.rglob("*.yaml")), ids=lambda path: str(path.relative_to(CONFIGS)))
def test_every_key_has_a_comment(path: Path) -> None:
    assert uncommented(path.read_text(encoding="utf-8")) == []


def test_a_key_without_a_comment_is_found() -> None:
    assert uncommented("# @package x\na: 1\nb: 2 # two\n# three\nc:\n  d: 4\n") == ["a: 1", "d: 4"]


@pytest.mark.parametrize("option", ["seed=7", *OPTIONS])
def test_every_option_of_every_group_is_a_configuration_that_can_be_trained(option: str) -> None:
    check_config(composed("data.root=somewhere", option), Train)


def test_the_evaluation_needs_a_checkpoint_and_nothing_else() -> None:
    with pytest.raises(ConfigError, match=r"checkpoint has no value\n.*checkpoint=…"):
        check_config(composed(name="evaluate"), Evaluate)
    assert check_config(composed("checkpoint=a.ckpt", name="evaluate"), Evaluate)["split"] == "val"


def test_every_part_of_this_project_in_the_configuration_is_spelled_out_in_the_schema() -> None:
    targets = {
        target
        for path in CONFIGS.rglob("*.yaml")
        for target in re.findall(r"_target_: (pipeline\.\S+)", path.read_text(encoding="utf-8"))
    }
    assert targets <= set(PARTS)


def test_encoder_and_decoder_are_switched_apart_from_the_model() -> None:
    model = composed("model=dbnet_tiny", "decoder=unet", "encoder=resnet18").model
    assert model.encoder.model_name == "resnet18"
    assert model.decoder["_target_"].endswith(".UNet")
    assert model.decoder.inner_channels == 64
    assert model.head.hidden_channels == 64


def test_a_small_model_brings_its_own_encoder() -> None:
    assert composed("model=dbnet_tiny").model.encoder.model_name == "mobilenetv3_small_050"


def test_both_splits_of_the_receipts_are_one_data_set() -> None:
    data = composed("data.train.records.seed=5", "data.train.records.num_images.val=3").data
    assert data.val.records.seed == 5
    assert data.val.records.num_images == data.train.records.num_images


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("trainer.max_epoch=3", ["trainer.max_epoch is not a key", "did you mean max_epochs?", "precision"]),
        ("+model.head.kk=3", ["model.head.kk is not a key", "allowed: hidden_channels, k"]),
        ("trainer.fast_dev_run=true", ["trainer.fast_dev_run has no value to override", "+trainer.fast_dev_run="]),
        ("model=dbnet_resnet19", ["model has no option dbnet_resnet19", "dbnet_resnet18?", "allowed: dbnet_resnet18"]),
        ("decodr=unet", ["decodr is not a key", "did you mean decoder?"]),
        ("trainer.precision=99", ["trainer.precision is 99", "allowed: ", "bf16-mixed"]),
        ("postprocess.mode=boxes", ['postprocess.mode is "boxes"', "did you mean box?", "allowed: box, polygon"]),
        ("trainer.max_epochs=abc", ['trainer.max_epochs is "abc", should be a whole number']),
        ("optimizer.lr=-1", ["optimizer.lr is -1, should be greater than 0"]),
        ("optimizer.betas=[0.9,2]", ["optimizer.betas[1] is 2", "less than or equal to 1"]),
        ("data.strict=perhaps", ['data.strict is "perhaps", should be true or false']),
        ("data.size=100", ["data.size is 100", "multiple of 32"]),
        ("transforms.train.scale=[3,1]", ["transforms.train.scale is [3, 1]", "do not fall"]),
        ("model.decoder=unet", ['model.decoder is "unet"', "decoder=fpn"]),
        ("model.decoder._target_=pipeline.detection.decoder.FPM", ["did you mean pipeline.detection.decoder.FPN?"]),
        ("~model.head", ["model.head is missing"]),
        ("data=sroie", ["data.root has no value", "data.root=…"]),
        ("trainer.max_epochs=[1", ["trainer.max_epochs=[1 cannot be read"]),
        ("trainer.max_epochs=1,2", ["trainer.max_epochs=1,2", "--multirun"]),
        ("data.train.transform.size=64", ["data.train.transform.size is not a key"]),
        ("scheduler=null", ["group override must be a string"]),
        ("seed=${nowhere}", ["seed cannot be resolved", "nowhere"]),
    ],
)
def test_a_wrong_override_is_answered_with_its_key_and_what_is_allowed(override: str, says: list[str]) -> None:
    answer = refused(override)
    assert [part for part in says if part not in answer] == []


def test_a_wrong_value_is_blamed_on_its_own_key_and_not_on_those_that_refer_to_it() -> None:
    assert refused("data.strict=perhaps").count("perhaps") == 1


def test_every_wrong_key_is_named_at_once() -> None:
    answer = refused("trainer.precision=99", "optimizer.lr=fast", "+foo=1")
    assert [key for key in ("trainer.precision", "optimizer.lr", "foo is not a key") if key not in answer] == []


def test_a_target_of_another_package_is_accepted_with_whatever_keys_it_has() -> None:
    values = check_config(composed("model._target_=mine.Net", "+model.anything={goes: here}"), Train)
    assert values["model"]["anything"] == {"goes": "here"}


def test_a_part_of_this_package_that_the_schema_does_not_know_is_accepted_if_its_source_defines_it() -> None:
    here = "pipeline.data.split"
    check_config(composed(f"model._target_={here}.split_records", "+model.any=1"), Train)
    assert f"{here}.nothing" in refused(f"model._target_={here}.nothing")


def test_files_that_are_not_there_are_named_with_their_key(tmp_path: Path) -> None:
    data: dict[str, Any] = check_config(composed("data=json", f"data.root={tmp_path}"), Train)["data"]
    with pytest.raises(ConfigError, match=r"data\.train\.records\.path is .*train\.json: no such file"):
        check_records(data, split="train")
    (tmp_path / "train.json").touch()
    with pytest.raises(ConfigError, match=r"data\.train\.records\.image_dir is .*: no such folder"):
        check_records(data, split="train")
    (tmp_path / "images/train").mkdir(parents=True)
    check_records(data, split="train")


def test_files_behind_a_split_of_one_list_are_checked_too(tmp_path: Path) -> None:
    data = check_config(composed("data=sroie", f"data.root={tmp_path}"), Train)["data"]
    with pytest.raises(ConfigError, match=r"data\.val\.records\.records\.image_dir"):
        check_records(data, split="val")


def test_no_file_is_asked_for_where_none_is_given() -> None:
    check_file("resume", None)


def test_an_error_of_the_data_is_found_behind_the_one_that_hydra_makes_of_it() -> None:
    outer = RuntimeError("Error in call to target")
    outer.__cause__ = DataError("a.json", "is not JSON")
    assert explain(outer) == "a.json: is not JSON"


def test_a_bug_is_not_explained_away() -> None:
    assert explain(RuntimeError("shape mismatch")) is None


def test_a_split_leaves_nothing_out_and_shares_nothing() -> None:
    records = list(range(11))
    train, val = (split_records(records, part=part, every=5) for part in ("train", "val"))
    assert val == [0, 5, 10]
    assert sorted(train + val) == records

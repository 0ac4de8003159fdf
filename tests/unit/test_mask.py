"""Credentials stay out of what is stored."""

import pytest
from recorded import process

from ocrprof.results.configuration import composed_config, config_hash, cuda_memory, logged_metrics
from ocrprof.results.mask import mask_argv, mask_config, mask_environment, mask_text


@pytest.mark.parametrize(
    "name",
    ["api_key", "WANDB_API_KEY", "apikey", "hf_token", "HF-TOKEN", "token", "db.password", "aws_secret_access_key",
     "AWS_ACCESS_KEY_ID", "client_secret", "passwd", "credentials", "auth", "Authorization", "private_key"],
)  # fmt: skip
def test_values_under_the_names_of_credentials_are_masked(name):
    assert mask_config({"logger": [{name: "hunter2", "project": "ocr"}]}) == {
        "logger": [{name: "***", "project": "ocr"}]
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [("tokenizer", "ocr.Tokenizer"), ("num_tokens", 100), ("pad_token", "<pad>"), ("max_token_length", 25),
     ("mask_token", "[MASK]"), ("use_auth", True), ("token", None), ("author", "Ana"), ("keys", "a"),
     ("key", "val/hmean"),
     ("k", 50), ("auth", {"user": "ana"}), ("monitor_key", "val/hmean"), ("secrets_dir", "/run/secrets")],
)  # fmt: skip
def test_ordinary_settings_are_left_alone(name, value):
    assert mask_config({name: value}) == {name: value}


@pytest.mark.parametrize(
    "value",
    ["sk-abcdefghijklmnopqrstuvwx", "ghp_" + "a" * 36, "hf_" + "A" * 34, "AKIAIOSFODNN7EXAMPLE", "glpat-" + "x" * 20,
     "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc", "xoxb-1234567890-abcdef", "wandb_v1_" + "a" * 30],
)  # fmt: skip
def test_values_that_look_like_credentials_are_masked_under_any_name(value):
    assert mask_config({"note": f"use {value} here"}) == {"note": "use *** here"}


def test_a_password_in_a_url_is_masked_and_the_url_kept():
    assert mask_config({"uri": "https://ana:hunter2@mlflow.example.org/1"}) == {
        "uri": "https://***@mlflow.example.org/1"
    }


def test_a_long_value_under_a_name_that_ends_in_key_is_masked():
    assert mask_config({"wandb_key": "0123456789abcdef0123456789abcdef01234567"}) == {"wandb_key": "***"}


def test_commits_hashes_and_paths_are_no_credentials():
    config = {"git_commit": "0123456789abcdef0123456789abcdef01234567", "path": "/data/images/train_canonical_0001.jpg"}
    assert mask_config(config) == config


def test_environment_variables_are_masked_by_name_and_form():
    assert mask_environment({"WANDB_API_KEY": "abc", "HOME": "/home/ana", "X": "Bearer abcdefghijklmnop"}) == {
        "WANDB_API_KEY": "***",
        "HOME": "/home/ana",
        "X": "Bearer ***",
    }


def test_a_command_line_is_masked_in_each_of_its_forms():
    argv = ["python", "train.py", "logger.wandb.api_key=abc", "--token", "abc", "--password=abc", "+hf_token=abc",
            "model.encoder=resnet18", "--tokenizer", "bpe", "--token", "--verbose"]  # fmt: skip
    assert mask_argv(argv) == [
        "python",
        "train.py",
        "logger.wandb.api_key=***",
        "--token",
        "***",
        "--password=***",
        "+hf_token=***",
        "model.encoder=resnet18",
        "--tokenizer",
        "bpe",
        "--token",
        "--verbose",
    ]


def test_text_is_masked_where_a_name_gives_a_credential_away():
    assert mask_text("KeyError: 'x' while api_key='abc', size=3") == "KeyError: 'x' while api_key=***, size=3"
    assert mask_text('File "/ocr/tokenizer.py", line 3, in <module>') == 'File "/ocr/tokenizer.py", line 3, in <module>'


def test_the_composed_configuration_is_the_main_processs_and_masked():
    main = process(pid=2, marks={"config": 50}, config={"model": {"k": 50}, "api_key": "abc"}, metrics={"loss": 0.5})
    records = [process(5, pid=1, config={"other": 1}), main]
    assert composed_config(records) == {"model": {"k": 50}, "api_key": "***"}
    assert logged_metrics(records) == {"loss": 0.5}
    assert cuda_memory(records) is None
    assert composed_config([process()]) is None


def test_equal_configurations_have_one_hash_in_whatever_order():
    assert config_hash({"a": 1, "b": [1, {"c": None}]}) == config_hash({"b": [1, {"c": None}], "a": 1})
    assert config_hash({"a": 1}) != config_hash({"a": 2})

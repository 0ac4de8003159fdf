"""Which line of a failed program's standard error says why."""

import pytest

from ocrprof.results.last_words import last_words

HYDRA = "Set the environment variable HYDRA_FULL_ERROR=1 for a complete stack trace."


@pytest.mark.parametrize(
    ("tail", "expected"),
    [
        (["Traceback (most recent call last):", "ValueError: no such backbone"], "ValueError: no such backbone"),
        (["RuntimeError: Error downloading a.gz:", "Tried https://…", HYDRA], "RuntimeError: Error downloading a.gz:"),
        (
            ["Could not override 'trainer.epoch'.", "Key 'epoch' is not in struct", "    full_key: trainer.epoch",
             "    object_type=dict", "", HYDRA],
            "Key 'epoch' is not in struct",
        ),
        (["torch.OutOfMemoryError: CUDA out of memory.", "[rank0]:[W1122 12:00:00] no destroy_process_group()"],
         "torch.OutOfMemoryError: CUDA out of memory."),
        (["omegaconf.errors.ConfigAttributeError: Missing key lr", "    full_key: lr"],
         "omegaconf.errors.ConfigAttributeError: Missing key lr"),
        (["Segmentation fault", "wandb: Find logs at: ./wandb/run/logs"], "Segmentation fault"),
        (["[W1122 12:00:00.1 socket.cpp] the peer is gone"], "[W1122 12:00:00.1 socket.cpp] the peer is gone"),
        ([], None),
    ],
)  # fmt: skip
def test_the_line_with_the_reason_is_told_and_not_what_is_printed_after_it(tail, expected):
    assert last_words(tail) == expected

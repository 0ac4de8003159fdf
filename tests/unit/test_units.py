"""SI values as text."""

import pytest

from ocrprof.units import format_bytes, format_percent, format_seconds


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.00 s"),
        (0.0000121, "12.1 µs"),
        (0.4362, "436 ms"),
        (0.99951, "1.00 s"),
        (1.234, "1.23 s"),
        (74.34, "74.3 s"),
        (125, "2 min 05 s"),
        (-1.5, "-1.50 s"),
        (-125, "-2 min 05 s"),
    ],
)
def test_seconds_have_three_digits_in_the_unit_that_fits(seconds, text):
    assert format_seconds(seconds) == text


@pytest.mark.parametrize(
    ("num_bytes", "text"),
    [(12, "12 B"), (640 * 1024, "640 KiB"), (6034554880, "5.62 GiB"), (2**50, "1024 TiB")],
)
def test_bytes_are_in_binary_units(num_bytes, text):
    assert format_bytes(num_bytes) == text


@pytest.mark.parametrize(("share", "text"), [(0, "0.0 %"), (0.1234, "12.3 %"), (0.0004, "<0.1 %"), (1, "100.0 %")])
def test_shares_are_percent(share, text):
    assert format_percent(share) == text

"""Statistics against known values."""

import pytest

from ocrprof.results.stats import bootstrap_ci95, mad, percentile, standard_deviation, statistic


def test_percentile_interpolates_linearly_as_numpys_default_does():
    # numpy.percentile([15, 20, 35, 40, 50], …)
    values = [40.0, 15.0, 50.0, 20.0, 35.0]
    assert percentile(values, 40) == pytest.approx(29.0)
    assert percentile(values, 0) == 15.0
    assert percentile(values, 50) == 35.0
    assert percentile(values, 95) == pytest.approx(48.0)
    assert percentile(values, 100) == 50.0
    assert percentile([7.0], 99) == 7.0


def test_mad_is_the_median_distance_from_the_median_unscaled():
    assert mad([1.0, 1.0, 2.0, 2.0, 4.0, 6.0, 9.0]) == 1.0


def test_standard_deviation_divides_by_one_less_than_the_count():
    assert standard_deviation([2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]) == pytest.approx(2.13809, abs=1e-5)
    assert standard_deviation([1.0]) is None


def test_the_interval_is_the_same_every_time_and_holds_the_median():
    values = [10.0, 10.2, 9.9, 10.4, 10.1, 9.8, 10.3]
    interval = bootstrap_ci95(values)
    assert interval == bootstrap_ci95(values)
    assert interval is not None
    assert interval[0] <= 10.1 <= interval[1]
    assert interval[0] >= 9.8 and interval[1] <= 10.4


def test_the_interval_of_equal_values_is_a_point_and_of_wide_ones_wide():
    assert bootstrap_ci95([3.0, 3.0, 3.0]) == (3.0, 3.0)
    assert bootstrap_ci95([1.0, 2.0, 9.0]) == (1.0, 9.0)


def test_two_values_have_no_interval():
    assert bootstrap_ci95([1.0, 2.0]) is None
    assert statistic([1.0, 2.0]).model_dump() == {"median": 1.5, "mad": 0.5, "ci95": None, "n": 2}

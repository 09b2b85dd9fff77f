"""The service's own measurements, as Prometheus reads them."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tap.service.running.meters import Histogram, Meters

METERS = Meters(lambda: 0.0)


@pytest.mark.parametrize("histogram", [METERS.commit, METERS.delivery, METERS.lag])
def test_the_bounds_of_a_measurement_go_up_else_what_is_observed_lands_in_another_bucket(histogram: Histogram) -> None:
    assert all(low < high for low, high in pairwise(histogram.bounds))


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.5, [("1", 1.0), ("2.5", 1.0), ("+Inf", 1.0)]),
        (1.0, [("1", 1.0), ("2.5", 1.0), ("+Inf", 1.0)]),
        (2.0, [("1", 0.0), ("2.5", 1.0), ("+Inf", 1.0)]),
        (9.0, [("1", 0.0), ("2.5", 0.0), ("+Inf", 1.0)]),
    ],
)
def test_what_is_observed_counts_for_its_bound_and_all_above(seconds: float, told: list[tuple[str, float]]) -> None:
    histogram = Histogram((1, 2.5))
    histogram.observe(seconds)
    assert (histogram.cumulative(), histogram.sum) == (told, seconds)

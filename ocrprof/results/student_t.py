"""Student's t and the power of a one-sided paired t-test: closed forms and quadrature. Standard library only."""

import math
from functools import lru_cache

_NUM_NODES = 160
"""Intervals of the quadrature over the sample standard deviation; even, for Simpson's rule."""


def t_cdf(value: float, df: int) -> float:
    """P(T <= `value`) for `df` degrees of freedom: the finite series 26.7.3 and 26.7.4 of Abramowitz and Stegun."""
    angle = math.atan2(abs(value), math.sqrt(df))
    cosine, sine = math.cos(angle), math.sin(angle)
    term = total = cosine if df % 2 else 1.0
    for k in range(3 if df % 2 else 2, df, 2):
        term *= cosine * cosine * (k - 1) / k
        total += term
    if df % 2:
        inside = 2 / math.pi * (angle + (sine * total if df > 1 else 0.0))
    else:
        inside = sine * total
    return (1 + inside) / 2 if value >= 0 else (1 - inside) / 2


@lru_cache(maxsize=4096)
def t_quantile(probability: float, df: int) -> float:
    """The value that T stays below with `probability`, which lies between 0 and 1."""
    if probability < 0.5:
        return -t_quantile(1 - probability, df)
    low, high = 0.0, 1.0
    while t_cdf(high, df) < probability:
        low, high = high, 2 * high
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if t_cdf(middle, df) < probability else (low, middle)
    return high


def t_test_power(effect: float, sd: float, num_pairs: int, *, alpha: float, gate: float = 0.0) -> float:
    """Chance that pairs with mean `effect` and deviation `sd` give t above its `alpha` quantile and a mean of `gate`.

    The noncentral t by its definition (Johnson, Kotz and Balakrishnan, Continuous Univariate Distributions 2,
    chapter 31): a normal mean over an independent chi deviation, integrated over the latter, so that the second
    condition, which is on the mean alone, can stand inside the integral. Needs three pairs or more.
    """
    error = sd / math.sqrt(num_pairs)
    if error == 0:
        return float(effect >= gate and effect > 0)
    critical = t_quantile(1 - alpha, num_pairs - 1) * error
    return sum(
        weight * _normal_cdf((effect - max(gate, critical * scale)) / error)
        for scale, weight in _chi_nodes(num_pairs - 1)
    )


@lru_cache(maxsize=512)
def _chi_nodes(df: int) -> tuple[tuple[float, float], ...]:
    """Nodes and weights of Simpson's rule for the sample deviation over the true one; the weights add up to 1."""
    spread = 9 / math.sqrt(2 * df)
    low, high = max(0.0, 1 - spread), 1 + spread
    log_constant = math.log(2) + df / 2 * math.log(df / 2) - math.lgamma(df / 2)
    nodes = []
    for index in range(_NUM_NODES + 1):
        scale = low + (high - low) * index / _NUM_NODES
        density = math.exp(log_constant + (df - 1) * math.log(scale) - df * scale * scale / 2) if scale > 0 else 0.0
        factor = 1 if index in (0, _NUM_NODES) else 4 if index % 2 else 2
        nodes.append((scale, factor * density))
    total = sum(weight for _, weight in nodes)
    return tuple((scale, weight / total) for scale, weight in nodes)


def _normal_cdf(value: float) -> float:
    return math.erfc(-value / math.sqrt(2)) / 2

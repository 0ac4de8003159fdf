"""Seconds, bytes and shares as text: the only place where SI values become something to read."""


def format_seconds(seconds: float) -> str:
    """Three significant digits in the unit that fits: `74.3 s`, `436 ms`, `12.1 µs`; `2 min 05 s` from 100 s on."""
    magnitude = abs(seconds)
    if magnitude >= 100:
        minutes, rest = divmod(round(magnitude), 60)
        sign = "-" if seconds < 0 else ""
        return f"{sign}{minutes} min {rest:02d} s"
    if magnitude >= 0.9995 or magnitude == 0:
        return f"{_three_digits(seconds)} s"
    if magnitude >= 0.9995e-3:
        return f"{_three_digits(seconds * 1e3)} ms"
    return f"{_three_digits(seconds * 1e6)} µs"


def format_bytes(num_bytes: float) -> str:
    """Binary units, three significant digits: `5.62 GiB`, `640 KiB`, `12 B`."""
    value = float(num_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(value) < 1000:
            return f"{value:.0f} B" if unit == "B" else f"{_three_digits(value)} {unit}"
        value /= 1024
    return f"{_three_digits(value)} TiB"


def format_percent(share: float) -> str:
    """A share of 1 as percent: `0.1234` gives `12.3 %`; below one tenth of a percent `<0.1 %`."""
    percent = share * 100
    if 0 < percent < 0.1:
        return "<0.1 %"
    return f"{percent:.1f} %"


def _three_digits(value: float) -> str:
    magnitude = abs(value)
    if magnitude >= 99.95:
        return f"{value:.0f}"
    if magnitude >= 9.995:
        return f"{value:.1f}"
    return f"{value:.2f}"

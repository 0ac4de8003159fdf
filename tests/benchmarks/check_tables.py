"""What the raw results of `check_validation.py` come to: the tables of its report. Measures nothing."""

import hashlib
import json
import math
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import mean, median, stdev

from check_rules import RULES
from check_target import PLACES

from ocrprof.results.check_design import draw_order, is_futile, resized_pairs
from ocrprof.results.check_statistics import judge_pairs
from ocrprof.results.model import CheckDesign, Launch, MetricInfo, MetricSummary

ROOT = Path(__file__).resolve().parents[2]
HASHED = (
    "tests/benchmarks/check_tables.py",
    "tests/benchmarks/check_rules.py",
    "tests/benchmarks/check_target.py",
    "tests/benchmarks/check_validation.py",
    "ocrprof/results/check_design.py",
    "ocrprof/results/check_pairs.py",
    "ocrprof/results/check_statistics.py",
    "ocrprof/results/randomisation.py",
    "ocrprof/results/signed_rank.py",
    "ocrprof/results/student_t.py",
)
PROTOCOL = "reports/check-validation-protocol.md"
REGIMES = {"idle": "idle", "hog": "one core loaded on and off", "half": "loaded from the middle on"}
SHARES = (0.02, 0.05, 0.10, 0.20)
_FINISHED = (0, 1, 3)
"""Exit codes of checks that came to a verdict."""

TOTAL = "wall"
"""The metric of a bare launch that other tools' rules are given, and that candidate values are multiplied of."""


def analysis_hash() -> str:
    """SHA-256 over the files that decide and that count, 16 digits: what the protocol fixed before measuring."""
    digest = hashlib.sha256()
    for name in HASHED:
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()[:16]


def write_report(folder: Path) -> Path:
    """Writes README.md from the raw files that are there."""
    sections = [_head(folder), _aa_section(folder), _injected_section(folder), _stream_section(folder), _not_shown()]
    page = folder / "README.md"
    page.write_text("\n\n".join(section for section in sections if section) + "\n")
    return page


def rows_of(folder: Path, part: str) -> list[dict]:
    """The raw results of a part, in order."""
    file = folder / f"{part}.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def at_most(num: int, total: int, *, level: float = 0.95) -> float:
    """One-sided upper bound of a probability after `num` of `total` (Clopper and Pearson, Biometrika 26, 1934)."""
    if num >= total:
        return 1.0
    return _solve(lambda p: _binomial_cdf(num, total, p) - (1 - level))


def at_least(num: int, total: int, *, level: float = 0.95) -> float:
    """One-sided lower bound of a probability after `num` of `total`."""
    return 1 - at_most(total - num, total, level=level)


def _solve(falling: Callable[[float], float]) -> float:
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) > 0 else (low, middle)
    return high


def _binomial_cdf(num: int, total: int, p: float) -> float:
    return sum(math.comb(total, k) * p**k * (1 - p) ** (total - k) for k in range(num + 1))


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(titles)} |", f"| --- |{' --: |' * (len(titles) - 1)}"]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in rows])


def _percent(share: float, digits: int = 1) -> str:
    return f"{100 * share:.{digits}f} %"


def _head(folder: Path) -> str:
    sessions = rows_of(folder, "sessions")
    if not sessions:
        return "# Validation of `ocrprof check`\n\nNothing has been measured."
    environment = sessions[-1]["environment"]
    hashes = sorted({session["analysis_hash"] for session in sessions})
    fixed = (ROOT / PROTOCOL).read_text() if (ROOT / PROTOCOL).exists() else ""
    kept = "the protocol's" if all(one in fixed for one in hashes) else "NOT the protocol's"
    seconds = median(session["launch_seconds"] for session in sessions)
    first, last = sessions[0], sessions[-1]
    about = (
        f"{environment['cpu'] or 'unknown processor'}, {environment['num_cores_usable']:g} cores, Python"
        f" {environment['python']}, ocrprof {last['tool']['version']} at {last['commit'][:10]}"
        f"{' with uncommitted changes' if last['uncommitted'] else ''}; {len(sessions)} session(s) from"
        f" {first['started']} to {last['started']}, load average {environment['load_average'] or 0:.1f} at the start of"
        f" the last. The target is a program of the standard library whose launch takes {seconds:.3f} s in a check"
        f" (`tests/benchmarks/check_target.py`). Analysis {', '.join(hashes)}: {kept} (`{PROTOCOL}`). Raw results, with"
        " every launch: `*.jsonl`. Bounds are one-sided 95 %, Clopper and Pearson."
    )
    return "\n\n".join(["# Validation of `ocrprof check`", _claim(folder), _text(about)])


def _claim(folder: Path) -> str:
    """What came of the two halves of the claim."""
    same = [row for row in rows_of(folder, "aa") if row["exit_code"] in _FINISHED]
    slower = [row for row in rows_of(folder, "injected") if row["exit_code"] in _FINISHED and row["share"] == 0.10]
    parts = []
    if same:
        failed = sum(row["exit_code"] == 1 for row in same)
        bound = _percent(at_most(failed, len(same)), 2)
        parts.append(f"**{failed} of {len(same)} checks of identical code failed: at most {bound} of them do.**")
    if slower:
        found = sum(row["verdict"] == "regressed" for row in slower)
        bound = _percent(at_least(found, len(slower)), 0)
        parts.append(f"**{found} of {len(slower)} slowdowns of 10 % in the code were found: at least {bound} are.**")
    return _text(" ".join(parts) + " Idle machine; other regimes, sizes and tools below.") if parts else ""


def _text(paragraph: str) -> str:
    return textwrap.fill(paragraph, 120, break_long_words=False, break_on_hyphens=False)


def _aa_section(folder: Path) -> str:
    parts = {"aa": "idle", "aa-hog": "hog", "aa-half": "half"}
    found = {part: rows_of(folder, part) for part in parts}
    if not any(found.values()):
        return ""
    rows, notes = [], []
    for part, regime in parts.items():
        finished = [row for row in found[part] if row["exit_code"] in _FINISHED]
        if not finished:
            continue
        failed = sum(row["exit_code"] == 1 for row in finished)
        verdicts = Counter(row["verdict"] for row in finished)
        rows.append([
            REGIMES[regime], str(len(finished)), str(len(found[part]) - len(finished)), str(failed),
            _percent(at_most(failed, len(finished)), 2),
            " / ".join(str(verdicts[one]) for one in ("ok", "inconclusive", "improved")),
            f"{median(_num_pairs(row) for row in finished):g}", f"{median(row['seconds'] for row in finished):.1f}",
        ])  # fmt: skip
        notes.append(f"{REGIMES[regime]}: {_diagnostics(finished)}")
    if not rows:
        return "## The same code in both worktrees\n\nEvery check crashed."
    titles = ("whole checks", "n", "crashed", "false failures", "at most", "ok / inconclusive / improved", "pairs", "s")
    enough = "299 without a failure are needed to say at most 1 %; what is here says what the column `at most` says."
    return "\n\n".join([
        "## The same code in both worktrees", _table(titles, rows), _text(enough),
        "\n".join(textwrap.indent(_text(one), "  ").replace("  ", "- ", 1) for one in notes),
    ])  # fmt: skip


def _num_pairs(row: dict) -> int:
    return max(one[0] for one in row["launches"])


def _diagnostics(rows: Sequence[dict]) -> str:
    """Coverage of no change, p-values of those that were tested, and whether the second of a pair is slower."""
    covered: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    smallest = []
    for row in rows:
        tested = [metric["p_fw"] for metric in row["metrics"] if metric["p_fw"] is not None]
        smallest += [min(tested)] if tested else []
        for metric in row["metrics"]:
            if metric["ci95"]:
                seen[metric["name"]] += 1
                covered[metric["name"]] += metric["ci95"][0] <= 1 <= metric["ci95"][1]
    coverage = ", ".join(f"{name} {_percent(covered[name] / num, 0)}" for name, num in seen.items())
    shifts = [shift for row in rows for shift in _shifts(row, "time_to_exit")]
    bias = mean(shifts) if shifts else 0.0
    reach = 1.96 * stdev(shifts) / math.sqrt(len(shifts)) if len(shifts) > 1 else 0.0
    tails = ", ".join(f"{sum(p <= level for p in smallest)} at or below {level:g}" for level in (0.01, 0.05, 0.2))
    return (
        f"95 % intervals that hold no change: {coverage}; {len(smallest)} of {len(rows)} went on to a test, smallest"
        f" family-wise p {tails}; the second launch of a pair is slower by {100 * bias:+.2f} % ± {100 * reach:.2f};"
        f" pairs of time_to_exit have a deviation of {_percent(_typical_sd(rows, 'time_to_exit'))} (median)"
    )


def _shifts(row: dict, name: str) -> list[float]:
    pairs: dict[int, dict[int, float]] = {}
    for pair, _, position, values in row["launches"]:
        pairs.setdefault(pair, {})[position] = values[name]
    return [math.log(one[max(one)] / one[min(one)]) for one in pairs.values() if len(one) == 2]


def _typical_sd(rows: Sequence[dict], name: str) -> float:
    found = [metric["sd_pair"] for row in rows for metric in row["metrics"] if metric["name"] == name]
    return median(found) if found else math.nan


def _injected_section(folder: Path) -> str:
    found = rows_of(folder, "injected")
    finished = [row for row in found if row["exit_code"] in _FINISHED]
    if not finished:
        return ""
    rows = []
    for share in SHARES:
        for place in (*PLACES, "all places"):
            cell = [row for row in finished if row["share"] == share and place in (row["place"], "all places")]
            if cell:
                rows.append([f"+{100 * share:.0f} %, {place}", *_injected_cells(cell)])
    titles = ("work added", "n", "regressed", "power", "at least", "inconclusive", "ok", "measured, median", "pairs")
    return "\n\n".join([
        "## Slower by code: work added in one of six places",
        _text(
            "Shares of the launch as a check sees it. In collate it is a sleep, elsewhere a loop. Inconclusive counts"
            f" as missed. {len(found) - len(finished)} of {len(found)} checks crashed."
        ),
        _table(titles, rows),
    ])  # fmt: skip


def _injected_cells(cell: Sequence[dict]) -> list[str]:
    verdicts = Counter(row["verdict"] for row in cell)
    hits = verdicts["regressed"]
    ratios = [metric["ratio"] for row in cell for metric in row["metrics"] if metric["name"] == "time_to_exit"]
    return [
        str(len(cell)), str(hits), _percent(hits / len(cell), 0), _percent(at_least(hits, len(cell)), 0),
        str(verdicts["inconclusive"]), str(verdicts["ok"] + verdicts["improved"]),
        f"{100 * (median(ratios) - 1):+.1f} %", f"{median(_num_pairs(row) for row in cell):g}",
    ]  # fmt: skip


def _stream_section(folder: Path) -> str:
    found = {regime: rows_of(folder, f"stream-{regime}") for regime in REGIMES}
    if not any(found.values()):
        return ""
    names = list(next(row for rows in found.values() for row in rows)["launches"][0])
    ours, others = [], []
    for regime, windows in found.items():
        if windows:
            ours.append([REGIMES[regime], *_our_cells(windows, names)])
            others += [[f"{REGIMES[regime]}: {one}", *cells] for one, cells in _other_cells(windows).items()]
    sizes = [f"+{100 * share:.0f} %" for share in SHARES]
    return "\n\n".join([
        "## Windows of 56 bare launches",
        _text(
            f"Each window is one experiment: a balanced order is drawn for its 28 pairs, and {len(names)} metrics are"
            " judged by the whole rule of two stages; then the candidate's wall times are multiplied. This cannot show"
            " a bias tied to an arm."
        ),
        _table(("ocrprof check", "windows", "false failures", "at most", "inconclusive", *sizes), ours),
        "## Other tools' rules on the same launches",
        _text(
            "Wall times alone. *In turn*: with the same drawn orders, all 28 pairs. *One after the other*: the first 28"
            " launches are the base, the last 28 the candidate, as these tools are mostly used. Shares of windows that"
            " were called slower. pyperf's function is its own; the others are written anew and compared with the"
            " tools, benchstat's with SciPy's U test (`tests/benchmarks/check_rules.py`). benchstat and pyperf report,"
            " and leave it to the reader to fail."
        ),
        _table(("rule", "windows", "in turn, no change", "in turn, +10 %", "one after the other, no change",
                "one after the other, +10 %"), others),
    ])  # fmt: skip


def _our_cells(windows: Sequence[dict], names: Sequence[str]) -> list[str]:
    infos = [_info(name) for name in names]
    false, untold = 0, 0
    hits: Counter[float] = Counter()
    for row in windows:
        verdicts = Counter(metric.verdict for metric in judged(row, infos, slowdown=0.0))
        false += verdicts["regressed"] > 0
        untold += verdicts["regressed"] == 0 and verdicts["inconclusive"] > 0
        for share in SHARES:
            hits[share] += any(metric.verdict == "regressed" for metric in judged(row, infos, slowdown=share))
    num = len(windows)
    return [
        str(num), str(false), _percent(at_most(false, num), 1), str(untold),
        *(f"{hits[share]} ({_percent(at_least(hits[share], num), 0)} at least)" for share in SHARES),
    ]  # fmt: skip


def _info(name: str) -> MetricInfo:
    floor = 0.005 if name == TOTAL else 0.0
    return MetricInfo(name=name, unit="seconds", direction="lower", kind="sampled", floor=floor)


def judged(row: dict, infos: Sequence[MetricInfo], *, slowdown: float) -> list[MetricSummary]:
    """The whole rule on one window: its first stage, and all it asks for where that looks slower."""
    seed, num_pairs = row["index"], len(row["launches"]) // 2
    order = draw_order(num_pairs_first=10, num_pairs_max=num_pairs, seed=seed)
    design = CheckDesign(mode="aa", seed=seed, order=order, num_pairs_max=num_pairs)
    launches = labelled(row, order, slowdown=slowdown)
    first = [one for one in launches if one.pair <= 10]
    if is_futile(first, infos, design):
        return judge_pairs(first, infos, design, False)
    asked = resized_pairs(first, infos, design)
    return judge_pairs([one for one in launches if one.pair <= asked], infos, design, True)


def labelled(row: dict, order: Sequence[int], *, slowdown: float) -> list[Launch]:
    """The window's launches as base and candidate by `order`, the candidate's wall time multiplied."""
    launches = []
    for number, values in enumerate(row["launches"]):
        pair, position = divmod(number, 2)
        is_candidate = (order[pair] > 0) == (position == 1)
        shown = values | {TOTAL: values[TOTAL] * (1 + slowdown)} if is_candidate else values
        launches.append(
            Launch(
                number=number + 1,
                arm="candidate" if is_candidate else "base",
                pair=pair + 1,
                position=position,
                started=row["started"],
                status="reached",
                wall_seconds=values[TOTAL],
                values=shown,
            )
        )
    return launches


def _other_cells(windows: Sequence[dict]) -> dict[str, list[str]]:
    """For every other tool's rule the shares of windows that it calls slower."""
    layouts = (_in_turn, _one_after_the_other)
    cells = {}
    for name, rule in RULES.items():
        shares = []
        for layout in layouts:
            for factor in (1.0, 1.1):
                called = 0
                for row in windows:
                    base, candidate = layout(row)
                    called += rule(base, [factor * value for value in candidate])
                shares.append(f"{called} ({_percent(called / len(windows), 0)})")
        cells[name] = [str(len(windows)), *shares]
    return cells


def _in_turn(row: dict) -> tuple[list[float], list[float]]:
    order = draw_order(num_pairs_first=10, num_pairs_max=len(row["launches"]) // 2, seed=row["index"])
    arms: dict[str, list[float]] = {"base": [], "candidate": []}
    for one in labelled(row, order, slowdown=0.0):
        arms[one.arm].append(one.values[TOTAL])
    return arms["base"], arms["candidate"]


def _one_after_the_other(row: dict) -> tuple[list[float], list[float]]:
    values = [launch[TOTAL] for launch in row["launches"]]
    half = len(values) // 2
    return values[:half], values[half:]


def _not_shown() -> str:
    return """## What this does not show

Other machines, GPUs, several nodes; launches much longer than a tenth of a second, and their drift; metrics that this
program does not have, those of loops among them; effects below 5 %, which are not meant to fail. The runs of a session
are neighbours in time on one machine, so their number is not that of independent days.

```
python tests/benchmarks/check_validation.py --output FOLDER --minutes 25     # goes on where it stopped
python tests/benchmarks/check_rules.py --tools FOLDER                        # the other tools' rules against the tools
```"""

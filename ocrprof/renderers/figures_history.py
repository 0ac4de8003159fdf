"""What a history tells, as sentences and cells: the same on the terminal, in Markdown and on the page."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ocrprof.renderers.figures_check import metric_name, share_text
from ocrprof.renderers.places import plain
from ocrprof.results.compare_words import value_text
from ocrprof.results.history_report import crept
from ocrprof.results.model import ChangePoint, HistoryReport, Reference, Series, SessionRef

KIND_WORDS = {"regression": "REGRESSED", "improvement": "improved", "change": "changed"}
_NUM_DIGITS = 9


@dataclass(frozen=True)
class ChangeGroup:
    """The changes of one session, those of the metrics that decide first; `tightest`: the best placed of them."""

    first_after: int
    changes: list[tuple[Series, ChangePoint]]

    @property
    def tightest(self) -> ChangePoint:
        """The change whose place is known best."""
        return min((change for _, change in self.changes), key=lambda one: one.surely_after - one.surely_before)


def change_groups(report: HistoryReport) -> list[ChangeGroup]:
    """All changes, by the session that they begin with, the newest first."""
    found: dict[int, list[tuple[Series, ChangePoint]]] = {}
    for series in report.series:
        for change in series.changes:
            found.setdefault(change.first_after, []).append((series, change))
    order = ("regression", "improvement", "change")
    return [
        ChangeGroup(place, sorted(found[place], key=lambda pair: (not pair[0].info.gated, order.index(pair[1].kind))))
        for place in sorted(found, reverse=True)
    ]


def last_line(report: HistoryReport) -> str:
    """The line to remember."""
    return f"history: {plain(report.headline)}"


def got_worse(report: HistoryReport) -> bool:
    """Whether a metric that decides regressed, or crept away from the frozen reference."""
    return any(
        change.kind == "regression" and series.info.gated for series in report.series for change in series.changes
    ) or bool(crept(report.series))


def sessions_line(report: HistoryReport) -> str:
    """`42 sessions from 2026-10-01 to 2026-11-22, in the order of their commits; kept out of …: 2 dirty, 1 failed`."""
    days = sorted(session.created[:10] for session in report.sessions)
    num = len(days)
    span = f"from {days[0]} to {days[-1]}" if days[0] != days[-1] else f"of {days[0]}"
    order = "in the order of their commits" if report.ordered_by == "commit" else "in the order of time"
    line = f"{num} session{'s' if num != 1 else ''} {span}, {order}"
    flagged = [session for session in report.sessions if session.flags]
    if not flagged:
        return line
    counts = Counter(flag for session in flagged for flag in session.flags)
    told = ", ".join(f"{number} {flag.replace('_', ' ')}" for flag, number in counts.items())
    return f"{line}; kept out of the references: {told}"


def machine_line(report: HistoryReport) -> str:
    """The machine and the workload that all sessions share."""
    fields = report.refuse
    told = [str(fields[name]) for name in ("cpu", "os", "arch") if name in fields]
    if "cores_usable" in fields:
        told.insert(1, f"{fields['cores_usable']:g} cores")
    told += [str(gpu) for gpu in fields.get("gpus", [])]
    target = report.launch.get("probe") or report.launch.get("until")
    told += [f"to {target}"] if target else []
    return plain(" · ".join([*told, f"fingerprint {report.fingerprint}-{report.metric_set}"]))


def how_line(report: HistoryReport) -> str:
    """How changes are found."""
    return (
        f"changes: E-divisive with permutations (seed {report.seed}), p up to {report.level:g}, over the newest "
        f"{report.window} sessions, three or more on both sides, by the least effect; exact metrics: every step beyond "
        "their allowance"
    )


def session_text(session: SessionRef) -> str:
    """`c0ffee123 Read pages by name, 2026-11-20`."""
    commit = " ".join(part for part in (short(session.sha), plain(session.subject or "")) if part)
    return f"{commit}, {session.created[:10]}" if commit else session.created[:16].replace("T", " ")


def short(sha: str | None) -> str:
    """The beginning of a commit's name."""
    return (sha or "")[:_NUM_DIGITS]


def group_text(group: ChangeGroup, report: HistoryReport) -> str:
    """Where the changes lie: `c0ffee123 Read pages by name, 2026-11-20 (before it beef00d12)`."""
    before = report.sessions[max(change.last_before for _, change in group.changes)]
    name = short(before.sha) or before.created[:16].replace("T", " ")
    return f"{session_text(report.sessions[group.first_after])} (before it {name})"


def change_cells(series: Series, change: ChangePoint) -> tuple[str, ...]:
    """Verdict, by how much worse, from what to what, p, metric."""
    before, after = (value_text(value, series.info.unit) for value in (change.before, change.after))
    share = share_text(None if change.ratio is None else change.ratio - 1)
    p = "exact" if change.p is None else f"{change.p:.4f}"
    name = metric_name(series.info.name)
    return KIND_WORDS[change.kind], share, f"{before} → {after}", p, name if series.info.gated else f"({name})"


def commits_line(group: ChangeGroup, report: HistoryReport) -> str:
    """How many commits may have made the change."""
    change = group.tightest
    first, last = (report.sessions[place] for place in (change.surely_before, change.surely_after))
    sure = "" if change.p is None else ", with 95 % certainty"
    if change.num_commits is None:
        shas = " and ".join(short(session.sha) for session in (first, last) if session.sha)
        return f"between {shas}{sure}: git does not know both here" if shas else "no commits are known"
    if change.num_commits == 0:
        return "no commit lies between: the machine, its software or the data changed"
    if change.num_commits == 1:
        return f"one commit can have made it{sure}:"
    return f"one of {change.num_commits} commits made it{sure}:"


def hint_metric(group: ChangeGroup) -> str | None:
    """The metric to bisect by: an exact one before times; None where nothing got worse or one commit is left."""
    worse = [(series, change) for series, change in group.changes if change.kind == "regression"]
    if not worse or group.tightest.num_commits in (0, 1):
        return None
    return min(worse, key=lambda pair: (not pair[0].info.gated, pair[0].info.kind != "exact"))[0].info.name


def told_series(report: HistoryReport) -> tuple[list[Series], int]:
    """What people look at: metrics that decide or changed; and how many others there are.

    Counts of what never happened are none of them.
    """
    chosen = [
        one for one in report.series if one.newest is not None and (one.changes or (one.info.gated and any(one.values)))
    ]
    return chosen, len(report.series) - len(chosen)


def reference_of(series: Series, name: str) -> Reference | None:
    """The frozen or the rolling one."""
    return next((one for one in series.references if one.name == name), None)


def reference_cells(series: Series) -> tuple[str, ...]:
    """Newest value, against rolling, against frozen, noise between sessions, sessions."""
    newest = None if series.newest is None else series.values[series.newest]
    against = [
        "" if one is None or one.ratio is None else share_text(one.ratio - 1)
        for one in (reference_of(series, "rolling"), reference_of(series, "frozen"))
    ]
    noise = "exact" if series.info.kind == "exact" else "" if series.sd is None else f"{100 * series.sd:.1f} %"
    return value_text(newest, series.info.unit), *against, noise


def references_line(series: Sequence[Series]) -> str:
    """What the two references are."""
    told = []
    for name in ("rolling", "frozen"):
        labels = [one.label for each in series if (one := reference_of(each, name)) is not None]
        told += [f"{name}: {labels[0]}"] if labels else []
    note = "worse by, newest against the median of each reference; noise: standard deviation between sessions"
    return "; ".join([note, *told])

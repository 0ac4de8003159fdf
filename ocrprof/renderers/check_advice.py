"""What to do about the result of a check."""

import shlex

from ocrprof.renderers import figures_check as facts
from ocrprof.renderers.places import place
from ocrprof.results.model import CheckReport


def next_steps(report: CheckReport) -> list[str]:
    """What to do about it, each a sentence with the command in `backticks`; nothing where all is well."""
    command = shlex.join(report.target.argv) if report.target.argv else "COMMAND"
    found: list[str] = []
    if report.verdict == "failed" and facts.bad_launches(report):
        found.append(f"See what the arm printed above, and run it alone: `ocrprof startup --runs 1 -- {command}`.")
    elif report.verdict == "failed":
        found.append(
            "Times of unlike work say nothing: give both the same data, batches and epochs in the command, or check "
            "against a commit that did as much."
        )
    if report.verdict == "not_comparable" and _is_of_another_state(report):
        found.append(
            "Measure both states here: `ocrprof check --baseline FILE --remeasure`, or `--against REF`; "
            "`--allow-mismatch` reports the figures without judging them."
        )
    found += _about_exact(report, command)
    slower = [metric for metric in facts.gated(report) if metric.verdict == "regressed"]
    if slower and not any(change.num_added for change in facts.exact_changes(report)):
        found.append(
            f"Find the cause: `ocrprof startup -o OLD -- {command}` on the base and again on the candidate, "
            "then `ocrprof compare OLD NEW` splits the difference into causes, with file and line."
        )
    if report.verdict == "inconclusive":
        found += _about_inconclusive(report)
    if any(budget.kept is False for budget in report.budgets):
        found.append("A budget is a limit that you set: raise it with `--budget`, or take out what breaks it.")
    return found


def _is_of_another_state(report: CheckReport) -> bool:
    """Whether what was stored is why; what else stands in the way tells in a note what to do."""
    verdicts = [*(metric.verdict for metric in report.metrics), *(change.verdict for change in report.exact)]
    return bool(report.mismatches) or "missing" in verdicts


def _about_exact(report: CheckReport, command: str) -> list[str]:
    for change in facts.exact_changes(report):
        # Within an allowance, new imports are still the first suspect of what became slower.
        if change.added and (
            change.verdict == "regressed" or (report.verdict == "regressed" and facts.is_of_imports(change))
        ):
            first = facts.groups(change, change.added)[0]
            where = place(first.location, cwd=report.target.cwd)
            if facts.is_of_imports(change):
                at = f" (first imported at {where})" if where else ""
                return [
                    f"Import `{first.name}`{at} in the function that needs it; "
                    f"`ocrprof startup --why {first.name} -- {command}` shows every way in."
                ]
            return [f"{change.name}: look at `{first.name}`" + (f" ({where})." if where else ".")]
    return []


def _about_inconclusive(report: CheckReport) -> list[str]:
    unclear = [metric for metric in facts.gated(report) if metric.verdict == "inconclusive"]
    if not unclear:
        return []
    needed = max((metric.pairs_needed for metric in unclear if metric.pairs_needed), default=None)
    num_run, num_first = max(metric.n for metric in unclear), report.design.num_pairs_first
    if needed and num_run < num_first:
        in_time = "--time-budget" in (report.design.stopped_because or "")
        return [
            f"{num_run} pairs are too few to know the noise by: {num_first} tell how many it takes"
            + (", and a longer `--time-budget`, or none, lets them be run." if in_time else ".")
        ]
    if needed and needed > num_run:
        first = min(needed, max(10, num_first))
        return [
            f"{needed} pairs would settle what is inconclusive: `--pairs {first}:{needed}`, or a quieter machine; "
            "`ocrprof check --aa` shows its noise floor."
        ]
    if needed:
        more = max(2 * num_run, 20)
        return [
            f"{num_run} pairs, as many as this noise asks for, left it open: `--pairs {more}:{more}` tells smaller "
            "changes, and so does a quieter machine; `ocrprof check --aa` shows its noise floor."
        ]
    return ["The noise hides the answer: measure on a quieter machine; `ocrprof check --aa` shows its noise floor."]

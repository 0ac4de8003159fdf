"""The result of a check as JUnit XML: a test case for each metric, exact metric and budget that decides."""

import re
from xml.etree import ElementTree

from ocrprof.renderers import figures_check as facts
from ocrprof.results.model import CheckReport

# What XML 1.0 allows (https://www.w3.org/TR/xml/#charsets); a program may print anything.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_xml(report: CheckReport) -> str:
    """The file's text. regressed, missing, breached: failure; inconclusive, not measured: skipped with the message."""
    suite = ElementTree.Element("testsuite", name="ocrprof check", timestamp=report.created.removesuffix("Z"))
    _properties(suite, report)
    for metric in facts.gated(report):
        _case(suite, "metric", metric.name, metric.verdict, facts.metric_sentence(report, metric))
    for change in report.exact:
        groups = [facts.group_text(one, cwd=report.target.cwd) for one in facts.groups(change, change.added)]
        _case(suite, "exact", change.name, change.verdict, facts.exact_sentence(change), body="\n".join(groups))
    for budget in report.budgets:
        verdict = {True: "ok", False: "regressed", None: "inconclusive"}[budget.kept]
        _case(suite, "budget", budget.text, verdict, facts.budget_sentence(budget))
    if report.verdict in ("failed", "not_comparable"):
        tails = ["\n".join([facts.launch_sentence(one), *one.stderr_tail]) for one in facts.bad_launches(report)] + [
            facts.mismatch_sentence(one) for one in report.mismatches
        ]
        _case(suite, "check", report.verdict, report.verdict, report.headline, body="\n".join(tails))
    for outcome in ("failure", "error", "skipped"):
        name = {"failure": "failures", "error": "errors"}.get(outcome, outcome)
        suite.set(name, str(len(suite.findall(f"testcase/{outcome}"))))
    suite.set("tests", str(len(suite.findall("testcase"))))
    suite.set("time", f"{report.seconds:.3f}")
    root = ElementTree.Element("testsuites", {key: suite.attrib[key] for key in ("tests", "failures", "errors")})
    root.append(suite)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _properties(suite: ElementTree.Element, report: CheckReport) -> None:
    sides = {"base": report.base.sha, "candidate": report.candidate.sha, "verdict": report.verdict}
    known = {**sides, "seed": str(report.design.seed), "mode": report.design.mode}
    parent = ElementTree.SubElement(suite, "properties")
    for name, value in known.items():
        if value:
            ElementTree.SubElement(parent, "property", name=name, value=_clean(value))


def _case(suite: ElementTree.Element, group: str, name: str, verdict: str, message: str, *, body: str = "") -> None:
    case = ElementTree.SubElement(suite, "testcase", classname=f"ocrprof.{group}", name=_clean(name), time="0")
    kinds = {"regressed": "failure", "missing": "failure", "inconclusive": "skipped"}
    kind = kinds.get(verdict) or ("error" if verdict in ("failed", "not_comparable") else None)
    if kind is None:
        ElementTree.SubElement(case, "system-out").text = _clean(message)
        return
    told = ElementTree.SubElement(case, kind, message=_clean(message))
    if kind != "skipped":
        told.set("type", verdict)
        told.text = _clean("\n".join(filter(None, [message, body])))


def _clean(text: str) -> str:
    return _NOT_XML.sub("", text)

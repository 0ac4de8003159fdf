"""What a check takes from a stored report: launches, facts, the machine, the commit; and what may be committed."""

from check_reports import check_report
from reports_fixture import CWD, baseline_report, startup_report

from ocrprof.results.check_fingerprint import make_fingerprint
from ocrprof.results.check_stored import portable, stored_session
from ocrprof.results.model import ExactFacts, GitState, Launch

FINGERPRINT = make_fingerprint(
    refuse={"cpu": "A"}, treatment={"python": "3.11"}, warn={"hostname": "ana-pc", "kernel": "6"}, record={"load": 2}
)


def check(**more):
    timed = Launch(
        number=2,
        arm="candidate",
        pair=1,
        position=0,
        started="",
        status="reached",
        wall_seconds=1.0,
        values={"imports": 0.5},
        stderr_tail=[f"{CWD}/train.py: a warning"],
    )
    launches = [
        timed,
        timed.model_copy(update={"arm": "base", "number": 1}),
        timed.model_copy(update={"pair": 0, "number": 3, "values": {}}),
    ]
    fields = {
        "fingerprint": FINGERPRINT,
        "facts": ExactFacts(sets={"eager_packages": {"pandas": "train.py:7"}}),
        "launches": launches,
        "candidate": GitState(ref="HEAD", sha="c0ffee1", dirty=True),
    }
    return check_report(**fields | more)


def test_the_candidate_of_a_check_is_the_base_of_a_later_one():
    stored = stored_session(check())
    assert [(one.arm, one.pair) for one in stored.launches] == [("candidate", 1)]
    assert stored.facts.sets["eager_packages"] == {"pandas": "train.py:7"}
    assert stored.fingerprint == FINGERPRINT
    assert (stored.state.sha, stored.state.dirty) == ("c0ffee1", True)
    assert stored_session(check(fingerprint=None)) is None


def test_a_start_tells_its_times_and_its_imports():
    report = startup_report()
    stored = stored_session(report)
    counted = [run for run in report.runs if run.reached and not run.warmup]
    assert len(stored.launches) == len(counted)
    values = stored.launches[0].values
    assert values["time_to_first_step"] == counted[0].wall_seconds
    assert values["startup.imports"] == next(one.seconds for one in counted[0].phases if one.name == "imports")
    assert stored.facts.sets["modules"] or stored.facts.sets["own_modules"]
    assert stored.state.sha == "c0ffee1"
    assert stored.fingerprint.refuse["cpu"] == "AMD EPYC 7763"
    assert "config" not in stored.fingerprint.refuse
    assert stored.fingerprint.treatment["python"] == "3.11"


def test_a_baseline_is_its_start_with_its_configuration():
    report = baseline_report()
    stored = stored_session(report)
    assert stored.launches == stored_session(report.startup).launches
    assert ("config" in stored.fingerprint.refuse) == bool(report.config)


def test_what_is_committed_names_no_path_and_no_machine():
    text = portable(check()).model_dump_json(by_alias=True)
    assert CWD not in text
    assert "ana-pc" not in text
    assert "a warning" not in text
    assert stored_session(portable(check())).facts == stored_session(check()).facts

"""`ocrprof check --attempt`: a check that is made again counts the pairs of the earlier one, or says why it cannot."""

import json

import pytest
from test_check import Repository

from ocrprof.results.model import CheckReport

ONE_COMMIT = ("--against", "HEAD~1", "--pairs", "10:12")


def as_if_ended(report: CheckReport, *, num_pairs: int) -> CheckReport:
    """As it had been if nothing had looked slower then, which noise decides."""
    design = report.design.model_copy(update={"order": report.design.order[:num_pairs]})
    return report.model_copy(
        update={"design": design, "launches": [one for one in report.launches if one.pair <= num_pairs]}
    )


@pytest.fixture(scope="module")
def attempts(tmp_path_factory):
    """The same code with a comment: an attempt, and a second one that is given the first one's report."""
    folder = tmp_path_factory.mktemp("attempts")
    repository = Repository(folder / "repository")
    repository.commit("comment", **{"work.py": "VALUE = 1  # one\n"})
    done, report = repository.check(*ONE_COMMIT, "--seed", "1", GITHUB_RUN_ATTEMPT="3")
    first = done, as_if_ended(report, num_pairs=10)
    (folder / "first.json").write_text(first[1].model_dump_json(by_alias=True))
    second = repository.check(
        *ONE_COMMIT, "--seed", "2", "--attempt", str(folder / "first.json"), "--explain", "time_to_*",
        GITHUB_RUN_ATTEMPT="4",
    )  # fmt: skip
    (folder / "second.json").write_text(second[1].model_dump_json(by_alias=True))
    return folder, repository, first, second


def pairs_of(report) -> dict[int, int | None]:
    """The attempt of every pair."""
    return {one.pair: one.attempt for one in report.launches if one.pair}


def test_a_second_attempt_counts_the_pairs_of_the_first_and_runs_the_rest(attempts):
    _, _, (_, first), (done, second) = attempts
    assert done.returncode in (0, 1), done.stderr
    assert pairs_of(second) == {pair: 1 if pair <= 10 else None for pair in range(1, 13)}
    assert second.design.order[:10] == first.design.order
    assert [(one.number, one.seed, one.num_pairs) for one in second.design.attempts] == [(1, 1, 10)]
    assert second.design.attempt == 4
    assert all(one.n == 12 for one in second.metrics)
    assert all(one.p_fw is not None for one in second.metrics if one.verdict != "reported")


def test_the_attempts_and_their_seeds_are_told(attempts):
    _, _, _, (done, second) = attempts
    told = " ".join(done.stdout.split())
    assert "attempt 4, with 10 pairs of 1 earlier one" in told
    assert "seed 2" in told
    assert "of attempt 1 (seed 1, " in told
    assert "tested together, once" in told
    assert "NOT AS IN THE REPORT" not in told
    assert any("one test is made of all" in note for note in second.notes)


def test_a_third_attempt_finds_nothing_left_to_measure_and_the_same_verdict(attempts):
    folder, repository, _, (before, second) = attempts
    files = ("--attempt", str(folder / "first.json"), "--attempt", str(folder / "second.json"))
    done, third = repository.check(*ONE_COMMIT, *files)
    assert done.returncode == before.returncode
    assert "pair " not in done.stderr
    assert {one.pair for one in third.launches if one.attempt is None} == {0}
    assert [(one.number, one.num_pairs) for one in third.design.attempts] == [(1, 10), (2, 2)]
    assert {one.name: one.ratio for one in third.metrics} == {one.name: one.ratio for one in second.metrics}


def test_another_check_is_refused_by_the_fields(attempts):
    folder, repository, _, _ = attempts
    given = ("--pairs", "10:14", "--alpha", "0.02", "--attempt", str(folder / "first.json"))
    done, report = repository.check("--against", "HEAD", *given)
    assert (done.returncode, report.verdict) == (4, "not_comparable")
    assert not report.launches
    for told in ("commit of the base", "alpha: 0.01 there, 0.02 here", "pairs at most: 12 there, 14 here"):
        assert told in report.headline


def test_another_machine_and_another_gate_are_refused(attempts, tmp_path):
    folder, repository, _, _ = attempts
    fields = json.loads((folder / "first.json").read_text())
    fields["fingerprint"]["refuse"]["cpu"] = "Another CPU"
    (tmp_path / "other.json").write_text(json.dumps(fields))
    done, report = repository.check(*ONE_COMMIT, "--attempt", str(tmp_path / "other.json"))
    assert done.returncode == 4
    assert "cpu: Another CPU there" in report.headline
    assert not any(one.attempt for one in report.launches)
    done, report = repository.check(*ONE_COMMIT, "--attempt", str(folder / "first.json"), "--metrics", "imports")
    assert done.returncode == 4
    assert "time_to_exit decides there, and not here" in report.headline


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--against", "HEAD", "--exact", "--attempt", "x.json"), "--attempt needs pairs"),
        (("--against", "HEAD", "--attempt", "nowhere.json"), "cannot read nowhere.json"),
    ],
)
def test_what_cannot_be_pooled_is_said_before_anything_is_measured(attempts, options, message):
    _, repository, _, _ = attempts
    done, report = repository.check(*options)
    assert done.returncode == 2
    assert message in done.stderr
    assert report is None


def test_a_repeated_job_without_its_earlier_reports_is_told_so(attempts):
    _, _, (_, first), _ = attempts
    assert first.design.attempt == 3
    assert any("attempt 3 of this job, and nothing is known of those before" in note for note in first.notes)

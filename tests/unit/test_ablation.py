"""Which settings an ablation runs, and what it makes of their trials."""

import io
import re

import pytest
from reports_fixture import ENVIRONMENT, TOOL

from ocrprof.errors import OcrprofError
from ocrprof.features import BUNDLED_FEATURES, Switch, parse_feature, read_features, without_repeated_keys
from ocrprof.findings import judge
from ocrprof.renderers.ablation import ablation_html, render_ablation
from ocrprof.results.ablation import build_arms, build_effects, build_interactions, measured_loop
from ocrprof.results.model import AblationReport, Arm, Epoch, Feature, TargetInfo, Trial

CACHE = Feature(name="cache", on=["cache=ram"], off=["cache=none"])
AMP = Feature(name="amp", on=["precision=bf16"], off=["precision=32"], exact=False)
WORKERS = Feature(name="workers", on=["workers=2"], off=[])
FEATURES = [CACHE, AMP, WORKERS]


def epoch(seconds: float, **parts: float) -> Epoch:
    return Epoch(loop="validation", seconds=seconds, num_batches=4, parts=parts)


def trial(number: int, *epochs: Epoch, hmean: float = 0.5, status="reached", peak=None) -> Trial:
    return Trial(
        round=number,
        position=0,
        status=status,
        wall_seconds=9.0,
        epochs=list(epochs),
        metrics={"val/hmean": hmean},
        peak_pss_bytes=peak,
    )


def settings(arms: list[Arm]) -> list[str]:
    return ["+".join(arm.on) for arm in arms]


def test_every_setting_is_run_once_however_many_designs_need_it():
    arms = build_arms(FEATURES, designs=["cumulative", "alone", "left-out"], pairs=[("workers", "cache")])
    assert settings(arms) == [
        "",
        "cache+amp+workers",
        "cache",
        "cache+amp",
        "amp",
        "workers",
        "amp+workers",
        "cache+workers",
    ]


def test_a_setting_has_the_arguments_of_every_feature_on_or_off():
    arms = {"+".join(arm.on): arm.arguments for arm in build_arms(FEATURES, designs=["alone"])}
    assert arms[""] == ["cache=none", "precision=32"]
    assert arms["amp"] == ["cache=none", "precision=bf16"]
    assert arms["cache+amp+workers"] == ["cache=ram", "precision=bf16", "workers=2"]


def two_features() -> list[Arm]:
    """Off: 10 s first, 8 s later, 6 of them in the network. Cache: 7. Amp: 5, and a metric changes. Both: 4."""

    def arm(on: list[str], first: float, later: float, fetch: float, peak: int, hmean: float = 0.5) -> Arm:
        trials = [
            trial(
                number,
                epoch(first * number),
                epoch(later * number, forward=(later - fetch) * number, fetch=fetch * number),
                epoch(later * number, forward=(later - fetch) * number, fetch=fetch * number),
                hmean=hmean,
                peak=peak,
            )
            for number in (1, 2, 3)
        ]
        return Arm(on=on, arguments=[], trials=trials)

    return [
        arm([], 10, 8, 2, 100),
        arm(["cache", "amp"], 9, 4, 1, 150, hmean=0.25),
        arm(["cache"], 10, 7, 1, 140),
        arm(["amp"], 7, 5, 2, 110, hmean=0.25),
    ]


def saved(arms: list[Arm]) -> AblationReport:
    return AblationReport(
        created="2026-01-01T00:00:00+00:00",
        tool=TOOL,
        target=TargetInfo(argv=["python", "train.py"], cwd="/home/user"),
        environment=ENVIRONMENT,
        features=[CACHE, AMP],
        designs=["alone"],
        pairs=[("cache", "amp")],
        num_rounds=3,
        seed=1,
        arms=arms,
    )


def effects(design):
    found = build_effects(two_features(), [CACHE, AMP], designs=[design], loop="validation")
    return {effect.feature: effect for effect in found}


def test_an_effect_is_the_median_of_the_ratios_within_the_rounds():
    cache = effects("alone")["cache"]
    assert cache.later_epochs.median == pytest.approx(8 / 7)
    assert cache.later_epochs.n == 3
    assert cache.first_epoch.median == 1
    assert cache.later_parts.median == 2
    assert cache.memory_bytes.median == 40
    assert cache.seconds.median == 14  # of rounds of 7, 14 and 21 s


def test_cumulative_effects_are_told_against_the_one_before_and_against_none():
    found = effects("cumulative")
    assert found["amp"].later_epochs.median == pytest.approx(7 / 4)
    assert found["amp"].cumulative.median == 2
    assert found["all"].later_epochs.median == 2
    assert found["all"].without == []


def test_leaving_a_feature_out_compares_all_with_all_but_it():
    assert effects("left-out")["cache"].later_epochs.median == pytest.approx(5 / 4)
    assert effects("left-out")["amp"].later_epochs.median == pytest.approx(7 / 4)


def test_metrics_that_changed_by_one_bit_are_named():
    found = effects("alone")
    assert found["cache"].same_metrics is True
    assert found["amp"].same_metrics is False
    assert found["amp"].different_metrics == ["val/hmean"]


def test_a_round_in_which_one_of_two_failed_is_left_out():
    arms = two_features()
    broken = arms[2].model_copy(update={"trials": [*arms[2].trials[:2], trial(3, status="crashed")]})
    found = build_effects([arms[0], arms[1], broken, arms[3]], [CACHE, AMP], designs=["alone"], loop="validation")
    assert found[0].later_epochs.n == 2


def with_starts(arm: Arm, *seconds: float) -> Arm:
    trials = [one.model_copy(update={"start_seconds": start}) for one, start in zip(arm.trials, seconds, strict=True)]
    return arm.model_copy(update={"trials": trials})


def test_what_a_feature_saves_of_the_start_is_told_in_seconds():
    off, _, cache, _ = two_features()
    pair = [with_starts(off, 5.0, 6.0, 5.5), with_starts(cache, 4.0, 5.5, 4.5)]
    (found, _) = build_effects(
        [pair[0], pair[1].model_copy(update={"on": ["cache"]})], [CACHE], designs=["alone"], loop="validation"
    )
    assert found.start_saved_seconds.median == 1.0
    assert effects("alone")["cache"].start_saved_seconds is None


def test_a_feature_does_nothing_where_the_rounds_agree_on_no_change_worth_it():
    off = two_features()[0]
    same = [
        trial(number, epoch(10 * seconds), epoch(8 * seconds, fetch=2 * seconds), peak=100 * number)
        for number, seconds in ((1, 1.03), (2, 2 * 0.99), (3, 3 * 1.02))
    ]
    idle = Arm(on=["cache"], arguments=[], trials=same)
    (found, _) = build_effects([off, idle], [CACHE], designs=["alone"], loop="validation")
    assert found.does_nothing
    two = [arm.model_copy(update={"trials": arm.trials[:2]}) for arm in (off, idle)]
    assert not build_effects(two, [CACHE], designs=["alone"], loop="validation")[0].does_nothing
    assert not effects("alone")["cache"].does_nothing
    assert not effects("alone")["amp"].does_nothing
    quick = [with_starts(off, 5.0, 6.0, 5.5), with_starts(idle, 4.0, 5.5, 4.5)]
    assert not build_effects(quick, [CACHE], designs=["alone"], loop="validation")[0].does_nothing


def test_a_saved_report_is_judged_from_its_trials_again():
    report = saved(two_features())
    judged = judge(report)
    assert {one.feature for one in judged.effects} == {"cache", "amp", "all"}
    assert judge(judged.model_copy(update={"effects": []})) == judged
    assert judged.interactions[0].ratio.n == 3


@pytest.mark.parametrize("width", [80, 120])
def test_the_names_of_features_are_whole_on_a_terminal(width):
    names = ["parallel post-processing", "prenormalised images"]
    report = judge(saved(two_features()))
    effects = [
        one.model_copy(update={"feature": name, "design": "cumulative", "cumulative": one.later_epochs})
        for one, name in zip(report.effects, names, strict=False)
    ]
    report = report.model_copy(update={"effects": effects, "designs": ["cumulative"]})
    stream = io.StringIO()
    render_ablation(report, stream=stream, color=False, width=width)
    lines = stream.getvalue().splitlines()
    assert all(any(line.endswith(f"  {name}") for line in lines) for name in names)
    assert max(map(len, lines)) <= width
    assert any("in report.md" in line for line in lines) == (width == 80)


def test_the_picture_names_each_setting_by_what_sets_it_apart():
    features = [CACHE, AMP, WORKERS]
    sets = [[], ["cache", "amp", "workers"], ["cache"], ["cache", "amp"], ["amp", "workers"], ["workers", "cache"]]
    epochs = [epoch(3), epoch(2), epoch(2)]
    arms = [Arm(on=on, arguments=[], trials=[trial(1, *epochs)]) for on in sets]
    report = saved(arms).model_copy(update={"features": features, "designs": ["cumulative", "left-out"]})
    labels = re.findall(r'class="lane-label"><b>([^<]*)</b>', ablation_html(report))
    assert labels == ["all off", "cache", "+ amp", "all but cache", "all but amp", "all on"]


def test_features_that_multiply_have_an_interaction_of_one():
    arms = two_features()
    (found,) = build_interactions(arms, [CACHE, AMP], pairs=[("amp", "cache")], loop="validation")
    assert found.ratio.median == pytest.approx(2 / ((8 / 7) * (8 / 5)))


def test_validation_is_measured_where_there_was_more_than_one_epoch_of_it():
    assert measured_loop(two_features()) == "validation"
    once = [Arm(on=[], arguments=[], trials=[trial(1, epoch(3))])]
    assert measured_loop(once) == "train"
    assert measured_loop([]) == "train"


def test_a_feature_on_the_command_line_is_split_as_a_shell_does():
    assert parse_feature("amp: --amp 'two words' | --no-amp") == Switch(
        name="amp", on=("--amp", "two words"), off=("--no-amp",)
    )
    assert parse_feature("amp: --amp") == Switch(name="amp", on=("--amp",), off=())
    with pytest.raises(OcrprofError, match="No closing quotation"):
        parse_feature("amp: 'x")


def test_the_features_of_the_bundled_pipeline_can_be_read():
    read = read_features(BUNDLED_FEATURES)
    assert "tensor cache" in [feature.name for feature in read.features]
    assert [feature.name for feature in read.features if not feature.exact] == [
        "scaled decode",
        "channels last",
        "mixed precision",
        "workers",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[feature]]\nname='a'\non=['x']\nof=['y']", "has no 'of'"),
        ("[[feature]]\nname='a'\non='x'", "on is 'x'"),
        ("[[feature]]\non=['x']", "has no name"),
        ("x = 1", "holds no"),
        ("x = ", "features.toml: "),
    ],
)
def test_a_file_of_features_that_is_wrong_says_where(tmp_path, text, message):
    path = tmp_path / "features.toml"
    path.write_text(text)
    with pytest.raises(OcrprofError, match=message):
        read_features(path)


def test_arguments_that_the_caller_gave_win_over_those_of_the_file():
    given = ["python", "-m", "pipeline.train", "trainer.max_epochs=9", "+callbacks=none"]
    assert without_repeated_keys(["trainer.max_epochs=3", "callbacks=x", "seed=1"], given) == ("seed=1",)

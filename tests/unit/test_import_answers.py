"""The answers about imports as text, on the console and in Markdown."""

import io

import pytest
from reports_fixture import CWD, PACKAGES, startup_report

from ocrprof.renderers.console import render_startup
from ocrprof.renderers.markdown import MAX_STARTUP_LINES, startup_markdown
from ocrprof.results.model import (
    Hop,
    LazyPair,
    Location,
    Part,
    Saving,
    Statistic,
    Touch,
    Verification,
    WhatIf,
    Why,
)

LINE = Location(file=f"{CWD}/ocr/core/lightning/base.py", line=12)
WHY = Why(
    module="torch._dynamo",
    phase="imports",
    self_seconds=0.01,
    dominated_seconds=1.2,
    num_dominated=787,
    chain=[
        Hop(module="__main__", location=Location(file=f"{CWD}/train.py", line=7)),
        Hop(module="lightning", location=Location(file=f"{PACKAGES}/lightning/__init__.py", line=18)),
        Hop(module="lightning.fabric"),
        Hop(module="lightning_utilities", location=Location(file=f"{PACKAGES}/lightning_utilities/a.py", line=78)),
        Hop(module="torch._dynamo"),
    ],
    importers=[Hop(module="timm.layers", location=LINE), *[Hop(module=f"other_{number}") for number in range(11)]],
    other_chains=[[Hop(module="__main__", location=LINE), Hop(module="torch._dynamo")]],
)
TOUCH = Touch(phase="model", start_seconds=3.2, location=LINE, how=".f")
PROOF = Verification(
    seed=42,
    pairs=[
        LazyPair(
            lazy_first=True,
            ordinary_seconds=74.3,
            lazy_seconds=72.6,
            ordinary_loading_seconds=25.3,
            lazy_loading_seconds=23.5,
        )
    ]
    * 3,
    saving=Statistic(median=1.7, mad=0.1, ci95=(1.6, 1.9), n=3),
    loading_saving=Statistic(median=1.8, mad=0.1, ci95=(1.75, 1.85), n=3),
    num_not_loaded=810,
    loaded_anyway=["a.b", "c"],
)


def test_the_prediction_names_who_else_holds_the_module():
    holders = [Hop(module="__main__", location=LINE), Hop(module="lightning.pytorch", location=LINE)]
    text = flat(console(what_if=what_if(held_by=holders)))
    assert f"__main__:{LINE.line}, lightning.pytorch:{LINE.line}: only a start in which none of them loads it" in text
    assert "held by" not in flat(console(what_if=what_if(held_by=holders[:1])))


def what_if(proof: Verification | None = None, **changes) -> WhatIf:
    answer = WhatIf(
        module="torchmetrics",
        phase="imports",
        predicted_seconds=1.85,
        num_modules=812,
        packages=[Part(name="torchmetrics", seconds=1.8), Part(name="tiny", seconds=0.05)],
        verification=proof,
    )
    return answer.model_copy(update=changes)


def saving(module: str, seconds: float, **changes) -> Saving:
    return Saving(module=module, seconds=seconds, num_modules=9, **changes)


def console(**changes) -> str:
    stream = io.StringIO()
    render_startup(startup_report(**changes), stream=stream, color=False)
    return stream.getvalue()


def flat(text: str) -> str:
    return " ".join(text.split())


def test_the_chain_has_a_line_for_every_hop():
    text = console(why=WHY)
    rows = [line.split() for line in text.partition("Why torch._dynamo is loaded\n")[2].splitlines()[1:5]]
    assert rows == [
        ["train.py:7", "lightning"],
        ["lightning/__init__.py:18", "lightning.fabric"],
        ["lightning.fabric", "calls", "lightning_utilities"],
        ["lightning_utilities/a.py:78", "torch._dynamo"],
    ]


def test_other_importers_are_counted_and_named():
    text = flat(console(why=WHY))
    assert "12 other importers would have loaded it anyway: timm.layers:12, other_0" in text
    assert "other_6 and 4 more" in text
    assert "another way: ocr/core/lightning/base.py:12 → torch._dynamo" in text
    assert "no other importer would have loaded it" in flat(console(why=WHY.model_copy(update={"importers": []})))


def test_the_chain_in_markdown_is_one_line_of_places():
    assert (
        "**Why `torch._dynamo` is loaded**: `train.py:7` → `lightning/__init__.py:18` → `lightning.fabric` →"
        " `lightning_utilities/a.py:78` → `torch._dynamo`\n"
    ) in startup_markdown(startup_report(why=WHY))


def test_a_prediction_is_told_as_one():
    text = flat(console(what_if=what_if()))
    assert "predicted 1.85 s, the self time of 812 modules that only it leads to, garbage collection by share" in text
    assert "of the objects: torchmetrics 1.80 s" in text
    assert "tiny" not in text.partition("What to change first")[0]
    assert "measured" not in text


def test_a_use_that_was_recorded_takes_the_saving_back():
    text = flat(console(what_if=what_if(used=TOUCH)))
    assert "used by .f at ocr/core/lightning/base.py:12, 3.20 s after the start: deferred to model, not saved" in text


def test_a_verified_saving_stands_beside_the_predicted_one_with_its_interval():
    for text in (flat(console(what_if=what_if(PROOF))), startup_markdown(startup_report(what_if=what_if(PROOF)))):
        assert "1.70 s, 95 % interval 1.60 s to 1.90 s (3 pairs of runs, seed 42)" in text
        assert "1.80 s, 95 % interval 1.75 s to 1.85 s" in text
        assert "810 of the 812 modules, but a.b, c" in text
        assert "nothing needed it before the milestone" in text


@pytest.mark.parametrize(
    ("phase", "told"),
    [("imports", "loaded there after all, nothing is saved"), ("first_batch", "deferred to first batch, not saved")],
)
def test_a_touch_says_by_which_line_and_what_became_of_the_saving(phase, told):
    proof = PROOF.model_copy(update={"touch": TOUCH.model_copy(update={"phase": phase})})
    text = flat(console(what_if=what_if(proof)))
    assert f"touched by .f at ocr/core/lightning/base.py:12, 3.20 s after the start: {told}" in text


def test_a_target_that_fails_with_the_lazy_module_says_how():
    proof = Verification(seed=1, failure="crashed in model after 2.0 s with exit code 1", stderr_tail=["a", "Error: b"])
    text = flat(console(what_if=what_if(proof)))
    assert "with torchmetrics loaded lazily the target crashed in model after 2.0 s with exit code 1: Error: b" in text


def test_a_module_that_cannot_be_lazy_says_why():
    text = flat(console(what_if=what_if(Verification(seed=1, refused="it is a C extension"))))
    assert "torchmetrics could not be loaded lazily: it is a C extension" in text


SAVINGS = [
    saving("pandas", 0.9, lines=[LINE] * 5),
    saving("rich", 0.3, lines=[LINE], used=TOUCH),
    saving("torchvision", 1.6, held_by=[Hop(module="torchmetrics.image", location=LINE), Hop(module="timm")]),
    saving("torch", 9.0, held_by=[Hop(module="lightning")], used=TOUCH),
]


def test_savings_in_the_programs_hands_are_a_table_and_the_others_a_note():
    text = console(savings=SAVINGS).partition("Best savings by deferring imports\n")[2].partition("\n\n")[0]
    assert text.splitlines()[1].split()[:3] == ["pandas", "900.0", "9"]
    assert "base.py:12 and 2 more" in text
    notes = flat(text)
    assert "predicted: self times of what would not load; --what-if MODULE --verify measures one" in notes
    assert "not saved, as the records show their use before the milestone: rich (to model)" in notes
    assert "not for a line of the program to defer: torchvision 1.60 s (by torchmetrics.image:12 and 1 more)" in notes
    assert "torch 9" not in notes


def test_markdown_tells_the_savings_and_stays_short_enough_to_paste():
    crowded = startup_report(
        why=WHY,
        what_if=what_if(PROOF),
        savings=[saving(f"package_{number}", 1.0, lines=[LINE]) for number in range(10)],
        packages=startup_report().packages * 5,
        instantiations=startup_report().instantiations * 20,
    )
    text = startup_markdown(crowded)
    assert "best savings: import to defer" in text
    assert "`package_0`" in text
    assert text.count("\n") <= MAX_STARTUP_LINES

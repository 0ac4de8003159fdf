"""What stands beside each phase: what it was spent on, in few words."""

import pytest
from html_pages import IMPORTS
from reports_fixture import startup_report

from ocrprof.renderers.figures import column_scale
from ocrprof.renderers.figures_phases import phase_notes
from ocrprof.renderers.places import keep_parts
from ocrprof.results.model import Composition, Construction, HydraFigures, Instantiation, Part


def built(name: str, seconds: float, *, kind: str = "dataset.init", phase: str = "data", **changes: object):
    return Construction(
        kind=kind, name=name, seconds=seconds, self_seconds=seconds, start_seconds=changes.pop("start_seconds", 0.0),
        phase=phase, **changes,
    )  # fmt: skip


def notes_of(**changes: object) -> dict[str, str]:
    report = startup_report(**{"imports": [], "constructions": [], "instantiations": [], **changes})
    return phase_notes(report, scale=column_scale(74.3))


def test_imports_are_told_by_package_the_longest_first():
    assert notes_of(imports=IMPORTS)["imports"] == "torch 8.00"
    rows = [row.model_copy(update={"self_seconds": 3.0}) for row in IMPORTS]
    assert notes_of(imports=rows)["imports"] == "torch 6.00 · lightning 3.00 · timm 3.00"


def test_imports_inside_another_phase_are_one_part_of_it():
    rows = [row.model_copy(update={"phase": "model"}) for row in IMPORTS]
    assert notes_of(imports=rows)["model"] == "imports 10.00"


def test_imports_of_other_threads_are_no_part():
    assert notes_of(imports=[row.model_copy(update={"thread": 3}) for row in IMPORTS])["imports"] == ""


def test_what_was_built_several_times_is_one_part_and_duplicates_are_named():
    several = [built("ocr.PageDataset", 1.5), built("ocr.PageDataset", 2.0), built("ocr.Tokenizer", 4.0)]
    duplicate = Instantiation(target="ocr.PageDataset", config_path="data.train", count=2, seconds=3.5, duplicate=True)
    told = notes_of(constructions=several, instantiations=[duplicate])
    assert told["data"] == "Tokenizer 4.00 · PageDataset ×2 DUPLICATE 3.50"


def test_a_model_is_told_by_the_parts_of_its_init_and_nothing_inside_it_twice():
    parts = [Part(name="own code", seconds=5.0), Part(name="imports", seconds=4.0), Part(name="network", seconds=6.0)]
    module = built("ocr.Module", 15.0, kind="model.init", phase="model", parts=parts)
    compiled = built("torch.compile", 2.0, kind="compile", phase="model", start_seconds=3.0)
    rows = [row.model_copy(update={"phase": "model", "self_seconds": 1.0}) for row in IMPORTS]
    told = notes_of(constructions=[module, compiled], imports=rows)
    assert told["model"] == "network 6.00 · own code 5.00 · imports 4.00"


def test_compositions_say_how_many_files_they_read():
    composed = Composition(
        config="train", purpose="run", start_seconds=0.0, seconds=0.5, num_files=31, overrides_seconds=0.0,
        read_seconds=0.3, defaults_seconds=0.1, merge_seconds=0.1,
    )  # fmt: skip
    calls = [built("hydra.compose", 0.5, kind="hydra.compose", phase="config")] * 2
    told = notes_of(constructions=calls, hydra=HydraFigures(seconds=1.0, compositions=[composed, composed]))
    assert told["config"] == "compose ×2 (31 files) 1.00"


def test_what_is_a_small_part_of_its_phase_or_of_the_start_is_left_out():
    assert notes_of(constructions=[built("ocr.Small", 0.05 * 12.6 - 0.01)])["data"] == ""
    assert "trainer" not in notes_of(constructions=[built("Trainer", 0.3, kind="trainer.init", phase="trainer")])


@pytest.mark.parametrize(
    ("cells", "shown"), [(30, "torch 2.63 · audited 0.46"), (24, "torch 2.63"), (8, "torch 2…")]
)  # fmt: skip
def test_parts_that_do_not_fit_are_left_out_whole(cells, shown):
    assert keep_parts("torch 2.63 · audited 0.46", cells) == shown

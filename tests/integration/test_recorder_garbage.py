"""Collections of garbage are told by the module whose load they fell into."""

from recording import PYTHON, record


def test_each_collection_is_counted_for_the_module_that_was_being_loaded(tmp_path):
    (tmp_path / "full.py").write_text("import gc\ngc.collect()\ngc.collect()\n")
    (tmp_path / "many.py").write_text("import idle\nOBJECTS = [[] for _ in range(70_000)]\n")
    (tmp_path / "idle.py").write_text("")
    (tmp_path / "main.py").write_text("import gc, full, many\ngc.collect()\n")
    recorded = record(tmp_path / "run", PYTHON, "main.py", cwd=tmp_path)
    (counts,) = [one["a"] for one in recorded.records if one.get("of") == "garbage_by_module"]
    assert counts["full"][0] == 2
    assert counts["full"][1] > 0
    assert counts["many"][0] >= 50
    assert "idle" not in counts
    assert counts[""][0] >= 1

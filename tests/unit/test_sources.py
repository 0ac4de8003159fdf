"""Reading source files for their imports: once a file, and again where it has changed."""

from pathlib import Path

import pytest

from ocrprof.measure import sources as module
from ocrprof.measure.sources import read_program_uses, read_sources


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("OCRPROF_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def parsed(monkeypatch):
    """The files that were parsed, in their order."""
    files = []
    read_file = module.read_file
    monkeypatch.setattr(module, "read_file", lambda file: files.append(file) or read_file(file))
    return files


def source(folder, text: str, name: str = "a.py") -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


def asked(imports) -> list[str]:
    return [statement.module for statement in imports.statements]


def test_a_file_is_parsed_once_and_again_when_it_has_changed(tmp_path, parsed):
    file = source(tmp_path, "import a\nfrom .b import c\ntry:\n    import d\nexcept ImportError:\n    import e\n")
    first = read_sources([file, file])
    assert read_sources([file]).imports == first.imports
    assert parsed == [file]
    source(tmp_path, "import other\n")
    assert asked(read_sources([file]).imports[file]) == ["other"]
    assert parsed == [file, file]


def test_what_cannot_be_parsed_is_counted_and_the_rest_is_read(tmp_path, caplog):
    good = source(tmp_path, "import a\n", "good.py")
    bad = source(tmp_path, "import (\n", "bad.py")
    read = read_sources([good, bad, str(tmp_path / "gone.py")])
    assert (set(read.imports), read.num_unreadable, read.complete) == ({good}, 2, True)
    assert "2 source files could not be parsed" in caplog.text


def test_reading_stops_at_its_limit_and_goes_on_from_there_the_next_time(tmp_path, parsed, monkeypatch):
    files = [source(tmp_path, f"import m{number}\n", f"{number}.py") for number in range(3)]
    clock = iter(range(100))
    monkeypatch.setattr(module.time, "monotonic", lambda: next(clock))
    read = read_sources(files, limit_seconds=1.5)
    assert (read.complete, len(read.imports)) == (False, 1)
    assert read_sources(files).complete
    assert sorted(parsed) == files


@pytest.mark.parametrize("content", ["no json", "[]", '{"/a.py": [1]}'])
def test_a_cache_that_is_none_is_written_anew(tmp_path, cache, content, caplog):
    file = source(tmp_path, "import a\n")
    cache.mkdir()
    (cache / "import-statements-1.json").write_text(content)
    assert asked(read_sources([file]).imports[file]) == ["a"]
    assert "written anew" in caplog.text
    caplog.clear()
    assert asked(read_sources([file]).imports[file]) == ["a"]
    assert caplog.text == ""


def test_a_cache_that_cannot_be_written_costs_only_time(tmp_path, cache, caplog):
    file = source(tmp_path, "import a\n")
    cache.write_text("a file, not a folder")
    assert asked(read_sources([file]).imports[file]) == ["a"]
    assert "cannot be written" in caplog.text


def test_files_that_are_gone_leave_the_cache(tmp_path, cache):
    old, new = source(tmp_path, "import a\n", "old.py"), source(tmp_path, "import b\n", "new.py")
    read_sources([old])
    Path(old).unlink()
    read_sources([new])
    assert old not in (cache / "import-statements-1.json").read_text()


def test_the_programs_own_file_is_told_apart_from_its_other_files(tmp_path):
    text = "import a\nif __name__ == '__main__':\n    a.f()\n"
    main, other = source(tmp_path, text, "main.py"), source(tmp_path, text, "other.py")
    uses = read_program_uses([main, other], main=main)
    assert (uses[main][1].at_load, uses[other][1].at_load) == (3, None)

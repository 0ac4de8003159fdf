"""Classes whose constructions the recorder times: to whoever looks at them they are what they were."""

import copy
import inspect
import pickle

import pytest
from by_path import load, made_recorder


class Root:
    def __init__(self, root, *, split="train"):
        self.root = root


class Base:
    pass


class Named(Base):
    def __init__(self, root):
        self.root = root


class Derived(Named):
    pass


class Mixed(Base, Root):
    pass


class Bare(Base):
    pass


KINDS = (Named, Derived, Mixed, Bare)
SIGNATURES = [str(inspect.signature(kind)) for kind in KINDS]


@pytest.fixture(scope="module")
def recorder():
    made = made_recorder()
    load("construction").watch_construction(made, Base, "dataset.init")
    return made


def test_signatures_of_classes_are_those_of_their_own_constructors(recorder):
    assert [str(inspect.signature(kind)) for kind in KINDS] == SIGNATURES


def test_constructions_are_recorded_and_copies_are_none(recorder):
    one = Derived("here")
    assert pickle.loads(pickle.dumps(one)).root == copy.deepcopy(one).root == "here"
    recorder._writer.records.clear()
    assert (Mixed("there", split="val").root, Named("there").root) == ("there", "there")
    with pytest.raises(TypeError, match="takes no arguments"):
        Bare("there")
    names = [record["a"]["class"].rpartition(".")[2] for record in recorder._writer.records if record["k"] == "span"]
    assert names[:2] == ["Mixed", "Named"]


def test_a_constructor_that_was_taken_before_the_first_construction_can_be_called_again(recorder):
    """As two threads do that construct the first instances of a class at once."""
    one, other = Bare.__new__(Bare), Bare.__new__(Bare)
    init = Bare.__init__
    init(one)
    init(other)

"""The innermost of overlapping intervals."""

import random

from ocrprof.results.intervals import Interval, innermost, piece_at, union_ns


def pieces(*intervals, start=0, end=100):
    return [
        (one.start_ns, one.end_ns, one.label)
        for one in innermost([Interval(*each) for each in intervals], start_ns=start, end_ns=end)
    ]


def test_what_began_last_wins_while_it_lasts():
    assert pieces((10, 90, "a"), (20, 40, "b")) == [
        (0, 10, None),
        (10, 20, "a"),
        (20, 40, "b"),
        (40, 90, "a"),
        (90, 100, None),
    ]


def test_intervals_that_do_not_nest_are_not_counted_twice():
    assert pieces((10, 50, "a"), (30, 70, "b")) == [
        (0, 10, None),
        (10, 30, "a"),
        (30, 70, "b"),
        (70, 100, None),
    ]


def test_of_two_that_began_together_the_shorter_is_inside():
    assert pieces((10, 90, "a"), (10, 40, "b"))[1:3] == [(10, 40, "b"), (40, 90, "a")]


def test_no_label_hides_what_encloses_it():
    assert pieces((0, 100, "a"), (20, 30, None)) == [(0, 20, "a"), (20, 30, None), (30, 100, "a")]


def test_intervals_are_cut_to_the_window_and_keep_their_rank():
    assert pieces((-50, 60, "a"), (-20, 30, "b"), (40, 500, "c")) == [(0, 30, "b"), (30, 40, "a"), (40, 100, "c")]


def test_an_empty_window_has_no_pieces():
    assert pieces((0, 10, "a"), start=5, end=5) == []
    assert pieces((0, 10, "a"), start=5, end=2) == []


def test_random_intervals_partition_the_window_as_looking_at_each_moment_does():
    generator = random.Random(7)
    for _ in range(60):
        intervals = []
        for index in range(generator.randrange(1, 12)):
            start, end = sorted(generator.sample(range(-5, 65), 2))
            intervals.append(Interval(start, end, f"{index}"))
        found = innermost(intervals, start_ns=0, end_ns=60)
        assert [one.start_ns for one in found] == [0, *(one.end_ns for one in found[:-1])]
        assert found[-1].end_ns == 60
        for at in range(60):
            active = [one for one in intervals if one.start_ns <= at < one.end_ns]
            expected = max(active, key=lambda one: (one.start_ns, -one.end_ns), default=None)
            piece = piece_at(found, at)
            assert piece is not None
            assert piece.label == (expected.label if expected else None)


def test_overlapping_intervals_cover_their_union_once():
    intervals = [Interval(0, 10, None), Interval(5, 20, None), Interval(6, 8, None), Interval(30, 90, None)]
    assert union_ns(intervals, start_ns=2, end_ns=40) == 18 + 10

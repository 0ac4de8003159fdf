"""What CLEval counts, on boxes small enough to count by hand."""

import numpy as np
import pytest

from pipeline.detection.cleval_core import (
    CLEvalSettings,
    Counters,
    count_image,
    count_image_by_scale,
    detection_scores,
    end_to_end_scores,
)
from pipeline.detection.cleval_geometry import (
    box_scales,
    convex_intersection_areas,
    pack_polygons,
    pair_areas,
    points_inside,
    pseudo_centres,
)
from pipeline.detection.cleval_transcripts import longest_common_subsequence


def rect(x0, y0, x1, y1):
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], dtype=np.float64)


def shared_area(first, second):
    both = pack_polygons([first]), pack_polygons([second])
    return pair_areas(*both, np.array([0]), np.array([0]))[0]


LINE = rect(0, 0, 50, 10)


# ---- matching


def test_a_detection_equal_to_its_box_finds_every_character():
    counters = count_image([LINE], [LINE], gt_texts=["hello"])
    assert counters == Counters(num_char_gt=5, num_char_det=5, num_char_tp=5)
    assert detection_scores(counters) == (1.0, 1.0, 1.0)


def test_nothing_at_all_scores_zero_without_dividing_by_zero():
    counters = count_image([], [], gt_texts=[])
    assert counters == Counters()
    assert detection_scores(counters) == end_to_end_scores(counters) == (0.0, 0.0, 0.0)


def test_an_image_without_detections_misses_its_characters():
    assert count_image(np.zeros((0, 4, 2)), [LINE], gt_texts=["hello"]) == Counters(num_char_gt=5)


@pytest.mark.parametrize(
    ("box", "cost"),
    [(rect(0, 0, 50, 10), 1), (rect(0, 0, 10, 10), 1), (rect(0, 0, 10, 50), 5), (rect(0, 0, 10, 500), 10)],
    ids=["wide", "square", "tall", "capped"],
)
def test_a_false_box_costs_its_height_over_its_width_in_characters(box, cost):
    assert count_image([box], []) == Counters(num_char_det=cost, num_char_fp=cost)


def test_a_split_line_is_found_whole_and_pays_one_character_of_recall():
    halves = [rect(0, 0, 20, 10), rect(20, 0, 50, 10)]
    counters = count_image(halves, [LINE], gt_texts=["hello"])
    assert counters == Counters(num_char_gt=5, num_char_det=5, num_char_tp=5, recall_gran=1, num_split=1)
    assert detection_scores(counters)[:2] == (0.8, 1.0)


def test_merged_lines_are_found_whole_and_pay_a_character_of_precision_for_each_beyond_the_first():
    words = [rect(0, 0, 20, 10), rect(25, 0, 45, 10), rect(50, 0, 70, 10)]
    counters = count_image([rect(0, 0, 70, 10)], words, gt_texts=["ab", "cd", "ef"])
    assert counters == Counters(num_char_gt=6, num_char_det=6, num_char_tp=6, precision_gran=2, num_merged=1)
    assert detection_scores(counters)[:2] == (1.0, 4 / 6)


def test_many_to_one_asks_the_sum_of_the_areas_to_pass_not_each_area():
    page = rect(0, 0, 100, 10)
    words = [rect(x, 0, x + 10, 10) for x in (0, 20, 40, 60)]
    texts = ["ab", "cd", "ef", "gh"]
    assert count_image([page], words, gt_texts=texts).num_char_tp == 8  # 4 x 0.1
    assert count_image([page], words[:2], gt_texts=texts[:2]) == Counters(num_char_gt=4, num_char_det=1, num_char_fp=1)


def test_one_box_of_too_little_area_is_not_matched_by_its_centres():
    inside, outside = rect(0, 0, 30, 10), rect(0, 0, 29, 10)
    page = rect(0, 0, 100, 10)
    assert count_image([page], [inside], gt_texts=["abc"]).num_char_tp == 3
    assert count_image([page], [outside], gt_texts=["abc"]).num_char_tp == 0


def test_a_detection_beside_every_centre_is_not_matched_by_its_area():
    strip = rect(0, 0, 50, 4)  # AP 1, but the centres are at y = 5
    counters = count_image([strip], [LINE], gt_texts=["hello"])
    assert counters == Counters(num_char_gt=5, num_char_det=1, num_char_fp=1)


def test_overlapping_detections_find_a_centre_once():
    halves = [rect(0, 0, 30, 10), rect(20, 0, 50, 10)]  # both hold the centre at x = 25
    counters = count_image(halves, [LINE], gt_texts=["hello"])
    assert (counters.num_char_tp, counters.num_char_overlapped, counters.num_char_det) == (5, 1, 6)


def test_a_centre_on_a_shared_edge_belongs_to_one_detection():
    halves = [rect(0, 0, 25, 10), rect(25, 0, 50, 10)]  # the middle one of five centres is at x = 25
    counters = count_image(halves, [LINE], gt_texts=["hello"])
    assert (counters.num_char_tp, counters.num_char_overlapped) == (5, 0)


def test_an_area_precision_is_compared_in_float32():
    page, part = rect(0, 0, 9001, 8004), rect(0, 0, 4649, 4649)  # 0.29999999722, which is 0.3 in float32
    assert count_image([page], [part], gt_texts=["a"]).num_char_tp == 1


def test_areas_use_truncated_vertices():
    page, part = rect(0, 0, 100.9, 10.9), rect(0, 0, 30, 10)  # 300 / 1000, not 300 / 1100
    assert count_image([page], [part], gt_texts=["abc"]).num_char_tp == 3


def test_truncation_is_towards_zero_on_either_side_of_it():
    assert pack_polygons([rect(-3.7, -2.2, 3.7, 2.2)]).areas.tolist() == [24.0]


def test_centres_use_vertices_as_they_come():
    shifted = rect(0, 0.9, 50, 10.9)  # centres at y = 5.9, truncated at 5
    assert count_image([rect(0, 5, 50, 10)], [shifted], gt_texts=["hello"]).num_char_tp == 5
    assert count_image([rect(0, 0, 50, 5)], [shifted], gt_texts=["hello"]).num_char_tp == 0


def test_a_centre_is_asked_of_truncated_detections():
    assert count_image([rect(0, 0, 25.9, 10)], [LINE], gt_texts=["hello"]).num_char_tp == 2  # the third is at x = 25


@pytest.mark.parametrize("side", [1, -1], ids=["right", "left"])
def test_a_sliver_that_truncation_leaves_without_area_keeps_its_centre(side):
    ends = (20.2, 20.8), (30, 50), (20, 50)
    sliver, word, both = (rect(min(side * a, side * b), 0, max(side * a, side * b), 10) for a, b in ends)
    counters = count_image([both], [sliver, word], gt_texts=["i", "word"])
    assert (counters.num_char_tp, counters.num_merged) == (5, 1)


def test_text_in_a_tall_box_runs_down():
    tall, upper_half = rect(0, 0, 10, 60), rect(0, 0, 10, 30)
    assert count_image([upper_half], [tall], gt_texts=["abcdef"]).num_char_tp == 3


def test_text_in_a_box_half_as_wide_as_tall_runs_across():
    box, left_half = rect(0, 0, 30, 60), rect(0, 0, 15, 60)
    assert count_image([left_half], [box], gt_texts=["abcdef"]).num_char_tp == 3


def test_an_empty_transcript_has_no_character_to_find():
    assert count_image([LINE], [LINE], gt_texts=[""]) == Counters(num_char_det=1, num_char_fp=1)


def test_boxes_beyond_the_range_of_int16_are_counted():
    far = rect(70_000, 70_000, 70_050, 70_010)
    assert count_image([far], [far], gt_texts=["hello"]).num_char_tp == 5


def test_a_detection_without_area_is_false_and_takes_nothing_from_its_neighbours():
    flat = rect(0, 5, 50, 5)
    counters = count_image([flat, LINE], [LINE], gt_texts=["hello"])
    assert counters == Counters(num_char_gt=5, num_char_det=6, num_char_tp=5, num_char_fp=1)


def test_a_detection_crossed_into_lobes_that_cancel_is_false():
    bow_tie = np.array([[0, 0], [50, 10], [50, 0], [0, 10]], dtype=np.float64)  # its signed area is 0
    assert count_image([bow_tie], [LINE], gt_texts=["hello"]).num_char_tp == 0


def test_a_detection_of_less_than_a_pixel_is_false():
    assert count_image([rect(5.2, 5.2, 5.8, 5.8)], [LINE], gt_texts=["hello"]).num_char_fp == 1


def test_vertices_may_go_the_other_way_round():
    assert count_image([LINE[[3, 2, 1, 0]]], [LINE], gt_texts=["hello"]).num_char_tp == 5


# ---- lengths without transcripts


@pytest.mark.parametrize(
    ("box", "length"),
    [
        (rect(0, 0, 10, 10), 2),
        (rect(0, 0, 50, 10), 5),
        (rect(0, 0, 10, 50), 5),
        (rect(0, 0, 500, 10), 10),
        (rect(0, 0, 20.00001, 10), 2),  # 0.5 + 2 exactly: half goes to even
        (rect(0, 0, 40.000029999999995, 10), 4),
    ],
)
def test_without_transcripts_a_box_is_as_long_as_its_aspect_ratio(box, length):
    assert count_image([], [box]) == Counters(num_char_gt=length)


# ---- don't-care


def test_a_detection_on_a_dont_care_box_is_neither_right_nor_wrong():
    assert count_image([LINE], [LINE], gt_texts=["###"]) == Counters()
    assert count_image([LINE], [LINE], gt_texts=["hello"], gt_ignore=[True]) == Counters()


def test_given_flags_decide_alone_what_is_dont_care():
    assert count_image([LINE], [LINE], gt_texts=["###"], gt_ignore=[False]).num_char_tp == 3


def test_a_dont_care_box_yields_to_the_boxes_inside_it():
    region, word = rect(0, 0, 100, 40), rect(10, 10, 60, 20)
    counters = count_image([word], [region, word], gt_texts=["###", "hello"])
    assert counters == Counters(num_char_gt=5, num_char_det=5, num_char_tp=5)


def test_a_detection_mostly_on_what_is_left_of_a_dont_care_box_is_ignored():
    region, word = rect(0, 0, 100, 40), rect(10, 10, 60, 20)
    assert count_image([region], [region, word], gt_texts=["###", "hello"]) == Counters(num_char_gt=5)


def test_boxes_that_overlap_take_their_common_area_from_a_dont_care_box_once():
    region = rect(0, 0, 100, 10)
    words = [rect(0, 0, 50, 10), rect(30, 0, 65, 10)]  # 65 together, 85 one by one
    counters = count_image([region], [region, *words], gt_texts=["###", "hello", "word"])
    assert counters == Counters(num_char_gt=9)  # 0.35 of the detection is don't-care


def test_a_concave_box_takes_its_own_area_from_a_dont_care_box():
    region = rect(0, 0, 100, 10)
    dart = np.array([[0, 0], [100, 0], [100, 10], [50, 2]], dtype=np.float64)  # leaves 40 %, its hull half of it
    assert count_image([region], [region, dart], gt_texts=["###", "hello"]) == Counters(num_char_gt=5)


def test_dont_care_boxes_too_small_alone_ignore_a_detection_together():
    page = rect(0, 0, 100, 10)
    specks = [rect(x, 0, x + 10, 10) for x in (0, 20, 40)]
    assert count_image([page], specks, gt_texts=["###"] * 3) == Counters()
    assert count_image([page], specks[:2], gt_texts=["###"] * 2) == Counters(num_char_det=1, num_char_fp=1)


def test_dont_care_boxes_without_a_centre_in_the_detection_do_not_add_up():
    page = rect(0, 0, 100, 10)
    hanging = [rect(x, 8, x + 20, 28) for x in (0, 25, 50, 75)]  # 4 x 4 % of it each, centres at y = 18
    deep = [rect(x, -30, x + 20, 9) for x in (0, 25, 50, 75)]  # 4 x 18 %, centres at y < 0
    for specks in (hanging, deep):
        assert count_image([page], specks, gt_texts=["###"] * 4).num_char_fp == 1


def test_dont_care_area_taken_by_other_boxes_does_not_add_up():
    page = rect(0, 0, 100, 10)
    specks = [rect(x, 0, x + 10, 10) for x in (0, 20, 40)]
    counters = count_image([page], [*specks, specks[0]], gt_texts=["###"] * 3 + ["ab"])
    assert counters == Counters(num_char_gt=2, num_char_det=1, num_char_fp=1)


def test_a_dont_care_box_ignores_by_area_alone():
    strip = rect(0, 0, 50, 4)  # all of it in the box, none of the box's centres in it
    assert count_image([strip], [LINE], gt_texts=["###"]) == Counters()


def test_a_dont_care_box_has_as_many_centres_as_its_shape_says_whatever_its_transcript():
    above, below = rect(0, 0, 100, 10), rect(0, 30, 100, 40)  # ten centres each, one of them at x = 25
    column = rect(20, 0, 30, 40)  # a quarter of it in either
    assert count_image([column], [above, below], gt_texts=["###", "###"]) == Counters()


def test_a_second_hit_by_an_ignored_detection_leaves_a_box_without_a_one_to_one_match():
    word, region = rect(0, 0, 50, 10), rect(50, 0, 100, 10)
    exact, straddling = word, rect(20, 0, 80, 10)
    assert count_image([exact], [word, region], gt_texts=["hello", "###"]).num_char_tp == 5
    counters = count_image([exact, straddling], [word, region], gt_texts=["hello", "###"])
    assert counters == Counters(num_char_gt=5, num_char_det=1, num_char_fp=1)


# ---- transcripts


def test_a_wrong_character_is_lost_on_both_sides():
    counters = count_image([LINE], [LINE], gt_texts=["hello"], det_texts=["hallo"])
    assert (counters.e2e_num_char_tp, counters.e2e_num_char_fp, counters.e2e_num_char_det) == (4, 1, 5)
    assert end_to_end_scores(counters)[:2] == (0.8, 0.8)


def test_case_counts_only_when_asked_to():
    same = CLEvalSettings(case_sensitive=False)
    boxes = {"det_polygons": [LINE], "gt_polygons": [LINE], "gt_texts": ["Total"], "det_texts": ["TOTAL"]}
    assert count_image(**boxes).e2e_num_char_tp == 1
    assert count_image(**boxes, settings=same).e2e_num_char_tp == 5


def test_upper_casing_comes_before_lengths_are_taken():
    settings = CLEvalSettings(case_sensitive=False)
    counters = count_image([LINE], [LINE], gt_texts=["straße"], det_texts=["STRASSE"], settings=settings)
    assert (counters.num_char_gt, counters.e2e_num_char_tp) == (7, 7)


def test_parts_of_a_line_are_read_along_the_line_whatever_their_order():
    parts = [rect(30, 0, 50, 10), rect(0, 0, 30, 10)]
    counters = count_image(parts, [LINE], gt_texts=["hello"], det_texts=["lo", "hel"])
    assert counters.e2e_num_char_tp == 5


def test_a_merged_transcript_is_used_up_box_after_box():
    words, merged = [rect(0, 0, 20, 10), rect(20, 0, 40, 10)], rect(0, 0, 40, 10)
    counters = count_image([merged], words, gt_texts=["ab", "ab"], det_texts=["ab"])
    assert (counters.e2e_num_char_tp, counters.e2e_num_char_det) == (2, 2)


def test_transcripts_of_false_boxes_count_and_of_ignored_ones_do_not():
    region, elsewhere = rect(0, 50, 50, 60), rect(0, 100, 50, 110)
    counters = count_image([region, elsewhere], [region], gt_texts=["###"], det_texts=["12345", "123"])
    assert (counters.e2e_num_char_det, counters.e2e_num_char_fp) == (3, 3)


def common_by_table(first, second):
    """The release's table, cell by cell: a tie goes to the left cell."""
    table = [[""] * (len(second) + 1) for _ in range(len(first) + 1)]
    for i, a in enumerate(first):
        for j, b in enumerate(second):
            above, left = table[i][j + 1], table[i + 1][j]
            table[i + 1][j + 1] = table[i][j] + a if a == b else above if len(above) > len(left) else left
    return table[-1][-1]


def test_of_several_longest_common_subsequences_the_table_s_own_is_taken():
    assert longest_common_subsequence("ab", "ba") == "b"
    rng = np.random.default_rng(0)
    for _ in range(2000):
        first, second = ("".join(rng.choice(list("abc"), size=rng.integers(0, 9))) for _ in range(2))
        assert longest_common_subsequence(first, second) == common_by_table(first, second), (first, second)


# ---- scale bins


def test_a_box_counts_in_the_bins_of_its_scale_ends_included():
    small, edge, large = rect(0, 0, 50, 5), rect(0, 20, 50, 30), rect(0, 40, 50, 60)
    boxes = [small, edge, large]
    whole, low, high = count_image_by_scale(
        boxes, boxes, gt_texts=["a", "bb", "cccc"], scale_bins=(0.0, 0.1, 1.0), longer_side=100
    )
    assert (whole.num_char_gt, low.num_char_gt, high.num_char_gt) == (7, 3, 6)
    assert (low.num_char_tp, high.num_char_tp) == (3, 6)
    assert (low.num_char_fp, high.num_char_fp) == (0, 0)  # detections of the other scale are ignored


def test_a_box_of_another_scale_yields_to_boxes_of_the_bin():
    region, word = rect(0, 0, 100, 40), rect(10, 10, 60, 20)
    texts = ["region", "hello"]
    whole, low = count_image_by_scale([word], [region, word], gt_texts=texts, scale_bins=(0.0, 0.2), longer_side=100)
    assert whole.num_char_tp == 5
    assert low == Counters(num_char_gt=5, num_char_det=5, num_char_tp=5)


def test_a_dont_care_box_is_so_in_every_bin():
    counted = count_image_by_scale([LINE], [LINE], gt_ignore=[True], scale_bins=(0.0, 0.5, 1.0), longer_side=100)
    assert counted == [Counters()] * 3


def test_scale_is_the_short_side_of_the_rounded_smallest_rectangle():
    turned = np.array([[0, 30], [40, 0], [46, 8], [6, 38]], dtype=np.float64)  # 50 x 10
    polygons = pack_polygons([rect(0, 0, 10.4, 60), turned])
    assert box_scales(polygons, longer_side=100) == pytest.approx([0.10, 0.10])


def test_of_two_smallest_rectangles_the_one_with_the_shorter_side_is_taken():
    quad = np.array([[0, -6], [27, 3], [30, 10], [-3, 7]], dtype=np.float64)  # 438 = 33.1 x 13.2 = 32.8 x 13.3
    assert box_scales(pack_polygons([quad]), longer_side=1) == pytest.approx([np.hypot(13, 1)])


def test_halves_round_to_even_whatever_noise_the_rotation_left():
    quad = np.array([[4, 3], [24, 4], [36, 12], [-6, 14]], dtype=np.float64)
    assert box_scales(pack_polygons([quad]), longer_side=1) == pytest.approx([10.0])


def test_an_image_without_size_has_no_scale():
    with pytest.raises(ValueError, match="longer side"):
        count_image_by_scale([LINE], [LINE], scale_bins=(0.0, 1.0), longer_side=0)


# ---- geometry


def test_convex_areas_equal_shapely_s_where_edges_cross_touch_and_coincide():
    import shapely

    rng = np.random.default_rng(1)
    quads = pack_polygons(rng.integers(0, 8, (20_000, 4, 2)).astype(np.float64))
    corners = quads.corners[quads.is_convex_quad]
    first, second = corners[: len(corners) // 2], corners[len(corners) // 2 :][: len(corners) // 2]
    assert len(first) > 2000
    expected = shapely.area(shapely.intersection(shapely.polygons(first), shapely.polygons(second)))
    assert convex_intersection_areas(first, second) == pytest.approx(expected, abs=1e-9)


def test_a_box_without_area_shares_none_even_along_an_edge():
    assert shared_area(rect(0, 0, 50, 0), LINE) == 0.0


def test_all_vertices_of_a_long_outline_bound_its_area():
    six = np.array([[0, 0], [25, 0], [50, 0], [50, 10], [25, 10], [0, 10]], dtype=np.float64)
    assert shared_area(six, LINE) == 500.0


def test_a_spike_adds_no_area():
    spiked = np.array([[0, 0], [10, 0], [10, 10], [10, -5]], dtype=np.float64)
    assert shared_area(spiked, rect(0, -20, 20, 20)) == pytest.approx(25.0)


def test_a_convex_quad_is_told_from_a_dented_and_a_crossed_one():
    square, dart, bow_tie = (
        rect(0, 0, 10, 10),
        [[0, 0], [10, 5], [0, 10], [4, 5]],
        [[0, 0], [10, 10], [10, 0], [0, 10]],
    )
    triangle_with_a_repeated_vertex = [[0, 0], [0, 0], [10, 0], [10, 10]]
    polygons = pack_polygons([square, dart, bow_tie, triangle_with_a_repeated_vertex])
    assert polygons.is_convex_quad.tolist() == [True, False, False, True]


def test_a_dented_quad_shares_no_area_in_its_dent():
    dart = np.array([[0, 0], [10, 5], [0, 10], [4, 5]], dtype=np.float64)
    assert shared_area(dart, rect(0, 0, 10, 10)) == pytest.approx(30.0)
    assert shared_area(rect(0, 4, 2, 6), dart) == 0.0


def test_a_crossed_quad_shares_both_its_lobes():
    bow_tie = np.array([[0, 0], [10, 10], [10, 0], [0, 20]], dtype=np.float64)
    assert shared_area(bow_tie, rect(0, 0, 20, 20)) == pytest.approx(200 / 3 + 50 / 3)


def test_a_point_on_an_edge_is_inside_on_the_left_and_upper_side_only():
    box = rect(0, 0, 10, 10)
    points = np.array([[0, 5], [10, 5], [5, 0], [5, 10], [5, 5]], dtype=np.float64)
    assert points_inside(points, np.repeat(box[None], 5, axis=0)).tolist() == [True, False, True, False, True]


def test_a_rectangle_with_more_vertices_is_still_that_rectangle():
    six = np.array([[0, 0], [25, 0], [50, 0], [50, 10], [25, 10], [0, 10]], dtype=np.float64)
    five = np.array([[0, 0], [25, 0], [50, 0], [50, 10], [0, 10]], dtype=np.float64)
    for outline in (six, five):
        assert count_image([rect(0, 0, 30, 10)], [outline], gt_texts=["hello"]).num_char_tp == 3
        assert count_image([outline], [LINE], gt_texts=["hello"]).num_char_tp == 5
        assert count_image([outline], [rect(0, 500, 9, 510)]).num_char_fp == 1
        assert count_image([], [outline]).num_char_gt == 5
        assert box_scales(pack_polygons([outline]), longer_side=100).tolist() == [0.1]


def test_centres_of_a_bent_outline_follow_its_middle():
    bent = np.array([[0, 0], [40, 0], [40, 30], [30, 30], [30, 10], [0, 10]], dtype=np.float64)  # a corner
    centres = pseudo_centres(pack_polygons([bent]), np.array([2]), vertical_aspect_ratio_thresh=0.5)
    assert centres == pytest.approx(np.array([[15.0, 5.0], [35.0, 15.0]]))


def test_a_polygon_whose_points_coincide_is_false_and_costs_one():
    assert count_image([np.full((5, 2), 3.0)], [LINE], gt_texts=["hello"]).num_char_fp == 1


def test_a_long_polygon_among_quads_changes_none_of_them():
    six = np.array([[0, 100], [25, 100], [50, 100], [50, 110], [25, 110], [0, 110]], dtype=np.float64)
    alone = count_image([LINE], [LINE], gt_texts=["hello"])
    both = count_image([LINE, six], [LINE, six], gt_texts=["hello", "hello"])
    assert both == alone + alone


# ---- settings and errors


def test_penalties_are_weights():
    counters = Counters(num_char_gt=10, num_char_det=10, num_char_tp=10, recall_gran=2, precision_gran=4)
    settings = CLEvalSettings(recall_gran_penalty=0.5, precision_gran_penalty=0.0)
    assert detection_scores(counters, settings=settings)[:2] == (0.9, 1.0)


def test_penalties_never_make_a_score_negative():
    counters = Counters(num_char_gt=10, num_char_det=10, num_char_tp=1, recall_gran=5, precision_gran=5)
    assert detection_scores(counters) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    "wrong", [{"ap_constraint": 0.0}, {"ap_constraint": 1.5}, {"recall_gran_penalty": -1.0}], ids=str
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        CLEvalSettings(**wrong)


def test_an_outline_of_the_wrong_shape_is_named():
    with pytest.raises(ValueError, match=r"detected box 1 must have shape .* got \(2, 2\)"):
        count_image([LINE, LINE[:2]], [LINE])


def test_a_coordinate_that_is_no_number_is_named():
    broken = LINE.copy()
    broken[2, 1] = np.nan
    with pytest.raises(ValueError, match="ground-truth box 1 has a coordinate"):
        count_image([LINE], [LINE, broken])


@pytest.mark.parametrize("name", ["gt_texts", "gt_ignore", "det_texts"])
def test_lists_of_another_length_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} has 2 entries for 1 boxes"):
        count_image([LINE], [LINE], **{name: ["a", "b"]})

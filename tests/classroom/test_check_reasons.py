"""Which known mistake explains answers."""

import math

from jarvis.classroom.check._reasons import explained

DOUBLE, NONE = (lambda x: 2 * x, "twice"), (lambda x: math.nan, "nothing")


def test_a_mistake_has_to_explain_all_answers():
    assert explained([2.0, 4.0], [1.0, 2.0], [DOUBLE]) == "twice"
    assert explained([2.0, 4.1], [1.0, 2.0], [DOUBLE]) == ""
    assert explained([2.0, 4.1], [1.0, 2.0], [DOUBLE], lambda a, b: abs(a - b) < 0.2) == "twice"


def test_the_first_of_several():
    assert (
        explained([2.0], [1.0], [(lambda x: 3 * x, "thrice"), DOUBLE, (DOUBLE[0], "2")]) == "twice"
    )


def test_a_case_without_a_value_says_nothing():
    sometimes = (lambda x: 2 * x if x < 2 else math.nan, "some")
    assert explained([2.0, 7.0], [1.0, 2.0], [sometimes]) == "some"
    assert explained([2.0, 7.0], [1.0, 2.0], [NONE]) == ""

"""Find the known mistake that explains all of a learner's answers; a single answer may match by
chance."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from jarvis.classroom.check.verdict import near

#: A known mistake: a function that returns the mistaken answer to a case (NaN if there is none),
#: and the feedback for it.
Slip = tuple[Callable[[Any], float], str]


def explained(
    found: Sequence[float],
    cases: Sequence[Any],
    slips: Sequence[Slip],
    close: Callable[[float, float], bool] = near,
) -> str:
    """The feedback for the first mistake that explains all answers; "" if none does.

    Args:
        found: the learner's answers.
        cases: the case that each answer belongs to; the functions in `slips` take a case.
        slips: the known mistakes, each with its feedback.
        close: `(answer, mistaken) -> bool`; the default allows one part in a thousand.

    Example:
        >>> slips = [(lambda x: -x, "The sign."), (lambda x: x / 1000, "In seconds.")]
        >>> explained([-2.0, -3.0], [2.0, 3.0], slips)
        'The sign.'
        >>> explained([-2.0, 0.003], [2.0, 3.0], slips)
        ''
    """
    for slip, words in slips:
        pairs = [(answer, float(slip(case))) for answer, case in zip(found, cases, strict=True)]
        pairs = [(answer, mistaken) for answer, mistaken in pairs if not math.isnan(mistaken)]
        if pairs and all(close(answer, mistaken) for answer, mistaken in pairs):
            return words
    return ""

"""Every verdict on random patterns and events, against AWS's own engine."""

from collections import Counter

import pytest
from ruler_peer import drawn_pairs, explanation, ruler_verdicts
from ruler_row import our_verdict


@pytest.mark.timeout(900)
def test_filters_decide_as_ruler_does_but_for_known_classes() -> None:
    pairs = drawn_pairs()
    theirs = ruler_verdicts(pairs)
    ours = [our_verdict(pattern, event) for pattern, event in pairs]

    differing = [
        (explanation(*pair, their, our), *pair, their, our)
        for pair, their, our in zip(pairs, theirs, ours, strict=True)
        if their != our
    ]
    print(len(pairs), Counter(theirs), Counter(difference[0] for difference in differing))  # noqa: T201 - shown by -s

    assert [difference for difference in differing if not difference[0]] == []

"""The demo's account of its streams: every good record once, in its key's order."""

import pytest

from penstock.local.demo_streams import (
    POISON_CLICK,
    Numbers,
    StreamSummary,
    in_order_seen,
    make_clicks,
)

SENT = {"a": [1, 2, 3], "b": [1]}


def summarize(seen: Numbers, *, discarded: int = 1) -> StreamSummary:
    return StreamSummary("stream clicks", SENT, seen, discarded, frozenset({("a", 2)}))


def test_summary_adds_up() -> None:
    summary = summarize({"a": [1, 3], "b": [1]})

    assert summary.adds_up
    assert str(summary) == "stream clicks: sent=4 succeeded=3 discarded=1 keys_in_order=2/2"


@pytest.mark.parametrize(
    "summary",
    [
        pytest.param(summarize({"a": [3, 1], "b": [1]}), id="out-of-order"),
        pytest.param(summarize({"a": [1], "b": [1]}), id="lost"),
        pytest.param(summarize({"a": [1, 1, 3], "b": [1]}), id="twice"),
        pytest.param(summarize({"a": [1, 2, 3], "b": [1]}), id="poison-succeeded"),
        pytest.param(summarize({"a": [1, 3]}), id="key-missing"),
        pytest.param(summarize({"a": [1, 3], "b": [1], "c": [1]}), id="key-of-nobody"),
        pytest.param(summarize({"a": [1, 3], "b": [1]}, discarded=2), id="good-one-discarded"),
    ],
)
def test_summary_that_does_not_add_up_is_seen(summary: StreamSummary) -> None:
    assert not summary.adds_up


def test_receipts_are_put_into_the_order_of_their_writing() -> None:
    receipts = [
        {"key": "a", "number": 3, "at": 20, "place": 0},
        {"key": "a", "number": 2, "at": 10, "place": 1},
        {"key": "a", "number": 1, "at": 10, "place": 0},
    ]

    assert in_order_seen(receipts) == {"a": [1, 2, 3]}


def test_one_click_is_poison() -> None:
    clicks = make_clicks()

    poison = [(key, click["number"]) for key, click in clicks if "page" not in click]
    assert (len(clicks), poison) == (60, [POISON_CLICK])

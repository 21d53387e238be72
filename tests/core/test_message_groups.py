"""Message groups of FIFO queues."""

import pytest
from builders import grouped, messages
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.message_groups import by_group, with_later_of_group

names = st.lists(st.sampled_from("abc"), max_size=10).map(
    lambda groups: " ".join(f"{group}{index}" for index, group in enumerate(groups))
)


@pytest.mark.parametrize(
    ("received", "expected"),
    [
        pytest.param("", [], id="nothing"),
        pytest.param("a1 a2", ["a1 a2"], id="one-group"),
        pytest.param("b1 a1 b2 a2", ["b1 b2", "a1 a2"], id="in-order-of-their-first"),
    ],
)
def test_groups_part_messages_in_order(received: str, expected: list[str]) -> None:
    assert by_group(grouped(received)) == [list(grouped(each)) for each in expected]


def test_messages_without_a_group_are_one() -> None:
    assert by_group(messages(2)) == [list(messages(2))]


@pytest.mark.parametrize(
    ("failed", "expected"),
    [
        pytest.param({"a1"}, {"a1", "a2", "a3"}, id="first"),
        pytest.param({"a2"}, {"a2", "a3"}, id="middle"),
        pytest.param({"a3"}, {"a3"}, id="last"),
        pytest.param({"a3", "b1"}, {"a3", "b1", "b2"}, id="two-groups"),
        pytest.param(set(), set(), id="none"),
    ],
)
def test_later_messages_of_a_group_fail_with_its_first(
    failed: set[str], expected: set[str]
) -> None:
    assert with_later_of_group(frozenset(failed), grouped("a1 b1 a2 b2 a3")) == expected


@given(names, st.sets(st.integers(0, 9)))
def test_strict_success_is_a_beginning_of_every_group(received: str, failed: set[int]) -> None:
    batch = grouped(received)
    reported = frozenset(each.message_id for each in batch if int(each.message_id[1:]) in failed)

    counted = with_later_of_group(reported, batch)

    assert reported <= counted
    for part in by_group(batch):
        verdicts = [each.message_id in counted for each in part]
        assert verdicts == sorted(verdicts), "a success after a failure"

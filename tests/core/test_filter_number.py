"""Numbers: which can be ordered, and which are the same."""

import pytest

from penstock.core.filter_number import WrittenNumber, equal_numbers, is_comparable, is_number


@pytest.mark.parametrize("value", [0, -1, 1.5, 10**400, float("inf")])
def test_number_is_a_whole_one_or_a_fraction(value: float) -> None:
    assert is_number(value)


@pytest.mark.parametrize("value", [True, None, "1", [1]])
def test_number_is_nothing_else(value: object) -> None:
    assert not is_number(value)


@pytest.mark.parametrize("number", [0, 2**53, -(2**53), 10**19, 0.1, 1e308, 12345678901234567000])
def test_comparable_is_what_a_binary64_has_without_loss(number: float) -> None:
    assert is_comparable(number)


@pytest.mark.parametrize(
    "number", [2**53 + 1, 12345678901234567890, 10**400, float("inf"), float("nan")]
)
def test_comparable_is_not_what_a_binary64_rounds(number: float) -> None:
    assert not is_comparable(number)


@pytest.mark.parametrize(
    ("wanted", "held", "verdict"),
    [
        pytest.param(300, 300.0, True, id="by value"),
        pytest.param(300, 301, False, id="different"),
        pytest.param(10**19, 1e19, True, id="large, and exact"),
        pytest.param(2**53 + 1, 2**53 + 1, True, id="beyond binary64, the same"),
        pytest.param(12345678901234567168, 12345678901234567168.0, False, id="not the shortest"),
    ],
)
def test_numbers_are_equal_by_value(wanted: float, held: float, *, verdict: bool) -> None:
    assert equal_numbers(wanted, held) is verdict


@pytest.mark.parametrize(
    ("text", "value", "is_exact"),
    [
        pytest.param("300", 300, True, id="whole"),
        pytest.param("-3.0e2", -300.0, True, id="scientific"),
        pytest.param("12345678901234567890", 12345678901234567890, False, id="too many digits"),
        pytest.param("0.10000000000000000001", 0.1, False, id="too many decimals"),
        pytest.param("1e400", float("inf"), False, id="too large"),
        pytest.param("1e-400", 0.0, False, id="too small"),
        pytest.param("1e-9999999999999999999999", 0.0, False, id="an absurd exponent"),
    ],
)
def test_written_number_knows_whether_it_is_exact(
    text: str, value: float, *, is_exact: bool
) -> None:
    number = WrittenNumber(text)

    assert (number.value, type(number.value), number.is_exact) == (value, type(value), is_exact)

"""Tests of one value: a string, a number, true, false or null that stands at a field's path.

Source: docs/semantics.md#filter-values
"""

import re
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import assert_never

from penstock.core.filter_number import INTEGER_EXACT_MAX, equal_numbers, is_comparable, is_number
from penstock.core.filter_pattern import (
    AnythingBut,
    Equals,
    EqualsIgnoreCase,
    Exists,
    Matcher,
    Numeric,
    Prefix,
    Suffix,
)

ValueTest = Callable[[object], bool]

_EVERY_NUMBER = sys.float_info.max


def allows_absence(matchers: Iterable[Matcher]) -> bool:
    """Tell whether a field may be missing: one of its alternatives is exists: false."""
    return Exists(is_wanted=False) in matchers


def value_test(matchers: Sequence[Matcher]) -> ValueTest:
    """Compile a field's alternatives to a test of what it holds; any of them is enough."""
    texts = _values_of(matchers, str)
    rest = [m for m in matchers if not (isinstance(m, Equals) and isinstance(m.value, str))]
    tests = [_matcher_test(matcher) for matcher in rest]
    if texts:
        tests.insert(0, _one_of_texts(texts))
    return any_of(tests)


def any_of(tests: Sequence[ValueTest]) -> ValueTest:
    """Give a test that is true where one of several is."""
    match tests:
        case [test]:
            return test
        case [first, second]:
            return lambda value: first(value) or second(value)
        case _:
            return _any_of_many(tuple(tests))


def _any_of_many(tests: tuple[ValueTest, ...]) -> ValueTest:
    def passes(value: object) -> bool:
        for test in tests:  # noqa: SIM110 - a generator takes twice the time
            if test(value):
                return True
        return False

    return passes


def _values_of(matchers: Iterable[Matcher], kind: type) -> list[object]:
    return [m.value for m in matchers if isinstance(m, Equals) and isinstance(m.value, kind)]


def _one_of_texts(texts: Sequence[object]) -> ValueTest:
    if len(texts) == 1:
        (text,) = texts
        return lambda held: held == text
    return frozenset(texts).__contains__


def _matcher_test(matcher: Matcher) -> ValueTest:  # noqa: PLR0911 - one for each operator
    match matcher:
        case Equals(int() | float() as number) if is_number(number):
            return _one_of_numbers([number])
        case Equals(value):
            return lambda held: held is value
        case EqualsIgnoreCase(text):
            return _on_text(re.compile(_case_blind(text)).fullmatch)
        case Prefix(text, ignore_case=True):
            return _on_text(re.compile(_case_blind(text)).match)
        case Prefix(text):
            return _on_text(lambda held: held.startswith(text))
        case Suffix(text, ignore_case=True):
            return _on_text(_case_blind_ending(text))
        case Suffix(text):
            return _on_text(lambda held: held.endswith(text))
        case AnythingBut(values):
            return _anything_but(values)
        case Numeric():
            return _within(matcher)
        case Exists(is_wanted):
            return lambda _: is_wanted
        case never:
            assert_never(never)


def _on_text(test: Callable[[str], object]) -> ValueTest:
    return lambda held: held.__class__ is str and bool(test(held))


def _one_of_numbers(numbers: Sequence[int | float]) -> ValueTest:
    small = frozenset([n for n in numbers if -INTEGER_EXACT_MAX <= n <= INTEGER_EXACT_MAX])
    large = [n for n in numbers if n not in small]

    def test(held: object) -> bool:
        if not is_number(held):
            return False
        return held in small or any(equal_numbers(n, held) for n in large)  # type: ignore[arg-type]  # it is a number

    return test


def _anything_but(values: Sequence[str | int | float]) -> ValueTest:
    if isinstance(values[0], str):
        refused = frozenset(values)
        return lambda held: held not in refused
    is_refused = _one_of_numbers(values)  # type: ignore[arg-type]  # they are of one kind
    return lambda held: not is_refused(held)


def _within(bounds: Numeric) -> ValueTest:
    low = -_EVERY_NUMBER if bounds.low is None else bounds.low
    high = _EVERY_NUMBER if bounds.high is None else bounds.high
    excluded = {
        *([low] if bounds.low is not None and not bounds.includes_low else []),
        *([high] if bounds.high is not None and not bounds.includes_high else []),
    }

    def test(held: object) -> bool:
        return (
            is_number(held)
            and low <= held <= high  # type: ignore[operator]  # it is a number
            and held not in excluded
            and is_comparable(held)  # type: ignore[arg-type]  # it is a number
        )

    return test


def _spellings(character: str) -> list[str]:
    """A character's lower and upper case, as Ruler takes them: each alone, not one's of the other.

    So "k" is not the Kelvin sign, and "ß" is also "SS", but not "ss".
    """
    return sorted({character.lower(), character.upper()}, key=len)


def _case_blind(text: str) -> str:
    return "".join([f"(?:{'|'.join(map(re.escape, _spellings(c)))})" for c in text])


def _case_blind_ending(text: str) -> Callable[[str], bool]:
    """Compile a suffix's test; where letters differ in length, every possible length is tried."""
    spellings = [[len(spelling) for spelling in _spellings(c)] for c in text]
    shortest, longest = sum(map(min, spellings)), sum(map(max, spellings))
    matches = re.compile(_case_blind(text)).fullmatch

    def test(held: str) -> bool:
        ends = range(shortest, min(longest, len(held)) + 1)
        return any(matches(held, len(held) - end) for end in ends)

    return test

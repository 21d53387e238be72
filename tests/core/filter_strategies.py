"""Patterns and events of few names and values, so that they meet; and a naive reading of both."""

import json
import math
from collections.abc import Iterator, Sequence
from decimal import Decimal

from hypothesis import strategies as st

from penstock.core import filter_pattern as p

NAMES = st.sampled_from(["a", "b", "c", "a.b", "b.c"])
TEXTS = st.sampled_from(["", "a", "A", "ab", "aB", "b", "ß", "SS", "k", "\u212a", "é", "É"])
NUMBERS = st.sampled_from(
    [
        0,
        1,
        1.0,
        2,
        -1,
        0.5,
        1e3,
        1000,
        2**53,
        2**53 + 1,
        12345678901234567168,
        12345678901234567168.0,
    ]
)
SCALARS = st.none() | st.booleans() | TEXTS | NUMBERS
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
EVENTS = st.dictionaries(NAMES, VALUES, max_size=4)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.text(max_size=3) | st.integers() | st.floats(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=2) | NAMES, inner),
)

_ORDERED = st.sampled_from([-1, 0, 0.5, 1, 2, 1000])
_RANGES = st.tuples(
    st.sampled_from([">", ">="]), _ORDERED, st.sampled_from(["<", "<="]), _ORDERED
).filter(lambda bounds: bounds[1] < bounds[3])
_RULES = st.one_of(
    SCALARS,
    st.booleans().map(lambda wanted: {"exists": wanted}),
    TEXTS.map(lambda text: {"equals-ignore-case": text}),
    st.tuples(st.sampled_from(["prefix", "suffix"]), TEXTS).map(lambda pair: {pair[0]: pair[1]}),
    st.tuples(st.sampled_from(["prefix", "suffix"]), TEXTS).map(
        lambda pair: {pair[0]: {"equals-ignore-case": pair[1]}}
    ),
    (TEXTS | st.lists(TEXTS, min_size=1, max_size=3)).map(lambda texts: {"anything-but": texts}),
    st.lists(_ORDERED, min_size=1, max_size=3).map(lambda numbers: {"anything-but": numbers}),
    st.tuples(st.sampled_from(["=", "<", "<=", ">", ">="]), _ORDERED).map(
        lambda pair: {"numeric": list(pair)}
    ),
    _RANGES.map(lambda bounds: {"numeric": list(bounds)}),
)
RULES = st.lists(_RULES, min_size=1, max_size=3)
_FIELDS = st.recursive(
    st.dictionaries(NAMES, RULES, min_size=1, max_size=3),
    lambda inner: st.dictionaries(NAMES, inner | RULES, min_size=1, max_size=3),
    max_leaves=4,
)
PATTERNS = st.tuples(_FIELDS, st.lists(_FIELDS, min_size=2, max_size=3) | st.none()).map(
    lambda pair: json.dumps(pair[0] if pair[1] is None else {**pair[0], "$or": pair[1]})
)

Leaf = tuple[str, object, dict[int, int]]


def naive_match(pattern: p.Pattern, event: object) -> bool:
    """Decide by trying everything, as AWS's Ruler describes it."""
    if not isinstance(event, dict):
        return False
    leaves = list(_leaves(event, "", {}, iter(range(10**6))))
    return any(_can_choose(branch.fields, leaves, {}) for branch in pattern.branches)


def _leaves(value: object, path: str, place: dict[int, int], ids: Iterator[int]) -> Iterator[Leaf]:
    if isinstance(value, dict):
        for name, member in value.items():
            yield from _leaves(member, f"{path}.{name}" if path else name, place, ids)
    elif isinstance(value, list):
        number = next(ids)
        for index, element in enumerate(value):
            inner = {**place, number: index} if isinstance(element, dict | list) else place
            yield from _leaves(element, path, inner, ids)
    else:
        yield path, value, place


def _can_choose(fields: Sequence[p.Field], leaves: Sequence[Leaf], chosen: dict[int, int]) -> bool:
    if not fields:
        return True
    first, *rest = fields
    there = [
        (value, place)
        for path, value, place in leaves
        if path == first.path and all(chosen.get(n, i) == i for n, i in place.items())
    ]
    if not there:
        return p.Exists(is_wanted=False) in first.matchers and _can_choose(rest, leaves, chosen)
    return any(
        any(naive_value(matcher, value) for matcher in first.matchers)
        and _can_choose(rest, leaves, {**chosen, **place})
        for value, place in there
    )


def naive_value(matcher: p.Matcher, held: object) -> bool:  # noqa: PLR0911 - one for each
    """Decide one alternative on one value."""
    match matcher:
        case p.Exists(is_wanted):
            return is_wanted
        case p.Equals(value):
            return _same(value, held)
        case p.AnythingBut(values):
            return not any(_same(value, held) for value in values)
        case p.Numeric():
            return _comparable(held) and _within(matcher, held)
        case _ if not isinstance(held, str):
            return False
        case p.EqualsIgnoreCase(text):
            return _spelled(text, held, whole=True)
        case p.Prefix(text, ignore_case):
            return _spelled(text, held) if ignore_case else held[: len(text)] == text
        case p.Suffix(text, ignore_case):
            ends = [held[start:] for start in range(len(held) + 1)]
            return any(_spelled(text, e, whole=True) if ignore_case else e == text for e in ends)


def _within(bounds: p.Numeric, held: object) -> bool:
    number = Decimal(repr(held))
    low, high = bounds.low, bounds.high
    above = low is None or number > Decimal(repr(low)) or (bounds.includes_low and held == low)
    below = high is None or number < Decimal(repr(high)) or (bounds.includes_high and held == high)
    return above and below


def _comparable(held: object) -> bool:
    if isinstance(held, bool) or not isinstance(held, int | float):
        return False
    try:
        nearest = float(held)
    except OverflowError:
        return False
    return math.isfinite(nearest) and Decimal(repr(nearest)) == Decimal(repr(held))


def _same(wanted: object, held: object) -> bool:
    if _comparable(wanted) and _comparable(held):
        return wanted == held
    return type(wanted) is type(held) and wanted == held


def _spelled(text: str, held: str, *, whole: bool = False) -> bool:
    """Follow every way to spell the text in either case."""
    if not text:
        return not held or not whole
    spellings = {text[0].lower(), text[0].upper()}
    return any(
        held.startswith(each) and _spelled(text[1:], held[len(each) :], whole=whole)
        for each in spellings
    )

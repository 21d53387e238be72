"""A filter's pattern, read as Lambda reads it.

A pattern is a JSON object. Its fields must all match; a field's array holds alternatives. It is
flattened while it is read, as AWS's Ruler does it:

1. ``{"a": {"b": [..]}}`` and ``{"a.b": [..]}`` are the same path ``a.b``.
2. A name may stand twice in an object: both count. Only the same full path is overridden, and the
   last one wins.
3. ``"$or": [{..}, {..}]`` forks what stands before it: a pattern is a list of branches.
4. Where that does not hold of some ``$or``, it is the name of a field, in the whole pattern.

Source: docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html; for what that page does
    not say, docs/semantics.md#filter-patterns
"""

import json
from collections.abc import Sequence

import msgspec

from penstock.core.filter_number import Number, WrittenNumber
from penstock.model.errors import FilterPatternError

PATTERN_CHARS_MAX = 4096  # Lambda's API
LEVELS_MAX = 100  # nested names; the size alone would allow some 680
BRANCHES_MAX = 1000  # what $or may fork into
# The sum of squared path lengths over all branches: what compiling costs. A pattern of 1,000
# branches may have 10 fields of 7 levels in each.
COMPILED_SIZE_MAX = 500_000

_OR = "$or"
_OPERATORS = "exists, prefix, suffix, equals-ignore-case, anything-but, numeric"
# Ruler refuses these names inside $or, and some of them are there for its future.
_RESERVED = frozenset(
    {"exactly", "equals-ignore-case", "prefix", "suffix", "anything-but", "exists", "wildcard"}
    | {"numeric", "cidr", "=", "<", "<=", ">", ">=", "regex", "not-wildcard"}
    | {"not-equals-ignore-case", "date-after", "date-on-or-after", "date-before"}
    | {"date-on-or-before", "in-date-range", "ip-address-in-range", "ip-address-not-in-range"}
)


class Equals(msgspec.Struct, frozen=True, tag="equals"):
    """The value itself; numbers by value, strings character by character."""

    value: str | bool | int | float | None


class EqualsIgnoreCase(msgspec.Struct, frozen=True, tag="equals-ignore-case"):
    """A string but for the case of its letters."""

    text: str


class Prefix(msgspec.Struct, frozen=True, tag="prefix"):
    """The beginning of a string."""

    text: str
    ignore_case: bool = False


class Suffix(msgspec.Struct, frozen=True, tag="suffix"):
    """The end of a string."""

    text: str
    ignore_case: bool = False


class AnythingBut(msgspec.Struct, frozen=True, tag="anything-but"):
    """Any value but these: all of them strings, or all of them numbers."""

    values: tuple[str | int | float, ...]


class Numeric(msgspec.Struct, frozen=True, tag="numeric"):
    """A number within bounds; None: no bound on that side.

    Attributes:
        includes_low: Whether the lower bound itself is within.
        includes_high: Whether the upper bound itself is within.
    """

    low: int | float | None = None
    includes_low: bool = False
    high: int | float | None = None
    includes_high: bool = False


class Exists(msgspec.Struct, frozen=True, tag="exists"):
    """Some value, or none; of an object or an array only what is in it is a value."""

    is_wanted: bool


Matcher = Equals | EqualsIgnoreCase | Prefix | Suffix | AnythingBut | Numeric | Exists


class Field(msgspec.Struct, frozen=True):
    """A path and the alternatives for its value."""

    path: str
    matchers: tuple[Matcher, ...]


class Branch(msgspec.Struct, frozen=True):
    """Fields that must all match, ordered by path; no path stands twice."""

    fields: tuple[Field, ...]


class Pattern(msgspec.Struct, frozen=True):
    """Branches of which one must match; one branch where there is no ``$or``."""

    branches: tuple[Branch, ...]


class _Object(list[tuple[str, object]]):
    """A JSON object's members, in order, names repeated as they stand."""


_Matchers = tuple[Matcher, ...]
_Fork = dict[str, _Matchers]


def parse_pattern(text: str) -> Pattern:
    """Read a filter's pattern.

    Args:
        text: A JSON object of at most 4,096 characters.

    Raises:
        FilterPatternError: Lambda would not take it; the reason says why.
    """
    if len(text) > PATTERN_CHARS_MAX:
        raise FilterPatternError(f"a pattern has at most {PATTERN_CHARS_MAX} characters")
    root = _decoded(text)
    if not isinstance(root, _Object):
        raise FilterPatternError("a pattern is a JSON object")
    try:
        forks = _read_object(root, [{}], _Place())
    except FilterPatternError as refused:
        # Ruler, too, takes $or for a name in a second reading. If that fails as well, the first
        # reason is what the author wants to know.
        try:
            forks = _read_object(root, [{}], _Place(knows_or=False))
        except FilterPatternError:
            raise refused from None
    if sum([(1 + path.count(".")) ** 2 for fork in forks for path in fork]) > COMPILED_SIZE_MAX:
        raise FilterPatternError("the pattern is too large once its $or are multiplied out")
    return Pattern(tuple([_branch(fork) for fork in forks]))


def _decoded(text: str) -> object:
    try:
        return json.loads(
            text,
            object_pairs_hook=_Object,
            parse_int=WrittenNumber,
            parse_float=WrittenNumber,
            parse_constant=_refuse_constant,
        )
    except RecursionError:
        raise FilterPatternError(f"a pattern has at most {LEVELS_MAX} levels") from None
    except ValueError as exc:
        raise FilterPatternError(f"a pattern is JSON; this is not: {exc}") from None


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON")


def _branch(fork: _Fork) -> Branch:
    return Branch(tuple([Field(path, fork[path]) for path in sorted(fork, key=_in_java_s_order)]))


def _in_java_s_order(path: str) -> bytes:
    """Order paths as Ruler does, by UTF-16: the order decides where exists: false looks."""
    return path.encode("utf-16-be", "surrogatepass")


class _Place(msgspec.Struct, frozen=True):
    """Where in a pattern the reader is.

    Attributes:
        is_in_or: Below some ``$or``, where the names of operators are refused.
        knows_or: Whether ``$or`` is more than a name.
    """

    path: tuple[str, ...] = ()
    is_in_or: bool = False
    knows_or: bool = True

    def below(self, name: str) -> "_Place":
        return _Place((*self.path, name), self.is_in_or, self.knows_or)

    def shown(self) -> str:
        return json.dumps(".".join(self.path), ensure_ascii=False)


def _read_object(members: _Object, forks: list[_Fork], place: _Place) -> list[_Fork]:
    """Add an object's fields to every fork; ``$or`` makes more of them."""
    if not members:
        raise FilterPatternError("an empty object matches nothing that could be named")
    for name, member in members:
        if name == _OR and place.knows_or:
            forks = _read_or(member, forks, place)
            continue
        if place.is_in_or and name in _RESERVED:
            raise FilterPatternError(f"the name {name!r} is reserved inside $or")
        below = place.below(name)
        if len(below.path) > LEVELS_MAX:
            raise FilterPatternError(f"a pattern has at most {LEVELS_MAX} levels")
        if isinstance(member, _Object):
            forks = _read_object(member, forks, below)
        elif isinstance(member, list):
            _set_field(member, forks, below)
        else:
            raise FilterPatternError(f"{below.shown()} must be an object or an array")
    return forks


def _read_or(member: object, forks: list[_Fork], place: _Place) -> list[_Fork]:
    if not isinstance(member, list) or isinstance(member, _Object):
        raise FilterPatternError("$or must be an array")
    if len(member) < 2:  # noqa: PLR2004 - an "or" of one is none
        raise FilterPatternError("$or must have at least two objects")
    below = _Place(place.path, is_in_or=True)
    forked: list[_Fork] = []
    for alternative in member:
        if not isinstance(alternative, _Object):
            raise FilterPatternError("$or may hold nothing but objects")
        forked += _read_object(alternative, [dict(fork) for fork in forks], below)
        if len(forked) > BRANCHES_MAX:
            raise FilterPatternError(f"$or makes more than {BRANCHES_MAX} combinations")
    return forked


def _set_field(alternatives: Sequence[object], forks: list[_Fork], place: _Place) -> None:
    if not alternatives:
        raise FilterPatternError(f"the array of {place.shown()} is empty")
    matchers = tuple([_matcher(each, place.shown()) for each in alternatives])
    path = ".".join(place.path)
    if path.count(".") >= LEVELS_MAX:
        raise FilterPatternError(f"a pattern has at most {LEVELS_MAX} levels")
    for fork in forks:
        fork[path] = matchers


def _matcher(alternative: object, where: str) -> Matcher:
    if isinstance(alternative, _Object):
        if len(alternative) != 1:
            raise FilterPatternError(f"a rule of {where} must have one operator")
        operator, operand = alternative[0]
        return _operation(operator, operand, where)
    if isinstance(alternative, list):
        raise FilterPatternError(f"{where} has an array within its array")
    if isinstance(alternative, WrittenNumber):
        return Equals(_literal_number(alternative))
    assert alternative is None or isinstance(alternative, str | bool)
    return Equals(alternative)


def _operation(operator: str, operand: object, where: str) -> Matcher:
    match operator:
        case "exists":
            if not isinstance(operand, bool):
                raise FilterPatternError(f"exists of {where} must be true or false")
            return Exists(operand)
        case "equals-ignore-case":
            return EqualsIgnoreCase(_text(operand, operator, where))
        case "prefix" | "suffix":
            kind = Prefix if operator == "prefix" else Suffix
            if isinstance(operand, _Object):
                return kind(_case_blind_text(operand, operator, where), ignore_case=True)
            return kind(_text(operand, operator, where))
        case "anything-but":
            return _anything_but(operand, where)
        case "numeric":
            return _numeric(operand, where)
        case _:
            raise FilterPatternError(
                f"{where} asks for {operator!r:.40}, which event source mappings do not have; they "
                f"have {_OPERATORS}"
            )


def _text(operand: object, operator: str, where: str) -> str:
    if not isinstance(operand, str):
        raise FilterPatternError(f"{operator} of {where} must be a string")
    return operand


def _case_blind_text(operand: _Object, operator: str, where: str) -> str:
    names = [name for name, _ in operand]
    if names != ["equals-ignore-case"]:
        raise FilterPatternError(f"{operator} of {where} takes a string or one equals-ignore-case")
    return _text(operand[0][1], f"{operator} with equals-ignore-case", where)


def _anything_but(operand: object, where: str) -> AnythingBut:
    if isinstance(operand, _Object):
        raise FilterPatternError(
            f"anything-but of {where} takes strings or numbers: event source mappings have no "
            "operator within it"
        )
    values: list[object] = operand if isinstance(operand, list) else [operand]
    texts = [value for value in values if isinstance(value, str)]
    numbers = [_exact_number(v, where) for v in values if isinstance(v, WrittenNumber)]
    if values and len(values) in (len(texts), len(numbers)):
        return AnythingBut((*texts, *numbers))
    raise FilterPatternError(f"anything-but of {where} takes only strings, or only numbers")


def _numeric(operand: object, where: str) -> Numeric:
    """Read ``["=", n]``, one comparison, or a lower bound and then an upper bound."""
    if not isinstance(operand, list) or isinstance(operand, _Object):
        raise FilterPatternError(f"numeric of {where} must be an array")
    match operand:
        case ["=", WrittenNumber() as number]:
            value = _exact_number(number, where)
            return Numeric(value, includes_low=True, high=value, includes_high=True)
        case ["<" | "<=" as upper, WrittenNumber() as number]:
            return Numeric(high=_exact_number(number, where), includes_high=upper == "<=")
        case [">" | ">=" as lower, WrittenNumber() as number]:
            return Numeric(_exact_number(number, where), includes_low=lower == ">=")
        case [">" | ">=" as lower, WrittenNumber() as first, "<" | "<=" as upper, second] if (
            isinstance(second, WrittenNumber)
        ):
            low, high = _exact_number(first, where), _exact_number(second, where)
            if low >= high:
                raise FilterPatternError(f"the lower bound of {where} is not below the upper one")
            return Numeric(low, lower == ">=", high, upper == "<=")
        case _:
            raise FilterPatternError(
                f'numeric of {where} must be ["=", n], one comparison, or a range such as '
                '[">", 0, "<=", 5]'
            )


def _literal_number(number: WrittenNumber) -> Number:
    if number.value in (float("inf"), float("-inf")):
        raise FilterPatternError(f"{number.text:.40} is larger than any number of an event")
    return number.value


def _exact_number(number: WrittenNumber, where: str) -> Number:
    if not number.is_exact:
        raise FilterPatternError(
            f"{number.text:.40} of {where} has more digits than can be compared; quantities have "
            "about 15"
        )
    return number.value

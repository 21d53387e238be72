"""A pattern compiled to nested functions, once, for any number of events.

Within an object the fields of different names are independent. Within a list they are not: fields
that lead through it must match in one and the same element, so each list is looked at as a whole.
``exists: false`` looks at all of a list, or, where an earlier field has chosen an element, at that
element. An event of an unusual shape goes to ``filter_search``, which has the same verdicts.

Source: docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html; arrays as in
    github.com/aws/event-ruler
"""

from collections.abc import Callable, Sequence
from itertools import groupby

from penstock.core.filter_pattern import Branch, Pattern
from penstock.core.filter_search import Want, is_match, want_of
from penstock.core.filter_value import any_of

Predicate = Callable[[object], bool]


class _Missing:
    """What an object holds under a name that it has not."""


class _UnusualShape(Exception):  # noqa: N818 - it is no error, and never leaves this module
    """A list in a list, or a name with a dot that is part of a path."""


_MISSING = _Missing()


def compile_pattern(pattern: Pattern) -> Predicate:
    """Compile a pattern to a test of decoded JSON that never raises.

    Only an object can match. Time is bounded by the event's size, times the number of fields.
    """
    return any_of([compile_branch(branch) for branch in pattern.branches])


def compile_branch(branch: Branch, *, has_plain_root: bool = False) -> Predicate:
    """Compile fields that must all match; see ``compile_pattern``.

    Args:
        branch: Of a pattern.
        has_plain_root: The names of the event itself, not of what is in it, never have dots.
    """
    wants = tuple([want_of(field) for field in branch.fields])
    on_object = _Compiler().compiled(wants, has_plain_names=has_plain_root)

    def test(event: object) -> bool:
        if event.__class__ is not dict:
            return False
        try:
            return on_object(event)
        except _UnusualShape:
            return is_match(wants, event)

    return test


_Wants = tuple[Want, ...]


class _Compiler:
    """Compiles the fields of one branch; what is asked for twice is compiled once."""

    def __init__(self) -> None:
        self._on_objects: dict[_Wants, Predicate] = {}

    def on_object(self, wants: _Wants) -> Predicate:
        """Compile fields below an object."""
        if wants not in self._on_objects:
            self._on_objects[wants] = self.compiled(wants)
        return self._on_objects[wants]

    def compiled(self, wants: _Wants, *, has_plain_names: bool = False) -> Predicate:
        """Compile fields of an object; plain names have no dots."""
        dotted = {
            ".".join(want.steps[:count])
            for want in wants
            if not has_plain_names
            for count in range(2, len(want.steps) + 1)
        }
        groups = [
            (name, self._on_member(tuple([_below(want) for want in group])))
            for (_, name), group in groupby(sorted(wants, key=_nearest_first), _nearest_first)
        ]
        return _on_members(groups, dotted)

    def _on_member(self, wants: _Wants) -> Predicate:
        """Compile fields that begin with one name, for whatever the name holds."""
        if not wants[0].steps:
            return _on_leaf(wants[0])
        on_object = self.on_object(wants)
        on_list = self._on_list(wants)
        when_absent = all(want.allows_absence for want in wants)

        def test(value: object) -> bool:
            kind = value.__class__
            if kind is dict:
                return on_object(value)
            return on_list(value) if kind is list else when_absent

        return test

    def _on_list(self, wants: _Wants) -> Predicate:
        if not any(want.allows_absence for want in wants):
            return _in_one_element(self.on_object(wants))
        return lambda value: self._is_list_match(wants, value)  # type: ignore[arg-type]  # it is given lists

    def _is_list_match(self, wants: _Wants, elements: list[object]) -> bool:
        """Match fields of which some may be absent."""
        if any(element.__class__ is list for element in elements):
            raise _UnusualShape
        objects = [element for element in elements if element.__class__ is dict]
        for position, want in enumerate(wants):
            if want.allows_absence and not any(map(self.on_object((_any_value(want),)), objects)):
                continue
            # A value it is: of one element, in which the fields after it must match as well.
            first = Want(want.steps, want.test, allows_absence=False)
            return any(map(self.on_object((first, *wants[position + 1 :])), objects))
        return True


def _nearest_first(want: Want) -> tuple[bool, str]:
    """Part fields by name, an object's own values first: they cost least to look at.

    A list's own values and what its elements have are independent of each other, too.
    """
    return len(want.steps) > 1, want.steps[0]


def _below(want: Want) -> Want:
    return Want(want.steps[1:], want.test, want.allows_absence)


def _is_present(_: object) -> bool:
    return True


def _any_value(want: Want) -> Want:
    return Want(want.steps, _is_present, allows_absence=False)


def _on_members(groups: Sequence[tuple[str, Predicate]], dotted: set[str]) -> Predicate:
    if len(groups) == 1 and not dotted:
        ((name, on_member),) = groups
        return lambda members: on_member(members.get(name, _MISSING))  # type: ignore[attr-defined]  # it is given dicts
    names = tuple(sorted(dotted))

    def test(members: dict[str, object]) -> bool:
        for name in names:
            if name in members:
                raise _UnusualShape
        for name, on_member in groups:  # noqa: SIM110 - a generator takes twice the time
            if not on_member(members.get(name, _MISSING)):
                return False
        return True

    return test  # type: ignore[return-value]  # it is given dicts


def _on_leaf(want: Want) -> Predicate:
    test_value = want.test
    when_absent = want.allows_absence

    def test(value: object) -> bool:
        kind = value.__class__
        if kind is list:
            return _is_list_leaf(want, value)  # type: ignore[arg-type]  # the class is checked
        if kind is dict or value is _MISSING:
            return when_absent
        return test_value(value)

    return test


def _is_list_leaf(want: Want, elements: list[object]) -> bool:
    is_absent = True
    for element in elements:
        kind = element.__class__
        if kind is list:
            raise _UnusualShape
        if kind is not dict:
            if want.test(element):
                return True
            is_absent = False
    return is_absent and want.allows_absence


def _in_one_element(on_object: Predicate) -> Predicate:
    def test(elements: list[object]) -> bool:
        for element in elements:
            kind = element.__class__
            if kind is list:
                raise _UnusualShape
            if kind is dict and on_object(element):
                return True
        return False

    return test  # type: ignore[return-value]  # it is given lists

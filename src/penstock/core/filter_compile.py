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
from penstock.core.filter_search import Want, is_match
from penstock.core.filter_value import allows_absence, any_of, value_test

Predicate = Callable[[object], bool]


class _Missing:
    """What an object holds under a name that it has not."""


class _UnusualShape(Exception):  # noqa: N818 - it is no error: it never leaves this module
    """A list in a list, or a name with a dot that is part of a path."""


_MISSING = _Missing()


def compile_pattern(pattern: Pattern) -> Predicate:
    """Compile a pattern to a test of decoded JSON that never raises.

    Only an object can match. Time is bounded by the event's size, times the number of fields.
    """
    return any_of([compile_branch(branch) for branch in pattern.branches])


def compile_branch(branch: Branch) -> Predicate:
    """Compile fields that must all match; see ``compile_pattern``."""
    wants = tuple(
        [
            Want(
                tuple(field.path.split(".")),
                value_test(field.matchers),
                allows_absence(field.matchers),
            )
            for field in branch.fields
        ]
    )
    on_object = _Compiler().on_object(wants)

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
        """Compile fields below an object; one without steps is the object's own, and is absent."""
        if wants not in self._on_objects:
            self._on_objects[wants] = self._compiled(wants)
        return self._on_objects[wants]

    def _compiled(self, wants: _Wants) -> Predicate:
        if wants and not wants[0].steps:
            if not wants[0].allows_absence:
                return lambda _: False
            wants = wants[1:]
        dotted = {
            ".".join(want.steps[:count])
            for want in wants
            for count in range(2, len(want.steps) + 1)
        }
        groups = [
            (name, self._on_member(tuple([_below(want) for want in group])))
            for name, group in groupby(sorted(wants, key=_first_step), key=_first_step)
        ]
        return _on_members(groups, dotted)

    def _on_member(self, wants: _Wants) -> Predicate:
        """Compile fields of one name, for whatever the name holds."""
        if len(wants) == 1 and not wants[0].steps:
            return _on_leaf(wants[0])
        on_object = self.on_object(wants)
        on_list = self._on_list(wants)
        on_scalar = _on_scalar(wants)

        def test(value: object) -> bool:
            kind = value.__class__
            if kind is dict:
                return on_object(value)
            return on_list(value) if kind is list else on_scalar(value)

        return test

    def _on_list(self, wants: _Wants) -> Predicate:
        if all(want.steps and not want.allows_absence for want in wants):
            return _in_one_element(self.on_object(wants))
        return lambda value: self._is_list_match(wants, value)  # type: ignore[arg-type]  # it is given lists

    def _is_list_match(self, wants: _Wants, elements: list[object]) -> bool:
        """Match fields of which some may be absent, or which are of the list's own values."""
        objects = [element for element in elements if element.__class__ is dict]
        values = [e for e in elements if e.__class__ is not dict and e.__class__ is not list]
        if len(objects) + len(values) < len(elements):
            raise _UnusualShape
        if not wants[0].steps:
            is_met = any(map(wants[0].test, values)) if values else wants[0].allows_absence
            if not is_met:
                return False
            wants = wants[1:]
        for position, want in enumerate(wants):
            if want.allows_absence and not any(map(self.on_object((_any_value(want),)), objects)):
                continue
            # A value it is: of one element, in which the fields after it must match as well.
            first = Want(want.steps, want.test, allows_absence=False)
            return any(map(self.on_object((first, *wants[position + 1 :])), objects))
        return True


def _first_step(want: Want) -> str:
    return want.steps[0]


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


def _on_scalar(wants: _Wants) -> Predicate:
    """Compile for a value that has no members, or for none."""
    below = all(want.allows_absence for want in wants if want.steps)
    if wants[0].steps or not below:
        return lambda _: below
    own = wants[0]
    return lambda value: own.allows_absence if value is _MISSING else own.test(value)


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

"""A branch held against an event of an unusual shape: lists in lists, names with dots in them.

The compiled test of ``filter_compile`` walks objects and lists of objects. Here every value of
every path is gathered first, with its place in the lists that it stands in; then values are chosen
field after field, such that no two of them stand in different elements of one list.

Source: github.com/aws/event-ruler
"""

from collections.abc import Iterator, Sequence

import msgspec

from penstock.core.filter_pattern import Field
from penstock.core.filter_value import ValueTest, allows_absence, value_test

# A choice that takes longer is none: only a value made for it does.
CHOICES_MAX = 100_000


class Want(msgspec.Struct, frozen=True):
    """A field: where it is, what it may hold, and whether it may be missing."""

    steps: tuple[str, ...]
    test: ValueTest
    allows_absence: bool


def want_of(field: Field) -> Want:
    """Compile what a pattern says of a field."""
    steps = tuple(field.path.split("."))
    return Want(steps, value_test(field.matchers), allows_absence(field.matchers))


class Element(msgspec.Struct, frozen=True, gc=False):
    """An element of a list, and the element of an outer list that the list stands in."""

    list_id: int
    index: int
    outer: "Element | None"


class Held(msgspec.Struct, frozen=True, gc=False):
    """A value at a field's path, and the innermost element that it stands in."""

    value: object
    element: Element | None


def held_values(steps: Sequence[str], event: object) -> Iterator[Held]:
    """Give every value at a path; of objects and lists only what is in them is a value."""
    pending: list[tuple[object, int, Element | None]] = [(event, 0, None)]
    while pending:
        value, depth, element = pending.pop()
        if value.__class__ is dict:
            pending += [
                (value[name], depth + count, element)
                for count in range(1, len(steps) - depth + 1)
                if (name := ".".join(steps[depth : depth + count])) in value
            ]
        elif value.__class__ is list:
            for index, inner in enumerate(value):
                if inner.__class__ is dict or inner.__class__ is list:
                    pending.append((inner, depth, Element(id(value), index, element)))
                elif depth == len(steps):
                    yield Held(inner, element)
        elif depth == len(steps):
            yield Held(value, element)


def is_match(wants: Sequence[Want], event: object) -> bool:
    """Tell whether values can be chosen for all fields; the order of fields is the pattern's."""
    if len(wants) == 1:
        return _is_single_match(wants[0], event)
    return _Search(wants, event).succeeds()


def _is_single_match(want: Want, event: object) -> bool:
    is_absent = True
    for held in held_values(want.steps, event):
        if want.test(held.value):
            return True
        is_absent = False
    return is_absent and want.allows_absence


_Chosen = dict[int, int]  # the element's index by the list's id


class _Search:
    """Tries values field after field, and takes a choice back that a later field cannot follow."""

    def __init__(self, wants: Sequence[Want], event: object) -> None:
        self._wants = wants
        self._held = [tuple(held_values(want.steps, event)) for want in wants]
        self._left = CHOICES_MAX + sum(map(len, self._held))

    def succeeds(self) -> bool:
        pending = [self._choices(0, {})]
        while pending:
            chosen = next(pending[-1], None)
            if chosen is None:
                pending.pop()
            elif len(pending) == len(self._wants):
                return True
            else:
                pending.append(self._choices(len(pending), chosen))
        return False

    def _choices(self, position: int, chosen: _Chosen) -> Iterator[_Chosen]:
        want = self._wants[position]
        is_absent = True
        for held in self._held[position]:
            added = self._added(held.element, chosen)
            if self._left < 0:
                return
            if added is None:
                continue
            is_absent = False
            if want.test(held.value):
                yield {**chosen, **added} if added else chosen
        if is_absent and want.allows_absence:
            yield chosen

    def _added(self, element: Element | None, chosen: _Chosen) -> _Chosen | None:
        """What a value adds to the elements chosen so far; None where it contradicts them."""
        added: _Chosen = {}
        self._left -= 1
        while element is not None:
            self._left -= 1
            index = chosen.get(element.list_id)
            if index is None:
                added[element.list_id] = element.index
            elif index != element.index:
                return None
            element = element.outer
        return added

"""Numbers of filters and events: compared by value, as far as a binary64 holds them.

Source: github.com/aws/event-ruler
"""

import decimal
import math

INTEGER_EXACT_MAX = 2**53  # every whole number up to it is a binary64

Number = int | float


def is_number(value: object) -> bool:
    """Tell whether a decoded JSON value is a number; true and false are none."""
    return value.__class__ is int or value.__class__ is float


def is_comparable(number: Number) -> bool:
    """Tell whether a number can be ordered: a binary64 has it without loss.

    Ruler compares a number with the shortest decimal of its binary64. One that differs, such as
    12345678901234567890, equals only itself.
    """
    if number.__class__ is float:
        return math.isfinite(number)
    if -INTEGER_EXACT_MAX <= number <= INTEGER_EXACT_MAX:
        return True
    try:
        nearest = float(number)
    except OverflowError:
        return False
    return decimal.Decimal(repr(nearest)) == number


def equal_numbers(wanted: Number, held: Number) -> bool:
    """Tell whether an event's number is the one of a pattern: 300, 300.0 and 3e2 are.

    Where one of the two cannot be ordered, both must be the same whole number.
    """
    if wanted != held:
        return False
    return (is_comparable(wanted) and is_comparable(held)) or wanted.__class__ is held.__class__


class WrittenNumber:
    """A number of a pattern, as written and as a value."""

    __slots__ = ("is_exact", "text", "value")

    def __init__(self, text: str) -> None:
        self.text = text
        nearest = float(text)
        self.value: Number = nearest
        self.is_exact = math.isfinite(nearest) and _is_shortest(text, nearest)
        if text.lstrip("-").isdecimal() and math.isfinite(nearest):
            self.value = int(text)


def _is_shortest(text: str, nearest: float) -> bool:
    try:
        return decimal.Decimal(text) == decimal.Decimal(repr(nearest))
    except decimal.InvalidOperation:  # an exponent of more than 18 digits
        return False

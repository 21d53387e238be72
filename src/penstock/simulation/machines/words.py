"""Inputs and commands in words, the same in every process."""

import msgspec

from penstock.model.message import Message
from penstock.model.stream import StreamRecord

_TEXT_MAX = 80


class Words:
    """A value that is put into words only when somebody reads it."""

    __slots__ = ("_value",)

    def __init__(self, value: msgspec.Struct) -> None:
        self._value = value

    def __str__(self) -> str:
        name, _, rest = put(self._value).partition("(")
        del name  # it is the event's own
        return rest.removesuffix(")")


def put(value: object) -> str:
    """Put a value into words: messages by their receipt handles, functions by their names."""
    match value:
        case Message(receipt_handle=handle):
            text = handle
        case StreamRecord(sequence_number=number):
            text = number
        case tuple() | list():
            text = f"[{' '.join(map(put, value))}]"
        case set() | frozenset():
            text = f"{{{' '.join(sorted(map(put, value)))}}}"
        case msgspec.Struct():
            fields = [
                f"{name}={put(getattr(value, name))}"
                for name, default in zip(value.__struct_fields__, _defaults_of(value), strict=True)
                if getattr(value, name) != default
            ]
            text = f"{type(value).__name__}({', '.join(fields)})"
        case bytes() | msgspec.Raw():
            text = bytes(value)[:_TEXT_MAX].decode(errors="replace")
        case str():
            text = value.rpartition(":")[2]
        case _:
            text = str(value)
    return text


def _defaults_of(value: msgspec.Struct) -> list[object]:
    given = value.__struct_defaults__
    missing: list[object] = [_MISSING] * (len(value.__struct_fields__) - len(given))
    return [*missing, *given]


_MISSING = object()

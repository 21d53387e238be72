"""What a test puts into a source, as it gave it and as the source keeps it."""

import json
from collections.abc import Iterable, Sequence

import msgspec

from penstock.model.errors import ConfigurationError

_PREVIEW_CHARS_MAX = 40


class Entry(msgspec.Struct, frozen=True, eq=False):
    """One record or message that a test put.

    Attributes:
        number: Counts from 1 within its source, in the order of putting.
        value: As it was given.
        identity: Its message id, or its sequence number.
        shard: Of a stream's record.
        body: What the source keeps of the value: without its key and the like.
    """

    number: int
    value: object
    identity: str
    shard: str = ""
    body: object = None

    def preview(self) -> str:
        """Show the value, cut short."""
        text = " ".join(str(self.value if self.body is None else self.body).split())
        return text if len(text) <= _PREVIEW_CHARS_MAX else text[: _PREVIEW_CHARS_MAX - 1] + "…"


def write_value(value: object, *, what: str, bytes_max: int) -> bytes:
    """Write a value as a source keeps it: bytes and text as they are, anything else as JSON.

    Args:
        value: What the test gave.
        what: Names it in errors.
        bytes_max: The source's own limit.

    Raises:
        ConfigurationError: It cannot be written as JSON, or is too large.
    """
    if isinstance(value, bytes | bytearray | memoryview):
        written = bytes(value)
    else:
        text = value if isinstance(value, str) else _to_json(value, what)
        try:
            written = text.encode()
        except UnicodeEncodeError as exc:
            raise ConfigurationError(f"{what} holds half a surrogate pair: {exc.reason}") from exc
    if len(written) > bytes_max:
        raise ConfigurationError(f"{what} has {len(written)} bytes; AWS takes {bytes_max} at most")
    return written


def _to_json(value: object, what: str) -> str:
    try:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as exc:
        raise ConfigurationError(
            f"{what} cannot be written as JSON ({exc}); give JSON-able values, text or bytes"
        ) from exc


def is_whole(given: object, least: int, most: int) -> bool:
    """Tell whether something is a whole number of a range; a truth value is none."""
    return isinstance(given, int) and not isinstance(given, bool) and least <= given <= most


def name_entries(entries: Sequence[Entry]) -> str:
    """Name entries by their numbers, runs of them shortened: ``#1 to #3, #7``."""
    runs: list[tuple[int, int]] = []
    for number in (entry.number for entry in entries):
        if runs and number == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return ", ".join(_name_run(first, last) for first, last in runs) or "nothing"


def _name_run(first: int, last: int) -> str:
    if first == last:
        return f"#{first}"
    return f"#{first}, #{last}" if last == first + 1 else f"#{first} to #{last}"


def count_of(entries: Iterable[object], noun: str) -> str:
    """Say how many there are: ``1 record``, ``3 records``."""
    count = sum(1 for _ in entries)
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"

"""Strict reading of one TOML table into a struct, with errors that name the key and the choices."""

import re
from collections.abc import Collection, Mapping
from typing import TypeVar

import msgspec

from penstock.model.errors import ConfigurationError
from penstock.model.suggestion import suggest

StructT = TypeVar("StructT", bound=msgspec.Struct)


_STEP = re.compile(r"\.(?P<key>[\w-]+)|\[(?P<index>\d+)\]")


class Place(msgspec.Struct, frozen=True):
    """Where in a file a value stands: ``Place("penstock.toml", "functions.orders")``.

    Attributes:
        origins: For a document that was made of another: by a key of it, what to name instead of
            file and key. What stands below such a key is named after it.
    """

    file: str
    key: str = ""
    origins: dict[str, str] = {}

    def at(self, key: str) -> "Place":
        """Go one key down."""
        return Place(self.file, f"{self.key}.{key}" if self.key else key, self.origins)

    def at_index(self, index: int) -> "Place":
        """Go to the table with that index in an array of tables."""
        return Place(self.file, f"{self.key}[{index}]", self.origins)

    def error(self, text: str) -> ConfigurationError:
        """Say in one line what is wrong here."""
        return ConfigurationError(f"{self._shown}: {text}")

    @property
    def _shown(self) -> str:
        ends = [step.start() for step in _STEP.finditer(self.key)] + [len(self.key)]
        for end in reversed(ends):
            if self.key[:end] in self.origins:
                return self.origins[self.key[:end]] + self.key[end:]
        return f"{self.file}: {self.key}" if self.key else self.file


def expect_table(value: object, place: Place) -> dict[str, object]:
    """Refuse anything but a table."""
    if not isinstance(value, dict):
        raise place.error(f"expected a table, got {describe(value)}")
    return value


def expect_tables(value: object, place: Place) -> list[tuple[dict[str, object], Place]]:
    """Refuse anything but an array of tables; give each with its place."""
    if not isinstance(value, list):
        raise place.error(f"expected [[{place.key}]] tables, got {describe(value)}")
    places = [place.at_index(index) for index in range(len(value))]
    return [(expect_table(table, where), where) for table, where in zip(value, places, strict=True)]


def describe(value: object) -> str:
    """Say the type and the value that was given, shortened: ``str ('30')``."""
    text = repr(value)
    shown = text if len(text) <= _SHOWN_CHARACTERS_MAX else text[:_SHOWN_CHARACTERS_MAX] + "..."
    return f"{type(value).__name__} ({shown})"


_SHOWN_CHARACTERS_MAX = 60  # an error stays one line


def refuse_unknown_keys(table: Mapping[str, object], known: Collection[str], place: Place) -> None:
    """Refuse the first key that is not known, naming the nearest one that is."""
    for key in table:
        if key not in known:
            raise place.at(key).error(f"unknown key; {suggest(key, known, 'keys')}")


def read_table(table: Mapping[str, object], shape: type[StructT], place: Place) -> StructT:
    """Read a table into ``shape``.

    Raises:
        ConfigurationError: An unknown key, a missing one, a wrong type or a value out of range.
    """
    refuse_unknown_keys(table, shape.__struct_encode_fields__, place)
    try:
        return msgspec.convert(table, shape)
    except msgspec.ValidationError as exc:
        raise _explain(str(exc), table, place) from exc


_WRONG_VALUE = re.compile(r"(?P<text>.*) - at `\$\.(?P<key>\w+)(?P<rest>.*)`")
_MISSING = re.compile(r"Object missing required field `(?P<key>\w+)`")


def _explain(message: str, table: Mapping[str, object], place: Place) -> ConfigurationError:
    """Turn msgspec's message into ours: the key's full path first, then the value that was given.

    msgspec words it ``Expected `int`, got `str` - at `$.Timeout```.
    """
    missing = _MISSING.match(message)
    if missing is not None:
        return place.error(f"{missing['key']} is missing")
    wrong = _WRONG_VALUE.match(message)
    if wrong is None:
        return place.error(message)
    expected = wrong["text"].replace("`", "").split(", got ")[0]
    expected = expected[0].lower() + expected[1:]
    expected = expected.replace("expected object", "expected a table")  # as TOML calls it
    expected = expected.removesuffix(" | null")  # which TOML does not have
    inner = wrong["rest"] if wrong["rest"] != "[...]" else ""
    value = _value_at(table[wrong["key"]], inner)
    return place.at(wrong["key"] + inner).error(f"{expected}, got {describe(value)}")


def _value_at(value: object, path: str) -> object:
    """Give what stands at a path like ``.initial`` or ``[0]``, as far as it can be followed."""
    for step in _STEP.finditer(path):
        if step["index"] is not None and isinstance(value, list):
            value = value[int(step["index"])]
        elif isinstance(value, dict):
            value = value.get(step["key"], value)
    return value

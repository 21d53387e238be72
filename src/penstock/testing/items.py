"""DynamoDB's attribute values, from plain Python ones; and how large DynamoDB says they are.

Source: docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_AttributeValue.html
"""

import base64
import math
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from decimal import Decimal
from typing import Any

from penstock.model.errors import ConfigurationError

AttributeValue = dict[str, Any]

_DIGITS_MAX = 38
_DEPTH_MAX = 32
_ITEM_BYTES_MAX = 400 * 1024


def to_attributes(item: Mapping[str, object], *, what: str) -> dict[str, AttributeValue]:
    """Give an item's attributes in DynamoDB's JSON: ``{"id": {"N": "1"}}``.

    Raises:
        ConfigurationError: An attribute is of no type that DynamoDB has, or the item too large.
    """
    attributes = {}
    for name, value in item.items():
        if not name:
            raise ConfigurationError(f"{what}: an attribute has a name")
        attributes[name] = _to_attribute(value, f"{what}, {name}", 0)
    size = item_bytes(attributes)
    if size > _ITEM_BYTES_MAX:
        raise ConfigurationError(f"{what} has {size} bytes; DynamoDB takes {_ITEM_BYTES_MAX}")
    return attributes


def item_bytes(item: Mapping[str, AttributeValue]) -> int:
    """Count an item's bytes as DynamoDB does.

    Source: docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
    """
    return sum(len(name.encode()) + _attribute_bytes(value) for name, value in item.items())


def _to_attribute(value: object, what: str, depth: int) -> AttributeValue:  # noqa: PLR0911
    if depth > _DEPTH_MAX:
        raise ConfigurationError(f"{what}: nested deeper than {_DEPTH_MAX}")
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case str():
            return {"S": value}
        case int() | float() | Decimal():
            return {"N": _to_number(value, what)}
        case bytes() | bytearray():
            return {"B": base64.b64encode(value).decode()}
        case Mapping():
            return {
                "M": {
                    str(name): _to_attribute(each, what, depth + 1) for name, each in value.items()
                }
            }
        case list() | tuple():
            return {"L": [_to_attribute(each, what, depth + 1) for each in value]}
        case AbstractSet():
            return _to_set(value, what)
        case _:
            raise ConfigurationError(
                f"{what}: DynamoDB has no type for {type(value).__name__}; give text, numbers, "
                "bytes, booleans, None, lists, dicts or sets"
            )


def _to_set(values: Iterable[object], what: str) -> AttributeValue:
    attributes = [_to_attribute(each, what, 0) for each in values]
    kinds = {kind for attribute in attributes for kind in attribute}
    if len(kinds) != 1 or not kinds <= {"S", "N", "B"}:
        raise ConfigurationError(
            f"{what}: a set has members, all of one type: text, numbers or bytes"
        )
    kind = kinds.pop()
    return {f"{kind}S": sorted(str(attribute[kind]) for attribute in attributes)}


def _to_number(value: float | Decimal, what: str) -> str:
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not math.isfinite(number) or len(number.normalize().as_tuple().digits) > _DIGITS_MAX:
        raise ConfigurationError(f"{what}: {value} is no number of up to {_DIGITS_MAX} digits")
    text = format(number.normalize(), "f")
    return "0" if number == 0 else text


def _attribute_bytes(attribute: Mapping[str, Any]) -> int:
    (kind, value), *_ = attribute.items()
    match kind:
        case "S" | "N" | "B":
            return _scalar_bytes(kind, value)
        case "BOOL" | "NULL":
            return 1
        case "M":
            return 3 + sum(
                len(name.encode()) + 1 + _attribute_bytes(v) for name, v in value.items()
            )
        case "L":
            return 3 + sum(1 + _attribute_bytes(each) for each in value)
        case _:
            return sum(_attribute_bytes({kind[0]: each}) for each in value)


def _scalar_bytes(kind: str, text: str) -> int:
    if kind == "N":
        return _number_bytes(text)
    return len(text.encode()) if kind == "S" else len(base64.b64decode(text))


def _number_bytes(text: str) -> int:
    """Count a number's bytes: two significant digits in one, and one more, and one for a sign."""
    digits = text.lstrip("-").replace(".", "").strip("0")
    return (len(digits) + 1) // 2 + 1 + text.startswith("-")

"""Requests against AWS's own model of Lambda: types, required members, ranges, patterns, enums.

The model is botocore's ``lambda`` service model, loaded on the first request that needs it
(40 ms), so that AWS's contract is read and not retyped.

1. A member of the wrong JSON type is a SerializationException; the first one is told.
2. A member that the operation does not have is refused: AWS ignores it, and what is ignored here
   would be an option that does nothing.
3. All violated constraints are told at once, in a ValidationException.
4. A null is an absent member, as AWS reads it; in a list or a map it breaks a constraint.
5. A value that the model calls sensitive, such as a function's variables, is in no error.

Source: recorded answers of AWS (the texts); docs/semantics.md#request-validation
"""

import functools
import re
from collections.abc import Iterator, Mapping
from unicodedata import category

from botocore.loaders import Loader
from botocore.model import ServiceModel, Shape

from penstock.api.errors import SERIALIZATION, VALIDATION, ApiError, invalid_parameter
from penstock.model.suggestion import suggest

_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "blob": (str,),
    "boolean": (bool,),
    "double": (int, float),
    "float": (int, float),
    "integer": (int,),
    "list": (list,),
    "long": (int,),
    "map": (dict,),
    "string": (str,),
    "structure": (dict,),
    "timestamp": (int, float, str),
}
_JSON_NAMES = {bool: "BOOLEAN_VALUE", int: "NUMBER_VALUE", float: "NUMBER_VALUE"} | {
    str: "STRING_VALUE",
    list: "Start of list",
    dict: "Start of structure or map",
}
_MEASURED_BY_LENGTH = ("blob", "list", "map", "string")
_CATEGORY = re.compile(r"\\p\{([A-Z])\}")
_ANY_LETTER = "a"
# AWS prints a set of its own order, not the model's; where the order was recorded, it is kept.
_RECORDED_ENUM_ORDER = {"EventSourcePosition": ["LATEST", "AT_TIMESTAMP", "TRIM_HORIZON"]}


class WrongTypeError(ApiError):
    """A member has the wrong JSON type.

    Attributes:
        path: To the member, as AWS spells it: ``scalingConfig.maximumConcurrency``.
        wanted: The model's type, for example ``integer``.
    """

    def __init__(self, value: object, *, path: str, wanted: str) -> None:
        given = _JSON_NAMES.get(type(value), "null")
        super().__init__(SERIALIZATION, f"{given} can not be converted to {wanted} at '{path}'")
        self.value = value
        self.path = path
        self.wanted = wanted


def check_parameters(operation: str, parameters: Mapping[str, object]) -> None:
    """Hold a request against the model.

    Args:
        operation: As the model names it, for example ``CreateEventSourceMapping``.
        parameters: The members of its input by name, wherever the request carried them.

    Raises:
        WrongTypeError: A member has the wrong type.
        ApiError: They break the model otherwise.
    """
    shape = _load_model().operation_model(operation).input_shape
    unknown = [name for name in parameters if name not in shape.members]
    if unknown:
        choices = suggest(unknown[0], shape.members, "parameters")
        raise invalid_parameter(f"{operation} has no parameter {unknown[0]!r}; {choices}")
    violations = list(_structure_violations(shape, parameters, ""))
    if violations:
        count = len(violations)
        noun = "error" if count == 1 else "errors"
        raise ApiError(VALIDATION, f"{count} validation {noun} detected: {'; '.join(violations)}")


@functools.cache
def _load_model() -> ServiceModel:
    return ServiceModel(Loader().load_service_model("lambda", "service-2"), "lambda")


def _violations(shape: Shape, value: object, path: str) -> Iterator[str]:
    _check_type(shape, value, path)
    for constraint in (*_broken_constraints(shape, value), *_broken_by_members(shape, value, path)):
        yield f"{_told(shape, value)} at '{path}' failed to satisfy constraint: {constraint}"
    match value:
        case dict() if shape.type_name == "structure":
            yield from _structure_violations(shape, value, f"{path}.")
        case list() if shape.member.type_name == "structure":
            for position, member in enumerate(value, start=1):
                yield from _listed_violations(shape.member, member, f"{path}.{position}.member")


def _told(shape: Shape, value: object) -> str:
    """Give a value that is wrong, but for those that the model calls sensitive."""
    return "Value" if shape.metadata.get("sensitive") else f"Value '{_print(value)}'"


def _listed_violations(shape: Shape, value: object, path: str) -> Iterator[str]:
    if value is None:
        yield _null_at(path)
    else:
        yield from _violations(shape, value, path)


def _null_at(path: str) -> str:
    return f"Value null at '{path}' failed to satisfy constraint: Member must not be null"


def _check_type(shape: Shape, value: object, path: str) -> None:
    fits = isinstance(value, _PYTHON_TYPES[shape.type_name])
    if not fits or (isinstance(value, bool) and shape.type_name != "boolean"):
        raise WrongTypeError(value, path=path, wanted=shape.type_name)


def _structure_violations(shape: Shape, value: Mapping[str, object], prefix: str) -> Iterator[str]:
    for name in shape.required_members:
        if value.get(name) is None:
            yield _null_at(prefix + _camel(name))
    for name, member in value.items():
        if name not in shape.members:
            choices = suggest(name, shape.members, "members")
            raise invalid_parameter(f"{prefix.rstrip('.')} has no member {name!r}; {choices}")
        if member is not None:
            yield from _violations(shape.members[name], member, prefix + _camel(name))


def _broken_by_members(shape: Shape, value: object, path: str) -> Iterator[str]:
    """Hold scalars in a list or map against their shape; AWS tells of the whole, and once."""
    match value:
        case dict() if shape.type_name == "map":
            yield from _broken_by(shape.key, list(value), path, "Map keys")
            yield from _broken_by(shape.value, list(value.values()), path, "Map value")
        case list() if shape.member.type_name != "structure":
            yield from _broken_by(shape.member, value, path, "Member")


def _broken_by(shape: Shape, members: list[object], path: str, noun: str) -> Iterator[str]:
    for member in members:
        if member is not None:
            _check_type(shape, member, path)
    if not all(_is_within(shape, member) for member in members):
        yield f"{noun} must satisfy constraint: [{', '.join(_member_constraints(shape))}]"


def _is_within(shape: Shape, member: object) -> bool:
    return member is not None and next(_broken_constraints(shape, member), None) is None


def _member_constraints(shape: Shape) -> Iterator[str]:
    """Give all constraints of a list's or a map's members: AWS tells of all when one is broken."""
    limits = shape.metadata
    quality = "length" if shape.type_name in _MEASURED_BY_LENGTH else "value"
    if "max" in limits:
        yield f"Member must have {quality} less than or equal to {limits['max']}"
    if "min" in limits:
        yield f"Member must have {quality} greater than or equal to {limits['min']}"
    if "pattern" in limits:
        yield f"Member must satisfy regular expression pattern: {limits['pattern']}"
    if "enum" in limits:
        yield f"Member must satisfy enum value set: [{', '.join(limits['enum'])}]"
    yield "Member must not be null"


def _broken_constraints(shape: Shape, value: object) -> Iterator[str]:
    limits = shape.metadata
    match value:
        case bool() | dict():
            return
        case int() | float():
            size, quality = value, "value"
        case str() | list():
            size, quality = len(value), "length"
        case _:
            return
    if size < limits.get("min", size):
        yield f"Member must have {quality} greater than or equal to {limits['min']}"
    if size > limits.get("max", size):
        yield f"Member must have {quality} less than or equal to {limits['max']}"
    if isinstance(value, str):
        if not _matches(limits.get("pattern", ".*"), value):
            yield f"Member must satisfy regular expression pattern: {limits['pattern']}"
        if "enum" in limits and value not in limits["enum"]:
            choices = _RECORDED_ENUM_ORDER.get(shape.name, limits["enum"])
            yield f"Member must satisfy enum value set: [{', '.join(choices)}]"


def _matches(pattern: str, value: str) -> bool:
    if "\\p{" in pattern:
        pattern, value = _without_categories(pattern, value)
    return re.fullmatch(pattern, value, re.DOTALL) is not None


def _without_categories(pattern: str, value: str) -> tuple[str, str]:
    r"""Give the same question without ``\p{L}`` and its like, which Python's expressions lack.

    One letter stands for all of the categories that the pattern names, in both; no pattern of the
    model names a letter beside them.
    """
    categories = set(_CATEGORY.findall(pattern))
    plain = [_ANY_LETTER if category(each)[0] in categories else each for each in value]
    return _CATEGORY.sub(_ANY_LETTER, pattern), "".join(plain)


def _print(value: object) -> str:
    """Give a value as AWS's errors do."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case list():
            return f"[{', '.join(map(_print, value))}]"
        case dict():
            members = (f"{key}={_print(member)}" for key, member in value.items())
            return f"{{{', '.join(members)}}}"
        case _:
            return str(value)


def _camel(name: str) -> str:
    return name[0].lower() + name[1:]

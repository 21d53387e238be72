"""Gives a template's parameters their values, and holds these against what the template allows.

A value is text, or a list of texts, as everywhere in CloudFormation: it takes its type where it is
used.

Source: docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html
"""

import re
from collections.abc import Mapping

import msgspec

from penstock.local.template.document import Template, Where
from penstock.model.arn import Scope
from penstock.model.errors import ConfigurationError
from penstock.model.suggestion import suggest

STACK_NAME_DEFAULT = "local"
# What another tool may say for its own use, as sam local does.
PSEUDO_PARAMETERS = (
    "AWS::AccountId",
    "AWS::Partition",
    "AWS::Region",
    "AWS::StackId",
    "AWS::StackName",
    "AWS::URLSuffix",
)
_GIVEN_PSEUDO_PARAMETERS = ("AWS::AccountId", "AWS::Region", "AWS::StackName")
_STACK_NUMBER = "00000000-0000-0000-0000-000000000000"
_SSM = "AWS::SSM::Parameter::Value<"
_NUMBER = re.compile(r"[-+]?\d+(\.\d*)?([eE][-+]?\d+)?|[-+]?\.\d+")
_PROPERTIES = (
    *("Type", "Default", "NoEcho", "AllowedValues", "AllowedPattern", "MinLength", "MaxLength"),
    *("MinValue", "MaxValue", "Description", "ConstraintDescription"),
)


class Parameters(msgspec.Struct, frozen=True):
    """The values of parameters and pseudo parameters, by name.

    Attributes:
        unread: Those whose value is in SSM, which nothing here reads.
        hidden_values: Of those with NoEcho: they are printed nowhere.
    """

    values: dict[str, object]
    unread: frozenset[str]
    hidden_values: tuple[str, ...]

    @property
    def scope(self) -> Scope:
        """The account and region of the stack."""
        return Scope(str(self.values["AWS::AccountId"]), str(self.values["AWS::Region"]))


def read_parameters(template: Template, given: Mapping[str, str], scope: Scope) -> Parameters:
    """Give every parameter its value.

    Args:
        template: Declares them.
        given: Values by name; some pseudo parameters may be among them.
        scope: Account and region, where ``given`` has none.

    Raises:
        ConfigurationError: A value is missing, is not allowed, or is of no parameter.
    """
    declared = template.section("Parameters")
    for name in given:
        if name not in declared and name not in _GIVEN_PSEUDO_PARAMETERS:
            choices = suggest(name, (*declared, *_GIVEN_PSEUDO_PARAMETERS), "parameters")
            raise ConfigurationError(f"{template.path}: no parameter {name!r}; {choices}")
    values: dict[str, object] = _pseudo_values(given, scope)
    hidden_values: list[str] = []
    unread, missing = set(), []
    for name, declaration in declared.items():
        where = Where(template, ("Parameters", name))
        if not isinstance(declaration, dict):
            raise where.error("expected a parameter's properties")
        _check_properties(declaration, where)
        kind = str(declaration["Type"])
        if name in given:
            values[name] = _read_value(given[name], kind, declaration, where)
        elif kind.startswith(_SSM):
            unread.add(name)
        elif "Default" in declaration:
            values[name] = _read_value(declaration["Default"], kind, declaration, where)
        else:
            missing.append(name)
        if name in values and _is_true(declaration.get("NoEcho", False)):
            value = values[name]
            hidden_values += value if isinstance(value, list) else [str(value)]
    if missing:
        options = " ".join(f"--parameter {name}=VALUE" for name in missing)
        raise ConfigurationError(
            f"{template.path}: without a value: {', '.join(missing)}; add {options}"
        )
    return Parameters(values, frozenset(unread), tuple(filter(None, hidden_values)))


def _pseudo_values(given: Mapping[str, str], scope: Scope) -> dict[str, object]:
    region = given.get("AWS::Region", scope.region)
    account = given.get("AWS::AccountId", scope.account)
    stack = given.get("AWS::StackName", STACK_NAME_DEFAULT)
    stack_arn = f"arn:aws:cloudformation:{region}:{account}:stack/{stack}/{_STACK_NUMBER}"
    values = (account, "aws", region, stack_arn, stack, "amazonaws.com")
    pairs: list[tuple[str, object]] = list(zip(PSEUDO_PARAMETERS, values, strict=True))
    return {**dict(pairs), "AWS::NotificationARNs": []}


def _check_properties(declaration: dict[str, object], where: Where) -> None:
    for key in declaration:
        if key not in _PROPERTIES:
            raise where.at(key).error(f"unknown; {suggest(key, _PROPERTIES, 'properties')}")
    kind = declaration.get("Type")
    if not isinstance(kind, str):
        raise where.error("Type is missing")
    known = kind in {"String", "Number", "List<Number>", "CommaDelimitedList"}
    if not known and not re.match(r"(List<)?AWS::", kind):
        raise where.at("Type").error(f"{kind!r} is not a type of parameters")


def _read_value(given: object, kind: str, declaration: dict[str, object], where: Where) -> object:
    is_list = kind == "CommaDelimitedList" or kind.startswith("List<") or "<List<" in kind
    if isinstance(given, list):
        text = ",".join(_as_text(item, where) for item in given)
    else:
        text = _as_text(given, where)
    items = [item.strip() for item in text.split(",")] if is_list else [text]
    shown = "its value" if _is_true(declaration.get("NoEcho", False)) else repr(text)
    for item in items:
        broken = _broken_rule(item, kind, declaration, where)
        if broken is not None:
            reason = declaration.get("ConstraintDescription")
            raise where.error(f"{shown} {broken}" + (f" ({reason})" if reason else ""))
    return items if is_list else text


def _as_text(value: object, where: Where) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str() | int() | float():
            return str(value)
        case _:
            raise where.at("Default").error("expected a text, a number or a list of them")


def _broken_rule(item: str, kind: str, declaration: dict[str, object], where: Where) -> str | None:
    """Say which rule a value breaks; None: it keeps them all."""
    allowed = declaration.get("AllowedValues")
    if isinstance(allowed, list):
        choices = [_as_text(choice, where) for choice in allowed]
        if item not in choices:
            return f"is not one of AllowedValues: {', '.join(choices)}"
    pattern = declaration.get("AllowedPattern")
    if pattern is not None and not _matches(str(pattern), item, where):
        return f"does not match AllowedPattern {pattern}"
    size, unit = float(len(item)), "characters"
    if "Number" in kind:
        if _NUMBER.fullmatch(item) is None:
            return "is not a number"
        size, unit = float(item), ""
    low, high = ("MinValue", "MaxValue") if "Number" in kind else ("MinLength", "MaxLength")
    if low in declaration and size < _limit(declaration, low, where):
        return f"is below {low}: {declaration[low]} {unit}".rstrip()
    if high in declaration and size > _limit(declaration, high, where):
        return f"is above {high}: {declaration[high]} {unit}".rstrip()
    return None


def _matches(pattern: str, text: str, where: Where) -> bool:
    try:
        return re.fullmatch(pattern, text) is not None
    except re.error as exc:
        raise where.at("AllowedPattern").error(f"{pattern!r} cannot be read: {exc}") from exc


def _limit(declaration: dict[str, object], key: str, where: Where) -> float:
    try:
        return float(str(declaration[key]))
    except ValueError as exc:
        raise where.at(key).error("expected a number") from exc


def _is_true(value: object) -> bool:
    return value is True or str(value).lower() == "true"

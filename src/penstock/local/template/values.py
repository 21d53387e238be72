"""Gives a template's values: parameters, conditions, intrinsic functions, and names of resources.

What only AWS could tell (an export, a secret, a resource that is not made here) is a
``NotKnownHereError``, so that its reader may leave out what needs it, and say so.

Source: docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference.html
"""

import base64
import enum
import functools
import json
import re
from collections.abc import Callable, Iterable, Mapping

from penstock.local.template.document import TEMPLATE_BYTES_MAX, Template, Where
from penstock.local.template.identities import Identities
from penstock.local.template.parameters import Parameters
from penstock.local.template.resource import SUB_NAME, Resource
from penstock.local.template.unknown import NotKnownHereError
from penstock.model.suggestion import suggest

LANGUAGE_EXTENSIONS = "AWS::LanguageExtensions"
_ZONES = ("a", "b", "c")
# What a template's functions may write in all: one text put into itself again and again has no end.
TEXT_CHARS_MAX = 16 * TEMPLATE_BYTES_MAX
_DYNAMIC_REFERENCE = re.compile(r"\{\{resolve:[^}]*\}\}")


class NoValue(enum.Enum):
    """What AWS::NoValue gives: the property is as if it were not written."""

    NO_VALUE = enum.auto()


NO_VALUE = NoValue.NO_VALUE


class Values:
    """The values of one template.

    Args:
        template: Expanded, if it is SAM's.
        parameters: Their values.
        resources: By logical id; those whose condition is false are among them.
        endpoint: Where the AWS is that holds what is made; a queue's URL begins with it.
    """

    def __init__(
        self,
        template: Template,
        parameters: Parameters,
        resources: Mapping[str, Resource],
        endpoint: str,
    ) -> None:
        self._template = template
        self._parameters = parameters
        self._resources = resources
        self._identities = Identities(resources, self.resolve, parameters.scope, endpoint)
        self._conditions: dict[str, bool] = {}
        self._evaluating: list[str] = []
        self._chars_left = TEXT_CHARS_MAX
        self._has_extensions = LANGUAGE_EXTENSIONS in template.transforms
        self._functions: dict[str, Callable[[object, Where], object]] = {
            "Fn::Base64": self._encoded,
            "Fn::FindInMap": self._find_in_map,
            "Fn::GetAZs": self._zones,
            "Fn::GetAtt": self._get_att,
            "Fn::If": self._if,
            "Fn::Join": self._join,
            "Fn::Length": self._length,
            "Fn::Select": self._select,
            "Fn::Split": self._split,
            "Fn::Sub": self._sub,
            "Fn::ToJsonString": self._to_json,
            "Ref": self._ref,
        }

    def resolve(self, value: object, where: Where) -> object:
        """Give what a value stands for; ``NO_VALUE`` when it is left out.

        Raises:
            NotKnownHereError: Only AWS knows it.
            ConfigurationError: It cannot be resolved.
        """
        match value:
            case dict() if len(value) == 1 and next(iter(value)) in self._functions:
                ((name, argument),) = value.items()
                return self._functions[name](argument, where)
            case dict() if len(value) == 1 and str(next(iter(value))).startswith("Fn::"):
                (name,) = value
                raise self._unsupported(name, where)
            case dict():
                members = {k: self.resolve(v, where.at(k)) for k, v in value.items()}
                return {k: v for k, v in members.items() if v is not NO_VALUE}
            case list():
                items = [self.resolve(item, where) for item in value]
                return [item for item in items if item is not NO_VALUE]
            case str() if _DYNAMIC_REFERENCE.search(value):
                raise NotKnownHereError(where, "a secret or an SSM parameter is not read here")
            case _:
                return value

    def name_of(self, logical_id: str) -> str:
        """Give the name of a resource: the template's, else its logical id."""
        return self._identities.name_of(logical_id)

    def holds(self, condition: str, where: Where) -> bool:
        """Tell whether a condition of the template holds."""
        conditions = self._template.section("Conditions")
        if condition not in conditions:
            choices = suggest(condition, list(conditions), "conditions")
            raise where.error(f"no condition {condition!r}; {choices}")
        if condition in self._evaluating:
            circle = " -> ".join([*self._evaluating, condition])
            raise where.error(f"conditions refer to themselves in a circle: {circle}")
        if condition not in self._conditions:
            self._evaluating.append(condition)
            there = Where(self._template, ("Conditions", condition))
            self._conditions[condition] = self._is_true(conditions[condition], there)
            self._evaluating.pop()
        return self._conditions[condition]

    def choose(self, value: object, where: Where) -> object:
        """Follow Fn::If to what is chosen, and leave that unresolved."""
        while isinstance(value, dict) and list(value) == ["Fn::If"]:
            value = self._chosen(value["Fn::If"], where)
        return value

    def _is_true(self, value: object, where: Where) -> bool:
        match value:
            case {"Condition": str(name), **rest} if not rest:
                return self.holds(name, where)
            case {"Fn::Equals": [left, right], **rest} if not rest:
                return self._comparable(left, where) == self._comparable(right, where)
            case {"Fn::Not": [one], **rest} if not rest:
                return not self._is_true(one, where)
            case {"Fn::And": [_, *_] as members, **rest} if not rest:
                return all(self._is_true(member, where) for member in members)
            case {"Fn::Or": [_, *_] as members, **rest} if not rest:
                return any(self._is_true(member, where) for member in members)
            case _:
                raise where.error(
                    "expected Fn::Equals, Fn::And, Fn::Or, Fn::Not or another Condition"
                )

    def _comparable(self, value: object, where: Where) -> object:
        resolved = self.resolve(value, where)
        return self._text(resolved, where) if isinstance(resolved, bool | int | float) else resolved

    def _ref(self, argument: object, where: Where) -> object:
        if not isinstance(argument, str):
            raise where.error("Ref takes a name")
        if argument == "AWS::NoValue":
            return NO_VALUE
        if argument in self._parameters.unread:
            raise NotKnownHereError(
                where,
                f"the parameter {argument} is kept in SSM, which is not read here; give its value"
                f" with --parameter {argument}=VALUE",
            )
        if argument in self._parameters.values:
            return self._parameters.values[argument]
        self._expect_made(argument, where)
        return self._identities.ref(argument, where)

    def _get_att(self, argument: object, where: Where) -> object:
        parts = argument.split(".", 1) if isinstance(argument, str) else argument
        match parts:
            case [str(name), attribute]:
                resolved = self.resolve(attribute, where)
                self._expect_made(name, where)
                return self._identities.attribute(name, str(resolved), where)
            case _:
                raise where.error("Fn::GetAtt takes a logical id and an attribute")

    def _expect_made(self, logical_id: str, where: Where) -> None:
        resource = self._resources.get(logical_id)
        if resource is None:
            choices = suggest(logical_id, list(self._resources), "resources")
            raise where.error(f"{logical_id!r} is neither a parameter nor a resource; {choices}")
        if resource.condition is not None and not self.holds(resource.condition, where):
            raise where.error(
                f"refers to {logical_id}, whose condition {resource.condition} is false"
            )

    def _sub(self, argument: object, where: Where) -> object:
        match argument:
            case str(text):
                variables: dict[str, object] = {}
            case [str(text), dict(variables)]:
                pass
            case _:
                raise where.error("Fn::Sub takes a text, or a text and its variables")

        @functools.cache  # or variables of variables, each named twice, had no end
        def value_of(name: str) -> str:
            if name.startswith("!"):
                return f"${{{name[1:]}}}"
            if name in variables:
                return self._text(self.resolve(variables[name], where), where)
            logical_id, dot, attribute = name.partition(".")
            value = self._get_att([logical_id, attribute], where) if dot else self._ref(name, where)
            return self._text(value, where)

        if _DYNAMIC_REFERENCE.search(text):
            raise NotKnownHereError(where, "a secret or an SSM parameter is not read here")
        # Of a pattern with one group, every second part is what the group holds.
        parts = enumerate(SUB_NAME.split(text))
        return self._write((value_of(part) if i % 2 else part for i, part in parts), where)

    def _write(self, parts: Iterable[str], where: Where) -> str:
        """Put parts together; they are taken one by one, as long as there is room."""
        kept = []
        for part in parts:
            self._chars_left -= len(part)
            if self._chars_left < 0:
                raise where.error(
                    f"its functions write more than {TEXT_CHARS_MAX:,} characters up to here"
                )
            kept.append(part)
        return "".join(kept)

    def _text(self, value: object, where: Where) -> str:
        match value:
            case bool():
                return "true" if value else "false"
            case str() | int() | float():
                return str(value)
            case _:
                raise where.error(f"expected a text, got {json.dumps(value, default=str)[:60]}")

    def _join(self, argument: object, where: Where) -> object:
        match argument:
            case [str(delimiter), items]:
                resolved = self._list(items, where, "Fn::Join")
                texts = [self._text(item, where) for item in resolved]
                parts = [part for text in texts for part in (delimiter, text)][1:]
                return self._write(parts, where)
            case _:
                raise where.error("Fn::Join takes a delimiter and a list")

    def _split(self, argument: object, where: Where) -> object:
        match argument:
            case [str(delimiter), text] if delimiter:
                return self._text(self.resolve(text, where), where).split(delimiter)
            case _:
                raise where.error("Fn::Split takes a delimiter and a text")

    def _select(self, argument: object, where: Where) -> object:
        match argument:
            case [index, items]:
                position = self._text(self.resolve(index, where), where)
                resolved = self._list(items, where, "Fn::Select")
                if position not in map(str, range(len(resolved))):
                    raise where.error(f"Fn::Select: no item {position} of {len(resolved)}")
                return resolved[int(position)]
            case _:
                raise where.error("Fn::Select takes an index and a list")

    def _list(self, value: object, where: Where, name: str) -> list[object]:
        resolved = self.resolve(value, where)
        if not isinstance(resolved, list):
            raise where.error(f"{name} takes a list")
        return resolved

    def _if(self, argument: object, where: Where) -> object:
        return self.resolve(self._chosen(argument, where), where)

    def _chosen(self, argument: object, where: Where) -> object:
        match argument:
            case [str(condition), when_true, when_false]:
                return when_true if self.holds(condition, where) else when_false
            case _:
                raise where.error("Fn::If takes a condition and two values")

    def _find_in_map(self, argument: object, where: Where) -> object:
        match argument:
            case [map_name, *keys, {"DefaultValue": default}] if len(keys) == 2:  # noqa: PLR2004
                pass
            case [map_name, *keys] if len(keys) == 2:  # noqa: PLR2004
                default = NO_VALUE
            case _:
                raise where.error("Fn::FindInMap takes the name of a mapping and two keys")
        value: object = self._template.section("Mappings")
        path = [self._text(self.resolve(key, where), where) for key in (map_name, *keys)]
        for key in path:
            if not isinstance(value, dict) or key not in value:
                if default is NO_VALUE:
                    raise where.error(f"Fn::FindInMap: Mappings has no {' / '.join(path)}")
                return self.resolve(default, where)
            value = value[key]
        return value

    def _encoded(self, argument: object, where: Where) -> object:
        text = self._text(self.resolve(argument, where), where)
        return self._write([base64.b64encode(text.encode()).decode()], where)

    def _zones(self, argument: object, where: Where) -> object:
        region = self._text(self.resolve(argument, where), where) or self._parameters.scope.region
        return [region + zone for zone in _ZONES]

    def _length(self, argument: object, where: Where) -> object:
        self._expect_extensions("Fn::Length", where)
        return len(self._list(argument, where, "Fn::Length"))

    def _to_json(self, argument: object, where: Where) -> object:
        self._expect_extensions("Fn::ToJsonString", where)
        resolved = self.resolve(argument, where)
        encoder = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)
        return self._write(encoder.iterencode(resolved), where)

    def _expect_extensions(self, name: str, where: Where) -> None:
        if not self._has_extensions:
            raise where.error(f"{name} needs the Transform {LANGUAGE_EXTENSIONS}")

    def _unsupported(self, name: str, where: Where) -> Exception:
        if name == "Fn::ImportValue":
            return NotKnownHereError(where, "Fn::ImportValue: other stacks are not here")
        if name in {"Fn::Cidr", "Fn::Transform"}:
            return NotKnownHereError(where, f"{name} is not computed here")
        functions = [*self._functions, "Fn::ImportValue"]
        return where.error(f"unknown function {name}; {suggest(name, functions, 'functions')}")

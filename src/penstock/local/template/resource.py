"""The resources of a template: their attributes, what they refer to, and that no circle is in it.

Source: docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-product-attribute-reference.html
"""

import re
from collections.abc import Iterator, Mapping

import msgspec

from penstock.local.template.document import Template, Where
from penstock.model.errors import ConfigurationError
from penstock.model.suggestion import suggest

_LOGICAL_ID = re.compile(r"[A-Za-z0-9]{1,255}")
SUB_NAME = re.compile(r"\$\{([^}]*)\}")  # a variable of Fn::Sub
_ATTRIBUTES = (
    *("Type", "Properties", "DependsOn", "Condition", "Metadata", "DeletionPolicy"),
    *("UpdateReplacePolicy", "CreationPolicy", "UpdatePolicy", "Connectors", "IgnoreGlobals"),
)


class Resource(msgspec.Struct, frozen=True, kw_only=True):
    """One resource, its properties as they are written."""

    logical_id: str
    type: str
    properties: dict[str, object]
    condition: str | None
    depends_on: tuple[str, ...]
    metadata: dict[str, object]
    where: Where


def read_resources(template: Template) -> dict[str, Resource]:
    """Read every resource by its logical id.

    Raises:
        ConfigurationError: One is not a resource.
    """
    resources = {}
    for logical_id, declared in template.section("Resources").items():
        where = Where(template, ("Resources", logical_id))
        if logical_id.startswith("Fn::"):
            raise where.error(f"{logical_id.split('::')[1]} in Resources is not expanded here")
        if _LOGICAL_ID.fullmatch(logical_id) is None:
            raise where.error("a logical id is of letters and digits alone")
        resources[logical_id] = _read_resource(logical_id, declared, where)
    return resources


def _read_resource(logical_id: str, declared: object, where: Where) -> Resource:
    if not isinstance(declared, dict):
        raise where.error("expected a resource with its Type")
    for key in declared:
        if key not in _ATTRIBUTES:
            raise where.at(key).error(f"unknown; {suggest(key, _ATTRIBUTES, 'attributes')}")
    kind = declared.get("Type")
    if not isinstance(kind, str):
        raise where.error("Type is missing")
    condition = declared.get("Condition")
    if not isinstance(condition, str | None):
        raise where.at("Condition").error("expected the name of a condition")
    return Resource(
        logical_id=logical_id,
        type=kind.strip(),
        properties=_table(declared, "Properties", where),
        condition=condition,
        depends_on=_names(declared.get("DependsOn", []), where.at("DependsOn")),
        metadata=_table(declared, "Metadata", where),
        where=where,
    )


def _table(declared: Mapping[str, object], key: str, where: Where) -> dict[str, object]:
    value = declared.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise where.at(key).error("expected names with their values below it")
    return value


def _names(value: object, where: Where) -> tuple[str, ...]:
    names = value if isinstance(value, list) else [value]
    if not all(isinstance(name, str) for name in names):
        raise where.error("expected a logical id or a list of them")
    return tuple(names)


def references_in(value: object) -> Iterator[tuple[str, str | None]]:
    """Find what a value names by Ref, Fn::GetAtt and Fn::Sub: name, and attribute or None."""
    match value:
        case {"Ref": str(name), **rest} if not rest:
            yield name, None
        case {"Fn::GetAtt": [str(name), attribute], **rest} if not rest:
            yield name, attribute if isinstance(attribute, str) else ""
            yield from references_in(attribute)
        case {"Fn::GetAtt": str(text), **rest} if not rest:
            name, _, attribute = text.partition(".")
            yield name, attribute
        case {"Fn::Sub": str(text), **rest} if not rest:
            yield from _sub_references(text, frozenset())
        case {"Fn::Sub": [str(text), dict(variables)], **rest} if not rest:
            yield from _sub_references(text, frozenset(variables))
            yield from references_in(list(variables.values()))
        case dict():
            for member in value.values():
                yield from references_in(member)
        case list():
            for member in value:
                yield from references_in(member)
        case _:
            pass


def _sub_references(text: str, variables: frozenset[str]) -> Iterator[tuple[str, str | None]]:
    for name in SUB_NAME.findall(text):
        if not name.startswith("!") and name not in variables:
            logical_id, dot, attribute = name.partition(".")
            yield logical_id, attribute if dot else None


def check_references(resources: Mapping[str, Resource], known: frozenset[str]) -> None:
    """Refuse what refers to nothing, and what refers to itself in a circle.

    Args:
        resources: Those whose condition holds.
        known: Other names there are: parameters, and resources that are left out.

    Raises:
        ConfigurationError: The first of these.
    """
    needs: dict[str, list[str]] = {}
    for logical_id, resource in resources.items():
        named = [name for name, _ in references_in(resource.properties)]
        for name in (*named, *resource.depends_on):
            if name not in resources and name not in known:
                raise resource.where.error(f"refers to {name!r}, which is not in the template")
        needs[logical_id] = [name for name in (*named, *resource.depends_on) if name in resources]
    circle = _find_circle(needs)
    if circle is not None:
        raise _circular(resources[circle[0]], circle)


def _circular(resource: Resource, circle: list[str]) -> ConfigurationError:
    return resource.where.error(f"refers to itself in a circle: {' -> '.join(circle)}")


def _find_circle(needs: Mapping[str, list[str]]) -> list[str] | None:
    """Walk depth first, without recursion: a chain may be as long as the template."""
    done: set[str] = set()
    for start in needs:
        path: list[str] = []
        pending = [(start, iter(needs[start]))] if start not in done else []
        path = [start] if pending else []
        while pending:
            name, following = pending[-1]
            follower = next((each for each in following if each not in done), None)
            if follower is None:
                done.add(name)
                pending.pop()
                path.pop()
            elif follower in path:
                return [*path[path.index(follower) :], follower]
            else:
                pending.append((follower, iter(needs[follower])))
                path.append(follower)
    return None

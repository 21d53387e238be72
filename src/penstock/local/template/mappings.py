"""Makes of an event source mapping's resource the table that ``[[mappings]]`` would have."""

from collections.abc import Mapping, Sequence

from penstock.local.resource_arns import queue_arn, stream_arn
from penstock.local.template.document import Where
from penstock.local.template.function_code import NotRunHere
from penstock.local.template.identities import GLOBAL_TABLE, STREAM_ARN, TABLE, function_arn
from penstock.local.template.resource import Resource
from penstock.local.template.unknown import NotKnownHereError
from penstock.local.template.values import NO_VALUE, Values
from penstock.model.arn import Scope, parse_function_name
from penstock.model.errors import ConfigurationError

_READ_SERVICES = ("sqs", "kinesis", "dynamodb")
_SERVICE_INDEX = 2  # in an ARN that is split at its colons


class MappingAssembly:
    """Reads mappings.

    Args:
        values: Of the template.
        scope: Account and region of the stack.
        sections: The document's queues, streams and tables.
        functions: Names of the functions that run here.
    """

    def __init__(
        self,
        values: Values,
        resources: Mapping[str, Resource],
        scope: Scope,
        sections: Mapping[str, Sequence[Mapping[str, object]]],
        functions: Sequence[str],
    ) -> None:
        self._values = values
        self._resources = resources
        self._scope = scope
        self._function_by_arn = {function_arn(name, scope): name for name in functions}
        self._source_by_arn = {
            arn_of(str(table["name"]), scope): {key: table["name"]}
            for section, key, arn_of in (
                ("queues", "queue", queue_arn),
                ("streams", "stream", stream_arn),
            )
            for table in sections.get(section, [])
        }

    def read(self, resource: Resource) -> dict[str, object] | NotRunHere:
        """Give a mapping's name, source, function and tags; or why there is none."""
        properties, where = resource.properties, resource.where.at("Properties")
        try:
            source = self._source(properties.get("EventSourceArn"), where.at("EventSourceArn"))
            if isinstance(source, NotRunHere):
                return source
            function = self._function(properties.get("FunctionName"), where.at("FunctionName"))
        except NotKnownHereError as exc:
            return NotRunHere(exc.reason)
        if isinstance(function, NotRunHere):
            return function
        table = {
            "name": resource.logical_id,
            "FunctionName": function,
            "replace": True,  # as a stack does when the source changes
            **source,
        }
        tags = self._tags(properties.get("Tags"), where.at("Tags"))
        return table | {"Tags": tags} if tags else table

    def _source(self, given: object, where: Where) -> dict[str, object] | NotRunHere:
        chosen = self._values.choose(given, where)
        table = self._table_of_stream(chosen)
        if table is not None:
            if "StreamSpecification" not in self._resources[table].properties:
                text = f"the table {table} has no stream; give it a StreamSpecification"
                raise where.error(text)
            return {"table": self._values.name_of(table)}
        arn = self._values.resolve(chosen, where)
        if arn is NO_VALUE or arn is None:
            return NotRunHere("it has no EventSourceArn, and other sources are not read")
        if not isinstance(arn, str):
            raise where.error("expected an ARN")
        if arn in self._source_by_arn:
            return self._source_by_arn[arn]
        service = [*arn.split(":"), "", "", ""][_SERVICE_INDEX]
        if arn.startswith("arn:") and service not in _READ_SERVICES:
            return NotRunHere(f"sources of {service} are not read ({arn})")
        return NotRunHere(f"its source {arn} is not made by this template")

    def _table_of_stream(self, value: object) -> str | None:
        """Tell whether a value is the ARN of a table's stream, and of which table."""
        match value:
            case {"Fn::GetAtt": [str(name), str(attribute)]} if attribute == STREAM_ARN:
                pass
            case {"Fn::GetAtt": str(text)} if text.endswith(f".{STREAM_ARN}"):
                name = text.removesuffix(f".{STREAM_ARN}")
            case _:
                return None
        resource = self._resources.get(name)
        is_table = resource is not None and resource.type in {TABLE, GLOBAL_TABLE}
        return name if is_table else None

    def _function(self, given: object, where: Where) -> str | NotRunHere:
        name = self._values.resolve(given, where)
        if not isinstance(name, str) or not name:
            raise where.error("FunctionName is missing")
        try:
            reference = parse_function_name(name, self._scope)
        except ConfigurationError as exc:
            raise where.error(str(exc)) from exc
        function = self._function_by_arn.get(reference.unqualified_arn)
        if function is None:
            return NotRunHere(f"the function {reference.name} does not run here")
        return function

    def _tags(self, given: object, where: Where) -> dict[str, object]:
        """Turn the list of a resource's tags into a table."""
        resolved = self._values.resolve(given, where)
        tags: dict[str, object] = {}
        for tag in resolved if isinstance(resolved, list) else []:
            match tag:
                case {"Key": str(key), "Value": value}:
                    tags[key] = value if isinstance(value, str) else str(value)
                case _:
                    raise where.error("a tag is a Key with its Value")
        if isinstance(resolved, dict):
            tags = dict(resolved)
        return tags

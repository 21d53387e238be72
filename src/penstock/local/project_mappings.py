"""Gives ``[[mappings]]`` of a project file their meaning."""

import datetime as dt
import json
import re
from collections.abc import Mapping, Sequence

import msgspec

from penstock.api.errors import ApiError
from penstock.api.shapes import WrongTypeError, check_parameters
from penstock.core.queue_options import ON_FAILURE
from penstock.declared_mappings import DeclaredMapping
from penstock.local.project_tables import (
    MAPPING_PARAMETERS,
    BucketTable,
    MappingTable,
    QueueTable,
    StreamTable,
    TableTable,
    TopicTable,
)
from penstock.local.resource_arns import bucket_arn, queue_arn, stream_arn, topic_arn
from penstock.local.toml_table import (
    Place,
    describe,
    expect_table,
    expect_tables,
    read_table,
    refuse_unknown_keys,
)
from penstock.model.arn import FunctionReference, Scope, parse_arn, parse_function_name
from penstock.model.errors import ConfigurationError
from penstock.model.function import Function, LambdaFunction
from penstock.model.suggestion import suggest

_SOURCE_KEYS = ("queue", "stream", "table", "EventSourceArn")
_MEMBER = re.compile(r"\.(\d+)\.member")
_TIMESTAMP = "StartingPositionTimestamp"
_STREAM_SPECIFICATION = (
    'StreamSpecification = { StreamEnabled = true, StreamViewType = "NEW_AND_OLD_IMAGES" }'
)


class Resources(msgspec.Struct, frozen=True, kw_only=True):
    """What a file declares beside functions and mappings."""

    queues: tuple[QueueTable, ...]
    streams: tuple[StreamTable, ...]
    tables: tuple[TableTable, ...]
    topics: tuple[TopicTable, ...]
    buckets: tuple[BucketTable, ...]


class ReadMappings(msgspec.Struct, frozen=True):
    """The mappings of a file.

    Attributes:
        declared: Complete, but for the EventSourceArn of those that name a table.
        tables: By the name of such a mapping, the name of its table.
    """

    declared: tuple[DeclaredMapping, ...]
    tables: dict[str, str]


_OWN_KEYS = MappingTable.__struct_encode_fields__


class MappingReader(msgspec.Struct, frozen=True):
    """Reads ``[[mappings]]`` by the functions and resources of the same file.

    Attributes:
        functions: By their names; None: they are an upstream's, and none is known here.
    """

    scope: Scope
    functions: dict[str, Function] | None
    resources: Resources

    def read(self, document: Mapping[str, object], place: Place) -> ReadMappings:
        """Read every mapping; the names are unique."""
        by_name: dict[str, DeclaredMapping] = {}
        tables: dict[str, str] = {}
        for table, where in expect_tables(document.get("mappings", []), place.at("mappings")):
            refuse_unknown_keys(table, (*_OWN_KEYS, *MAPPING_PARAMETERS), where)
            own = read_table(
                {k: v for k, v in table.items() if k in _OWN_KEYS}, MappingTable, where
            )
            if own.name in by_name:
                raise where.at("name").error(f"{own.name!r} is declared twice")
            given = {k: v for k, v in table.items() if k not in _OWN_KEYS}
            parameters = self._parameters(own, given, where)
            _check_by_model(own.name, parameters, where)
            by_name[own.name] = DeclaredMapping(
                name=own.name,
                parameters=parameters,
                # A table that is made anew has another stream: the old one's mapping goes with it.
                replace=own.replace or own.table is not None,
            )
            if own.table is not None:
                tables[own.name] = own.table
        return ReadMappings(tuple(by_name.values()), tables)

    def _parameters(
        self, own: MappingTable, given: dict[str, object], place: Place
    ) -> dict[str, object]:
        parameters = dict(given)
        parameters["FunctionName"] = self._function_name(given.get("FunctionName"), place)
        source_arn = self._source_arn(own, given.get("EventSourceArn"), place)
        if source_arn is not None:
            parameters["EventSourceArn"] = source_arn
        if own.queue is None and not _is_queue(source_arn) and "StartingPosition" not in given:
            raise place.error(
                'StartingPosition is missing: a stream is read from "TRIM_HORIZON" (all that it'
                ' has) or "LATEST" (what comes from now on)'
            )
        tags = _read_tags(given.get("Tags", {}), place.at("Tags"))
        if own.on_failure is not None:
            destination = self._destination_arn(own.on_failure, place.at("on_failure"))
            if _is_queue(source_arn):
                parameters["Tags"] = _tagged(tags, destination, place)
            elif "DestinationConfig" in given:
                raise place.error("give either DestinationConfig or on_failure, not both")
            else:
                parameters["DestinationConfig"] = {"OnFailure": {"Destination": destination}}
        if own.filters is not None:
            if "FilterCriteria" in given:
                raise place.error("give either FilterCriteria or filters, not both")
            parameters["FilterCriteria"] = _filter_criteria(own.filters, place.at("filters"))
        if _TIMESTAMP in given:
            parameters[_TIMESTAMP] = _read_time(given[_TIMESTAMP], place.at(_TIMESTAMP))
        return parameters

    def _function_name(self, given: object, place: Place) -> str:
        """Refuse a function that is not declared; the name of an ``arn`` becomes that ARN."""
        where = place.at("FunctionName")
        if given is None:
            raise place.error("FunctionName is missing")
        if not isinstance(given, str):
            raise where.error(f"expected str, got {describe(given)}")
        reference = self._reference(given, where)
        if self.functions is None:
            return given
        named = self.functions.get(given)
        if named is not None:
            return named.hosting.arn if isinstance(named.hosting, LambdaFunction) else given
        if reference.unqualified_arn not in {known.arn for known in self.functions.values()}:
            choices = suggest(given, list(self.functions), "functions")
            raise where.error(f"{given!r} is not a function of this file; {choices}")
        return given

    def _reference(self, given: str, where: Place) -> FunctionReference:
        try:
            return parse_function_name(given, self.scope)
        except ConfigurationError as exc:
            raise where.error(str(exc)) from exc

    def _source_arn(self, own: MappingTable, given: object, place: Place) -> str | None:
        """Name the source; None for a table, whose stream's name is known once it is made."""
        if sum(source is not None for source in (own.queue, own.stream, own.table, given)) != 1:
            listed = f"{', '.join(_SOURCE_KEYS[:-1])} and {_SOURCE_KEYS[-1]}"
            raise place.error(f"give exactly one of {listed}")
        if own.queue is not None:
            _expect_name(own.queue, self.resources.queues, place.at("queue"), "queue")
            return queue_arn(own.queue, self.scope)
        if own.stream is not None:
            _expect_name(own.stream, self.resources.streams, place.at("stream"), "stream")
            return stream_arn(own.stream, self.scope)
        if own.table is not None:
            self._check_table(own.table, place.at("table"))
            return None
        return _checked_arn(given, place.at("EventSourceArn"))

    def _check_table(self, name: str, place: Place) -> None:
        _expect_name(name, self.resources.tables, place, "table")
        (table,) = [known for known in self.resources.tables if known.name == name]
        if not (table.stream_specification or {}).get("StreamEnabled"):
            raise place.error(
                f"the table {name!r} has no stream; add to its [[tables]]: {_STREAM_SPECIFICATION}"
            )

    def _destination_arn(self, name: str, place: Place) -> str:
        """Name the one queue, topic or bucket that is called so."""
        resources = self.resources
        found = [
            arn
            for tables, arn in (
                (resources.queues, queue_arn(name, self.scope)),
                (resources.topics, topic_arn(name, self.scope)),
                (resources.buckets, bucket_arn(name)),
            )
            if name in _names(tables)
        ]
        if len(found) > 1:
            instead = f"DestinationConfig, or a queue mapping's tag {ON_FAILURE}"
            raise place.error(f"{name!r} is {' and '.join(found)}; give {instead}")
        if not found:
            choices = _names((*resources.queues, *resources.topics, *resources.buckets))
            listed = suggest(name, choices, "queues, topics and buckets")
            raise place.error(f"{name!r} is no queue, topic or bucket of this file; {listed}")
        return found[0]


def _check_by_model(name: str, parameters: Mapping[str, object], place: Place) -> None:
    """Hold a mapping against Lambda's own model, before anything is made of the file."""
    try:
        check_parameters("CreateEventSourceMapping", parameters)
    except WrongTypeError as exc:
        raise place.at(_as_written(exc.path)).error(
            f"expected {exc.wanted}, got {describe(exc.value)} in mapping {name!r}"
        ) from exc
    except ApiError as exc:
        raise place.error(f"mapping {name!r}: {exc}") from exc


def _as_written(path: str) -> str:
    """Spell a path of AWS's errors as the file does: ``filters.1.member``, ``Filters[0]``."""
    indexed = _MEMBER.sub(lambda match: f"[{int(match[1]) - 1}]", path)
    return ".".join(key[0].upper() + key[1:] for key in indexed.split("."))


def _read_tags(tags: object, place: Place) -> dict[str, object]:
    """Refuse a tag whose value is no text, where TOML makes it easy to leave the quotes out."""
    given = expect_table(tags, place)
    for key, value in given.items():
        if not isinstance(value, str):
            raise place.at(key).error(
                f"expected a text, got {describe(value)}; the value of a tag stands in quotes"
            )
    return given


def _tagged(tags: dict[str, object], destination: str, place: Place) -> dict[str, object]:
    """Add a queue mapping's destination to its tags: Lambda has no parameter for it."""
    if ON_FAILURE in tags:
        raise place.error(f"give either the tag {ON_FAILURE} or on_failure, not both")
    return {**tags, ON_FAILURE: destination}


def _filter_criteria(patterns: list[dict[str, object]], place: Place) -> dict[str, object]:
    """Write patterns as the texts that Lambda takes; what TOML has and JSON lacks is refused."""
    filters = []
    for index, pattern in enumerate(patterns):
        try:
            text = json.dumps(pattern, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        except (TypeError, ValueError) as exc:
            raise place.at_index(index).error(f"cannot be written as JSON: {exc}") from exc
        filters.append({"Pattern": text})
    return {"Filters": filters}


def _names(
    tables: Sequence[QueueTable | StreamTable | TableTable | TopicTable | BucketTable],
) -> list[str]:
    return [table.name for table in tables]


def _expect_name(
    name: str,
    tables: Sequence[QueueTable | StreamTable | TableTable],
    place: Place,
    kind: str,
) -> None:
    if name not in _names(tables):
        choices = suggest(name, _names(tables), f"{kind}s")
        raise place.error(f"{name!r} is not a {kind} of this file; {choices}")


def _checked_arn(given: object, place: Place) -> str:
    if not isinstance(given, str):
        raise place.error(f"expected str, got {describe(given)}")
    try:
        return str(parse_arn(given))
    except ConfigurationError as exc:
        raise place.error(str(exc)) from exc


def _read_time(given: object, place: Place) -> object:
    """Turn TOML's own date and time into epoch seconds; anything else is the API's to judge."""
    match given:
        case dt.datetime() if given.tzinfo is not None:
            return given.timestamp()
        case dt.date() | dt.time():  # a datetime is a date too
            raise place.error(
                f"{given} has no offset; write it as 2026-01-31T12:00:00Z, or in epoch seconds"
            )
        case _:
            return given


def _is_queue(source_arn: str | None) -> bool:
    return source_arn is not None and source_arn.split(":")[2] not in {"kinesis", "dynamodb"}

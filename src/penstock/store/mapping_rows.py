"""Rows of mappings. Statements are made once: making one costs more than to run it."""

import functools
from typing import Any

import msgspec
import sqlalchemy as sa

from penstock.model.arn import Scope
from penstock.model.mapping import EventSourceMapping, MappingQuery
from penstock.store.tables import mappings

_decoder = msgspec.json.Decoder(EventSourceMapping)

_insert = sa.insert(mappings)
_get = sa.select(mappings.c.document).where(
    mappings.c.uuid == sa.bindparam("uuid"),
    mappings.c.account == sa.bindparam("account"),
    mappings.c.region == sa.bindparam("region"),
)
_replace = (
    sa.update(mappings)
    .where(mappings.c.uuid == sa.bindparam("known"), mappings.c.version == sa.bindparam("was"))
    .values({column.name: sa.bindparam(column.name) for column in mappings.columns})
    .returning(mappings.c.uuid)
)
_delete = sa.delete(mappings).where(mappings.c.uuid == sa.bindparam("gone"))


def insert_mapping(connection: sa.Connection, mapping: EventSourceMapping) -> None:
    """Add a mapping."""
    connection.execute(_insert, _row(mapping))


def get_mapping(connection: sa.Connection, scope: Scope, uuid: str) -> EventSourceMapping | None:
    """Read one mapping of that scope."""
    asked = {"uuid": uuid, "account": scope.account, "region": scope.region}
    document = connection.scalar(_get, asked)
    return None if document is None else _decoder.decode(document)


def list_mappings(
    connection: sa.Connection, scope: Scope | None, event_source_arn: str | None
) -> list[EventSourceMapping]:
    """Read every mapping of a scope and of a source, ordered by uuid; None: of all."""
    asked = _asked(scope, event_source_arn=event_source_arn)
    documents = connection.scalars(_list_by(tuple(asked)), asked)
    return [_decoder.decode(document) for document in documents]


def read_page(connection: sa.Connection, asked: MappingQuery) -> list[EventSourceMapping]:
    """Read a part of a scope's mappings, ordered by uuid."""
    bound = _asked(
        asked.scope, event_source_arn=asked.event_source_arn, function_arn=asked.function_arn
    )
    query = _page_by(tuple(bound))
    documents = connection.scalars(query, {**bound, "after": asked.after, "limit": asked.limit})
    return [_decoder.decode(document) for document in documents]


def replace_mapping(
    connection: sa.Connection, mapping: EventSourceMapping
) -> EventSourceMapping | None:
    """Write the mapping if the row is still of its version; None: it is not."""
    changed = msgspec.structs.replace(mapping, version=mapping.version + 1)
    bound = {**_row(changed), "known": mapping.uuid, "was": mapping.version}
    return None if connection.scalar(_replace, bound) is None else changed


def delete_mapping(connection: sa.Connection, uuid: str) -> None:
    """Remove a mapping; removing one that is gone does nothing."""
    connection.execute(_delete, {"gone": uuid})


def _asked(scope: Scope | None, **columns: str | None) -> dict[str, str]:
    """Give what columns must be equal to; what is None does not matter."""
    if scope is not None:
        columns |= {"account": scope.account, "region": scope.region}
    return {name: value for name, value in columns.items() if value is not None}


@functools.cache
def _list_by(columns: tuple[str, ...]) -> sa.Select[Any]:
    conditions = [mappings.c[name] == sa.bindparam(name) for name in columns]
    return sa.select(mappings.c.document).where(*conditions).order_by(mappings.c.uuid)


@functools.cache
def _page_by(columns: tuple[str, ...]) -> sa.Select[Any]:
    # The rows of a source are few and have an index. All others are walked by the primary key, from
    # the marker to the limit: by the scope's index SQLite would sort them all for each page. An
    # expression has no index.
    walked = [] if "event_source_arn" in columns else columns
    conditions = [
        (mappings.c[name].concat("") if name in walked else mappings.c[name]) == sa.bindparam(name)
        for name in columns
    ]
    return (
        sa.select(mappings.c.document)
        .where(mappings.c.uuid > sa.bindparam("after"), *conditions)
        .order_by(mappings.c.uuid)
        .limit(sa.bindparam("limit", type_=sa.Integer))
    )


def _row(mapping: EventSourceMapping) -> dict[str, Any]:
    return {
        "uuid": mapping.uuid,
        "account": mapping.scope.account,
        "region": mapping.scope.region,
        "event_source_arn": mapping.event_source_arn,
        "function_arn": mapping.function_arn,
        "name": mapping.name,
        "version": mapping.version,
        "document": msgspec.json.encode(mapping).decode(),
    }

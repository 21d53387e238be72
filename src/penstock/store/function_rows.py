"""Rows of functions: the declared ones, replaced together, and the deployed ones, one by one."""

from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from penstock.model.arn import Scope
from penstock.model.deployed_function import DeployedFunction
from penstock.model.function import Function
from penstock.store import tables

_function_decoder = msgspec.json.Decoder(Function)
_deployed_decoder = msgspec.json.Decoder(DeployedFunction)


def replace_functions(connection: sa.Connection, functions: Sequence[Function]) -> None:
    """Make these the declared functions."""
    connection.execute(sa.delete(tables.functions))
    rows = [_function_row(function) for function in functions]
    if rows:
        connection.execute(sa.insert(tables.functions), rows)


def list_functions(connection: sa.Connection) -> list[Function]:
    """Read every declared function, ordered by account, region and name."""
    query = sa.select(tables.functions.c.document).order_by(
        tables.functions.c.account, tables.functions.c.region, tables.functions.c.name
    )
    return [_function_decoder.decode(document) for document in connection.scalars(query)]


def insert_deployed(connection: sa.Connection, function: DeployedFunction) -> None:
    """Add a deployed function."""
    connection.execute(sa.insert(tables.deployed_functions).values(_deployed_row(function)))


def replace_deployed(
    connection: sa.Connection, function: DeployedFunction
) -> DeployedFunction | None:
    """Write a row if it is still of the version that was read; None: it is not."""
    changed = msgspec.structs.replace(function, row_version=function.row_version + 1)
    statement = (
        sa.update(tables.deployed_functions)
        .where(
            *_is_named(function.scope, function.name),
            tables.deployed_functions.c.version == function.row_version,
        )
        .values(_deployed_row(changed))
        .returning(tables.deployed_functions.c.name)
    )
    return None if connection.scalar(statement) is None else changed


def delete_deployed(connection: sa.Connection, scope: Scope, name: str) -> None:
    """Remove a deployed function; one that is gone is passed over."""
    connection.execute(sa.delete(tables.deployed_functions).where(*_is_named(scope, name)))


def list_deployed(connection: sa.Connection) -> list[DeployedFunction]:
    """Read every deployed function, ordered by account, region and name."""
    table = tables.deployed_functions
    query = sa.select(table.c.document).order_by(table.c.account, table.c.region, table.c.name)
    return [_deployed_decoder.decode(document) for document in connection.scalars(query)]


def _is_named(scope: Scope, name: str) -> list[sa.ColumnElement[bool]]:
    table = tables.deployed_functions
    return [
        table.c.account == scope.account,
        table.c.region == scope.region,
        table.c.name == name,
    ]


def _function_row(function: Function) -> dict[str, Any]:
    return {
        "account": function.scope.account,
        "region": function.scope.region,
        "name": function.name,
        "document": msgspec.json.encode(function).decode(),
    }


def _deployed_row(function: DeployedFunction) -> dict[str, Any]:
    return {
        "account": function.scope.account,
        "region": function.scope.region,
        "name": function.name,
        "version": function.row_version,
        "document": msgspec.json.encode(function).decode(),
    }

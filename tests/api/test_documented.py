"""What an operator can use stands in docs/operations.md."""

import re
from pathlib import Path

import msgspec
import pytest
from api_fakes import World
from click import Context
from wire_builders import StandingClock

from penstock.api.operator_routes import operator_routes
from penstock.cli.main import cli
from penstock.engine.metric_series import Series
from penstock.engine.metrics import NodeMetrics
from penstock.local import project_tables
from penstock.store.sql import SqlStore
from penstock.store.thread import InlineStore

OPERATIONS = (Path(__file__).resolve().parents[2] / "docs" / "operations.md").read_text()


def routes() -> list[tuple[str, str]]:
    store = SqlStore("sqlite://")
    context = World.with_defaults().context(InlineStore(store))
    found = [(method, path) for method, path, _ in operator_routes(context)]
    store.close()
    return found


def project_keys() -> list[str]:
    tables = [
        each
        for each in vars(project_tables).values()
        if isinstance(each, type) and issubclass(each, msgspec.Struct)
    ]
    return sorted({each.encode_name for table in tables for each in msgspec.structs.fields(table)})


@pytest.mark.parametrize(("method", "path"), routes())
def test_route_is_documented(method: str, path: str) -> None:
    assert f"`{method} {path}" in OPERATIONS


@pytest.mark.parametrize(
    "series", list(NodeMetrics(StandingClock()).collect()), ids=lambda each: each.name
)
def test_metric_is_documented(series: Series) -> None:
    assert f"`{series.name}{{" in OPERATIONS or f"`{series.name}`" in OPERATIONS


# The demo explains itself.
@pytest.mark.parametrize("command", sorted({*cli.list_commands(Context(cli))} - {"demo"}))
def test_command_is_documented(command: str) -> None:
    assert f"penstock {command}" in OPERATIONS


@pytest.mark.parametrize("key", project_keys())
def test_key_of_the_project_file_is_documented(key: str) -> None:
    assert f"`{key}`" in OPERATIONS or re.search(rf"\b{key} = ", OPERATIONS)

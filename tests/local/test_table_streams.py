"""A mapping that names a table gets the ARN of the table's stream, as the server made it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from embedded import running_embedded_aws

from penstock.local.project_file import Project, read_project
from penstock.local.resources import create_client, create_resources, isolated_session
from penstock.local.table_streams import find_table_streams
from penstock.model.errors import ConfigurationError, SourceUnavailableError

PROJECT = """
[functions.project]
url = "http://127.0.0.1:9001"
[[queues]]
name = "orders"
[[tables]]
name = "items"
AttributeDefinitions = [{ AttributeName = "id", AttributeType = "S" }]
KeySchema = [{ AttributeName = "id", KeyType = "HASH" }]
StreamSpecification = { StreamEnabled = true, StreamViewType = "KEYS_ONLY" }
[[mappings]]
name = "orders"
queue = "orders"
FunctionName = "project"
[[mappings]]
name = "items"
table = "items"
FunctionName = "project"
StartingPosition = "TRIM_HORIZON"
"""
STREAM_ARN = re.compile(r"arn:aws:dynamodb:us-east-1:000000000000:table/items/stream/\S+")


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """Run one embedded AWS for this file."""
    with running_embedded_aws("000000000000") as endpoint:
        yield endpoint


@pytest.fixture(name="dynamodb")
def fixture_dynamodb(endpoint: str) -> Iterator[Any]:
    client = create_client(isolated_session(), "dynamodb", endpoint=endpoint, region="us-east-1")
    yield client
    client.delete_table(TableName="items")


@pytest.fixture(name="project")
def fixture_project(tmp_path: Path, endpoint: str) -> Project:
    path = tmp_path / "penstock.toml"
    path.write_text(PROJECT)
    project = read_project(path)
    create_resources(project, endpoint)
    return project


def source_arns(project: Project, endpoint: str) -> dict[str, str]:
    mappings = find_table_streams(project, endpoint)
    return {each.name: str(each.parameters["EventSourceArn"]) for each in mappings}


def test_mapping_of_a_table_gets_the_stream_s_arn(
    project: Project, endpoint: str, dynamodb: Any
) -> None:
    first = source_arns(project, endpoint)
    dynamodb.delete_table(TableName="items")
    create_resources(project, endpoint)
    second = source_arns(project, endpoint)

    assert STREAM_ARN.fullmatch(first["items"])
    assert STREAM_ARN.fullmatch(second["items"])
    assert first["items"] != second["items"]
    assert first["orders"] == second["orders"] == "arn:aws:sqs:us-east-1:000000000000:orders"


@pytest.mark.usefixtures("dynamodb")
def test_table_whose_stream_was_never_made_is_named(tmp_path: Path, endpoint: str) -> None:
    without = tmp_path / "without.toml"
    without.write_text(re.sub(r"StreamSpecification.*", "", PROJECT.partition("[[mappings]]")[0]))
    create_resources(read_project(without), endpoint)
    path = tmp_path / "penstock.toml"
    path.write_text(PROJECT)

    with pytest.raises(ConfigurationError, match="the table 'items' has no stream, though a map"):
        find_table_streams(read_project(path), endpoint)


def test_table_that_is_not_there_yet_is_no_mistake_of_the_file(
    tmp_path: Path, endpoint: str
) -> None:
    path = tmp_path / "penstock.toml"
    path.write_text(PROJECT)

    with pytest.raises(SourceUnavailableError, match=r"cannot read the table 'items': .*NotFound"):
        find_table_streams(read_project(path), endpoint)

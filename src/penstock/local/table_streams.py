"""Finds the streams of the tables that a project file's mappings name.

A stream's ARN ends in a label that the server gives when it makes the stream: so it is asked for
once the table is there.
"""

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from penstock.declared_mappings import DeclaredMapping
from penstock.local.project_file import Project
from penstock.local.resources import create_client, isolated_session
from penstock.model.errors import ConfigurationError, SourceUnavailableError


def find_table_streams(project: Project, endpoint: str) -> tuple[DeclaredMapping, ...]:
    """Give the project's mappings, all with their EventSourceArn; blocking.

    Raises:
        ConfigurationError: A table has no stream.
        SourceUnavailableError: The embedded AWS cannot be reached, or has just been started again.
    """
    if not project.mapping_tables:
        return project.mappings
    client = create_client(isolated_session(), "dynamodb", endpoint=endpoint, region=project.region)
    arns: dict[str, str] = {}
    for table in sorted(set(project.mapping_tables.values())):
        try:
            description = client.describe_table(TableName=table)["Table"]
        except (BotoCoreError, ClientError) as exc:
            # Every table was made: one that is missing will be made again in a moment.
            raise SourceUnavailableError(f"cannot read the table {table!r}: {exc}") from exc
        arn = description.get("LatestStreamArn")
        if arn is None:
            raise ConfigurationError(
                f"the table {table!r} has no stream, though a mapping reads it; its"
                " StreamSpecification may have been changed since it was made"
            )
        arns[table] = arn
    return tuple(
        _with_source(mapping, project.mapping_tables, arns) for mapping in project.mappings
    )


def _with_source(
    mapping: DeclaredMapping, tables: dict[str, str], arns: dict[str, str]
) -> DeclaredMapping:
    table = tables.get(mapping.name)
    if table is None:
        return mapping
    parameters = mapping.parameters | {"EventSourceArn": arns[table]}
    return msgspec.structs.replace(mapping, parameters=parameters)

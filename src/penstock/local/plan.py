"""What ``penstock dev`` would make of a project, without making it."""

from pathlib import Path
from typing import Any

import msgspec

from penstock.declared_mappings import DeclaredMapping
from penstock.local.hidden_values import hide
from penstock.local.omission import Omission
from penstock.local.project_file import Project, ResourceTable
from penstock.local.project_source import ProjectSource, find_project_file, parse_parameter
from penstock.local.temporary_folder import temporary_folder
from penstock.model.errors import ConfigurationError
from penstock.model.function import Function, InvokeEndpoint, LambdaFunction, LocalProcess

ENDPOINT = "http://127.0.0.1:4566"  # dev's, where nothing else is said
_IN_TEMPLATE = "(in the template)"
_UNSAID: tuple[object, ...] = (None, [])
_NAMED_APART = frozenset({"EventSourceArn", "FunctionName"})


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What would be made, by kinds, and what would not; no hidden value is in it.

    Attributes:
        functions: Name, where it runs, Lambda's settings, and the names of its variables.
        mappings: Name, source, function, and the parameters of CreateEventSourceMapping.
        not_made: Type, subject, and what follows from it.
        not_needed: Type and subject of what changes nothing here.
    """

    file: str
    functions: list[dict[str, Any]]
    mappings: list[dict[str, Any]]
    queues: list[dict[str, Any]]
    streams: list[dict[str, Any]]
    tables: list[dict[str, Any]]
    topics: list[dict[str, Any]]
    buckets: list[dict[str, Any]]
    not_made: list[dict[str, Any]]
    not_needed: list[dict[str, Any]]


def make_plan(given: Path | None, parameters: tuple[str, ...]) -> Plan:
    """Read a project and plan it; nothing is called, and nothing stays behind.

    Raises:
        ConfigurationError: There is no project, or it declares what cannot be.
    """
    path = find_project_file(given)
    if path is None:
        raise ConfigurationError("there is no penstock.toml and no template here; name one")
    source = ProjectSource(path=path, parameters=dict(map(parse_parameter, parameters)))
    with temporary_folder("penstock-plan-") as folder:
        project = source.read(endpoint=ENDPOINT, inline_folder=folder)
        return plan_project(project, inline_folder=folder)


def plan_project(project: Project, *, inline_folder: Path) -> Plan:
    """Plan a project that has been read."""
    plan = Plan(
        file=str(project.path),
        functions=[_plan_function(each, project, inline_folder) for each in project.functions],
        mappings=[_plan_mapping(each, project) for each in project.mappings],
        queues=_plan_resources(project.queues),
        streams=_plan_resources(project.streams),
        tables=_plan_resources(project.tables),
        topics=_plan_resources(project.topics),
        buckets=_plan_resources(project.buckets),
        not_made=[_plan_omission(each) for each in project.omissions if not each.is_needless],
        not_needed=[_plan_omission(each) for each in project.omissions if each.is_needless],
    )
    return msgspec.convert(_hide(msgspec.to_builtins(plan), project.hidden_values), Plan)


def _plan_function(function: Function, project: Project, inline_folder: Path) -> dict[str, Any]:
    planned: dict[str, Any] = {"name": function.name}
    match function.hosting:
        case LocalProcess() as process:
            planned |= {
                "Runtime": process.runtime,
                "Handler": process.handler,
                "code": _shown_folder(process.code, project, inline_folder),
                "variables": list(process.environment),
            }
        case InvokeEndpoint(url=url):
            planned["url"] = url
        case LambdaFunction(arn=arn):
            planned["arn"] = arn
    return planned | {
        "Timeout": function.timeout_s,
        "MemorySize": function.memory_mb,
        "concurrency": function.concurrency,
    }


def _shown_folder(code: str, project: Project, inline_folder: Path) -> str:
    folder = Path(code)
    if folder.is_relative_to(inline_folder.absolute()):
        return _IN_TEMPLATE
    beside = (project.path or Path()).absolute().parent
    return str(folder.relative_to(beside)) if folder.is_relative_to(beside) else code


def _plan_mapping(mapping: DeclaredMapping, project: Project) -> dict[str, Any]:
    table = project.mapping_tables.get(mapping.name)
    source = f"table {table}" if table else mapping.parameters.get("EventSourceArn")
    return {
        "name": mapping.name,
        "source": source,
        "function": mapping.parameters["FunctionName"],
        "parameters": {k: v for k, v in mapping.parameters.items() if k not in _NAMED_APART},
    }


def _plan_resources(resources: tuple[ResourceTable, ...]) -> list[dict[str, Any]]:
    planned = []
    for resource in resources:
        given: dict[str, Any] = msgspec.to_builtins(resource)
        planned.append({key: _given(value) for key, value in given.items() if value not in _UNSAID})
    return planned


def _given(value: Any) -> Any:  # noqa: ANN401  JSON of any kind
    """Leave out what a table's parts do not say."""
    match value:
        case dict():
            return {key: _given(member) for key, member in value.items() if member is not None}
        case list():
            return [_given(member) for member in value]
        case _:
            return value


def _plan_omission(omission: Omission) -> dict[str, Any]:
    planned = {"type": omission.type, "subject": omission.subject}
    return planned if omission.is_needless else planned | {"text": omission.text}


def _hide(value: Any, hidden: tuple[str, ...]) -> Any:  # noqa: ANN401  JSON of any kind
    match value:
        case str():
            return hide(value, hidden)
        case dict():
            return {key: _hide(member, hidden) for key, member in value.items()}
        case list():
            return [_hide(member, hidden) for member in value]
        case _:
            return value

"""Makes of a template's resources the document that a project file would be.

What comes out has the keys of ``penstock.toml``, and is read and judged as that is. What goes in
and does not come out is told as an omission.
"""

from collections.abc import Mapping
from pathlib import Path

from penstock.local.omission import Omission
from penstock.local.template import not_made
from penstock.local.template.function_code import FunctionCode, NotRunHere
from penstock.local.template.identities import (
    ALIAS,
    BUCKET,
    FUNCTION,
    GLOBAL_TABLE,
    MAPPING,
    QUEUE,
    STREAM,
    SUBSCRIPTION,
    TABLE,
    TOPIC,
)
from penstock.local.template.mappings import MappingAssembly
from penstock.local.template.properties import (
    NEEDLESS,
    NOT_APPLIED,
    READ_APART,
    SHAPES,
    TEXT,
    fit,
)
from penstock.local.template.resource import Resource
from penstock.local.template.subscriptions import Subscriptions
from penstock.local.template.unknown import NotKnownHereError
from penstock.local.template.values import NO_VALUE, Values
from penstock.model.arn import Scope

_SECTIONS = {
    QUEUE: "queues",
    STREAM: "streams",
    TABLE: "tables",
    GLOBAL_TABLE: "tables",
    TOPIC: "topics",
    BUCKET: "buckets",
}
_NAME_PROPERTIES = frozenset({"QueueName", "Name", "TableName", "TopicName", "BucketName"})
_INDEX_KEYS = ("IndexName", "KeySchema", "Projection", "ProvisionedThroughput")
_PAY_PER_REQUEST, _PROVISIONED = "PAY_PER_REQUEST", "PROVISIONED"


class Assembly:
    """Collects the document.

    Attributes:
        document: As a project file's.
        origins: By the path of a key in the document, the place in the template it comes from.
        omissions: What is not in the document.
    """

    def __init__(
        self, resources: Mapping[str, Resource], values: Values, scope: Scope, inline_folder: Path
    ) -> None:
        self.document: dict[str, object] = {}
        self.origins: dict[str, str] = {}
        self.omissions: list[Omission] = []
        self._resources = resources
        self._values = values
        self._scope = scope
        self._code = FunctionCode(values, inline_folder)
        self._functions: dict[str, object] = {}
        self._sections: dict[str, list[dict[str, object]]] = {}
        self._own_subscriptions: list[tuple[Resource, object]] = []

    def assemble(self) -> None:
        """Go through all resources: first what mappings and subscriptions name, then these."""
        for resource in self._resources.values():
            if resource.type in _SECTIONS:
                self._add_resource(resource)
        for resource in self._of_type(FUNCTION):
            self._add_function(resource)
        self._add_subscriptions()
        mappings = MappingAssembly(
            self._values, self._resources, self._scope, self._sections, list(self._functions)
        )
        for resource in self._of_type(MAPPING):
            self._add_mapping(resource, mappings)
        names = {each.logical_id: self._name_of(each) for each in self._of_type(FUNCTION)}
        for resource in self._resources.values():
            if resource.type == ALIAS:
                self._omit(resource, self._explain_alias(resource))
            elif resource.type not in SHAPES:
                self.omissions.append(not_made.explain(resource, names))
        self.document = {**self._sections, "functions": self._functions}

    def _of_type(self, kind: str) -> list[Resource]:
        return [each for each in self._resources.values() if each.type == kind]

    def _name_of(self, resource: Resource) -> str:
        return self._values.name_of(resource.logical_id)

    def _add_resource(self, resource: Resource) -> None:
        section = _SECTIONS[resource.type]
        given = self._read(resource)
        table = {k: v for k, v in given.items() if k not in _NAME_PROPERTIES}
        table = {"name": self._name_of(resource)} | table
        if section == "tables":
            _complete_table(table)
        if section == "topics":
            table.pop("FifoTopic", None)  # its name says so
            self._own_subscriptions.append((resource, table.pop("Subscription", [])))
        self._append(section, table, resource)

    def _append(self, section: str, table: dict[str, object], resource: Resource) -> None:
        tables = self._sections.setdefault(section, [])
        self._remember(f"{section}[{len(tables)}]", resource)
        tables.append(table)

    def _remember(self, key: str, resource: Resource) -> None:
        self.origins[key] = resource.where.shown
        for name in resource.properties:
            self.origins[f"{key}.{name}"] = resource.where.at("Properties", name).shown

    def _read(self, resource: Resource) -> dict[str, object]:
        """Give the properties that are carried out, and tell of the others."""
        shapes = SHAPES[resource.type]
        read: dict[str, object] = {}
        for name, value in resource.properties.items():
            where = resource.where.at("Properties", name)
            if name in shapes:
                resolved = self._values.resolve(value, where)
                if resolved is not NO_VALUE:
                    read[name] = fit(resolved, shapes[name], where)
            elif name not in READ_APART.get(resource.type, ()):
                self._omit_property(resource, name)
        return read

    def _omit_property(self, resource: Resource, name: str) -> None:
        omission = Omission(
            type=resource.type,
            subject=f"{resource.logical_id}.{name}",
            text="" if name in NEEDLESS else NOT_APPLIED.get(name, "not applied"),
            is_needless=name in NEEDLESS,
        )
        self.omissions.append(omission)

    def _add_function(self, resource: Resource) -> None:
        given = self._read(resource)
        name = self._name_of(resource)
        if name in self._functions:
            raise resource.where.error(f"the function {name!r} is declared twice")
        code = self._code.find(resource, given.get("Runtime"))
        if isinstance(code, NotRunHere):
            self._leave_out(resource, code.reason, f"function {name}")
            return
        table = {k: v for k, v in given.items() if k != "FunctionName"}
        if "ReservedConcurrentExecutions" in table:
            table["concurrency"] = table.pop("ReservedConcurrentExecutions")
        table |= self._role(resource)
        self._functions[name] = table | {
            "code": code,
            "Environment": self._environment(resource),
        }
        self._remember(f"functions.{name}", resource)

    def _role(self, resource: Resource) -> dict[str, object]:
        """Give a function's role, if its ARN is known."""
        where = resource.where.at("Properties", "Role")
        try:
            role = self._values.resolve(resource.properties.get("Role", NO_VALUE), where)
        except NotKnownHereError as exc:
            self._omit(resource, f"not known; {exc.reason}", "Role")
            return {}
        return {} if role is NO_VALUE else {"Role": fit(role, TEXT, where)}

    def _environment(self, resource: Resource) -> dict[str, object]:
        """Give a function's variables; those that only AWS could know are told and left out."""
        where = resource.where.at("Properties", "Environment")
        declared = self._values.choose(resource.properties.get("Environment", {}), where)
        if declared == {"Ref": "AWS::NoValue"}:
            return {}
        if not isinstance(declared, dict) or set(declared) - {"Variables"}:
            raise where.error("expected Variables below it")
        variables = self._values.choose(declared.get("Variables") or {}, where)
        if not isinstance(variables, dict):
            raise where.at("Variables").error("expected names with their values below it")
        environment: dict[str, object] = {}
        for name, value in variables.items():
            here = where.at("Variables", name)
            try:
                resolved = self._values.resolve(value, here)
            except NotKnownHereError as exc:
                self._omit(resource, f"not set; {exc.reason}", f"Environment.{name}")
                continue
            if resolved is not NO_VALUE:
                environment[name] = fit(resolved, TEXT, here)
        return environment

    def _add_subscriptions(self) -> None:
        tables = self._sections.get
        subscriptions = Subscriptions(tables("topics", []), tables("queues", []), self._scope)
        for topic, listed in self._own_subscriptions:
            arn = self._values.resolve({"Ref": topic.logical_id}, topic.where)
            for each in listed if isinstance(listed, list) else []:
                reason = subscriptions.add({"TopicArn": arn} | each)
                if reason is not None:
                    self._omit(topic, f"not made; {reason}", "Subscription")
        for resource in self._of_type(SUBSCRIPTION):
            try:
                reason = subscriptions.add(self._read(resource))
            except NotKnownHereError as exc:
                reason = exc.reason
            if reason is not None:
                self._omit(resource, f"not made; {reason}")

    def _add_mapping(self, resource: Resource, mappings: MappingAssembly) -> None:
        table = mappings.read(resource)
        if isinstance(table, NotRunHere):
            self._leave_out(resource, table.reason, f"mapping {resource.logical_id}")
            return
        self._append("mappings", table | self._read(resource), resource)

    def _omit(self, resource: Resource, text: str, part: str | None = None) -> None:
        subject = resource.logical_id if part is None else f"{resource.logical_id}.{part}"
        self.omissions.append(Omission(type=resource.type, subject=subject, text=text))

    def _leave_out(self, resource: Resource, reason: str, left_out: str) -> None:
        omission = Omission(
            type=resource.type,
            subject=resource.logical_id,
            text=f"not made; {reason}",
            left_out=left_out,
        )
        self.omissions.append(omission)

    def _explain_alias(self, resource: Resource) -> str:
        try:
            arn = self._values.resolve({"Ref": resource.logical_id}, resource.where)
        except NotKnownHereError as exc:
            return f"not made; {exc.reason}"
        return f"not made; what names it gets {str(arn).rpartition(':')[2]}, with its latest code"


def _complete_table(table: dict[str, object]) -> None:
    """Say in CreateTable's words what CloudFormation says in its own."""
    stream = table.get("StreamSpecification")
    if isinstance(stream, dict):
        view = stream.get("StreamViewType")
        table["StreamSpecification"] = {"StreamEnabled": True} | (
            {} if view is None else {"StreamViewType": view}
        )
    indexes = table.get("GlobalSecondaryIndexes")
    if isinstance(indexes, list):
        table["GlobalSecondaryIndexes"] = [
            {key: index[key] for key in _INDEX_KEYS if key in index} for index in indexes
        ]
    if "ProvisionedThroughput" in table:
        table.setdefault("BillingMode", _PROVISIONED)
    elif "BillingMode" not in table:
        table["BillingMode"] = _PAY_PER_REQUEST

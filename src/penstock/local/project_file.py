"""Reads ``penstock.toml``: functions, mappings, resources and the service's settings.

The file is data: nothing in it is executed but the handlers it names. Paths in it are relative to
its folder. Every error is one line that names the file, the key and the choices.
"""

import os
import re
import shlex
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from penstock.declared_mappings import DeclaredMapping
from penstock.functions.host.entry_points import BOOTSTRAP, check_entry_point
from penstock.functions.host.node_client import NODE_CLIENT
from penstock.functions.host.runtimes import RuntimeFamily, runtime_family
from penstock.local.bounded_read import read_at_most
from penstock.local.omission import Omission
from penstock.local.project_mappings import MappingReader
from penstock.local.project_resources import read_resources
from penstock.local.project_roles import check_roles
from penstock.local.project_tables import (
    BucketTable,
    FunctionTable,
    QueueTable,
    ServiceTable,
    StreamTable,
    TableTable,
    TopicTable,
)
from penstock.local.toml_table import (
    Place,
    describe,
    expect_table,
    read_table,
    refuse_unknown_keys,
)
from penstock.local.upstream_choice import (
    NO_CHOICE,
    UpstreamChoice,
    choose_upstream,
    functions_of_mappings,
)
from penstock.model.arn import Scope, is_role_arn, parse_function_name
from penstock.model.errors import ConfigurationError
from penstock.model.function import (
    ANY_PYTHON,
    MEMORY_MB_DEFAULT,
    Function,
    Hosting,
    InvokeEndpoint,
    LambdaFunction,
    LocalProcess,
)

REGION_DEFAULT = "us-east-1"
PROJECT_FILE_DEFAULT = "penstock.toml"
FILE_BYTES_MAX = 16 * 1024 * 1024  # some tens of thousands of mappings

ResourceTable = QueueTable | StreamTable | TableTable | TopicTable | BucketTable


class Project(msgspec.Struct, frozen=True, kw_only=True):
    """What a project file declares.

    Attributes:
        path: The file; None for a project without one, which declares nothing.
        region: Owns the functions and mappings that name no other.
        mappings: Those named in ``mapping_tables`` get their EventSourceArn once their table is
            made (``table_streams.py``).
        mapping_tables: By the name of a mapping that reads a table's stream, the table's name.
        omissions: What a template declares and nothing here makes.
        hidden_values: Texts that are printed nowhere.
    """

    path: Path | None = None
    service: ServiceTable = ServiceTable()
    region: str = REGION_DEFAULT
    functions: tuple[Function, ...] = ()
    mappings: tuple[DeclaredMapping, ...] = ()
    mapping_tables: dict[str, str] = {}
    queues: tuple[QueueTable, ...] = ()
    streams: tuple[StreamTable, ...] = ()
    tables: tuple[TableTable, ...] = ()
    topics: tuple[TopicTable, ...] = ()
    buckets: tuple[BucketTable, ...] = ()
    omissions: tuple[Omission, ...] = ()
    hidden_values: tuple[str, ...] = ()

    @property
    def resources(self) -> tuple[ResourceTable, ...]:
        """Everything that only ``penstock dev`` creates."""
        return (*self.queues, *self.streams, *self.tables, *self.topics, *self.buckets)


def read_project(
    path: Path | None,
    *,
    find_region: Callable[[], str] = lambda: REGION_DEFAULT,
    chosen: UpstreamChoice = NO_CHOICE,
) -> Project:
    """Read a project file.

    Args:
        path: None reads nothing and declares nothing.
        find_region: Asked when the file's ``[service]`` names none.
        chosen: Goes before what the file says.

    Raises:
        ConfigurationError: The file is missing, is not TOML, or declares what cannot be.
    """
    if path is None:
        return Project(region=find_region())
    document = _load(path)
    return make_project(document, Place(str(path)), path, find_region=find_region, chosen=chosen)


def make_project(
    document: dict[str, object],
    place: Place,
    path: Path,
    *,
    find_region: Callable[[], str] = lambda: REGION_DEFAULT,
    chosen: UpstreamChoice = NO_CHOICE,
) -> Project:
    """Give a document its meaning.

    Args:
        document: Of the shape of ``penstock.toml``.
        place: What errors name.
        path: Paths in the document are relative to its folder.
        find_region: Asked when the document's ``service`` names none.
        chosen: Goes before what the document says.

    Raises:
        ConfigurationError: It declares what cannot be.
    """
    refuse_unknown_keys(document, _SECTIONS, place)
    folder = path.absolute().parent
    service = choose_upstream(_read_service(document, place.at("service"), folder), chosen)
    scope = Scope(service.account_id, service.region or find_region())
    functions = _read_functions(document, scope, place, folder)
    if service.assume_role:
        check_roles(functions, place.at("functions"))
    resources = read_resources(document, place)
    known = functions_of_mappings(service, functions, place)
    mappings = MappingReader(scope, known, resources).read(document, place)
    return Project(
        path=path,
        service=service,
        region=scope.region,
        functions=tuple(functions.values()),
        mappings=mappings.declared,
        mapping_tables=mappings.tables,
        queues=resources.queues,
        streams=resources.streams,
        tables=resources.tables,
        topics=resources.topics,
        buckets=resources.buckets,
    )


_SECTIONS = (
    "service",
    "functions",
    "mappings",
    "queues",
    "streams",
    "tables",
    "topics",
    "buckets",
)


def _read_service(document: Mapping[str, object], place: Place, folder: Path) -> ServiceTable:
    table = expect_table(document.get("service", {}), place)
    service = read_table(table, ServiceTable, place)
    ramp = service.queue_ramp
    if ramp.initial > ramp.maximum:
        raise place.at("queue_ramp").error(
            f"initial {ramp.initial} is above maximum {ramp.maximum}"
        )
    if service.nodejs_client is None:
        return service
    client = folder / service.nodejs_client
    if not (client / "node_modules" / NODE_CLIENT).is_dir():
        raise place.at("nodejs_client").error(
            f"{client} has no node_modules/{NODE_CLIENT}; run npm install --prefix"
            f" {shlex.quote(str(client))} --ignore-scripts {NODE_CLIENT}@3"
        )
    return msgspec.structs.replace(service, nodejs_client=str(client))


def _load(path: Path) -> dict[str, object]:
    try:
        with path.open("rb") as file:
            content = read_at_most(file, FILE_BYTES_MAX, str(path), "; is it the file?")
    except OSError as exc:
        raise ConfigurationError(f"{path}: cannot be read: {exc.strerror}") from exc
    try:
        return tomllib.loads(content.decode())
    except ValueError as exc:  # of TOML, of UTF-8, or of a number with thousands of digits
        raise ConfigurationError(f"{path}: not valid TOML: {exc}") from exc
    except RecursionError as exc:
        raise ConfigurationError(f"{path}: nested too deeply") from exc


def _read_functions(
    document: dict[str, object], scope: Scope, place: Place, folder: Path
) -> dict[str, Function]:
    """Read ``[functions.NAME]`` by NAME."""
    functions: dict[str, Function] = {}
    where = place.at("functions")
    for name, table in expect_table(document.get("functions", {}), where).items():
        here = where.at(name)
        if not _FUNCTION_NAME.fullmatch(name):
            raise here.error("a function's name is 1 to 64 letters, digits, hyphens, underscores")
        declared = read_table(expect_table(table, here), FunctionTable, here)
        function = _FunctionReader(name, declared, here, folder).read(scope)
        if function.arn in {known.arn for known in functions.values()}:
            raise here.error(f"{function.arn} is declared twice")
        functions[name] = function
    return functions


# Source: docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html, FunctionName
_FUNCTION_NAME = re.compile(r"[a-zA-Z0-9-_]{1,64}")
_LOCAL_KEYS = ("Handler", "Runtime", "MemorySize", "python", "node", "Environment")
_LAMBDA_CONCURRENCY = 1000  # AWS's default for a whole account: Lambda itself throttles below it
_LOCAL_CONCURRENCY = 10
_ENDPOINT_CONCURRENCY = 1  # runtime interface emulators fail on concurrent calls


class _FunctionReader(msgspec.Struct, frozen=True):
    """Gives one ``[functions.NAME]`` table its meaning."""

    name: str
    table: FunctionTable
    place: Place
    folder: Path

    def read(self, scope: Scope) -> Function:
        """Choose where the function runs."""
        table = self.table
        homes = [key for key in ("code", "url", "arn") if getattr(table, key) is not None]
        if len(homes) != 1:
            given = f"got {' and '.join(homes)}" if homes else "got none of them"
            raise self.place.error(f"give exactly one of code (with Handler), url and arn; {given}")
        if table.code is not None:
            return self._function(scope, self._local_process(table.code), _LOCAL_CONCURRENCY)
        self._refuse_local_keys(homes[0])
        if table.url is not None:
            return self._function(scope, self._endpoint(table.url), _ENDPOINT_CONCURRENCY)
        return self._lambda_function(table.arn or "", scope)

    def _function(
        self, scope: Scope, hosting: Hosting, concurrency: int, *, name: str | None = None
    ) -> Function:
        return Function(
            scope=scope,
            name=name or self.name,
            hosting=hosting,
            timeout_s=self.table.timeout_s,
            memory_mb=self.table.memory_mb or MEMORY_MB_DEFAULT,
            concurrency=self.table.concurrency or concurrency,
            role=self._role(),
        )

    def _role(self) -> str | None:
        role = self.table.role
        if role is not None and not is_role_arn(role):
            raise self.place.at("Role").error(
                f"{role!r} is not a role's ARN; the form is arn:aws:iam::ACCOUNT:role/NAME"
            )
        return role

    def _refuse_local_keys(self, home: str) -> None:
        given = {
            field.encode_name: getattr(self.table, field.name)
            for field in msgspec.structs.fields(self.table)
        }
        for key in _LOCAL_KEYS:
            if given[key]:
                raise self.place.at(key).error(f"belongs to a function with code, not {home}")

    def _local_process(self, code: str) -> LocalProcess:
        folder = Path(os.path.abspath(self.folder / code))  # noqa: PTH100  keeps symlinks
        if not folder.is_dir():
            raise self.place.at("code").error(f"the folder {folder} does not exist")
        runtime = self.table.runtime or ANY_PYTHON
        try:
            family = runtime_family(runtime)
        except ConfigurationError as exc:
            raise self.place.at("Runtime").error(f"{exc}; any other runs behind url") from exc
        handler = self.table.handler
        if handler is None:
            if family is not RuntimeFamily.PROVIDED:
                raise self.place.error('Handler is missing; for example Handler = "app.handler"')
            handler = BOOTSTRAP  # which makes of it what it will
        try:
            check_entry_point(family, handler, folder)
        except ConfigurationError as exc:
            where = "code" if family is RuntimeFamily.PROVIDED else "Handler"
            raise self.place.at(where).error(str(exc)) from exc
        return LocalProcess(
            code=str(folder),
            handler=handler,
            runtime=runtime,
            interpreter=self._interpreter(family),
            environment=self._environment(),
        )

    def _interpreter(self, family: RuntimeFamily) -> str | None:
        """Find the handler's interpreter; a virtual environment's link must stay unresolved."""
        named = {RuntimeFamily.PYTHON: self.table.python, RuntimeFamily.NODEJS: self.table.node}
        keys = {RuntimeFamily.PYTHON: "python", RuntimeFamily.NODEJS: "node"}
        for other, key in keys.items():
            if other is not family and named[other] is not None:
                runtime = self.table.runtime or ANY_PYTHON
                raise self.place.at(key).error(f"has no part in Runtime {runtime}")
        given = named.get(family)
        if given is None:
            beside = self.folder / ".venv" / "bin" / "python"
            is_there = family is RuntimeFamily.PYTHON and os.access(beside, os.X_OK)
            return str(beside) if is_there else None
        path = os.path.abspath(self.folder / given)  # noqa: PTH100  keeps symlinks
        if not os.access(path, os.X_OK) or Path(path).is_dir():
            raise self.place.at(keys[family]).error(f"{path} is not an executable file")
        return path

    def _environment(self) -> dict[str, str]:
        place = self.place.at("Environment")
        variables: dict[str, str] = {}
        for key, value in self.table.environment.items():
            if not isinstance(value, str):
                raise place.at(key).error(f"expected str, got {describe(value)}")
            variables[key] = value
        return variables

    def _endpoint(self, url: str) -> InvokeEndpoint:
        if not re.match(r"https?://[^/]+", url):
            raise self.place.at("url").error(f"{url!r} is not of the form http://host:port")
        return InvokeEndpoint(url=url)

    def _lambda_function(self, text: str, scope: Scope) -> Function:
        """Take scope and name from the ARN, so that a mapping's FunctionArn is Lambda's own."""
        place = self.place.at("arn")
        try:
            reference = parse_function_name(text, Scope("", ""))
        except ConfigurationError as exc:
            raise place.error(str(exc)) from exc
        if not text.startswith("arn:"):
            raise place.error(f"{text!r} is not a function's ARN")
        account = reference.scope.account
        if account != scope.account:
            raise place.error(
                f"the function is of account {account}, and mappings here are of account"
                f' {scope.account}; set account_id = "{account}" in [service]'
            )
        hosting = LambdaFunction(arn=reference.arn)
        return self._function(reference.scope, hosting, _LAMBDA_CONCURRENCY, name=reference.name)

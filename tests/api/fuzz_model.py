"""The operations that the application routes: Lambda's as botocore's model has them, and its own.

An operation joins the fuzz by being routed: nothing here names one.
"""

import re
from collections.abc import Iterator
from typing import Any

import msgspec
from aiohttp import web
from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel, Shape

PLACE = re.compile(r"\{[^}]*\}")

# What AWS's front answers for any operation, in place of the operation's own errors.
FRONT_ERRORS = frozenset(
    {
        "AccessDeniedException",
        "InvalidRequestContentException",
        "MissingAuthenticationTokenException",
        "RequestEntityTooLargeException",
        "SerializationException",
        "UnknownOperationException",
        "UnsupportedMediaTypeException",
        "ValidationException",
    }
)

OWN_PATHS = ("/penstock/", "/metrics")
OWN_ERRORS = frozenset({"NotFoundException", "ResourceConflictException", "ResourceInUseException"})


class Operation(msgspec.Struct, frozen=True):
    """One operation of Lambda's API, or of the service's own.

    Attributes:
        path: Of its request, with ``{Member}`` where a member stands.
        status: Of its success; None: the answer chooses, it is one of its members.
        errors: Codes that it may answer.
        model: botocore's; None of the service's own.
    """

    name: str
    method: str
    path: str
    status: int | None
    errors: frozenset[str]
    model: Any

    @property
    def inputs(self) -> dict[str, Shape]:
        """Its members by name."""
        shape = self._input_shape
        return {} if shape is None else dict(shape.members)

    @property
    def required(self) -> list[str]:
        """Its members that must be there."""
        shape = self._input_shape
        return [] if shape is None else list(shape.required_members)

    @property
    def payload(self) -> str | None:
        """Name the member that is the whole body, if one is."""
        shape = self._input_shape
        return None if shape is None else shape.serialization.get("payload")

    @property
    def output(self) -> Shape | None:
        """The shape of its answer."""
        return None if self.model is None else self.model.output_shape

    @property
    def _input_shape(self) -> Any:
        return None if self.model is None else self.model.input_shape


def load_model() -> ServiceModel:
    """Load Lambda's model."""
    return ServiceModel(Loader().load_service_model("lambda", "service-2"), "lambda")


def modelled_operations() -> Iterator[Operation]:
    """Give every operation of the model."""
    model = load_model()
    for name in model.operation_names:
        yield _to_operation(model.operation_model(name))


def routed_operations(application: web.Application) -> list[Operation]:
    """Give the operations whose method and path the application serves, in the model's order."""
    routed = {
        (route.method, _shape_of(route.resource.canonical))
        for route in application.router.routes()
        if route.resource is not None
    }
    return [each for each in modelled_operations() if (each.method, _shape_of(each.path)) in routed]


def own_operations(application: web.Application) -> list[Operation]:
    """Give the service's own operations that the application serves."""
    routes = {
        (route.method, route.resource.canonical.rstrip("/"))
        for route in application.router.routes()
        if route.resource is not None and route.resource.canonical.startswith(OWN_PATHS)
    }
    return [
        Operation(f"{method} {path}", method, path, 200, FRONT_ERRORS | OWN_ERRORS, None)
        for method, path in sorted(routes)
        if method in ("GET", "POST", "DELETE")
    ]


def _shape_of(path: str) -> str:
    return PLACE.sub("{}", path.partition("?")[0]).rstrip("/")


def _chooses_status(model: OperationModel) -> bool:
    shape = model.output_shape
    members = [] if shape is None else shape.members.values()
    return any(each.serialization.get("location") == "statusCode" for each in members)


def _to_operation(model: OperationModel) -> Operation:
    errors = frozenset(
        shape.metadata.get("error", {}).get("code", shape.name) for shape in model.error_shapes
    )
    return Operation(
        name=model.name,
        method=model.http["method"],
        path=model.http["requestUri"],
        status=None if _chooses_status(model) else model.http.get("responseCode", 200),
        errors=errors | FRONT_ERRORS,
        model=model,
    )

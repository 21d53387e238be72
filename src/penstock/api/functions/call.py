"""One request of an operation on functions: what it asks for, and how it is answered."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

import msgspec
from aiohttp import web

from penstock.api.answers import json_answer
from penstock.api.bodies import CONTROL_BYTES_MAX, read_json_object
from penstock.api.errors import SERIALIZATION, ApiError
from penstock.api.list_query import read_list_query
from penstock.api.shapes import check_parameters
from penstock.model.arn import Scope

CODE_REQUEST_BYTES_MAX = 69_905_067  # AWS's: 50 MB in base64
CODE_REQUEST_S_MAX = 300.0  # ours, for that to come
UPLOADS_MAX = 2  # ours, at once: each may hold some 250 MB while it is read

_BODY_METHODS = ("POST", "PUT")
RequestT = TypeVar("RequestT", bound=msgspec.Struct)


class FunctionCall(msgspec.Struct, frozen=True):
    """A request that has kept the model's constraints.

    Attributes:
        parameters: The input's members by name, wherever the request carried them; no nulls.
        origin: ``http://host:port`` by which the caller reaches this service.
    """

    scope: Scope
    parameters: Mapping[str, object]
    origin: str

    def read(self, request_type: type[RequestT]) -> RequestT:
        """Give the members that an operation takes, typed."""
        return msgspec.convert(self.parameters, request_type)


Answer = Mapping[str, object] | None  # None: an answer without a body
CallHandler = Callable[[FunctionCall], Awaitable[Answer]]


class Operation(msgspec.Struct, frozen=True):
    """One operation of Lambda's API.

    Attributes:
        name: As the model has it.
        path: With its members in braces.
        status: Of a success.
        takes_code: Its body may hold a zip file.
    """

    name: str
    method: str
    path: str
    handler: CallHandler
    status: int = 200
    takes_code: bool = False


class CallReader:
    """Makes HTTP handlers of operations."""

    def __init__(self) -> None:
        self._uploads = asyncio.Semaphore(UPLOADS_MAX)

    def serve(
        self, operation: Operation
    ) -> Callable[[web.Request, Scope], Awaitable[web.StreamResponse]]:
        """Give the handler of one operation."""

        async def handle(request: web.Request, scope: Scope) -> web.StreamResponse:
            if not operation.takes_code or _is_small(request):
                return await self._answer(request, scope, operation)
            async with self._uploads:
                return await self._answer(request, scope, operation)

        return handle

    async def _answer(
        self, request: web.Request, scope: Scope, operation: Operation
    ) -> web.StreamResponse:
        parameters = await _read_parameters(request, operation)
        check_parameters(operation.name, parameters)
        given = {name: value for name, value in parameters.items() if value is not None}
        origin = f"{request.scheme}://{request.host}"
        answer = await operation.handler(FunctionCall(scope, given, origin))
        if answer is None:
            return web.Response(status=operation.status)
        return json_answer(answer, status=operation.status)


def _is_small(request: web.Request) -> bool:
    """Tell whether a body is said to be so small that it need not wait for the large ones."""
    return request.content_length is not None and request.content_length <= CONTROL_BYTES_MAX


async def _read_parameters(request: web.Request, operation: Operation) -> dict[str, object]:
    """Give the members of the body, of the query and of the path.

    Raises:
        ApiError: The body cannot be read, or has a member that belongs elsewhere.
    """
    parameters: dict[str, object] = {}
    if request.method in _BODY_METHODS:
        parameters = await read_json_object(
            request,
            operation.name,
            bytes_max=CODE_REQUEST_BYTES_MAX if operation.takes_code else None,
            s_max=CODE_REQUEST_S_MAX if operation.takes_code else None,
        )
    elsewhere = {**read_list_query(request.query), **request.match_info}
    for name, value in elsewhere.items():
        if parameters.get(name, value) != value:
            raise ApiError(
                SERIALIZATION, f"{operation.name}: {name} is in the address, and not in the body"
            )
    return parameters | elsewhere

"""Functions that an upstream keeps and runs: an emulator, at its own Lambda API.

The engine wants to know a function's timeout and concurrency at once, and the upstream answers over
the network. So what was last heard of each function is declared in the registry, as functions of
AWS Lambda are: asked for when a mapping is made or changed, and again every ``REFRESH_S`` of every
function that a mapping names (``upstream_watch.py``).

1. A function, version or alias that the upstream does not have is missing, as one of Lambda's.
2. While the upstream does not answer, what was last heard holds; of what was never heard nothing is
   known, and its invocations are tried as those of a missing function are.
3. A function without reserved concurrency, and one of an upstream that has no such thing, has
   ``CONCURRENCY_DEFAULT``.

Source: docs.aws.amazon.com/lambda/latest/api/API_GetFunctionConfiguration.html and
API_GetFunctionConcurrency.html beside it; docs/semantics.md#functions-of-an-upstream (the rest)
"""

import contextlib
import http
from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar
from urllib.parse import quote

import msgspec

from penstock.aws.client import ServiceClient, WireClient
from penstock.aws.errors import AnswerMalformedError, ConnectFailedError, WireError
from penstock.aws.exchange import ExchangeRules, HttpResponse, Timeouts
from penstock.aws.json_protocol import UNREADABLE, parse_error
from penstock.model.arn import FunctionReference, Scope, is_role_arn, parse_function_name
from penstock.model.errors import ConfigurationError, InvokeUnavailableError
from penstock.model.function import (
    CONCURRENCY_DEFAULT,
    MEMORY_MB_DEFAULT,
    TIMEOUT_S_DEFAULT,
    TIMEOUT_S_MAX,
    Function,
    LambdaFunction,
)

ShapeT = TypeVar("ShapeT", bound=msgspec.Struct)
_CONFIGURATION_PATH = "/2015-03-31/functions/{}/configuration"
_CONCURRENCY_PATH = "/2019-09-30/functions/{}/concurrency"
_RULES = ExchangeRules(timeouts=Timeouts(first_byte_s=5.0, total_s=10.0), is_idempotent=True)


class _Configuration(msgspec.Struct, frozen=True, rename="pascal"):
    """What GetFunctionConfiguration tells, as far as it matters here."""

    function_arn: str = ""
    timeout: Annotated[int, msgspec.Meta(ge=1, le=TIMEOUT_S_MAX)] = TIMEOUT_S_DEFAULT
    memory_size: Annotated[int, msgspec.Meta(ge=1)] = MEMORY_MB_DEFAULT
    role: str = ""


class _Concurrency(msgspec.Struct, frozen=True, rename="pascal"):
    reserved_concurrent_executions: Annotated[int, msgspec.Meta(ge=0)] | None = None


class UpstreamFunctions:
    """What was last heard of the upstream's functions.

    Args:
        wire: Signs with the service's own credentials.
        url: The upstream.
        declare: Told all functions that are known, whenever one has changed.
    """

    def __init__(
        self, wire: WireClient, url: str, declare: Callable[[Sequence[Function]], None]
    ) -> None:
        self._wire = wire
        self._url = url
        self._declare = declare
        # By the ARN as it was asked for: a version may have another timeout than the latest.
        self._function_by_arn: dict[str, Function] = {}

    async def refresh(self, function_arn: str) -> Function | None:
        """Ask the upstream for a function; None: it has no such function, version or alias.

        Args:
            function_arn: Full ARN, qualified or not.

        Raises:
            InvokeUnavailableError: The upstream did not tell.
            ConfigurationError: Its functions are of another account than the mappings here.
        """
        try:
            function = await self._ask(function_arn)
        except WireError as exc:
            raise InvokeUnavailableError(
                f"the upstream {self._url} does not tell of the function {function_arn}: {exc}"
            ) from exc
        if function != self._function_by_arn.get(function_arn):
            if function is None:
                del self._function_by_arn[function_arn]
            else:
                self._function_by_arn[function_arn] = function
            self._declare_all()
        return function

    def known(self, function_arn: str) -> Function | None:
        """Give what was last heard of a function."""
        return self._function_by_arn.get(function_arn)

    def _declare_all(self) -> None:
        """Declare each function once; of several versions the one that may run longest."""
        longest: dict[str, Function] = {}
        for function in self._function_by_arn.values():
            other = longest.get(function.arn, function)
            longest[function.arn] = max(function, other, key=lambda each: each.timeout_s)
        self._declare(tuple(longest.values()))

    async def _ask(self, function_arn: str) -> Function | None:
        reference = parse_function_name(function_arn, Scope("", ""))
        region = reference.scope.region
        service = await self._wire.open_url(self._url, service="lambda", region=region)
        name = quote(reference.name, safe="")
        target = _CONFIGURATION_PATH.format(name)
        if reference.qualifier is not None:
            target += f"?Qualifier={quote(reference.qualifier, safe='')}"
        answer = await _get(service, target)
        if answer.status == http.HTTPStatus.NOT_FOUND:
            return None
        if answer.status != http.HTTPStatus.OK:
            raise parse_error(answer)
        told = _decode(answer, _Configuration)
        _check_account(told.function_arn, reference)
        return Function(
            scope=reference.scope,
            name=reference.name,
            hosting=LambdaFunction(arn=reference.unqualified_arn),
            timeout_s=told.timeout,
            memory_mb=told.memory_size,
            concurrency=await _ask_concurrency(service, name),
            role=told.role if is_role_arn(told.role) else None,
        )


async def refuse_own_address(wire: WireClient, url: str, region: str) -> None:
    """Refuse an upstream that is this service itself; one that is away now may come.

    Raises:
        ConfigurationError: It is this service's own address, or no URL.
    """
    with contextlib.suppress(ConnectFailedError):
        await wire.open_url(url, service="lambda", region=region, named_by="upstream")


async def _ask_concurrency(service: ServiceClient, name: str) -> int:
    answer = await _get(service, _CONCURRENCY_PATH.format(name))
    if answer.status != http.HTTPStatus.OK:  # not every emulator has the operation
        return CONCURRENCY_DEFAULT
    reserved = _decode(answer, _Concurrency).reserved_concurrent_executions
    return CONCURRENCY_DEFAULT if reserved is None else reserved


async def _get(service: ServiceClient, target: str) -> HttpResponse:
    return await service.send(service.find_form("GET", target, ()), b"", _RULES)


def _decode(answer: HttpResponse, shape: type[ShapeT]) -> ShapeT:
    try:
        return msgspec.json.decode(answer.body, type=shape)
    except UNREADABLE as exc:
        raise AnswerMalformedError(f"the answer cannot be read: {exc}", written=True) from exc


def _check_account(told_arn: str, reference: FunctionReference) -> None:
    """Refuse an upstream whose functions belong to somebody else: Invoke would not find them."""
    account = parse_function_name(told_arn, reference.scope).scope.account if told_arn else ""
    if account and account != reference.scope.account:
        raise ConfigurationError(
            f"the upstream's function {told_arn} is of account {account}, and mappings here are of"
            f' account {reference.scope.account}; set account_id = "{account}" in [service]'
        )

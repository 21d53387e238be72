"""The calls that sources make: over the wire client, with the errors of ``model.errors``."""

from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec

from penstock.aws.client import JsonServiceClient, WireClient
from penstock.aws.errors import (
    AnswerError,
    AnswerTooLargeError,
    CredentialsError,
    Fault,
    RoleRefusedError,
    WireError,
)
from penstock.aws.exchange import ExchangeRules, HttpResponse
from penstock.aws.json_protocol import AUTHENTICATION_FAILURES, UNREADABLE, JsonDialect
from penstock.model.arn import Arn
from penstock.model.errors import (
    SourceAccessDeniedError,
    SourceAnswerTooLargeError,
    SourceCredentialsError,
    SourceError,
    SourceNotFoundError,
    SourceProtocolError,
    SourceRoleError,
    SourceThrottledError,
    SourceUnavailableError,
)

_COLONS_OF_ARN = 5

ErrorByCode = Mapping[str, type[SourceError]]

_ERROR_BY_FAULT: dict[Fault, type[SourceError]] = {
    Fault.THROTTLED: SourceThrottledError,
    Fault.TRANSIENT: SourceUnavailableError,
    Fault.DENIED: SourceAccessDeniedError,
    Fault.REFUSED: SourceProtocolError,
}
AnswerT = TypeVar("AnswerT")


class SourceService(msgspec.Struct, frozen=True, kw_only=True):
    """An AWS service that sources are read from.

    Attributes:
        endpoint_name: botocore's name, by which its endpoint is configured.
        signing_name: What its requests are signed for.
        error_by_code: Where AWS's code says more than its kind of fault.
    """

    endpoint_name: str
    signing_name: str
    dialect: JsonDialect
    error_by_code: ErrorByCode


class SourceCalls:
    """Calls on one source; whatever fails names the operation and the source."""

    def __init__(self, client: JsonServiceClient, arn: Arn, error_by_code: ErrorByCode) -> None:
        self._client = client
        self._arn = arn
        self._error_by_code = error_by_code

    def with_errors(self, error_by_code: ErrorByCode) -> "SourceCalls":
        """Give the same calls, with further codes that say more than their kind of fault."""
        return SourceCalls(self._client, self._arn, {**self._error_by_code, **error_by_code})

    async def call(self, operation: str, body: bytes, rules: ExchangeRules) -> bytes:
        """Give the body of a success.

        Raises:
            SourceError: As mapped by ``to_source_error``.
        """
        try:
            return (await self._client.ask(operation, body, rules)).body
        except WireError as exc:
            raise self._to_error(exc, operation) from exc

    async def ask(self, operation: str, body: bytes, rules: ExchangeRules) -> HttpResponse:
        """Give the whole answer of a success.

        Raises:
            SourceError: As mapped by ``to_source_error``.
        """
        try:
            return await self._client.ask(operation, body, rules)
        except WireError as exc:
            raise self._to_error(exc, operation) from exc

    def decode(self, decoder: msgspec.json.Decoder[AnswerT], answer: bytes) -> AnswerT:
        """Read a success.

        Raises:
            SourceProtocolError: It is not of the decoder's shape.
        """
        try:
            return decoder.decode(answer)
        except UNREADABLE as exc:
            raise self.unreadable(exc) from exc

    def refuse_other_text(self, answer: bytes) -> None:
        """Make sure that an answer is UTF-8, of which parts are passed on undecoded.

        Raises:
            SourceProtocolError: It is not.
        """
        if answer.isascii():
            return
        try:
            answer.decode()
        except UnicodeDecodeError as exc:
            raise self.unreadable(exc) from exc

    def refuse_other_account(self, found_arn: str, kind: str) -> None:
        """Refuse what is another account's, which some emulators give for any account.

        Args:
            found_arn: What the server says that it found; empty where it does not say.
            kind: What it is, in a word.

        Raises:
            SourceNotFoundError: It is another account's.
        """
        found_account = found_arn.split(":")[4] if found_arn.count(":") >= _COLONS_OF_ARN else ""
        if found_account and self._arn.account and found_account != self._arn.account:
            raise SourceNotFoundError(
                f"{self._arn} does not exist; the {kind} of that name is {found_arn}"
            )

    def _to_error(self, error: WireError, operation: str) -> SourceError:
        return to_source_error(error, f"{operation} on {self._arn.resource}", self._error_by_code)

    def unreadable(self, exc: Exception) -> SourceProtocolError:
        """Say what is wrong with an answer."""
        return SourceProtocolError(
            f"{self._arn.resource}: the server's answer cannot be read: {exc}"
        )


async def open_calls(
    wire: WireClient,
    service: SourceService,
    arn: Arn,
    *,
    count_request: Callable[[str], None] | None = None,
) -> SourceCalls:
    """Open a service in the ARN's region; nothing is asked of it yet.

    Args:
        wire: Carries the calls.
        service: The kind of source.
        arn: The source's.
        count_request: Told the operation of each request that is sent.

    Raises:
        SourceUnavailableError: The name of its server cannot be looked up.
        ConfigurationError: The endpoint is this process, or it cannot be resolved.
    """
    try:
        opened = await wire.open(
            service.endpoint_name, arn.region, signing_name=service.signing_name
        )
    except WireError as exc:
        raise to_source_error(exc, f"opening {arn.resource}", {}) from exc
    client = JsonServiceClient(wire, opened, service.dialect, count_request=count_request)
    return SourceCalls(client, arn, service.error_by_code)


def to_source_error(error: WireError, what: str, error_by_code: ErrorByCode) -> SourceError:
    """Translate a failed call; ``what`` names the operation and the source."""
    if isinstance(error, RoleRefusedError):
        return SourceRoleError(f"{what}: {error}")
    if isinstance(error, CredentialsError):
        return SourceCredentialsError(str(error))
    if isinstance(error, AnswerTooLargeError):
        return SourceAnswerTooLargeError(f"{what}: {error}")
    if not isinstance(error, AnswerError):
        return SourceUnavailableError(f"{what}: {error}")
    if error.code in AUTHENTICATION_FAILURES:
        return SourceCredentialsError(f"{what}: {error}")
    kind = error_by_code.get(error.code) or _ERROR_BY_FAULT[error.fault]
    return kind(f"{what}: {error}")

"""The calls that destinations make: botocore's, with the errors of ``model.errors``."""

from typing import Any

import msgspec

from penstock.aws.client import WireClient
from penstock.aws.errors import AnswerError, CredentialsError, Fault, WireError
from penstock.aws.sdk import SdkClient
from penstock.model.arn import Arn, is_fifo_arn
from penstock.model.errors import (
    DestinationError,
    DestinationRefusedError,
    DestinationUnavailableError,
)

_UNAVAILABLE = {Fault.THROTTLED, Fault.TRANSIENT}


class DestinationService(msgspec.Struct, frozen=True, kw_only=True):
    """An AWS service that takes discards in.

    Attributes:
        name: botocore's name of it.
        noun: What a destination is there.
        permission: What the credentials need.
        missing_codes: AWS's codes for one that is not there.
    """

    name: str
    noun: str
    permission: str
    missing_codes: frozenset[str]


class DestinationCalls:
    """Calls on one destination; whatever fails names the operation, the destination and a remedy.

    Attributes:
        origin: The server that is called.
    """

    def __init__(self, client: SdkClient, service: DestinationService, arn: Arn) -> None:
        self.origin = client.endpoint.origin
        self._client = client
        self._service = service
        self._arn = arn

    async def call(self, operation: str, *, proof: str, **parameters: object) -> Any:  # noqa: ANN401
        """Call an operation once; give the member of its answer that proves a success.

        Raises:
            DestinationUnavailableError: No answer, a throttle, or a 5xx answer.
            DestinationRefusedError: Missing, forbidden, refused; or the server is another's.
            ConfigurationError: botocore refuses the parameters or the configuration.
        """
        try:
            answer = await self._client.call(operation, parameters)
        except WireError as exc:
            raise self._to_destination_error(exc, operation) from exc
        if proof not in answer:  # any web server answers something
            service = self._service.name
            raise DestinationRefusedError(
                f"{operation} on {self._arn}: {self.origin} answered without {proof}; point "
                f"AWS_ENDPOINT_URL_{service.upper()} or AWS_ENDPOINT_URL at a server of {service}"
            )
        return answer[proof]

    def _to_destination_error(self, error: WireError, operation: str) -> DestinationError:
        what = f"{operation} on {self._arn}: {error}"
        if isinstance(error, CredentialsError):
            return DestinationRefusedError(what)
        if not isinstance(error, AnswerError):
            return DestinationUnavailableError(f"{what}; it is asked at {self.origin}")
        if error.fault in _UNAVAILABLE:
            return DestinationUnavailableError(what)
        return DestinationRefusedError(f"{what}; {self._remedy(error)}")

    def _remedy(self, error: AnswerError) -> str:
        service = self._service
        if error.code in service.missing_codes:
            return f"create the {service.noun}, or give the mapping another on-failure destination"
        if error.fault is Fault.DENIED:
            return f"allow {service.permission} to the credentials that Penstock runs with"
        return f"see to it that the {service.noun} takes what it is given"


async def open_destination(
    wire: WireClient, service: DestinationService, arn: Arn, region: str
) -> DestinationCalls:
    """Open a destination's service; nothing is asked of it yet.

    Raises:
        DestinationUnavailableError: The name of its server cannot be looked up.
        DestinationRefusedError: A FIFO queue or topic.
        ConfigurationError: The endpoint is this process, or it cannot be resolved.

    Source: docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
    """
    if service.noun != "bucket" and is_fifo_arn(arn.resource):
        raise DestinationRefusedError(
            f"{arn} is FIFO; only standard queues and topics can be on-failure destinations"
        )
    try:
        client = await wire.sdk.open(service.name, region)
    except WireError as exc:
        raise DestinationUnavailableError(f"opening {arn}: {exc}") from exc
    return DestinationCalls(client, service, arn)

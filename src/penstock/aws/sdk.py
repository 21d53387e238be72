"""botocore's clients on threads: for AWS calls that are rare, in protocols not spoken here."""

import asyncio
import functools
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from penstock import __version__
from penstock.aws.credentials import NO_CREDENTIALS, CredentialCache
from penstock.aws.endpoints import EndpointResolver
from penstock.aws.errors import (
    AnswerError,
    AnswerMalformedError,
    CredentialsError,
    TransportError,
)
from penstock.aws.exchange import Endpoint
from penstock.aws.json_protocol import classify
from penstock.aws.session import AwsSession
from penstock.aws.signer import Credentials
from penstock.model.errors import ConfigurationError
from penstock.ports import Clock

CALLS_MAX = 4  # at once per service and region; further ones wait their turn
CONNECT_S_MAX = 5.0  # also for each piece of a request's body to be taken by the server
REPLY_S_MAX = 10.0  # for each piece of an answer to come


class SdkClients:
    """Opens botocore's clients at the endpoints, and with the credentials, of the wire client.

    Args:
        session: Makes the clients.
        endpoints: Refuse this service's own address.
        credentials: Found as for every other call; a client is made anew when they change.
        clock: Says which credentials are fresh.
    """

    def __init__(
        self,
        session: AwsSession,
        endpoints: EndpointResolver,
        credentials: CredentialCache,
        clock: Clock,
    ) -> None:
        self._session = session
        self._endpoints = endpoints
        self._credentials = credentials
        self._clock = clock
        self._client_by_name: dict[tuple[str, str], SdkClient] = {}

    async def open(self, service: str, region: str) -> "SdkClient":
        """Open a service in a region; nothing is asked of it yet.

        Raises:
            ConfigurationError: The endpoint is this process, or it cannot be resolved.
            ConnectFailedError: The name of its server cannot be looked up.
        """
        endpoint = await self._endpoints.resolve(service, region)
        known = self._client_by_name.get((service, region))
        if known is None:
            known = SdkClient(self, service, region, endpoint)
            self._client_by_name[service, region] = known
        return known

    async def find_credentials(self) -> Credentials:
        """Give the credentials to sign with now.

        Raises:
            CredentialsError: There are no usable ones.
            ConfigurationError: The shared configuration files cannot be used.
        """
        found = await self._credentials.find(self._clock.now().wall_ms)
        if found is None:
            raise CredentialsError(NO_CREDENTIALS)
        return found

    async def make_client(self, service: str, region: str, credentials: Credentials) -> Any:  # noqa: ANN401 - botocore has no types
        """Make botocore's client, on a thread.

        Buckets of a configured endpoint are named in the path, unless its profile says otherwise.

        Raises:
            ConfigurationError: botocore refuses the configuration.
        """
        keys = {
            "region_name": region,
            "aws_access_key_id": credentials.access_key,
            "aws_secret_access_key": credentials.secret_key,
            "aws_session_token": credentials.token,
        }
        question = functools.partial(_make_client, service=service, keys=keys)
        return await self._session.ask(question)

    def close(self) -> None:
        """Begin no more calls; those that run end by themselves, soon."""
        for client in self._client_by_name.values():
            client.close()


class SdkClient:
    """One AWS service in one region; opened by ``SdkClients``.

    Its threads are its own: a server that hangs keeps no other service waiting, nor the look-up of
    names, which has the event loop's threads.
    """

    def __init__(self, clients: SdkClients, service: str, region: str, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._clients = clients
        self._service = service
        self._region = region
        self._threads = ThreadPoolExecutor(CALLS_MAX, thread_name_prefix=f"{service} {region}")
        self._making = asyncio.Lock()  # of a hundred first calls, one makes the client
        self._client: Any = None
        self._made_with: Credentials | None = None

    async def call(self, operation: str, parameters: Mapping[str, object]) -> dict[str, Any]:
        """Call an operation once; a call that has begun runs to its end even when cancelled.

        Args:
            operation: AWS's name of it.
            parameters: As botocore takes them.

        Raises:
            WireError: It failed.
            ConfigurationError: botocore refuses the parameters or the configuration.
        """
        call = functools.partial(_call, await self._find_client(), operation, parameters)
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    def close(self) -> None:
        """Begin no more calls."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        if self._client is not None:
            self._client.close()

    async def _find_client(self) -> Any:  # noqa: ANN401 - botocore has no types
        async with self._making:
            credentials = await self._clients.find_credentials()
            if credentials != self._made_with:
                self._client = await self._clients.make_client(
                    self._service, self._region, credentials
                )
                self._made_with = credentials
            return self._client


def _make_client(
    session: Any,  # noqa: ANN401 - botocore has no types
    *,
    service: str,
    keys: Mapping[str, str | None],
) -> Any:  # noqa: ANN401 - as above
    from botocore.config import Config  # noqa: PLC0415

    config = Config(
        connect_timeout=CONNECT_S_MAX,
        read_timeout=REPLY_S_MAX,
        retries={"total_max_attempts": 1},  # who calls knows whether and when to call again
        max_pool_connections=CALLS_MAX,
        user_agent_extra=f"penstock/{__version__}",
    )
    return session.create_client(service, config=config, **keys)


def _call(client: Any, operation: str, parameters: Mapping[str, object]) -> dict[str, Any]:  # noqa: ANN401
    from botocore import exceptions, parsers, xform_name  # noqa: PLC0415

    try:
        answer: dict[str, Any] = getattr(client, xform_name(operation))(**parameters)
    except exceptions.ClientError as exc:
        raise _answer_error(exc.response) from exc
    except (
        exceptions.ConnectionError,
        exceptions.HTTPClientError,
        exceptions.IncompleteReadError,
    ) as exc:
        raise TransportError(str(exc), written=True) from exc
    except parsers.ResponseParserError as exc:
        raise AnswerMalformedError(f"the answer cannot be read: {exc}", written=True) from exc
    except exceptions.BotoCoreError as exc:
        raise ConfigurationError(f"{operation} cannot be asked for: {exc}") from exc
    return answer


def _answer_error(response: Mapping[str, Any]) -> AnswerError:
    """Read an error as botocore has parsed it."""
    error = response.get("Error", {})
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    code = str(error.get("Code", "")) or f"HTTP {status}"
    return AnswerError(
        status=status,
        code=code,
        message=str(error.get("Message", "")),
        fault=classify(code, status),
    )

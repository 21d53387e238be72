"""botocore's clients on threads: for AWS calls that are rare, in protocols not spoken here."""

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from penstock.aws.credentials import CredentialProvider
from penstock.aws.endpoints import EndpointResolver
from penstock.aws.exchange import Endpoint
from penstock.aws.session import AwsSession
from penstock.aws.signer import Credentials
from penstock.ports import Clock

if TYPE_CHECKING:
    from penstock.aws.botocore_session import BotocoreClient

CALLS_MAX = 4  # at once per service and region; further ones wait their turn


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
        credentials: CredentialProvider,
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
        return await self._credentials.require(self._clock.now().wall_ms)

    async def open_client(
        self, service: str, region: str, credentials: Credentials
    ) -> "BotocoreClient":
        """Open botocore's client, on a thread.

        Raises:
            ConfigurationError: botocore refuses the configuration.
        """
        return await self._session.ask(
            lambda session: session.open_client(
                service, region, credentials, connections_max=CALLS_MAX
            )
        )

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
        self._client: BotocoreClient | None = None
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
        client = await self._find_client()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, client.call, operation, parameters)

    def close(self) -> None:
        """Begin no more calls."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        if self._client is not None:
            self._client.close()

    async def _find_client(self) -> "BotocoreClient":
        async with self._making:
            credentials = await self._clients.find_credentials()
            if self._client is None or credentials != self._made_with:
                self._client = await self._clients.open_client(
                    self._service, self._region, credentials
                )
                self._made_with = credentials
            return self._client

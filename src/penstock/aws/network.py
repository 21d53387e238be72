"""What all wire clients of a process share: one session, its endpoints, one set of connections."""

from collections.abc import Collection

from penstock.aws.endpoints import Address, EndpointResolver
from penstock.aws.exchange import Endpoint
from penstock.aws.proxied import ProxiedTransport
from penstock.aws.session import AwsSession
from penstock.aws.transport import DirectTransport, Transport


class Network:
    """The way to AWS.

    Args:
        own_addresses: Where this process listens: (host, port) as bound. Endpoints there are
            refused.
        default_endpoint: Where services are that the AWS configuration names no endpoint for; None:
            at AWS.
    """

    def __init__(
        self, *, own_addresses: Collection[Address] = (), default_endpoint: str | None = None
    ) -> None:
        self.session = AwsSession(default_endpoint=default_endpoint)
        self.endpoints = EndpointResolver(self.session, own_addresses)
        self._direct = DirectTransport(self.session.open_ssl_context)
        self._transport_by_proxy: dict[str, Transport] = {}

    def transport_to(self, endpoint: Endpoint) -> Transport:
        """Give what carries exchanges to an endpoint: straight, or through its proxy."""
        if endpoint.proxy is None:
            return self._direct
        if endpoint.proxy not in self._transport_by_proxy:
            proxied = ProxiedTransport(endpoint.proxy, self.session.open_ssl_context)
            self._transport_by_proxy[endpoint.proxy] = proxied
        return self._transport_by_proxy[endpoint.proxy]

    async def close(self) -> None:
        """Close every connection; exchanges in flight fail."""
        for transport in (self._direct, *self._transport_by_proxy.values()):
            await transport.close()

"""Where a service lives, as AWS SDKs resolve it; never the service's own address."""

import asyncio
import contextlib
import socket
import urllib.request
from collections.abc import Collection

import msgspec

from penstock.aws.errors import ConnectFailedError
from penstock.aws.exchange import Endpoint, Origin, parse_endpoint
from penstock.aws.session import AwsSession
from penstock.model.errors import ConfigurationError

Address = tuple[str, int]  # host and port as bound; the host may be a wildcard

WILDCARDS = frozenset({"0.0.0.0", "::", ""})


class EndpointResolver:
    """Resolves endpoints once each.

    botocore decides: AWS_ENDPOINT_URL and its service-specific forms, the profile's ``services``
    section, FIPS and dual-stack settings, else AWS's own endpoint of the region.

    Args:
        own_addresses: Where this process listens; an endpoint there would make it call itself.
    """

    def __init__(self, session: AwsSession, own_addresses: Collection[Address]) -> None:
        self._session = session
        self._own_addresses = tuple(own_addresses)
        self._lock = asyncio.Lock()  # a hundred mappings that start at once resolve once
        self._endpoint_by_name: dict[tuple[str, ...], Endpoint] = {}

    async def resolve(self, service: str, region: str) -> Endpoint:
        """Resolve a service's endpoint.

        Raises:
            ConfigurationError: It is this service itself, or the configuration cannot be used.
            ConnectFailedError: Its name cannot be looked up to tell.
        """
        async with self._lock:
            known = self._endpoint_by_name.get((service, region))
            if known is None:
                url = await self._session.ask(
                    lambda session: session.find_endpoint_url(service, region)
                )
                known = await self._check(url, f"the endpoint of {service}")
                self._endpoint_by_name[service, region] = known
            return known

    async def resolve_url(self, url: str, *, named_by: str = "url") -> Endpoint:
        """Read a URL of the configuration as an endpoint: a function's by default.

        Raises:
            ConfigurationError: It is not a URL, or it is this service itself.
            ConnectFailedError: Its name cannot be looked up to tell.
        """
        async with self._lock:
            known = self._endpoint_by_name.get((url,))
            if known is None:
                known = await self._check(url, named_by)
                self._endpoint_by_name[url,] = known
            return known

    async def _check(self, url: str, named_by: str) -> Endpoint:
        endpoint = parse_endpoint(url, named_by=named_by)
        proxy = _find_proxy(endpoint.origin)
        try:
            is_own = await asyncio.to_thread(_is_own, endpoint.origin, self._own_addresses)
        except OSError as exc:
            if proxy is None:  # not to be judged now, nor connected to
                raise ConnectFailedError(f"cannot connect to {endpoint.origin}: {exc}") from exc
            is_own = False  # a name that only the proxy knows
        if is_own:
            raise ConfigurationError(
                f"{named_by} is {url}, which is this service's own address: "
                "point AWS_ENDPOINT_URL (or AWS_ENDPOINT_URL_SQS, AWS_ENDPOINT_URL_LAMBDA, "
                "the function's url, or --upstream) at another server"
            )
        return msgspec.structs.replace(endpoint, proxy=proxy)


def _find_proxy(origin: Origin) -> str | None:
    """Give the proxy that HTTP_PROXY, HTTPS_PROXY and NO_PROXY name, as botocore reads them."""
    if urllib.request.proxy_bypass(origin.authority):
        return None
    proxy = urllib.request.getproxies().get(origin.scheme)
    return f"http://{proxy.removeprefix('//')}" if proxy and ":/" not in proxy else proxy


def _is_own(origin: Origin, own_addresses: Collection[Address]) -> bool:
    """Tell whether an origin is this process; names are looked up only where the port is ours.

    Raises:
        OSError: A name cannot be looked up.
    """
    for host, port in own_addresses:
        if port == origin.port:
            addresses = _look_up(origin.host)
            if host in WILDCARDS and any(map(_is_of_this_machine, addresses)):
                return True
            if addresses & _look_up(host):
                return True
    return False


def _look_up(host: str) -> frozenset[str]:
    return frozenset(str(found[4][0]) for found in socket.getaddrinfo(host, None))


def _is_of_this_machine(address: str) -> bool:
    """Tell whether a socket can be bound there."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.bind((address, 0))
        return True
    return False

"""The wire client: opens AWS services, signs their requests, retries what may be sent twice."""

import asyncio
import weakref
from collections.abc import Awaitable, Callable

from penstock.aws.credentials import CredentialCache, CredentialProvider
from penstock.aws.errors import CredentialsError, TransportError, WireError
from penstock.aws.exchange import Endpoint, ExchangeRules, Headers, HttpResponse
from penstock.aws.json_protocol import JsonDialect, check_answer
from penstock.aws.network import Network
from penstock.aws.retry_quota import Retry, RetryQuota
from penstock.aws.sdk import SdkClients
from penstock.aws.signer import RequestForm, Signer
from penstock.aws.transport import Transport
from penstock.model.errors import ConfigurationError
from penstock.ports import Clock

FORMS_MAX = 512  # shared ones of a service: functions that are invoked or looked at


class WireClient:
    """Opens AWS services, and signs with one identity's credentials.

    Args:
        network: What it shares with every other.
        draw_fraction: Draws from [0, 1), for the jitter of retries.
        credentials: Whom it signs as; None: whoever the AWS configuration says.
    """

    def __init__(
        self,
        network: Network,
        *,
        clock: Clock,
        draw_fraction: Callable[[], float],
        credentials: CredentialProvider | None = None,
    ) -> None:
        self.clock = clock
        self.draw_fraction = draw_fraction
        self.credentials = credentials or CredentialCache(network.session, clock)
        self.sdk = SdkClients(network.session, network.endpoints, self.credentials, clock)
        self._network = network
        self._service_by_name: dict[tuple[str, ...], ServiceClient] = {}
        self._acting: weakref.WeakSet[SdkClients] = weakref.WeakSet()

    def acting_with(self, credentials: CredentialProvider) -> "WireClient":
        """Give a client that signs with other credentials, over the same connections.

        What has been opened with it, and is still held, is closed with this one.
        """
        acting = WireClient(
            self._network,
            clock=self.clock,
            draw_fraction=self.draw_fraction,
            credentials=credentials,
        )
        self._acting.add(acting.sdk)
        return acting

    async def open(
        self, service: str, region: str, *, signing_name: str | None = None
    ) -> "ServiceClient":
        """Open a service in a region, at the endpoint that AWS SDKs would use.

        Args:
            service: botocore's name of it.
            region: Where it is.
            signing_name: What its requests are signed for; None: its own name.

        Raises:
            ConfigurationError: The endpoint is this process, or it cannot be resolved.
            ConnectFailedError: The name of its server cannot be looked up.
        """
        signing_name = signing_name or service
        known = self._service_by_name.get((service, region, signing_name))
        if known is None:
            endpoint = await self._network.endpoints.resolve(service, region)
            known = self._to_service(endpoint, Signer(signing_name, region))
            self._service_by_name[service, region, signing_name] = known
        return known

    async def open_url(
        self, url: str, *, service: str, region: str, named_by: str = "url"
    ) -> "ServiceClient":
        """Open a server that speaks a service's protocol at a URL of its own.

        Args:
            url: Where it listens.
            service: What requests are signed for.
            region: As ``service``.
            named_by: The setting that names it, for errors.

        Raises:
            ConfigurationError: It is this process, or it is not a URL.
            ConnectFailedError: The name of its server cannot be looked up.
        """
        known = self._service_by_name.get((service, region, url))
        if known is None:
            endpoint = await self._network.endpoints.resolve_url(url, named_by=named_by)
            known = self._to_service(endpoint, Signer(service, region))
            self._service_by_name[service, region, url] = known
        return known

    async def has_configured_endpoint(self, service: str, region: str) -> bool:
        """Tell whether a service's endpoint is configured, by AWS_ENDPOINT_URL or as SDKs know.

        Raises:
            ConfigurationError: The AWS configuration cannot be used.
        """
        return await self._network.session.ask(
            lambda session: session.has_configured_endpoint(service, region)
        )

    async def close(self) -> None:
        """Close every connection; exchanges in flight fail."""
        await self._network.close()
        for sdk in (self.sdk, *self._acting):
            sdk.close()

    def _to_service(self, endpoint: Endpoint, signer: Signer) -> "ServiceClient":
        return ServiceClient(self, self._network.transport_to(endpoint), endpoint, signer)


class ServiceClient:
    """One AWS service in one region: signs and sends; opened by ``WireClient``.

    Attributes:
        retry_quota: Of all that is sent with it.
    """

    def __init__(
        self, wire: WireClient, transport: Transport, endpoint: Endpoint, signer: Signer
    ) -> None:
        self.endpoint = endpoint
        self.retry_quota = RetryQuota()
        self._wire = wire
        self._signer = signer
        self._transport = transport
        self._host = ("Host", endpoint.origin.authority)
        self._forms: dict[tuple[str, str, Headers], RequestForm] = {}

    def open_form(self, method: str, target: str, headers: Headers) -> RequestForm:
        """Give what signs requests that differ in nothing but their bodies.

        Args:
            method: Of HTTP.
            target: Below the endpoint's path.
            headers: Without Host.
        """
        return self._signer.open_form(method, self.endpoint.path + target, (self._host, *headers))

    def find_form(self, method: str, target: str, headers: Headers) -> RequestForm:
        """Open a form as ``open_form`` does, or give the one that all who ask for it share."""
        form = self._forms.get((method, target, headers))
        if form is None:
            if len(self._forms) >= FORMS_MAX:
                self._forms.clear()
            form = self._forms[method, target, headers] = self.open_form(method, target, headers)
        return form

    def send(
        self,
        form: RequestForm,
        body: bytes,
        rules: ExchangeRules,
        *,
        unsigned_allowed: bool = False,
    ) -> Awaitable[HttpResponse]:
        """Sign a request and send it once; any answer is given back.

        Args:
            form: Opened here.
            body: The request's.
            rules: Limits and bounds of the operation.
            unsigned_allowed: Send it unsigned where no credentials are configured.

        Raises:
            TransportError: No complete answer came.
            CredentialsError: There are no usable credentials.
            ConfigurationError: The shared configuration files cannot be used.
        """
        now_ms = self._wire.clock.now().wall_ms
        credentials = self._wire.credentials.known(now_ms)
        if credentials is None:
            return self._send_later(form, body, rules, unsigned_allowed=unsigned_allowed)
        request = form.sign(body, credentials, now_ms)
        return self._transport.exchange(self.endpoint.origin, request, rules)

    async def _send_later(
        self, form: RequestForm, body: bytes, rules: ExchangeRules, *, unsigned_allowed: bool
    ) -> HttpResponse:
        """Send a request once the credentials are found."""
        clock, credentials = self._wire.clock, self._wire.credentials
        look = credentials.find if unsigned_allowed else credentials.require
        found = await look(clock.now().wall_ms)
        if found is None:
            request = form.leave_unsigned(body)
        else:
            request = form.sign(body, found, clock.now().wall_ms)
        return await self._transport.exchange(self.endpoint.origin, request, rules)


class JsonServiceClient:
    """One AWS service in one region that speaks AWS JSON.

    Args:
        wire: Says how retries wait.
        service: Signs and sends.
        dialect: How the service is spoken to.
        count_request: Told the operation of each request that was sent, once it has ended: of each
            attempt, also of one whose answer was lost or not waited for.
    """

    def __init__(
        self,
        wire: WireClient,
        service: ServiceClient,
        dialect: JsonDialect,
        *,
        count_request: Callable[[str], None] | None = None,
    ) -> None:
        self._wire = wire
        self._count_request = count_request
        self._service = service
        self._dialect = dialect
        self._form_by_operation: dict[str, RequestForm] = {}

    async def call(self, operation: str, body: bytes, rules: ExchangeRules) -> bytes:
        """Call an operation; give back the body of its success.

        Raises:
            WireError: The last attempt failed.
            ConfigurationError: The shared configuration files cannot be used.
        """
        return (await self.ask(operation, body, rules)).body

    async def ask(self, operation: str, body: bytes, rules: ExchangeRules) -> HttpResponse:
        """Call an operation; give back the whole answer of its success.

        Where the rules say that it may be sent twice, a throttle, a failure of the server and a
        lost answer are retried, up to ``attempts_max`` attempts in all and within the retry quota.

        Raises:
            WireError: The last attempt failed.
            ConfigurationError: The shared configuration files cannot be used.

        Source: docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
        """
        form = self._form_by_operation.get(operation) or self._open_form(operation)
        quota, count_request = self._service.retry_quota, self._count_request
        attempts_left = rules.attempts_max if rules.is_idempotent else 1
        retry: Retry | None = None
        while True:
            attempts_left -= 1
            is_sent = True
            try:
                answer = check_answer(await self._service.send(form, body, rules))
            except WireError as exc:
                is_sent = _was_sent(exc)
                retry = quota.take(exc, retry) if attempts_left else None
                if retry is None:
                    raise
            except ConfigurationError:
                is_sent = False
                raise
            else:
                quota.give_back(retry)
                return answer
            finally:
                if is_sent and count_request is not None:
                    count_request(operation)
            await _wait_s(self._wire.draw_fraction() * retry.pause_s_max)

    def _open_form(self, operation: str) -> RequestForm:
        form = self._service.open_form("POST", "/", self._dialect.headers(operation))
        self._form_by_operation[operation] = form
        return form


def _was_sent(error: WireError) -> bool:
    if isinstance(error, TransportError):
        return error.written
    return not isinstance(error, CredentialsError)


async def _wait_s(delay_s: float) -> None:
    """Wait on a timer of the loop, which a simulated loop can carry out too."""
    loop = asyncio.get_running_loop()
    elapsed: asyncio.Future[None] = loop.create_future()
    timer = loop.call_later(delay_s, elapsed.set_result, None)
    try:
        await elapsed
    finally:
        timer.cancel()

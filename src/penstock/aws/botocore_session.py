"""What is asked of botocore; imported and called only on threads, since both may take long."""

import os
import re
import ssl
from collections.abc import Mapping
from typing import Any, Self

from botocore import exceptions, parsers, xform_name
from botocore.config import Config
from botocore.configprovider import ConfiguredEndpointProvider
from botocore.session import Session

from penstock import __version__
from penstock.aws.errors import (
    AnswerError,
    AnswerMalformedError,
    CredentialsError,
    TransportError,
)
from penstock.aws.json_protocol import classify
from penstock.aws.signer import Credentials
from penstock.model.errors import ConfigurationError

CONNECT_S_MAX = 5.0  # also for each piece of a request's body to be taken by the server
REPLY_S_MAX = 10.0  # for each piece of an answer to come

# A profile that is not there; an endpoint that is not a URL.
CONFIGURATION_ERRORS = (exceptions.BotoCoreError, ValueError)
# Beside its own errors botocore lets through what a provider meets: a program or a token file that
# is not there (OSError), an answer that is not JSON (ValueError), credentials that are expired
# though just renewed (RuntimeError).
_CREDENTIALS_ERRORS = (
    exceptions.BotoCoreError,
    exceptions.ClientError,
    OSError,
    RuntimeError,
    ValueError,
)
_TRANSPORT_ERRORS = (
    exceptions.ConnectionError,
    exceptions.HTTPClientError,
    exceptions.IncompleteReadError,
)
# An answer of XML that is not the operation's is a KeyError of botocore's parser.
_UNREADABLE = (parsers.ResponseParserError, KeyError)
_UNSENDABLE = re.compile(r"[^\x21-\x7e]")  # would break a header: a pasted line break, usually


class BotocoreSession:
    """A session of botocore's; every question may raise ``CONFIGURATION_ERRORS``."""

    def __init__(self, session: Session, default_endpoint: str | None = None) -> None:
        self._session = session
        self._default_endpoint = default_endpoint

    @classmethod
    def open(cls, default_endpoint: str | None = None) -> Self:
        """Open the profile that AWS_PROFILE names, else the default one."""
        return cls(Session(), default_endpoint)

    def read_credentials(self) -> tuple[Credentials | None, bool]:
        """Look through botocore's chain; give what was found, and whether it is temporary.

        Raises:
            CredentialsError: Their provider failed, or they cannot be sent.
        """
        try:
            provider = self._session.get_credentials()
            if provider is None:
                return None, False
            frozen = provider.get_frozen_credentials()
        except _CREDENTIALS_ERRORS as exc:
            raise CredentialsError(f"the AWS credentials cannot be read: {exc}") from exc
        found = Credentials(frozen.access_key, frozen.secret_key, frozen.token)
        if _UNSENDABLE.search(found.access_key + (found.token or "")):
            text = "AWS_ACCESS_KEY_ID or AWS_SESSION_TOKEN has a blank or line break"
            raise CredentialsError(text)
        return found, hasattr(provider, "refresh_needed")

    def find_endpoint_url(self, service: str, region: str) -> str:
        """Resolve a service's endpoint."""
        return self._find_endpoint_url(service, region)

    def _find_endpoint_url(self, service: str, region: str, config: Config | None = None) -> str:
        unused = "unused"  # keys that are given keep the making of the client from looking for some
        client = self._session.create_client(
            service,
            region_name=region,
            endpoint_url=self._endpoint_beside_configuration(service),
            aws_access_key_id=unused,
            aws_secret_access_key=unused,
            config=config,
        )
        try:
            return str(client.meta.endpoint_url)
        finally:
            client.close()

    def has_configured_endpoint(self, service: str, region: str) -> bool:
        """Tell whether a service's endpoint is configured: it is not what AWS's own would be."""
        if self._default_endpoint is not None:
            return True
        config = Config(ignore_configured_endpoint_urls=True)
        own = self._find_endpoint_url(service, region, config)
        return self._find_endpoint_url(service, region) != own

    def _endpoint_beside_configuration(self, service: str) -> str | None:
        """Give the default endpoint where the AWS configuration names none for a service.

        Source: docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
        """
        if self._default_endpoint is None:
            return None
        if not self._session.get_config_variable("ignore_configured_endpoint_urls"):
            configured = ConfiguredEndpointProvider(
                full_config=self._session.full_config,
                scoped_config=self._session.get_scoped_config(),
                client_name=service,
            ).provide()
            if configured is not None:
                return None
        return self._default_endpoint

    def make_ssl_context(self) -> ssl.SSLContext:
        """Trust the system's authorities, or those of AWS_CA_BUNDLE.

        Raises:
            ConfigurationError: They cannot be read.
        """
        named = self._session.get_config_variable("ca_bundle")
        bundle = named or os.environ.get("REQUESTS_CA_BUNDLE")
        try:
            return ssl.create_default_context(cafile=bundle)
        except OSError as exc:
            text = f"AWS_CA_BUNDLE: {bundle!r} cannot be used: {exc}"
            raise ConfigurationError(text) from exc

    def open_client(
        self, service: str, region: str, credentials: Credentials, *, connections_max: int
    ) -> "BotocoreClient":
        """Open a client of a service.

        Buckets of a configured endpoint are named in the path, unless its profile says otherwise.
        """
        config = Config(
            connect_timeout=CONNECT_S_MAX,
            read_timeout=REPLY_S_MAX,
            retries={"total_max_attempts": 1},  # who calls knows whether and when to call again
            max_pool_connections=connections_max,
            user_agent_extra=f"penstock/{__version__}",
        )
        return BotocoreClient(
            self._session.create_client(
                service,
                region_name=region,
                endpoint_url=self._endpoint_beside_configuration(service),
                aws_access_key_id=credentials.access_key,
                aws_secret_access_key=credentials.secret_key,
                aws_session_token=credentials.token,
                config=config,
            )
        )


class BotocoreClient:
    """A client of botocore's: one service in one region.

    Args:
        client: botocore makes its class when it runs.
    """

    def __init__(self, client: Any) -> None:  # noqa: ANN401 - a class that nobody can name
        self._client = client

    def call(self, operation: str, parameters: Mapping[str, object]) -> dict[str, Any]:
        """Call an operation once.

        Args:
            operation: AWS's name of it.
            parameters: As botocore takes them.

        Raises:
            WireError: It failed.
            ConfigurationError: botocore refuses the parameters or the configuration.
        """
        try:
            answer: dict[str, Any] = getattr(self._client, xform_name(operation))(**parameters)
        except exceptions.ClientError as exc:
            raise _answer_error(exc.response) from exc
        except _TRANSPORT_ERRORS as exc:
            raise TransportError(str(exc), written=True) from exc
        except _UNREADABLE as exc:
            raise AnswerMalformedError(f"the answer cannot be read: {exc}", written=True) from exc
        except exceptions.BotoCoreError as exc:
            raise ConfigurationError(f"{operation} cannot be asked for: {exc}") from exc
        return answer

    def close(self) -> None:
        """Close its connections."""
        self._client.close()


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

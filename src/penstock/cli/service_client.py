"""Calls a running service's own operations, signed as every AWS client signs."""

import http.client
import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from urllib.parse import quote, urlencode, urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError
from botocore.session import Session

from penstock.cli.errors import (
    NotThereError,
    RequestRefusedError,
    ServiceFailedError,
    ServiceUnreachableError,
)
from penstock.model.errors import ConfigurationError

CONNECT_S = 5.0


class ServiceClient:
    """The operations of one service.

    Args:
        url: Where it listens.

    Raises:
        ConfigurationError: It is no URL.
    """

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        try:
            parts = urlsplit(self._url)
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port = None, None
        if not host or parts.scheme not in ("http", "https"):
            raise ConfigurationError(
                f"the URL {url!r} cannot be used; the form is http://127.0.0.1:4567"
            )
        is_plain = parts.scheme == "http"
        self._open = http.client.HTTPConnection if is_plain else http.client.HTTPSConnection
        self._host, self._port = host, port
        self._session: Session | None = None
        self._has_credentials = False

    def call(
        self,
        method: str,
        path: Sequence[str],
        query: Mapping[str, str],
        body: bytes,
        *,
        answer_s: float,
    ) -> bytes:
        """Call one operation; give the JSON object that it answers with.

        Args:
            method: HTTP's.
            path: Segments after ``/penstock/v1``, not quoted.
            query: Parameters.
            body: JSON, or empty.
            answer_s: How long the answer may take.

        Raises:
            ServiceUnreachableError: Nothing answers.
            RequestRefusedError: The request cannot be done; NotThereError when it names what is
                not there.
            ServiceFailedError: The service failed, or it is no Penstock.
        """
        quoted = "".join(f"/{quote(segment, safe='')}" for segment in path)
        # A blank is %20, not a plus: the signature covers the text as it is sent.
        encoded = urlencode(query, quote_via=quote, safe="")
        url = f"{self._url}/penstock/v1{quoted}" + (f"?{encoded}" if query else "")
        request = self._sign(method, url, body)
        status, answer = self._send(request, answer_s)
        self._check(status, answer)
        return answer

    def _sign(self, method: str, url: str, body: bytes) -> AWSRequest:
        """Make a signed request of botocore's; without credentials, test keys sign it.

        Raises:
            ConfigurationError: The AWS configuration is broken.
        """
        try:
            if self._session is None:
                self._session = Session()
                # Away from EC2 its metadata service is waited for in vain.
                self._session.set_config_variable("metadata_service_num_attempts", 0)
            found = self._session.get_credentials()
            self._has_credentials = found is not None
            credentials = found or Credentials("test", "test")
            region = self._session.get_config_variable("region") or "us-east-1"
            request = AWSRequest(method, url, {"Content-Type": "application/json"}, body)
            SigV4Auth(credentials, "lambda", region).add_auth(request)
        # Beside its own errors botocore lets through what a provider of credentials meets.
        except (BotoCoreError, OSError, RuntimeError, ValueError) as exc:
            raise ConfigurationError(f"the AWS configuration cannot be used: {exc}") from exc
        return request

    def _send(self, request: AWSRequest, answer_s: float) -> tuple[int, bytes]:
        parts = urlsplit(request.url)
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        connection = self._open(self._host, self._port, timeout=CONNECT_S)
        try:
            connection.connect()
            connection.sock.settimeout(answer_s)
            headers = dict(request.headers.items())
            connection.request(request.method, target, request.body or None, headers)
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException) as exc:
            raise ServiceUnreachableError(
                f"no Penstock service answers at {self._url} ({exc}); say where it is with --url "
                "or PENSTOCK_URL: the default port of penstock serve is 4567, of penstock dev 4566"
            ) from exc
        finally:
            connection.close()

    def _check(self, status: int, body: bytes) -> None:
        try:
            members = json.loads(body)
        except ValueError as exc:
            raise self._strange(status) from exc
        if status == HTTPStatus.OK and isinstance(members, dict):
            return
        message = (
            members.get("message") or members.get("Message") if isinstance(members, dict) else None
        )
        if not isinstance(message, str):
            raise self._strange(status)
        if status == HTTPStatus.NOT_FOUND:
            raise NotThereError(message)
        if status == HTTPStatus.FORBIDDEN and not self._has_credentials:
            message += (
                " (No AWS credentials were found: give those of one of the service's callers, with"
                " AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)"
            )
        is_refused = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
        raise (RequestRefusedError if is_refused else ServiceFailedError)(message)

    def _strange(self, status: int) -> ServiceFailedError:
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return ServiceFailedError(
                f"what answers at {self._url} failed, with status {status} and no reason: its log "
                "says more"
            )
        return ServiceFailedError(
            f"what answers at {self._url} is no Penstock service (status {status}, and no JSON of "
            "its kind); say where the service is with --url or PENSTOCK_URL"
        )

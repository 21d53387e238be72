"""A stand-in for the runtime client's native module, for interpreters that cannot load that.

It offers what ``awslambdaric.lambda_runtime_client`` calls, with the same results: ``next``
answers (body, headers) with None for absent headers, and every failure is a RuntimeError, on which
the client ends the process.
"""

import http.client
import os

_PREFIX = "/2018-06-01/runtime/invocation/"
_HEADERS = (
    "Lambda-Runtime-Aws-Request-Id",
    "Lambda-Runtime-Trace-Id",
    "Lambda-Runtime-Client-Context",
    "Content-Type",
    "Lambda-Runtime-Cognito-Identity",
    "Lambda-Runtime-Aws-Tenant-Id",
    "Lambda-Runtime-Invocation-Id",
)


class _Client:
    """One kept connection to the Runtime API."""

    def __init__(self, user_agent: str) -> None:
        self._user_agent = user_agent
        self._connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])

    def call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """Make one request; a connection that fails is a RuntimeError."""
        try:
            self._connection.request(
                method, _PREFIX + path, body, {"User-Agent": self._user_agent, **(headers or {})}
            )
            response = self._connection.getresponse()
            return response.status, response.headers, response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise RuntimeError(f"No answer from the Runtime API: {error}") from error


_clients: list[_Client] = []


def initialize_client(user_agent: str) -> None:
    """Set the user agent; the client calls this once."""
    _clients[:] = [_Client(user_agent)]


def next() -> tuple[bytes, dict[str, str | int | None]]:  # noqa: A001  # the native module's name
    """Wait for an invocation."""
    status, headers, body = _clients[0].call("GET", "next")
    if status != http.HTTPStatus.OK:
        raise RuntimeError(f"Failed to get next: {status}")
    given: dict[str, str | int | None] = {name: headers.get(name) for name in _HEADERS}
    given["Lambda-Runtime-Invoked-Function-Arn"] = headers.get(
        "Lambda-Runtime-Invoked-Function-Arn", ""
    )
    given["Lambda-Runtime-Deadline-Ms"] = int(headers.get("Lambda-Runtime-Deadline-Ms", "0"))
    return body, given


def post_invocation_result(
    invoke_id: str, result: bytes, content_type: str, invocation_id: str | None = None
) -> None:
    """Post what the handler returned."""
    _post(f"{invoke_id}/response", result, {"Content-Type": content_type}, invocation_id)


def post_error(
    invoke_id: str, error: str, xray_cause: str, invocation_id: str | None = None
) -> None:
    """Post the error object that the handler's exception was made into."""
    headers = {"Content-Type": "application/json"}
    cause = xray_cause.encode("ascii", "backslashreplace").decode()
    if cause:
        headers["Lambda-Runtime-Function-XRay-Error-Cause"] = cause
    _post(f"{invoke_id}/error", error.encode(), headers, invocation_id)


def _post(path: str, body: bytes, headers: dict[str, str], invocation_id: str | None) -> None:
    if invocation_id is not None:
        headers["Lambda-Runtime-Invocation-Id"] = invocation_id
    status, _, _ = _clients[0].call("POST", path, body, headers)
    if status != http.HTTPStatus.ACCEPTED:
        raise RuntimeError(f"Failed to post invocation response: {status}")

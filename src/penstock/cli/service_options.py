"""The options of every command that talks to a running service."""

import functools
import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import click

URL_DEFAULT = "http://127.0.0.1:4567"  # of penstock serve
ANSWER_S = 60.0


class ServiceAnswer(NamedTuple):
    """What the service answered.

    Attributes:
        body: The JSON as it came.
        members: The same, decoded.
    """

    body: bytes
    members: dict[str, Any]


class ServiceOptions:
    """Where the service is, and how its answers are shown."""

    def __init__(self, url: str, *, is_json: bool) -> None:
        self.is_json = is_json
        self._url = url
        self._client: Any = None

    def call(
        self,
        method: str,
        *path: str,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, object] | None = None,
        answer_s: float = ANSWER_S,
    ) -> ServiceAnswer:
        """Call an operation of the service; see ``service_client.ServiceClient``."""
        # Imported here, so that --help does not wait for it.
        from penstock.cli.service_client import ServiceClient  # noqa: PLC0415

        self._client = self._client or ServiceClient(self._url)
        encoded = b"" if body is None else json.dumps(body).encode()
        answer = self._client.call(method, path, query or {}, encoded, answer_s=answer_s)
        return ServiceAnswer(answer, json.loads(answer))


def with_service_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add ``--url`` and ``--format``; the command takes both as ``service``."""

    @click.option(
        "--url",
        envvar=["PENSTOCK_URL", "AWS_ENDPOINT_URL_LAMBDA", "AWS_ENDPOINT_URL"],
        default=URL_DEFAULT,
        show_default=True,
        show_envvar=True,
        help="Where the service listens; the default is serve's, dev's port is 4566.",
    )
    @click.option(
        "--format",
        "output_format",
        envvar="PENSTOCK_FORMAT",
        type=click.Choice(["table", "json"]),
        default="table",
        show_default=True,
        show_envvar=True,
        help="For people, or for programs: the service's own answer.",
    )
    @functools.wraps(command)
    def collected(url: str, output_format: str, **arguments: object) -> None:
        command(service=ServiceOptions(url, is_json=output_format == "json"), **arguments)

    return collected

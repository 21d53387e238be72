"""Where a service may listen, and why it cannot."""

import asyncio
import socket

import pytest

from penstock.listening import explain_no_listening, names_of_port, refuse_open_port
from penstock.model.caller import Caller
from penstock.model.errors import ConfigurationError
from penstock.node_settings import ServiceSettings
from penstock.service import Service

CALLER = Caller("ci", "AKIDCI", "a secret of sixteen or more")


def test_service_says_once_that_its_port_is_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = ServiceSettings(port=port, store_url="sqlite://")

        with pytest.raises(ConfigurationError) as raised:
            asyncio.run(Service(settings, functions=[], mappings=[]).start())

    assert str(raised.value) == (
        f"cannot listen on 127.0.0.1 port {port}: Address already in use;"
        " stop what uses it, or choose another with --port"
    )


def test_name_that_cannot_be_resolved_is_said_in_the_resolver_s_words() -> None:
    failure = socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    assert explain_no_listening("nowhere", 1, failure).startswith(
        "cannot listen on nowhere port 1: Name or service not known; "
    )


def test_service_beyond_loopback_does_not_start_without_callers() -> None:
    settings = ServiceSettings(host="192.0.2.7", store_url="sqlite://")

    with pytest.raises(ConfigurationError, match="whoever reaches the port may run functions"):
        asyncio.run(Service(settings, functions=[], mappings=[]).start())


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "penstock.example"])
def test_port_beyond_loopback_needs_callers(host: str) -> None:
    refuse_open_port(host, has_callers=True)

    with pytest.raises(ConfigurationError, match="give --callers FILE") as refused:
        refuse_open_port(host, has_callers=False)
    assert f"host {host!r} is not a loopback address" in str(refused.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_needs_no_callers(host: str) -> None:
    refuse_open_port(host, has_callers=False)


@pytest.mark.parametrize(
    ("host", "names"),
    [
        ("0.0.0.0", ("queue.example",)),
        ("127.0.0.1", ("queue.example",)),
        ("Penstock.example", ("queue.example", "penstock.example")),
    ],
)
def test_port_is_addressed_by_the_names_that_are_configured(
    host: str, names: tuple[str, ...]
) -> None:
    assert names_of_port(host, ("queue.example",)) == names


def test_settings_do_not_show_secrets() -> None:
    settings = ServiceSettings(callers=(CALLER,), store_url="sqlite://")

    assert CALLER.secret_key not in repr(settings)

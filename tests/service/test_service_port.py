"""Why a service cannot listen."""

import asyncio
import socket

import pytest

from penstock.model.errors import ConfigurationError
from penstock.service import Service, ServiceSettings, explain_no_listening


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

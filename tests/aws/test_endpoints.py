"""Endpoints are resolved as AWS SDKs do, and never to the service itself."""

import socket
from pathlib import Path

import pytest
from scripted_server import RunFixture
from wire_builders import make_wire

from penstock.aws.endpoints import Address, EndpointResolver
from penstock.aws.errors import ConnectFailedError
from penstock.aws.exchange import Endpoint, Origin, parse_endpoint
from penstock.aws.session import AwsSession
from penstock.model.errors import ConfigurationError

pytest_plugins = ["wire_fixtures"]
pytestmark = pytest.mark.usefixtures("aws_environment")


async def _resolve(
    service: str = "sqs", region: str = "eu-west-1", *, default_endpoint: str | None = None
) -> Endpoint:
    session = AwsSession(default_endpoint=default_endpoint)
    return await EndpointResolver(session, ()).resolve(service, region)


async def _resolve_url(url: str, own_address: Address) -> Endpoint:
    return await EndpointResolver(AwsSession(), [own_address]).resolve_url(url)


@pytest.mark.parametrize(
    ("environment", "url"),
    [
        pytest.param({}, "https://sqs.eu-west-1.amazonaws.com", id="aws"),
        pytest.param({"AWS_ENDPOINT_URL": "http://h:1"}, "http://h:1", id="all-services"),
        pytest.param(
            {"AWS_ENDPOINT_URL": "http://h:1", "AWS_ENDPOINT_URL_SQS": "http://h:2"},
            "http://h:2",
            id="one-service",
        ),
        pytest.param(
            {"AWS_ENDPOINT_URL": "http://h:1", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
            "https://sqs.eu-west-1.amazonaws.com",
            id="ignored",
        ),
        pytest.param(
            {"AWS_USE_FIPS_ENDPOINT": "true"}, "https://sqs-fips.eu-west-1.amazonaws.com", id="fips"
        ),
        pytest.param(
            {"AWS_USE_DUALSTACK_ENDPOINT": "true"}, "https://sqs.eu-west-1.api.aws", id="dualstack"
        ),
    ],
)
def test_endpoint_is_the_one_that_sdks_resolve(
    run: RunFixture, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], url: str
) -> None:
    for name, text in environment.items():
        monkeypatch.setenv(name, text)

    assert run(_resolve()) == parse_endpoint(url, named_by="test")


def test_endpoint_is_read_from_the_profiles_services(run: RunFixture, tmp_path: Path) -> None:
    (tmp_path / "config").write_text(
        "[default]\nservices = local\n[services local]\nsqs =\n  endpoint_url = http://h:3\n"
    )

    assert run(_resolve()).origin == Origin("http", "h", 3)


@pytest.mark.parametrize(
    ("environment", "url"),
    [
        pytest.param({}, "http://upstream:1", id="default"),
        pytest.param({"AWS_ENDPOINT_URL": "http://h:1"}, "http://h:1", id="all services"),
        pytest.param({"AWS_ENDPOINT_URL_SQS": "http://h:2"}, "http://h:2", id="this service"),
        pytest.param({"AWS_ENDPOINT_URL_SNS": "http://h:2"}, "http://upstream:1", id="another"),
        pytest.param(
            {"AWS_ENDPOINT_URL": "http://h:1", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
            "http://upstream:1",
            id="ignored",
        ),
    ],
)
def test_default_endpoint_holds_where_the_configuration_names_none(
    run: RunFixture, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], url: str
) -> None:
    for name, text in environment.items():
        monkeypatch.setenv(name, text)

    assert run(_resolve(default_endpoint="http://upstream:1")) == parse_endpoint(
        url, named_by="test"
    )


def test_profile_s_endpoint_goes_before_the_default_one(run: RunFixture, tmp_path: Path) -> None:
    (tmp_path / "config").write_text("[default]\nendpoint_url = http://h:3\n")

    endpoint = run(_resolve(default_endpoint="http://upstream:1"))

    assert endpoint.origin == Origin("http", "h", 3)


def test_endpoint_of_another_partition_follows_its_region(run: RunFixture) -> None:
    assert run(_resolve("lambda", "cn-north-1")).origin.host.endswith(".amazonaws.com.cn")


@pytest.mark.parametrize(
    "url",
    ["ftp://h", "h:4566", "http://", "http://h:99999", "http://h/?a=b", "http://[::1"],
)
def test_endpoint_that_is_no_url_is_named(
    run: RunFixture, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)

    with pytest.raises(ConfigurationError):
        run(_resolve())


@pytest.mark.parametrize(
    "url", ["http://h/#f", "http://h/a b", "http://h/\u2603", "http://h\r\n", "http://h:0"]
)
def test_url_whose_parts_would_be_lost_or_break_the_request_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="is not an endpoint"):
        parse_endpoint(url, named_by="url")


def test_password_in_an_endpoint_is_refused_and_not_shown() -> None:
    with pytest.raises(ConfigurationError, match="no user or password") as refused:
        parse_endpoint("http://user:secret@h", named_by="url")

    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "authority"),
    [
        pytest.param("http://HOST", "host", id="default-port"),
        pytest.param("https://host:443/x/", "host", id="default-port-written"),
        pytest.param("http://[::1]:80", "[::1]", id="ipv6"),
        pytest.param("http://[::1]:4566", "[::1]:4566", id="ipv6-port"),
    ],
)
def test_authority_has_only_a_port_that_is_not_the_schemes(url: str, authority: str) -> None:
    assert parse_endpoint(url, named_by="test").origin.authority == authority


@pytest.mark.parametrize(
    ("url", "own_address"),
    [
        pytest.param("http://127.0.0.1:4567", ("127.0.0.1", 4567), id="same"),
        pytest.param("http://localhost:4567", ("127.0.0.1", 4567), id="by-name"),
        pytest.param("http://127.0.0.1:4567", ("localhost", 4567), id="bound-by-name"),
        pytest.param("http://127.0.0.1:4567/x", ("0.0.0.0", 4567), id="wildcard"),
        pytest.param(f"http://{socket.gethostname()}:4567", ("0.0.0.0", 4567), id="hostname"),
    ],
)
def test_own_address_is_refused(run: RunFixture, url: str, own_address: Address) -> None:
    with pytest.raises(ConfigurationError, match="this service's own address"):
        run(_resolve_url(url, own_address))


@pytest.mark.parametrize(
    ("url", "own_address"),
    [
        pytest.param("http://127.0.0.1:4566", ("127.0.0.1", 4567), id="other-port"),
        pytest.param("http://127.0.0.2:4567", ("127.0.0.1", 4567), id="other-loopback"),
        pytest.param("http://192.0.2.1:4567", ("0.0.0.0", 4567), id="other-machine"),
    ],
)
def test_other_address_is_accepted(run: RunFixture, url: str, own_address: Address) -> None:
    assert run(_resolve_url(url, own_address)) == parse_endpoint(url, named_by="test")


def test_name_that_cannot_be_looked_up_is_judged_again_the_next_time(
    run: RunFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    async def scenario() -> None:
        wire = make_wire([("127.0.0.1", 4567)])
        with monkeypatch.context() as patch:
            patch.setattr(socket, "getaddrinfo", fail)
            with pytest.raises(ConnectFailedError, match="localhost"):
                await wire.open_url("http://localhost:4567", service="lambda", region="r")
        with pytest.raises(ConfigurationError, match="this service's own address"):
            await wire.open_url("http://localhost:4567", service="lambda", region="r")

    run(scenario())


def test_name_that_only_the_proxy_knows_is_accepted(
    run: RunFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://p:1")
    url = "http://no-such-host.invalid:4567"

    assert run(_resolve_url(url, ("127.0.0.1", 4567))).proxy == "http://p:1"


@pytest.mark.parametrize(
    ("environment", "proxy"),
    [
        pytest.param({"HTTP_PROXY": "http://p:1"}, "http://p:1", id="set"),
        pytest.param({"HTTP_PROXY": "p:1"}, "http://p:1", id="without-scheme"),
        pytest.param({"HTTP_PROXY": "//p:1"}, "http://p:1", id="without-scheme-but-slashes"),
        pytest.param({"HTTPS_PROXY": "http://p:1"}, None, id="other-scheme"),
        pytest.param({"HTTP_PROXY": "http://p:1", "NO_PROXY": "127.0.0.1"}, None, id="bypassed"),
        pytest.param({"HTTP_PROXY": "http://p:1", "NO_PROXY": "*"}, None, id="all-bypassed"),
    ],
)
def test_proxy_is_that_of_the_environment(
    run: RunFixture, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], proxy: str | None
) -> None:
    for name, text in environment.items():
        monkeypatch.setenv(name, text)

    assert run(_resolve_url("http://127.0.0.1:4566", ("127.0.0.1", 1))).proxy == proxy

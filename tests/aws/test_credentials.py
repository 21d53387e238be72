"""Credentials: found by botocore's chain, renewed on a thread, never in the way of a call."""

import asyncio
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from scripted_server import RunFixture
from wire_builders import StandingClock

from penstock.aws.botocore_session import BotocoreSession
from penstock.aws.credentials import STALE_MS, TEMPORARY_FRESH_MS, CredentialCache
from penstock.aws.errors import CredentialsError
from penstock.aws.session import AwsSession
from penstock.aws.signer import Credentials

pytest_plugins = ["wire_fixtures"]
pytestmark = pytest.mark.usefixtures("aws_environment")


class RotatingProvider:
    """Temporary credentials of botocore's kind: each reading gives the next key."""

    def __init__(self) -> None:
        self.reading_count = 0
        self.is_failing = False
        self.gate = threading.Event()
        self.gate.set()

    def refresh_needed(self) -> bool:
        """Say that these are temporary ones."""
        return False

    def get_frozen_credentials(self) -> Credentials:
        """Give the next key, once the gate is open."""
        self.gate.wait(10)
        self.reading_count += 1
        if self.is_failing:
            raise RuntimeError("the metadata service is away")
        return Credentials(f"KEY{self.reading_count}", "secret", "token")


class RotatingSession(AwsSession):
    """A session whose chain ends in the provider."""

    def __init__(self, provider: RotatingProvider) -> None:
        super().__init__()
        self._provider = provider

    def get_credentials(self) -> RotatingProvider:
        """Stand in for botocore's session."""
        return self._provider

    def ask(self, question: Callable[[Any], Any]) -> asyncio.Future[Any]:
        """Ask with itself as botocore's session."""
        session = BotocoreSession(self)
        return asyncio.get_running_loop().run_in_executor(None, question, session)


class Rotation(msgspec.Struct):
    """The cache and what it stands on."""

    provider: RotatingProvider
    clock: StandingClock
    cache: CredentialCache

    async def find_key(self) -> str:
        """Give the key that a call would be signed with."""
        found = await self.cache.find(self.clock.now().wall_ms)
        assert found is not None
        return found.access_key

    async def wait_for_reading(self, count: int) -> None:
        """Wait until the provider's reading of that number has been taken over."""
        while self.provider.reading_count < count or self.cache._look is not None:  # noqa: SLF001
            turn = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().call_later(0.001, turn.set_result, None)
            await turn


def _rotation() -> Rotation:
    provider, clock = RotatingProvider(), StandingClock()
    return Rotation(provider, clock, CredentialCache(RotatingSession(provider), clock))


def test_static_credentials_are_read_once(run: RunFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = StandingClock()
    cache = CredentialCache(AwsSession(), clock)

    async def scenario() -> Credentials | None:
        await cache.find(clock.now().wall_ms)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "CHANGED")
        clock.advance_ms(10 * STALE_MS)
        return await cache.find(clock.now().wall_ms)

    assert run(scenario()) == Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI")


def test_calls_go_on_with_the_old_key_while_a_new_one_is_read(run: RunFixture) -> None:
    async def scenario() -> None:
        rotation = _rotation()
        assert await rotation.find_key() == "KEY1"
        rotation.provider.gate.clear()
        rotation.clock.advance_ms(TEMPORARY_FRESH_MS)
        assert await rotation.find_key() == "KEY1"
        assert await rotation.find_key() == "KEY1"
        rotation.provider.gate.set()
        await rotation.wait_for_reading(2)
        assert await rotation.find_key() == "KEY2"

    run(scenario())


def test_credentials_are_renewed_though_the_clock_was_set_back(run: RunFixture) -> None:
    async def scenario() -> None:
        rotation = _rotation()
        await rotation.find_key()
        rotation.clock.advance_ms(-3_600_000)
        assert await rotation.find_key() == "KEY1"
        await rotation.wait_for_reading(2)
        rotation.clock.advance_ms(TEMPORARY_FRESH_MS - 1)
        assert await rotation.find_key() == "KEY2"

    run(scenario())


def test_calls_that_come_together_share_one_reading(run: RunFixture) -> None:
    async def scenario() -> None:
        rotation = _rotation()
        assert await asyncio.gather(*(rotation.find_key() for _ in range(5))) == ["KEY1"] * 5

    run(scenario())


def test_cancelled_call_does_not_end_the_others_reading(run: RunFixture) -> None:
    async def scenario() -> None:
        rotation = _rotation()
        rotation.provider.gate.clear()
        async with asyncio.TaskGroup() as tasks:
            impatient = tasks.create_task(rotation.find_key())
            patient = tasks.create_task(rotation.find_key())
            asyncio.get_running_loop().call_later(0.01, impatient.cancel)
            await asyncio.wait([impatient])
            rotation.provider.gate.set()
            assert await patient == "KEY1"

    run(scenario())


def test_failed_renewal_is_felt_only_when_the_key_is_stale(run: RunFixture) -> None:
    async def scenario() -> None:
        rotation = _rotation()
        await rotation.find_key()
        rotation.provider.is_failing = True
        rotation.clock.advance_ms(TEMPORARY_FRESH_MS)
        assert await rotation.find_key() == "KEY1"
        await rotation.wait_for_reading(2)
        rotation.clock.advance_ms(STALE_MS)
        with pytest.raises(CredentialsError, match="metadata service is away"):
            await rotation.find_key()
        rotation.provider.is_failing = False
        assert await rotation.find_key() == "KEY4"

    run(scenario())


def test_credentials_that_would_break_a_header_are_refused(
    run: RunFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "pasted\n")

    with pytest.raises(CredentialsError, match="AWS_SESSION_TOKEN"):
        run(CredentialCache(AwsSession(), StandingClock()).find(0))


@pytest.mark.parametrize(
    "profile",
    [
        pytest.param("credential_process = /no/such/program", id="no-program"),
        pytest.param("credential_process = echo expired", id="not-json"),
        pytest.param(
            "role_arn = arn:aws:iam::123456789012:role/r\nweb_identity_token_file = /no/such/token",
            id="no-token-file",
        ),
    ],
)
def test_provider_that_fails_is_named_and_is_no_defect(
    run: RunFixture, monkeypatch: pytest.MonkeyPatch, profile: str
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    Path(os.environ["AWS_CONFIG_FILE"]).write_text(f"[default]\nregion = eu-west-1\n{profile}\n")

    with pytest.raises(CredentialsError, match="credentials cannot be read"):
        run(CredentialCache(AwsSession(), StandingClock()).find(0))


def test_half_a_pair_is_an_error(run: RunFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")

    with pytest.raises(CredentialsError, match="AWS_SECRET_ACCESS_KEY"):
        run(CredentialCache(AwsSession(), StandingClock()).find(0))

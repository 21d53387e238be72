"""The credentials that requests are signed with, kept fresh off the event loop."""

import asyncio
from typing import Protocol

from penstock.aws.errors import CredentialsError
from penstock.aws.session import AwsSession
from penstock.aws.signer import Credentials
from penstock.model.errors import ConfigurationError
from penstock.ports import Clock

TEMPORARY_FRESH_MS = 20_000  # botocore renews 15 minutes ahead, whenever it is asked
ABSENT_FRESH_MS = 60_000  # looking for absent ones asks the instance metadata service: a second
STALE_MS = 300_000  # after so long without a successful look (a suspended machine), calls wait

NO_CREDENTIALS = (
    "no AWS credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY "
    "(any value will do for most emulators), or AWS_PROFILE"
)


class CredentialProvider(Protocol):
    """Gives the credentials that requests are signed with."""

    def known(self, now_ms: int) -> Credentials | None:
        """Give the credentials where that needs no wait, at this wall time; None: ``find`` them."""
        ...

    async def find(self, now_ms: int) -> Credentials | None:
        """Give the credentials to sign with at this wall time; None: none are configured.

        Raises:
            WireError: They cannot be had.
            ConfigurationError: The shared configuration files cannot be used.
        """
        ...

    async def require(self, now_ms: int) -> Credentials:
        """Give the credentials to sign with at this wall time.

        Raises:
            WireError: They cannot be had, or none are configured.
            ConfigurationError: The shared configuration files cannot be used.
        """
        ...


class CredentialCache:
    """Keeps ``CredentialProvider``: gives the present credentials at once, but for the first time.

    botocore's chain finds them. Temporary ones are renewed by it, well ahead of their end, on a
    thread, while calls go on with the old ones.
    """

    def __init__(self, session: AwsSession, clock: Clock) -> None:
        self._session = session
        self._clock = clock
        self._found: Credentials | None = None
        self._looked_ms = 0  # wall time here and below, so that suspended hours count
        self._fresh_until_ms: float = 0
        self._stale_from_ms: float = 0
        self._look: asyncio.Future[tuple[Credentials | None, bool]] | None = None

    def known(self, now_ms: int) -> Credentials | None:
        """Give the credentials that need no look at this wall time; None: ``find`` them."""
        return self._found if self._looked_ms <= now_ms < self._fresh_until_ms else None

    async def find(self, now_ms: int) -> Credentials | None:
        """Give the credentials to sign with at this wall time; None: none are configured.

        Raises:
            CredentialsError: Their provider failed, or they cannot be sent.
            ConfigurationError: The shared configuration files cannot be used.
        """
        # A clock that was set back says nothing about the age of what was found.
        if not self._looked_ms <= now_ms < self._fresh_until_ms:
            look = self._look or self._start_look()
            if now_ms >= self._stale_from_ms:
                # Not a bare await: one caller's cancellation must not end the others' look.
                await asyncio.wait([look])
                return look.result()[0]
        return self._found

    async def require(self, now_ms: int) -> Credentials:
        """Give the credentials to sign with at this wall time.

        Raises:
            CredentialsError: None are configured, or as ``find``.
            ConfigurationError: As ``find``.
        """
        found = await self.find(now_ms)
        if found is None:
            raise CredentialsError(NO_CREDENTIALS)
        return found

    def _start_look(self) -> asyncio.Future[tuple[Credentials | None, bool]]:
        self._look = self._session.ask(lambda session: session.read_credentials())
        self._look.add_done_callback(self._keep)
        return self._look

    def _keep(self, look: asyncio.Future[tuple[Credentials | None, bool]]) -> None:
        self._look = None
        if look.cancelled():
            return
        if isinstance(look.exception(), (CredentialsError, ConfigurationError)):
            return  # who waits sees it; the others use what there is, and the next call looks again
        self._found, is_temporary = look.result()
        fresh_ms = _fresh_ms(self._found, is_temporary=is_temporary)
        now_ms = self._clock.now().wall_ms
        self._looked_ms = now_ms
        self._fresh_until_ms = now_ms + fresh_ms
        self._stale_from_ms = now_ms + max(fresh_ms, STALE_MS)


def _fresh_ms(found: Credentials | None, *, is_temporary: bool) -> float:
    if found is None:
        return ABSENT_FRESH_MS
    return TEMPORARY_FRESH_MS if is_temporary else float("inf")

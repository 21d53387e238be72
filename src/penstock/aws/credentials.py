"""The credentials that requests are signed with, kept fresh off the event loop."""

import asyncio
import re
from typing import Any

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

_UNSENDABLE = re.compile(r"[^\x21-\x7e]")  # would break a header: a pasted line break, usually


class CredentialCache:
    """Gives the present credentials at once, but for the first time.

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
        self._look: asyncio.Future[tuple[Credentials | None, float]] | None = None

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

    def _start_look(self) -> asyncio.Future[tuple[Credentials | None, float]]:
        self._look = self._session.ask(_read_credentials)
        self._look.add_done_callback(self._keep)
        return self._look

    def _keep(self, look: asyncio.Future[tuple[Credentials | None, float]]) -> None:
        self._look = None
        if look.cancelled():
            return
        if isinstance(look.exception(), (CredentialsError, ConfigurationError)):
            return  # who waits sees it; the others use what there is, and the next call looks again
        self._found, fresh_ms = look.result()
        now_ms = self._clock.now().wall_ms
        self._looked_ms = now_ms
        self._fresh_until_ms = now_ms + fresh_ms
        self._stale_from_ms = now_ms + max(fresh_ms, STALE_MS)


def _read_credentials(session: Any) -> tuple[Credentials | None, float]:  # noqa: ANN401
    """Look through botocore's chain; give what was found and for how many ms it is fresh."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    try:
        provider = session.get_credentials()
        if provider is None:
            return None, ABSENT_FRESH_MS
        frozen = provider.get_frozen_credentials()
    # Beside its own errors botocore lets through what a provider meets: a program or a token file
    # that is not there (OSError), an answer that is not JSON (ValueError), credentials that are
    # expired though just renewed (RuntimeError).
    except (BotoCoreError, ClientError, OSError, RuntimeError, ValueError) as exc:
        raise CredentialsError(f"the AWS credentials cannot be read: {exc}") from exc
    credentials = Credentials(frozen.access_key, frozen.secret_key, frozen.token)
    if _UNSENDABLE.search(credentials.access_key + (credentials.token or "")):
        raise CredentialsError("AWS_ACCESS_KEY_ID or AWS_SESSION_TOKEN has a blank or line break")
    is_temporary = hasattr(provider, "refresh_needed")
    return credentials, TEMPORARY_FRESH_MS if is_temporary else float("inf")

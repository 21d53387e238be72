"""botocore's session, off the event loop."""

import asyncio
import ssl
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from penstock.model.errors import ConfigurationError

if TYPE_CHECKING:
    from penstock.aws.botocore_session import BotocoreSession

AnswerT = TypeVar("AnswerT")


class AwsSession:
    """Answers questions about the AWS configuration that all of the user's tools share.

    Args:
        default_endpoint: Of services for which the configuration names none; None: AWS's own.
    """

    def __init__(self, *, default_endpoint: str | None = None) -> None:
        self._default_endpoint = default_endpoint
        self._lock = threading.Lock()  # the session is made once, on whichever thread comes first
        self._session: BotocoreSession | None = None
        self._ssl_context: ssl.SSLContext | None = None

    def ask(self, question: "Callable[[BotocoreSession], AnswerT]") -> asyncio.Future[AnswerT]:
        """Call ``question(session)`` on a thread.

        Raises:
            ConfigurationError: The shared configuration files cannot be used.
        """
        return asyncio.get_running_loop().run_in_executor(None, self._ask, question)

    async def open_ssl_context(self) -> ssl.SSLContext:
        """Give the one TLS context: the system's authorities, or those of AWS_CA_BUNDLE."""
        if self._ssl_context is None:
            self._ssl_context = await self.ask(lambda session: session.make_ssl_context())
        return self._ssl_context

    def _ask(self, question: "Callable[[BotocoreSession], AnswerT]") -> AnswerT:
        # Imported here: it takes 0.15 s, which the start of the service does not wait for.
        from penstock.aws import botocore_session  # noqa: PLC0415

        try:
            with self._lock:
                if self._session is None:
                    self._session = botocore_session.BotocoreSession.open(self._default_endpoint)
            return question(self._session)
        except botocore_session.CONFIGURATION_ERRORS as exc:
            raise ConfigurationError(f"the AWS configuration cannot be used: {exc}") from exc

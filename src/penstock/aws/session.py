"""botocore's session: imported and asked only on threads, since both may take long."""

import asyncio
import os
import ssl
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from penstock.model.errors import ConfigurationError

AnswerT = TypeVar("AnswerT")


class AwsSession:
    """Answers questions about the AWS configuration that all of the user's tools share.

    Args:
        profile: A profile of the shared configuration files; None: AWS_PROFILE, else the default.
    """

    def __init__(self, profile: str | None = None) -> None:
        self._profile = profile
        self._lock = threading.Lock()  # the session is made once, on whichever thread comes first
        self._session: Any = None
        self._ssl_context: ssl.SSLContext | None = None

    def ask(self, question: Callable[[Any], AnswerT]) -> asyncio.Future[AnswerT]:
        """Call ``question(session)`` on a thread.

        Raises:
            ConfigurationError: The shared configuration files cannot be used.
        """
        return asyncio.get_running_loop().run_in_executor(None, self._ask, question)

    async def open_ssl_context(self) -> ssl.SSLContext:
        """Give the one TLS context: the system's authorities, or those of AWS_CA_BUNDLE."""
        if self._ssl_context is None:
            self._ssl_context = await self.ask(_make_ssl_context)
        return self._ssl_context

    def _ask(self, question: Callable[[Any], AnswerT]) -> AnswerT:
        # Imported here: it takes 0.15 s, which the start of the service does not wait for.
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415
        from botocore.session import Session  # noqa: PLC0415

        try:
            with self._lock:
                if self._session is None:
                    self._session = Session(profile=self._profile)
            return question(self._session)
        except (BotoCoreError, ValueError) as exc:  # ValueError: an endpoint that is not a URL
            raise ConfigurationError(f"the AWS configuration cannot be used: {exc}") from exc


def _make_ssl_context(session: Any) -> ssl.SSLContext:  # noqa: ANN401 - botocore has no types
    bundle = session.get_config_variable("ca_bundle") or os.environ.get("REQUESTS_CA_BUNDLE")
    try:
        return ssl.create_default_context(cafile=bundle)
    except OSError as exc:
        raise ConfigurationError(f"AWS_CA_BUNDLE: {bundle!r} cannot be used: {exc}") from exc

"""Acting as the execution roles of functions, with credentials of sts:AssumeRole.

Credentials are of a role and a session name; whatever acts as the same shares them. They are
renewed in the background while the old ones are used, by one call, however many wait for it.
"""

import asyncio
import datetime as dt
import weakref
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from penstock.aws.client import WireClient
from penstock.aws.errors import (
    AnswerError,
    CredentialsError,
    Fault,
    RoleRefusedError,
    RoleUnavailableError,
    WireError,
)
from penstock.aws.signer import Credentials
from penstock.core.role_renewal import RoleRenewal
from penstock.model.errors import ConfigurationError
from penstock.model.function import Function
from penstock.ports import Clock

SESSION_S = 3600  # what every role allows, also to a caller that is a role itself
SESSION_NAME_CHARS_MIN = 2  # STS's own minimum; Lambda's names may have one character

_PASSING = {Fault.THROTTLED, Fault.TRANSIENT}


class RoleLog(Protocol):
    """Where trouble with roles is told."""

    def warning(self, event: str, **fields: object) -> object:
        """Tell of a role that cannot be assumed."""
        ...


class _Session(msgspec.Struct, frozen=True):
    """Who acts as what, and where it is asked for."""

    role_arn: str
    name: str
    region: str


class ExecutionRoles:
    """Gives the credentials of functions' roles.

    Args:
        wire: Asks STS, with the service's own credentials.
        find_function: Gives the present configuration by ARN; its role may change at any time.
        log: Told of each failed attempt; attempts are spaced out.
    """

    def __init__(
        self, wire: WireClient, find_function: Callable[[str], Function | None], log: RoleLog
    ) -> None:
        self._wire = wire
        self._find_function = find_function
        self._log = log
        # Mappings come and go, and functions: what nobody holds any more is forgotten.
        self._wires: weakref.WeakValueDictionary[str, WireClient] = weakref.WeakValueDictionary()
        self._sessions: dict[_Session, RoleSession] = {}

    def wire_for(self, function_arn: str) -> WireClient:
        """Give a client that signs as the function's present role, whenever it signs."""
        wire = self._wires.get(function_arn)
        if wire is None:
            wire = self._wire.acting_with(self.credentials_for(function_arn))
            self._wires[function_arn] = wire
        return wire

    def credentials_for(self, function_arn: str) -> "FunctionCredentials":
        """Give what finds the credentials of the function's present role, whenever it is asked."""
        return FunctionCredentials(self, function_arn)

    async def find(self, function_arn: str, now_ms: int) -> Credentials:
        """Give the credentials of a function's present role.

        Raises:
            CredentialsError: The function has none, or it cannot be assumed.
            RoleUnavailableError: STS does not answer.
        """
        function = self._find_function(function_arn)
        if function is None:
            raise CredentialsError(
                f"the function {function_arn} is not there, nor its role to act as"
            )
        if function.role is None:
            raise CredentialsError(
                f"the function {function.name} has no Role to act as: give it one, or set"
                " assume_role = false in [service]"
            )
        return await self.assume(function.role, function.name, function.scope.region, now_ms)

    async def assume(
        self, role_arn: str, function_name: str, region: str, now_ms: int
    ) -> Credentials:
        """Give the credentials of a role as which a function of that name would run.

        Raises:
            CredentialsError: It cannot be assumed.
            RoleUnavailableError: STS does not answer.
        """
        key = _Session(role_arn, function_name.ljust(SESSION_NAME_CHARS_MIN, "_"), region)
        session = self._sessions.get(key)
        if session is None:
            self._forget_ended(now_ms)
            session = self._sessions[key] = RoleSession(self._wire, key, self._log)
        return await session.find(now_ms)

    def close(self) -> None:
        """Ask for no more credentials."""
        for session in self._sessions.values():
            session.close()

    def _forget_ended(self, now_ms: int) -> None:
        for key, session in list(self._sessions.items()):
            if not session.is_worth_keeping(now_ms):
                del self._sessions[key]


class FunctionCredentials:
    """Keeps ``CredentialProvider``: the credentials of one function's role."""

    def __init__(self, roles: ExecutionRoles, function_arn: str) -> None:
        self._roles = roles
        self._function_arn = function_arn

    def known(self, now_ms: int) -> None:
        """Know none without a look."""

    async def find(self, now_ms: int) -> Credentials:
        """Give them at once, but for the first time.

        Raises:
            CredentialsError: As ``ExecutionRoles.find``.
            RoleUnavailableError: As there.
        """
        return await self._roles.find(self._function_arn, now_ms)

    require = find


class RoleSession:
    """The credentials of one role under one session name."""

    def __init__(self, wire: WireClient, session: _Session, log: RoleLog) -> None:
        self._wire = wire
        self._session = session
        self._log = log
        self._clock: Clock = wire.clock
        self._renewal = RoleRenewal()
        self._credentials: Credentials | None = None
        self._error: WireError = RoleUnavailableError(f"{session.role_arn} was not assumed yet")
        self._asking: asyncio.Task[None] | None = None

    async def find(self, now_ms: int) -> Credentials:
        """Give the credentials; wait only while there are none that can be used.

        Raises:
            RoleRefusedError: The role cannot be assumed.
            RoleUnavailableError: STS does not answer.
        """
        if self._asking is None and self._renewal.is_due(now_ms):
            name = f"role {self._session.role_arn}"
            self._asking = asyncio.create_task(self._assume(), name=name)
        if self._asking is not None and not self._renewal.is_usable(now_ms):
            # Not a bare await: one caller's cancellation must not end the others' call.
            await asyncio.wait([self._asking])
            now_ms = self._clock.now().wall_ms
        if self._credentials is None or not self._renewal.is_usable(now_ms):
            raise self._error
        return self._credentials

    def is_worth_keeping(self, now_ms: int) -> bool:
        """Tell whether it is asking, or knows more than one that begins now."""
        return self._asking is not None or self._renewal.is_worth_keeping(now_ms)

    def close(self) -> None:
        """Wait for no credentials any more."""
        if self._asking is not None:
            self._asking.cancel()

    async def _assume(self) -> None:
        session = self._session
        try:
            sts = await self._wire.sdk.open("sts", session.region)
            answer = await sts.call(
                "AssumeRole",
                {
                    "RoleArn": session.role_arn,
                    "RoleSessionName": session.name,
                    "DurationSeconds": SESSION_S,
                },
            )
            self._keep(answer)
        except (WireError, ConfigurationError) as error:
            self._renewal.failed(self._clock.now().wall_ms)
            self._error = _to_role_error(error, session.role_arn)
            self._log.warning("role not assumed", role=session.role_arn, reason=str(error))
        finally:
            self._asking = None

    def _keep(self, answer: dict[str, Any]) -> None:
        match answer.get("Credentials"):
            case {
                "AccessKeyId": str(access_key),
                "SecretAccessKey": str(secret_key),
                "SessionToken": str(token),
                "Expiration": dt.datetime() as expiration,
            }:
                now_ms, expires_ms = self._clock.now().wall_ms, int(expiration.timestamp() * 1000)
                if expires_ms <= now_ms:
                    raise RoleUnavailableError(
                        f"STS gave credentials that ended at {expiration}: is the clock right?"
                    )
                self._credentials = Credentials(access_key, secret_key, token)
                self._renewal.taken(now_ms, expires_ms=expires_ms)
            case _:  # any web server answers something
                raise RoleUnavailableError("STS answered without Credentials")


def _to_role_error(error: WireError | ConfigurationError, role_arn: str) -> WireError:
    text = f"{role_arn} cannot be assumed: {error}"
    if isinstance(error, AnswerError) and error.fault not in _PASSING:
        return RoleRefusedError(text)
    if isinstance(error, CredentialsError | ConfigurationError):  # of the service itself
        return CredentialsError(text)
    return RoleUnavailableError(text)

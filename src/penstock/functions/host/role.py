"""The credentials that a function's processes are given: those of its role."""

from penstock.aws.credentials import CredentialProvider
from penstock.aws.errors import CredentialsError, WireError
from penstock.aws.signer import Credentials
from penstock.model.errors import (
    ConfigurationError,
    InvokeAccessDeniedError,
    InvokeError,
    InvokeUnavailableError,
)
from penstock.ports import Clock

# Source: docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
CREDENTIAL_VARIABLES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


class HostRole:
    """Gives the credentials for one function's processes, or says why the function cannot run."""

    def __init__(self, function_name: str, provider: CredentialProvider, clock: Clock) -> None:
        self._function_name = function_name
        self._provider = provider
        self._clock = clock

    async def find(self) -> Credentials:
        """Give the present ones; they last longer than any invocation while STS answers.

        Raises:
            InvokeAccessDeniedError: The role cannot be assumed.
            InvokeUnavailableError: STS does not answer.
        """
        try:
            return await self._provider.require(self._clock.now().wall_ms)
        except (WireError, ConfigurationError) as error:
            raise to_role_error(error, self._function_name) from error


def to_role_error(error: WireError | ConfigurationError, function_name: str) -> InvokeError:
    """Say that a function cannot run for want of its role's credentials: refused, or not now."""
    is_refused = isinstance(error, CredentialsError)
    kind = InvokeAccessDeniedError if is_refused else InvokeUnavailableError
    return kind(f"function {function_name}: {error}")


def credential_variables(credentials: Credentials | None) -> dict[str, str]:
    """Give the environment variables that hold credentials; none of none."""
    if credentials is None:
        return {}
    values = (credentials.access_key, credentials.secret_key, credentials.token or "")
    return dict(zip(CREDENTIAL_VARIABLES, values, strict=True))

"""Opens the hosts of local functions, with all that the service gives them."""

from collections.abc import Callable

from penstock.aws.credentials import CredentialProvider
from penstock.functions.host.host import FunctionHost, HostSettings
from penstock.functions.host.log_capture import LogSink, StreamLogs
from penstock.functions.host.role import HostRole
from penstock.model.function import Function
from penstock.ports import PreciseClock


class LocalHosts:
    """Opens hosts.

    Args:
        clock: Its monotonic time must be the running loop's.
        draw_request_id: Gives a fresh UUID.
        log: Takes a function's name and one line of its log; must not block.
        settings: What the service decides for all of them.

    Attributes:
        credentials_for: Gives the credentials of a function's role, by its ARN with a version;
            None: functions are given none.
        logs: Takes the lines for their log streams, too; None: nobody does.
    """

    def __init__(
        self,
        clock: PreciseClock,
        *,
        draw_request_id: Callable[[], str],
        log: LogSink,
        settings: HostSettings,
    ) -> None:
        self.credentials_for: Callable[[str], CredentialProvider] | None = None
        self.logs: StreamLogs | None = None
        self._clock = clock
        self._draw_request_id = draw_request_id
        self._log = log
        self._settings = settings

    def open(self, function: Function) -> FunctionHost:
        """Make the host of one version of a function; its first invocation starts it."""
        role = None
        if self.credentials_for is not None:
            credentials = self.credentials_for(f"{function.arn}:{function.version}")
            role = HostRole(function.name, credentials, self._clock)
        return FunctionHost(
            function,
            clock=self._clock,
            draw_request_id=self._draw_request_id,
            log=self._log,
            settings=self._settings,
            role=role,
            logs=self.logs,
        )

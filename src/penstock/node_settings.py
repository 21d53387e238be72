"""What a node is told by its configuration."""

import msgspec

from penstock.core.scaling import RampPolicy
from penstock.engine.surroundings import StreamSettings
from penstock.functions.function_logs import FunctionLogs
from penstock.model.caller import Caller


class ServiceSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a node is told.

    Attributes:
        host: An address of this machine; one beyond loopback only with callers.
        account_id: Owns mappings and functions.
        region: For requests that name none.
        store_url: ``sqlite:////absolute/path``.
        drain_s: Limit for what is in flight to end when the service stops.
        long_poll_s: 0..20; how long an idle receive waits.
        ramp: How fast the concurrency of queue mappings rises.
        streams: How streams are read, and the bounds of what is held of them.
        function_environment: Added to every local function's variables.
        allowed_hosts: Names beyond loopback by which this port may be addressed.
        callers: One of them must have signed each request; none: signatures are not verified.
        open_metrics: ``/metrics`` needs no signature.
        upstream: Where services are that the AWS configuration names no endpoint for; the fallback
            forwards to it.
        functions_upstream: Functions are those of the upstream.
        filters_max: 1..10; how many filters a mapping may have.
        function_logs: Whether functions' log lines go to CloudWatch Logs.
        assumes_roles: Sources are read, destinations written and functions run as the function's
            role; else all with the service's own credentials.
        nodejs_client: Where npm installed Node.js' runtime client, if not beside the service.
        is_verbose: Log every batch.
    """

    host: str = "127.0.0.1"
    port: int = 4567
    account_id: str = "000000000000"
    region: str = "us-east-1"
    store_url: str
    drain_s: int = 30
    long_poll_s: int = 20
    ramp: RampPolicy = RampPolicy()
    streams: StreamSettings = StreamSettings()
    function_environment: dict[str, str] = {}
    allowed_hosts: tuple[str, ...] = ()
    callers: tuple[Caller, ...] = ()
    open_metrics: bool = False
    upstream: str | None = None
    functions_upstream: bool = False
    filters_max: int = 5
    function_logs: FunctionLogs = FunctionLogs.OFF
    assumes_roles: bool = False
    nodejs_client: str | None = None
    is_verbose: bool = False

    @property
    def functions_url(self) -> str | None:
        """Where all functions are, if that is not here."""
        return self.upstream if self.functions_upstream else None

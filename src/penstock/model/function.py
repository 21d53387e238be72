"""A function: where it runs, and what came back from an invocation."""

import enum

import msgspec

from penstock.model.arn import FunctionReference, Scope

PAYLOAD_BYTES_MAX = 6 * 1024 * 1024  # AWS quota: synchronous invocation request, and response
TIMEOUT_S_DEFAULT = 3  # Lambda's own default
TIMEOUT_S_MAX = 900  # Lambda's longest; it stands for a timeout that is not known
MEMORY_MB_DEFAULT = 128  # Lambda's own default, and its least
MEMORY_MB_MAX = 10_240  # Lambda's most
CONCURRENCY_DEFAULT = 10  # ours: of a function that asks for none, since it runs on one machine
LATEST = "$LATEST"  # the version that is changed; a declared function has no other


ANY_PYTHON = "python3"  # Runtime of a function that names no version


class LocalProcess(msgspec.Struct, frozen=True, kw_only=True, tag="process"):
    """A handler that runs in processes of this machine.

    Attributes:
        code: Absolute path of the folder that holds the handler's module, or ``bootstrap``.
        handler: As Lambda's Handler: ``module.function``; a ``bootstrap`` makes of it what it will.
        runtime: As Lambda's Runtime; ``functions/host/runtimes.py`` says which ones run here.
        interpreter: Absolute path of python or node; None takes this machine's.
    """

    code: str
    handler: str
    runtime: str = ANY_PYTHON
    interpreter: str | None = None
    environment: dict[str, str] = {}


class InvokeEndpoint(msgspec.Struct, frozen=True, kw_only=True, tag="url"):
    """A Lambda-compatible Invoke endpoint, for example a runtime interface emulator.

    Attributes:
        url: ``http://host:port`` (the invocations path of ``function`` is appended), or a full
            invocations URL.
    """

    url: str


class LambdaFunction(msgspec.Struct, frozen=True, kw_only=True, tag="lambda"):
    """A function of AWS Lambda, invoked with the service's own credentials."""

    arn: str


Hosting = LocalProcess | InvokeEndpoint | LambdaFunction


class Function(msgspec.Struct, frozen=True, kw_only=True):
    """A function that mappings may name.

    Attributes:
        timeout_s: 1..900.
        memory_mb: Limit on the memory of one execution environment.
        concurrency: Invocations in flight at once on this node, direct Invokes included.
        role: ARN of the IAM role that it runs as, its execution role; None: none was given.
        version: ``$LATEST``, or the number of the published version that this is.
    """

    scope: Scope
    name: str
    hosting: Hosting
    timeout_s: int = TIMEOUT_S_DEFAULT
    memory_mb: int = MEMORY_MB_DEFAULT
    concurrency: int = CONCURRENCY_DEFAULT
    role: str | None = None
    version: str = LATEST

    @property
    def arn(self) -> str:
        """The unqualified ARN."""
        return FunctionReference(self.scope, self.name).arn


class FunctionErrorKind(enum.StrEnum):
    """What the X-Amz-Function-Error header says of our functions' errors."""

    UNHANDLED = "Unhandled"


class FunctionResult(msgspec.Struct, frozen=True):
    """A function ran and ended.

    Attributes:
        payload: What it returned, or the error object ``{"errorMessage": .., "errorType": ..}``.
        function_error: None when it ended without an error; else the X-Amz-Function-Error header.
        log_tail: The last 4 KB of what it printed, when asked for.
    """

    payload: bytes
    function_error: str | None = None
    executed_version: str = LATEST
    log_tail: bytes = b""
    request_id: str = ""

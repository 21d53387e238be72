"""What a function may not ask for here: the options that do not exist, and AWS's own limits.

An option that does not exist may be given with the value that means nothing: tools send all of
theirs.

Source: docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html;
docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html; recorded answers of AWS (texts)
"""

from collections.abc import Mapping

import msgspec

from penstock.api.errors import VALIDATION, ApiError, invalid_parameter
from penstock.api.functions.configuration import STORAGE_MB, this_architecture
from penstock.functions.host.variables import RESERVED
from penstock.model.function import MEMORY_MB_MAX, TIMEOUT_S_MAX
from penstock.model.function_log import log_group

NAME_LENGTH_MAX = 64
ENVIRONMENT_BYTES_MAX = 4096

# AWS reserves credentials, too. Here a function has no others where roles are not assumed.
_RESERVED = RESERVED | {"AWS_DEFAULT_REGION", "AWS_REGION"}
# By member: the values that ask for nothing, and what is lacking.
_LACKING: dict[str, tuple[tuple[object, ...], str]] = {
    "AcceleratorConfig": (({},), "functions have no accelerators"),
    "CapacityProviderConfig": (({},), "there are no capacity providers"),
    "CodeSigningConfigArn": ((), "code signatures are not checked"),
    "DeadLetterConfig": (
        ({}, {"TargetArn": ""}),
        "it is of asynchronous invocations; a mapping has an on-failure destination of its own",
    ),
    "DurableConfig": (({},), "there are no durable executions"),
    "EphemeralStorage": (
        ({"Size": STORAGE_MB},),
        "a function's /tmp is this machine's, and is not limited",
    ),
    "FileSystemConfigs": (([],), "file systems are not mounted; a function sees this machine's"),
    "ImageConfig": (({},), "functions are zip files, not images"),
    "KMSKeyArn": (("",), "there is no key provider here that could encrypt the environment"),
    "Layers": (([],), "put what the layers hold into the function's zip file"),
    "PackageType": (("Zip",), "functions are zip files, not images"),
    "PublishTo": ((), "there is no other $LATEST than the function's own"),
    "RuntimeConfig": (({},), "a runtime is the one that this machine has"),
    "SnapStart": (({"ApplyOn": "None"}, {}), "environments are not made from snapshots"),
    "TenancyConfig": (({},), "environments are not kept apart by tenant"),
    "TracingConfig": (({"Mode": "PassThrough"}, {}), "traces are not sent to X-Ray"),
    "VpcConfig": (
        (
            {},
            {"SubnetIds": [], "SecurityGroupIds": []},
            {"SubnetIds": [], "SecurityGroupIds": [], "Ipv6AllowedForDualStack": False},
        ),
        "a function is in this machine's network",
    ),
    # Of the code.
    "ImageUri": ((), "functions are zip files, not images"),
    "S3ObjectStorageMode": (("COPY",), "code is always copied"),
    "SourceKMSKeyArn": (("",), "there is no key provider here that could decrypt the code"),
}


class EnvironmentMember(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """The request's Environment."""

    variables: dict[str, str] | None = None


def refuse_lacking(parameters: Mapping[str, object], function_name: str) -> None:
    """Refuse the options that this version lacks.

    Args:
        parameters: Of a request, or of its Code.
        function_name: The function's.

    Raises:
        ApiError: One that asks for something.
    """
    for name, value in parameters.items():
        if name == "LoggingConfig":
            _check_logging(value, function_name)
        elif name == "Architectures":
            _check_architectures(value)
        elif name in _LACKING:
            neutral, why = _LACKING[name]
            if value not in neutral:
                raise invalid_parameter(
                    f"{name} is not implemented in this version of Penstock: {why}. Leave it out"
                )


def check_limits(*, timeout_s: int | None, memory_mb: int | None) -> None:
    """Refuse what only Lambda's managed instances may have, whose limits are the model's.

    Raises:
        ApiError: Above the maximum.
    """
    limits = (("timeout", timeout_s, TIMEOUT_S_MAX), ("memorySize", memory_mb, MEMORY_MB_MAX))
    for name, value, maximum in limits:
        if value is not None and value > maximum:
            raise ApiError(
                VALIDATION,
                f"1 validation error detected: Value '{value}' at '{name}' failed to satisfy "
                f"constraint: Member must have value less than or equal to {maximum}",
            )


def check_handler(handler: str | None) -> None:
    """Refuse a Handler that no process can be given, though the model's pattern takes it.

    Raises:
        ApiError: It holds a NUL character.
    """
    if handler is not None and "\0" in handler:
        raise invalid_parameter("Handler holds a NUL character, which none can")


def check_environment(environment: EnvironmentMember | None) -> None:
    """Refuse variables that Lambda sets itself, and too many bytes of them.

    Raises:
        ApiError: In AWS's words; no value is told.
    """
    variables = {} if environment is None else environment.variables or {}
    reserved = sorted(_RESERVED & variables.keys())
    if reserved:
        raise invalid_parameter(
            "Lambda was unable to configure your environment variables because the environment "
            "variables you have provided contains reserved keys that are currently not supported "
            f"for modification. Reserved keys used in this request: {', '.join(reserved)}"
        )
    for name, value in variables.items():
        if "\0" in value:
            raise invalid_parameter(
                f"The environment variable {name} holds a NUL character, which none can"
            )
    size_bytes = len(msgspec.json.encode(variables))
    if size_bytes > ENVIRONMENT_BYTES_MAX:
        raise invalid_parameter(
            "Lambda was unable to configure your environment variables because the environment "
            f"variables you have provided exceeded the 4KB limit. Measured size: {size_bytes} bytes"
        )


def _check_logging(value: object, function_name: str) -> None:
    default = {"LogFormat": "Text", "LogGroup": log_group(function_name)}
    if not isinstance(value, dict) or any(default.get(key) != each for key, each in value.items()):
        raise invalid_parameter(
            "LoggingConfig is not implemented in this version of Penstock but for the format Text "
            f"and the log group {log_group(function_name)}. Leave it out"
        )


def _check_architectures(value: object) -> None:
    if value != [this_architecture()]:
        raise invalid_parameter(
            f"Architectures {value} do not run here: this machine is {this_architecture()}. Leave "
            "it out for this machine's own"
        )

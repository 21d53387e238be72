"""A function's configuration as Lambda's API shows it, in one place.

Source: recorded answers of AWS; docs.aws.amazon.com/lambda/latest/api/
API_FunctionConfiguration.html
"""

import base64
import hashlib
import platform
from datetime import UTC, datetime

from penstock.model.deployed_function import (
    DeployedFunction,
    FunctionState,
    FunctionVersion,
    UpdateStatus,
)
from penstock.model.function import ANY_PYTHON, LATEST, Function, LocalProcess
from penstock.model.function_log import log_group

STORAGE_MB = 512  # what AWS says of a function that asks for no other
_UNDER_WAY = "The function is being created."  # AWS says so of updates, too
_CREATING = "Creating"
# Lists have neither, as on AWS: they show what was asked for, not what became of it.
_NOT_IN_LISTS = {
    "State",
    "StateReason",
    "StateReasonCode",
    "LastUpdateStatus",
    "LastUpdateStatusReason",
    "LastUpdateStatusReasonCode",
    "RuntimeVersionConfig",
}


def this_architecture() -> str:
    """Name this machine's instruction set as Lambda does."""
    return "arm64" if platform.machine().lower() in {"arm64", "aarch64"} else "x86_64"


def version_to_wire(
    function: DeployedFunction, version: FunctionVersion, *, arn: str
) -> dict[str, object]:
    """Give a FunctionConfiguration with exactly the members that AWS gives.

    Args:
        function: What the version is of.
        version: What is shown.
        arn: With the qualifier that the caller asked by, if it asked by one.
    """
    configuration = version.configuration
    digest = bytes.fromhex(configuration.code.sha256)
    shape: dict[str, object] = {
        "FunctionName": function.name,
        "FunctionArn": arn,
        "Runtime": configuration.runtime,
        "Role": configuration.role,
        "Handler": configuration.handler,
        "CodeSize": configuration.code.size_bytes,
        "Description": configuration.description,
        "Timeout": configuration.timeout_s,
        "MemorySize": configuration.memory_mb,
        "LastModified": show_last_modified(version.last_modified_ms),
        "CodeSha256": base64.b64encode(digest).decode(),
        "Version": version.number,
    }
    if configuration.environment is not None:
        shape["Environment"] = {"Variables": configuration.environment}
    return (
        shape
        | {"TracingConfig": {"Mode": "PassThrough"}, "RevisionId": version.revision_id}
        | _states(version)
        | _fixed_members(function.name, configuration.architecture)
        | {
            "RuntimeVersionConfig": {
                "RuntimeVersionArn": _runtime_arn(function.scope.region, configuration.runtime)
            }
        }
    )


def declared_to_wire(function: Function, *, arn: str) -> dict[str, object]:
    """Give as much of a FunctionConfiguration as is true of a declared function."""
    shape: dict[str, object] = {
        "FunctionName": function.name,
        "FunctionArn": arn,
        "Description": "Declared in the project file",
        "Timeout": function.timeout_s,
        "MemorySize": function.memory_mb,
        "Version": LATEST,
        "State": FunctionState.ACTIVE,
        "LastUpdateStatus": UpdateStatus.SUCCESSFUL,
    }
    if function.role is not None:
        shape["Role"] = function.role
    if not isinstance(function.hosting, LocalProcess):
        return shape
    hosting = function.hosting
    shape["Handler"] = hosting.handler
    if hosting.runtime != ANY_PYTHON:  # the model has no word for one that names no version
        shape["Runtime"] = hosting.runtime
    if hosting.environment:
        shape["Environment"] = {"Variables": hosting.environment}
    return shape | _fixed_members(function.name, this_architecture())


def for_list(shape: dict[str, object]) -> dict[str, object]:
    """Leave out what lists do not have."""
    return {name: member for name, member in shape.items() if name not in _NOT_IN_LISTS}


def show_last_modified(wall_ms: int) -> str:
    """Give a moment as functions have it: ISO 8601 to the millisecond, with +0000."""
    moment = datetime.fromtimestamp(wall_ms / 1000, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{wall_ms % 1000:03}+0000"


def _fixed_members(name: str, architecture: str) -> dict[str, object]:
    """Give the members that have one value here."""
    return {
        "PackageType": "Zip",
        "Architectures": [architecture],
        "EphemeralStorage": {"Size": STORAGE_MB},
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": log_group(name)},
    }


def _states(version: FunctionVersion) -> dict[str, object]:
    shape: dict[str, object] = {"State": version.state}
    match version.state:
        case FunctionState.PENDING:
            shape |= {"StateReason": _UNDER_WAY, "StateReasonCode": _CREATING}
        case FunctionState.FAILED:
            code = _reason_code(version.failure)
            shape |= {"StateReason": version.failure, "StateReasonCode": code}
        case FunctionState.ACTIVE:
            pass
    if version.update_status is None:
        return shape
    shape["LastUpdateStatus"] = version.update_status
    match version.update_status:
        case UpdateStatus.IN_PROGRESS:
            reason, code = _UNDER_WAY, _CREATING
        case UpdateStatus.FAILED:
            reason, code = version.failure, _reason_code(version.failure)
        case UpdateStatus.SUCCESSFUL:
            return shape
    return shape | {"LastUpdateStatusReason": reason, "LastUpdateStatusReasonCode": code}


def _reason_code(failure: str) -> str:
    """Give the one of AWS's codes that fits."""
    if failure.startswith(("Runtime ", "Node.js ")):
        return "InvalidRuntime"
    return "InvalidZipFileException" if "unzip" in failure else "InternalError"


def _runtime_arn(region: str, runtime: str) -> str:
    """Give an ARN in the form of AWS's; it names the runtime, not a release of it."""
    return f"arn:aws:lambda:{region}::runtime:{hashlib.sha256(runtime.encode()).hexdigest()}"

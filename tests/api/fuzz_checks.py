"""What every answer must keep: no defect, a modelled shape, and what was taken can be read."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import msgspec
from api_server import Answer
from botocore.model import Shape
from fuzz_model import Operation
from fuzz_requests import Trial, as_texts, to_trial

SERVERS_FAULT = 500
CLIENTS_FAULT = 400
TIMESTAMP_S = 0.002
_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "blob": (str,),
    "boolean": (bool,),
    "double": (int, float),
    "float": (int, float),
    "integer": (int,),
    "list": (list,),
    "long": (int,),
    "map": (dict,),
    "string": (str,),
    "structure": (dict,),
    "timestamp": (int, float),
}


class Reading(msgspec.Struct, frozen=True):
    """The operation that reads what another has made.

    Attributes:
        operation: Its name.
        members: Its input; each is taken from the other's answer, or else from its request.
    """

    operation: str
    members: tuple[str, ...]


_MAPPING = Reading("GetEventSourceMapping", ("UUID",))
_TAGS = Reading("ListTags", ("Resource",))
_CONFIGURATION = Reading("GetFunctionConfiguration", ("FunctionName",))
_ALIAS = Reading("GetAlias", ("FunctionName", "Name"))
_CONCURRENCY = Reading("GetFunctionConcurrency", ("FunctionName",))
READ_BY = {
    "CreateEventSourceMapping": _MAPPING,
    "UpdateEventSourceMapping": _MAPPING,
    "DeleteEventSourceMapping": _MAPPING,
    "TagResource": _TAGS,
    "UntagResource": _TAGS,
    "CreateFunction": _CONFIGURATION,
    "UpdateFunctionConfiguration": _CONFIGURATION,
    "UpdateFunctionCode": _CONFIGURATION,
    "DeleteFunction": _CONFIGURATION,
    "CreateAlias": _ALIAS,
    "UpdateAlias": _ALIAS,
    "DeleteAlias": _ALIAS,
    "PutFunctionConcurrency": _CONCURRENCY,
}
# What moves on by itself between an answer and the next one.
MOVING = frozenset(
    {
        "LastModified",
        "LastProcessingResult",
        "LastUpdateStatus",
        "LastUpdateStatusReason",
        "LastUpdateStatusReasonCode",
        "RevisionId",
        "State",
        "StateReason",
        "StateReasonCode",
        "StateTransitionReason",
    }
)
# What AWS was recorded to say of every update, and the model does not have.
RECORDED = ("LastUpdateStatusReasonCode", "Creating")
# A name is shown in its full form; what is given to be dry-run or as code is not shown at all.
SHOWN_OTHERWISE = frozenset({"FunctionName", "Layers", "RevisionId", "VpcConfig"})

Ask = Callable[[Trial], Answer]


class Checker:
    """Judges answers; it asks itself for what was made.

    Args:
        operations: All that are routed, by name.
        ask: Sends a request.
    """

    def __init__(self, operations: dict[str, Operation], ask: Ask) -> None:
        self._operations = operations
        self._ask = ask
        # What was broken may be another operation's, or the service's own.
        self._all_errors = frozenset({"NotFoundException"}).union(
            *(each.errors for each in operations.values())
        )

    def complaints(self, trial: Trial, answer: Answer) -> Iterator[str]:
        """Say what is wrong with an answer."""
        if answer.status >= SERVERS_FAULT:
            yield f"status {answer.status}"
            return
        if answer.status >= CLIENTS_FAULT:
            errors = self._all_errors if trial.is_raw else trial.operation.errors
            yield from _error_complaints(trial, answer, errors)
            return
        if "x-amzn-requestid" not in answer.headers:
            yield "no request id"
        operation = trial.operation
        if trial.is_raw or operation.model is None:
            return
        if answer.status != (operation.status or answer.status):
            yield f"status {answer.status}, not {operation.status}"
        if operation.name == "Invoke" or not answer.body:
            yield from self._read_back(trial, {})
            return
        shape = operation.output
        if shape is not None:
            yield from shape_complaints(shape, answer.json, operation.name)
        if operation.name != "PublishVersion":  # it may give an older version, with its own words
            yield from given_complaints(trial, answer.json)
        yield from self._read_back(trial, answer.json)

    def _read_back(self, trial: Trial, shown: dict[str, Any]) -> Iterator[str]:
        reading = READ_BY.get(trial.operation.name)
        operation = self._operations.get(reading.operation) if reading is not None else None
        if reading is None or operation is None:
            return
        if any(trial.parameters.get(name) for name in ("Publish", "DryRun", "Qualifier")):
            return  # what is shown, or gone, is a version, or nothing is
        sources = (
            shown | trial.parameters
            if "FunctionName" in reading.members
            else (trial.parameters | shown)
        )
        members = {name: sources[name] for name in reading.members}
        answer = self._ask(to_trial(operation, members))
        if trial.operation.name.startswith("Delete"):
            yield from _deleted_complaints(operation, answer)
        elif answer.status != operation.status:
            yield f"{operation.name} afterwards: {answer.status} {answer.body!r}"
        elif operation.name == "ListTags":
            yield from _tag_complaints(trial, answer.json["Tags"])
        else:
            yield from read_complaints(shown, answer.json, operation.name)


def _error_complaints(trial: Trial, answer: Answer, errors: frozenset[str]) -> Iterator[str]:
    if trial.method == "HEAD":  # it has no body, whatever it is of
        return
    if trial.is_raw and not answer.code and answer.status == CLIENTS_FAULT:
        return  # the HTTP server could not read it, and says so in plain text
    if answer.code not in errors:
        yield f"unmodelled error {answer.code!r} ({answer.status}): {answer.body[:200]!r}"
    elif not isinstance(_message_of(answer), str):
        yield f"an error without a message: {answer.body[:200]!r}"
    elif "x-amzn-requestid" not in answer.headers:
        yield "no request id"


def _message_of(answer: Answer) -> Any:
    try:
        body = answer.json
    except msgspec.DecodeError:
        return None
    return body.get("message", body.get("Message")) if isinstance(body, dict) else None


def shape_complaints(shape: Shape, value: Any, path: str) -> Iterator[str]:
    """Say where a value has not its shape: another type, or a member that the model lacks."""
    is_wrong_bool = isinstance(value, bool) and shape.type_name != "boolean"
    if not isinstance(value, _PYTHON_TYPES[shape.type_name]) or is_wrong_bool:
        if shape.type_name != "timestamp" and not _is_date_text(shape, value):
            yield f"{path} is {value!r}, no {shape.type_name}"
        return
    match value:
        case dict() if shape.type_name == "structure":
            members = {
                member.serialization.get("name", name): member
                for name, member in shape.members.items()
            }
            for name, member in value.items():
                if name not in members:
                    yield f"{path}.{name} is not in the model"
                elif member is None:
                    yield f"{path}.{name} is null"
                else:
                    yield from shape_complaints(members[name], member, f"{path}.{name}")
        case dict():
            for name, member in value.items():
                yield from shape_complaints(shape.value, member, f"{path}[{name}]")
        case list():
            for member in value:
                yield from shape_complaints(shape.member, member, f"{path}[]")
        case str() if _is_outside(shape, value):
            yield f"{path} is {value!r}, none of its set"


def _is_outside(shape: Shape, value: str) -> bool:
    choices = shape.metadata.get("enum", [value])
    return value not in choices and (shape.name, value) != RECORDED


def _is_date_text(shape: Shape, value: Any) -> bool:
    return shape.type_name == "timestamp" and isinstance(value, str)


def given_complaints(trial: Trial, shown: dict[str, Any]) -> Iterator[str]:
    """Say which members were given and are shown otherwise; an empty one clears, and is not."""
    for name, given in trial.parameters.items():
        if name in shown and name not in SHOWN_OTHERWISE and not covers(shown[name], given):
            yield f"{name} was given as {given!r} and is shown as {shown[name]!r}"
        if name not in shown and not _is_empty(given) and name in _output_members(trial):
            yield f"{name} was given as {given!r} and is not shown"


def _output_members(trial: Trial) -> set[str]:
    shape = trial.operation.output
    members = set(shape.members) if shape is not None else set()
    return members - SHOWN_OTHERWISE - {"KMSKeyArn"}


def covers(shown: Any, given: Any) -> bool:
    """Tell whether what is shown is what was given; more may be shown."""
    if _is_empty(given):
        return True
    if isinstance(given, dict) and isinstance(shown, dict):
        return all(covers(shown.get(name), member) for name, member in given.items())
    if isinstance(given, list) and isinstance(shown, list):
        distinct = [each for i, each in enumerate(given) if each not in given[:i]]
        return len(shown) == len(distinct) and all(map(covers, shown, distinct))
    if isinstance(given, str) and isinstance(shown, int | float):
        given = datetime.fromisoformat(given).timestamp()
    if isinstance(given, float) or isinstance(shown, float):
        return bool(abs(given - shown) < TIMESTAMP_S)
    return bool(given == shown)


def _is_empty(given: Any) -> bool:
    if isinstance(given, dict):
        return all(_is_empty(member) for member in given.values())
    return given is None or given in ("", [])


def read_complaints(shown: dict[str, Any], read: dict[str, Any], name: str) -> Iterator[str]:
    """Say which members are read otherwise than they were answered."""
    for member in (shown.keys() | read.keys()) - MOVING:
        if shown.get(member) != read.get(member):
            yield (
                f"{name} gives {member} as {read.get(member)!r}, the answer was "
                f"{shown.get(member)!r}"
            )


def _deleted_complaints(operation: Operation, answer: Answer) -> Iterator[str]:
    is_going = answer.status == operation.status and answer.json.get("State") == "Deleting"
    if not is_going and answer.code != "ResourceNotFoundException":
        yield f"{operation.name} after the deletion: {answer.status} {answer.body[:200]!r}"


def _tag_complaints(trial: Trial, tags: dict[str, str]) -> Iterator[str]:
    added = trial.parameters.get("Tags") or {}
    if any(tags.get(key) != value for key, value in added.items()):
        yield f"of the tags {added} there are {tags}"
    left = [key for key in as_texts(trial.parameters.get("TagKeys", [])) if key in tags]
    if left:
        yield f"the tags {left} are still there"

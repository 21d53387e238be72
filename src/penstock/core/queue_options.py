"""Reads what a queue mapping is asked for by its ``penstock:`` tags.

Source: docs/semantics.md#options
"""

from collections.abc import Mapping

from penstock.model.destination import check_destination
from penstock.model.errors import ConfigurationError
from penstock.model.queue_options import (
    BACKOFF_FIRST_S,
    BACKOFF_S_MAX,
    HEARTBEAT_S,
    QueueOptions,
    RetryBackoff,
)
from penstock.model.suggestion import suggest

PREFIX = "penstock:"
CONCURRENCY = "penstock:concurrency"
FIFO_ONE_GROUP = "penstock:fifo-one-group"
FIFO_STRICT = "penstock:fifo-strict"
VISIBILITY_HEARTBEAT = "penstock:visibility-heartbeat"
RETRY_BACKOFF = "penstock:retry-backoff"
RETRY_BACKOFF_FIRST = "penstock:retry-backoff-base"
RETRY_BACKOFF_MAXIMUM = "penstock:retry-backoff-maximum"
ON_FAILURE = "penstock:on-failure"
MAX_RECEIVE_COUNT = "penstock:maximum-receive-count"

_OPTIONS = (
    CONCURRENCY,
    FIFO_ONE_GROUP,
    FIFO_STRICT,
    VISIBILITY_HEARTBEAT,
    RETRY_BACKOFF,
    RETRY_BACKOFF_FIRST,
    RETRY_BACKOFF_MAXIMUM,
    ON_FAILURE,
    MAX_RECEIVE_COUNT,
)
_HEARTBEAT_RANGE_S = (10, 3600)
_VISIBILITY_RANGE_S = (1, 43_200)  # SQS: a message is hidden for 12 hours at most
_RECEIVE_COUNT_RANGE = (1, 1000)  # as of a redrive policy's maxReceiveCount


def is_option(key: str) -> bool:
    """Tell whether a tag is meant for Penstock; AWS's own prefix too is read in any case."""
    return key.lower().startswith(PREFIX)


def read_queue_options(tags: Mapping[str, str], *, is_fifo: bool) -> QueueOptions:
    """Read the options among a queue mapping's tags; the other tags are passed over.

    Args:
        tags: All that the mapping has.
        is_fifo: Its queue is FIFO.

    Raises:
        ConfigurationError: An unknown option, a value that it cannot have, or an option without the
            one that it belongs to.
    """
    _refuse_unknown(tags)
    for key in (FIFO_ONE_GROUP, FIFO_STRICT):
        if key in tags and not is_fifo:
            raise ConfigurationError(
                f"The tag {key} is of FIFO queues; this queue is a standard one"
            )
    return QueueOptions(
        concurrency=_read_concurrency(tags),
        fifo_one_group=_read_flag(tags, FIFO_ONE_GROUP),
        fifo_strict=_read_flag(tags, FIFO_STRICT),
        heartbeat_s=_read_heartbeat(tags),
        backoff=_read_backoff(tags),
        on_failure_arn=_read_on_failure(tags),
        max_receive_count=_read_max_receive_count(tags),
    )


def _refuse_unknown(tags: Mapping[str, str]) -> None:
    for key in tags:
        if is_option(key) and key not in _OPTIONS:
            names = [option.removeprefix(PREFIX) for option in _OPTIONS]
            choices = suggest(key[len(PREFIX) :], names, f"{PREFIX} options")
            raise ConfigurationError(f"Unknown option {key!r}; {choices}")


def _read_concurrency(tags: Mapping[str, str]) -> int | None:
    value = tags.get(CONCURRENCY)
    if value not in (None, "1"):
        raise _wrong(CONCURRENCY, value, "1; for 2 to 1000 use ScalingConfig")
    return None if value is None else 1


def _read_flag(tags: Mapping[str, str], key: str) -> bool:
    value = tags.get(key, "false")
    if value not in ("true", "false"):
        raise _wrong(key, value, "true or false")
    return value == "true"


def _read_heartbeat(tags: Mapping[str, str]) -> int | None:
    match tags.get(VISIBILITY_HEARTBEAT, "false"):
        case "false":
            return None
        case "true":
            return HEARTBEAT_S
        case value:
            first, last = _HEARTBEAT_RANGE_S
            allowed = f"true ({HEARTBEAT_S} seconds), false, or seconds from {first} to {last}"
            return _read_number(VISIBILITY_HEARTBEAT, value, _HEARTBEAT_RANGE_S, allowed)


def _read_backoff(tags: Mapping[str, str]) -> RetryBackoff | None:
    value = tags.get(RETRY_BACKOFF)
    if value is None:
        _refuse_alone(tags, (RETRY_BACKOFF_FIRST, RETRY_BACKOFF_MAXIMUM), RETRY_BACKOFF)
        return None
    if value != "exponential":
        raise _wrong(RETRY_BACKOFF, value, "exponential")
    first_s = _read_seconds(tags, RETRY_BACKOFF_FIRST, BACKOFF_FIRST_S)
    maximum_s = _read_seconds(tags, RETRY_BACKOFF_MAXIMUM, BACKOFF_S_MAX)
    if first_s > maximum_s:
        allowed = f"at most {RETRY_BACKOFF_MAXIMUM}, which is {maximum_s}"
        raise _wrong(RETRY_BACKOFF_FIRST, str(first_s), allowed)
    return RetryBackoff(first_s, maximum_s)


def _read_on_failure(tags: Mapping[str, str]) -> str | None:
    arn = tags.get(ON_FAILURE)
    if arn is None:
        _refuse_alone(tags, (MAX_RECEIVE_COUNT,), ON_FAILURE)
        return None
    try:
        check_destination(arn)
    except ConfigurationError as exc:
        raise ConfigurationError(f"The tag {ON_FAILURE}: {exc}") from exc
    return arn


def _read_max_receive_count(tags: Mapping[str, str]) -> int | None:
    value = tags.get(MAX_RECEIVE_COUNT)
    if value is None:
        return None
    first, last = _RECEIVE_COUNT_RANGE
    return _read_number(MAX_RECEIVE_COUNT, value, (first, last), f"from {first} to {last}")


def _read_seconds(tags: Mapping[str, str], key: str, default_s: int) -> int:
    first, last = _VISIBILITY_RANGE_S
    allowed = f"seconds from {first} to {last}"
    return _read_number(key, tags.get(key, str(default_s)), _VISIBILITY_RANGE_S, allowed)


def _read_number(key: str, value: str, limits: tuple[int, int], allowed: str) -> int:
    first, last = limits
    # Python's int() takes blanks, signs, underscores and other digits too.
    is_number = value.isascii() and value.isdigit()
    if not is_number or not first <= int(value) <= last:
        raise _wrong(key, value, allowed)
    return int(value)


def _refuse_alone(tags: Mapping[str, str], keys: tuple[str, ...], owner: str) -> None:
    for key in keys:
        if key in tags:
            raise ConfigurationError(f"The tag {key} belongs to {owner}, which is not given")


def _wrong(key: str, value: str | None, allowed: str) -> ConfigurationError:
    return ConfigurationError(f"The tag {key} cannot be {value!r}; it must be {allowed}")

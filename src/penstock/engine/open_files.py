"""The limit of open files, which bounds how many long polls and functions one node can hold."""

import resource
from collections.abc import Iterable

from penstock.model.errors import ConfigurationError
from penstock.model.function import Function
from penstock.model.mapping import EventSourceMapping

_OF_SERVICE = 256
_PER_QUEUE = 1  # its long poll; receives in parallel, while messages flow, are more
_PER_STREAM = 64  # an allowance: each shard that runs reads over a connection of its own
_PER_ENVIRONMENT = 6  # its port, its connection, its pipes
_SPARE_PER_QUEUE = 3
OPEN_FILES_WANTED = 65_536  # many systems refuse more without privileges


def open_files_needed(mappings: Iterable[EventSourceMapping], functions: Iterable[Function]) -> int:
    """Count what a node with these mappings and functions opens while nothing flows."""
    sources = sum(_PER_QUEUE if each.stream_kind is None else _PER_STREAM for each in mappings)
    environments = sum(function.concurrency for function in functions)
    return _OF_SERVICE + sources + environments * _PER_ENVIRONMENT


def open_files_spare(mappings: Iterable[EventSourceMapping]) -> int:
    """Count what is opened beyond that where messages flow in many queues at once."""
    return sum(_SPARE_PER_QUEUE for each in mappings if each.stream_kind is None)


def raise_open_files_limit(needed: int, spare: int) -> str | None:
    """Raise RLIMIT_NOFILE as far as it goes; give a warning where that leaves little to spare.

    Args:
        needed: Files open at once: sockets of long polls, pipes and ports of functions.
        spare: How many more there should be.

    Raises:
        ConfigurationError: The hard limit is below what is needed; the message has the number.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    reachable = OPEN_FILES_WANTED if hard == resource.RLIM_INFINITY else hard
    if reachable < needed:
        raise ConfigurationError(
            f"{needed} open files are needed and the hard limit is {hard}; raise it"
            f" (ulimit -Hn {needed + spare}) or declare fewer mappings or less concurrency"
        )
    wanted = min(reachable, max(needed + spare, OPEN_FILES_WANTED))
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    if reachable < needed + spare:
        return (
            f"{needed + spare} open files may be needed when messages flow in many queues at once,"
            f" and the hard limit is {hard}: receives beyond it fail and are tried again; raise it"
            f" (ulimit -Hn {needed + spare})"
        )
    return None

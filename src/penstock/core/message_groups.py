"""Message groups of FIFO queues: whose order counts."""

from collections.abc import Iterable

from penstock.model.message import Message


def by_group(messages: Iterable[Message]) -> list[list[Message]]:
    """Part messages by their group, in the order in which the groups appear."""
    parts: dict[str, list[Message]] = {}
    for message in messages:
        parts.setdefault(message.group, []).append(message)
    return list(parts.values())


def with_later_of_group(failed: frozenset[str], messages: Iterable[Message]) -> frozenset[str]:
    """Count as failed what follows a failed message in its group.

    Args:
        failed: Ids of the messages that a function reported.
        messages: Its batch, in order.

    Source: docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html (FIFO: a function
        should stop at the first failure and return all that follow)
    """
    broken: set[str] = set()
    later: set[str] = set()
    for message in messages:
        group = message.group
        if message.message_id in failed:
            broken.add(group)
        elif group in broken:
            later.add(message.message_id)
    return failed | later

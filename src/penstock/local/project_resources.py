"""Reads the queues, streams, tables, topics and buckets of a project file."""

from collections.abc import Mapping
from typing import TypeVar

from penstock.local.project_mappings import Resources
from penstock.local.project_tables import (
    BucketTable,
    QueueTable,
    StreamTable,
    TableTable,
    TopicTable,
)
from penstock.local.toml_table import Place, expect_tables, read_table
from penstock.model.suggestion import suggest

ResourceT = TypeVar("ResourceT", QueueTable, StreamTable, TableTable, TopicTable, BucketTable)


def read_resources(document: Mapping[str, object], place: Place) -> Resources:
    """Read all that only ``penstock dev`` creates.

    Raises:
        ConfigurationError: A table is wrong, or two of them do not go together.
    """
    resources = Resources(
        queues=_check_queues(_read_resources(document, "queues", QueueTable, place), place),
        streams=_read_resources(document, "streams", StreamTable, place),
        tables=_read_resources(document, "tables", TableTable, place),
        topics=_read_resources(document, "topics", TopicTable, place),
        buckets=_read_resources(document, "buckets", BucketTable, place),
    )
    for index, topic in enumerate(resources.topics):
        _check_topic(topic, resources.queues, place.at("topics").at_index(index))
    return resources


def _read_resources(
    document: Mapping[str, object], section: str, shape: type[ResourceT], place: Place
) -> tuple[ResourceT, ...]:
    by_name: dict[str, ResourceT] = {}
    for table, where in expect_tables(document.get(section, []), place.at(section)):
        resource = read_table(table, shape, where)
        if resource.name in by_name:
            raise where.at("name").error(f"{resource.name!r} is declared twice")
        by_name[resource.name] = resource
    return tuple(by_name.values())


def _check_queues(queues: tuple[QueueTable, ...], place: Place) -> tuple[QueueTable, ...]:
    by_name = {queue.name: queue for queue in queues}
    for index, queue in enumerate(queues):
        where = place.at("queues").at_index(index)
        _check_kind(queue, where)
        _check_dead_letters(queue, by_name, where)
    return queues


def _check_kind(queue: QueueTable, place: Place) -> None:
    """Refuse a FIFO queue that is not called so, and attributes of FIFO queues on another.

    Source: docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html
    """
    if queue.fifo_queue is not None and queue.fifo_queue is not queue.is_fifo:
        verb = "does not end" if queue.fifo_queue else "ends"
        text = f"the name {queue.name!r} {verb} in .fifo, as the names of FIFO queues alone do"
        raise place.at("FifoQueue").error(text)
    given = {
        "ContentBasedDeduplication": queue.content_based_deduplication,
        "DeduplicationScope": queue.deduplication_scope,
        "FifoThroughputLimit": queue.fifo_throughput_limit,
    }
    for key, value in given.items():
        if value is not None and not queue.is_fifo:
            raise place.at(key).error("belongs to FIFO queues, whose names end in .fifo")


def _check_dead_letters(queue: QueueTable, by_name: dict[str, QueueTable], place: Place) -> None:
    """Refuse a redrive that is half said, said twice, or leads to a queue that cannot take it.

    Source: docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/
        sqs-dead-letter-queues.html (the same kind of queue)
    """
    target, count = queue.dead_letter_queue, queue.max_receive_count
    if (target is None) != (count is None):
        raise place.error("dead_letter_queue and max_receive_count belong together")
    if target is None:
        return
    where = place.at("dead_letter_queue")
    if queue.redrive_policy is not None:
        raise place.error("give either RedrivePolicy or dead_letter_queue, not both")
    if target not in by_name:
        choices = suggest(target, list(by_name), "queues")
        raise where.error(f"{target!r} is not a queue of this file; {choices}")
    if by_name[target].is_fifo is not queue.is_fifo:
        kind = "a FIFO queue" if queue.is_fifo else "a standard queue"
        raise where.error(f"{target!r} is not {kind}, and the dead letters of {kind} need one")


def _check_topic(topic: TopicTable, queues: tuple[QueueTable, ...], place: Place) -> None:
    if topic.content_based_deduplication is not None and not topic.is_fifo:
        where = place.at("ContentBasedDeduplication")
        raise where.error("belongs to FIFO topics, whose names end in .fifo")
    names = [queue.name for queue in queues]
    for index, subscription in enumerate(topic.subscriptions):
        if subscription.queue not in names:
            where = place.at("subscriptions").at_index(index).at("queue")
            choices = suggest(subscription.queue, names, "queues")
            raise where.error(f"{subscription.queue!r} is not a queue of this file; {choices}")

"""Puts the subscriptions of queues into the tables of their topics."""

from collections.abc import Mapping, Sequence

from penstock.local.resource_arns import queue_arn, topic_arn
from penstock.model.arn import Scope

_ASYNCHRONOUS = (
    "the topic does not invoke a function, which would be asynchronous; put a queue between"
)


class Subscriptions:
    """Adds subscriptions to topics.

    Args:
        topics: The tables of ``[[topics]]``; they are changed.
        queues: The tables of ``[[queues]]``.
        scope: Owns both.
    """

    def __init__(
        self,
        topics: Sequence[dict[str, object]],
        queues: Sequence[Mapping[str, object]],
        scope: Scope,
    ) -> None:
        self._topic_by_arn = {topic_arn(str(topic["name"]), scope): topic for topic in topics}
        self._queue_by_arn = {queue_arn(str(each["name"]), scope): each["name"] for each in queues}

    def add(self, given: Mapping[str, object]) -> str | None:
        """Add a subscription; say why not, if it is not one of a queue to a topic made here.

        Args:
            given: AWS::SNS::Subscription's properties.
        """
        if given.get("Protocol") == "lambda":
            return _ASYNCHRONOUS
        if given.get("Protocol") != "sqs":
            return f"the topic sends nothing by {given.get('Protocol')}"
        topic = self._topic_by_arn.get(str(given.get("TopicArn")))
        if topic is None:
            return f"the topic {given.get('TopicArn')} is not made by this template"
        queue = self._queue_by_arn.get(str(given.get("Endpoint")))
        if queue is None:
            return f"the queue {given.get('Endpoint')} is not made by this template"
        options = {k: v for k, v in given.items() if k not in {"TopicArn", "Protocol", "Endpoint"}}
        listed = topic.setdefault("subscriptions", [])
        assert isinstance(listed, list)  # noqa: S101  made above
        listed.append({"queue": queue, **options})
        return None

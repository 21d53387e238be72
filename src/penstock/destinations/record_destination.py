"""A destination that gets records as text, without their events: a queue or a topic."""

from penstock.destinations.calls import DestinationCalls
from penstock.model.failure import FailureReport


class RecordDestination:
    """One queue or topic; keeps ``ports.Destination``. Opened by its service's module.

    Args:
        calls: Its calls.
        operation: Sends one text.
        text: The operation's parameter for it.
        target: The operation's parameters that name the queue or the topic.
    """

    def __init__(
        self, calls: DestinationCalls, operation: str, *, text: str, target: dict[str, str]
    ) -> None:
        self._calls = calls
        self._operation = operation
        self._text = text
        self._target = target

    async def send(self, report: FailureReport) -> None:
        """Send the record, and nothing else; the event stays behind, as on AWS.

        Raises:
            DestinationError: It was not taken.
            ConfigurationError: botocore refuses the configuration.
        """
        parameters = {**self._target, self._text: report.record.decode()}
        await self._calls.call(self._operation, proof="MessageId", **parameters)

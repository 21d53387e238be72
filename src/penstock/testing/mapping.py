"""A mapping of a test: what it did, and Lambda's API for it."""

from typing import Any

from penstock.testing.functions import DeclaredFunction, Functions
from penstock.testing.history import Invocation
from penstock.testing.mappings import Mappings
from penstock.testing.queues import Queue
from penstock.testing.source import Source
from penstock.testing.timeline import Timeline

DELETED = "Deleted"


class Mapping:
    """An event source mapping of a test; made by ``penstock.map``.

    Values are shown as the test put them, so that they can be compared.

    Attributes:
        uuid: Its UUID.
        source: The queue, stream or table that it reads.
    """

    def __init__(
        self,
        uuid: str,
        mappings: Mappings,
        functions: Functions,
        *,
        source: Source,
        settings: str,
    ) -> None:
        self.uuid = uuid
        self.source = source
        self._mappings = mappings
        self._functions = functions
        self._history = mappings.history(uuid)
        self._settings = settings

    def __repr__(self) -> str:
        return f"<mapping of {self.source!r} to {self.function.name}: {self.state}>"

    @property
    def function(self) -> DeclaredFunction:
        """The function that it invokes, or invoked last."""
        return self._functions.declared(self._mappings.function_arn(self.uuid))

    @property
    def invocations(self) -> list[Invocation]:
        """Every run of its function, in the order in which they began; throttled ones did not."""
        return list(self._history.invocations)

    @property
    def succeeded(self) -> list[Any]:
        """What its function succeeded with, each once, in that order."""
        return [entry.value for entry in self._history.succeeded]

    @property
    def discarded(self) -> list[Any]:
        """What was given up, each once, in that order.

        It is with the on-failure destination; without one, in the failure journal or, of a queue,
        in the dead-letter queue.
        """
        return [entry.value for entry in self._history.discarded]

    @property
    def destination(self) -> list[dict[str, Any]]:
        """What its on-failure destination was told: AWS's failure records, decoded."""
        return list(self._history.reports)

    @property
    def state(self) -> str:
        """Its State; ``Deleted`` when it is gone."""
        row = self._mappings.row(self.uuid)
        return DELETED if row is None else row.state.value

    @property
    def configuration(self) -> dict[str, Any]:
        """What GetEventSourceMapping answers.

        Raises:
            ApiError: It was deleted.
        """
        return self._mappings.show(self.uuid)

    def update(self, **parameters: object) -> None:
        """Call UpdateEventSourceMapping, and wait until the mapping has settled.

        Raises:
            ApiError: AWS would refuse it.
        """
        self._mappings.update(self.uuid, parameters)

    def delete(self) -> None:
        """Call DeleteEventSourceMapping, and wait until the mapping is gone.

        Raises:
            ApiError: AWS would refuse it.
        """
        self._mappings.delete(self.uuid)

    def timeline(self) -> Timeline:
        """Tell what has happened so far: ``print`` it, or ``save`` its picture."""
        noun = "message" if isinstance(self.source, Queue) else "record"
        title = f"{self.source} to function {self.function.name}"
        return Timeline(title, self._settings, noun, self._history)

"""What runs for a mapping while it is enabled, as its keeper sees it."""

from typing import Protocol

from penstock.model.mapping import EventSourceMapping


class Consumption(Protocol):
    """The consumer of a queue or of a stream: its machine, its driver and their effects."""

    @property
    def is_ready(self) -> bool:
        """Tell whether the mapping may be called Enabled."""
        ...

    @property
    def processing_result(self) -> str | None:
        """LastProcessingResult as of now; None where there is none."""
        ...

    async def run(self) -> None:
        """Consume until ``stop``, and until what is in flight has ended; once.

        Raises:
            Exception: A defect.
        """
        ...

    def change(self, mapping: EventSourceMapping) -> None:
        """Follow the row from now on; a row that changes nothing for it has no effect.

        Raises:
            ConfigurationError: The row cannot be read; nothing has changed.
        """
        ...

    def stop(self, *, is_node_stopping: bool) -> None:
        """Begin nothing more; asking again does no harm."""
        ...

    def position_changed(self) -> None:
        """Read from where the store says now."""
        ...

    def iterator_ages_ms(self) -> dict[str, int]:
        """Give the iterator age of every running shard, by shard id."""
        ...

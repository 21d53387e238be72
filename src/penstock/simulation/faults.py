"""What may go wrong in a simulated world, and how often."""

from random import Random
from typing import Generic, Self, TypeVar

import msgspec


class WireRates(msgspec.Struct, frozen=True, kw_only=True):
    """Chances of 0..1 of what goes wrong on the way to a server, per call.

    Attributes:
        source_throttled: Refused, with no effect.
        request_lost: No effect, the connection breaks.
        answer_lost: The effect took place, the connection breaks.
        slow: Up to seconds instead of milliseconds.
    """

    source_throttled: float = 0.0
    request_lost: float = 0.0
    answer_lost: float = 0.0
    slow: float = 0.0

    @classmethod
    def draw(cls, rng: Random) -> Self:
        """Draw a swarm: each kind is absent more often than not, or rare, or frequent."""
        return cls(**{name: rng.choice(_RATES) for name in cls.__struct_fields__})

    def is_calm(self) -> bool:
        """Tell whether nothing goes wrong."""
        return not any(msgspec.structs.astuple(self))


class DestinationRates(WireRates, frozen=True, kw_only=True):
    """Chances of 0..1, per report to an on-failure destination; and those of the wire.

    Attributes:
        destination_refused: Not taken.
        destination_answer_lost: Taken, and the connection breaks.
        destination_slow: Up to seconds.
    """

    destination_refused: float = 0.0
    destination_answer_lost: float = 0.0
    destination_slow: float = 0.0


class FaultRates(DestinationRates, frozen=True, kw_only=True):
    """Chances of 0..1, each per call, per message, or per invocation.

    Attributes:
        delete_entry_failed: Per message: the server failed on it; it is not deleted.
        delete_entry_refused: Per message: the server refuses its handle.
        delete_forgotten: Per message: reported as deleted, and it comes again. Standard queues.
        delete_delayed: Per message: reported as deleted, and deleted later. Standard queues.
        duplicated: Per receive: a message that is hidden is handed out a second time. Standard
            queues.
        short_poll_missed: Per receive that does not wait: only some servers were asked.
        function_failed: Per invocation: the function raises.
        function_partial: Per invocation: it names some good messages as failed.
        function_malformed: Per invocation: its response cannot be read.
        function_throttled: Per invocation: it does not run.
        function_unreachable: Per invocation: it does not run.
        function_unknown: Per invocation: it runs, and the connection breaks before its answer.
        function_hung: Per invocation: it runs into its timeout.
    """

    delete_entry_failed: float = 0.0
    delete_entry_refused: float = 0.0
    delete_forgotten: float = 0.0
    delete_delayed: float = 0.0
    duplicated: float = 0.0
    short_poll_missed: float = 0.0
    function_failed: float = 0.0
    function_partial: float = 0.0
    function_malformed: float = 0.0
    function_throttled: float = 0.0
    function_unreachable: float = 0.0
    function_unknown: float = 0.0
    function_hung: float = 0.0


class StreamFaultRates(DestinationRates, frozen=True, kw_only=True):
    """Chances of 0..1, each per call, or per invocation.

    Attributes:
        answer_empty: Per fetch: no records, though there are some.
        answer_garbled: Per fetch: a record in it is none, and the whole of it cannot be read.
        iterator_expired: Per fetch: its iterator is refused as too old, whatever its age.
        listing_failed: Per listing of shards.
        store_unavailable: Per call of the store: no effect.
        store_answer_lost: Per call of the store: the effect took place, and an error is raised.
        store_slow: Per call of the store: up to a second.
        function_failed: Per invocation: the function raises.
        function_partial: Per invocation: it names a good record as failed.
        function_malformed: Per invocation: its response cannot be read.
        function_throttled: Per invocation: it does not run.
        function_unreachable: Per invocation: it does not run.
        function_unknown: Per invocation: it runs, and the connection breaks before its answer.
        function_hung: Per invocation: it runs into its timeout.
        state_outgrown: Per invocation of a tumbling window: it returns more than 1 MB of state.
    """

    answer_empty: float = 0.0
    answer_garbled: float = 0.0
    iterator_expired: float = 0.0
    listing_failed: float = 0.0
    store_unavailable: float = 0.0
    store_answer_lost: float = 0.0
    store_slow: float = 0.0
    function_failed: float = 0.0
    function_partial: float = 0.0
    function_malformed: float = 0.0
    function_throttled: float = 0.0
    function_unreachable: float = 0.0
    function_unknown: float = 0.0
    function_hung: float = 0.0
    state_outgrown: float = 0.0


_RATES = (0.0, 0.0, 0.0, 0.0, 0.02, 0.02, 0.1, 0.3)


RatesT_co = TypeVar("RatesT_co", bound=WireRates, covariant=True)


class FaultModel(Generic[RatesT_co]):
    """The rates, and a switch: after the safety phase the world is healed.

    Attributes:
        is_on: Whether anything goes wrong at all.
    """

    def __init__(self, rates: RatesT_co) -> None:
        self.rates = rates
        self.is_on = True

"""LastProcessingResult of one stream mapping: what a user of Lambda's API reads of its health.

A stream that cannot be read hides what the function did last, until it can be read again.

Source: docs.aws.amazon.com/lambda/latest/api/API_EventSourceMappingConfiguration.html (the field),
    recorded answers of AWS (its values before and after a success), and
    docs/semantics.md#processing-result (every problem)
"""

from penstock.core import shard_contract as s
from penstock.core import stream_contract as t
from penstock.model.position import NO_RECORDS_PROCESSED

OK = "OK"
_REASON_CHARS_MAX = 200
_STREAM = ""  # among the shard ids, the stream itself
_HARMLESS = {
    s.FetchFailure.ITERATOR_EXPIRED,
    s.FetchFailure.THROTTLED,
    s.FetchFailure.TRIMMED,
}


class ProcessingResult:
    """The result as of now, over all shards of a mapping."""

    def __init__(self) -> None:
        self._invocation = NO_RECORDS_PROCESSED
        self._saved = NO_RECORDS_PROCESSED
        self._unreadable: dict[str, str] = {}

    @property
    def text(self) -> str:
        """What the field says."""
        return next(iter(self._unreadable.values()), self._invocation)

    def unsaved(self) -> str | None:
        """Give what the function did last, if the store has something else.

        That a stream cannot be read is not stored: it is true only while it lasts.
        """
        return self._invocation if self._invocation != self._saved else None

    def note_saved(self, text: str | None) -> None:
        """The store has this text now; None: the one that it had."""
        self._saved = self._saved if text is None else text

    def observe_stream(self, inp: t.Input) -> None:
        """Take in what happened to the stream."""
        match inp:
            case t.PlaceTaken(place):
                self._saved = place.processing_result
                if self._invocation == NO_RECORDS_PROCESSED:
                    self._invocation = place.processing_result
            case t.DescribeFailed(reason) | t.PinFailed(reason):
                self._unreadable[_STREAM] = _problem("Stream cannot be read", reason)
            case t.StreamDescribed() | t.LatestPinned():
                self._unreadable.pop(_STREAM, None)
            case t.ShardEnded(shard_id) | t.ShardStopped(shard_id) | t.ShardBroke(shard_id):
                self._unreadable.pop(shard_id, None)

    def note_readable(self, shard_id: str) -> None:
        """A shard was read from."""
        if self._unreadable:
            self._unreadable.pop(shard_id, None)

    def observe_shard(self, shard_id: str, inp: s.Input) -> None:
        """Take in what happened to a shard."""
        match inp:
            case s.RecordsFetched():
                self.note_readable(shard_id)
            case s.FetchFailed(failure, reason) if failure not in _HARMLESS:
                self._unreadable[shard_id] = _problem("Stream cannot be read", reason)
            case s.InvocationSucceeded():
                self._invocation = OK
            case s.InvocationFailed():
                self._invocation = "PROBLEM: Function call failed"
            case s.InvocationPartiallyFailed():
                self._invocation = "PROBLEM: Function reported failed records"
            case s.DestinationFailed(_, reason):
                self._invocation = _problem("On-failure destination took nothing", reason)
            case s.InvocationRejected(_, reason):
                self._invocation = _problem("Function was not run", reason)
            case s.InvocationOutcomeUnknown(_, reason):
                self._invocation = _problem("Function may not have run to its end", reason)


def _problem(what: str, reason: str) -> str:
    return f"PROBLEM: {what}: {reason[:_REASON_CHARS_MAX]}"

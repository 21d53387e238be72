"""What a stream mapping's log says, derived from inputs and commands: the core stays silent."""

from collections.abc import Sequence

from penstock.core import shard_contract as s
from penstock.core import stream_contract as t
from penstock.engine.queue_log import Log
from penstock.engine.shard_discards import DiscardEnd
from penstock.model.stream import StreamRecord

_QUIET = frozenset({s.SlotsGranted, s.DeadlineReached, s.InvocationSucceeded})
_REMIND_EVERY = 10  # repeated failures are logged at 1, 10, 20, ...


class _Outage:
    """Failures in a row of one kind: the first and every tenth are told, and their end."""

    def __init__(self, log: Log, failing: str, working: str) -> None:
        self._log = log
        self._failing = failing
        self._working = working
        self._failures = 0

    @property
    def is_on(self) -> bool:
        return self._failures > 0

    def note_failure(self, reason: str, **fields: object) -> None:
        self._failures += 1
        if self._failures == 1 or self._failures % _REMIND_EVERY == 0:
            self._log.warning(self._failing, reason=reason, failures=self._failures, **fields)

    def note_success(self, **fields: object) -> None:
        if self._failures:
            self._failures = 0
            self._log.info(self._working, **fields)


class ShardLog:
    """The log of one shard of a stream mapping.

    Args:
        log: Bound to the mapping's name already.
        destination_arn: Where discards go; None: to the journal.
        age_warning_ms: Iterator ages above it are told, once until they are below it again.
        is_verbose: Also say what went well, batch by batch; costs time per batch.
    """

    def __init__(
        self,
        log: Log,
        shard_id: str,
        *,
        destination_arn: str | None,
        age_warning_ms: int,
        is_verbose: bool,
    ) -> None:
        self._log = log
        self._shard_id = shard_id
        self._destination_arn = destination_arn
        self._age_warning_ms = age_warning_ms
        self._is_verbose = is_verbose
        self._is_late = False
        self._reading = _Outage(log, "shard not readable", "shard readable again")
        self._sending = _Outage(log, "destination took nothing", "destination takes discards again")
        self._saving = _Outage(log, "checkpoint not saved", "checkpoint saved again")

    def observe(self, inp: s.Input, commands: list[s.Command]) -> None:
        """Say what the input and the commands mean to an operator."""
        if type(inp) in _QUIET and not self._is_verbose:
            return
        self._observe_reading(inp)
        self._observe_invocation(inp)
        shard = self._shard_id
        match inp:
            case s.CheckpointFailed(reason):
                self._saving.note_failure(reason, shard=shard)
            case s.CheckpointSaved():
                self._saving.note_success(shard=shard)
            case s.TenureLost():
                self._log.info("shard given up: another owner or position", shard=shard)
            case s.DestinationFailed(_, reason):
                self._sending.note_failure(reason, to=self._destination_arn, shard=shard)
            case s.DestinationAccepted():
                self._sending.note_success(shard=shard)
        if self._is_verbose:
            for command in commands:
                if isinstance(command, s.Invoke):
                    span = _span(command.batch.records)
                    self._log.debug("invocation started", shard=shard, **span)

    def note_read(self) -> None:
        """Say that the shard can be read again, where it could not be."""
        if self._reading.is_on:
            self._reading.note_success(shard=self._shard_id)

    def tell_discard(self, end: DiscardEnd) -> None:
        """Say which records left the shard without having succeeded, why, and where they are."""
        discard = end.discard
        to = "failure journal" if end.is_journaled else self._destination_arn
        self._log.warning(
            "records discarded",
            shard=self._shard_id,
            condition=discard.condition.value,
            **_span(discard.records, discard.batch_size),
            reason=discard.reason,
            to=to,
            **({"cause": end.cause} if end.cause else {}),
        )

    def watch_age(self, age_ms: int) -> None:
        """Say that the shard's function has fallen behind, and that it has caught up."""
        is_late = age_ms > self._age_warning_ms
        if is_late and not self._is_late:
            self._log.warning("iterator age is high", shard=self._shard_id, age_ms=age_ms)
        elif self._is_late and not is_late:
            self._log.info("iterator age is low again", shard=self._shard_id, age_ms=age_ms)
        self._is_late = is_late

    def _observe_reading(self, inp: s.Input) -> None:
        match inp:
            case s.FetchFailed(s.FetchFailure.TRIMMED, reason):
                event = "records left the stream before they were read"
                self._log.warning(event, shard=self._shard_id, reason=reason)
            case s.FetchFailed(s.FetchFailure.ITERATOR_EXPIRED):
                pass  # a matter of course after a pause
            case s.FetchFailed(failure, reason):
                kind = failure.name.lower()
                self._reading.note_failure(reason, shard=self._shard_id, failure=kind)
            case s.RecordsFetched(fetched):
                self.note_read()
                if fetched.records and self._is_verbose:
                    span = _span(fetched.records)
                    self._log.debug("records read", shard=self._shard_id, **span)

    def _observe_invocation(self, inp: s.Input) -> None:
        shard = self._shard_id
        match inp:
            case s.InvocationSucceeded(batch) if self._is_verbose:
                self._log.debug("invocation succeeded", shard=shard, **_span(batch.records))
            case s.InvocationPartiallyFailed(batch, failed_index):
                failed = _span(batch.records[failed_index:])
                of = len(batch.records)
                self._log.warning("invocation partly failed", shard=shard, of=of, **failed)
            case s.InvocationFailed(batch, reason):
                self._tell_trouble("invocation failed", batch.records, reason)
            case s.InvocationRejected(batch, reason):
                self._tell_trouble("function did not run", batch.records, reason)
            case s.InvocationOutcomeUnknown(batch, reason):
                self._tell_trouble("invocation's outcome unknown", batch.records, reason)

    def _tell_trouble(self, event: str, records: Sequence[StreamRecord], reason: str) -> None:
        self._log.warning(event, shard=self._shard_id, **_span(records), reason=reason)


class StreamLog:
    """The observer of one stream mapping's driver; its shards have logs of their own."""

    def __init__(self, log: Log, *, is_verbose: bool) -> None:
        self._log = log
        self._is_verbose = is_verbose
        self._incarnation = ""
        self._describing = _Outage(log, "stream not readable", "stream readable again")
        self._pinning = _Outage(log, "latest position not found", "latest position found")
        self._storing = _Outage(log, "position not stored", "position stored again")

    def observe(self, inp: t.Input, commands: list[t.Command]) -> None:
        """Say what the input and the commands mean to an operator."""
        self._observe_stream(inp)
        self._observe_shards(inp)
        for command in commands:
            match command:
                case t.BeginIncarnation(incarnation=incarnation):
                    if self._incarnation not in {"", incarnation}:
                        before = self._incarnation
                        event = "stream was made anew; nothing of the old one's positions is used"
                        self._log.warning(event, before=before, now=incarnation)
                    self._incarnation = incarnation
                case t.RunShard(start) if self._is_verbose:
                    self._log.debug("shard started", shard=start.shard_id)

    def _observe_stream(self, inp: t.Input) -> None:
        match inp:
            case t.PlaceTaken(place):
                self._incarnation = place.incarnation
                self._storing.note_success()
            case t.IncarnationBegun():
                self._storing.note_success()
            case t.StoreFailed(reason):
                self._storing.note_failure(reason)
            case t.StreamDescribed():
                self._describing.note_success()
            case t.DescribeFailed(reason, is_missing):
                self._describing.note_failure(reason, is_missing=is_missing)
            case t.LatestPinned():
                self._pinning.note_success()
            case t.PinFailed(reason):
                self._pinning.note_failure(reason)
            case t.TenureLost():
                self._log.info("position given up: another owner or position")
            case t.PositionChanged():
                self._log.info("position changed by an operator")

    def _observe_shards(self, inp: t.Input) -> None:
        match inp:
            case t.ShardLost(shard_id) if self._is_verbose:
                self._log.debug("the stream is looked at anew for a shard", shard=shard_id)
            case t.ShardEnded(shard_id):
                self._log.info("shard ended", shard=shard_id)


def _span(records: Sequence[StreamRecord], count: int | None = None) -> dict[str, object]:
    """Name records in a log; a tumbling window's last invocation has none."""
    if not records:
        return {"count": 0}
    first, last = records[0].sequence_number, records[-1].sequence_number
    return {"first": first, "last": last, "count": len(records) if count is None else count}

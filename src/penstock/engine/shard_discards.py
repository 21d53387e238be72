"""Follows a shard's discards to where they end: their destination, or the failure journal."""

import msgspec

from penstock.core import shard_contract as s
from penstock.model.failure import Discard


class DiscardEnd(msgspec.Struct, frozen=True):
    """A discard is durable somewhere.

    Attributes:
        is_journaled: In the failure journal; else its destination has it.
        cause: Why no destination took it; empty when none is configured.
    """

    discard: Discard
    is_journaled: bool = False
    cause: str = ""


class ShardDiscards:
    """The discards of one shard that are under way: one per lane, and what waits for its save."""

    def __init__(self) -> None:
        self._sent: dict[int, Discard] = {}
        self._being_saved: tuple[s.JournalEntry, ...] = ()

    def follow(self, inp: s.Input, commands: list[s.Command]) -> list[DiscardEnd]:
        """Take in what happened; give the discards that have ended by it."""
        ended: list[DiscardEnd] = []
        match inp:
            case s.DestinationAccepted(discard_id):
                discard = self._sent.pop(discard_id, None)
                if discard is not None:
                    ended.append(DiscardEnd(discard))
            case s.CheckpointSaved():
                ended += [
                    DiscardEnd(entry.discard, is_journaled=True, cause=entry.cause)
                    for entry in self._being_saved
                ]
                self._being_saved = ()
        for command in commands:
            match command:
                case s.SendToDestination(discard):
                    self._sent[discard.id] = discard
                case s.SaveCheckpoint(_, journal):
                    self._being_saved = journal
                    for entry in journal:
                        self._sent.pop(entry.discard.id, None)
        return ended

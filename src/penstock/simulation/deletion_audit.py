"""Checks that what is done is deleted, and soon."""

from penstock.simulation.ledger import Books, HandedMessage, Rule, SentMessage

DELETE_WAIT_MS = 20  # deletes of concurrent batches may wait so long to share a call


class DeletionAudit:
    """The auditor's eyes at what should be deleted.

    What succeeded is asked to be deleted within 20 ms; of a FIFO queue at once, since until then
    its group is locked.

    Source: docs/semantics.md#outcomes
    """

    def __init__(self, books: Books) -> None:
        self._books = books
        self._stood_still_ms = -1

    def done(self, copy: HandedMessage) -> None:
        """Take note that there is nothing more to do with a copy but to delete it."""
        if not copy.is_delete_asked:
            wait_ms = 0 if copy.message.queue_arn.endswith(".fifo") else DELETE_WAIT_MS
            copy.delete_by_ms = self._books.now_ms() + wait_ms
            copy.message.done_copy = copy

    def asked(self, copy: HandedMessage) -> None:
        """Check when a delete is asked for the first time."""
        if not copy.is_delete_asked:
            copy.is_delete_asked = True
            self._check(copy)

    def came_again(self, message: SentMessage) -> None:
        """Check a message that its queue still has: nobody may have forgotten to delete it."""
        copy = message.done_copy
        if copy is not None and not copy.is_delete_asked:
            self._check(copy)

    def node_stands_still(self) -> None:
        """Take note that nobody deletes in time what was done by now."""
        self._stood_still_ms = self._books.now_ms()
        for message in self._books.messages.values():
            message.done_copy = None

    def _check(self, copy: HandedMessage) -> None:
        is_owed = copy.message.done_copy is copy
        mapping = self._books.mappings[copy.message.queue_arn]
        done_ms = copy.delete_by_ms - DELETE_WAIT_MS
        if mapping.is_lost or mapping.found_ms >= done_ms:
            return  # nobody heard what was asked for
        if copy.delete_by_ms - self._stood_still_ms in (0, DELETE_WAIT_MS):
            return  # it may have come to an engine that had just ended
        if is_owed and copy.delete_by_ms < self._books.now_ms():
            text = f"{copy.message.message_id} was to be deleted by {copy.delete_by_ms} ms"
            self._books.report(Rule.DELETED_LATE, text)

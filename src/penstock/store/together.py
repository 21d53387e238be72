"""One transaction for what would be many: begun by the first write, its parts undone singly."""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from penstock.store.sqlite import savepoint


class Together:
    """A transaction of several writes; used by one thread, and once.

    Attributes:
        connection: The transaction's; None while nothing is written.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self.connection: sa.Connection | None = None

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Let the writes of the block be committed at its end, or undone with its error."""
        try:
            yield
            if self.connection is not None:
                self.connection.commit()
        finally:
            self._undo()  # what is not committed yet

    @contextmanager
    def part(self) -> Iterator[None]:
        """Let an error undo what the block wrote, and nothing that came before it."""
        if self.connection is not None:
            with savepoint(self.connection):
                yield
            return
        try:
            yield
        except BaseException:
            self._undo()  # if it has begun within the block, all of it is of the block
            raise

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """Give the connection for one write, and begin the transaction where none is."""
        if self.connection is not None:
            with savepoint(self.connection):
                yield self.connection
            return
        connection = self._engine.connect()
        try:
            connection.begin()
            self.connection = connection
            yield connection
        except BaseException:
            connection.close()
            self.connection = None
            raise

    def _undo(self) -> None:
        """Give the connection back: the pool rolls back what it carries."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None

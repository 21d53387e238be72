"""The one store: ``ports.Store`` on SQLAlchemy Core."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec
import sqlalchemy as sa

from penstock.model.arn import Scope
from penstock.model.deployed_function import DeployedFunction
from penstock.model.errors import StoreConflictError, StoreError, StoreUnavailableError
from penstock.model.failure import Failure
from penstock.model.function import Function
from penstock.model.mapping import EventSourceMapping, MappingQuery
from penstock.model.position import CheckpointSave, PositionChange, StreamPlace, Tenure
from penstock.model.stream import Checkpoint, Position
from penstock.store import failure_rows, function_rows, mapping_rows, stream_rows
from penstock.store.failure_rows import JournalLimits
from penstock.store.schema import prepare_schema
from penstock.store.sqlite import READ_ONLY, open_sqlite, parse_url
from penstock.store.together import Together

_JOURNAL_LIMITS = JournalLimits()


class SqlStore:
    """Mappings, functions, places in streams and failures in an SQL database.

    Not for use by several threads at once; several processes may share one store. Each method is a
    transaction, unless several are called ``together``.

    Args:
        url: ``sqlite:///relative/path``, ``sqlite:////absolute/path``, or ``sqlite://`` for one in
            memory that ends with this object.
        journal_limits: How much the failure journal keeps, and how long.

    Raises:
        ConfigurationError: The URL cannot be read, or names another kind of database.
        StoreError: The store cannot be opened, or was written by a newer version.
    """

    def __init__(self, url: str, *, journal_limits: JournalLimits = _JOURNAL_LIMITS) -> None:
        self._location = url
        self._journal_limits = journal_limits
        self._engine = open_sqlite(parse_url(url))
        self._together: Together | None = None
        try:
            with self._writing() as connection:
                prepare_schema(connection)
        except StoreError:
            self._engine.dispose()
            raise

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make one transaction of all that the block does; durable when the block has ended.

        It is begun by the first write. An error undoes the whole block; of a block within a block
        only the inner one, when the outer catches the error.
        """
        if self._together is not None:
            with self._named_errors(), self._together.part():
                yield
            return
        self._together = Together(self._engine)
        try:
            with self._named_errors(), self._together.whole():
                yield
        finally:
            self._together = None

    def insert_mapping(self, mapping: EventSourceMapping) -> None:
        """Add a mapping."""
        with self._writing() as connection:
            mapping_rows.insert_mapping(connection, mapping)

    def get_mapping(self, scope: Scope, uuid: str) -> EventSourceMapping | None:
        """Read one mapping of that scope."""
        with self._reading() as connection:
            return mapping_rows.get_mapping(connection, scope, uuid)

    def list_mappings(
        self, scope: Scope | None = None, *, event_source_arn: str | None = None
    ) -> list[EventSourceMapping]:
        """Read every mapping of a scope (None: of all) and of a source, ordered by uuid."""
        with self._reading() as connection:
            return mapping_rows.list_mappings(connection, scope, event_source_arn)

    def read_page(self, asked: MappingQuery) -> list[EventSourceMapping]:
        """Read a part of a scope's mappings, ordered by uuid."""
        with self._reading() as connection:
            return mapping_rows.read_page(connection, asked)

    def replace_mapping(self, mapping: EventSourceMapping) -> EventSourceMapping:
        """Write the mapping if the row's version is still ``mapping.version``."""
        with self._writing() as connection:
            changed = mapping_rows.replace_mapping(connection, mapping)
        if changed is None:
            raise StoreConflictError(
                f"mapping {mapping.uuid} is gone or no longer at version {mapping.version}; "
                "read it again"
            )
        return changed

    def delete_mapping(self, uuid: str) -> None:
        """Remove a mapping and its place; removing one that is gone does nothing.

        Its failures stay, so that they can still be redriven, and so does the audit.
        """
        with self._writing() as connection:
            mapping_rows.delete_mapping(connection, uuid)
            stream_rows.delete_place(connection, uuid)

    def replace_functions(self, functions: Sequence[Function]) -> None:
        """Make these the declared functions: add, change and remove in one transaction."""
        with self._writing() as connection:
            function_rows.replace_functions(connection, functions)

    def list_functions(self) -> list[Function]:
        """Read every declared function, ordered by account, region and name."""
        with self._reading() as connection:
            return function_rows.list_functions(connection)

    def insert_deployed_function(self, function: DeployedFunction) -> None:
        """Add a deployed function."""
        with self._writing() as connection:
            function_rows.insert_deployed(connection, function)

    def replace_deployed_function(self, function: DeployedFunction) -> DeployedFunction:
        """Write a deployed function if its row is still of ``function.row_version``."""
        with self._writing() as connection:
            changed = function_rows.replace_deployed(connection, function)
        if changed is None:
            raise StoreConflictError(
                f"function {function.name} is gone or no longer at version {function.row_version}; "
                "read it again"
            )
        return changed

    def delete_deployed_function(self, scope: Scope, name: str) -> None:
        """Remove a deployed function; removing one that is gone does nothing."""
        with self._writing() as connection:
            function_rows.delete_deployed(connection, scope, name)

    def list_deployed_functions(self) -> list[DeployedFunction]:
        """Read every deployed function, ordered by account, region and name."""
        with self._reading() as connection:
            return function_rows.list_deployed(connection)

    def take_place(self, mapping_uuid: str) -> StreamPlace:
        """Raise the mapping's lease counter and give where it stands."""
        with self._writing() as connection:
            return stream_rows.take_place(connection, mapping_uuid)

    def read_place(self, mapping_uuid: str) -> StreamPlace | None:
        """Give where a mapping stands; None before it ever ran."""
        with self._reading() as connection:
            return stream_rows.read_place(connection, mapping_uuid)

    def begin_incarnation(
        self,
        tenure: Tenure,
        incarnation: str,
        checkpoints: dict[str, Checkpoint],
        *,
        start: Position | None = None,
    ) -> bool:
        """Replace all checkpoints and skips; False when the tenure is over."""
        begun = StreamPlace(
            tenure=tenure,
            incarnation=incarnation,
            start=start,
            checkpoints=checkpoints,
        )
        with self._writing() as connection:
            return stream_rows.begin_incarnation(connection, begun)

    def forget_shards(self, tenure: Tenure, shard_ids: Sequence[str]) -> bool:
        """Remove the checkpoints of shards that left their stream; False: the tenure is over."""
        with self._writing() as connection:
            return stream_rows.forget_shards(connection, tenure, shard_ids)

    def save_checkpoints(self, saves: Sequence[CheckpointSave]) -> list[bool]:
        """Save checkpoints with the failures they pass; tells per save whether its tenure held."""
        if not saves:
            return []
        with self._writing() as connection:
            tenures = stream_rows.hold_tenures(connection, saves)
            held = [save for save in saves if save.tenure in tenures]
            stream_rows.save_checkpoints(connection, held)
            failures = [failure for save in held for failure in save.failures]
            failure_rows.add_failures(connection, failures, self._journal_limits)
        return [save.tenure in tenures for save in saves]

    def save_processing_result(self, tenure: Tenure, text: str) -> bool:
        """Keep what the function did last; False when the tenure is over."""
        with self._writing() as connection:
            return stream_rows.save_processing_result(connection, tenure, text)

    def change_place(self, place: StreamPlace, change: PositionChange) -> StreamPlace:
        """Put the mapping elsewhere if its epoch is still the place's, and write it down."""
        with self._writing() as connection:
            changed = stream_rows.change_place(connection, place, change)
        if changed is None:
            raise StoreConflictError(
                f"the position of mapping {place.tenure.mapping_uuid} was changed meanwhile: it is "
                f"no longer of epoch {place.tenure.epoch}; read it again"
            )
        return changed

    def list_position_changes(self, mapping_uuid: str) -> list[PositionChange]:
        """Read the audit of a mapping's position, newest first, also of one that was deleted."""
        with self._reading() as connection:
            return stream_rows.list_position_changes(connection, mapping_uuid)

    def list_failures(
        self, *, mapping_uuid: str | None = None, after: str = "", limit: int = 100
    ) -> list[Failure]:
        """Read failures without their events, in the order in which they came.

        When ``after`` has left the journal the page begins at the oldest: none is passed over.
        """
        with self._reading() as connection:
            return failure_rows.list_failures(
                connection, mapping_uuid=mapping_uuid, after=after, limit=limit
            )

    def get_failure(self, failure_id: str) -> Failure | None:
        """Read one failure with its event."""
        with self._reading() as connection:
            return failure_rows.get_failure(connection, failure_id)

    def delete_failures(
        self, failure_ids: Sequence[str] | None = None, *, mapping_uuid: str | None = None
    ) -> int:
        """Remove failures by id, of a mapping, of both, or all; gives how many were there."""
        with self._writing() as connection:
            return failure_rows.delete_failures(connection, failure_ids, mapping_uuid)

    def evicted_failure_count(self) -> int:
        """Count the failures that went because the journal was full or they were too old."""
        with self._reading() as connection:
            return failure_rows.evicted_failure_count(connection)

    def close(self) -> None:
        """Give back connections."""
        self._engine.dispose()

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        """One transaction, or a part of one; durable when the outermost block has ended well."""
        if self._together is not None:
            with self._named_errors(), self._together.writing() as connection:
                yield connection
            return
        with self._named_errors(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        """One consistent view, without the write lock where nothing has been written."""
        written = None if self._together is None else self._together.connection
        if written is not None:
            with self._named_errors():
                yield written
            return
        with self._named_errors(), self._engine.connect() as connection:
            yield connection.execution_options(**READ_ONLY)

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except sa.exc.IntegrityError as exc:
            raise StoreConflictError(f"the row is taken: {exc.orig}") from exc
        except (sa.exc.DBAPIError, sqlite3.Error) as exc:
            raise _store_error(self._location, exc) from exc
        except msgspec.DecodeError as exc:
            raise StoreError(f"the store {self._location} holds an unreadable row: {exc}") from exc


def _store_error(location: str, exc: Exception) -> StoreError:
    """Name what SQLite says: its texts are stable, its extended codes are not always set."""
    cause = str(exc.orig if isinstance(exc, sa.exc.DBAPIError) else exc)
    if "locked" in cause:
        return StoreUnavailableError(
            f"the store {location} is locked by another process; stop it, or wait until it is done"
        )
    if "not a database" in cause or "malformed" in cause:
        return StoreError(
            f"the store {location} is not an SQLite database or is damaged ({cause}); restore it "
            "from a copy, or move it away and start with an empty one"
        )
    if "readonly" in cause or "unable to open" in cause:
        return StoreError(
            f"the store {location} cannot be opened for writing ({cause}); its folder and file "
            "must be writable"
        )
    return StoreUnavailableError(f"the store {location} failed: {cause}")

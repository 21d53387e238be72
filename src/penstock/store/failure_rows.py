"""Rows of the failure journal, which is bounded by age and by bytes.

Rules:
    1. Each function runs in the transaction of the connection that it is given.
    2. The journal is in the order in which its rows came, and above its bytes goes from the oldest
       on; the newest failure stays, even one larger than all that the journal may hold, until the
       next comes.
    3. Too old is judged by the latest ``discarded_ms`` of the failures added: nothing goes while
       none comes, and a clock that was ahead takes more with it.
    4. What goes by 2 or 3 is counted for as long as the store lives.

The bytes are a running total in ``counters``, which each addition and removal keeps right in its
own transaction. A sum over an index would read an entry per failure at each save, and a journal of
small events holds a million; the total is one row.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from penstock.model.failure import Failure
from penstock.store.tables import counters, failures

JOURNAL_AGE_MS = 14 * 24 * 60 * 60 * 1000  # time to see it, mend the function and redrive
JOURNAL_BYTES_MAX = 1024**3
IDS_PER_STATEMENT_MAX = 500  # SQLite bounds the variables of a statement

_JOURNAL_BYTES = "failure_journal_bytes"
_EVICTED_COUNT = "failures_evicted"

_failure_decoder = msgspec.json.Decoder(Failure)

_insert_failure = sqlite.insert(failures).on_conflict_do_nothing(index_elements=[failures.c.id])
_add_to_counter = sqlite.insert(counters)
_add_to_counter = _add_to_counter.on_conflict_do_update(
    index_elements=[counters.c.name],
    set_={"count": counters.c.count + _add_to_counter.excluded.count},
)


class JournalLimits(msgspec.Struct, frozen=True):
    """How much the journal keeps.

    Attributes:
        age_ms: Between a failure's discard and the latest discard.
        bytes_max: Of documents and events together.
    """

    age_ms: int = JOURNAL_AGE_MS
    bytes_max: int = JOURNAL_BYTES_MAX


def add_failures(
    connection: sa.Connection, added: Sequence[Failure], limits: JournalLimits
) -> None:
    """Add failures in this order, and let go what is beyond the limits.

    One whose id is there already is passed over: a save whose outcome was unknown comes again.
    """
    if not added:
        return
    newest_before = connection.scalar(sa.select(sa.func.max(failures.c.number))) or 0
    # Not with RETURNING: a plain executemany copies one event at a time, not all of them.
    connection.execute(_insert_failure, [_failure_row(failure) for failure in added])
    is_added = failures.c.number > newest_before
    newest, added_bytes = connection.execute(
        sa.select(sa.func.max(failures.c.number), sa.func.sum(failures.c.size_bytes)).where(
            is_added
        )
    ).one()
    if newest is None:
        return
    _count(connection, _JOURNAL_BYTES, added_bytes)
    now_ms = max(failure.discarded_ms for failure in added)
    evicted_count = _remove(connection, failures.c.discarded_ms < now_ms - limits.age_ms)
    evicted_count += _evict_bytes(connection, newest, limits.bytes_max)
    if evicted_count:
        _count(connection, _EVICTED_COUNT, evicted_count)


def list_failures(
    connection: sa.Connection, *, mapping_uuid: str | None, after: str, limit: int
) -> list[Failure]:
    """Read a page without events, which are not even read from the disk."""
    query = sa.select(failures.c.document).order_by(failures.c.number).limit(limit)
    if mapping_uuid is not None:
        query = query.where(failures.c.mapping_uuid == mapping_uuid)
    number = connection.scalar(sa.select(failures.c.number).where(failures.c.id == after))
    if number is not None:
        query = query.where(failures.c.number > number)
    return [_failure_decoder.decode(document) for document in connection.scalars(query)]


def get_failure(connection: sa.Connection, failure_id: str) -> Failure | None:
    """Read one failure with its event."""
    query = sa.select(failures.c.document, failures.c.event).where(failures.c.id == failure_id)
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    return msgspec.structs.replace(_failure_decoder.decode(row.document), event=row.event)


def delete_failures(
    connection: sa.Connection, failure_ids: Sequence[str] | None, mapping_uuid: str | None
) -> int:
    """Remove failures that are named and of the mapping; None is no condition."""
    is_meant = sa.true() if mapping_uuid is None else failures.c.mapping_uuid == mapping_uuid
    if failure_ids is None:
        return _remove(connection, is_meant)
    count = 0
    for first in range(0, len(failure_ids), IDS_PER_STATEMENT_MAX):
        ids = failure_ids[first : first + IDS_PER_STATEMENT_MAX]
        count += _remove(connection, sa.and_(is_meant, failures.c.id.in_(ids)))
    return count


def evicted_failure_count(connection: sa.Connection) -> int:
    """Count what the limits have cost so far."""
    return _read_counter(connection, _EVICTED_COUNT)


def _evict_bytes(connection: sa.Connection, newest: int, bytes_max: int) -> int:
    excess_bytes = _read_counter(connection, _JOURNAL_BYTES) - bytes_max
    if excess_bytes <= 0:
        return 0
    query = (
        sa.select(failures.c.number, failures.c.size_bytes)
        .where(failures.c.number < newest)
        .order_by(failures.c.number)
    )
    last = 0
    with connection.execute(query) as oldest:  # read row by row, no further than needed
        for number, size_bytes in oldest:
            last = number
            excess_bytes -= size_bytes
            if excess_bytes <= 0:
                break
    return _remove(connection, failures.c.number <= last)


def _remove(connection: sa.Connection, is_meant: sa.ColumnElement[bool]) -> int:
    statement = sa.delete(failures).where(is_meant).returning(failures.c.size_bytes)
    sizes_bytes = connection.scalars(statement).all()
    if sizes_bytes:
        _count(connection, _JOURNAL_BYTES, -sum(sizes_bytes))
    return len(sizes_bytes)


def _count(connection: sa.Connection, name: str, more: int) -> None:
    connection.execute(_add_to_counter, {"name": name, "count": more})


def _read_counter(connection: sa.Connection, name: str) -> int:
    return connection.scalar(sa.select(counters.c.count).where(counters.c.name == name)) or 0


def _failure_row(failure: Failure) -> dict[str, Any]:
    document = msgspec.json.encode(msgspec.structs.replace(failure, event=b""))
    return {
        "id": failure.id,
        "mapping_uuid": failure.mapping_uuid,
        "discarded_ms": failure.discarded_ms,
        "size_bytes": len(document) + len(failure.event),
        "document": document.decode(),
        "event": failure.event,
    }

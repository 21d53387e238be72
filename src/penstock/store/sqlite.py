"""SQLite, set up so that what was committed stays and that no update is lost.

1. Transactions that write begin IMMEDIATE: they take the write lock before their first read. The
   default, deferred BEGIN lost updates in silence when several processes read, decided and wrote.
2. WAL: readers and the one writer do not block each other; a killed process leaves a store that
   opens, since an unfinished transaction is simply not in the log.
3. ``synchronous = FULL``: each commit is flushed to the disk, so that an answered request survives
   a power cut, not only a kill -9 (for which NORMAL would do). The price is one flush per commit,
   and commits are rare: control requests, and checkpoints written in groups.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa

from penstock.model.errors import ConfigurationError, StoreError

LOCK_WAIT_S = 5  # another process's transaction lasts milliseconds; this long means it hangs
READ_ONLY = {"penstock_read_only": True}  # execution option: this transaction will not write


def open_sqlite(url: sa.URL) -> sa.Engine:
    """Make the engine; the folder and the file are created, for this user's eyes only.

    Raises:
        StoreError: The folder or the file cannot be made or opened.
    """
    connect_args = {"timeout": LOCK_WAIT_S, "check_same_thread": False}
    path = database_path(url)
    if path is None:
        engine = sa.create_engine(url, poolclass=sa.StaticPool, connect_args=connect_args)
    else:
        create_file(path)
        url = url.set(database=str(path))
        engine = sa.create_engine(url, pool_size=1, max_overflow=0, connect_args=connect_args)
    sa.event.listen(engine, "connect", _set_up_connection)
    sa.event.listen(engine, "begin", _begin)
    return engine


@contextlib.contextmanager
def savepoint(connection: sa.Connection) -> Iterator[None]:
    """Let an error undo what the block wrote in the connection's transaction, and no more."""
    # By the driver: SQLAlchemy compiles each savepoint anew, which costs more than a row's write.
    cursor = connection.connection.cursor()
    cursor.execute("SAVEPOINT part")
    try:
        yield
    except BaseException:
        # After some errors, as on a full disk, SQLite has undone the whole transaction by itself:
        # there is no savepoint any more, and its commit will fail.
        with contextlib.suppress(sqlite3.Error):
            cursor.execute("ROLLBACK TO part")
            cursor.execute("RELEASE part")
        raise
    cursor.execute("RELEASE part")


def parse_url(url: str) -> sa.URL:
    """Read a store's URL.

    Raises:
        ConfigurationError: It cannot be read, or names another kind of database.
    """
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError as exc:
        raise ConfigurationError(f"{url!r} is not a store URL; use sqlite:///PATH") from exc
    if parsed.drivername == "sqlite":
        return parsed
    raise ConfigurationError(
        f"a store of kind {parsed.drivername!r} is not implemented in this version; use "
        "sqlite:///PATH (PostgreSQL comes with the fleet)"
    )


def database_path(url: sa.URL) -> Path | None:
    """Give the database's file; None for one in memory."""
    if url.database in (None, "", ":memory:"):
        return None
    return Path(url.database).expanduser().absolute()


def create_file(path: Path) -> None:
    """Make an empty file and its folder, if they are not there, for this user's eyes only.

    Raises:
        StoreError: They cannot be made.
    """
    # Functions may carry secrets in their environment variables: nobody else may read the store.
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600, exist_ok=True)
    except OSError as exc:
        raise StoreError(f"the store {path} cannot be created: {exc.strerror}") from exc


def _set_up_connection(connection: sqlite3.Connection, _record: object) -> None:
    # The driver must not begin transactions on its own: _begin does.
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _begin(connection: sa.Connection) -> None:
    is_read_only = connection.get_execution_options().keys() >= READ_ONLY.keys()
    connection.exec_driver_sql("BEGIN" if is_read_only else "BEGIN IMMEDIATE")

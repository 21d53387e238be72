"""SQLite's side of the store: files, schemas, kills, other processes, damage."""

import contextlib
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from store_builders import (
    COUNTER,
    SCOPE,
    STORE_0001,
    WRITER,
    checkpoint_save,
    failure,
    mapping,
    start,
)

from penstock.model.errors import (
    ConfigurationError,
    StoreError,
    StoreSchemaError,
    StoreUnavailableError,
)
from penstock.model.mapping import MappingQuery
from penstock.model.position import PositionChange
from penstock.store import sqlite
from penstock.store.schema import migrate
from penstock.store.sql import SqlStore
from penstock.store.sqlite import open_sqlite
from penstock.store.tables import SCHEMA_REVISION


def url_of(folder: Path) -> str:
    return f"sqlite:///{folder}/penstock.db"


def run_sql(path: Path, statement: str) -> list[tuple[object, ...]]:
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        return connection.execute(statement).fetchall()


def schema_of(path: Path) -> set[object]:
    return {row[0] for row in run_sql(path, "select sql from sqlite_master where sql is not null")}


def test_rows_are_there_after_reopening(tmp_path: Path) -> None:
    store = SqlStore(url_of(tmp_path))
    store.insert_mapping(mapping(1))
    store.close()

    reopened = SqlStore(url_of(tmp_path))

    assert reopened.list_mappings() == [mapping(1)]
    reopened.close()


def test_missing_folder_is_made_for_this_user_alone(tmp_path: Path) -> None:
    SqlStore(url_of(tmp_path / "a" / "b")).close()

    assert (tmp_path / "a" / "b" / "penstock.db").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700


def test_commits_are_flushed_and_logged_ahead(tmp_path: Path) -> None:
    engine = open_sqlite(sa.make_url(url_of(tmp_path)))
    with engine.connect() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    engine.dispose()

    full = 2
    assert pragmas == {
        "journal_mode": "wal",
        "synchronous": full,
        "foreign_keys": 1,
        "busy_timeout": 5000,
    }


def test_fresh_and_current_store_do_not_import_alembic(tmp_path: Path) -> None:
    program = (
        "import sys; from penstock.store.sql import SqlStore;"
        f"SqlStore({url_of(tmp_path)!r}).close(); SqlStore({url_of(tmp_path)!r}).close();"
        "sys.exit('alembic' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_migrated_store_equals_a_fresh_one(tmp_path: Path) -> None:
    SqlStore(url_of(tmp_path / "fresh")).close()
    engine = open_sqlite(sa.make_url(url_of(tmp_path / "migrated")))
    with engine.begin() as connection:
        migrate(connection)
    engine.dispose()

    fresh, migrated = tmp_path / "fresh" / "penstock.db", tmp_path / "migrated" / "penstock.db"
    assert schema_of(migrated) == schema_of(fresh)
    version = "select version_num from alembic_version"
    assert run_sql(migrated, version) == run_sql(fresh, version) == [(SCHEMA_REVISION,)]


def test_store_of_an_older_schema_is_migrated_and_keeps_its_rows(tmp_path: Path) -> None:
    SqlStore(url_of(tmp_path / "fresh")).close()
    path = tmp_path / "penstock.db"
    with contextlib.closing(sqlite3.connect(path)) as old:
        old.executescript(STORE_0001)

    store = SqlStore(url_of(tmp_path))
    rows = store.list_mappings()
    place = store.take_place(mapping(1).uuid)
    store.close()

    assert rows == [mapping(1)]
    assert place.tenure.lease_counter == 1
    assert run_sql(path, "select version_num from alembic_version") == [(SCHEMA_REVISION,)]
    assert schema_of(path) == schema_of(tmp_path / "fresh" / "penstock.db")


def test_migration_that_is_cut_short_leaves_the_older_store(tmp_path: Path) -> None:
    path = tmp_path / "penstock.db"
    with contextlib.closing(sqlite3.connect(path)) as old:
        old.executescript(STORE_0001)
    before = schema_of(path)
    engine = open_sqlite(sa.make_url(url_of(tmp_path)))

    with engine.connect() as connection, connection.begin() as transaction:
        migrate(connection)
        transaction.rollback()
    engine.dispose()

    assert schema_of(path) == before
    assert run_sql(path, "select version_num from alembic_version") == [("0001",)]


def test_store_of_a_newer_schema_is_refused(tmp_path: Path) -> None:
    SqlStore(url_of(tmp_path)).close()
    run_sql(tmp_path / "penstock.db", "update alembic_version set version_num = '9999'")

    with pytest.raises(StoreSchemaError, match=r"schema 9999.*knows schemas up to"):
        SqlStore(url_of(tmp_path))


@pytest.mark.parametrize(
    ("url", "text"),
    [
        pytest.param("postgresql+psycopg://db/penstock", "PostgreSQL comes with", id="postgresql"),
        pytest.param("mysql://db/penstock", "not implemented", id="mysql"),
        pytest.param("penstock.db", "not a store URL", id="path"),
        pytest.param("", "not a store URL", id="empty"),
    ],
)
def test_other_url_is_refused(url: str, text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        SqlStore(url)


def test_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "penstock.db").write_bytes(b"not a database, but long enough " * 100)

    with pytest.raises(StoreError, match=r"penstock\.db is not an SQLite database or is damaged"):
        SqlStore(url_of(tmp_path))


def test_damaged_row_is_named(tmp_path: Path) -> None:
    store = SqlStore(url_of(tmp_path))
    store.insert_mapping(mapping(1))
    run_sql(tmp_path / "penstock.db", "update mappings set document = '{}'")

    with pytest.raises(StoreError, match="unreadable row"):
        store.list_mappings()
    store.close()


@pytest.mark.parametrize("table", ["stream_places", "checkpoints", "position_changes", "failures"])
def test_damaged_row_of_a_stream_is_named(tmp_path: Path, table: str) -> None:
    store = SqlStore(url_of(tmp_path))
    tenure = store.take_place("m").tenure
    store.save_checkpoints([checkpoint_save(tenure, 1, failures=[failure(1)], incarnation="")])
    place = store.read_place("m")
    assert place is not None
    change = PositionChange(mapping_uuid="m", action="skip", detail="", changed_ms=1, epoch=0)
    store.change_place(place, change)
    run_sql(tmp_path / "penstock.db", f"update {table} set document = '[]'")  # noqa: S608 - ours
    read: dict[str, Callable[[], object]] = {
        "position_changes": lambda: store.list_position_changes("m"),
        "failures": store.list_failures,
    }

    with pytest.raises(StoreError, match="unreadable row"):
        read.get(table, lambda: store.read_place("m"))()
    store.close()


def test_locked_store_saves_no_checkpoint_and_goes_on_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "LOCK_WAIT_S", 0)
    store = SqlStore(url_of(tmp_path))
    save = checkpoint_save(store.take_place("m").tenure, 1, failures=[failure(1)])
    with contextlib.closing(sqlite3.connect(tmp_path / "penstock.db")) as other:
        other.execute("begin immediate")
        with pytest.raises(StoreUnavailableError):
            store.save_checkpoints([save])

    assert store.list_failures() == []
    assert store.save_checkpoints([save]) == [True]
    store.close()


def test_listing_reads_no_events(tmp_path: Path) -> None:
    store = SqlStore(url_of(tmp_path))
    tenure = store.take_place("m").tenure
    store.save_checkpoints([checkpoint_save(tenure, 1, failures=[failure(1)])])
    statements: list[str] = []
    sa.event.listen(
        sa.Engine,
        "before_cursor_execute",
        listener := lambda *given: statements.append(given[2]),
    )

    store.list_failures(mapping_uuid="m")

    sa.event.remove(sa.Engine, "before_cursor_execute", listener)
    store.close()
    assert [each for each in statements if "event" in each] == []
    assert any("FROM failures" in each for each in statements)


def test_page_of_mappings_sorts_none(tmp_path: Path) -> None:
    store = SqlStore(url_of(tmp_path))
    asked: list[tuple[str, Any]] = []
    sa.event.listen(
        sa.Engine,
        "before_cursor_execute",
        listener := lambda *given: asked.append((given[2], given[3])),
    )

    store.read_page(MappingQuery(SCOPE, limit=2, after="a"))

    sa.event.remove(sa.Engine, "before_cursor_execute", listener)
    store.close()
    with contextlib.closing(sqlite3.connect(tmp_path / "penstock.db")) as connection:
        (statement, bound) = next(each for each in asked if "FROM mappings" in each[0])
        plan = connection.execute(f"explain query plan {statement}", bound).fetchall()
    assert "(uuid>?)" in str(plan)
    assert "ORDER BY" not in str(plan)


def test_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StoreError, match="cannot be created"):
        SqlStore(url_of(tmp_path / "file"))


def test_folder_in_place_of_the_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "penstock.db").mkdir()

    with pytest.raises(StoreError, match="cannot be opened"):
        SqlStore(url_of(tmp_path))


def test_locked_store_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "LOCK_WAIT_S", 0)
    store = SqlStore(url_of(tmp_path))
    store.insert_mapping(mapping(1))
    with contextlib.closing(sqlite3.connect(tmp_path / "penstock.db")) as other:
        other.execute("begin immediate")

        with pytest.raises(StoreUnavailableError, match="locked by another process"):
            store.insert_mapping(mapping(2))
        assert store.list_mappings() == [mapping(1)], "readers do not wait for a writer"

    store.insert_mapping(mapping(2))
    store.close()


def test_killed_writer_leaves_every_acknowledged_row(tmp_path: Path) -> None:
    acknowledged = 0
    for _ in range(3):
        with start(WRITER, url_of(tmp_path)) as writer:
            assert writer.stdout is not None
            for _ in range(50):
                acknowledged = int(writer.stdout.readline())
            writer.kill()

        store = SqlStore(url_of(tmp_path))
        rows = store.list_mappings(SCOPE)
        store.close()
        assert rows[: acknowledged + 1] == [mapping(number) for number in range(acknowledged + 1)]


def test_no_update_of_three_processes_is_lost(tmp_path: Path) -> None:
    store = SqlStore(url_of(tmp_path))
    store.insert_mapping(mapping(0, batch_size=0))
    with contextlib.ExitStack() as running:
        counters = [running.enter_context(start(COUNTER, url_of(tmp_path))) for _ in range(3)]
        for counter in counters:
            assert counter.stdout is not None
            assert counter.stdout.readline() == "ready\n"
        for counter in counters:
            assert counter.stdin is not None
            counter.stdin.write("go\n")
            counter.stdin.flush()
        assert [counter.wait(60) for counter in counters] == [0, 0, 0]

    (row,) = store.list_mappings()
    store.close()
    assert (row.batch_size, row.version) == (300, 300)

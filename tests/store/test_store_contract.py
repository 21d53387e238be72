"""What ports.Store promises, held against every store there is."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from store_builders import SCOPE, deployed, function, mapping

from penstock.model.arn import Scope
from penstock.model.errors import StoreConflictError
from penstock.model.function import InvokeEndpoint
from penstock.model.mapping import EventSourceMapping, MappingQuery, State
from penstock.ports import FunctionStore, Store
from penstock.simulation.store import SimulatedStore
from penstock.store.sql import SqlStore

OTHER_SCOPE = Scope("000000000000", "eu-west-1")


def in_memory(_folder: Path) -> Store:
    return SqlStore("sqlite://")


def on_disk(folder: Path) -> Store:
    return SqlStore(f"sqlite:///{folder}/penstock.db")


def simulated(_folder: Path) -> Store:
    return SimulatedStore(lambda _: None, lambda _: None)


@pytest.fixture(name="store", params=[in_memory, on_disk], ids=lambda opened: opened.__name__)
def fixture_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    open_store: Callable[[Path], Store] = request.param
    store = open_store(tmp_path)
    yield store
    store.close()


def test_mapping_is_read_as_it_was_written(store: Store) -> None:
    written = mapping(
        1, name="orders", maximum_concurrency=5, enabled=False, state=State.DISABLED, batch_size=3
    )

    store.insert_mapping(written)

    assert store.get_mapping(SCOPE, written.uuid) == written


def test_mapping_of_another_scope_is_not_seen(store: Store) -> None:
    store.insert_mapping(mapping(1))

    assert store.get_mapping(OTHER_SCOPE, mapping(1).uuid) is None
    assert store.list_mappings(OTHER_SCOPE) == []


def test_page_holds_what_comes_after_up_to_its_limit(store: Store) -> None:
    rows = [mapping(number) for number in range(4)]
    for row in (*rows, mapping(9, scope=OTHER_SCOPE)):
        store.insert_mapping(row)

    page = store.read_page(MappingQuery(SCOPE, limit=2, after=rows[0].uuid))

    assert page == rows[1:3]
    assert store.read_page(MappingQuery(SCOPE, limit=9, after=rows[2].uuid)) == [rows[3]]


def test_page_holds_only_the_source_and_the_function_asked_for(store: Store) -> None:
    rows = [mapping(1), mapping(2), mapping(3, function_arn="arn:other")]
    for row in rows:
        store.insert_mapping(row)
    of_source = MappingQuery(SCOPE, limit=9, event_source_arn=rows[1].event_source_arn)
    of_function = MappingQuery(SCOPE, limit=9, function_arn="arn:other")

    assert store.read_page(of_source) == [rows[1]]
    assert store.read_page(of_function) == [rows[2]]


def test_mappings_are_listed_by_uuid_and_by_source(store: Store) -> None:
    rows = [mapping(3), mapping(1), mapping(2, scope=OTHER_SCOPE)]
    for row in rows:
        store.insert_mapping(row)

    assert store.list_mappings() == [rows[1], rows[2], rows[0]]
    assert store.list_mappings(SCOPE) == [rows[1], rows[0]]
    assert store.list_mappings(SCOPE, event_source_arn=rows[0].event_source_arn) == [rows[0]]
    assert store.list_mappings(SCOPE, event_source_arn=rows[2].event_source_arn) == []


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"uuid": mapping(1).uuid}, id="same uuid"),
        pytest.param({"event_source_arn": mapping(1).event_source_arn}, id="same source, function"),
        pytest.param({"name": "orders"}, id="same name"),
    ],
)
def test_insert_of_a_taken_row_conflicts(store: Store, changes: dict[str, Any]) -> None:
    store.insert_mapping(mapping(1, name="orders"))

    with pytest.raises(StoreConflictError):
        store.insert_mapping(mapping(2, **changes))

    assert len(store.list_mappings()) == 1


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(mapping(2), id="other source"),
        pytest.param(
            mapping(2, event_source_arn=mapping(1).event_source_arn, function_arn="f:1"),
            id="other qualifier",
        ),
        pytest.param(
            mapping(2, event_source_arn=mapping(1).event_source_arn, scope=OTHER_SCOPE),
            id="other scope",
        ),
    ],
)
def test_insert_of_a_different_row_does_not_conflict(store: Store, row: EventSourceMapping) -> None:
    store.insert_mapping(mapping(1))
    store.insert_mapping(row)

    assert len(store.list_mappings()) == 2


def test_replace_raises_the_version(store: Store) -> None:
    store.insert_mapping(mapping(1))

    first = store.replace_mapping(mapping(1, batch_size=5))
    second = store.replace_mapping(msgspec.structs.replace(first, state=State.ENABLED))

    assert (first.version, second.version) == (1, 2)
    assert store.get_mapping(SCOPE, mapping(1).uuid) == second


def test_replace_of_a_row_that_moved_on_conflicts(store: Store) -> None:
    store.insert_mapping(mapping(1))
    moved_on = store.replace_mapping(mapping(1, batch_size=5))

    with pytest.raises(StoreConflictError, match="read it again"):
        store.replace_mapping(mapping(1, batch_size=6))

    assert store.list_mappings() == [moved_on]


def test_replace_into_a_taken_pair_conflicts(store: Store) -> None:
    store.insert_mapping(mapping(1))
    store.insert_mapping(mapping(2))

    with pytest.raises(StoreConflictError, match="taken"):
        store.replace_mapping(mapping(2, event_source_arn=mapping(1).event_source_arn))


def test_replace_of_a_deleted_row_conflicts(store: Store) -> None:
    with pytest.raises(StoreConflictError, match="gone"):
        store.replace_mapping(mapping(1))


def test_deleted_mapping_is_gone_and_may_be_deleted_again(store: Store) -> None:
    store.insert_mapping(mapping(1))

    store.delete_mapping(mapping(1).uuid)
    store.delete_mapping(mapping(1).uuid)

    assert store.list_mappings() == []


def test_functions_are_added_changed_and_removed_at_once(store: Store) -> None:
    store.replace_functions([function("bill"), function("ship")])
    elsewhere = msgspec.structs.replace(
        function("track"), hosting=InvokeEndpoint(url="http://localhost:9000")
    )

    store.replace_functions([elsewhere, function("ship", timeout_s=60)])

    assert store.list_functions() == [function("ship", timeout_s=60), elsewhere]


def test_functions_stay_when_their_replacement_fails(store: Store) -> None:
    store.replace_functions([function("ship")])

    with pytest.raises(StoreConflictError):
        store.replace_functions([function("bill"), function("bill")])

    assert store.list_functions() == [function("ship")]


def test_functions_can_all_be_removed(store: Store) -> None:
    store.replace_functions([function("ship")])
    store.replace_functions([])

    assert store.list_functions() == []


@pytest.fixture(
    name="function_store",
    params=[in_memory, on_disk, simulated],
    ids=lambda opened: opened.__name__,
)
def fixture_function_store(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[FunctionStore]:
    open_store: Callable[[Path], Store] = request.param
    store = open_store(tmp_path)
    yield store
    store.close()


def test_deployed_function_is_read_as_it_was_written(function_store: FunctionStore) -> None:
    function_store.insert_deployed_function(deployed("ship"))

    assert function_store.list_deployed_functions() == [deployed("ship")]
    assert function_store.list_functions() == []


def test_deployed_functions_are_listed_by_scope_and_name(function_store: FunctionStore) -> None:
    rows = [deployed("track"), deployed("bill"), deployed("bill", scope=OTHER_SCOPE)]
    for row in rows:
        function_store.insert_deployed_function(row)

    assert function_store.list_deployed_functions() == [rows[2], rows[1], rows[0]]


def test_second_deployed_function_of_a_name_conflicts(function_store: FunctionStore) -> None:
    function_store.insert_deployed_function(deployed("ship"))

    with pytest.raises(StoreConflictError):
        function_store.insert_deployed_function(deployed("ship", tags={}))

    assert function_store.list_deployed_functions() == [deployed("ship")]


def test_replacing_a_deployed_function_raises_its_row_version(
    function_store: FunctionStore,
) -> None:
    function_store.insert_deployed_function(deployed("ship"))

    changed = function_store.replace_deployed_function(deployed("ship", tags={}))

    assert changed == deployed("ship", tags={}, row_version=1)
    assert function_store.list_deployed_functions() == [changed]


def test_replacing_a_deployed_function_that_moved_on_conflicts(
    function_store: FunctionStore,
) -> None:
    function_store.insert_deployed_function(deployed("ship"))
    moved_on = function_store.replace_deployed_function(deployed("ship", tags={}))

    with pytest.raises(StoreConflictError):
        function_store.replace_deployed_function(deployed("ship"))

    assert function_store.list_deployed_functions() == [moved_on]


def test_replacing_a_deployed_function_that_is_gone_conflicts(
    function_store: FunctionStore,
) -> None:
    with pytest.raises(StoreConflictError):
        function_store.replace_deployed_function(deployed("ship"))


def test_deployed_function_is_deleted_in_its_own_scope(function_store: FunctionStore) -> None:
    function_store.insert_deployed_function(deployed("ship"))
    function_store.insert_deployed_function(deployed("ship", scope=OTHER_SCOPE))

    function_store.delete_deployed_function(SCOPE, "ship")
    function_store.delete_deployed_function(SCOPE, "ship")

    assert function_store.list_deployed_functions() == [deployed("ship", scope=OTHER_SCOPE)]


def test_deployed_functions_stay_when_the_declared_ones_are_replaced(
    function_store: FunctionStore,
) -> None:
    function_store.insert_deployed_function(deployed("ship"))

    function_store.replace_functions([function("bill")])

    assert function_store.list_deployed_functions() == [deployed("ship")]

"""A project file's mappings: created, updated in place, removed; those of the API left alone."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from api_fakes import FUNCTION_ARN, NOW, QUEUE_ARN, SCOPE, STREAM_ARN, TABLE_STREAM_ARN, World

from penstock.api.operations import MappingOperations
from penstock.declared_mappings import AT_ONCE, DeclaredMapping, Reconciliation
from penstock.model.errors import ConfigurationError
from penstock.model.mapping import EventSourceMapping, State
from penstock.model.message import QueueAttributes
from penstock.store.sql import SqlStore
from penstock.store.thread import InlineStore, StoreThread

OTHER_QUEUE_ARN = QUEUE_ARN.replace("orders", "returns")


class Project:
    """A store, and a project file that is read again and again."""

    def __init__(self) -> None:
        self.store = SqlStore("sqlite://")
        self.world = World.with_defaults()
        self.world.sources.queues[OTHER_QUEUE_ARN] = QueueAttributes(30)
        context = self.world.context(InlineStore(self.store))
        self.operations = MappingOperations(context)
        self._reconciliation = Reconciliation(context, scope=SCOPE)

    def declare(self, *mappings: DeclaredMapping) -> dict[str | None, EventSourceMapping]:
        asyncio.run(self._reconciliation.run(mappings))
        return self.rows()

    def rows(self) -> dict[str | None, EventSourceMapping]:
        return {row.name: row for row in self.store.list_mappings()}


def orders(*, replace: bool = False, **parameters: Any) -> DeclaredMapping:
    return DeclaredMapping(
        name="orders",
        parameters={"EventSourceArn": QUEUE_ARN, "FunctionName": "ship", **parameters},
        replace=replace,
    )


def clicks(*, replace: bool = False, **parameters: Any) -> DeclaredMapping:
    given = {"EventSourceArn": STREAM_ARN, "FunctionName": "ship", "StartingPosition": "LATEST"}
    return DeclaredMapping(name="clicks", parameters=given | parameters, replace=replace)


def without_history(row: EventSourceMapping) -> EventSourceMapping:
    return msgspec.structs.replace(row, uuid="", version=0)


def test_declared_mapping_is_created_and_settled() -> None:
    row = Project().declare(orders(BatchSize=5, Tags={"team": "a"}))["orders"]

    assert (row.batch_size, row.tags, row.function_arn) == (5, {"team": "a"}, FUNCTION_ARN)
    assert (row.state, row.scope) == (State.ENABLED, SCOPE)


def test_row_that_a_crash_left_in_a_transition_is_settled_now() -> None:
    project = Project()
    row = project.declare(orders())["orders"]
    left = msgspec.structs.replace(row, state=State.UPDATING, last_modified_ms=1)
    project.store.replace_mapping(left)

    settled = project.declare(orders())["orders"]

    assert (settled.state, settled.last_modified_ms) == (State.ENABLED, NOW.wall_ms)


def test_declared_mapping_unchanged_is_not_written_again() -> None:
    project = Project()
    before = project.declare(orders(BatchSize=5, ScalingConfig={"MaximumConcurrency": 3}))

    after = project.declare(orders(BatchSize=5, ScalingConfig={"MaximumConcurrency": 3}))

    assert after == before


def test_declared_mapping_is_updated_in_place() -> None:
    project = Project()
    before = project.declare(orders())["orders"]

    after = project.declare(orders(BatchSize=2, Enabled=False))["orders"]

    assert (after.uuid, after.batch_size, after.state) == (before.uuid, 2, State.DISABLED)


def test_declared_mapping_goes_back_to_defaults_for_what_the_file_no_longer_has() -> None:
    project = Project()
    declared: dict[str, Any] = {
        "BatchSize": 2,
        "Enabled": False,
        "ScalingConfig": {"MaximumConcurrency": 3},
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "Tags": {"team": "a"},
    }
    project.declare(orders(**declared))

    row = project.declare(orders())["orders"]

    assert (row.batch_size, row.maximum_concurrency, row.tags) == (10, None, {})
    assert (row.report_batch_item_failures, row.state) == (False, State.ENABLED)


QUEUE_OPTIONS: dict[str, Any] = {
    "BatchSize": 100,
    "Enabled": False,
    "FunctionResponseTypes": ["ReportBatchItemFailures"],
    "MaximumBatchingWindowInSeconds": 5,
    "MetricsConfig": {"Metrics": ["EventCount"]},
    "ProvisionedPollerConfig": {"MaximumPollers": 5},
    "Tags": {"penstock:visibility-heartbeat": "true", "team": "a"},
}
SERIAL = {"Tags": {"penstock:concurrency": "1"}}
LIMITED = {"ScalingConfig": {"MaximumConcurrency": 3}}


def test_declared_queue_mapping_with_every_option_is_not_written_again() -> None:
    project = Project()
    before = project.declare(orders(**QUEUE_OPTIONS))

    assert project.declare(orders(**QUEUE_OPTIONS)) == before


def test_declared_queue_mapping_goes_back_to_defaults() -> None:
    project = Project()
    optional = project.declare(orders(**QUEUE_OPTIONS))["orders"]
    plain = Project().declare(orders())["orders"]

    row = project.declare(orders())["orders"]

    assert without_history(row) == without_history(plain) != without_history(optional)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(SERIAL, LIMITED, id="option, then parameter"),
        pytest.param(LIMITED, SERIAL, id="parameter, then option"),
        pytest.param({}, SERIAL, id="option alone"),
    ],
)
def test_declared_option_makes_room_for_a_parameter(before: Any, after: Any) -> None:
    project = Project()
    project.declare(orders(**before))

    row = project.declare(orders(**after))["orders"]

    fresh = Project().declare(orders(**after))["orders"]
    assert without_history(row) == without_history(fresh)


def test_declared_tags_alone_do_not_ask_for_the_queue() -> None:
    project = Project()
    project.declare(orders())
    del project.world.sources.queues[QUEUE_ARN]

    row = project.declare(orders(Tags={"team": "a"}))["orders"]

    assert (row.tags, row.state) == ({"team": "a"}, State.ENABLED)


def test_declared_tag_that_is_no_text_is_refused_also_when_the_mapping_is_there() -> None:
    project = Project()
    numbered = orders(Tags={"penstock:concurrency": 1})
    text = "NUMBER_VALUE can not be converted to string"

    with pytest.raises(ConfigurationError, match=text):
        project.declare(numbered)
    project.declare(orders())
    with pytest.raises(ConfigurationError, match=text):
        project.declare(numbered)


def test_declared_mapping_that_is_gone_is_removed() -> None:
    project = Project()
    project.declare(orders())

    assert project.declare() == {}


def test_declared_mappings_leave_those_of_the_api_alone() -> None:
    project = Project()
    request = {"EventSourceArn": QUEUE_ARN, "FunctionName": "ship"}
    made = asyncio.run(project.operations.create(SCOPE, request))

    assert project.declare()[None].uuid == made.uuid


def test_declared_mapping_with_a_starting_position_is_refused_also_when_it_is_there() -> None:
    project = Project()
    project.declare(orders())

    with pytest.raises(ConfigurationError, match="StartingPosition"):
        project.declare(orders(StartingPosition="LATEST"))


def test_declared_mapping_with_another_source_is_refused() -> None:
    project = Project()
    project.declare(orders())

    with pytest.raises(ConfigurationError, match="set replace = true"):
        project.declare(orders(EventSourceArn=OTHER_QUEUE_ARN))


def test_declared_mapping_with_another_source_is_replaced_when_asked() -> None:
    project = Project()
    before = project.declare(orders())["orders"]

    after = project.declare(orders(EventSourceArn=OTHER_QUEUE_ARN, replace=True))["orders"]

    assert after.uuid != before.uuid
    assert after.event_source_arn == OTHER_QUEUE_ARN


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        pytest.param({"FunctionName": "none"}, "Function does not exist", id="function"),
        pytest.param({"BatchSize": 11}, "Maximum batch window", id="batch size"),
        pytest.param({"KMSKeyArn": "arn:aws:kms:::key"}, "is not supported", id="refused"),
        pytest.param(
            {"FilterCriteria": {"Filters": [{"Pattern": '{"body":[]}'}]}},
            r"Invalid filter pattern definition\. \(pattern 1: .+\)",
            id="filter",
        ),
    ],
)
def test_declared_mapping_meets_the_rules_of_the_api(parameters: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigurationError, match=f"mapping 'orders': .*{text}"):
        Project().declare(orders(**parameters))


def test_declared_mapping_of_a_queue_in_another_region_says_so() -> None:
    far = QUEUE_ARN.replace(SCOPE.region, "eu-west-1")

    with pytest.raises(ConfigurationError, match="in region eu-west-1, the function in us-east-1"):
        Project().declare(orders(EventSourceArn=far))


def test_declared_filters_come_change_and_go() -> None:
    project = Project()
    patterns = ['{"body":["a"]}', '{"body":["b"]}']
    criteria: list[dict[str, object]] = [
        {"Filters": [{"Pattern": each} for each in patterns[:count]]} for count in (0, 1, 2)
    ]

    rows = [project.declare(orders(FilterCriteria=each))["orders"] for each in criteria]
    same = project.declare(orders(FilterCriteria=criteria[2]))["orders"]
    without = project.declare(orders())["orders"]
    empty = project.declare(orders(FilterCriteria={"Filters": []}))["orders"]

    assert [row.filters for row in rows] == [(), (patterns[0],), tuple(patterns)]
    assert same.version == rows[2].version
    assert without.filters == ()
    assert empty.version == without.version


def test_declared_option_that_is_not_supported_is_refused_on_a_later_read_too() -> None:
    project = Project()
    project.declare(orders())

    with pytest.raises(ConfigurationError, match="KMSKeyArn"):
        project.declare(orders(KMSKeyArn="arn:aws:kms:us-east-1:000000000000:key/k"))


STREAM_OPTIONS: dict[str, Any] = {
    "BatchSize": 500,
    "Enabled": False,
    "FunctionResponseTypes": ["ReportBatchItemFailures"],
    "BisectBatchOnFunctionError": True,
    "DestinationConfig": {"OnFailure": {"Destination": QUEUE_ARN}},
    "MaximumBatchingWindowInSeconds": 5,
    "MaximumRecordAgeInSeconds": 60,
    "MaximumRetryAttempts": 3,
    "MetricsConfig": {"Metrics": ["EventCount"]},
    "ParallelizationFactor": 2,
}


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(STREAM_OPTIONS, id="options"),
        pytest.param({"TumblingWindowInSeconds": 60}, id="tumbling window"),
    ],
)
def test_declared_stream_mapping_goes_back_to_defaults(options: dict[str, Any]) -> None:
    project = Project()
    optional = project.declare(clicks(**options))["clicks"]
    plain = Project().declare(clicks())["clicks"]

    row = project.declare(clicks())["clicks"]

    assert row.uuid == optional.uuid
    assert without_history(row) == without_history(plain) != without_history(optional)


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="defaults"),
        pytest.param(STREAM_OPTIONS, id="options"),
        pytest.param(
            {"StartingPosition": "AT_TIMESTAMP", "StartingPositionTimestamp": 1_541_139_209.351},
            id="timestamp",
        ),
    ],
)
def test_declared_stream_mapping_unchanged_is_not_written_again(options: dict[str, Any]) -> None:
    project = Project()
    before = project.declare(clicks(**options))

    assert project.declare(clicks(**options)) == before


AT_ONE = {"StartingPosition": "AT_TIMESTAMP", "StartingPositionTimestamp": 1}


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        pytest.param(
            {}, AT_ONE, "StartingPosition was LATEST and is now AT_TIMESTAMP", id="position"
        ),
        pytest.param(
            AT_ONE,
            AT_ONE | {"StartingPositionTimestamp": 2},
            "StartingPositionTimestamp was 1.0 and is now 2",
            id="timestamp",
        ),
        pytest.param(
            {}, {"EventSourceArn": TABLE_STREAM_ARN}, f"is now {TABLE_STREAM_ARN}", id="source"
        ),
    ],
)
def test_declared_stream_mapping_that_starts_elsewhere_is_replaced_only_when_asked(
    before: dict[str, Any], after: dict[str, Any], text: str
) -> None:
    project = Project()
    uuid = project.declare(clicks(**before))["clicks"].uuid

    with pytest.raises(ConfigurationError, match=f"mapping 'clicks': .*{text}; .*replace = true"):
        project.declare(clicks(**after))

    assert project.declare(clicks(**after, replace=True))["clicks"].uuid != uuid


def test_declared_stream_mapping_with_an_option_of_queues_is_refused() -> None:
    project = Project()
    project.declare(clicks())

    with pytest.raises(ConfigurationError, match="Unsupported 'scalingConfig' parameter"):
        project.declare(clicks(ScalingConfig={"MaximumConcurrency": 2}))


@pytest.mark.parametrize("stopped_in", [State.CREATING, State.UPDATING, State.ENABLING])
def test_rows_left_in_a_transition_are_settled(stopped_in: State) -> None:
    project = Project()
    project.declare(orders())
    rewrite(project, stopped_in)

    assert project.declare(orders())["orders"].state is State.ENABLED


def test_rows_left_deleting_are_gone() -> None:
    project = Project()
    request = {"EventSourceArn": QUEUE_ARN, "FunctionName": "ship"}
    made = asyncio.run(project.operations.create(SCOPE, request))
    rewrite(project, State.DELETING)

    assert made.uuid not in {row.uuid for row in project.declare().values()}


def rewrite(project: Project, state: State) -> None:
    for row in project.store.list_mappings():
        project.store.replace_mapping(msgspec.structs.replace(row, state=state))


def queue_of(number: int) -> DeclaredMapping:
    arn = f"{QUEUE_ARN}-{number}"
    parameters: dict[str, object] = {"EventSourceArn": arn, "FunctionName": "ship"}
    return DeclaredMapping(name=f"m{number}", parameters=parameters)


def count_commits(count: int, folder: Path) -> int:
    """Declare so many mappings to an empty store, and again; count the commits of both."""
    store = SqlStore(f"sqlite:///{folder}/{count}.db")
    world = World.with_defaults()
    for number in range(count):
        world.sources.queues[f"{QUEUE_ARN}-{number}"] = QueueAttributes(30)
    declared = [queue_of(number) for number in range(count)]
    commits: list[object] = []

    def note(connection: object) -> None:
        commits.append(connection)

    async def declare_twice() -> None:
        calls = StoreThread(store)
        for _ in range(2):
            await Reconciliation(world.context(calls), scope=SCOPE).run(declared)
        assert len(await calls.run(lambda store: store.list_mappings())) == count
        await calls.close()

    sa.event.listen(sa.Engine, "commit", note)
    asyncio.run(declare_twice())
    sa.event.remove(sa.Engine, "commit", note)
    return len(commits)


def test_declared_mappings_share_their_commits(tmp_path: Path) -> None:
    few, many = count_commits(AT_ONCE, tmp_path), count_commits(4 * AT_ONCE, tmp_path)

    assert few <= 4
    assert many <= 4 * few


def test_of_two_declared_alike_one_is_kept_and_one_refused() -> None:
    project = Project()
    twin = msgspec.structs.replace(orders(), name="twin")

    with pytest.raises(ConfigurationError, match=r"mapping '(orders|twin)': .* already exists"):
        project.declare(orders(), twin, queue_of(1))

    assert len(project.rows()) == 1


def test_first_mapping_that_cannot_be_is_told_and_the_others_are_there() -> None:
    project = Project()

    with pytest.raises(ConfigurationError, match="mapping 'm7'"):
        project.declare(orders(), queue_of(7), queue_of(8))

    assert project.rows()["orders"].state is State.ENABLED


def test_declared_mapping_takes_the_source_and_function_that_another_leaves() -> None:
    project = Project()
    project.world.functions.add("bill")
    project.declare(orders())

    rows = project.declare(
        msgspec.structs.replace(orders(), name="heir"), orders(FunctionName="bill")
    )

    assert rows["heir"].function_arn == FUNCTION_ARN
    assert rows["orders"].function_arn != FUNCTION_ARN

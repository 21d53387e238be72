"""What a changed project file means for what runs."""

import msgspec
import pytest

from penstock.declared_mappings import DeclaredMapping
from penstock.local.omission import Omission
from penstock.local.project_changes import ProjectChanges, compare_projects
from penstock.local.project_file import Project
from penstock.local.project_tables import (
    BucketTable,
    QueueTable,
    ServiceTable,
    StreamTable,
    SubscriptionTable,
    TopicTable,
)
from penstock.model.arn import Scope
from penstock.model.errors import ConfigurationError
from penstock.model.function import Function, InvokeEndpoint

BEFORE = Project(
    queues=(QueueTable(name="orders"),),
    streams=(StreamTable(name="clicks", shard_count=1),),
    topics=(TopicTable(name="news"),),
    mappings=(
        DeclaredMapping(name="same", parameters={}),
        DeclaredMapping(name="changed", parameters={"BatchSize": 1}),
        DeclaredMapping(name="gone", parameters={}),
    ),
)


def test_nothing_is_to_be_done_for_the_same_project() -> None:
    assert compare_projects(BEFORE, BEFORE) == ProjectChanges(
        made=(), adjusted=(), kept=(), gone=(), mappings=(), functions=()
    )


def test_changes_are_told_apart_by_what_can_be_done() -> None:
    orders = QueueTable(name="orders", visibility_timeout_s=60)
    news = TopicTable(name="news", subscriptions=[SubscriptionTable(queue="orders")])
    files = BucketTable(name="files")
    after = msgspec.structs.replace(
        BEFORE,
        queues=(orders,),
        streams=(StreamTable(name="clicks", shard_count=2),),
        topics=(news,),
        buckets=(files,),
        mappings=(
            DeclaredMapping(name="added", parameters={}),
            DeclaredMapping(name="same", parameters={}),
            DeclaredMapping(name="changed", parameters={"BatchSize": 2}),
        ),
    )

    assert compare_projects(BEFORE, after) == ProjectChanges(
        made=(files,),
        adjusted=(orders, news),
        kept=("stream clicks",),
        gone=(),
        mappings=("added", "changed", "gone"),
        functions=(),
    )


def test_resource_that_the_file_no_longer_has_stays() -> None:
    after = msgspec.structs.replace(BEFORE, queues=(), topics=())

    assert compare_projects(BEFORE, after).gone == ("queue orders", "topic news")


@pytest.mark.parametrize(
    ("service", "region", "message"),
    [
        (ServiceTable(port=1), "us-east-1", "port was None and is now 1"),
        (ServiceTable(host="::1"), "us-east-1", "host was None and is now ::1"),
        (ServiceTable(account_id="1" * 12), "us-east-1", "account_id was 000000000000 and is now"),
        (ServiceTable(), "eu-west-1", "region was us-east-1 and is now eu-west-1"),
    ],
)
def test_what_everything_is_named_by_cannot_change(
    service: ServiceTable, region: str, message: str
) -> None:
    after = msgspec.structs.replace(BEFORE, service=service, region=region)

    with pytest.raises(ConfigurationError) as raised:
        compare_projects(BEFORE, after)

    assert message in str(raised.value)
    assert "start dev again for that" in str(raised.value)


@pytest.mark.parametrize("left_out", ["mapping same", "function charge"])
def test_what_runs_is_not_unmade_by_an_edit_with_which_it_cannot(left_out: str) -> None:
    charge = Function(
        scope=Scope("000000000000", "us-east-1"),
        name="charge",
        hosting=InvokeEndpoint(url="http://127.0.0.1:1"),
    )
    before = msgspec.structs.replace(BEFORE, functions=(charge,))
    omission = Omission(type="AWS", subject="X", text="not made; no java", left_out=left_out)
    after = msgspec.structs.replace(before, functions=(), mappings=(), omissions=(omission,))

    with pytest.raises(ConfigurationError) as raised:
        compare_projects(before, after)

    assert str(raised.value) == (
        f"None: edit not taken: the {left_out} runs, and could not with it: no java; to let go of"
        " it, start dev again"
    )


def test_what_did_not_run_may_be_left_out() -> None:
    omission = Omission(type="AWS", subject="X", left_out="function charge")
    after = msgspec.structs.replace(BEFORE, omissions=(omission,))

    assert compare_projects(BEFORE, after).functions == ()

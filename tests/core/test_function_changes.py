"""What each change makes of a deployed function."""

import itertools
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from penstock.core.function_changes import (
    aliases_of_version,
    begin_update,
    choose_version,
    is_settled,
    publish,
    settle,
)
from penstock.model.arn import Scope
from penstock.model.deployed_function import (
    Alias,
    CodePackage,
    DeployedFunction,
    FunctionConfiguration,
    FunctionState,
    FunctionVersion,
    UpdateStatus,
)
from penstock.model.function import LATEST

CONFIGURATION = FunctionConfiguration(
    runtime="python3.11",
    handler="app.handler",
    role="arn:aws:iam::000000000000:role/r",
    code=CodePackage("aa", 10),
    architecture="x86_64",
)
OTHER = msgspec.structs.replace(CONFIGURATION, code=CodePackage("bb", 20), description="other")
WORKS = {LATEST: "", "1": "", "2": ""}


def ids() -> Callable[[], str]:
    """Give revision ids: r1, r2, ..."""
    numbers = itertools.count(1)
    return lambda: f"r{next(numbers)}"


def function(state: FunctionState = FunctionState.PENDING, **changes: Any) -> DeployedFunction:
    latest = FunctionVersion(
        number=LATEST,
        configuration=CONFIGURATION,
        revision_id="r0",
        last_modified_ms=1,
        state=state,
        update_status=None if state is FunctionState.PENDING else UpdateStatus.SUCCESSFUL,
    )
    changed = msgspec.structs.replace(latest, **changes)
    return DeployedFunction(scope=Scope("000000000000", "us-east-1"), name="f", latest=changed)


def active() -> DeployedFunction:
    return function(FunctionState.ACTIVE)


def updated() -> DeployedFunction:
    return begin_update(active(), OTHER, revision_id="r5", now_ms=5)


def test_created_function_becomes_active_under_another_revision() -> None:
    settled = settle(function(), WORKS, ids())

    assert settled == function(
        FunctionState.ACTIVE, update_status=UpdateStatus.SUCCESSFUL, revision_id="r1"
    )


def test_created_function_that_cannot_run_has_failed() -> None:
    latest = settle(function(), {LATEST: "no python"}, ids()).latest

    assert (latest.state, latest.failure) == (FunctionState.FAILED, "no python")
    assert is_settled(latest)


def test_update_runs_what_it_ran_until_it_has_settled() -> None:
    begun = updated()
    settled = settle(begun, WORKS, ids())

    assert begun.latest.configuration == OTHER
    assert begun.latest.update_status is UpdateStatus.IN_PROGRESS
    assert begun.latest.last_modified_ms == 5
    assert not is_settled(begun.latest)
    assert begun.configuration_of(begun.latest) == CONFIGURATION
    assert settled.configuration_of(settled.latest) == OTHER
    assert settled.latest.update_status is UpdateStatus.SUCCESSFUL


def test_update_that_failed_goes_on_running_what_it_ran() -> None:
    failed = settle(updated(), {LATEST: "no room"}, ids())

    assert (failed.latest.state, failed.latest.failure) == (FunctionState.ACTIVE, "no room")
    assert failed.latest.update_status is UpdateStatus.FAILED
    assert failed.configuration_of(failed.latest) == CONFIGURATION


def test_update_after_a_failed_one_replaces_what_ran_before_both() -> None:
    failed = settle(updated(), {LATEST: "no room"}, ids())
    third = msgspec.structs.replace(OTHER, timeout_s=9)

    again = begin_update(failed, third, revision_id="r9", now_ms=9)

    assert again.latest.failure == ""
    assert again.configuration_of(again.latest) == CONFIGURATION
    assert settle(again, WORKS, ids()).running is None


def test_update_of_a_function_that_never_ran_is_a_creation_anew() -> None:
    failed = settle(function(), {LATEST: "no python"}, ids())

    again = begin_update(failed, OTHER, revision_id="r9", now_ms=9)

    assert again.latest.state is FunctionState.PENDING
    assert (again.latest.update_status, again.running) == (None, None)


def test_what_is_settled_is_left_as_it_is() -> None:
    assert settle(active(), {}, ids()) == active()


def test_published_version_is_a_copy_with_its_own_description() -> None:
    published = publish(active(), "first", draw_id=ids(), now_ms=7)

    (copy,) = published.published
    assert (copy.number, copy.revision_id, copy.last_modified_ms) == ("1", "r1", 7)
    assert copy.configuration == msgspec.structs.replace(CONFIGURATION, description="first")
    assert (copy.state, published.latest.revision_id) == (FunctionState.ACTIVE, "r2")


def test_publishing_what_did_not_change_gives_the_same_version() -> None:
    once = publish(active(), "first", draw_id=ids(), now_ms=7)

    assert publish(once, "second", draw_id=ids(), now_ms=8) == once


def test_publishing_what_changed_gives_the_next_version() -> None:
    once = publish(active(), None, draw_id=ids(), now_ms=7)
    changed = settle(begin_update(once, OTHER, revision_id="r", now_ms=8), WORKS, ids())

    twice = publish(changed, None, draw_id=ids(), now_ms=9)

    assert [each.number for each in twice.published] == ["1", "2"]
    assert twice.published[1].configuration == OTHER


def test_number_of_a_version_that_was_deleted_is_not_used_again() -> None:
    once = publish(active(), None, draw_id=ids(), now_ms=7)

    again = publish(msgspec.structs.replace(once, published=()), None, draw_id=ids(), now_ms=9)

    assert [each.number for each in again.published] == ["2"]


@pytest.mark.parametrize(
    ("before", "state"),
    [
        pytest.param(function(), FunctionState.PENDING, id="being created"),
        pytest.param(updated(), FunctionState.PENDING, id="being updated"),
        pytest.param(
            settle(updated(), {LATEST: "no"}, ids()), FunctionState.FAILED, id="update failed"
        ),
    ],
)
def test_copy_of_what_cannot_run_yet_cannot_either(
    before: DeployedFunction, state: FunctionState
) -> None:
    (copy,) = publish(before, None, draw_id=ids(), now_ms=7).published

    assert copy.state is state


def test_versions_settle_with_their_function() -> None:
    begun = publish(updated(), None, draw_id=ids(), now_ms=7)

    settled = settle(begun, WORKS, ids())

    assert [each.state for each in settled.versions] == [FunctionState.ACTIVE] * 2


def test_aliases_of_a_version_are_those_that_send_something_there() -> None:
    aliases = {
        "prod": Alias(name="prod", version="1", revision_id="a"),
        "next": Alias(name="next", version="2", revision_id="b", weights={"1": 0.1}),
        "other": Alias(name="other", version="2", revision_id="c"),
    }
    owner = msgspec.structs.replace(active(), aliases=aliases)

    assert aliases_of_version(owner, "1") == ["next", "prod"]
    assert aliases_of_version(owner, "3") == []


@pytest.mark.parametrize(
    ("fraction", "version"), [(0.0, "2"), (0.19, "2"), (0.2, "1"), (0.99, "1")]
)
def test_weight_is_the_share_of_its_version(fraction: float, version: str) -> None:
    alias = Alias(name="prod", version="1", revision_id="a", weights={"2": 0.2})

    assert choose_version(alias, fraction) == version


def test_alias_without_weights_has_one_version() -> None:
    assert choose_version(Alias(name="prod", version="1", revision_id="a"), 0.0) == "1"


def test_qualifier_means_a_version_by_number_or_alias() -> None:
    once = publish(active(), None, draw_id=ids(), now_ms=7)
    named = msgspec.structs.replace(
        once, aliases={"prod": Alias(name="prod", version="1", revision_id="a")}
    )

    assert named.find_version("prod") == named.find_version("1") == named.published[0]
    assert named.find_version(LATEST) == named.latest
    assert named.find_version("2") is None


def test_code_of_a_function_is_of_all_its_versions_and_of_what_runs() -> None:
    third = msgspec.structs.replace(OTHER, code=CodePackage("cc", 30))
    once = publish(active(), None, draw_id=ids(), now_ms=7)
    second = settle(begin_update(once, OTHER, revision_id="r", now_ms=8), WORKS, ids())

    updating = begin_update(second, third, revision_id="r", now_ms=9)

    assert updating.code_sha256s == {"aa", "bb", "cc"}
    assert updating.arn == "arn:aws:lambda:us-east-1:000000000000:function:f"

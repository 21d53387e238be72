"""What each change makes of a deployed function.

::

    created ──> Pending ──settled──> Active <──settled── Active, update InProgress <── updated
                   └──failed──> Failed         └──failed──> Active, update Failed

1. A change of code or configuration is an update, InProgress until the code is unpacked and its
   runtime was found. Until it has succeeded ``$LATEST`` runs what it ran before.
2. Whatever changes a version gives it another revision id; settling does too.
3. Publishing copies ``$LATEST``; when nothing has changed since the last copy it gives that one.
4. An alias with weights sends each invocation to one of its versions by chance.

Source: docs.aws.amazon.com/lambda/latest/dg/functions-states.html,
    docs.aws.amazon.com/lambda/latest/dg/configuration-versions.html,
    docs.aws.amazon.com/lambda/latest/dg/configuring-alias-routing.html
"""

from collections.abc import Callable, Mapping

import msgspec

from penstock.model.deployed_function import (
    Alias,
    DeployedFunction,
    FunctionConfiguration,
    FunctionState,
    FunctionVersion,
    UpdateStatus,
)

DrawId = Callable[[], str]


def begin_update(
    function: DeployedFunction,
    configuration: FunctionConfiguration,
    *,
    revision_id: str,
    now_ms: int,
) -> DeployedFunction:
    """Give ``$LATEST`` another code or configuration; it runs what it ran until this settles.

    A function whose creation failed has run nothing: its update is a creation anew.
    """
    latest = function.latest
    if latest.state is FunctionState.FAILED:
        state, status, running = FunctionState.PENDING, None, None
    else:
        state, status = latest.state, UpdateStatus.IN_PROGRESS
        running = function.configuration_of(latest)
    changed = msgspec.structs.replace(
        latest,
        configuration=configuration,
        revision_id=revision_id,
        last_modified_ms=now_ms,
        state=state,
        update_status=status,
        failure="",
    )
    return msgspec.structs.replace(function, latest=changed, running=running)


def is_settled(version: FunctionVersion) -> bool:
    """Tell whether nothing about a version is still under way."""
    is_pending = version.state is FunctionState.PENDING
    return not is_pending and version.update_status is not UpdateStatus.IN_PROGRESS


def settle(
    function: DeployedFunction, failures: Mapping[str, str], draw_id: DrawId
) -> DeployedFunction:
    """End every transition.

    Args:
        function: As it is.
        failures: Why a version cannot run, by its number; empty: it can.
        draw_id: Gives revision ids.
    """
    latest = _settle_version(function.latest, failures, draw_id)
    running = function.running if latest.update_status is UpdateStatus.FAILED else None
    published = tuple([_settle_version(each, failures, draw_id) for each in function.published])
    return msgspec.structs.replace(function, latest=latest, running=running, published=published)


def _settle_version(
    version: FunctionVersion, failures: Mapping[str, str], draw_id: DrawId
) -> FunctionVersion:
    if is_settled(version):
        return version
    failure = failures[version.number]
    status = UpdateStatus.FAILED if failure else UpdateStatus.SUCCESSFUL
    state = version.state
    if state is FunctionState.PENDING:
        state = FunctionState.FAILED if failure else FunctionState.ACTIVE
    return msgspec.structs.replace(
        version, state=state, update_status=status, failure=failure, revision_id=draw_id()
    )


def publish(
    function: DeployedFunction, description: str | None, *, draw_id: DrawId, now_ms: int
) -> DeployedFunction:
    """Copy ``$LATEST`` into a new version, the last of ``published``, unless nothing changed.

    Args:
        function: As it is.
        description: The copy's own; None: as ``$LATEST``'s.
        draw_id: Gives revision ids.
        now_ms: Unix ms.
    """
    configuration = function.latest.configuration
    if is_published(function):
        return function
    copy = msgspec.structs.replace(
        function.latest,
        number=str(function.next_number),
        configuration=(
            configuration
            if description is None
            else msgspec.structs.replace(configuration, description=description)
        ),
        revision_id=draw_id(),
        last_modified_ms=now_ms,
        state=_state_of_copy(function.latest),
    )
    return msgspec.structs.replace(
        function,
        latest=msgspec.structs.replace(function.latest, revision_id=draw_id()),
        published=(*function.published, copy),
        published_from=configuration,
        next_number=function.next_number + 1,
    )


def _state_of_copy(latest: FunctionVersion) -> FunctionState:
    """Give the state of a copy, which has nothing to run until what it copies can run."""
    match latest.update_status:
        case UpdateStatus.IN_PROGRESS:
            return FunctionState.PENDING
        case UpdateStatus.FAILED:
            return FunctionState.FAILED
        case _:
            return latest.state


def is_published(function: DeployedFunction) -> bool:
    """Tell whether the newest version is there, and is what ``$LATEST`` is."""
    is_there = any(each.number == str(function.next_number - 1) for each in function.published)
    return is_there and function.published_from == function.latest.configuration


def aliases_of_version(function: DeployedFunction, number: str) -> list[str]:
    """Name the aliases that send invocations to a version, in their order."""
    return sorted(
        alias.name
        for alias in function.aliases.values()
        if number == alias.version or number in alias.weights
    )


def choose_version(alias: Alias, fraction: float) -> str:
    """Give the version that one invocation of an alias goes to.

    Args:
        alias: With its weights.
        fraction: 0..1, below 1; drawn for this invocation.
    """
    passed = 0.0
    for version, weight in alias.weights.items():
        passed += weight
        if fraction < passed:
            return version
    return alias.version

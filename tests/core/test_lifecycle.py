"""The table of a mapping's states: every pair is walked."""

from itertools import product

import pytest

from penstock.core.lifecycle import (
    Request,
    state_when_created,
    state_when_requested,
    state_when_settled,
    update_request,
)
from penstock.model.mapping import State

IN_USE = None
REQUESTED: dict[State, dict[Request, State | None]] = {
    State.CREATING: {Request.DELETE: State.DELETING},
    State.ENABLED: {
        Request.ENABLE: IN_USE,  # never asked: an enabled mapping that stays enabled is a CHANGE
        Request.DISABLE: State.DISABLING,
        Request.CHANGE: State.UPDATING,
        Request.DELETE: State.DELETING,
    },
    State.DISABLED: {
        Request.ENABLE: State.ENABLING,
        Request.DISABLE: IN_USE,
        Request.CHANGE: State.UPDATING,
        Request.DELETE: State.DELETING,
    },
}
SETTLED: dict[State, dict[bool, State | None]] = {
    State.CREATING: {True: State.ENABLED},
    State.ENABLING: {True: State.ENABLED},
    State.ENABLED: {True: State.ENABLED},
    State.UPDATING: {True: State.ENABLED, False: State.DISABLED},
    State.DISABLING: {False: State.DISABLED},
    State.DISABLED: {False: State.DISABLED},
    State.DELETING: {True: None, False: None},
}


@pytest.mark.parametrize(("state", "request_"), list(product(State, Request)), ids=str)
def test_request_leads_only_where_the_table_says(state: State, request_: Request) -> None:
    assert state_when_requested(state, request_) == REQUESTED.get(state, {}).get(request_, IN_USE)


@pytest.mark.parametrize(("state", "enabled"), list(product(State, (True, False))), ids=str)
def test_settling_leads_only_where_the_table_says(*, state: State, enabled: bool) -> None:
    if enabled in SETTLED[state]:
        assert state_when_settled(state, enabled=enabled) == SETTLED[state][enabled]
    else:
        with pytest.raises(AssertionError, match="cannot settle"):
            state_when_settled(state, enabled=enabled)


def test_created_mapping_settles_unless_it_is_disabled() -> None:
    assert state_when_created(enabled=True) is State.CREATING
    assert state_when_created(enabled=False) is State.DISABLED


@pytest.mark.parametrize(
    ("was_enabled", "enabled", "expected"),
    [
        pytest.param(True, True, Request.CHANGE, id="stays enabled"),
        pytest.param(False, False, Request.CHANGE, id="stays disabled"),
        pytest.param(False, True, Request.ENABLE, id="enabled"),
        pytest.param(True, False, Request.DISABLE, id="disabled"),
    ],
)
def test_update_is_named_by_what_it_does_to_polling(
    *, was_enabled: bool, enabled: bool, expected: Request
) -> None:
    assert update_request(was_enabled=was_enabled, enabled=enabled) is expected


def test_every_request_that_an_update_makes_is_answered_from_a_settled_state() -> None:
    for state, enabled in product((State.ENABLED, State.DISABLED), (True, False)):
        request = update_request(was_enabled=state is State.ENABLED, enabled=enabled)
        requested = state_when_requested(state, request)

        assert requested is not None
        assert state_when_settled(requested, enabled=enabled) is not None


def test_deleting_is_final() -> None:
    assert all(state_when_requested(State.DELETING, request) is None for request in Request)
    assert state_when_settled(State.DELETING, enabled=True) is None

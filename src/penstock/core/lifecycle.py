"""A mapping's life, as one table.

::

    create(enabled)                                 create(disabled)
          |                                               |
      Creating ====> Enabled -- disable --> Disabling ====> Disabled
                        ^                                     |
                        +====== Enabling <----- enable -------+

    Enabled, Disabled -- change --> Updating ====> Enabled or Disabled, as before
    Enabled, Disabled, Creating -- delete --> Deleting ====> (gone)

    ====> settled    --> requested

1. Only Enabled and Disabled take requests; in every other state the mapping is in use. But one that
   is being created can be deleted: it stays Creating while its stream's end cannot be pinned.
2. Deleting is final.
3. A transition settles when what runs is what the row says: the engine's supervisor tells so.

Source: docs.aws.amazon.com/lambda/latest/api/API_UpdateEventSourceMapping.html (the states);
recorded answers of AWS (the transitions), docs/semantics.md#life-cycle.
"""

import enum

from penstock.model.mapping import State


class Request(enum.Enum):
    """What a caller may ask of a mapping that exists.

    ENABLE and DISABLE are updates that change whether it polls, whatever else they change; CHANGE
    is any other update.
    """

    ENABLE = enum.auto()
    DISABLE = enum.auto()
    CHANGE = enum.auto()
    DELETE = enum.auto()


_REQUESTED = {
    (State.CREATING, Request.DELETE): State.DELETING,
    (State.ENABLED, Request.DISABLE): State.DISABLING,
    (State.ENABLED, Request.CHANGE): State.UPDATING,
    (State.ENABLED, Request.DELETE): State.DELETING,
    (State.DISABLED, Request.ENABLE): State.ENABLING,
    (State.DISABLED, Request.CHANGE): State.UPDATING,
    (State.DISABLED, Request.DELETE): State.DELETING,
}

_SETTLED = {
    (State.CREATING, True): State.ENABLED,
    (State.ENABLING, True): State.ENABLED,
    (State.ENABLED, True): State.ENABLED,
    (State.UPDATING, True): State.ENABLED,
    (State.UPDATING, False): State.DISABLED,
    (State.DISABLING, False): State.DISABLED,
    (State.DISABLED, False): State.DISABLED,
}


def state_when_created(*, enabled: bool) -> State:
    """Give a new mapping's state: one that does not poll has nothing to settle."""
    return State.CREATING if enabled else State.DISABLED


def update_request(*, was_enabled: bool, enabled: bool) -> Request:
    """Say which request an update is, from whether the mapping polled and whether it shall."""
    if was_enabled == enabled:
        return Request.CHANGE
    return Request.ENABLE if enabled else Request.DISABLE


def state_when_requested(state: State, request: Request) -> State | None:
    """Give the state that a request leads to; None: refused, the mapping is in use."""
    return _REQUESTED.get((state, request))


def state_when_settled(state: State, *, enabled: bool) -> State | None:
    """Give the state that a finished transition leads to; None: the mapping is gone.

    Settling a settled mapping changes nothing.
    """
    if state is State.DELETING:
        return None
    assert (state, enabled) in _SETTLED, f"{state} cannot settle with enabled={enabled}"
    return _SETTLED[state, enabled]

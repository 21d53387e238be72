"""An event source mapping: what was asked for, and where its life stands."""

import enum

import msgspec

from penstock.model.arn import Scope

USER_INITIATED = (
    "USER_INITIATED"  # StateTransitionReason of queue mappings, in every state recorded
)


class State(enum.StrEnum):
    """The states Lambda's API shows; ``core/lifecycle.py`` has the transitions."""

    CREATING = "Creating"
    ENABLING = "Enabling"
    ENABLED = "Enabled"
    DISABLING = "Disabling"
    DISABLED = "Disabled"
    UPDATING = "Updating"
    DELETING = "Deleting"


class EventSourceMapping(msgspec.Struct, frozen=True, kw_only=True):
    """A mapping as it is stored; the API's shape is made from it in ``api/wire.py``.

    Attributes:
        uuid: The mapping's identity in Lambda's API.
        name: Its identity in a project file; None when it was made through the API.
        function_arn: Full ARN, with the qualifier exactly as it was asked for.
        batch_size: 1..10 for queues in this version.
        maximum_concurrency: 2..1000; None means the account-wide ramp alone.
        enabled: Whether it should poll; ``state`` says how far that has come.
        version: Raised by every change of the row; updates are conditional on it.
    """

    uuid: str
    scope: Scope
    event_source_arn: str
    function_arn: str
    name: str | None = None
    batch_size: int = 10
    maximum_batching_window_s: int = 0
    maximum_concurrency: int | None = None
    report_batch_item_failures: bool = False
    enabled: bool = True
    state: State = State.CREATING
    state_transition_reason: str = USER_INITIATED
    last_modified_ms: int = 0
    tags: dict[str, str] = {}
    version: int = 0

    @property
    def arn(self) -> str:
        """EventSourceMappingArn."""
        partition = self.event_source_arn.split(":", 2)[1]
        scope = f"{self.scope.region}:{self.scope.account}"
        return f"arn:{partition}:lambda:{scope}:event-source-mapping:{self.uuid}"

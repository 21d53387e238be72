"""How infrastructure tools make, read, change and remove a mapping: their calls, in their order.

Terraform's are those of the AWS provider's resource ``aws_lambda_event_source_mapping``. Of
CloudFormation's handler of AWS::Lambda::EventSourceMapping the calls are known by the permissions
that its public schema lists for each step, and that it waits for a state as Terraform does.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from botocore.exceptions import ClientError
from serve_harness import wait_for

ValueT = TypeVar("ValueT")

# What the provider takes for a role whose permissions have not spread yet.
RETRIED_TEXTS = (
    "cannot be assumed by Lambda",
    "execution role does not have permissions",
    "ensure the role can perform",
)
PENDING_CREATED = {"Creating", "Disabling", "Enabling"}
PENDING_UPDATED = {"Disabling", "Enabling", "Updating"}
SETTLED = {"Enabled", "Disabled"}


def code_of(error: ClientError) -> str:
    """Give AWS's code."""
    code: str = error.response["Error"]["Code"]
    return code


class Terraform:
    """The provider's resource.

    Attributes:
        refusals: Texts and codes after which it tried again.
    """

    def __init__(self, client: Any, *, before_retry: Callable[[], None] = lambda: None) -> None:
        self._client = client
        self._before_retry = before_retry
        self.refusals: list[str] = []

    def create(self, **parameters: Any) -> dict[str, Any]:
        """Create it, wait until its state is a settled one, and read it."""
        create = self._client.create_event_source_mapping
        uuid: str = self._retried(lambda: create(**parameters), _lacks_permission)["UUID"]
        self._until_settled(uuid, PENDING_CREATED)
        return self.read(uuid)

    def read(self, uuid: str) -> dict[str, Any]:
        """Read it, with its tags; that is all the provider compares with its state."""
        mapping: dict[str, Any] = self._client.get_event_source_mapping(UUID=uuid)
        del mapping["ResponseMetadata"]
        tags = self._client.list_tags(Resource=mapping["EventSourceMappingArn"])["Tags"]
        return mapping | {"Tags": tags}

    def update(self, uuid: str, **changes: Any) -> dict[str, Any]:
        """Change it, its tags first."""
        tags = changes.pop("Tags", None)
        if tags is not None:
            self._set_tags(uuid, tags)
        if changes:
            update = self._client.update_event_source_mapping
            self._retried(lambda: update(UUID=uuid, **changes), _lacks_permission)
            self._until_settled(uuid, PENDING_UPDATED)
        return self.read(uuid)

    def delete(self, uuid: str) -> None:
        """Delete it, and wait until it is gone."""
        self.request_deletion(uuid)
        wait_for("404", lambda: self._state(uuid, {"Deleting"}) == "gone")

    def request_deletion(self, uuid: str) -> None:
        """Ask for its deletion, again while it is in use."""
        delete = self._client.delete_event_source_mapping
        self._retried(lambda: delete(UUID=uuid), _is_in_use)

    def _set_tags(self, uuid: str, tags: dict[str, str]) -> None:
        before = self.read(uuid)
        arn = before["EventSourceMappingArn"]
        removed = [key for key in before["Tags"] if key not in tags]
        if removed:
            self._client.untag_resource(Resource=arn, TagKeys=removed)
        if tags:
            self._client.tag_resource(Resource=arn, Tags=tags)

    def _until_settled(self, uuid: str, pending: set[str]) -> None:
        wait_for("a settled state", lambda: self._state(uuid, pending) in SETTLED)

    def _state(self, uuid: str, pending: set[str]) -> str:
        """Give the state; the provider gives up at one that it expects neither now nor later."""
        try:
            state: str = self._client.get_event_source_mapping(UUID=uuid)["State"]
        except ClientError as error:
            assert code_of(error) == "ResourceNotFoundException"  # noqa: PT017 - the rest goes on
            return "gone"
        assert state in pending | SETTLED, f"unexpected state {state}"
        return state

    def _retried(
        self, call: Callable[[], ValueT], is_retried: Callable[[ClientError], bool]
    ) -> Any:
        def attempt() -> ValueT | None:
            try:
                return call()
            except ClientError as error:
                if not is_retried(error):
                    raise
                self.refusals.append(str(error))
                self._before_retry()
                return None

        return wait_for("a call that is tried again", attempt)


class CloudFormation:
    """The resource's handler."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._terraform = Terraform(client)

    def create(self, **properties: Any) -> str:
        """Create it with its tags, and wait."""
        return str(self._terraform.create(**properties)["UUID"])

    def update(self, uuid: str, **properties: Any) -> None:
        """Give it the template's properties, those that did not change too."""
        self._terraform.update(uuid, **properties)

    def read(self, uuid: str) -> dict[str, Any]:
        """Read it with its tags."""
        return self._terraform.read(uuid)

    def list_all(self) -> list[str]:
        """Give the identities of all, page by page."""
        pages = self._client.get_paginator("list_event_source_mappings").paginate()
        return [each["UUID"] for page in pages for each in page["EventSourceMappings"]]

    def delete(self, uuid: str) -> None:
        """Delete it; one that is gone already is an error that it tells of."""
        self._terraform.delete(uuid)


def _lacks_permission(error: ClientError) -> bool:
    is_invalid = code_of(error) == "InvalidParameterValueException"
    return is_invalid and any(text in str(error) for text in RETRIED_TEXTS)


def _is_in_use(error: ClientError) -> bool:
    return code_of(error) == "ResourceInUseException"

"""What a changed project file means for what runs."""

from collections.abc import Callable, Iterable
from typing import TypeVar

import msgspec

from penstock.local.project_file import Project, ResourceTable
from penstock.local.project_tables import QueueTable, TopicTable
from penstock.model.errors import ConfigurationError

Thing = TypeVar("Thing")


class ProjectChanges(msgspec.Struct, frozen=True, kw_only=True):
    """From one project to the next.

    Attributes:
        made: Resources that were not there.
        adjusted: Resources that can be changed as they are: queues, and topics, which get their
            new subscriptions.
        kept: Those that cannot; they stay as they are until dev starts again.
        gone: Those that the file no longer has; they stay, with what is in them.
        mappings: Names of those that are added, changed or removed.
        functions: Likewise.
    """

    made: tuple[ResourceTable, ...]
    adjusted: tuple[QueueTable | TopicTable, ...]
    kept: tuple[str, ...]
    gone: tuple[str, ...]
    mappings: tuple[str, ...]
    functions: tuple[str, ...]


def compare_projects(before: Project, after: Project) -> ProjectChanges:
    """Say what has to be done.

    Raises:
        ConfigurationError: It cannot be done while dev runs.
    """
    _refuse_other_place(before, after)
    _refuse_what_cannot_run(before, after)
    known = {describe_resource(each): each for each in before.resources}
    wanted = {describe_resource(each): each for each in after.resources}
    changed = [each for name, each in wanted.items() if name in known and known[name] != each]
    adjusted = tuple(each for each in changed if isinstance(each, QueueTable | TopicTable))
    return ProjectChanges(
        made=tuple(each for name, each in wanted.items() if name not in known),
        adjusted=adjusted,
        kept=tuple(describe_resource(each) for each in changed if each not in adjusted),
        gone=tuple(name for name in known if name not in wanted),
        mappings=_changed_names(before.mappings, after.mappings, lambda each: each.name),
        functions=_changed_names(before.functions, after.functions, lambda each: each.name),
    )


def describe_resource(resource: ResourceTable) -> str:
    """Name a resource with its kind: ``queue orders``."""
    return f"{kind_of(resource)} {resource.name}"


def kind_of(resource: ResourceTable) -> str:
    """Say what a resource is: ``queue``, ``stream``, ``table``, ``topic``, ``bucket``."""
    return type(resource).__name__.removesuffix("Table").lower()


def _changed_names(
    before: Iterable[Thing], after: Iterable[Thing], name_of: Callable[[Thing], str]
) -> tuple[str, ...]:
    known = {name_of(each): each for each in before}
    wanted = {name_of(each): each for each in after}
    names = dict.fromkeys((*wanted, *known))
    return tuple(name for name in names if known.get(name) != wanted.get(name))


def _refuse_other_place(before: Project, after: Project) -> None:
    """Everything that runs has its account and region in its name, and its port in its settings."""
    places = {
        "account_id": (before.service.account_id, after.service.account_id),
        "host": (before.service.host, after.service.host),
        "port": (before.service.port, after.service.port),
        "region": (before.region, after.region),
    }
    for key, (was, now) in places.items():
        if was != now:
            raise ConfigurationError(
                f"{after.path}: {key} was {was} and is now {now}; start dev again for that"
            )


def _refuse_what_cannot_run(before: Project, after: Project) -> None:
    """A mapping that is made again begins anew: what an edit makes impossible is not unmade."""
    running = {f"function {each.name}" for each in before.functions}
    running |= {f"mapping {each.name}" for each in before.mappings}
    for omission in after.omissions:
        if omission.left_out in running:
            reason = omission.text.removeprefix("not made; ")
            raise ConfigurationError(
                f"{after.path}: edit not taken: the {omission.left_out} runs, and could not with"
                f" it: {reason}; to let go of it, start dev again"
            )

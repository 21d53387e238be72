"""``penstock failures``: the journal of discarded records, with their events."""

import json
from collections.abc import Iterator
from typing import Any

import click

from penstock.cli.errors import (
    EXIT_CONFIGURATION,
    NotThereError,
    RequestRefusedError,
    ServiceFailedError,
    one_line_errors,
)
from penstock.cli.output import print_json, print_table, show_time
from penstock.cli.service_options import ServiceOptions, with_service_options
from penstock.model.arn import function_name

REDRIVE_S = 960.0  # a function may take 900
_PAGE_SIZE = "1000"


@click.group("failures")
def command() -> None:
    """See, redrive and purge what no destination has taken.

    Records that a stream mapping gives up, and that have no on-failure destination or that it did
    not take, are kept in a journal with the event that the function got. The journal is bounded:
    the oldest failures leave it first, and `list` counts them.

    \b
    penstock failures list --mapping clicks
    penstock failures show ID
    penstock failures redrive ID
    penstock failures redrive --mapping clicks --all
    penstock failures purge --mapping clicks --yes
    """  # noqa: D301  click reads a backspace as: keep these lines as they are


_mapping_option = click.option(
    "--mapping", metavar="MAPPING", help="Of this mapping: its UUID or name."
)


@command.command("list")
@_mapping_option
@click.option("--limit", type=click.IntRange(1, 1000), default=100, help="Show no more than these.")
@click.option("--after", metavar="ID", default="", help="Begin after this failure.")
@with_service_options
def list_failures(service: ServiceOptions, mapping: str | None, limit: int, after: str) -> None:
    """List failures, oldest first."""
    with one_line_errors():
        answer = service.call("GET", "failures", query=_query(mapping, limit, after))
    if service.is_json:
        print_json(answer.body)
        return
    if answer.members["failures"]:
        _print_failures(answer.members["failures"])
    else:
        click.echo("no failures")
    if answer.members["next_after"]:
        click.echo(f"more: --after {answer.members['next_after']}")
    if answer.members["evicted_count"]:
        click.echo(f"{answer.members['evicted_count']} older failures have left the full journal")


@command.command("show")
@click.argument("failure_id", metavar="ID")
@with_service_options
def show(service: ServiceOptions, failure_id: str) -> None:
    """Show a failure: why it is one, and the event of the function."""
    with one_line_errors():
        answer = service.call("GET", "failures", failure_id)
    if service.is_json:
        print_json(answer.body)
    else:
        _print_failure(answer.members)


@command.command("redrive")
@click.argument("failure_ids", metavar="[ID]...", nargs=-1)
@_mapping_option
@click.option("--all", "is_all", is_flag=True, help="All failures, or all of --mapping.")
@with_service_options
def redrive(
    service: ServiceOptions, failure_ids: tuple[str, ...], mapping: str | None, *, is_all: bool
) -> None:
    """Invoke functions again with the events of failures, one after another, oldest first.

    Give IDs, or --all. One that succeeds leaves the journal; one that does not stays, and the next
    one is tried. Ends with 1 when any stays, with 2 when an ID is no failure's.
    """
    if bool(failure_ids) == is_all or (failure_ids and mapping):
        raise click.UsageError("Give IDs, or --all, or --mapping MAPPING --all")
    with one_line_errors():
        if is_all:
            failure_ids = tuple(dict.fromkeys(_all_ids(service, mapping)))
        exit_codes = [_redrive_one(service, each, is_named=not is_all) for each in failure_ids]
    raise SystemExit(max(exit_codes, default=0))


@command.command("purge")
@click.argument("failure_ids", metavar="[ID]...", nargs=-1)
@_mapping_option
@click.option("--all", "is_all", is_flag=True, help="All failures there are.")
@click.option("--yes", "is_sure", is_flag=True, help="Needed without IDs: the events are lost.")
@with_service_options
def purge(
    service: ServiceOptions,
    failure_ids: tuple[str, ...],
    mapping: str | None,
    *,
    is_all: bool,
    is_sure: bool,
) -> None:
    """Remove failures from the journal, and their events with them.

    Give IDs, --mapping, or --all.
    """
    if [bool(failure_ids), mapping is not None, is_all].count(True) != 1:
        raise click.UsageError("Give one of: IDs, --mapping MAPPING, --all")
    if not failure_ids and not is_sure:
        raise click.UsageError("The events would be lost: add --yes")
    with one_line_errors():
        if failure_ids:
            answers = [service.call("DELETE", "failures", each) for each in failure_ids]
        else:
            query = {"all": "true"} if mapping is None else {"mapping": mapping}
            answers = [service.call("DELETE", "failures", query=query)]
    count = sum(answer.members["deleted_count"] for answer in answers)
    click.echo(f'{{"deleted_count": {count}}}' if service.is_json else f"{count} failures removed")


def _query(mapping: str | None, limit: int | str, after: str) -> dict[str, str]:
    query = {"mapping": mapping, "limit": str(limit), "after": after}
    return {name: text for name, text in query.items() if text}


def _all_ids(service: ServiceOptions, mapping: str | None) -> Iterator[str]:
    """Name every failure, before any of them leaves the journal; one may be named twice."""
    after = ""
    while True:
        page = service.call("GET", "failures", query=_query(mapping, _PAGE_SIZE, after)).members
        yield from (failure["id"] for failure in page["failures"])
        if page["next_after"] is None:
            return
        after = page["next_after"]


def _redrive_one(service: ServiceOptions, failure_id: str, *, is_named: bool) -> int:
    """Redrive one and say what became of it; gives the exit code.

    Args:
        service: Has the journal.
        failure_id: The failure.
        is_named: By the caller; else it was listed, and may have gone since.
    """
    is_there = True
    try:
        answer = service.call("POST", "failures", failure_id, "redrive", answer_s=REDRIVE_S)
        reason, line = answer.members["reason"], answer.body.decode()
    except (RequestRefusedError, ServiceFailedError) as exc:
        is_there, reason = not isinstance(exc, NotThereError), str(exc)
        line = json.dumps({"id": failure_id, "redriven": False, "reason": reason})
    if service.is_json:
        click.echo(line)
    elif not is_there:
        click.echo(f"penstock: {reason}" if is_named else f"{failure_id} is gone", err=is_named)
    else:
        click.echo(f"{failure_id} redriven" if reason is None else f"{failure_id} stays: {reason}")
    if not is_there:
        return EXIT_CONFIGURATION if is_named else 0
    return 0 if reason is None else 1


def _print_failures(failures: list[dict[str, Any]]) -> None:
    print_table(
        (
            "ID",
            "DISCARDED",
            "MAPPING",
            "CONDITION",
            "RECORDS",
            "SHARD",
            "FIRST SEQUENCE NUMBER",
            "FUNCTION",
        ),
        [
            (
                each["id"],
                show_time(each["discarded_ms"]),
                each["mapping_name"] or each["mapping"],
                each["condition"],
                str(each["record_count"]),
                each["shard"],
                each["start_sequence_number"],
                function_name(each["function_arn"]),
            )
            for each in failures
        ],
    )


def _print_failure(failure: dict[str, Any]) -> None:
    event = failure.pop("event")
    rows = [
        (name.removesuffix("_ms"), show_time(each) if name.endswith("_ms") else str(each))
        for name, each in failure.items()
        if each not in ("", None)
    ]
    print_table(("", ""), rows)
    print_json(json.dumps(event, ensure_ascii=False).encode())

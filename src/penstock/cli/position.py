"""``penstock position``: where a stream mapping stands, and how to put it elsewhere."""

import re
from collections.abc import Mapping
from typing import Any

import click

from penstock.cli.errors import one_line_errors
from penstock.cli.output import print_json, print_table, show_duration, show_time
from penstock.cli.service_options import ServiceOptions, with_service_options

_NUMBER = re.compile(r"\d+(\.\d+)?")
_PREPOSITIONS = {"AT_SEQUENCE_NUMBER": "at", "AFTER_SEQUENCE_NUMBER": "after"}


@click.group("position")
def command() -> None:
    """See where a stream mapping stands; rewind it; skip a record.

    MAPPING is a mapping's UUID, or its name in the project file. Changes work on a mapping that
    runs, that is disabled, and that never ran. What is in flight or not yet checkpointed then, of
    any of its shards, is delivered again. The newest 100 changes are kept (`position changes`).

    \b
    penstock position show clicks
    penstock position rewind clicks --to TRIM_HORIZON
    penstock position rewind clicks --timestamp 2026-11-24T10:00:00Z
    penstock position rewind clicks --shard shardId-000000000000 --sequence-number 4965...
    penstock position skip clicks --shard shardId-000000000000 --sequence-number 4965...
    """  # noqa: D301  click reads a backspace as: keep these lines as they are


@command.command("show")
@click.argument("mapping")
@with_service_options
def show(service: ServiceOptions, mapping: str) -> None:
    """Show how far MAPPING has come with each shard.

    The state is `not started`, `reading` or `ended`. The place is `after` the last record that is
    settled, or `at` the record that a rewind has put the shard to. Behind says, while the mapping
    runs, how old the oldest record is that is not done, or else how far the shard's newest record
    is ahead.
    """
    _call(service, "GET", mapping)


@command.command("rewind")
@click.argument("mapping")
@click.option("--to", type=click.Choice(["TRIM_HORIZON"]), help="The oldest records there are.")
@click.option("--timestamp", metavar="TIME", help="RFC 3339, or seconds since 1970.")
@click.option("--shard", metavar="ID", help="The shard of --sequence-number.")
@click.option("--sequence-number", metavar="NUMBER", help="The first record to be delivered again.")
@with_service_options
def rewind(
    service: ServiceOptions,
    mapping: str,
    to: str | None,
    timestamp: str | None,
    **record: str | None,
) -> None:
    """Let MAPPING read again from the horizon, a time or a record.

    Give one of --to, --timestamp, or --shard with --sequence-number. The first two move every
    shard. A record moves its shard; the shards that came from it, by splits and merges, are read
    from their beginning, those that it came from count as read to their end, and all others stay.
    A later record than the present one is passed on to without delivering what lies between.
    """
    given = {"to": to, "timestamp": timestamp, **record}
    place: dict[str, object] = {name: text for name, text in given.items() if text is not None}
    if set(place) not in ({"to"}, {"timestamp"}, {"shard", "sequence_number"}):
        raise click.UsageError(
            "Give one of --to, --timestamp, or --shard with --sequence-number",
            click.get_current_context(),
        )
    if timestamp is not None and _NUMBER.fullmatch(timestamp):
        place["timestamp"] = float(timestamp)
    _call(service, "POST", mapping, {"action": "rewind", **place})


@command.command("skip")
@click.argument("mapping")
@click.option("--shard", metavar="ID", required=True, help="The record's shard.")
@click.option("--sequence-number", metavar="NUMBER", required=True, help="The record.")
@with_service_options
def skip(service: ServiceOptions, mapping: str, shard: str, sequence_number: str) -> None:
    """Give one record up, such as one on which the function always fails.

    It goes to the failure journal instead of the function, and can be redriven from there; what
    follows it in its shard is delivered.
    """
    body = {"action": "skip", "shard": shard, "sequence_number": sequence_number}
    _call(service, "POST", mapping, body)


@command.command("changes")
@click.argument("mapping")
@with_service_options
def changes(service: ServiceOptions, mapping: str) -> None:
    """List the newest 100 changes of MAPPING's position, newest first.

    A MAPPING that was deleted is named by its UUID.
    """
    with one_line_errors():
        answer = service.call("GET", "mappings", mapping, "position", "changes")
    if service.is_json:
        print_json(answer.body)
        return
    print_table(
        ("TIME", "EPOCH", "ACTION", "WHAT"),
        [
            (show_time(each["changed_ms"]), str(each["epoch"]), each["action"], each["detail"])
            for each in answer.members["changes"]
        ],
    )


def _call(
    service: ServiceOptions, method: str, mapping: str, body: Mapping[str, object] | None = None
) -> None:
    """Call the operation, and show where the mapping stands."""
    with one_line_errors():
        answer = service.call(method, "mappings", mapping, "position", body=body)
    if service.is_json:
        print_json(answer.body)
    else:
        _print_position(answer.members)


def _show_place(shard: dict[str, Any]) -> str:
    """Say whether a record is the next one or the last one that is settled; a dash for none."""
    preposition = _PREPOSITIONS.get(shard["position"])
    return "-" if preposition is None else f"{preposition} {shard['sequence_number']}"


def _print_position(shown: dict[str, Any]) -> None:
    start = shown["start"]["position"]
    if "timestamp_ms" in shown["start"]:
        start += f" {show_time(shown['start']['timestamp_ms'])}"
    named = f"{shown['name']} ({shown['mapping']})" if shown["name"] else shown["mapping"]
    click.echo(f"{named}: {shown['mapping_state']}, {shown['last_processing_result']}")
    click.echo(f"{shown['stream_arn']}, starts at {start}, epoch {shown['epoch']}")
    print_table(
        ("SHARD", "STATE", "PLACE", "ARRIVED", "BEHIND"),
        [
            (
                each["shard"],
                each["state"],
                _show_place(each),
                show_time(each["arrived_ms"]),
                show_duration(each["behind_ms"]),
            )
            for each in shown["shards"]
        ],
    )
    for each in shown["skips"]:
        click.echo(f"skips record {each['sequence_number']} of {each['shard']}")

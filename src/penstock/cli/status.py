"""``penstock status``: every mapping, what it does and costs, and its last trouble."""

from typing import Any

import click

from penstock.cli.errors import one_line_errors
from penstock.cli.output import print_json, print_table, show_duration, show_time
from penstock.cli.service_options import ServiceOptions, with_service_options
from penstock.model.arn import function_name


@click.command("status")
@with_service_options
def command(service: ServiceOptions) -> None:
    """Show every mapping: what it does, what it costs, and where it has trouble.

    Of a queue: invocations in flight, of how many that may be now; messages that were received and
    wait; messages done (deleted) since the service started; those of them that match none of the
    mapping's filters, which its function never saw; requests to SQS per message done; receives
    of the last hour, empty ones too. Of a stream: how far behind its latest shard is, records
    that match none of the filters, and LastProcessingResult. The last trouble may be over.
    """
    with one_line_errors():
        answer = service.call("GET", "status")
    if service.is_json:
        print_json(answer.body)
        return
    rows = answer.members["mappings"]
    queues = [row for row in rows if row["kind"] == "queue"]
    streams = [row for row in rows if row["kind"] == "stream"]
    if not rows:
        click.echo("there are no mappings")
    if queues:
        _print_queues(queues)
    if queues and streams:
        click.echo()
    if streams:
        _print_streams(streams)
    _print_troubles(rows)
    started_ms = answer.members["started_ms"]
    ran = show_duration(answer.members["now_ms"] - started_ms)
    click.echo(f"the service runs since {show_time(started_ms)} ({ran})")


def _print_queues(rows: list[dict[str, Any]]) -> None:
    print_table(
        (
            *("NAME", "QUEUE", "FUNCTION", "STATE", "IN FLIGHT", "WAITING", "DONE"),
            *("FILTERED OUT", "REQUESTS/MESSAGE", "RECEIVES/HOUR"),
        ),
        [
            (
                *_shared_cells(row),
                _show_in_flight(row),
                _show_count(row["waiting_count"]),
                str(row["done_count"]),
                str(row["filtered_out_count"]),
                _show_count(row["requests_per_message"]),
                str(row["receives_last_hour"]),
            )
            for row in rows
        ],
    )


def _print_streams(rows: list[dict[str, Any]]) -> None:
    print_table(
        ("NAME", "STREAM", "FUNCTION", "STATE", "BEHIND", "FILTERED OUT", "LAST RESULT"),
        [
            (
                *_shared_cells(row),
                show_duration(row["iterator_age_ms"]),
                str(row["filtered_out_count"]),
                row["last_processing_result"],
            )
            for row in rows
        ],
    )


def _print_troubles(rows: list[dict[str, Any]]) -> None:
    """Print what went wrong below the tables: the texts are long."""
    for row in rows:
        if (trouble := row["trouble"]) is not None:
            ago = show_duration(trouble["ago_ms"])
            click.echo(f"last trouble of {_name_of(row)}, {ago} ago: {trouble['text']}")


def _name_of(row: dict[str, Any]) -> str:
    name: str = row["name"] or row["mapping"]
    return name


def _shared_cells(row: dict[str, Any]) -> tuple[str, ...]:
    function = function_name(row["function_arn"])
    return (_name_of(row), _source_name(row["source_arn"]), function, row["state"])


def _source_name(source_arn: str) -> str:
    """Give the name of a queue, of a Kinesis stream, or of the table that a stream is of."""
    resource = source_arn.split(":", 5)[5]
    return resource.split("/")[1] if "/" in resource else resource


def _show_in_flight(row: dict[str, Any]) -> str:
    if row["in_flight_count"] is None:
        return "-"
    return f"{row['in_flight_count']} of {row['concurrency_limit']}"


def _show_count(count: float | None) -> str:
    return "-" if count is None else f"{count:g}"

"""``penstock check``: where queue mappings do not follow AWS's advice."""

import textwrap
from typing import Any

import click

from penstock.cli.errors import one_line_errors
from penstock.cli.output import print_json
from penstock.cli.service_options import ServiceOptions, with_service_options
from penstock.model.arn import function_name

EXIT_ADVICE = 1
EXIT_INCOMPLETE = 2
_WIDTH = 100


@click.command("check")
@with_service_options
def command(service: ServiceOptions) -> None:
    """Say where queue mappings do not follow AWS's advice, and what would mend it.

    Every queue is looked at as it is now: its visibility timeout against the function's timeout,
    its dead-letter queue and maxReceiveCount; and the function's concurrency against what its
    mappings may use. Nothing is changed.

    Ends with 0 when there is nothing to say, 1 when advice is given, 2 when a queue cannot be read,
    a function is missing, or the service does not answer.
    """
    with one_line_errors(failure_code=EXIT_INCOMPLETE):
        answer = service.call("GET", "check")
    checked = answer.members["mappings"]
    if service.is_json:
        print_json(answer.body)
    else:
        _print_checked(checked)
    if any(each["problems"] for each in checked):
        raise SystemExit(EXIT_INCOMPLETE)
    raise SystemExit(EXIT_ADVICE if any(each["advice"] for each in checked) else 0)


def _print_checked(checked: list[dict[str, Any]]) -> None:
    if not checked:
        click.echo("there are no queue mappings to check")
        return
    for each in checked:
        if not each["problems"] and not each["advice"]:
            continue
        queue = each["source_arn"].rpartition(":")[2]
        function = function_name(each["function_arn"])
        click.echo(f"{each['name'] or each['mapping']} (queue {queue}, function {function})")
        for problem in each["problems"]:
            _print_item("cannot be checked", problem)
        for advice in each["advice"]:
            _print_item(advice["subject"], f"{advice['text']}. See {advice['page']}")
    advised_count = sum(bool(each["advice"]) for each in checked)
    failed_count = sum(bool(each["problems"]) for each in checked)
    noun = "queue mapping" if len(checked) == 1 else "queue mappings"
    summary = f"{len(checked)} {noun} checked: {advised_count} with advice"
    click.echo(summary + (f", {failed_count} not to be checked" if failed_count else ""))


def _print_item(subject: str, text: str) -> None:
    click.echo(
        textwrap.fill(
            f"{subject}: {text}",
            width=_WIDTH,
            initial_indent="  - ",
            subsequent_indent="    ",
            break_long_words=False,
            break_on_hyphens=False,
        )
    )

"""``penstock filter``: which records a mapping's filters let through, tried without a service."""

from typing import TYPE_CHECKING

import click

from penstock.cli.errors import EXIT_CONFIGURATION, one_line_errors
from penstock.cli.given import read_given
from penstock.cli.output import print_json
from penstock.model.errors import ConfigurationError
from penstock.model.filtering import FilterSource

if TYPE_CHECKING:
    from penstock.core.filter_events import Verdict

EXIT_NO_MATCH = 1


@click.group("filter")
def command() -> None:
    """Try filter patterns on records, before messages are deleted for them.

    Nothing is called: it works without a service, and without AWS.
    """


@command.command("test")
@click.option(
    "--pattern",
    "patterns",
    metavar="FILE|JSON",
    required=True,
    multiple=True,
    help="A pattern; of several one must match, as with a mapping's filters.",
)
@click.option(
    "--event",
    metavar="FILE|JSON",
    required=True,
    help="What it is tried on: a record, an event with its Records, or one of them per line.",
)
@click.option(
    "--source",
    type=click.Choice([each.value for each in FilterSource]),
    help="What the records are from; without it, what their eventSource says.",
)
@click.option("--format", "shape", type=click.Choice(["table", "json"]), default="table")
def test(patterns: tuple[str, ...], event: str, source: str | None, shape: str) -> None:
    """Say whether PATTERNS match records, and why or why not.

    What begins with a brace or a bracket is JSON, - is standard input, anything else a file. Of
    one record the verdict is told, and of each path of the patterns what the record held there
    and what was wanted; of several records how many match.

    A record is what the function would get: an element of Records. The source says where its
    data is (body, data, dynamodb) and how it is packed; body and data may also stand there
    unpacked, as {"body": {"kind": "order"}}. A record without eventSource, when no --source is
    given, is a plain document: patterns are held against it as it is.

    Ends with 0 when a record matches, 1 when none does, 2 when something cannot be read.

    \b
    penstock filter test --pattern '{"body":{"kind":["order"]}}' --event event.json
    penstock filter test --pattern p.json --event capture.jsonl --source kinesis
    """  # noqa: D301  click reads a backspace as: keep these lines as they are
    with one_line_errors(failure_code=EXIT_CONFIGURATION):
        texts = tuple([_read_text(each, "--pattern") for each in patterns])
        # Imported here: --help does not wait for them.
        from penstock.core.filter_events import read_tried_records, try_patterns  # noqa: PLC0415

        tried = read_tried_records(
            read_given(event, "--event"), None if source is None else FilterSource(source)
        )
        verdicts = try_patterns(texts, tried)
    matched = sum(each.matches for each in verdicts)
    if shape == "json":
        _print_json(verdicts)
    elif len(verdicts) == 1:
        click.echo("match" if matched else "no match")
        _print_reasons(verdicts[0])
    else:
        click.echo(f"{matched} of {len(verdicts)} records match")
    raise SystemExit(0 if matched else EXIT_NO_MATCH)


def _read_text(given: str, option: str) -> str:
    try:
        return read_given(given, option).decode()
    except UnicodeDecodeError as exc:
        raise ConfigurationError(f"{option} {given}: is not UTF-8 text") from exc


def _print_reasons(verdict: "Verdict") -> None:
    """Tell of each path what it held, and what was wanted."""
    for number, each in enumerate(verdict.filters, start=1):
        click.echo(f"pattern {number}: {_tell(matches=each.matches)}")
        for branch in each.branches:
            if len(each.branches) > 1:
                click.echo(f"  one way of $or: {_tell(matches=branch.matches)}")
            for path in branch.paths:
                held = ", ".join(path.held) or "nothing"
                click.echo(f"  {path.path}: {_tell(matches=path.matches)}")
                click.echo(f"    held {held}; wanted {', '.join(path.wanted)}")
                if path.reason:
                    click.echo(f"    {path.reason}")
            if branch.reason:
                click.echo(f"  {branch.reason}")


def _tell(*, matches: bool) -> str:
    return "match" if matches else "no match"


def _print_json(verdicts: "list[Verdict]") -> None:
    import msgspec  # noqa: PLC0415

    matched = sum(each.matches for each in verdicts)
    body = msgspec.json.encode({"matched": matched, "of": len(verdicts), "records": verdicts})
    print_json(body)

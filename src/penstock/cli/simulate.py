"""``penstock simulate``: what a mapping would do with records, tried before it is deployed."""

import contextlib
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from penstock.cli.errors import EXIT_CONFIGURATION, one_line_errors
from penstock.cli.given import describe_given, read_given
from penstock.model.errors import ConfigurationError

if TYPE_CHECKING:
    from penstock.testing import Mapping
    from penstock.testing.trial import TrialOptions, TriedMapping

EXIT_NOT_ALL = 1
_SPAN = re.compile(r"(\d+(?:\.\d+)?)(s|m|h|d)?")
_SPAN_S_MAX = 366 * 86_400  # a year: far beyond any age or retention of AWS
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_FAULTS = (
    "throttle",
    "crash",
    "timeout",
    "lost-answer",
    "destination",
    "read",
    "delete",
    "iterator",
)


def _to_seconds(_ctx: click.Context, _option: click.Parameter, given: str | None) -> float | None:
    """Read virtual time: ``90``, ``90s``, ``5m``, ``2h``, ``1d``."""
    if given is None:
        return None
    match = _SPAN.fullmatch(given)
    if match is None or not float(match[1]):
        raise click.BadParameter(f"{given!r} is no time; give 90s, 5m, 2h or 1d")
    span_s = float(match[1]) * _UNIT_S[match[2] or "s"]
    if span_s > _SPAN_S_MAX:
        raise click.BadParameter(f"{given!r} is too long; give 366d at most")
    return span_s


def _to_faults(
    _ctx: click.Context, _option: click.Parameter, given: tuple[str, ...]
) -> tuple[tuple[str, int], ...]:
    """Read failures and how often: ``throttle``, ``throttle=3``."""
    return tuple([_to_fault(each) for each in given])


def _to_fault(given: str) -> tuple[str, int]:
    what, equals, times = given.partition("=")
    if what not in _FAULTS:
        raise click.BadParameter(f"{what!r} is none of {', '.join(_FAULTS)}")
    if equals and not (times.isdecimal() and int(times)):
        raise click.BadParameter(f"{given!r}: {times!r} is no count; give {what}=3")
    return what, int(times or 1)


@click.command("simulate")
@click.argument("mapping", metavar="MAPPING")
@click.option("--handler", metavar="MODULE.FUNCTION", required=True, help="Your function's own.")
@click.option(
    "--records",
    metavar="FILE",
    required=True,
    help="What is put into the source: JSON lines, a JSON array, or lines of text; - is stdin.",
)
@click.option(
    "--code",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=".",
    help="The folder that the handler is imported from.",
)
@click.option(
    "--picture",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write what happened to this SVG file, too.",
)
@click.option(
    "--until",
    metavar="TIME",
    callback=_to_seconds,
    help="Stop at that virtual time; without it, when nothing is left to do, 2 hours at most.",
)
@click.option(
    "--timeout", "timeout_s", type=int, default=3, help="The function's timeout, in seconds."
)
@click.option(
    "--duration",
    "duration_s",
    type=float,
    default=0.1,
    help="How long each run of it takes, in virtual seconds.",
)
@click.option("--concurrency", type=int, default=1000, help="How many may run at once.")
@click.option("--shards", type=int, help="Of a Kinesis stream; one, unless given.")
@click.option(
    "--key",
    help="Member of the records: their partition key, their message group, or a table's key"
    " (two of them with a comma).",
)
@click.option(
    "--visibility-timeout",
    "visibility_s",
    type=int,
    help="Of a queue, in seconds; 30, unless given.",
)
@click.option("--max-receive-count", type=int, help="Of a queue: it has a dead-letter queue then.")
@click.option(
    "--fail",
    "faults",
    metavar="WHAT[=TIMES]",
    callback=_to_faults,
    multiple=True,
    help=f"Let it fail that often: {', '.join(_FAULTS)}. May be given more than once.",
)
@click.option("--seed", type=int, default=0, help="Another seed draws other identities.")
def command(  # noqa: PLR0913 - one per option
    mapping: str,
    records: str,
    *,
    code: Path,
    picture: Path | None,
    until: float | None,
    seed: int,
    **options: Any,  # noqa: ANN401 - TrialOptions names them
) -> None:
    """Try a mapping on records, in virtual time: print what happens, and draw it.

    MAPPING is a JSON file, JSON itself, or - for standard input: what is sent to
    create-event-source-mapping, or what get-event-source-mapping answers. Only its
    EventSourceArn must be there: it says what is simulated. Nothing is called, neither AWS nor
    a service of Penstock; but your handler is, for real, and does what it does.

    A record is a message's body, a Kinesis record's data, or an item that is put into the
    table. {"Data": .., "PartitionKey": ..} and {"MessageBody": .., "MessageGroupId": ..} say
    more of one.

    Ends with 0 when the function succeeded with all that it got, 1 when something was given up
    or is still being tried, 2 when something cannot be used.

    \b
    penstock simulate mapping.json --handler app.handler --records orders.jsonl
    penstock simulate mapping.json --handler app.handler --records orders.jsonl \\
      --fail throttle=3 --picture orders.svg
    aws lambda get-event-source-mapping --uuid UUID \\
      | penstock simulate - --handler app.handler --records orders.jsonl
    """  # noqa: D301  click reads a backspace as: keep these lines as they are
    with one_line_errors(failure_code=EXIT_CONFIGURATION):
        if (mapping, records) == ("-", "-"):
            raise ConfigurationError("MAPPING and --records cannot both be standard input")
        told = (read_given(mapping, "MAPPING"), read_given(records, "--records"))
        sys.path.insert(0, str(code.resolve()))
        # Imported here: --help does not wait for them.
        from penstock.testing import trial  # noqa: PLC0415

        tried = trial.read_mapping(told[0], describe_given(mapping, "the mapping"))
        values = trial.read_records(told[1], describe_given(records, "the records"))
        chosen = trial.TrialOptions(**options)
        if tried.is_disabled:
            click.echo("The mapping is disabled; it is tried as if it were enabled.", err=True)
        is_complete = _try(tried, values, chosen, until=until, picture=picture, seed=seed)
    raise SystemExit(0 if is_complete else EXIT_NOT_ALL)


def _try(  # noqa: PLR0913 - what was asked for
    tried: "TriedMapping",
    values: list[object],
    options: "TrialOptions",
    *,
    until: float | None,
    picture: Path | None,
    seed: int,
) -> bool:
    """Let it run and tell what happened; True when the function succeeded with all of it."""
    from penstock.testing import NeverIdleError, Penstock, trial  # noqa: PLC0415

    source = tried.source
    with Penstock(seed=seed, account=source.account, region=source.region) as penstock:
        # What the handler prints is not what this command prints.
        with contextlib.redirect_stdout(sys.stderr):
            mapping = trial.set_up(penstock, tried, options)
            trial.put_records(mapping, values, options)
            busy = ""
            try:
                if until is None:
                    penstock.run_until_idle()
                else:
                    penstock.advance(seconds=until)
            except NeverIdleError as exc:
                busy = str(exc).partition("\n(")[0]
        click.echo(mapping.timeline())
        if picture is not None:
            _save(mapping, picture)
        if busy:
            click.echo(f"penstock: {busy}", err=True)
        left = [f"{name.replace('_', '-')}={n}" for name, n in penstock.fail.pending.items()]
        if left:
            click.echo(f"penstock: of --fail this did not happen: {', '.join(left)}", err=True)
        return not busy and not mapping.discarded and not penstock.is_busy


def _save(mapping: "Mapping", picture: Path) -> None:
    try:
        mapping.timeline().save(picture)
    except OSError as exc:
        raise ConfigurationError(f"--picture {picture}: {exc.strerror}") from exc
    click.echo(f"picture: {picture}")

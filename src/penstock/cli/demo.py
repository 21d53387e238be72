"""``penstock demo``: see the main job work, for real."""

import click

from penstock.cli.errors import one_line_errors


@click.command("demo")
def command() -> None:
    """Send 60 orders through a queue to a function; five of them are poison.

    Starts `penstock dev` on a free port in a temporary folder, shows what happens (received,
    invoked, succeeded, redelivered, moved to the dead-letter queue), then one line that is read
    back from the queues. Ends with 0 when it adds up, with 1 when it does not, and leaves nothing
    running.
    """
    # Imported here, so that --help does not wait for it.
    from penstock.local.demo import start_demo  # noqa: PLC0415

    with one_line_errors():
        adds_up = start_demo()
    raise SystemExit(0 if adds_up else 1)

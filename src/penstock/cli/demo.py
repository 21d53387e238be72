"""``penstock demo``: see the main job work, for real."""

import click

from penstock.cli.errors import one_line_errors


@click.command("demo")
def command() -> None:
    """Send orders through a queue, clicks through a stream, changes of a table; some are poison.

    Starts `penstock dev` on a free port in a temporary folder, shows what happens (received,
    invoked, succeeded, redelivered, bisected, discarded), then one line for each source that is
    read back from what the functions wrote. Ends with 0 when it adds up, with 1 when it does not,
    and leaves nothing running.
    """
    # Imported here, so that --help does not wait for it.
    from penstock.local.demo import start_demo  # noqa: PLC0415

    with one_line_errors():
        adds_up = start_demo()
    raise SystemExit(0 if adds_up else 1)

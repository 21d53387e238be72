"""``penstock serve``: the service alone, against real endpoints."""

from pathlib import Path
from typing import Any

import click

from penstock.cli.errors import one_line_errors
from penstock.cli.log_options import LogOptions, with_log_options


@click.command("serve")
@click.option(
    "--config",
    envvar="PENSTOCK_SERVE_CONFIG",
    show_envvar=True,
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The project file.",
)
@click.option(
    "--host",
    envvar="PENSTOCK_SERVE_HOST",
    show_envvar=True,
    help="Address to listen on.  [default: the file's, or 127.0.0.1]",
)
@click.option(
    "--port",
    envvar="PENSTOCK_SERVE_PORT",
    show_envvar=True,
    type=click.IntRange(0, 65535),
    help="Port of Lambda's API; 0 takes a free one.  [default: the file's, or 4567]",
)
@click.option(
    "--store",
    "store_url",
    envvar="PENSTOCK_SERVE_STORE",
    show_envvar=True,
    metavar="URL",
    help="Where mappings are kept.  [default: the file's, or penstock.db beside it]",
)
@click.option(
    "--callers",
    envvar="PENSTOCK_SERVE_CALLERS",
    show_envvar=True,
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Keys that requests must be signed with, in the form of AWS's credentials file."
    "  [default: the file's, or none: any signature will do, and only on loopback]",
)
@click.option(
    "--upstream",
    envvar="PENSTOCK_SERVE_UPSTREAM",
    show_envvar=True,
    metavar="URL",
    help="A server of AWS's APIs, an emulator say: what is not Penstock's goes on to it, and queues"
    " and streams are there.  [default: the file's, or none]",
)
@click.option(
    "--functions",
    envvar="PENSTOCK_SERVE_FUNCTIONS",
    show_envvar=True,
    type=click.Choice(["here", "upstream"]),
    help="Who has and runs the functions.  [default: the file's, or here]",
)
@with_log_options
def command(
    logs: LogOptions,
    config: Path,
    **options: Any,  # noqa: ANN401 - click has checked their types
) -> None:
    """Read queues and streams and invoke functions until SIGTERM.

    Credentials, regions and endpoints are found as every AWS SDK finds them: AWS_PROFILE,
    AWS_REGION, AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_SQS, roles. The file declares functions and
    mappings; queues, streams and other resources must exist (only `penstock dev` makes them).
    Lambda's API for mappings is on the port, and /penstock/v1/health says whether the service is
    up.

    SIGTERM or Ctrl-C stops receiving, drains what is in flight, and ends with 0.
    """
    # Imported here, so that --help does not wait for it.
    from penstock.local.serve_start import ServeRequest, start_serve  # noqa: PLC0415

    with one_line_errors():
        start_serve(
            ServeRequest(project_file=config, **options),
            log_format=logs.format,
            log_level=logs.level,
        )

"""``penstock dev``: one port with Lambda's API and an embedded AWS."""

from pathlib import Path

import click

from penstock.cli.errors import one_line_errors
from penstock.cli.log_options import LogOptions, with_log_options
from penstock.cli.shell_words import ShellWords


@click.command("dev")
@click.argument("project_file", required=False, type=click.Path(path_type=Path))
@click.option(
    "--host",
    envvar="PENSTOCK_DEV_HOST",
    show_envvar=True,
    help="Address to listen on.  [default: the file's, or 127.0.0.1]",
)
@click.option(
    "--port",
    envvar="PENSTOCK_DEV_PORT",
    show_envvar=True,
    type=click.IntRange(0, 65535),
    help="Port of everything; 0 takes a free one.  [default: the file's, or 4566]",
)
@click.option(
    "--data",
    envvar="PENSTOCK_DEV_DATA",
    show_envvar=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder that keeps mappings across runs; without it they last as long as dev.",
)
@click.option(
    "--parameter",
    "parameters",
    metavar="KEY=VALUE",
    multiple=True,
    type=ShellWords(),
    envvar="PENSTOCK_DEV_PARAMETER",
    show_envvar=True,
    help="A template's parameter; may be repeated. AWS::Region=eu-west-1 works too.",
)
@click.option(
    "--watch",
    is_flag=True,
    envvar="PENSTOCK_DEV_WATCH",
    show_envvar=True,
    help="Take up changes of PROJECT_FILE while it runs. (Changed handlers need no option.)",
)
@with_log_options
def command(  # noqa: PLR0913  one for each option
    logs: LogOptions,
    *,
    project_file: Path | None,
    parameters: tuple[str, ...],
    watch: bool,
    host: str | None,
    port: int | None,
    data: Path | None,
) -> None:
    """Serve Lambda's API and every other AWS API on one port.

    PROJECT_FILE declares functions, mappings, queues, streams, tables, topics and buckets; dev
    makes them all. It is a penstock.toml, or a SAM, CloudFormation or CDK-synthesised template, or
    a folder that has one of them (without it: this folder). Set AWS_ENDPOINT_URL to the address in
    the ready line, and every AWS tool and SDK works against it.

    Of a template, functions run from their local CodeUri; what is not made is said at the start,
    and before it by penstock plan.

    \b
      [functions.orders]
      Handler = "app.handler"
      code = "."
      [[queues]]
      name = "orders"
      [[mappings]]
      name = "orders"
      queue = "orders"
      FunctionName = "orders"

    \b
    penstock dev template.yaml --parameter Stage=dev --watch

    Ctrl-C drains what is in flight and ends; a second Ctrl-C ends at once.
    """  # noqa: D301  click reads a backspace as: keep these lines as they are
    # Imported here, so that --help does not wait for it.
    from penstock.local.dev_start import DevRequest, start_dev  # noqa: PLC0415

    with one_line_errors():
        start_dev(
            DevRequest(
                project_file=project_file,
                parameters=parameters,
                host=host,
                port=port,
                data=data,
                watch=watch,
            ),
            log_format=logs.format,
            log_level=logs.level,
        )

"""The ``penstock`` command: one file per subcommand, imported only when it is called."""

import importlib
import os
import sys

import click

from penstock import __version__
from penstock.model.suggestion import suggest

_STDERR = 2
_COMMANDS = (
    "dev",
    "plan",
    "serve",
    "demo",
    "simulate",
    "status",
    "check",
    "position",
    "failures",
    "filter",
)


class LazyGroup(click.Group):
    """Finds a subcommand in ``penstock.cli.NAME.command`` when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name them in the order a newcomer meets them."""
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one."""
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"penstock.cli.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Refuse what is no command, naming the nearest one that is."""
        if args and args[0].isidentifier() and args[0] not in _COMMANDS:
            ctx.fail(f"No such command {args[0]!r}; {suggest(args[0], _COMMANDS, 'commands')}")
        return super().resolve_command(ctx, args)


@click.group(
    cls=LazyGroup,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "show_default": True,
    },
    epilog="Every option of dev and serve can be given in the environment: the --port of dev is"
    " PENSTOCK_DEV_PORT, that of serve is PENSTOCK_SERVE_PORT. PENSTOCK_URL says to the other"
    " commands where the service is.",
)
@click.version_option(__version__, prog_name="penstock")
def cli() -> None:
    """Run AWS Lambda's event source mappings anywhere.

    Penstock reads queues and streams at any endpoint that speaks AWS's API, gathers their messages
    and records into batches and invokes functions with them, by Lambda's rules and behind Lambda's
    API.

    \b
    penstock demo                 see it work: a queue, a stream, a table, poison
    penstock dev                  one port with Lambda's API and an embedded AWS
    penstock plan                 what dev would make of a template or a penstock.toml
    penstock serve --config FILE  the service alone, against real endpoints
    penstock simulate MAPPING     what a mapping would do with records, in virtual time
    penstock status               what each mapping does and costs, and its last trouble
    penstock check                where queues do not follow AWS's advice
    penstock position show NAME   where a stream mapping stands; also: rewind, skip
    penstock failures list        what was given up, with its events; also: redrive
    penstock filter test          which records a filter's pattern matches
    """  # noqa: D301  click reads a backspace as: keep these lines as they are


def open_standard_streams() -> None:
    """Open what was closed of stdin, stdout and stderr, for this process and its children.

    Else the next socket takes the place, and libuv ends the process when that is closed.
    """
    while (fd := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
        os.set_inheritable(fd, True)  # noqa: FBT003  the standard library's own signature
    os.close(fd)


def main() -> None:
    """Run the command line; a broken pipe of its output is no error."""
    open_standard_streams()
    try:
        cli()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)

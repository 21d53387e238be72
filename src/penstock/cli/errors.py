"""How a command ends when it cannot do what was asked."""

import contextlib
from collections.abc import Iterator

import click

from penstock.model.errors import ConfigurationError, PenstockError

EXIT_CONFIGURATION = 2


class ServiceUnreachableError(PenstockError):
    """Nothing answers at the URL, or not in time."""


class ServiceFailedError(PenstockError):
    """The service could not do it, or what answered is no Penstock service."""


class RequestRefusedError(ConfigurationError):
    """The service says what is wrong with the request."""


class NotThereError(RequestRefusedError):
    """The service does not have what the request names."""


@contextlib.contextmanager
def one_line_errors(*, failure_code: int = 1) -> Iterator[None]:
    """End with one clear line on stderr: 2 for what the user can mend, 1 for what failed.

    Args:
        failure_code: Of what failed, where 1 means something else.
    """
    try:
        yield
    except ConfigurationError as exc:
        click.echo(f"penstock: {exc}", err=True)
        raise SystemExit(EXIT_CONFIGURATION) from exc
    except PenstockError as exc:
        click.echo(f"penstock: {exc}", err=True)
        raise SystemExit(failure_code) from exc

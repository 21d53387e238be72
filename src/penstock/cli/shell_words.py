"""Several values of one option in one variable of the environment, told apart as a shell does."""

import shlex

import click


class ShellWords(click.types.StringParamType):
    """Text; in the environment, quotes keep the blanks of a value: ``A=1 'B=two words'``."""

    def split_envvar_value(self, rv: str) -> list[str]:
        """Give the values that a variable holds."""
        try:
            return shlex.split(rv)
        except ValueError as exc:
            raise click.BadParameter(f"{rv!r}: {str(exc).lower()}") from exc

"""The one line that says what runs, where, and what to do next."""

import msgspec
import structlog

from penstock.local.logs import LogFormat, print_line
from penstock.local.project_file import Project

_NONE = "none declared"  # the store may have some that were made through the API


class ReadyLine(msgspec.Struct, frozen=True, kw_only=True):
    """What to tell.

    Attributes:
        command: ``dev`` or ``serve``.
        endpoint: ``http://host:port`` of the API.
        next_step: A shell command to go on with, or where to look.
    """

    command: str
    endpoint: str
    project: Project
    next_step: str

    def tell(self, log_format: LogFormat) -> None:
        """Print it for people, or log it as the event ``ready`` for machines."""
        functions = [function.name for function in self.project.functions]
        mappings = [mapping.name for mapping in self.project.mappings]
        if log_format is LogFormat.JSON:
            structlog.get_logger("penstock").info(
                "ready", endpoint=self.endpoint, functions=functions, mappings=mappings
            )
            return
        service = self.project.service
        named = "the upstream's" if service.functions == "upstream" else ", ".join(functions)
        line = (
            f"penstock {self.command} is ready at {self.endpoint}"
            + (f" | upstream: {service.upstream}" if service.upstream else "")
            + f" | functions: {named or _NONE}"
            f" | mappings: {', '.join(mappings) or _NONE}"
            f" | next: {self.next_step}"
        )
        print_line(line)


def format_exports(environment: dict[str, str]) -> str:
    """Spell variables as one shell command."""
    pairs = [f"{name}={value}" for name, value in environment.items()]
    return f"export {' '.join(pairs)}"

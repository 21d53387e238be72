"""Which upstream a service has, and whose the functions are: by the file and the command line."""

from typing import Literal

import msgspec

from penstock.aws.exchange import parse_endpoint
from penstock.local.project_tables import ServiceTable
from penstock.local.toml_table import Place
from penstock.model.errors import ConfigurationError
from penstock.model.function import Function


class UpstreamChoice(msgspec.Struct, frozen=True):
    """What a command line says of the upstream; None leaves it to the file."""

    url: str | None = None
    functions: Literal["here", "upstream"] | None = None


NO_CHOICE = UpstreamChoice()


def choose_upstream(service: ServiceTable, chosen: UpstreamChoice) -> ServiceTable:
    """Join what a file and a command line say of the upstream.

    Raises:
        ConfigurationError: It is no server's URL, or there is none to have the functions.
    """
    url = chosen.url or service.upstream
    functions = chosen.functions or service.functions
    if url is not None and parse_endpoint(url, named_by="upstream").path:
        raise ConfigurationError(f"upstream: {url!r} has a path; the form is http[s]://HOST[:PORT]")
    if functions == "upstream" and url is None:
        raise ConfigurationError(
            "functions: they can be the upstream's only where there is one; give --upstream URL"
            " (upstream in [service])"
        )
    upstream = None if url is None else url.rstrip("/")
    return msgspec.structs.replace(service, upstream=upstream, functions=functions)


def functions_of_mappings(
    service: ServiceTable, declared: dict[str, Function], place: Place
) -> dict[str, Function] | None:
    """Give the functions that mappings may name; None: those that the upstream has.

    Raises:
        ConfigurationError: The file declares a function, and the upstream has them.
    """
    if service.functions == "here":
        return declared
    for name in declared:
        where = place.at("functions").at(name)
        raise where.error("functions are the upstream's: create it there, and remove it here")
    return None

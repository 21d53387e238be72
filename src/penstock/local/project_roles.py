"""What ``assume_role`` asks of the functions of a project file."""

from collections.abc import Mapping

from penstock.functions.host.role import CREDENTIAL_VARIABLES
from penstock.local.toml_table import Place
from penstock.model.function import Function, LocalProcess


def check_roles(functions: Mapping[str, Function], place: Place) -> None:
    """Refuse functions that could not be run as their roles.

    Args:
        functions: By their names in the file.
        place: Of all of them.

    Raises:
        ConfigurationError: One has no role, or declares credentials that its role would give it.
    """
    for name, function in functions.items():
        here = place.at(name)
        if function.role is None:
            raise here.error(
                "Role is missing: [service] has assume_role = true, so each function needs the ARN"
                " of the role that it is run as"
            )
        declared = (
            function.hosting.environment if isinstance(function.hosting, LocalProcess) else {}
        )
        for variable in CREDENTIAL_VARIABLES:
            if variable in declared:
                raise (
                    here.at("Environment")
                    .at(variable)
                    .error(
                        "the function has its role's credentials, since [service] has assume_role ="
                        " true; remove the variable"
                    )
                )
